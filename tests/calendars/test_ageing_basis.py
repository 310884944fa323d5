"""How old exceptions are by the ageing basis of their rule: everywhere the same, and as plain Python counts it from the facts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import calendar_oracle as oracle
import pytest
from test_business_time import calendar
from test_matching_in_business_time import FLOW, put, rule

from calendars.model import Calendar
from calendars.table import write_calendars
from kpis.load import load_kpis
from kpis.run import EPOCH, compute
from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.results import results, with_ages
from reconcile.matching.run import match
from reconcile.run import reconcile
from store.client import Store
from store.sqlfile import read
from tieout.pipeline import SQL as COMMAND_SQL
from workflows.model import Workflow

WITHIN = {"bank": timedelta(days=1), "ledger": timedelta(days=3)}
# Farthest ahead of UTC and farthest behind it, so that a day of UTC is another one there for most of its hours.
CALENDARS = {
    "ahead": calendar("ahead", zone="Pacific/Kiritimati", holidays={"country": "US"}),
    "behind": calendar("behind", zone="Pacific/Pago_Pago", closures=[{"yearly": "05-01", "reason": "May"}]),
}
# Today, so that the view of what is open now can be held to the same ages.
NOW = datetime.now(UTC).replace(microsecond=0)
KNOWN = NOW - timedelta(hours=2)


@dataclass(frozen=True)
class Told:
    """One record: since when it is there, and the day it names, if any."""

    at: datetime
    amount: int
    booked: date | None = None

    @property
    def counts_from(self) -> datetime:
        return (
            datetime(self.booked.year, self.booked.month, self.booked.day, tzinfo=UTC)
            if self.booked
            else self.at
        )


Accounts = dict[str, dict[str, Told]]


def accounts(pick: random.Random) -> Accounts:
    """Records of either leg or both, which agree or differ, some dated days before or after they came."""
    found: Accounts = {}
    for number in range(60):
        legs = pick.choice([("bank",), ("ledger",), ("bank", "ledger"), ("bank", "ledger")])
        start = NOW - timedelta(minutes=pick.randrange(4 * 60, 120 * 1440))
        at = {leg: min(start + timedelta(minutes=pick.randrange(6 * 1440)), KNOWN) for leg in legs}
        found[f"A{number}"] = {
            leg: Told(at[leg], pick.choice([100, 100, 70]), pick.choice([None, (at[leg] + timedelta(days=pick.randrange(-9, 5))).date()]))
            for leg in legs
        }  # fmt: skip
    return found


Begun = tuple[datetime | date, datetime, datetime | None]


def begun(told: dict[str, Told], by_record: bool, as_of: datetime) -> Begun | None:
    """What an exception of these records ages from (a day or a moment), when it was found and when it ended; None when there is none."""
    due = {leg: min(one.counts_from for one in told.values()) + within for leg, within in WITHIN.items()}
    ended = None
    if len(told) == 1:
        (missing,) = set(WITHIN) - set(told)
        found, was_due = due[missing], due[missing]
    else:
        whole, was_due = max(one.at for one in told.values()), max(due.values())
        found = whole
        if told["bank"].amount == told["ledger"].amount:
            if whole <= was_due:
                return None
            found, ended = was_due, whole
    if found > as_of:
        return None
    day = min(one.counts_from for one in told.values()).date()
    if by_record and datetime(day.year, day.month, day.day, tzinfo=UTC) <= found:
        return day, found, ended
    return min(was_due, found), found, ended


def ages(start: datetime | date, end: datetime, by: Calendar | None) -> tuple[int, int | None]:
    zone = ZoneInfo(by.zone) if by else UTC
    first = start.astimezone(zone).date() if isinstance(start, datetime) else start
    last = end.astimezone(zone).date()
    if by is None:
        return (last - first).days, None
    between = [first + timedelta(days=number) for number in range(1, (last - first).days + 1)]
    return (last - first).days, sum(oracle.hours_of(by, day) is not None for day in between)


def rules() -> Iterator[tuple[MatchingRule, Calendar | None]]:
    for basis in ("due", "record"):
        for by in (None, *CALENDARS.values()):
            legs: dict[str, Any] = {leg: {"within": f"{within.days}d"} for leg, within in WITHIN.items()}
            legs = {leg: {**said, "date": "booked"} for leg, said in legs.items()}
            legs["ledger"]["fields"] = {"account": "account", "amount": "@amount", "booked": "booked"}
            name = f"{basis}_{by.calendar if by else 'utc'}"
            yield rule(name, age_by=basis, calendar=by.calendar if by else None, **legs), by


def asked(as_of: datetime) -> dict[str, Any]:
    return {"as_of": as_of, "known_at": NOW}


AT = "as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}"


@pytest.mark.slow
def test_every_age_is_counted_from_the_basis_of_the_rule(store: Store) -> None:
    write_calendars(store, CALENDARS.values(), KNOWN)
    told = accounts(random.Random(20261122))
    for account, legs in told.items():
        for leg, one in legs.items():
            put(
                store,
                leg,
                account,
                one.at,
                f"{one.booked}" if one.booked else "",
                amount=one.amount,
                known_at=KNOWN,
            )
    store.insert(
        "watermarks",
        [{"source": "books", "complete_through": NOW, "heartbeat_at": NOW, "known_at": KNOWN, "run_id": ""}],
    )
    reconcile(store, [FLOW], NOW)
    made = list(rules())
    match(store, [Ruling(one, {}) for one, _ in made], {"cash": FLOW}, NOW)
    for as_of in (NOW, NOW - timedelta(days=20, hours=7)):
        expected = {
            (one.rule, f"{leg}.{account}"): (*ages(since[0], since[2] or as_of, by), *since[1:])
            for one, by in made
            for account, legs in told.items()
            if (there := {leg: record for leg, record in legs.items() if record.at <= as_of})
            and (since := begun(there, one.age_by == "record", as_of))
            for leg in ("bank" if "bank" in there else "ledger",)
        }  # fmt: skip
        rows = store.rows(f"SELECT * FROM exceptions_at({AT})", asked(as_of))
        found = {
            (row["expectation"], row["item_key"]): (
                row["age_days"], row["age_business_days"], row["detected_at"], row["resolved_at"],
            )
            for row in rows
        }  # fmt: skip
        assert found == expected
        assert len(rows) == len(expected)
        _says_the_same(store, as_of, expected)
    bases = {key[1]: value for key, value in found.items() if key[0] == "due_utc"}
    assert sum(found["record_utc", item] != value for item, value in bases.items()) > 10, "the bases differ"


def _says_the_same(store: Store, as_of: datetime, told: dict[tuple[str, str], tuple[Any, ...]]) -> None:
    """The list of matches, that of exceptions, K04 and, for today, the view of what is open."""
    expected = {key: value[:2] for key, value in told.items() if value[3] is None}
    listed = with_ages(store, results(store, as_of, NOW), as_of, NOW)
    assert {
        (row["rule"], row["item_key"]): (row["age_days"], row["age_business_days"])
        for row in listed
        if row["age_days"] is not None
    } == {key: value[:2] for key, value in told.items()}
    filters = dict.fromkeys(("owner", "expectation", "code", "severity", "clock", "id"), "")
    work = store.rows(
        read(COMMAND_SQL / "exceptions.sql"),
        {
            **asked(as_of),
            **filters,
            "workflow": "cash",
            "status": "open",
            "older_than": 0,
            "limit": 10_000,
            "offset": 0,
        },
    )
    assert {
        (row["expectation"], row["item_key"]): (row["age_days"], row["age_business_days"]) for row in work
    } == expected
    assert [row["aged_from"] for row in work] == sorted(row["aged_from"] for row in work)
    kpis, _ = load_kpis()
    figures = {
        (row["segment"], row["measure"]): row["value"]
        for row in compute(store, kpis["K04"], "cash", "expectation", as_of, NOW, EPOCH)
    }
    for name in {key[0] for key in expected}:
        days = sorted(value[0] for key, value in expected.items() if key[0] == name)
        buckets = Counter(next(end for end in (1, 3, 7, 30, 60, 90, 10**9) if age <= end) for age in days)
        assert figures[name, "oldest"] == days[-1]
        assert [
            figures[name, f"count_{end}"]
            for end in ("0_1", "2_3", "4_7", "8_30", "31_60", "61_90", "over_90")
        ] == [buckets[end] for end in (1, 3, 7, 30, 60, 90, 10**9)]
    if as_of == NOW:
        now = store.rows("SELECT expectation, item_key, age_days, age_business_days FROM v_exceptions_open")
        assert {
            (row["expectation"], row["item_key"]): (row["age_days"], row["age_business_days"]) for row in now
        } == expected


def test_a_tie_out_of_a_workflow_that_differs_again_is_as_old_as_it_is_due(store: Store) -> None:
    """It was due on 3 March and agreed; a state of 20 March differs. It is found then, and aged from when it was due."""
    flow = Workflow.model_validate(
        {
            **FLOW.model_dump(mode="json"),
            "expectations": [{
                "name": "paid_is_booked", "kind": "tie_out", "title": "Paid is booked", "item": "bank_line", "after": ["paid"],
                "within": "2d", "owner": "treasury",
                "legs": {
                    "paid": {"step": "paid"},
                    "booked": {"links": [{"role": "books", "to": "ledger_line"}]},
                },
            }],
        }
    )  # fmt: skip
    at = datetime(2026, 3, 1, 10, tzinfo=UTC)
    store.insert("events", [{
        "event_id": "E1", "workflow": "cash", "step": "paid", "occurred_at": at, "known_at": at, "objects.type": ["bank_line"],
        "objects.key": ["B1"], "objects.role": [""], "amount": 100, "currency": "USD", "outcome": "ok", "attempt": 1, "source": "books",
    }])  # fmt: skip
    store.insert("object_links", [{
        "workflow": "cash", "from_type": "bank_line", "from_key": "B1", "to_type": "ledger_line", "to_key": "ledger.L1", "role": "books", "valid_from": at,
        "known_at": at, "source": "books",
    }])  # fmt: skip
    put(store, "ledger", "L1", at, known_at=at)
    put(store, "ledger", "L1", at + timedelta(days=19), amount=90, known_at=at)
    store.insert(
        "watermarks",
        [{"source": "books", "complete_through": NOW, "heartbeat_at": NOW, "known_at": at, "run_id": ""}],
    )
    reconcile(store, [flow], NOW)
    (row,) = store.rows(f"SELECT * FROM exceptions_at({AT})", asked(at + timedelta(days=29)))
    assert (row["state"], row["detected_at"], row["aged_from"]) == (
        "PARTIAL",
        at + timedelta(days=19),
        at + timedelta(days=2),
    )
    assert (row["age_days"], row["bucket"]) == (27, "8-30")
    (level,) = store.rows(f"SELECT * FROM service_levels_at({AT})", asked(at + timedelta(days=29)))
    assert level["detected_at"] == at + timedelta(days=19)
