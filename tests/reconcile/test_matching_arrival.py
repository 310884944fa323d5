"""However facts arrive, whatever the rule: in one run, in several, or behind the mark, the same is said of every (V, K)."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from matching_rules import rule
from matching_world import AT, CASH, LAST, complete, day

from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.run import match
from store.client import Store

pytestmark = pytest.mark.slow

FIELDS = {
    "account": "account", "reference": "reference", "amount": "@amount", "currency": "@currency", "original": "original",
    "status": "status", "booked": "booked", "text": "text",
}  # fmt: skip
KINDS = {"order": "order_line", "receipt": "receipt_line", "invoice": "invoice_line"}
PAIRED = {"bank": "bank_line", "ledger": "ledger_line"}
# Which statement decides, and what it had to compare, is not what they say.
VERDICTS = """SELECT * EXCEPT (known_at, version, proving, is_past_due, gates, options) FROM match_verdicts_of(
    as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = [], version = '') ORDER BY ALL"""
EXCEPTIONS = f"SELECT * EXCEPT (known_at, version) FROM exceptions_at({AT}) ORDER BY ALL"


def random_rule(rng: random.Random, kinds: dict[str, str]) -> MatchingRule:
    """Several keys, limits, windows and states; pairs and sums where there are two legs."""
    names, is_dated = list(kinds), rng.random() < 0.5
    legs: dict[str, Any] = {
        name: {
            "type": kind, "fields": FIELDS, "when": {"status": ["posted"]}, "within": rng.choice(["0d", "2d", "5d"]),
            **({"date": "booked"} if is_dated else {}), **({"original": "original"} if rng.random() < 0.5 else {}),
            "many": name != names[0] and rng.random() < 0.5,
        }
        for name, kind in kinds.items()
    }  # fmt: skip
    methods = ["group"] if len(names) > 2 else ["pair", "group", "subset"]
    fields = [["account", "reference"], ["account"], ["text"]][: rng.choice([1, 2, 2, 3])]
    keys = [{"fields": field, "method": rng.choice(methods)} for field in fields]
    for key in keys:
        if rng.random() < 0.6:
            key["window"] = {"days": [-rng.randrange(4), rng.randrange(5)]}  # type: ignore[assignment]
    limits: list[dict[str, Any]] = [
        {},
        {"abs": 1},
        {"pct": 5},
        {"abs": 1, "tiers": [{"above": 20, "abs": 3}]},
    ]
    compare = {
        name: {
            "field": "amount", "means": "amount", "expected": names[0], "actual": name, "over": rng.choice(limits), "under": rng.choice(limits),
        }
        for name in names[1:]
    }  # fmt: skip
    numbers = {"amount": {"currency": "currency"}}
    return rule(legs=legs, keys=keys, numbers=numbers, compare=compare, rounding="0.5", header=["account"])


def random_states(rng: random.Random, kinds: dict[str, str], count: int) -> list[dict[str, Any]]:
    """States that come late, correct each other, change keys, are drafts, are deleted, and come twice."""
    states = {}
    for number in range(count):
        at = day(rng.randrange(10))
        known_at = at + timedelta(days=rng.choice([0, 0, 0, 1, 3, 6]))
        kind, key = rng.choice(list(kinds.values())), str(rng.randrange(count // 2))
        states[kind, key, at, known_at] = {
            "system": "books", "object_type": kind, "object_key": key, "deleted": rng.random() < 0.06, "valid_from": at,
            "captured_at": known_at, "known_at": known_at, "row_hash": f"{number:06}", "source": "books", "run_id": "",
            "amount": Decimal(rng.choice([10, 10, 10, 11, 20, 30, -10, 7])), "currency": rng.choice(["USD"] * 8 + ["EUR"]),
            "fields": {
                "account": rng.choice("ABCD"), "reference": rng.choice(["x", "y", ""]), "text": rng.choice("mmn"),
                "status": rng.choice(["posted"] * 5 + ["draft"]), "original": str(rng.randrange(count)) if rng.random() < 0.1 else "",
                "booked": rng.choice(["", (at - timedelta(days=rng.randrange(3))).date().isoformat()]),
            },
        }  # fmt: skip
    return [*states.values(), *rng.choices(list(states.values()), k=count // 10)]


def said(store: Store, asked: list[tuple[datetime, datetime]]) -> list[list[dict[str, Any]]]:
    given = [{"as_of": as_of, "known_at": known_at} for as_of, known_at in asked]
    return [store.rows(sql, pair) for pair in given for sql in (VERDICTS, EXCEPTIONS)]


def standing(
    states: list[dict[str, Any]], as_of: datetime, known_at: datetime
) -> Counter[tuple[str, str, str]]:
    """Kind, key and currency of what is there and counts."""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for one in sorted(states, key=lambda one: (one["valid_from"], one["known_at"], one["row_hash"])):
        if one["valid_from"] <= as_of and one["known_at"] <= known_at:
            last[one["object_type"], one["object_key"]] = one
    return Counter(
        {
            (*name, one["currency"]): one["amount"]
            for name, one in last.items()
            if not one["deleted"] and one["fields"]["status"] == "posted"
        }
    )


@pytest.mark.parametrize(("seed", "kinds"), [(1, PAIRED), (2, KINDS)])
def test_however_facts_arrive_the_same_is_said(store: Store, seed: int, kinds: dict[str, str]) -> None:
    rng = random.Random(seed)
    ruling, states = Ruling(random_rule(rng, kinds), {}), random_states(rng, kinds, 40)
    asked = [(day(rng.randrange(13) + 0.5), day(rng.randrange(17) + 0.5)) for _ in range(3)] + [(LAST, LAST)]
    complete(store, 60)

    def run(batches: list[list[dict[str, Any]]], times: list[datetime]) -> list[list[dict[str, Any]]]:
        for table in ("snapshots", "matches", "match_records", "marks", "matching_versions"):
            store.command(f"TRUNCATE TABLE {table}")
        for batch, now in zip(batches, times, strict=True):
            store.insert("snapshots", batch)
            match(store, [ruling], {"cash": CASH}, now + timedelta(seconds=9))
        return said(store, asked)

    at_once = run([states], [LAST])
    # Every record is in one decision, and so is all money of each currency.
    for pair in asked:
        rows = store.rows(
            f"SELECT type, record, amount FROM matches_at({AT}) ARRAY JOIN members.type AS type, members.record AS record, "
            "members.amount AS amount",
            {"as_of": pair[0], "known_at": pair[1]},
        )
        there = standing(states, *pair)
        assert sorted((row["type"], row["record"], row["amount"]) for row in rows) == sorted(
            (kind, key, amount) for (kind, key, _), amount in there.items()
        )
    cuts = [day(2.2), day(5.2), day(8.2), LAST]
    pieces = [
        [one for one in states if (low or day(-9)) < one["known_at"] <= high]
        for low, high in zip([None, *cuts], cuts, strict=False)
    ]
    assert run(pieces, cuts) == at_once
    late = states[::4]
    on_time = [one for number, one in enumerate(states) if number % 4]
    assert run([on_time, late], [LAST, LAST + timedelta(seconds=20)]) == at_once
