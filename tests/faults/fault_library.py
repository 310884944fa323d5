"""Faults that the operating system would make: slow fsyncs, failing writes, a clock that is wrong. See faults.c."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "faults.c"
FIELDS = (
    "sync_delay_us", "writes_left", "fail_with", "clock_shift_s",
    "syncs", "failed", "clock_reads",
)  # fmt: skip


class Faults:
    """What happens to a process that runs with `environment`; may be changed while it runs."""

    def __init__(self, folder: Path, under: Path, *, clock: bool = False) -> None:
        """`folder` takes the compiled library; only files below `under` are touched, and with `clock` the time."""
        self._plan = folder / "plan"
        self._plan.write_bytes(bytes(8 * len(FIELDS)))
        with self._plan.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8 * len(FIELDS))
        self.set("writes_left", -1)
        self.environment = {
            "LD_PRELOAD": str(_compiled(folder)),
            "TIEOUT_FAULTS": str(self._plan),
            "TIEOUT_FAULTS_UNDER": os.path.realpath(under),
        }
        if clock:
            self.environment["TIEOUT_FAULTS_CLOCK"] = "1"

    def set(self, name: str, value: int) -> None:
        struct.pack_into("<q", self._shared, 8 * FIELDS.index(name), value)

    def get(self, name: str) -> int:
        return int(struct.unpack_from("<q", self._shared, 8 * FIELDS.index(name))[0])

    def fail_write(self, number: int, error: int) -> None:
        """The write after `number` more fails with `error`, a number of errno."""
        self.set("fail_with", error)
        self.set("writes_left", number)


def _compiled(folder: Path) -> Path:
    if not shutil.which("cc"):
        pytest.fail("the fault program needs a C compiler: sudo apt-get install -y gcc libc6-dev")
    made = folder / "faults.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", made, SOURCE, "-ldl"],
        check=True,
    )
    return made
