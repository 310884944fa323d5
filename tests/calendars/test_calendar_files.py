"""Every way a calendar file can be wrong is a finding at its place, also what a workflow says of calendars."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from calendars.load import load_calendars
from calendars.model import Calendar
from workflows.load import load_workflows

GOOD = """\
calendar: north
title: North hospital
zone: America/Chicago
holidays: {country: US, subdivision: MN}
weekdays: [mon, tue, wed, thu, fri]
hours: 08:00-17:00
hours_on: {fri: 08:00-15:30}
cut_off: 15:00
closures:
  - {date: 2026-11-27, reason: Day after Thanksgiving}
  - {date: 2026-12-24, through: 2026-12-31, reason: Shut-down}
  - {yearly: 07-03, reason: Summer party}
working_days:
  - {date: 2026-10-03, reason: Count}
  - {date: 2026-12-28, hours: 09:00-12:00, reason: Stocktaking}
fiscal:
  kind: list
  periods:
    - {year: 2026, period: 1, starts: 2026-01-01, ends: 2026-01-30}
    - {year: 2026, period: 2, starts: 2026-01-31, ends: 2026-02-27}
close_after: 5
"""


def findings(folder: Path, text: str) -> list[str]:
    """What is wrong with a folder that holds just this file."""
    file = folder / "north.yaml"
    file.write_text(text, encoding="utf-8")
    calendars, found = load_calendars(folder)
    assert (calendars == {}) == bool(found)
    return [finding.text().removeprefix(f"{file}:") for finding in found]


def placed(good: str, right: str, wrong: str) -> tuple[str, str]:
    """The text with a mistake in it, and where § said that it is."""
    assert good.count(right) == 1
    before = good[: good.index(right)] + wrong[: wrong.index("§")]
    return good.replace(
        right, wrong.replace("§", "")
    ), f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def test_the_file_these_tests_break_is_good(tmp_path: Path) -> None:
    assert findings(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("calendar: north", "§calendar: North 1", "calendar: String should match pattern '^[a-z][a-z0-9_]*$'"),
        ("zone: America/Chicago", "§zone: America/Chikago", "zone: not a time zone of the IANA list, which writes them like America/Chicago"),
        ("zone: America/Chicago", "§zone: ../etc/passwd", "zone: not a time zone of the IANA list, which writes them like America/Chicago"),
        ("close_after: 5", "§close_after: 0", "close_after: Input should be greater than or equal to 1"),
        ("close_after: 5", "§closes_after: 5", "unknown key 'closes_after'; allowed: calendar, close_after, closures, cut_off, fiscal, holidays, hours, "
            "hours_on, title, weekdays, working_days, zone; did you mean 'close_after'?"),
        # Holidays that the package does not know.
        ("country: US, subdivision: MN", "§country: USS", "unknown country 'USS'; allowed: codes like AD, AE, …; did you mean 'US'?"),
        ("country: US, subdivision: MN", "country: DE, §subdivision: Bayer", "unknown subdivision of DE 'Bayer'; allowed: …, BW, BY, …; did you mean 'Bayern'?"),
        ("country: US, subdivision: MN", "country: US, §categories: [bank]", "unknown category of holidays of US 'bank'; allowed: government, half_day, public, unofficial"),
        ("country: US, subdivision: MN", "§market: NYSEE", "unknown market 'NYSEE'; allowed: codes like B3, ASX, …; did you mean 'NYSE'?"),
        ("holidays: {country: US, subdivision: MN}", "holidays: {market: NYSE, §subdivision: MN}", "a market has no 'subdivision'; they belong to a country"),
        ("holidays: {country: US, subdivision: MN}", "holidays: {§country: US, market: NYSE}", "holidays are those of either a 'country' or a 'market'"),
        ("holidays: {country: US, subdivision: MN}", "§holidays: {}", "holidays are those of either a 'country' or a 'market'"),
        # Weekdays and hours.
        ("weekdays: [mon, tue, wed, thu, fri]", "weekdays: [mon, tue, wed, thu, fri, §mon]", "mon is named twice"),
        ("weekdays: [mon, tue, wed, thu, fri]", "weekdays: [§Monday, fri]", "weekdays.0: Input should be 'mon', 'tue', 'wed', 'thu', 'fri', 'sat' or 'sun'; "
            "allowed: 'mon', 'tue', 'wed', 'thu', 'fri', 'sat' or 'sun'; did you mean 'mon'?"),
        ("{fri: 08:00-15:30}", "{§sat: 08:00-15:30}", "sat is not among the 'weekdays' that are worked"),
        ("hours: 08:00-17:00", "§hours: 8-17", "hours: a time of day is written like 08:00; the end of the day is 24:00"),
        ("hours: 08:00-17:00", "§hours: 17:00", "hours: working hours are written like 08:00-17:00"),
        ("hours: 08:00-17:00", "§hours: 22:00-06:00", "hours: working hours end after they begin, on the same day; the end of the day is 24:00"),
        ("cut_off: 15:00", "§cut_off: 24:01", "cut_off: a time of day is written like 08:00; the end of the day is 24:00"),
        ("cut_off: 15:00", "§cut_off: 17:30", "the cut-off 17:30 is not within the working hours 08:00-17:00"),
        ("cut_off: 15:00", "§cut_off: 08:00", "the cut-off 08:00 is not within the working hours 08:00-17:00"),
        ("{fri: 08:00-15:30}", "{§fri: 15:00-17:00}", "work begins at 15:00, not before the cut-off 15:00"),
        ("hours: 09:00-12:00", "§hours: 15:30-17:00", "work begins at 15:30, not before the cut-off 15:00"),
        # Own days.
        ("- {date: 2026-11-27, reason", "- §{date: 2026-11-27, yearly: 11-27, reason", "a closure has either a 'date' or is 'yearly'"),
        ("- {date: 2026-11-27, reason", "- §{reason", "a closure has either a 'date' or is 'yearly'"),
        ("{yearly: 07-03, reason", "{yearly: 07-03, §through: 2026-07-05, reason", "'through' goes with a 'date', not with 'yearly'"),
        ("through: 2026-12-31", "§through: 2026-12-24", "'through' is a day after 'date'"),
        ("yearly: 07-03", "§yearly: 02-30", "closures.2.yearly: a day of every year is written like 12-24"),
        ("yearly: 07-03", "§yearly: 7-3", "closures.2.yearly: a day of every year is written like 12-24"),
        ("reason: Count", "§reason: ''", "working_days.0.reason: String should have at least 1 character"),
        ("{date: 2026-10-03, reason: Count}", "§{date: 2026-10-03}", "key 'reason' is missing"),
        ("date: 2026-10-03", "§date: 2026-11-27", "2026-11-27 is named twice among closures and working days"),
        ("date: 2026-12-28, hours", "§date: 2026-10-03, hours", "2026-10-03 is named twice among closures and working days"),
        ("date: 2026-10-03", "§date: 1999-12-31", "working_days.0.date: a calendar reaches from 2000-01-01 through 2049-12-31"),
        # Periods.
        ("fiscal:\n  kind: list", "§fiscal:\n  kind: 4-4-4", "fiscal: Input tag '4-4-4' found using 'kind' does not match any of the expected tags: 'months', '4-4-5', "
            "'4-5-4', '5-4-4', '13-periods', 'list'; allowed: 'months', '4-4-5', '4-5-4', '5-4-4', '13-periods', 'list'; did you mean '5-4-4'?"),
        ("starts: 2026-01-31", "§starts: 2026-02-01", "a period starts on the day after the one before, which ends on 2026-01-30"),
        ("starts: 2026-01-31", "§starts: 2026-01-30", "a period starts on the day after the one before, which ends on 2026-01-30"),
        ("ends: 2026-02-27", "§ends: 2026-01-30", "a period ends on or after the day it starts"),
        ("- {year: 2026, period: 2", "- §{year: 2026, period: 1", "period 1 of 2026 is named twice"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_finding_at_its_place(
    tmp_path: Path, right: str, wrong: str, expected: str
) -> None:
    """§ stands where the finding must point, … for names that the next version of a package may add to."""
    text, place = placed(GOOD, right, wrong)
    (found,) = findings(tmp_path, text)
    assert re.fullmatch(re.escape(f"{place}: {expected}").replace("…", ".*"), found), found


def test_a_calendar_in_two_files_is_refused_in_the_second(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yml").write_text(GOOD)
    calendars, found = load_calendars(tmp_path)
    assert list(calendars) == ["north"]
    assert [finding.text() for finding in found] == [
        f"{tmp_path / 'b.yml'}:1:1: calendar 'north' is defined twice"
    ]


def test_a_calendar_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    calendar = load_calendars(tmp_path)[0]["north"]
    assert Calendar.model_validate_json(calendar.model_dump_json()) == calendar


WORKFLOW = """\
workflow: bills
title: Bills
item: invoice
sources: [books]
dimensions: [site]
calendar: north
calendar_by: {dimension: site, calendars: {South: south}}
owners:
  treasury: {calendar: bank}
