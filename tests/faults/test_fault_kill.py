"""The receiver is killed at any moment under load, again and again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from fault_site import Site
from fault_traffic import traffic

pytestmark = pytest.mark.slow


def test_case_117_killed_at_random_points_under_load_nothing_is_lost_and_nothing_doubled(
    new_site: Callable[..., Site], rounds: Callable[[int], int]
) -> None:
    site, moments = new_site(), random.Random(11)
    with traffic(site, seed=1) as senders:
        for _ in range(rounds(20)):
            senders.wait_for(3)
            time.sleep(moments.uniform(0, 0.4))
            site.kill()
            site.start()
        senders.settle()
        # Answers that were lost on the way: the senders ask again, also about what was stored before a restart.
        senders.send_again(senders.ledger.acked[-200:], moments)
        senders.check()
        assert senders.ledger.count("nothing") > 20, "the kills met requests on their way"
        assert senders.ledger.acknowledged > 100
