"""`tieout up` with an MLLP listener: acknowledged messages become states, also over a kill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from processes import ROOT, Up, wait_until

from store.client import Store
from store.errors import StoreError, StoreUnavailableError
from store.folder import running
from tests.ports import free_port
from tests.probes.mllp import message, send
from tieout.scaffold import create

pytestmark = pytest.mark.slow

PROBE = """
name: charges
kind: mllp
title: Charges as the laboratory sends them
workflow: hospital_billing
system: lab
every: 1s
listen: {address}
object:
  type: billing_case
  key: PV1-19
  valid_from: time(MSH-7)
  fields: {{code: FT1-7}}
  amount: {{column: FT1-11, currency: USD}}
"""


def charges(site: Path) -> set[str]:
    """Cases that the probe has written, asked of the running process."""
    live = running(site / "data")
    if live is None:
        return set()
    try:
        with Store(live.store_url, token=live.reader_token.get_secret_value(), read_only=True) as store:
            found = store.rows("SELECT object_key FROM snapshots WHERE source = 'charges'")
    except (StoreError, StoreUnavailableError):
        return set()
    return {row["object_key"] for row in found}


def test_what_was_acknowledged_before_a_kill_is_there_after_it(tmp_path: Path, up: Callable[..., Up]) -> None:
    site, address = tmp_path / "site", f"127.0.0.1:{free_port()}"
    create(site, ROOT / "examples" / "demo")
    (site / "probes").mkdir(exist_ok=True)
    (site / "probes" / "charges.yaml").write_text(PROBE.format(address=address))
    first = up(site)
    assert send(address, message(1)) == [["AA", "1"]]
    wait_until(lambda: charges(site) == {"V1"}, "the first charge", first.process)
    assert send(address, message(2), message(3)) == [["AA", "2"], ["AA", "3"]]
    first.process.kill()
    first.process.wait()
    second = up(site)
    assert send(address, message(3), message(4)) == [["AA", "3"], ["AA", "4"]]
    wait_until(lambda: charges(site) == {"V1", "V2", "V3", "V4"}, "all charges", second.process)
    assert "Canary" not in "".join(path.read_text() for path in (site / "mllp").rglob("*.*"))
