"""Expectations due in business days and working hours, and their ages, through the job and the views."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import calendar_oracle as oracle
import pytest
from test_business_time import calendar, random_calendar, random_pair

from calendars.model import Calendar
from calendars.table import write_calendars
from core.duration import BusinessTime
from core.errors import ConfigurationError
from reconcile.run import reconcile
from store.client import Store
from workflows.model import Workflow

pytestmark = pytest.mark.slow

KNOWN = datetime(2026, 11, 10, 8, tzinfo=UTC)
RUN = KNOWN + timedelta(hours=1)
CHANGED = KNOWN + timedelta(days=2)
LATER = KNOWN + timedelta(days=3)
AT = "as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}"


def rule(name: str, within: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "title": name, "kind": "sequence", "item": "invoice", "owner": "payables",
        "after": ["received"], "expect": ["paid"], "within": within, **more,
    }  # fmt: skip


def workflow(*rules: dict[str, Any], **more: Any) -> Workflow:
    return Workflow.model_validate(
        {
            "workflow": "bills", "title": "Bills", "item": "invoice", "sources": ["books"], "dimensions": ["site"],
            "objects": {"invoice": {"title": "Invoice"}, "order": {"title": "Order"}},
            "steps": {s: {"title": s, "select": [{"name": s}]} for s in ("received", "paid")},
            "expectations": list(rules), **more,
        }
    )  # fmt: skip


def event(key: str, step: str, at: datetime, known_at: datetime = KNOWN, **dims: str) -> dict[str, Any]:
    return {
        "event_id": f"{key}.{step}", "workflow": "bills", "step": step, "occurred_at": at, "known_at": known_at,
        "objects.type": ["invoice"], "objects.key": [key], "objects.role": [""], "amount": None, "currency": "",
        "outcome": "ok", "attempt": 1, "actor": "", "dims": dims, "trace_id": "", "source": "books",
    }  # fmt: skip


def complete(store: Store, through: datetime) -> None:
    row = {
        "source": "books",
        "complete_through": through,
        "heartbeat_at": KNOWN,
        "known_at": KNOWN,
        "run_id": "",
    }
    store.insert("watermarks", [row])


def ask(
    store: Store, view: str, as_of: datetime, known_at: datetime = LATER
) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of a view by rule and item."""
    rows = store.rows(
        f"SELECT * FROM {view}({AT}) WHERE workflow = 'bills'", {"as_of": as_of, "known_at": known_at}
    )
    return {(row["expectation"], row["item_key"]): row for row in rows}


