"""The engine as of any (V, K) against the facts read again in plain Python: changed keys, drafts, deletions, late facts."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from matching_oracle import Fact, first_days, standing
from matching_rules import order_rule, tolerant
from matching_world import CASH, LAST, day, decisions, store_facts, written

from reconcile.matching.decide import decide
from reconcile.matching.model import Key, MatchingRule, Ruling
from reconcile.matching.records import Decision, Record
from reconcile.matching.run import match
from store.client import Store

pytestmark = pytest.mark.slow

FIELDS = {"account": "account", "reference": "reference", "state": "state", "amount": "@amount"}
RULE = tolerant(
    {"abs": 1},
    legs={
        "bank": {"type": "bank_line", "fields": FIELDS, "when": {"state": ["posted"]}, "within": "2d"},
        "ledger": {"type": "ledger_line", "fields": FIELDS, "when": {"state": ["posted"]}, "within": "2d"},
    },
)
RULE = RULE.model_copy(
    update={
        "keys": (
            Key(fields=("account", "reference"), method="pair"),
            Key.model_validate({"fields": ["account"], "method": "subset", "window": {"days": [-5, 5]}}),
        )
    }
)
KINDS = {"bank_line": "bank", "ledger_line": "ledger"}


def history(rng: random.Random, count: int) -> list[Fact]:
    """States of some objects; some change account, reference or amount, are drafts first, are deleted or come late."""
    facts = []
    for number in range(count):
        at = day(rng.randrange(12))
        facts.append(
            Fact(
                rng.choice(list(KINDS)), f"{rng.randrange(count // 2)}", rng.choice("ABCDEFGH"), rng.choice("xyz"),
                Decimal(rng.choice([10, 10, 11, 20, 30, 41, -10])), rng.choice(["posted"] * 5 + ["draft"]), at,
                at + timedelta(days=rng.choice([0, 0, 0, 1, 4])), rng.random() < 0.08, number,
            )
        )  # fmt: skip
    # A state is one row: two of one object never have both times in common.
    return list({(fact.kind, fact.key, fact.valid_from, fact.known_at): fact for fact in facts}.values())


def recomputed(facts: Iterable[Fact], as_of: datetime, known_at: datetime) -> list[object]:
    """The same decisions made from what stands as of (V, K), one key of the rule after the other."""
    there = standing(list(facts), as_of, known_at)
    parts = {(KINDS[fact.kind], fact.key): (fact.account, fact.reference) for fact in there}
    days = first_days(list(facts), as_of, known_at)
    left = [
        Record(
            KINDS[fact.kind], fact.key, fact.valid_from, days[fact.kind, fact.key], (fact.amount,), (), "USD"
        )
        for fact in there
    ]
    final: list[Decision] = []
    for number, key in enumerate(RULE.keys):
        groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
        for record in left:
            groups[parts[record.leg, record.key][: len(key.fields)]].append(record)
        told = [one for members in groups.values() for one in decide(RULE, key, members)]
        left = [record for one in told if one.verdict == "open" for record in one.records]
        final += [one for one in told if one.verdict != "open" or number + 1 == len(RULE.keys)]
    return sorted(
        (
            one.verdict,
            tuple(sorted((r.leg, r.key) for r in one.records)),
            one.residual,
            tuple(sorted(one.variance.items())),
        )
        for one in final
    )


def run(store: Store, now: datetime, rule: MatchingRule = RULE) -> int:
    (done,) = match(store, [Ruling(rule, {})], {"cash": CASH}, now)
    return done.decisions


@pytest.mark.parametrize("seed", [1])
def test_any_pair_of_times_is_what_the_facts_of_then_say(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    facts = history(rng, 140)
    in_order = sorted(facts, key=lambda fact: fact.known_at)
    for until in (day(3.5), day(7.5), LAST):
        store_facts(store, [fact for fact in in_order if fact.known_at <= until])
        in_order = [fact for fact in in_order if fact.known_at > until]
        run(store, until + timedelta(seconds=1))
    seen = set()
    for _ in range(9):
        as_of, known_at = day(rng.randrange(14) + 0.5), day(rng.randrange(17) + 0.5)
        found = decisions(store, as_of, known_at)
        assert found == recomputed(facts, as_of, known_at), (as_of, known_at)
        seen |= {one[0] for one in found}
    assert seen >= {"open", "matched", "matched_tol", "mismatch"}


def test_one_run_over_everything_and_runs_piece_by_piece_leave_the_same_answers(store: Store) -> None:
    facts = history(random.Random(5), 90)
    asked = [(day(v + 0.5), day(k + 0.5)) for v, k in ((2, 3), (5, 5), (9, 6), (13, 16))]
    store_facts(store, facts)
    run(store, LAST)
    at_once = [decisions(store, *pair) for pair in asked]
    rows = written(store)
    # Nothing new adds nothing, and a run that had died before its mark repeats nothing.
    assert run(store, LAST) == 0
    store.command("TRUNCATE TABLE marks")
    assert run(store, LAST) == 0
    assert written(store) == rows
    for table in ("snapshots", "matches", "match_records", "marks", "matching_versions"):
        store.command(f"TRUNCATE TABLE {table}")
    for until in (day(4.5), LAST):
        store_facts(store, [f for f in facts if (f.known_at <= day(4.5)) == (until != LAST)])
        run(store, until + timedelta(seconds=1))
    assert [decisions(store, *pair) for pair in asked] == at_once


def test_facts_stored_behind_the_mark_are_found_and_change_what_follows(store: Store) -> None:
    facts = history(random.Random(9), 90)
    late = facts[::7]
    store_facts(store, [fact for fact in facts if fact not in late])
    run(store, LAST)
    store_facts(store, late)
    assert run(store, LAST + timedelta(seconds=10)) > 0
    for as_of, known_at in ((day(5.5), day(6.5)), (day(9.5), day(8.5)), (day(13), day(17))):
        assert decisions(store, as_of, known_at) == recomputed(facts, as_of, known_at), (as_of, known_at)


def test_sums_of_three_legs_are_those_of_the_core_whether_or_not_the_engine_decides_them(
    store: Store,
) -> None:
    """Each line once known for good: what is plain is decided in SQL, the rest by the core, and both say the same."""
    rng = random.Random(3)
    of = order_rule()
    kinds = {"po": "order_line", "receipt": "receipt_line", "invoice": "invoice_line"}
    records: list[tuple[str, Record]] = []
    for number in range(170):
        leg = rng.choice(["po", "receipt", "invoice"])
        price = (
            None
            if leg == "receipt"
            else rng.choice([Decimal(10)] * 9 + [Decimal("10.1"), Decimal("3.333333")])
        )
        at, amounts = day(rng.randrange(6)), (Decimal(rng.choice([2] * 8 + [3])), price)
        records.append(
            (f"PO{rng.randrange(55)}", Record(leg, f"{leg}{number}", at, at.date(), amounts, (), "USD"))
        )
    store.insert("snapshots", [
        {
            "system": "erp", "object_type": kinds[one.leg], "object_key": one.key,
            "fields": {"po": order, "quantity": str(one.numbers[0]), **({"price": str(one.numbers[1])} if one.numbers[1] else {})},
            "amount": None, "currency": "USD", "deleted": False, "valid_from": one.at, "captured_at": one.at, "known_at": one.at,
            "row_hash": one.key, "source": "s", "run_id": "",
        }
        for order, one in records
    ])  # fmt: skip
    run(store, LAST, of)
    verdicts = set()
    for as_of in (day(1.5), day(3.5), day(9)):
        groups: dict[str, list[Record]] = defaultdict(list)
        for order, one in records:
            if one.at <= as_of:
                groups[order].append(one)
        told = [one for members in groups.values() for one in decide(of, of.keys[0], members)]
        expected = sorted(
            (
                one.verdict,
                tuple(sorted((r.leg, r.key) for r in one.records)),
                one.residual,
                tuple(sorted(one.variance.items())),
            )
            for one in told
        )
        assert decisions(store, as_of, LAST) == expected
        verdicts |= {one.verdict for one in told}
    assert verdicts >= {"open", "matched", "mismatch", "partial"}
    assert store.value("SELECT countIf(gates = '') > 0 AND countIf(gates != '') > 0 FROM matches")
