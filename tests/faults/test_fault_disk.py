"""The disk is full, slow or broken: senders are told to wait, and nothing they were told is untrue."""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from fault_disks import disk_in_a_file, full
from fault_library import Faults
from fault_site import Site
from fault_traffic import traffic

pytestmark = pytest.mark.slow
MB = 1 << 20
SLOW_S = 0.2


def test_case_88_a_full_disk_puts_senders_off_and_heals_when_there_is_room_again(
    new_site: Callable[..., Site], stage: ExitStack, tmp_path: Path
) -> None:
    """There are always parts to merge meanwhile: a merge that finds no room keeps its sources."""
    disk = stage.enter_context(disk_in_a_file(tmp_path / "disk.img", tmp_path / "disk", 256 * MB))
    site = new_site(disk / "site")
    with traffic(site, seed=3) as senders:
        for left in (2 * MB, 0, 0):
            senders.wait_for(30)
            with full(disk, left):
                # Those that still fit are taken, then no more.
                least = senders.ledger.count("put off") + 30
                site.wait_until(lambda least=least: senders.ledger.count("put off") >= least, "a full disk")
                assert site.answers(), "it still answers"
                with site.store() as store:
                    assert store.value("SELECT count() FROM otel_traces") > 0
        with full(disk, 0):
            site.kill()
        site.start()
        senders.settle()
        senders.check()
        assert senders.ledger.waits == {1}, "every answer said when to come again"
    with site.store() as store:
        assert store.value("SELECT max(level) FROM system.parts WHERE table = 'otel_traces'") > 0


def test_slow_fsyncs_slow_the_senders_down_and_nothing_is_acknowledged_before_it_is_on_disk(
    site: Site, faults: Faults
) -> None:
    """Far more senders than the receiver takes at a time, with requests of half a megabyte."""
    with traffic(site, seed=4, each=2) as senders:
        senders.wait_for(20)
        senders.settle()
    usual = site.rss_bytes()
    faults.set("sync_delay_us", int(SLOW_S * 1e6))
    time.sleep(0.1)
    with traffic(site, seed=5, each=12, items=6, padding=80_000) as crowd:
        most = 0
        for _ in range(40):
            time.sleep(0.2)
            most = max(most, site.rss_bytes())
        faults.set("sync_delay_us", 0)
        assert crowd.ledger.fastest_ack_s > SLOW_S
        crowd.settle()
        crowd.ledger.acked += senders.ledger.acked
        crowd.check()
    assert crowd.ledger.count("put off") > 0, "more is not taken than there is room for"
    assert crowd.ledger.waits == {1}
    assert faults.get("syncs") > 0
    assert most - usual < 1536 * MB


def test_whatever_write_fails_nothing_is_lost_or_doubled(
    site: Site, faults: Faults, rounds: Callable[[int], int]
) -> None:
    chance = random.Random(6)
    with traffic(site, seed=6) as senders:
        for _ in range(rounds(25)):
            senders.wait_for(2)
            failed = faults.get("failed")
            faults.fail_write(chance.randrange(100), errno.EIO)
            site.wait_until(lambda before=failed: faults.get("failed") > before, "a failing write")
        senders.settle()
        # A message that a failed write left behind would show when everything is read anew.
        site.kill()
        site.start()
        senders.send_again(senders.ledger.acked[-100:], chance)
        senders.check()


def test_an_order_that_a_full_disk_left_empty_does_not_keep_the_store_from_opening(site: Site) -> None:
    """The engine makes such files when it cannot write them, and opens no table that has one."""
    with traffic(site, seed=9) as senders:
        senders.wait_for(10)
        senders.settle()
        site.kill()
        tables = [path.parent for path in site.folder.glob("data/engine/store/*/*/format_version.txt")]
        assert tables
        for table in tables:
            (table / "mutation_99.txt").touch()
        site.start()
        senders.check()
