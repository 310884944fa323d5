"""A `tieout up` that takes telemetry, on ports that stay the same however often it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from store.client import Store
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
READER, WRITER = "reader-of-the-fault-program", "writer-of-the-fault-program"
# The real receiver, a little of everything: what is bounded shows sooner.
SETTINGS = "title: faults\ncollector:\n  free_floor_bytes: 0\n"


class Site:
    """One project folder and the process that serves it."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.ports = dict(zip(("otlp", "otlp_grpc", "store"), free_ports(3), strict=True))
        self.environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.move(folder)

    def move(self, folder: Path) -> None:
        """From the next start on it serves this folder, which may hold a copy of what it served before."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tieout.yaml").write_text(SETTINGS)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['otlp']}"

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> None:
        listen = {f"TIEOUT_LISTEN__{name.upper()}": f"127.0.0.1:{port}" for name, port in self.ports.items()}
        tokens = {"TIEOUT_STORE__READER_TOKEN": READER, "TIEOUT_STORE__WRITER_TOKEN": WRITER}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tieout", "up", "--project", str(self.folder), "--only", "collector"],
                cwd=ROOT, env={**os.environ, **listen, **tokens, **self.environment},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.wait_until(self.answers, "tieout up")

    def answers(self) -> bool:
        """Whether both the store and the receiver do."""
        urls = {f"http://127.0.0.1:{self.ports['store']}/ping": 200, f"{self.url}/v1/traces": 405}
        try:
            return all(httpx.get(url, timeout=5).status_code == code for url, code in urls.items())
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """SIGKILL, at once."""
        assert self.alive(), f"it had ended by itself: {self.said()}"
        self.signal(signal.SIGKILL)
        assert self._process
        self._process.wait(30)

    def signal(self, number: int) -> None:
        assert self._process
        self._process.send_signal(number)

    def end(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(30)

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def rss_bytes(self) -> int:
        """Memory of the process now."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def said(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-3000:]

    @contextmanager
    def store(self) -> Iterator[Store]:
        """What it holds."""
        with Store(f"http://127.0.0.1:{self.ports['store']}", token=READER, read_only=True) as store:
            yield store

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Waits a bounded time; says what did not come."""
        deadline = time.monotonic() + 150
        while not condition():
            if not self.alive():
                pytest.fail(f"{what}: the process ended by itself: {self.said()}")
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not come in time: {self.said()}")
            time.sleep(0.05)

    @property
    def _log(self) -> Path:
        # Not where the faults are.
        return Path(os.environ["TIEOUT_FAULT_LOGS"]) / f"{self.ports['otlp']}.log"
