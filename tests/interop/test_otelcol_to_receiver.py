"""SDK, Collector, tieout: whoever of them dies in the middle, every span arrives, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import builds
import pytest
from parties import Otelcol, Sender, Tieout, wait_until

HERE = Path(__file__).parent
OVER_HTTP = HERE / "otelcol_to_receiver.yaml"
OVER_GRPC = HERE / "otelcol_over_grpc.yaml"


@pytest.mark.slow
@pytest.mark.parametrize("files", [[OVER_HTTP], [OVER_HTTP, OVER_GRPC]], ids=["HTTP", "gRPC"])
def test_nothing_is_lost_or_doubled_when_either_side_is_killed(
    tieout: Tieout, otelcol: Callable[..., Otelcol], sender: Callable[..., Sender], files: list[Path]
) -> None:
    collector = otelcol(*files)
    sending = sender(builds.python_sender(), collector.traces_url, 3000)
    for stored, victims in (
        (200, [tieout]),
        (600, [collector]),
        (1000, [tieout, collector]),
        (1400, [collector]),
    ):
        wait_until(lambda least=stored: len(tieout.copies()) >= least, tieout.said)
        for victim in victims:
            victim.kill()
        for victim in victims:
            victim.start()
    exported, failed = sending.result()
    assert len(exported) + len(failed) == 3000
    assert len(exported) > 2000, "the SDK kept trying"
    wait_until(lambda: set(exported) <= set(tieout.copies()), collector.said)
    copies = tieout.copies()
    assert set(copies.values()) == {1}
    assert set(copies) <= {*exported, *failed}
