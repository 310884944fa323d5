"""A listener that is killed again and again while messages come: each is stored, none of them twice."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.ports import free_port
from tests.probes.mllp import message, send

pytestmark = pytest.mark.slow


class Listener:
    """A process that listens at one port, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._folder = folder
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.probes.mllp", str(self._folder), self.address]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().decode().strip() == self.address

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged_and_stores_nothing_twice(
    tmp_path: Path,
) -> None:
    folder, chance = tmp_path / "mllp", random.Random(4711)
    listener = Listener(folder)
    acknowledged: list[int] = []
    done = threading.Event()

    def sender() -> None:
        """Sends each message until it is acknowledged, as an interface engine does."""
        number = 0
        while not done.is_set():
            number += 1
            while not done.is_set():
                try:
                    assert send(listener.address, message(number)) == [["AA", str(number)]]
                except (TimeoutError, OSError, EOFError):
                    time.sleep(0.02)
                else:
                    acknowledged.append(number)
                    break

    thread = threading.Thread(target=sender)
    thread.start()
    try:
        for _ in range(5):
            time.sleep(0.3 + chance.random() * 0.5)
            listener.kill()
            listener.start()
        time.sleep(0.5)
    finally:
        done.set()
        thread.join(30)
        listener.kill()
    lines = [line for path in folder.iterdir() for line in path.read_bytes().split(b"\n")[:-1]]
    keys = sorted(int(json.loads(line)["rows"][0][0][1:]) for line in lines)
    assert len(acknowledged) > 50
    assert keys[: len(acknowledged)] == acknowledged
    assert len(keys) == len(set(keys)) <= len(acknowledged) + 1
