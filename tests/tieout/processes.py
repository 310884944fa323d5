"""The command line as its users run it: a process of its own, with an end that is waited for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def tieout(
    *arguments: str, timeout: float = 300, typed: Sequence[str] | None = None, **environment: str
) -> Ran:
    """Runs `tieout …` to its end; with `typed`, at a terminal, where a person answers with these lines."""
    with _keyboard(typed) as keyboard:
        done = subprocess.run(
            [sys.executable, "-m", "tieout", *arguments],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **environment},
            stdin=keyboard,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    return Ran(done.returncode, done.stdout, done.stderr)


@contextmanager
def _keyboard(typed: Sequence[str] | None) -> Iterator[int | None]:
    """A terminal at which these lines wait to be read; none without them."""
    if typed is None:
        yield None
        return
    ours, theirs = os.openpty()
    try:
        os.write(ours, "".join(f"{line}\n" for line in typed).encode())
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


@dataclass
class Up:
    """A running `tieout up`: its process and where it listens."""

    process: subprocess.Popen[str]
    ports: dict[str, int]

    def url(self, role: str) -> str:
        return f"http://127.0.0.1:{self.ports[role]}"


def answers(running: Up) -> bool:
    try:
        return httpx.get(running.url("store") + "/ping", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def announced(project: Path) -> bool:
    """Whether it is fully up: it says where it listens when everything does."""
    return any((project / folder / "run.json").exists() for folder in ("data", "store"))


def wait_until(
    condition: Callable[[], bool], what: str, process: subprocess.Popen[str] | None = None
) -> None:
    """Waits a bounded time for another process; says what did not come."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        if condition():
            return
        if process is not None and process.poll() is not None:
            error = process.stderr.read() if process.stderr else ""
            pytest.fail(f"{what} ended with code {process.returncode}: {error[-2000:]}")
        time.sleep(0.05)
    pytest.fail(f"{what} did not come in time")
