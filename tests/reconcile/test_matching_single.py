"""Keys with one state a leg: the statements for them say what all keys are decided by says of them."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from matching_rules import order_rule, rule
from matching_world import CASH, LAST, day, written

from calendars.model import Calendar
from calendars.table import write_calendars
from reconcile.marks import EPOCH, text
from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.parameters import group_parameters
from reconcile.matching.run import SQL, match, with_calendars
from store.client import Store
from store.sqlfile import read

FIELDS = {"account": "account", "reference": "reference", "amount": "@amount", "booked": "booked"}
ORDERED = {"po": "po", "quantity": "quantity", "price": "price"}
DATED = rule(
    legs={
        "bank": {"type": "bank_line", "fields": FIELDS, "within": "1d", "date": "booked"},
        "ledger": {"type": "ledger_line", "fields": FIELDS, "within": "12h"},
    },
    keys=[{"fields": ["account"], "method": "pair", "window": {"days": [-1, 2]}}],
    compare={
        "amount": {"field": "amount", "means": "amount", "expected": "bank", "actual": "ledger"},
        "reference": {"field": "reference", "means": "text", "expected": "ledger", "actual": "bank"},
    },
    header=["account"],
)  # fmt: skip
PLAIN = rule(
    legs={
        "bank": {"type": "bank_line", "fields": FIELDS, "within": "1d", "date": "booked"},
        "ledger": {"type": "ledger_line", "fields": FIELDS, "within": "12h"},
    },
    rounding="0.005",
    owners={"AMOUNT": "clearing"},
)  # fmt: skip
LEDGER_SAYS = {"field": "amount", "means": "amount", "expected": "ledger", "actual": "bank"}
GROUPED = rule(
    keys=[{"fields": ["account"]}], compare={"booked": LEDGER_SAYS}, age_by="record", header=["account"],
    outcome={"auto_clear": False},
)  # fmt: skip
PRICED = rule(
    legs={
        "bank": {"type": "bank_line", "fields": ORDERED},
        "ledger": {"type": "ledger_line", "fields": ORDERED, "within": "2d"},
    },
    keys=[{"fields": ["po"]}],
    numbers={"quantity": {}, "price": {}},
    compare={
        "quantity": {"field": "quantity", "means": "quantity", "expected": "bank", "actual": "ledger"},
        "price": {"field": "price", "means": "price", "expected": "ledger", "actual": "bank"},
    },
)  # fmt: skip
HANDED_ON = rule(
    legs={leg: {"type": f"{leg}_line", "fields": FIELDS} for leg in ("bank", "ledger")},
    keys=[{"fields": ["account", "reference"], "method": "pair"}, {"fields": ["account"]}],
)
WINDOWED = order_rule(
    keys=[{"fields": ["po"], "window": {"days": [-2, 3]}}], age_by="record", outcome={"auto_clear": False}
)
FIRST_LEG = {
    "type": "order_line",
    "fields": {**ORDERED, "booked": "booked"},
    "date": "booked",
    "within": "1bd",
}
OTHERS = {
    name: {"type": f"{name}_line", "fields": ORDERED, "many": True, "within": "9bh"}
    for name in ("receipt", "invoice")
}
BUSINESS = order_rule(
    legs={"po": FIRST_LEG, **OTHERS},
    keys=[{"fields": ["po"], "window": {"business_days": [-1, 2]}}],
    calendar="week",
)
WEEK = Calendar.model_validate(
    {"calendar": "week", "title": "W", "zone": "America/Chicago", "hours": "08:00-17:00"}
)
KINDS = {
    "bank": "bank_line", "ledger": "ledger_line", "po": "order_line", "receipt": "receipt_line", "invoice": "invoice_line",
}  # fmt: skip


def facts(store: Store, rng: random.Random, legs: tuple[str, ...], keys: int) -> None:
    """Of most keys at most one state a leg; amounts, texts, currencies, days and times of learning differ now and then."""
    rows = []
    for key in range(keys):
        for leg in legs:
            for number in range(rng.choice([0, 1, 1, 1, 1, 1, 1, 2])):
                at = rng.choice([0, 0, 0, 1, 3])
                worth = rng.choice([100] * 12 + [101, -100])
                rows.append({
                    "system": "books", "object_type": KINDS[leg], "object_key": f"{leg}{key}.{number % rng.choice([1, 2])}",
                    "fields": {
                        "booked": rng.choice(["", "", "2026-02-28", "2026-03-01T09:30:00Z"]), "account": f"A{key}", "po": f"A{key}", "reference": rng.choice(["r"] * 9 + ["s"]), "quantity": str(worth),
                        **({"price": rng.choice(["2.5"] * 12 + ["2.51"])} if leg != "receipt" else {}),
                    },
                    "amount": worth + rng.choice([0] * 30 + [0.001]), "currency": rng.choice(["USD"] * 12 + ["EUR"]), "deleted": rng.random() < 0.02,
                    "valid_from": day(at), "captured_at": day(at), "known_at": day(at + rng.choice([0, 0, 2])),
                    "row_hash": f"{number}", "source": "books", "run_id": "",
                })  # fmt: skip
    store.insert("snapshots", rows)


def decided_by(store: Store, name: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    store.command("TRUNCATE TABLE matches")
    store.command(read(SQL / name), given)
    return store.rows("SELECT * FROM matches ORDER BY ALL")


@pytest.mark.parametrize(
    ("of", "mark"),
    [(WINDOWED, EPOCH), (WINDOWED, day(0.5)), (BUSINESS, EPOCH)],
)
def test_one_state_a_leg_is_decided_as_all_states_are(store: Store, of: MatchingRule, mark: Any) -> None:
    facts(store, random.Random(11), of.leg_names, 250)
    write_calendars(store, [WEEK] if of.calendars else [], day(0))
    ruling = with_calendars(store, Ruling(of, {}))
    match(store, [ruling], {"cash": CASH}, LAST)
    given = {
        **group_parameters(ruling, CASH, 1), "rule": of.rule, "version": ruling.version, "mark": text(mark),
        "until": text(LAST - timedelta(days=1)), "everything": mark == EPOCH, "from_key": "", "to_key": "", "to_end": True,
        "fresh": True, "by_hand": False,
    }  # fmt: skip
    single = decided_by(store, "single.sql", given)
    plain = decided_by(store, "plain.sql", given)
    keys = {row["group_key"] for row in single}
    assert [row for row in plain if row["group_key"] in keys] == single
    # What is left to the other statement has several states of a leg, a state that is gone, or days that are far apart.
    left = {row["group_key"] for row in plain} - keys
    several = store.rows(
        "SELECT key FROM match_records GROUP BY key HAVING count() > uniqExact(leg) OR max(gone)"
        " OR uniqExact(leg) > 2 AND dateDiff('day', min(day), max(day)) > 2"
    )
    assert left <= {row["key"] for row in several}
    assert {row["verdict"] for row in single} == {"open", "matched"}
    assert {len(row["members.leg"]) for row in single} == {number + 1 for number in range(len(of.legs))}
    assert {row["points.code"][0] for row in single} >= {"", "LATE", "MISSING"}
    moments = [(row["group_key"], row["known_at"]) for row in single]
    assert len(set(moments)) < len(moments)
    assert len({key for key, _ in moments}) < len(set(moments))


SLOW = [pytest.param(of, marks=pytest.mark.slow) for of in (PRICED, HANDED_ON)]


@pytest.mark.parametrize("of", [PLAIN, GROUPED, DATED, *SLOW])
def test_two_legs_are_decided_as_without_the_statement_for_them(
    store: Store, of: MatchingRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts(store, random.Random(5), of.leg_names, 300)
    ruling = Ruling(of, {})
    # The second run has much news as well.
    monkeypatch.setattr("reconcile.matching.run.MANY_FACTS", 0)
    # Of one rule in ranges of keys, of which each is decided alone.
    monkeypatch.setattr("reconcile.matching.run.FACTS_AT_ONCE", 250 if of is GROUPED else 1_000_000)
    first, second = (match(store, [ruling], {"cash": CASH}, now)[0] for now in (day(3), LAST))
    quick = written(store)
    verdicts = {row["verdict"] for row in store.rows("SELECT DISTINCT verdict FROM matches")}
    for table in ("matches", "match_records", "marks"):
        store.command(f"TRUNCATE TABLE {table}")
    monkeypatch.setattr("reconcile.matching.run._decide_most", lambda *_: None)
    once, again = (match(store, [ruling], {"cash": CASH}, now)[0] for now in (day(3), LAST))
    assert written(store) == quick
    assert (first.decisions, second.decisions) == (once.decisions, again.decisions)
    assert min(first.decisions, second.decisions) > 100
    if of in (PLAIN, GROUPED):
        assert (first.judged < once.judged, second.judged < again.judged) == (True, True)
    assert verdicts >= {"open", "matched", "mismatch"}