def wall(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def expected_due(made: Calendar, opened: datetime, within: timedelta | BusinessTime) -> datetime:
    if isinstance(within, timedelta):
        return opened + within
    if within.unit == "bh":
        return oracle.after_working_minutes(made, opened, within.count * 60)
    return oracle.last_moment(made, oracle.plus_business_days(made, opened, within.count))


def test_every_window_ends_where_counting_on_the_wall_clock_ends_it(store: Store) -> None:
    pick = random.Random(5)
    calendars = {f"c{n}": random_calendar(f"c{n}", pick) for n in range(5)}
    flow = workflow(
        *(
            rule(f"{name}_{window}", window, calendar=name)
            for name in calendars
            for window in ("0bd", "1bd", "6bd", "0bh", "1bh", "9bh", "36h")
        )
    )
    opened = {f"I{n}": random_pair(pick)[0] for n in range(6)}
    write_calendars(store, calendars.values(), KNOWN)
    store.insert("events", [event(key, "received", at) for key, at in opened.items()])
    reconcile(store, [flow], RUN)
    found = ask(store, "verdicts_at", LATER)
    assert len(found) == len(opened) * len(flow.expectations)
    for one in flow.expectations:
        assert one.kind == "sequence"
        made = calendars[str(one.calendar)]
        for key, at in opened.items():
            row = found[one.name, key]
            where = f"{one.name} {made.zone} {made.hours.text()} opened {at}"
            assert (row["due_at"], row["calendar"]) == (expected_due(made, at, one.within), made.calendar), (
                where
            )


def test_all_kinds_with_a_window_take_business_time(store: Store) -> None:
    """Opened on Friday evening after the cut-off of 15:30 in Chicago."""
    reference = {
        "name": "known", "title": "K", "kind": "reference", "item": "invoice", "owner": "payables", "within": "1bd",
        "link": {"role": "for", "to": "order"},
    }  # fmt: skip
    tie = {
        "name": "tie", "title": "T", "kind": "tie_out", "item": "invoice", "owner": "payables", "within": "4bh",
        "after": ["received"], "legs": {"a": {"step": "received"}, "b": {"step": "paid"}},
    }  # fmt: skip
    chicago = calendar("north", zone="America/Chicago", hours="08:00-17:00", cut_off="15:30")
    write_calendars(store, [chicago], KNOWN)
    friday = wall("2026-10-30 16:00", "America/Chicago")
    store.insert("events", [event("I1", "received", friday)])
    link = {"from_type": "invoice", "from_key": "I1", "to_type": "order", "to_key": "O1", "role": "for"}
    store.insert(
        "object_links",
        [{"workflow": "bills", **link, "valid_from": friday, "known_at": KNOWN, "source": "t"}],
    )
    reconcile(store, [workflow(rule("payment", "1bd"), reference, tie, calendar="north")], RUN)
    found = ask(store, "verdicts_at", LATER)
    # Clocks were set back on Sunday: the offset is another one, the wall clock is not.
    assert {name: row["due_at"] for (name, _), row in found.items()} == {
        "payment": wall("2026-11-03 15:30", "America/Chicago"),
        "known": wall("2026-11-03 15:30", "America/Chicago"),
        "tie": wall("2026-11-02 11:00", "America/Chicago"),
    }


def test_the_nearest_word_about_the_calendar_decides(store: Store) -> None:
    names = ("flow", "south", "bank", "own")
    write_calendars(store, [calendar(name) for name in names], KNOWN)
    flow = workflow(
        rule("own", "1bd", calendar="own", owner="treasury"),
        rule("owner", "1bd", owner="treasury"),
        rule("other", "1bd"),
        calendar="flow",
        calendar_by={"dimension": "site", "calendars": {"South": "south"}},
        owners={"treasury": {"calendar": "bank"}},
    )
    at = datetime(2026, 11, 2, 9, tzinfo=UTC)
    store.insert(
        "events", [event("S", "received", at, site="South"), event("N", "received", at, site="North")]
    )
    reconcile(store, [flow], RUN)
    found = {at: row["calendar"] for at, row in ask(store, "verdicts_at", LATER).items()}
    assert found == {
        ("own", "S"): "own", ("own", "N"): "own", ("owner", "S"): "bank", ("owner", "N"): "bank",
        ("other", "S"): "south", ("other", "N"): "flow",
    }  # fmt: skip
    (version,) = store.rows("SELECT calendars FROM workflow_versions")
    assert sorted(version["calendars"]) == sorted(names)


def test_without_a_calendar_every_hour_counts_in_utc(store: Store) -> None:
    complete(store, LATER)
    store.insert("events", [event("I1", "received", datetime(2026, 11, 6, 23, tzinfo=UTC))])
    reconcile(store, [workflow(rule("payment", "1d"))], RUN)
    (row,) = ask(store, "exceptions_at", datetime(2026, 11, 9, 1, tzinfo=UTC)).values()
    assert row["due_at"] == datetime(2026, 11, 7, 23, tzinfo=UTC)
    assert (row["calendar"], row["age_days"], row["age_business_days"], row["bucket"]) == ("", 2, None, "2-3")


@pytest.mark.parametrize(
    ("as_of", "days", "business_days"),
    [
        ("2026-10-30 23:00", 0, 0),
        ("2026-11-01 12:00", 2, 0),
        ("2026-11-02 00:00", 3, 1),
        ("2026-11-12 20:00", 13, 8),
    ],
)
def test_an_exception_ages_by_the_dates_of_its_calendar(
    store: Store, as_of: str, days: int, business_days: int
) -> None:
    """Due on Friday 30 October at 17:00 in Los Angeles; Veterans Day, 11 November, is a holiday."""
    zone = "America/Los_Angeles"
    write_calendars(
        store, [calendar("la", zone=zone, hours="08:00-17:00", holidays={"country": "US"})], KNOWN
    )
    complete(store, LATER)
    store.insert("events", [event("I1", "received", wall("2026-10-29 09:00", zone))])
    reconcile(store, [workflow(rule("payment", "1bd"), calendar="la")], RUN)
    (row,) = ask(store, "exceptions_at", wall(as_of, zone)).values()
    assert row["due_at"] == wall("2026-10-30 17:00", zone)
    assert (row["age_days"], row["age_business_days"]) == (days, business_days)


def test_due_30_april_as_of_31_may_is_31_days_whatever_came_later(store: Store) -> None:
    """Golden vector: an invoice due 30 April and paid 30 June is 31 days old at the end of 31 May, also in a zone
    where that evening is 1 June in UTC."""
    zone = "America/Los_Angeles"
    write_calendars(store, [calendar("la", zone=zone)], KNOWN)
    complete(store, LATER)
    store.insert(
        "events",
        [
            event("I1", "received", wall("2026-03-31 12:00", zone)),
            event("I1", "paid", wall("2026-06-30 12:00", zone)),
        ],
    )
    reconcile(store, [workflow(rule("payment", "30d"), calendar="la")], RUN)
    (row,) = ask(store, "exceptions_at", wall("2026-05-31 20:30", zone)).values()
    assert (row["age_days"], row["status"], row["bucket"]) == (31, "open", "31-60")
    (row,) = ask(store, "exceptions_at", LATER).values()
    assert (row["age_days"], row["status"]) == (61, "resolved")


def test_a_changed_calendar_restates_later_views_and_leaves_earlier_ones(store: Store) -> None:
    """On 12 November it becomes known that the Monday before was a day off."""
    usual = calendar("north", hours="08:00-17:00")
    monday_off = calendar("north", hours="08:00-17:00", closures=[{"date": "2026-11-02", "reason": "Storm"}])
    flow = workflow(rule("payment", "1bd"), calendar="north")
    write_calendars(store, [usual], KNOWN)
    complete(store, LATER)
    store.insert("events", [event("I1", "received", datetime(2026, 10, 30, 10, tzinfo=UTC))])
    reconcile(store, [flow], RUN)
    before = ask(store, "exceptions_at", datetime(2026, 11, 5, tzinfo=UTC), CHANGED - timedelta(seconds=1))
    write_calendars(store, [monday_off], CHANGED)
    reconcile(store, [flow], CHANGED)
    after = ask(store, "exceptions_at", datetime(2026, 11, 5, tzinfo=UTC))
    again = ask(store, "exceptions_at", datetime(2026, 11, 5, tzinfo=UTC), CHANGED - timedelta(seconds=1))
    assert again == before
    told = [
        (row["due_at"].day, row["age_business_days"]) for rows in (before, after) for row in rows.values()
    ]
    assert told == [(2, 3), (3, 2)]
    # Nothing more comes of it, and going back to what was is one more version.
    assert reconcile(store, [flow], CHANGED + timedelta(hours=1))[0].expectations == 0
    write_calendars(store, [usual], CHANGED + timedelta(hours=2))
    reconcile(store, [flow], CHANGED + timedelta(hours=2))
    (row,) = ask(store, "exceptions_at", datetime(2026, 11, 5, tzinfo=UTC)).values()
    assert (row["due_at"].day, row["age_business_days"]) == (2, 3)


def test_news_after_a_change_are_counted_by_the_new_days(store: Store) -> None:
    flow = workflow(rule("payment", "1bd"), calendar="north")
    write_calendars(store, [calendar("north")], KNOWN)
    store.insert("events", [event("I1", "received", datetime(2026, 11, 5, 10, tzinfo=UTC))])
    reconcile(store, [flow], RUN)
    write_calendars(
        store, [calendar("north", closures=[{"date": "2026-11-06", "reason": "Strike"}])], CHANGED
    )
    store.insert("events", [event("I2", "received", datetime(2026, 11, 5, 11, tzinfo=UTC), CHANGED)])
    reconcile(store, [flow], LATER)
    found = {key: row["due_at"].day for (_, key), row in ask(store, "verdicts_at", LATER, LATER).items()}
    assert found == {"I1": 9, "I2": 9}


def test_outside_of_the_calendar_the_window_is_one_of_the_clock_and_the_age_is_unknown(store: Store) -> None:
    write_calendars(store, [calendar("north", hours="08:00-17:00")], KNOWN)
    complete(store, LATER)
    opened = datetime(1999, 12, 1, 10, tzinfo=UTC)
    store.insert("events", [event("I1", "received", opened)])
    reconcile(store, [workflow(rule("days", "2bd"), rule("hours", "2bh"), calendar="north")], RUN)
    found = ask(store, "exceptions_at", datetime(2026, 11, 5, tzinfo=UTC))
    assert found["days", "I1"]["due_at"] == opened + timedelta(days=2)
    assert found["hours", "I1"]["due_at"] == opened + timedelta(hours=2)
    assert [row["age_business_days"] for row in found.values()] == [None, None]
    assert [row["age_days"] > 9000 for row in found.values()] == [True, True]


def test_a_calendar_that_was_never_loaded_is_named(store: Store) -> None:
    flow = workflow(rule("payment", "1bd"), calendar="north", owners={"payables": {"calendar": "bank"}})
    write_calendars(store, [calendar("north")], KNOWN)
    with pytest.raises(
        ConfigurationError, match=r"'bills' counts by calendars that are not in the store: bank;"
    ):
        reconcile(store, [flow], RUN)
    assert store.value("SELECT count() FROM workflow_versions") == 0
