"""The clock of the machine is wrong, or is set right: rows are dated by it, and requests known again by their dates."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fault_library import Faults
from fault_site import Site
from fault_traffic import traffic

pytestmark = pytest.mark.slow
HOUR_S = 3600
AFTER_2038 = datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    """The wall clock of the receiver, and of nothing else, can be set."""
    return Faults(tmp_path, tmp_path / "site", clock=True)


def shifts() -> dict[str, int]:
    return {
        "an hour ahead": HOUR_S,
        "an hour behind": -HOUR_S,
        "a day behind": -24 * HOUR_S,
        "after 2038": int((AFTER_2038 - datetime.now(UTC)).total_seconds()),
        "right": 0,
    }


def test_when_the_clock_jumps_nothing_is_lost_and_nothing_sent_again_is_doubled(
    site: Site, faults: Faults
) -> None:
    """While it runs, and while it is down; each time all that came before the jump is sent again after a restart."""
    chance = random.Random(7)
    with traffic(site, seed=7) as senders:
        senders.wait_for(20)
        for seconds in shifts().values():
            before = senders.ledger.acked[-20:]
            faults.set("clock_shift_s", seconds)
            senders.wait_for(10)
            site.kill()
            site.start()
            senders.send_again(before, chance)
        senders.settle()
        with site.store() as store:
            seen = store.one("SELECT min(known_at) AS first, max(known_at) AS last FROM otel_traces")
        now = datetime.now(UTC)
        assert seen["first"] < now - timedelta(hours=23), "the rows were dated by the clock that was wrong"
        assert seen["last"] > AFTER_2038
        senders.check()


@pytest.mark.parametrize("days", [1, -1])
def test_what_was_on_its_way_when_the_receiver_died_is_not_doubled_by_a_clock_set_meanwhile(
    site: Site, faults: Faults, rounds: Callable[[int], int], days: int
) -> None:
    """As on a machine that comes up with a wrong clock, or was down for a day."""
    moments = random.Random(days)
    with traffic(site, seed=8) as senders:
        for turn in range(rounds(2)):
            senders.wait_for(10)
            site.kill()
            faults.set("clock_shift_s", (turn + 1) * days * 24 * HOUR_S)
            site.start()
            senders.send_again(senders.ledger.acked[-30:], moments)
        senders.settle()
        senders.check()
