"""SDKs of four languages and a Collector in front, all at once, for as long as one likes, through restarts of either side.

For ten minutes: `TIEOUT_INTEROP_MINUTES=10 python -m pytest -m slow tests/interop/test_sdks_for_long.py`.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import builds
import pytest
from parties import Otelcol, Party, Sender, Tieout, wait_until

TO_RECEIVER = Path(__file__).parent / "otelcol_to_receiver.yaml"
MINUTES = float(os.environ.get("TIEOUT_INTEROP_MINUTES", "0.05"))
# Milliseconds between two spans of a program: all of them share two cores with those that they talk to.
PAUSE_MS = 10
COUNT = int(MINUTES * 60 * 1000 / PAUSE_MS)


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_while_all_send_and_either_side_is_killed(
    tieout: Tieout,
    otelcol: Callable[..., Otelcol],
    sender: Callable[..., Sender],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEND_PAUSE_MS", str(PAUSE_MS))
    collector = otelcol(TO_RECEIVER)
    sending = [
        sender(builds.python_sender(), tieout.grpc_url, COUNT, "grpc"),
        sender(builds.go_sender(), tieout.traces_url, COUNT),
        sender(builds.java_sender(), tieout.traces_url, COUNT),
        sender(builds.javascript_sender(), tieout.traces_url, COUNT, "protobuf"),
        sender(builds.python_sender(), collector.traces_url, COUNT),
    ]
    kill_in_turns([tieout, collector], MINUTES * 60)
    exported = set[str]()
    for one in sending:
        # What an SDK gives up when it ends is in neither list, and may have been stored all the same.
        exported.update(one.result(60 + 2 * MINUTES * 60)[0])
    assert len(exported) > len(sending) * COUNT // 2, "the SDKs kept trying"
    wait_until(lambda: exported <= set(tieout.copies()), collector.said)
    copies = tieout.copies()
    assert set(copies.values()) == {1}
    assert len(copies) <= len(sending) * COUNT


def kill_in_turns(parties: list[Party], seconds: float) -> None:
    """Each is killed and started again, after pauses of some seconds, at least once."""
    chance, end, restarts = random.Random(120), time.monotonic() + seconds, 0
    while time.monotonic() < end or restarts < len(parties):
        time.sleep(chance.uniform(2, 6))
        victim = parties[restarts % len(parties)]
        victim.kill()
        victim.start()
        restarts += 1
