"""Keys with windows of business days, legs due in business days and working hours, changed records: the job against plain Python."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import calendar_oracle as oracle
import pytest
from test_business_time import NEAR, random_calendar
from test_matching_in_business_time import FLOW

from calendars.model import Calendar
from calendars.table import write_calendars
from core.duration import BusinessTime
from reconcile.matching.decide import decide
from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.records import Decision, Record
from reconcile.matching.run import match
from store.client import Store

END = datetime(2027, 3, 1, tzinfo=UTC)
EARLY = datetime(2009, 1, 1, tzinfo=UTC)
Told = tuple[Any, ...]
# Without the day that one zone left out: to the oracle every date is a day.
ODD_DAYS = NEAR[1:]


@dataclass(frozen=True)
class State:
    """One state of an object; `booked` is a date, a time or nothing."""

    leg: str
    key: str
    account: str
    reference: str
    amount: Decimal
    booked: str
    valid_from: datetime
    known_at: datetime
    number: int


class Days:
    """A calendar whose days are looked at once."""

    def __init__(self, made: Calendar) -> None:
        self.made = made
        self._worked: list[date] = []

    def number(self, day: date) -> int:
        """How many business days there were by this one, from the first year that a case is near to."""
        if not self._worked:
            first = date(2018, 9, 1)
            days = (first + timedelta(days=n) for n in range(3200))
            near = {date.fromisoformat(one).toordinal() for one in ODD_DAYS}
            self._worked = [one for one in days if any(abs(one.toordinal() - other) < 30 for other in near) and oracle.hours_of(self.made, one)]  # fmt: skip
        return sum(one <= day for one in self._worked)

    def begins(self, day: date, minute: int = 0) -> datetime:
        wall = datetime.combine(
            day + timedelta(days=minute // 1440),
            time(minute % 1440 // 60, minute % 60),
            ZoneInfo(self.made.zone),
        )
        return wall.astimezone(UTC)

    def moment(self, at: datetime, booked: str) -> datetime:
        """A date without a time begins with that day of the calendar."""
        return self.begins(at.date()) if len(booked) == 10 else at

    def after_hours(self, at: datetime, hours: int) -> datetime:
        day, left = oracle.local(self.made, at).date() - timedelta(days=1), timedelta(hours=hours)
        while True:
            if worked := oracle.hours_of(self.made, day):
                begins, ends = max(self.begins(day, worked[0]), at), self.begins(day, worked[1])
                if ends - begins >= left:
                    return begins + left
                left -= max(ends - begins, timedelta(0))
            day += timedelta(days=1)


def random_rule(rng: random.Random, name: str, calendars: Sequence[str]) -> MatchingRule:
    fields = {"account": "account", "reference": "reference", "amount": "amount", "booked": "booked"}
    limit = {"abs": rng.choice([0, 1])}

    def key(*names: str) -> dict[str, Any]:
        low, high = sorted(rng.choices(range(-2, 4), k=2))
        window = {rng.choice(["business_days", "business_days", "days"]): [low, high]}
        method = rng.choice(["pair", "subset", "pair", "subset", "group"])
        return {"fields": names, "method": method, **({"window": window} if rng.random() < 0.85 else {})}

    legs = {
        leg: {
            "type": f"{leg}_line", "fields": fields, "within": rng.choice(["0bd", "1bd", "3bd", "8bh", "20bh", "36h"]),
            **({"date": "booked"} if rng.random() < 0.6 else {}), **({"calendar": rng.choice(calendars)} if rng.random() < 0.4 else {}),
        }
        for leg in ("bank", "ledger")
    }  # fmt: skip
    keys = [key("account", "reference"), key("reference"), key("account")][-rng.choice([1, 2, 3]) :]
    return MatchingRule.model_validate(
        {
            "rule": name, "title": "Bank and ledger", "workflow": "cash", "owner": "treasury", "calendar": rng.choice(calendars),
            "legs": legs, "keys": keys, "numbers": {"amount": {}}, "budget": {"max_items": rng.choice([2, 30])},
            "compare": {"amount": {
                "field": "amount", "means": "amount", "expected": "bank", "actual": "ledger", "over": limit, "under": limit,
            }},
        }
    )  # fmt: skip


def random_states(rng: random.Random, island: int) -> list[State]:
    """A few objects near to something odd in a calendar; some change, some move to another key."""
    near, names = datetime.fromisoformat(rng.choice(ODD_DAYS)).replace(tzinfo=UTC), rng.randrange(1, 4)
    made = []
    for number in range(rng.randrange(2, 9)):
        at = near + timedelta(minutes=rng.randrange(-3 * 1440, 4 * 1440))
        on = at + timedelta(days=rng.randrange(-2, 3))
        booked = rng.choice(
            [
                "",
                "",
                f"{on:%Y-%m-%d}",
                f"{on:%Y-%m-%d}",
                f"{on:%Y-%m-%dT%H:%M:%SZ}",
                f"{on:%Y-%m-%dT%H:%M:%S}+02:00",
            ]
        )
        made.append(State(
            rng.choice(["bank", "ledger"]), f"i{island}.{rng.randrange(names)}", f"i{island}{rng.choice('AAAAAAAAAB')}",
            f"i{island}{rng.choice('xxy')}", Decimal(rng.choice([10, 10, 20, 30, 11])), booked, at,
            at + timedelta(minutes=rng.choice([0, 5, 1440, 3000])), island * 100 + number,
        ))  # fmt: skip
    return made


def records_of(
    rule: MatchingRule,
    calendars: Mapping[str, Days],
    states: Sequence[State],
    as_of: datetime,
    known_at: datetime,
) -> list[tuple[Record, State]]:
    last: dict[tuple[str, str], State] = {}
    for one in sorted(states, key=lambda one: (one.valid_from, one.known_at, one.number)):
        if one.valid_from <= as_of and one.known_at <= known_at:
            last[one.leg, one.key] = one
    found = []
    for one in last.values():
        dates = rule.legs[one.leg].date is not None
        booked = one.booked if dates else ""
        at = min(
            other.valid_from for other in states
            if (other.leg, other.key) == (one.leg, one.key) and not (dates and other.booked) and other.known_at <= known_at
        ) if not booked else datetime.fromisoformat(booked)  # fmt: skip
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        own = calendars[str(rule.calendar)]
        found.append((
            Record(
                one.leg, one.key, at, at.date(), (one.amount,), (), "USD", dated=bool(booked),
                business_day=own.number(oracle.counts_for(own.made, own.moment(at, booked))),
                due=tuple(_due(rule, calendars, leg, at, booked) for leg in rule.leg_names),
            ),
            one,
        ))  # fmt: skip
    return found


def _due(rule: MatchingRule, calendars: Mapping[str, Days], leg: str, at: datetime, booked: str) -> datetime:
    within = rule.legs[leg].within
    if not isinstance(within, BusinessTime):
        return at + within
    days = calendars[rule.legs[leg].calendar or str(rule.calendar)]
    moment = days.moment(at, booked)
    if within.unit == "bh":
        return days.after_hours(moment, within.count)
    return oracle.last_moment(days.made, oracle.plus_business_days(days.made, moment, within.count))


def expected(
    rule: MatchingRule,
    calendars: Mapping[str, Days],
    states: Sequence[State],
    as_of: datetime,
    known_at: datetime,
    complete: datetime,
) -> list[Told]:
    there = {
        (record.leg, record.key): (record, one)
        for record, one in records_of(rule, calendars, states, as_of, known_at)
    }
    left, final = [record for record, _ in there.values()], []
    for number, key in enumerate(rule.keys, start=1):
        groups: dict[object, list[Record]] = defaultdict(list)
        for record in left:
            groups[tuple(getattr(there[record.leg, record.key][1], field) for field in key.fields)].append(
                record
            )
        found = [one for members in groups.values() for one in decide(rule, key, members)]
        left = [record for one in found if one.verdict == "open" for record in one.records]
        final += [one for one in found if one.verdict != "open" or number == len(rule.keys)]
    return sorted((_told(rule, one, as_of, complete) for one in final), key=repr)


def _told(rule: MatchingRule, one: Decision, as_of: datetime, complete: datetime) -> Told:
    dues = {leg: min(record.due[place] for record in one.records) for place, leg in enumerate(rule.leg_names)}
    states = {
        "matched": "MATCHED", "matched_tol": "MATCHED_TOL", "mismatch": "MISMATCH", "ambiguous": "UNKNOWN", "duplicate": "DUP_SUSPECT",
    }  # fmt: skip
    if one.verdict == "open":
        (waits,) = one.waits
        code = "ORPHAN" if waits == rule.leg_names[0] else "MISSING"
        states["open"] = "NOT_DUE" if dues[waits] > as_of else code if complete >= dues[waits] else "UNKNOWN"
    members = tuple(sorted((record.leg, record.key, record.day) for record in one.records))
    return one.verdict, members, max(dues.values()), states[one.verdict]


def store_states(store: Store, states: Sequence[State]) -> None:
    store.insert("snapshots", [
        {
            "system": "books", "object_type": f"{one.leg}_line", "object_key": one.key,
            "fields": {"account": one.account, "reference": one.reference, "amount": f"{one.amount}", "booked": one.booked},
            "amount": None, "currency": "USD", "deleted": False, "valid_from": one.valid_from, "captured_at": one.known_at,
            "known_at": one.known_at, "row_hash": f"{one.number:06}", "source": "books", "run_id": "",
        }
        for one in states
    ])  # fmt: skip


def told_by_islands(store: Store, as_of: datetime, known_at: datetime) -> dict[tuple[str, int], list[Told]]:
    found: dict[tuple[str, int], list[Told]] = defaultdict(list)
    for row in store.rows(
        "SELECT v.expectation AS rule, v.verdict AS verdict, v.legs AS legs, v.records AS records, m.members.day AS days, m.due_at AS due_at, "
        "v.state AS state FROM match_verdicts_of(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, "
        "items = [], version = '') AS v INNER JOIN matches_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}) "
        "AS m ON m.rule = v.expectation AND m.pass = v.pass AND m.group_key = v.group_key AND m.item = v.item WHERE v.place = 1",
        {"as_of": as_of, "known_at": known_at},
    ):
        members = tuple(sorted(zip(row["legs"], row["records"], row["days"], strict=True)))
        found[row["rule"], int(row["records"][0][1:].split(".")[0])].append(
            (row["verdict"], members, row["due_at"], row["state"])
        )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_windows_dues_and_states_of_changing_records_are_those_of_the_wall_clock(
    store: Store, seed: int
) -> None:
    rng = random.Random(seed)
    calendars = {name: Days(random_calendar(name, rng)) for name in ("c0", "c1")}
    write_calendars(store, [one.made for one in calendars.values()], END)
    complete = datetime(2026, 10, 30, tzinfo=UTC)
    mark = {
        "source": "books",
        "complete_through": complete,
        "heartbeat_at": complete,
        "known_at": EARLY,
        "run_id": "",
    }
    store.insert("watermarks", [mark])
    rules = [random_rule(rng, f"r{number}", [*calendars]) for number in range(3)]
    states = [random_states(rng, island) for island in range(24)]
    # Some are stored behind the mark of the first run.
    for late in (False, True):
        store_states(store, [one for own in states for one in own if (one.number % 3 == 0) == late])
        match(store, [Ruling(one, {}) for one in rules], {"cash": FLOW}, END + timedelta(days=late))
    seen: Counter[str] = Counter()
    for as_of in (
        END,
        *(
            datetime.fromisoformat(one).replace(tzinfo=UTC) + timedelta(hours=rng.randrange(72))
            for one in rng.sample(ODD_DAYS, 2)
        ),
    ):
        known_at = as_of + timedelta(days=1)
        said = told_by_islands(store, as_of, known_at)
        for one in rules:
            for island, own in enumerate(states):
                want = expected(one, calendars, own, as_of, known_at, complete)
                assert sorted(said[one.rule, island], key=repr) == want, (one, as_of, own)
                seen.update(told[-1] for told in want)
    assert (
        min(seen[name] for name in ("MATCHED", "MISSING", "ORPHAN", "MISMATCH", "NOT_DUE", "UNKNOWN")) > 2
    ), seen
