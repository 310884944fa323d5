"""`tieout compare` as people run it, and its page."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

from processes import ROOT, tieout

from reconcile.extracts.compare import STATES


def test_two_extracts_are_compared_without_a_project(tmp_path: Path) -> None:
    (tmp_path / "bank.csv").write_text("ref;amount\n0001;10.00\n0002;5.00\n")
    (tmp_path / "ledger.csv").write_text("reference;amount\n1;10.00\n3;7.50\n")
    files = [str(tmp_path / name) for name in ("bank.csv", "ledger.csv")]
    how = ["--key", "ref=reference:strip_leading_zeros", "--amount", "amount", "--delimiter", ";"]
    told = tieout("compare", *files, *how, "--json")
    assert told.code == 1, told.err
    said = json.loads(told.out)
    assert not said["agree"]
    assert [(row["state"], row["keys"], Decimal(row["difference"])) for row in said["states"]] == [
        ("agree", 1, 0), ("only left", 1, -5), ("only right", 1, Decimal("7.5")),
    ]  # fmt: skip
    wrong = tieout("compare", *files, "--key", "ref", "--tolerance", "much")
    assert (wrong.code, "'much' is not a number" in wrong.err) == (2, True)


def test_the_page_names_every_state() -> None:
    page = (ROOT / "docs" / "how-to" / "compare.md").read_text()
    named = {
        one
        for line in page.splitlines()
        if line.startswith("| `")
        for one in re.findall(r"`([a-z ]+)`", line.split("|")[1])
    }
    assert named == set(STATES)
