"""Ports for processes that a test starts, stops and starts again."""

from __future__ import annotations

import itertools
import os
import random
import socket

# Below what systems give to outgoing connections (32768 on Linux, 49152 elsewhere): while a process is down,
# nobody's connection can take its port. A stretch for each worker, so that two never look at the same one.
_LOWEST, _STRETCH, _STRETCHES = 10_000, 1_000, 22
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_STRETCH_OF_WORKER = _LOWEST + _WORKER % _STRETCHES * _STRETCH
# Begins anywhere, as other runs of the tests may go on beside this one.
_turns = itertools.count(random.randrange(_STRETCH))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on and that stays free while nobody does."""
    for turn in itertools.islice(_turns, _STRETCH):
        port = _STRETCH_OF_WORKER + turn % _STRETCH
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise OSError(f"no free port from {_STRETCH_OF_WORKER} on: stop what listens there")


def free_ports(count: int) -> list[int]:
    """As many of them, all different."""
    return [free_port() for _ in range(count)]
