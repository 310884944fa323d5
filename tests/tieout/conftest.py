"""A running system for tests of the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import ROOT, Up, announced, answers, wait_until

from tests.ports import free_port


@pytest.fixture
def up() -> Iterator[Callable[..., Up]]:
    """Starts `tieout up` on free ports and waits until it answers; ends it after the test."""
    started: list[Up] = []

    def start(project: Path, only: str = "collector,jobs") -> Up:
        ports = {role: free_port() for role in ("store", "otlp", "otlp_grpc", "dashboard")}
        listen = {f"TIEOUT_LISTEN__{role.upper()}": f"127.0.0.1:{port}" for role, port in ports.items()}
        process = subprocess.Popen(
            [sys.executable, "-m", "tieout", "up", "--project", str(project), "--only", only],
            cwd=ROOT,
            env={**os.environ, **listen},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        running = Up(process, ports)
        started.append(running)
        wait_until(lambda: answers(running) and announced(project), f"tieout up on {project}", process)
        return running

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.terminate()
            running.process.wait(60)
