"""How long legs may take, learned from matches, against plain Python: only from what stood and was known when the day began."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from matching_oracle import Fact
from matching_rules import group, order_rule, rule
from matching_world import AT, CASH, FIRST, complete, day, state, store_facts, written

from core.findings import Finding
from reconcile.matching.explain import explain_match, window_of
from reconcile.matching.load import load_ruling
from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.run import match
from store.client import Store
from workflows.model import Learn

DAYS = 6
FLOWS = {"cash": CASH}
LEARN = {"quantile": 0.8, "over": "4d", "least": 6, "floor": "30m", "cap": "20h"}
FIXED = timedelta(hours=6)
TABLES = ("matches", "match_records", "learned_windows")


def learning(learn: dict[str, Any], **changes: Any) -> MatchingRule:
    """Bank lines that the ledger has to follow; lines of the bank say on what day they were booked, or do not."""
    fields = {"account": "account", "amount": "@amount"}
    legs = {
        "bank": {"type": "bank_line", "fields": {**fields, "booked": "reference"}, "date": "booked"},
        "ledger": {"type": "ledger_line", "fields": fields, "within": "6h", "learn": learn},
    }
    return rule(legs=legs, **changes)


def told(dice: random.Random) -> list[Fact]:
    """Accounts of some days with a line each; slower from day to day; some come late, are put right, or go."""
    facts: list[Fact] = []

    def say(
        kind: str, account: int, amount: int, at: datetime, late: timedelta, booked: str = "", **more: Any
    ) -> None:
        gone = more.get("deleted", False)
        facts.append(
            Fact(kind, f"{kind}.{account}", str(account), booked, Decimal(amount), "posted", at, at + late, gone, len(facts))
        )  # fmt: skip

    for account in range(90):
        opened = FIRST + timedelta(minutes=dice.randrange(DAYS * 1440), seconds=account)
        slow = 1 + (opened - FIRST) / timedelta(days=3)
        lag = timedelta(seconds=round(dice.choice([-600, 1800, 3600, 14_400, 60_000]) * slow), microseconds=dice.choice([0, 1]))  # fmt: skip
        late = [timedelta(hours=dice.choice([0, 0, 0, 2, 30, 100])) for _ in range(4)]
        dated = dice.choice(
            ["", "", f"{opened - timedelta(days=1):%Y-%m-%d}", f"{opened + timedelta(days=2):%Y-%m-%d}"]
        )
        say("bank_line", account, 100, opened, late[0], dated)
        if dice.random() < 0.9:
            amount = dice.choice([100, 100, 100, 90])
            say("ledger_line", account, amount, opened + lag, late[1])
            if amount == 90 and dice.random() < 0.8:
                say("ledger_line", account, 100, opened + lag + timedelta(hours=3), late[2])
            if dice.random() < 0.1:
                say("ledger_line", account, 100, opened + lag + timedelta(hours=9), late[3], deleted=True)
    return facts


@dataclass(frozen=True)
class Item:
    """What is known of one account: from when its window counts, the day of that window, when it was whole."""

    counts_from: datetime
    learned_on: date
    whole_at: datetime | None
    followed_at: datetime | None


def item(facts: Sequence[Fact], as_of: datetime, known_at: datetime) -> Item | None:
    """One account as of (V, K), by reading every fact again; None while nothing of it is there."""
    seen: dict[tuple[str, datetime], Fact] = {}
    for one in sorted(facts, key=lambda one: (one.known_at, one.number)):
        if one.valid_from <= as_of and one.known_at <= known_at:
            seen[one.kind, one.valid_from] = one
    states = sorted(seen.values(), key=lambda one: (one.kind, one.valid_from))
    last = {one.kind: one for one in states}
    there = {kind: one for kind, one in last.items() if not one.deleted}
    if not there:
        return None
    begins: list[tuple[datetime, date]] = []
    for kind, one in there.items():
        if one.reference:
            booked = datetime.combine(date.fromisoformat(one.reference), time(), UTC)
            begins.append((booked, min(booked, one.known_at).date()))
        else:
            first = next(x for x in states if x.kind == kind and not x.deleted)
            begins.append((first.valid_from, min(first.valid_from, first.known_at).date()))
    counts_from, learned_on = min(begins)
    if len(there) < 2 or len({one.amount for one in there.values()}) > 1:
        return Item(counts_from, learned_on, None, None)
    # Since when each says what it says; no account says the same again after something else.
    since = {
        kind: min(x.valid_from for x in states if x.kind == kind and x.amount == one.amount and not x.deleted)
        for kind, one in there.items()
    }
    return Item(counts_from, learned_on, max(since.values()), since["ledger_line"])


def window(accounts: Iterable[Sequence[Fact]], how: Learn, on: date) -> tuple[bool, timedelta, int]:
    """Whether a window is learned by the beginning of a day, which, and from how many lags."""
    midnight = datetime.combine(on, time(), UTC)
    lags = []
    for facts in accounts:
        found = item(facts, midnight, midnight)
        if found and found.followed_at:
            until = max(found.followed_at, found.counts_from)
            if midnight - how.over < until <= midnight:
                lags.append(until - found.counts_from)
    if len(lags) < how.least:
        return False, FIXED, len(lags)
    lag = sorted(lags)[ceil(how.quantile * len(lags)) - 1]
    whole = timedelta(seconds=ceil(Decimal(lag // timedelta(microseconds=1)) / 1_000_000))
    assert isinstance(how.floor, timedelta)
    assert how.cap is None or isinstance(how.cap, timedelta)
    return True, max(how.floor, min(how.cap or whole, whole)), len(lags)


def due_times(store: Store, as_of: datetime, known_at: datetime) -> dict[str, tuple[datetime, bool]]:
    """When each account is due, and whether it came late."""
    rows = store.rows(
        f"SELECT group_key, due_at, closed_at > due_at AS late FROM matches_at({AT}) WHERE verdict IN ('open', 'matched')",
        {"as_of": as_of, "known_at": known_at},
    )
    return {row["group_key"]: (row["due_at"], bool(row["late"])) for row in rows}


def told_of(store: Store) -> list[bytes]:
    """Every row that was written; what has no test says so by none or by an empty list, as it was decided."""
    matches = store.raw("SELECT * EXCEPT (gates, options) FROM matches ORDER BY ALL", fmt="TSV")
    return [matches, *written(store, ("match_records", "learned_windows"))]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_every_window_is_learned_from_what_stood_when_its_day_began(store: Store, seed: int) -> None:
    facts = told(random.Random(seed))
    of = Ruling(learning(LEARN), {})
    how = of.rule.learns["ledger"]
    end = FIRST + timedelta(days=DAYS + 3)
    last = FIRST - timedelta(days=1)
    for run in (
        FIRST + timedelta(days=2, hours=5),
        FIRST + timedelta(days=4),
        FIRST + timedelta(days=4, hours=1),
        end,
    ):
        store_facts(store, [one for one in facts if last < one.known_at <= run])
        match(store, [of], FLOWS, run, settle=timedelta(0))
        last = run
    by_steps = told_of(store)

    accounts: dict[str, list[Fact]] = {}
    for one in facts:
        accounts.setdefault(one.account, []).append(one)
    windows = {}
    for row in store.rows("SELECT * FROM learned_windows"):
        found = windows[row["learned_at"].date()] = window(accounts.values(), how, row["learned_at"].date())
        assert (row["learned"], row["window_s"], row["lags"]) == (found[0], found[1].total_seconds() if found[0] else 0, found[2])  # fmt: skip
        assert (row["workflow"], row["expectation"]) == ("cash", "bank.ledger")
    assert {is_learned for is_learned, _, _ in windows.values()} == {True, False}
    assert timedelta(hours=20) in {one[1] for one in windows.values()}

    for as_of, known_at in ((end, end), (FIRST + timedelta(days=4, hours=3), FIRST + timedelta(days=6))):
        expected = {}
        for key, own in accounts.items():
            one = item(own, as_of, known_at)
            if one and (
                one.whole_at
                or len({x.kind for x in own if x.valid_from <= as_of and x.known_at <= known_at}) < 2
            ):
                due = one.counts_from + windows.get(one.learned_on, (False, FIXED, 0))[1]
                # The bank's own line is due when it is there.
                due = max(due, one.counts_from)
                expected[key] = due, bool(one.whole_at and one.whole_at > due)
        said = due_times(store, as_of, known_at)
        assert {key: said[key] for key in expected} == expected
        assert {late for _, late in expected.values()} == {True, False}

    for table in ("snapshots", "marks", "matching_versions", *TABLES):
        store.command("TRUNCATE TABLE {table:Identifier}", {"table": table})
    store_facts(store, random.Random(seed).sample(facts, len(facts)))
    match(store, [of], FLOWS, end, settle=timedelta(0))
    assert told_of(store) == by_steps


@pytest.mark.parametrize("many", [pytest.param(False, marks=pytest.mark.slow), True])
def test_each_leg_of_several_learns_its_own_window(store: Store, many: bool) -> None:
    """Receipts take two hours and invoices a day; with several receipts a leg is whole with the last."""
    legs = order_rule().model_dump(exclude_unset=True)["legs"]
    legs["receipt"] |= {"within": "1d", "learn": {"quantile": 1, "over": "9d", "least": 4}, "many": many}
    legs["invoice"] |= {"within": "9d", "learn": {"quantile": 1, "over": "9d", "least": 4}, "many": many}
    of = Ruling(order_rule(legs=legs), {})
    for number in range(4):
        state(store, "order_line", f"o{number}", None, number / 10, po=f"P{number}", quantity=6, price=2)
        parts = [2, 4] if many else [6]
        for part, quantity in enumerate(parts):
            last = number / 10 + (2 - (len(parts) - 1 - part)) / 24
            state(
                store,
                "receipt_line",
                f"r{number}.{part}",
                None,
                last,
                po=f"P{number}",
                quantity=quantity,
                price=0,
            )
        state(
            store, "invoice_line", f"i{number}", None, number / 10 + 1, po=f"P{number}", quantity=6, price=2
        )
    state(store, "order_line", "new", None, 3.5, po="NEW", quantity=6, price=2)
    complete(store, 20, 3)
    match(store, [of], FLOWS, day(4), settle=timedelta(0))
    rows = store.rows(
        "SELECT expectation, learned_at, learned, window_s, lags FROM learned_windows ORDER BY ALL"
    )
    at_last = {
        row["expectation"]: (row["window_s"], row["lags"]) for row in rows if row["learned_at"] == day(3)
    }
    assert at_last == {"bank.receipt": (2 * 3600, 4), "bank.invoice": (86400, 4)}
    points = store.rows(
        f"SELECT points.leg AS leg, points.due_at AS due FROM matches_at({AT}) ARRAY JOIN points.leg, points.due_at WHERE group_key = 'NEW'",
        {"as_of": day(4), "known_at": day(4)},
    )
    assert {row["leg"]: row["due"] for row in points} == {
        "receipt": day(3.5) + timedelta(hours=2),
        "invoice": day(4.5),
    }


def test_what_people_read_names_the_window(store: Store) -> None:
    of = Ruling(learning({"quantile": 0.5, "over": "7d", "least": 4}), {})
    for number in range(4):
        state(store, "bank_line", f"b{number}", 5, number / 100, account=number, reference="")
        state(store, "ledger_line", f"l{number}", 5, number / 100 + 0.25, account=number)
    state(store, "bank_line", "early", 5, 0.4, account="E", reference="")
    state(store, "bank_line", "new", 5, 1.5, account="N", reference="")
    match(store, [of], FLOWS, day(2), settle=timedelta(0))
    stories = {
        key: explain_match(store, {"bank": of}, key, day(2), day(2), day(2))[0].windows
        for key in ("early", "new")
    }
    assert stories == {
        "early": [
            "ledger due 2026-03-01 15:36 UTC (window 6h, fixed: 0 of the 4 lags it takes to learn one)"
        ],
        "new": ["ledger due 2026-03-02 18:00 UTC (window 6h, learned 2026-03-02 from 4 lags, quantile 0.5)"],
    }
    version = of.version
    asked = {
        key: window_of(store, of.rule, version, "ledger", [("bank", key)], day(2), day(2)) for key in stories
    }
    assert {key: f"({words})" in stories[key][0] for key, words in asked.items()} == {
        "early": True,
        "new": True,
    }
    assert window_of(store, of.rule, version, "bank", [("bank", "new")], day(2), day(2)) == ""


@pytest.mark.slow
def test_suggestions_and_what_does_not_agree_teach_nothing(store: Store) -> None:
    of = Ruling(learning({"quantile": 1, "over": "7d", "least": 1}, outcome={"auto_clear": False}), {})
    state(store, "bank_line", "b", 5, 0.1, account="A", reference="")
    state(store, "ledger_line", "l", 5, 0.2, account="A")
    match(store, [of], FLOWS, day(1.5), settle=timedelta(0))
    assert store.rows("SELECT learned, lags FROM learned_windows") == [{"learned": False, "lags": 0}]


@pytest.mark.slow
def test_a_version_that_is_tried_learns_for_itself(store: Store) -> None:
    for number in range(3):
        state(store, "bank_line", f"b{number}", 5, 0.1 + number / 100, account=number, reference="")
        state(store, "ledger_line", f"l{number}", 5, 0.2 + number / 100, account=number)
    first = Ruling(learning({"quantile": 1, "over": "7d", "least": 3}), {})
    other = Ruling(learning({"quantile": 1, "over": "7d", "least": 4}), {})
    match(store, [first], FLOWS, day(1.5), settle=timedelta(0))
    match(store, [other], FLOWS, day(1.5), settle=timedelta(0), activate=False)
    rows = store.rows("SELECT version, learned FROM learned_windows")
    assert {row["version"]: row["learned"] for row in rows} == {first.version: True, other.version: False}


def findings(tmp_path: Path, text: str) -> list[Finding]:
    file = tmp_path / "bank.yaml"
    file.write_text(text, encoding="utf-8")
    return load_ruling(file, {}, FLOWS)[1]


def test_limits_are_in_the_unit_of_the_window(tmp_path: Path) -> None:
    said = replace(Ruling(group(), {})).rule
    text = f"""
rule: bank
title: {said.title}
workflow: cash
owner: treasury
calendar: week
legs:
  bank: {{type: bank_line, fields: {{account: account}}}}
  ledger: {{type: ledger_line, fields: {{account: account}}, within: 3bd, learn: {{floor: 2h, cap: 5bd}}}}
keys: [{{fields: [account]}}]
"""
    (found,) = findings(tmp_path, text)
    assert (found.line, found.message) == (9, "counted otherwise than 'within', which is 3bd")
