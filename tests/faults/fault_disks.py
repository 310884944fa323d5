"""Disks that can be cut off or filled: file systems of their own, which only the administrator may mount."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def disk_in_a_file(image: Path, at: Path, size_bytes: int | None = None) -> Iterator[Path]:
    """An ext4 file system mounted at `at`. With a size it is made in `image`, else what `image` holds is mounted."""
    if size_bytes is not None:
        with image.open("wb") as file:
            file.truncate(size_bytes)
        _run(shutil.which("mkfs.ext4") or "/usr/sbin/mkfs.ext4", "-q", "-F", "-m", "0", str(image))
    at.mkdir(exist_ok=True)
    _as_administrator("mount", "-o", "loop", str(image), str(at))
    try:
        _as_administrator("chown", str(os.getuid()), str(at))
        yield at
    finally:
        # What is cut off for good need not wait for what is still open in it.
        _as_administrator("umount", "--lazy", str(at))


def cut(image: Path, copy: Path) -> None:
    """Copies the disk as it is at this moment; whoever writes to it has been stopped.

    What the kernel still writes by itself could tear the copy, so it is made until two are the same.
    """
    second = copy.with_suffix(".second")
    for _ in range(20):
        _run("cp", "--sparse=always", str(image), str(copy))
        _run("cp", "--sparse=always", str(image), str(second))
        same = subprocess.run(["cmp", "--silent", str(copy), str(second)], check=False).returncode == 0
        second.unlink()
        if same:
            return
    pytest.fail("the disk did not come to rest")


@contextmanager
def full(folder: Path, left_bytes: int) -> Iterator[Path]:
    """All but so many bytes of the disk at `folder` are taken by something else; gives the file that takes them."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        size, piece = 0, 64 << 20
        while piece >= 4096:
            # Others write meanwhile, so the last pieces must be small to be had at all.
            try:
                os.posix_fallocate(file.fileno(), size, min(piece, max(1, _free(folder) - left_bytes)))
            except OSError:
                piece //= 2
            else:
                size = os.fstat(file.fileno()).st_size
                if _free(folder) <= left_bytes:
                    break
    try:
        yield ballast
    finally:
        ballast.unlink()


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _as_administrator(*command: str) -> None:
    if os.geteuid() == 0:
        _run(*command)
    elif shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], check=False).returncode == 0:
        _run("sudo", "-n", *command)
    else:
        pytest.fail("this fault needs a disk of its own: run it as root, or where sudo asks for no password")


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(
            f"{' '.join(command)} failed: {done.stderr.strip()}; it needs e2fsprogs, mount and loop devices"
        )
