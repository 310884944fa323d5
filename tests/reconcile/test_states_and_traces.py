"""Items without a trace and traces without an item: what the job says is what plain Python says, and unknown stays unknown."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from state_oracle import Answer, Complete, Heard, Held, Seen, World, answers

from reconcile.explain import explain
from reconcile.run import RECENT_DAYS, reconcile
from store.client import Store
from workflows.model import Workflow

START = datetime(2026, 5, 4, 8, tzinfo=UTC)
WITHIN = timedelta(hours=1)
PROBE = "books"
AT = "as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}"
FLOW = Workflow.model_validate(
    {
        "workflow": "bills", "title": "Bills", "item": "invoice", "sources": [PROBE, "otlp/ap", "otlp/scan"],
        "dimensions": ["site"], "objects": {"invoice": {"title": "Invoice"}},
        "steps": {
            "invoice.posted": {
                "title": "Posted", "select": [{"name": "post"}],
                "carries": {"item": "invoice", "owner": "integration", "within": "1h", "runbook": "Look at the interface."},
            },
            "invoice.paid": {"title": "Paid", "select": [{"name": "pay"}]},
        },
        "expectations": [{"name": "once", "title": "O", "kind": "once", "item": "invoice", "step": "invoice.paid", "owner": "x"}],
    }
)  # fmt: skip
TABLES = ("events", "event_objects", "snapshots", "watermarks", "telemetry_heard", "expectations", "workflow_versions", "marks")  # fmt: skip


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def fill(store: Store, world: World, after: datetime, until: datetime) -> None:
    """What became known in (after, until]."""

    def some(facts: Iterable[Any]) -> list[Any]:
        return [one for one in facts if after < one.known_at <= until]

    store.insert("events", [
        {
            "event_id": one.event_id, "workflow": "bills", "step": "invoice.posted", "occurred_at": one.at,
            "known_at": one.known_at, "objects.type": ["invoice"], "objects.key": [one.item], "objects.role": [""],
            "amount": None, "currency": "", "outcome": "ok", "attempt": 1, "actor": "", "dims": {"site": "north"},
            "trace_id": "f" * 32, "source": one.source,
        }
        for one in some(world.seen)
    ])  # fmt: skip
    store.insert("snapshots", [
        {
            "system": "ap", "object_type": "invoice", "object_key": one.item, "fields": {"site": "south", "other": "x"},
            "amount": 100, "currency": "USD", "deleted": one.gone, "valid_from": one.at, "captured_at": one.known_at,
            "known_at": one.known_at, "row_hash": f"{one.number:06}", "source": PROBE, "run_id": "",
        }
        for one in some(world.held)
    ])  # fmt: skip
    store.insert("telemetry_heard", [
        {"source": one.source, "heard_from": one.begins, "heard_through": one.ends, "known_at": one.known_at}
        for one in some(world.heard)
    ])  # fmt: skip
    store.insert("watermarks", [
        {"source": one.source, "complete_through": one.through, "heartbeat_at": one.known_at, "known_at": one.known_at, "run_id": ""}
        for one in some(world.complete)
    ])  # fmt: skip


def told(store: Store, as_of: datetime, known_at: datetime) -> list[Answer]:
    rows = store.rows(
        f"SELECT * FROM verdicts_at({AT}) WHERE kind IN ('landed', 'traced')",
        {"as_of": as_of, "known_at": known_at},
    )
    return sorted(
        Answer(
            row["item_key"], row["kind"], row["state"], row["opened_at"], row["closed_at"], row["closed_as"], row["detected_at"],
            row["due"],
        )
        for row in rows
    )  # fmt: skip


def random_world(dice: random.Random) -> World:
    """Some items over two days, each with some of: events, states, deletions; a collector with gaps, a probe with runs."""

    def moment(of: int = 2880) -> datetime:
        return at(dice.randrange(0, of, 10))

    def learnt(when: datetime) -> datetime:
        return max(when, START) + timedelta(minutes=dice.choice([1, 5, 30, 30, 300]))

    seen, held = [], []
    for number in range(dice.randint(10, 40)):
        item, when = f"I{number}", moment()
        for _ in range(dice.choice([0, 1, 1, 1, 2])):
            near = when + timedelta(minutes=dice.choice([-90, -30, 0, 0, 20, 60, 70]))
            seen.append(Seen(item, f"e{len(seen):04}", near, learnt(near), dice.choice(["otlp/ap", "otlp/ap", "otlp/scan", "log"])))  # fmt: skip
        for turn in range(dice.choice([0, 1, 1, 1, 2, 3])):
            there = when + timedelta(minutes=dice.choice([0, 0, 40, 200]) * (turn + 1))
            held.append(Held(item, there, learnt(there), dice.random() < 0.2, len(held)))
    heard, complete = [], []
    for source in ("otlp/ap", "otlp/scan"):
        begins = at(dice.choice([-600, -60, 120, 700]))
        for _ in range(dice.randint(1, 4)):
            ends = begins + timedelta(minutes=dice.choice([30, 200, 900, 2000]))
            for share in (0.5, 1.0):
                part = begins + share * (ends - begins)
                heard.append(Heard(source, begins, part, learnt(part)))
                complete.append(Complete(source, part - timedelta(minutes=1), learnt(part)))
            # One that turned out to be longer at its beginning.
            heard.append(Heard(source, begins - timedelta(minutes=5), ends, learnt(ends)))
            begins = ends + timedelta(minutes=dice.choice([20, 200]))
    complete += [
        Complete(PROBE, at(m), learnt(at(m)))
        for m in range(dice.choice([-30, 300]), 3300, dice.choice([60, 240]))
    ]
    return World(tuple(seen), tuple(held), tuple(heard), tuple(complete))


@pytest.mark.slow
def test_both_directions_equal_the_recomputation_however_often_the_job_ran(store: Store) -> None:
    dice = random.Random(17)
    states: set[tuple[str, str]] = set()
    for _ in range(3):
        world = random_world(dice)
        end = at(6000)
        last = at(-5000)
        for run in (at(dice.randrange(0, 3000)), end):
            fill(store, world, last, run)
            reconcile(store, [FLOW], run, settle=timedelta(0))
            last = max(last, run)
        written = store.raw("SELECT * FROM expectations ORDER BY ALL", fmt="TSV")
        assert reconcile(store, [FLOW], end + timedelta(hours=1))[0].expectations == 0
        for as_of, known_at in ((end, end), (moment_of(dice), end), (moment_of(dice), moment_of(dice))):
            expected = answers(world, WITHIN, RECENT_DAYS, PROBE, as_of, known_at)
            assert told(store, as_of, known_at) == expected
            states |= {(one.kind, one.state) for one in expected}
        empty(store)
        fill(store, world, at(-5000), end)
        reconcile(store, [FLOW], end, settle=timedelta(0))
        assert store.raw("SELECT * FROM expectations ORDER BY ALL", fmt="TSV") == written
        empty(store)
    assert states >= {
        ("landed", "MATCHED"), ("landed", "MISSING"), ("landed", "UNKNOWN"), ("landed", "NOT_DUE"),
        ("traced", "MATCHED"), ("traced", "ORPHAN"), ("traced", "UNKNOWN"), ("traced", "VOID"), ("traced", "NOT_DUE"),
    }  # fmt: skip


def moment_of(dice: random.Random) -> datetime:
    return at(dice.randrange(0, 3600))


def empty(store: Store) -> None:
    for table in TABLES:
        store.command("TRUNCATE TABLE {table:Identifier}", {"table": table})


@pytest.mark.slow
def test_nothing_is_concluded_from_a_time_in_which_nobody_listened(store: Store) -> None:
    """Five invoices in the books without a trace; only of one it can be said that it has none."""
    carried = Seen("I0", "e0", at(0), at(1), "otlp/ap")
    there = {
        "old": at(-3000),  # found by the first reading: of any age
        "gap": at(300),  # the collector did not listen
        "edge": at(380),  # it listened again, but not yet when the step may have come
        "plain": at(500),
        "young": at(1190),  # nobody heard the source until it was due
    }
    held = [Held("I0", at(0), at(31), False, 0), Held("old", there["old"], at(1), False, 1)]
    held += [
        Held(name, when, when + timedelta(minutes=5), False, 2)
        for name, when in there.items()
        if name != "old"
    ]
    heard = (Heard("otlp/ap", at(-200), at(250), at(251)), Heard("otlp/ap", at(350), at(1200), at(1201)))
    complete = [Complete(PROBE, at(m), at(m + 2)) for m in range(0, 2000, 20)]
    complete += [Complete("otlp/ap", one.ends, one.known_at) for one in heard]
    world = World(
        (carried, Seen("lost", "e1", at(600), at(601), "otlp/ap")), tuple(held), heard, tuple(complete)
    )
    fill(store, world, at(-5000), at(5000))
    reconcile(store, [FLOW], at(5000))
    end = at(4000)
    rows = store.rows(f"SELECT * FROM exceptions_at({AT}) ORDER BY item_key", {"as_of": end, "known_at": end})
    assert [(row["item_key"], row["code"], row["owner"], row["state"], row["amount"]) for row in rows] == [
        ("lost", "NOT_IN_STATE", "integration", "MISSING", None),
        ("plain", "NO_TRACE", "integration", "ORPHAN", 100),
    ]
    assert [(row["opened_by"], row["dims"]["site"]) for row in rows] == [("e1", "north"), (PROBE, "south")]
    states = {one.item: one.state for one in told(store, end, end) if one.kind == "traced"}
    assert states == {"I0": "MATCHED", "old": "UNKNOWN", "gap": "UNKNOWN", "edge": "UNKNOWN", "plain": "ORPHAN", "young": "UNKNOWN"}  # fmt: skip

    def sentence(key: str) -> str:
        (finding,) = explain(store, {"bills": FLOW}, "bills", "invoice", key, end, end).findings
        return finding.sentence

    assert sentence("plain") == (
        "In the state of its system since 2026-05-04 16:20 UTC, and no trace of 'Posted' tells how it came there; its source was "
        "heard all the time."
    )
    assert sentence("gap") == (
        "In the state of its system since 2026-05-04 13:00 UTC, and no trace of 'Posted' tells how it came there. Its source was "
        "not heard all the time from when it may have come, so nobody can say that it has none."
    )
    assert sentence("lost").startswith(
        "Posted on 2026-05-04 18:00 UTC; it is not in the state of its system, "
    )
