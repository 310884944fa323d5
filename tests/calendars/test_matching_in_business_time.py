"""Windows and due times of matching rules in business days and working hours, through the job, against counting on the wall clock."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import calendar_oracle as oracle
import pytest
from test_business_time import calendar, random_calendar, random_pair

from calendars.model import Calendar
from calendars.table import write_calendars
from core.duration import BusinessTime, parse_window
from core.errors import ConfigurationError
from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.run import match
from store.client import Store
from workflows.model import Workflow

KNOWN = datetime(2026, 12, 1, tzinfo=UTC)
NOW = KNOWN + timedelta(hours=1)
FLOW = Workflow.model_validate(
    {
        "workflow": "cash", "title": "Cash", "item": "bank_line", "sources": ["books"],
        "objects": {"bank_line": {"title": "B"}, "ledger_line": {"title": "L"}},
        "steps": {"paid": {"title": "Paid", "select": [{"name": "paid"}]}},
        "expectations": [{"name": "once", "kind": "once", "title": "O", "item": "bank_line", "step": "paid", "owner": "x"}],
    }
)  # fmt: skip
WEEKDAYS = calendar(
    "week", zone="America/New_York", hours="08:00-17:00", cut_off="15:00", holidays={"country": "US"}
)


def rule(name: str = "bank", **changes: Any) -> MatchingRule:
    fields = {"account": "account", "amount": "@amount"}
    bank, ledger = (changes.pop(leg, {}) for leg in ("bank", "ledger"))
    said: dict[str, Any] = {
        "rule": name, "title": "Bank and ledger", "workflow": "cash", "owner": "treasury",
        "legs": {
            "bank": {"type": "bank_line", "fields": {**fields, "booked": "booked"}, **bank},
            "ledger": {"type": "ledger_line", "fields": fields, **ledger},
        },
        "keys": [{"fields": ["account"], "method": "pair"}], "numbers": {"amount": {}},
        "compare": {"amount": {"field": "amount", "means": "amount", "expected": "bank", "actual": "ledger"}},
    }  # fmt: skip
    return MatchingRule.model_validate({**said, **changes})


def put(store: Store, leg: str, account: str, at: datetime, booked: str = "", **more: Any) -> None:
    state = {
        "system": "books", "object_type": f"{leg}_line", "object_key": f"{leg}.{account}",
        "fields": {"account": account, "booked": booked}, "amount": 100, "currency": "USD", "deleted": False,
        "valid_from": at, "captured_at": at, "known_at": KNOWN, "row_hash": f"{at}", "source": "books", "run_id": "",
    }  # fmt: skip
    store.insert("snapshots", [{**state, **more}])


def decided(store: Store, *rules: MatchingRule, now: datetime = NOW) -> dict[tuple[str, str], dict[str, Any]]:
    """What the newest version of each rule says of each account, from both records or from the one of the bank."""
    match(store, [Ruling(one, {}) for one in rules], {"cash": FLOW}, now)
    rows = store.rows(
        "SELECT rule, group_key, verdict, opened_at, due_at, points.field AS about, points.due_at AS dues, members.leg AS legs "
        "FROM matches_at(as_of = {at:DateTime64(6, 'UTC')}, known_at = {at:DateTime64(6, 'UTC')})",
        {"at": now},
    )
    return {(row["rule"], row["group_key"]): row for row in rows if "bank" in row["legs"]}


def wall(text: str, zone: str = "America/New_York") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.slow
def test_business_days_of_a_window_skip_weekends_holidays_and_cut_offs(store: Store) -> None:
    """Thanksgiving is on 26 November 2026; on Friday the clocks were set back on 1 November."""
    write_calendars(store, [WEEKDAYS], KNOWN)
    pairs = {
        "over the weekend": ("2026-11-13 10:00", "2026-11-16 10:00", 1),
        "over the holiday": ("2026-11-25 10:00", "2026-11-27 10:00", 1),
        "after the cut-off": ("2026-11-12 15:01", "2026-11-13 09:00", 0),
        "at the cut-off": ("2026-11-12 15:00", "2026-11-13 09:00", 1),
        "clocks change": ("2026-10-30 16:30", "2026-11-02 14:30", 0),
        "dated at the weekend": ("2026-11-14 12:00", "2026-11-16 12:00", 0),
        "backwards": ("2026-11-16 10:00", "2026-11-13 10:00", -1),
    }
    for account, (bank, ledger, _) in pairs.items():
        put(store, "bank", account, wall(bank))
        put(store, "ledger", account, wall(ledger))
    windows = {number: {"business_days": [number, number]} for number in (-1, 0, 1)}
    rules = [
        rule(f"w{number + 1}", calendar="week", keys=[{"fields": ["account"], "method": method, "window": window}])
        for (number, window), method in zip(windows.items(), ("pair", "subset", "group"), strict=True)
    ]  # fmt: skip
    found = decided(store, *rules)
    for account, (*_, apart) in pairs.items():
        inside = [number for number in windows if found[f"w{number + 1}", account]["verdict"] == "matched"]
        assert inside == [apart], account
    (gate,) = [
        row["gates"]
        for row in store.rows("SELECT gates FROM matches WHERE rule = 'w2' AND group_key = 'backwards' AND verdict = 'mismatch'")
    ]  # fmt: skip
    assert '"expected":"1 to 1 business days","actual":"-1 business days"' in gate


def test_a_leg_is_due_from_the_date_of_the_first_record_by_its_calendar(store: Store) -> None:
    bank = calendar("bank", zone="Europe/Berlin", holidays={"country": "DE"})
    write_calendars(store, [WEEKDAYS, bank], KNOWN)
    dated = rule(
        "dated", bank={"date": "booked"}, ledger={"within": "2bd", "calendar": "bank"}, calendar="week"
    )
    rules = [dated, rule("hours", ledger={"within": "8bh"}, calendar="week"), rule("plain", ledger={"within": "3d"}, bank={"date": "booked"})]  # fmt: skip
    friday = wall("2026-11-06 10:00")
    put(store, "bank", "date", friday, booked="2026-11-02")
    put(store, "bank", "time", friday, booked="2026-11-01T23:30:00Z")
    put(store, "bank", "none", friday)
    # Its date was corrected, its amount was corrected: the clock starts at the date it has now, or when it was first there.
    put(store, "bank", "moved", friday, booked="2026-11-03")
    put(store, "bank", "moved", friday + timedelta(hours=1), booked="2026-11-05", known_at=KNOWN + timedelta(minutes=1))  # fmt: skip
    put(store, "bank", "again", friday)
    put(store, "bank", "again", friday + timedelta(days=1), known_at=KNOWN + timedelta(minutes=1))
    found = decided(store, *rules)

    def due(name: str, account: str) -> datetime:
        row = found[name, account]
        assert row["about"] == ["ledger"]
        return row["dues"][0]  # type: ignore[no-any-return]

    def end_of(day: str) -> datetime:
        return wall(f"{day} 00:00", "Europe/Berlin") + timedelta(days=1, microseconds=-1)

    assert due("dated", "date") == end_of("2026-11-04")
    # In Berlin it is Monday already.
    assert due("dated", "time") == end_of("2026-11-04")
    assert due("dated", "none") == end_of("2026-11-10")
    assert due("dated", "moved") == end_of("2026-11-09")
    assert due("hours", "none") == due("hours", "again") == wall("2026-11-09 09:00")
    assert due("plain", "date") == datetime(2026, 11, 5, tzinfo=UTC)
    assert due("plain", "moved") == datetime(2026, 11, 8, tzinfo=UTC)
    assert due("plain", "again") == friday + timedelta(days=3)
    assert found["plain", "date"]["opened_at"] == friday


@pytest.mark.slow
def test_a_calendar_that_changes_is_a_new_version_and_one_that_is_not_there_is_told(store: Store) -> None:
    of = rule(ledger={"within": "1bd"}, calendar="week")
    with pytest.raises(
        ConfigurationError, match=r"matching rule 'bank' counts by calendars .*: week; their files"
    ):
        decided(store, of)
    write_calendars(store, [WEEKDAYS], KNOWN)
    put(store, "bank", "a", wall("2026-11-12 10:00"))
    assert decided(store, of)["bank", "a"]["due_at"] == wall("2026-11-13 15:00")
    closed = WEEKDAYS.model_copy(update={"closures": (*calendar("x", closures=[{"date": "2026-11-13", "reason": "Storm"}]).closures,)})  # fmt: skip
    later = NOW + timedelta(days=1)
    write_calendars(store, [closed], later)
    assert decided(store, of, now=later + timedelta(hours=1))["bank", "a"]["due_at"] == wall("2026-11-16 15:00")  # fmt: skip
    versions = store.rows("SELECT DISTINCT version, calendars FROM matching_versions ORDER BY activated_at")
    assert [list(row["calendars"]) for row in versions] == [["week"], ["week"]]
    assert len({row["calendars"]["week"] for row in versions}) == 2


def test_exceptions_of_a_rule_age_by_its_calendar(store: Store) -> None:
    """Due on Friday 13 November at 15:00 in New York; seen on Tuesday, as Monday evening is there, in UTC."""
    write_calendars(store, [WEEKDAYS], KNOWN)
    put(store, "bank", "a", wall("2026-11-12 10:00"))
    mark = {
        "source": "books",
        "complete_through": KNOWN,
        "heartbeat_at": KNOWN,
        "known_at": KNOWN,
        "run_id": "",
    }
    store.insert("watermarks", [mark])
    decided(store, rule(ledger={"within": "1bd"}, calendar="week"))
    (row,) = store.rows(
        "SELECT * FROM exceptions_at(as_of = {at:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})",
        {"at": wall("2026-11-16 21:00"), "known_at": NOW},
    )
    assert (row["code"], row["calendar"], row["detected_at"]) == ("MISSING", "week", wall("2026-11-13 15:00"))
    assert (row["age_days"], row["age_business_days"]) == (3, 1)


@pytest.mark.slow
def test_due_times_and_windows_are_those_of_the_wall_clock(store: Store) -> None:
    pick = random.Random(20261121)
    calendars = {f"c{n}": random_calendar(f"c{n}", pick) for n in range(4)}
    write_calendars(store, calendars.values(), KNOWN)
    accounts: dict[str, tuple[datetime, str, datetime | None]] = {}
    for n in range(24):
        first, second = random_pair(pick)
        booked = pick.choice(["", "", f"{second:%Y-%m-%d}", f"{second:%Y-%m-%dT%H:%M:%SZ}"])
        ledger = first + timedelta(minutes=pick.randrange(-4 * 1440, 4 * 1440)) if n % 3 else None
        accounts[f"A{n}"] = (first, booked, ledger)
        put(store, "bank", f"A{n}", first, booked)
        if ledger:
            put(store, "ledger", f"A{n}", ledger)
    rules = [
        rule(
            f"r{number}", bank={"date": "booked", "within": pick.choice(["0bd", "2d"])},
            ledger={"within": within, "calendar": own}, calendar=name,
            keys=[{"fields": ["account"], "method": pick.choice(["pair", "group"]), "window": {"business_days": [-1, 2]}}],
        )
        for number, (name, within, own) in enumerate(
            (name, within, pick.choice([None, *calendars])) for name in calendars for within in pick.sample(["1bd", "5bd", "9bh", "36h"], 2)
        )
    ]  # fmt: skip
    found = decided(store, *rules)
    compared = {"matched": 0, "open": 0, "mismatch": 0}
    for one in rules:
        made = calendars[str(one.calendar)]
        for account, (at, booked, ledger) in accounts.items():
            row = found[one.rule, account]
            bank_at = _counts_from(at, booked)
            where = f"{one.rule} {made.zone} {one.legs['ledger'].within} {account} {at} {booked} {ledger}"
            if ledger:
                days = oracle_days(made, bank_at, booked), oracle.counts_for(made, ledger)
                apart = _signed(made, *days)
                inside = -1 <= apart <= 2
                assert (row["verdict"] == "matched") == inside, where
            dues = [_due(one, leg, calendars, bank_at, booked) for leg in one.leg_names]
            if ledger and row["verdict"] != "open":
                other = [_due(one, leg, calendars, ledger, "") for leg in one.leg_names]
                dues = [min(pair) for pair in zip(dues, other, strict=True)]
            assert row["due_at"] == max(dues), where
            if row["verdict"] == "open":
                assert row["dues"] == [dues[1]], where
            compared[row["verdict"]] += 1
    assert min(compared.values()) > 5


def _counts_from(at: datetime, booked: str) -> datetime:
    return datetime.fromisoformat(booked).replace(tzinfo=UTC) if booked else at


def _moment(made: Calendar, at: datetime, booked: str) -> datetime:
    """A date without a time begins at midnight of the calendar's zone."""
    if len(booked) != 10:
        return at
    return datetime.combine(date.fromisoformat(booked), datetime.min.time(), ZoneInfo(made.zone)).astimezone(UTC)  # fmt: skip


def oracle_days(made: Calendar, at: datetime, booked: str) -> date:
    return oracle.counts_for(made, _moment(made, at, booked))


def _signed(made: Calendar, first: date, last: date) -> int:
    if last < first:
        return -oracle.business_days_between(made, last, first)
    return oracle.business_days_between(made, first, last)


def _due(one: MatchingRule, leg: str, calendars: dict[str, Calendar], at: datetime, booked: str) -> datetime:
    within = parse_window(one.legs[leg].within)
    if not isinstance(within, BusinessTime):
        return at + within
    made = calendars[one.legs[leg].calendar or str(one.calendar)]
    moment = _moment(made, at, booked)
    if within.unit == "bh":
        return oracle.after_working_minutes(made, moment, within.count * 60)
    return oracle.last_moment(made, oracle.plus_business_days(made, moment, within.count))
