"""Which version of a matching rule decides when."""

from __future__ import annotations

from matching_rules import rule
from matching_world import CASH, complete, day, state

from reconcile.matching.model import Ruling
from reconcile.matching.results import results
from reconcile.matching.run import active_version, match, retire
from store.client import Store

FLOWS = {"cash": CASH}


def test_a_rule_without_file_decides_nothing_until_it_is_back(store: Store) -> None:
    def said(known_at: float) -> list[tuple[str, str]]:
        return [(row["rule"], row["state"]) for row in results(store, day(30), day(known_at))]

    old, new = Ruling(rule(rule="bank"), {}), Ruling(rule(rule="deposits"), {})
    state(store, "bank_line", "B1", 100, 0, account="1")
    complete(store, 60)
    match(store, [old], FLOWS, day(40))
    assert retire(store, ["bank"], day(40)) == []
    # Under another name it is another rule; the old one would tell of the same money once more.
    match(store, [new], FLOWS, day(41))
    assert retire(store, ["deposits"], day(41)) == ["bank"]
    assert retire(store, ["deposits"], day(42)) == []
    assert said(40.5) == [("bank", "MISSING"), ("deposits", "MISSING")]
    assert said(41.5) == [("deposits", "MISSING")]
    assert active_version(store, "bank", day(43)) == ""
    match(store, [old], FLOWS, day(43))
    retire(store, ["bank"], day(43))
    assert said(41.5) == [("deposits", "MISSING")]
    assert said(43.5) == [("bank", "MISSING")]