objects:
  invoice: {title: Invoice}
steps:
  received: {title: Received, select: [{name: R}]}
  paid: {title: Paid, select: [{name: P}]}
expectations:
  - name: payment
    title: Paid in time
    kind: sequence
    item: invoice
    after: [received]
    expect: [paid]
    within: 3bd
    owner: treasury
    calendar: bank
"""


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("calendar: north", "§calendar: nort", "unknown calendar 'nort'; allowed: bank, north, south; did you mean 'north'?"),
        ("{South: south}", "{§South: suoth}", "unknown calendar 'suoth'; allowed: bank, north, south; did you mean 'south'?"),
        ("treasury: {calendar: bank}", "treasury: {§calendar: banc}", "unknown calendar 'banc'; allowed: bank, north, south; did you mean 'bank'?"),
        ("    calendar: bank\n", "    §calendar: banc\n", "unknown calendar 'banc'; allowed: bank, north, south; did you mean 'bank'?"),
        ("dimension: site", "§dimension: sit", "unknown dimension 'sit'; allowed: site; did you mean 'site'?"),
        ("  treasury: {", "  §tresury: {", "unknown owner 'tresury'; allowed: treasury; did you mean 'treasury'?"),
        ("within: 3bd", "§within: 3 banking days", "expectations.0.sequence.within: a duration is written like 90s, 15m, 2h, 3d or 1d 12h, or in business time like 3bd or 8bh"),
    ],
)  # fmt: skip
def test_what_a_workflow_says_of_calendars_must_exist(
    tmp_path: Path, right: str, wrong: str, expected: str
) -> None:
    text, place = placed(WORKFLOW, right, wrong)
    (tmp_path / "bills.yaml").write_text(text)
    _, found = load_workflows(tmp_path, {"north", "south", "bank"})
    assert [finding.text() for finding in found] == [f"{tmp_path / 'bills.yaml'}:{place}: {expected}"]


def test_business_time_without_any_calendar_is_refused(tmp_path: Path) -> None:
    """Calendars of some segments do not say what holds for the others."""
    text = WORKFLOW.replace("calendar: north\n", "").replace("    calendar: bank\n", "")
    text, place = placed(
        text.replace("owners:\n  treasury: {calendar: bank}\n", ""), "within: 3bd", "§within: 3bd"
    )
    (tmp_path / "bills.yaml").write_text(text)
    _, found = load_workflows(tmp_path, {"south"})
    assert [finding.text() for finding in found] == [
        f"{tmp_path / 'bills.yaml'}:{place}: business time needs a calendar, and not only of some segments; "
        "allowed: 'calendar' of the expectation, of its owner under 'owners', or of the workflow"
    ]


@pytest.mark.parametrize(
    "kept", ["calendar: north\n", "    calendar: bank\n", "owners:\n  treasury: {calendar: bank}\n"]
)
def test_any_one_calendar_is_enough(tmp_path: Path, kept: str) -> None:
    text = WORKFLOW
    for part in ("calendar: north\n", "    calendar: bank\n", "owners:\n  treasury: {calendar: bank}\n"):
        text = text.replace(part, part if part == kept else "", 1)
    (tmp_path / "bills.yaml").write_text(text)
    workflows, found = load_workflows(tmp_path, {"north", "south", "bank"})
    assert [finding.text() for finding in found] == []
    assert workflows["bills"].calendars
