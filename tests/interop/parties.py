"""The processes that talk to each other: a tieout, a Collector, a program that sends. All can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from store.client import Store
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
READER, WRITER = "reader-of-the-interop-tests", "writer-of-the-interop-tests"


class Party:
    """One process with a log, on ports that stay the same when it is started again."""

    def __init__(
        self, folder: Path, command: Sequence[str], environment: Mapping[str, str], runs_in: Path = ROOT
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._runs_in = runs_in
        self._log = folder / "log.txt"
        self._command = command
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def set(self, **environment: str) -> None:
        """What it finds in its environment when it is started next."""
        self._environment |= environment

    def ready(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._runs_in,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self.ready, self.said)

    def kill(self) -> None:
        """SIGKILL, at once."""
        assert self._process
        assert self._process.poll() is None, f"it had ended by itself: {self.said()}"
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)

    def end(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(30)

    def cpu_s(self) -> float:
        """Seconds of CPU it has used since it was started."""
        assert self._process
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def said(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-3000:]


class Tieout(Party):
    """`tieout up` with the receiver and the store's endpoint, in a project of its own unless the folder has one."""

    def __init__(self, folder: Path, roles: str = "collector") -> None:
        self.folder = folder
        self.otlp_port, self.grpc_port, self.store_port = free_ports(3)
        super().__init__(
            folder,
            (sys.executable, "-m", "tieout", "up", "--project", str(folder), "--only", roles),
            {
                "TIEOUT_LISTEN__OTLP": f"127.0.0.1:{self.otlp_port}",
                "TIEOUT_LISTEN__OTLP_GRPC": f"127.0.0.1:{self.grpc_port}",
                "TIEOUT_LISTEN__STORE": f"127.0.0.1:{self.store_port}",
                "TIEOUT_STORE__READER_TOKEN": READER,
                "TIEOUT_STORE__WRITER_TOKEN": WRITER,
            },
        )
        if not (folder / "tieout.yaml").exists():
            (folder / "tieout.yaml").write_text("title: interop\n")
        self.traces_url = f"http://127.0.0.1:{self.otlp_port}/v1/traces"
        self.grpc_url = f"http://127.0.0.1:{self.grpc_port}"
        self.store_url = f"http://127.0.0.1:{self.store_port}"

    def ready(self) -> bool:
        return answers(f"{self.store_url}/ping") and answers(self.traces_url, 405)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """What it holds."""
        with Store(self.store_url, token=READER, read_only=True) as store:
            yield store

    def copies(self) -> dict[str, int]:
        """How many rows there are of each span."""
        with self.store() as store:
            found = store.rows("SELECT SpanId, count() AS copies FROM otel_traces GROUP BY TraceId, SpanId")
        return {row["SpanId"]: row["copies"] for row in found}


class Otelcol(Party):
    """The Collector. `files` are merged; `environment` fills their ${env:…}."""

    def __init__(
        self, folder: Path, program: Path, files: Sequence[Path], environment: Mapping[str, str]
    ) -> None:
        self.otlp_port, self.grpc_port, self.health_port = free_ports(3)
        (folder / "queue").mkdir(parents=True)
        configs = [part for file in files for part in ("--config", str(file))]
        super().__init__(
            folder,
            (str(program), *configs),
            {
                "OTLP_PORT": str(self.otlp_port),
                "GRPC_PORT": str(self.grpc_port),
                "HEALTH_PORT": str(self.health_port),
                "QUEUE": str(folder / "queue"),
                **environment,
            },
        )
        self.traces_url = f"http://127.0.0.1:{self.otlp_port}/v1/traces"

    def ready(self) -> bool:
        return answers(f"http://127.0.0.1:{self.health_port}/") and answers(self.traces_url, 405)


class Source(Party):
    """A program that a probe asks; it is there when `path` answers."""

    def __init__(
        self,
        folder: Path,
        command: Sequence[str],
        port: int,
        path: str,
        environment: Mapping[str, str],
        runs_in: Path,
    ) -> None:
        super().__init__(folder, command, environment, runs_in)
        self.url = f"http://127.0.0.1:{port}"
        self._path = path

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}{self._path}", timeout=2, trust_env=False).status_code < 500
        except httpx.HTTPError:
            return False


class Sender:
    """A program that sends spans while the test goes on, and says what its SDK thinks became of them."""

    def __init__(self, command: Sequence[str], url: str, count: int, *more: str) -> None:
        # Files, as nobody reads before the end: a full pipe would stop the program.
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - `end` closes it
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [*command, url, str(count), *more], stdout=self._output, stderr=self._errors
        )

    def result(self, most_s: float = 150) -> tuple[list[str], list[str]]:
        """The ids of spans that were exported, and of those that were given up, when it has ended."""
        self._process.wait(timeout=most_s)
        self._output.seek(0)
        self._errors.seek(0)
        assert self._process.returncode == 0, self._errors.read()[-3000:]
        said: dict[str, list[str]] = {"exported": [], "failed": []}
        for line in self._output:
            word, *spans = line.split()
            said[word] += spans
        return said["exported"], said["failed"]

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._output.close()
        self._errors.close()


def answers(url: str, status: int = 200) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == status
    except httpx.HTTPError:
        return False


def wait_until(condition: Callable[[], Any], what: Callable[[], str], seconds: float = 120) -> None:
    """Waits a bounded time for other processes; says what there was instead."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"it did not come: {what()}")
        time.sleep(0.05)
