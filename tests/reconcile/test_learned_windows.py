"""Windows learned from lags, against plain Python: only from what had ended and was known when the day began."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from math import ceil
from typing import Any

import pytest
from oracle import Event, Facts, Snapshot
from world import AT, empty, fill

from reconcile.explain import explain
from reconcile.run import reconcile
from store.client import Store
from workflows.model import Learn, Workflow

START = datetime(2026, 4, 1, tzinfo=UTC)
FIXED = timedelta(hours=4)
DAYS = 16
LEARN = {"quantile": 0.9, "over": "6d", "least": 8, "floor": "20m", "cap": "9h"}


def flow(*learns: dict[str, Any], within: str = "4h") -> Workflow:
    """A payment after each invoice; one expectation for each way to learn."""
    return Workflow.model_validate(
        {
            "workflow": "bills", "title": "Bills", "item": "invoice", "sources": ["books"],
            "objects": {"invoice": {"title": "Invoice"}},
            "steps": {s: {"title": s, "select": [{"name": s}]} for s in ("received", "paid", "dropped")},
            "expectations": [
                {
                    "name": f"payment{n}", "title": "Paid", "kind": "sequence", "item": "invoice", "after": ["received"],
                    "expect": ["paid"], "void_by": ["dropped"], "within": within, "owner": "treasury", "learn": one,
                }
                for n, one in enumerate(learns)
            ],
        }
    )  # fmt: skip


def event(key: str, step: str, at: datetime, known_at: datetime) -> Event:
    return Event("invoice", key, step, at, known_at, f"{key}.{step}.{at:%d%H%M%S}")


def midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time(), UTC)


def history(dice: random.Random) -> Facts:
    """Invoices of some days, most paid within some hours, slower from day to day; some news comes late, some is put right."""
    told = []
    for number in range(180):
        opened = START + timedelta(minutes=dice.randrange(0, DAYS * 1440))
        slow = 1 + (opened - START) / timedelta(days=8)
        lag = timedelta(seconds=round(dice.choice([1200, 3600, 7200, 30_000]) * slow) + dice.randrange(60), microseconds=dice.choice([0, 1]))  # fmt: skip
        late = timedelta(hours=dice.choice([0, 0, 0, 1, 30, 200]))
        key = f"I{number}"
        told.append(event(key, "received", opened, opened + timedelta(hours=dice.choice([0, 0, 1, 50]))))
        if dice.random() < 0.9:
            told.append(event(key, "paid", opened + lag, opened + lag + late))
        if dice.random() < 0.1:
            # What came before it, it turns out later: there was nothing to pay.
            told.append(event(key, "dropped", opened + lag / 2, opened + lag + late + timedelta(days=dice.choice([1, 4]))))  # fmt: skip
    return Facts(tuple(told))


def outcome(events: Sequence[Event], known_at: datetime) -> tuple[datetime, datetime | None, bool] | None:
    """Opening, end and whether that is an arrival, of one item by what was known."""
    known = sorted((one.occurred_at, one.step) for one in events if one.known_at <= known_at)
    opened = next((at for at, step in known if step == "received"), None)
    if opened is None:
        return None
    end = next(((at, step) for at, step in known if step != "received" and at >= opened), None)
    return opened, end[0] if end else None, bool(end and end[1] == "paid")


def learned(items: dict[str, list[Event]], how: Learn, day: datetime) -> tuple[bool, timedelta, int]:
    """Whether a window is learned by the beginning of `day`, which, and from how many lags."""
    lags = []
    for events in items.values():
        found = outcome(events, day)
        if found and found[1] and found[2] and day - how.over < found[1] <= day:
            lags.append(found[1] - found[0])
    if len(lags) < how.least:
        return False, FIXED, len(lags)
    lag = sorted(lags)[ceil(how.quantile * len(lags)) - 1]
    whole = timedelta(seconds=ceil(Decimal(lag // timedelta(microseconds=1)) / 1_000_000))
    return True, max(how.floor, min(how.cap or whole, whole)), len(lags)


def due_times(store: Store, as_of: datetime, known_at: datetime) -> dict[tuple[str, str], datetime]:
    rows = store.rows(f"SELECT expectation, item_key, due_at FROM verdicts_at({AT})", {"as_of": as_of, "known_at": known_at})  # fmt: skip
    return {(row["expectation"], row["item_key"]): row["due_at"] for row in rows}


def between(told: Facts, after: datetime, until: datetime) -> Facts:
    return replace(told, events=tuple(one for one in told.events if after < one.known_at <= until))


@pytest.mark.slow
def test_every_window_is_learned_from_what_was_known_when_its_day_began(store: Store) -> None:
    dice = random.Random(3)
    told = history(dice)
    of = flow(LEARN, {"quantile": 1, "over": "3d", "least": 3})
    end = START + timedelta(days=DAYS + 5)
    runs = [
        START + timedelta(days=3, hours=5),
        START + timedelta(days=9),
        START + timedelta(days=9, hours=1),
        end,
    ]
    last = START - timedelta(days=1)
    for run in runs:
        fill(store, "bills", between(told, last, run))
        reconcile(store, [of], run, settle=timedelta(0))
        last = run
    written = [store.raw(f"SELECT * FROM {table} ORDER BY ALL", fmt="TSV") for table in ("learned_windows", "expectations")]  # fmt: skip

    items: dict[str, list[Event]] = {}
    for one in told.events:
        items.setdefault(one.object_key, []).append(one)
    found = {
        (row["expectation"], row["learned_at"]): row for row in store.rows("SELECT * FROM learned_windows")
    }
    assert {at for _, at in found} == {START + timedelta(days=n) for n in range(1, DAYS + 6)}
    for (name, at), row in found.items():
        is_learned, window, lags = learned(items, of.learns[name], at)
        assert (row["learned"], row["lags"]) == (is_learned, lags), (name, at)
        assert row["window_s"] == (window.total_seconds() if is_learned else 0), (name, at)
    assert {row["learned"] for row in found.values()} == {True, False}
    assert {row["window_s"] for row in found.values()} >= {9 * 3600}

    for as_of, known_at in ((end, end), (START + timedelta(days=11, hours=3), START + timedelta(days=13))):
        expected = {}
        for key, events in items.items():
            now_known = [one for one in events if one.known_at <= known_at]
            story = outcome(events, known_at)
            if story and story[0] <= as_of:
                day = midnight(min(story[0], max(one.known_at for one in now_known)))
                for name, how in of.learns.items():
                    expected[name, key] = story[0] + learned(items, how, day)[1]
        assert due_times(store, as_of, known_at) == expected

    empty(store)
    store.command("TRUNCATE TABLE learned_windows")
    fill(store, "bills", told)
    reconcile(store, [of], end, settle=timedelta(0))
    assert [store.raw(f"SELECT * FROM {table} ORDER BY ALL", fmt="TSV") for table in ("learned_windows", "expectations")] == written  # fmt: skip


def test_a_verdict_says_which_window_it_was_due_by(store: Store) -> None:
    """Ten invoices paid in an hour, one in two; of the next one nobody has heard by then."""
    of = flow({"quantile": 0.9, "over": "7d", "least": 10, "floor": "10m"}, {"least": 200})
    told = []
    for number in range(11):
        at = START + timedelta(hours=9, minutes=number)
        told += [event(f"I{number}", "received", at, at)]
        paid = at + timedelta(hours=2 if number == 10 else 1)
        told += [event(f"I{number}", "paid", paid, paid)]
    opened = START + timedelta(days=1, hours=9)
    told.append(event("new", "received", opened, opened))
    fill(store, "bills", Facts(tuple(told)))
    mark = {"source": "books", "complete_through": START + timedelta(days=3), "heartbeat_at": START, "known_at": opened, "run_id": ""}  # fmt: skip
    store.insert("watermarks", [mark])
    end = START + timedelta(days=1, hours=13, minutes=30)
    reconcile(store, [of], end)
    assert due_times(store, end, end)["payment0", "new"] == opened + timedelta(hours=1)
    assert due_times(store, end, end)["payment1", "new"] == opened + FIXED
    # Of the day it was learned on nothing was known when it began.
    assert due_times(store, end, end)["payment0", "I0"] == START + timedelta(hours=9) + FIXED
    sentences = {
        one.expectation: one.sentence
        for one in explain(store, {"bills": of}, "bills", "invoice", "new", end, end).findings
    }
    assert sentences["payment0"].startswith(
        "received on 2026-04-02 09:00 UTC; due 2026-04-02 10:00 UTC (window 1h, learned 2026-04-02 from 11 lags, quantile 0.9): "
    )
    assert sentences["payment1"].startswith(
        "received on 2026-04-02 09:00 UTC; due 2026-04-02 13:00 UTC (window 4h, fixed: 11 of the 200 lags it takes to learn one): "
    )


@pytest.mark.slow
def test_how_long_a_state_takes_to_follow_its_trace_is_learned_too(store: Store) -> None:
    rule = {
        "name": "landed", "title": "There", "kind": "landed", "item": "invoice", "step": "received", "owner": "integration",
        "within": "4h", "learn": {"quantile": 1, "over": "7d", "least": 5},
    }  # fmt: skip
    of = Workflow.model_validate({**flow({}).model_dump(), "expectations": [rule]})
    events, states = [], []
    for number in range(5):
        at = START + timedelta(hours=9, minutes=number)
        there = at + timedelta(minutes=10 + number)
        events.append(event(f"I{number}", "received", at, at))
        states.append(Snapshot("invoice", f"I{number}", None, "", False, there, there))
    opened = START + timedelta(days=1, hours=9)
    events.append(event("new", "received", opened, opened))
    fill(store, "bills", Facts(tuple(events), (), tuple(states)))
    end = opened + timedelta(minutes=1)
    reconcile(store, [of], end)
    due = due_times(store, end, end)
    assert due["landed", "new"] == opened + timedelta(minutes=14)
    assert due["landed", "I0"] == START + timedelta(hours=9) + FIXED
