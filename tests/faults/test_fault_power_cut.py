"""The power fails: what counts is what the disk holds at that moment, not what was written to it."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from fault_bodies import check
from fault_disks import cut, disk_in_a_file
from fault_site import Site
from fault_traffic import traffic

pytestmark = pytest.mark.slow
DISK_BYTES = 512 << 20


@pytest.mark.parametrize("after_s", [0.0, 6.0], ids=["at the last acknowledgement", "some seconds later"])
def test_after_a_power_cut_all_that_was_acknowledged_is_there_and_nothing_sent_again_is_doubled(
    new_site: Callable[..., Site], stage: ExitStack, tmp_path: Path, after_s: float
) -> None:
    image, copy = tmp_path / "disk.img", tmp_path / "copy.img"
    disk = stage.enter_context(disk_in_a_file(image, tmp_path / "disk", DISK_BYTES))
    site = new_site(disk / "site")
    with traffic(site, seed=2) as senders:
        senders.wait_for(60)
        if after_s:
            senders.settle()
            time.sleep(after_s)
        site.signal(signal.SIGSTOP)
        # An answer that is on its way was given before the cut, too.
        time.sleep(0.3)
        acked = list(senders.ledger.acked)
        cut(image, copy)
        site.kill()
        site.move(stage.enter_context(disk_in_a_file(copy, tmp_path / "after")) / "site")
        site.start()
        if after_s:
            with site.store() as store:
                check(store, acked, [])
        senders.settle()
        chance = random.Random(3)
        senders.send_again(acked, chance)
        senders.check()
        site.kill()
        site.start()
        senders.send_again(acked, chance)
        senders.check()
