"""The examples of the pages about calendars hold: files check clean, statements run, numbers are those that come out."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calendars.load import load_calendars
from calendars.model import Calendar
from calendars.table import write_calendars
from store.client import Store
from tieout.cli import app
from tieout.project import load_project
from tieout.scaffold import FILES, create

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = (DOCS / "reference" / "calendars.md").read_text()
HOW_TO = (DOCS / "how-to" / "calendars.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def example(folder: Path, text: str) -> Calendar:
    """The first calendar file shown in a text."""
    (folder / "north.yaml").write_text(
        next(block for block in blocks(text, "yaml") if block.startswith("calendar:"))
    )
    calendars, findings = load_calendars(folder)
    assert [finding.text() for finding in findings] == []
    return calendars["north"]


@pytest.mark.parametrize(
    "text", [REFERENCE, HOW_TO, FILES["calendars/README.md"]], ids=["reference", "how-to", "init"]
)
def test_every_file_that_is_shown_checks_clean(tmp_path: Path, text: str) -> None:
    assert example(tmp_path, text).zone == "America/Chicago"


def test_every_key_and_kind_of_periods_is_in_the_reference() -> None:
    for name in Calendar.model_fields:
        assert f"| `{name}` |" in REFERENCE, name
    for kind in ("months", "4-4-5", "4-5-4", "5-4-4", "13-periods", "list"):
        assert kind in REFERENCE


def test_every_column_and_function_is_in_the_reference(store: Store) -> None:
    columns = store.rows(
        "SELECT name FROM system.columns WHERE table = 'calendar' AND database = currentDatabase()"
    )
    for row in columns:
        assert re.search(rf"^\| .*\b{row['name']}\b.* \|", REFERENCE, re.MULTILINE), row["name"]
    for function in re.findall(
        r"FUNCTION (\w+)", (ROOT / "store" / "functions" / "business_time.sql").read_text()
    ):
        assert f"`{function}(" in REFERENCE


@pytest.fixture
def invoices(store: Store, tmp_path: Path) -> Store:
    """One invoice: received on Thursday 29 October 2026 at 16:00 in Chicago, due on Monday, paid on Wednesday at 10:00."""
    write_calendars(store, [example(tmp_path, REFERENCE)], datetime(2026, 11, 1, tzinfo=UTC))
    store.command(
        "CREATE OR REPLACE TABLE invoices (invoice String, calendar String, received_at DateTime64(6, 'UTC'), "
        "due_at DateTime64(6, 'UTC'), paid_at DateTime64(6, 'UTC')) ENGINE = MergeTree ORDER BY invoice"
    )
    moments = [
        datetime(2026, 10, 29, 21, tzinfo=UTC),
        datetime(2026, 11, 2, 21, 30, tzinfo=UTC),
        datetime(2026, 11, 4, 16, tzinfo=UTC),
    ]
    row = dict(zip(("received_at", "due_at", "paid_at"), moments, strict=True))
    store.insert("invoices", [{"invoice": "I1", "calendar": "north", **row}])
    return store


def test_the_statements_of_the_reference_run(invoices: Store) -> None:
    between, plus_days = blocks(REFERENCE, "sql")
    try:
        (late,) = invoices.rows(between)
        (due,) = invoices.rows(plus_days)
    finally:
        invoices.command("DROP TABLE invoices")
    # From Monday 15:30 an hour and a half is left, Tuesday has nine, Wednesday two.
    assert late == {
        "invoice": "I1", "business_days_late": 2, "business_hours_late": 12.5, "fiscal_year": 2027, "fiscal_period": 2,
    }  # fmt: skip
    # It counts for Friday; three business days later is Wednesday, at the cut-off.
    assert due == {"invoice": "I1", "due_at": datetime(2026, 11, 4, 21, 30, tzinfo=UTC)}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The project that the how-to page makes."""
    folder = tmp_path / "site"
    create(folder, ROOT / "examples" / "demo")
    example(folder / "calendars", HOW_TO)
    changes = next(
        block
        for block in blocks(HOW_TO, "yaml")
        if block.startswith("calendar: north\n") and "title" not in block
    )
    flow = (
        (ROOT / "workflows" / "hospital_billing.yaml")
        .read_text()
        .replace("dimensions:", f"{changes}dimensions:", 1)
    )
    (folder / "workflows" / "hospital_billing.yaml").write_text(flow.replace("within: 3d", "within: 3bd"))
    return folder


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, (result.output, result.exception)
    return str(result.output)


def test_the_site_of_the_how_to_page_has_no_mistake(site: Path) -> None:
    loaded, findings = load_project(site)
    assert [finding.text() for finding in findings] == []
    assert loaded is not None
    assert loaded.workflows["hospital_billing"].calendars == ("north",)


def test_calendars_are_listed_with_what_uses_them(site: Path) -> None:
    (row,) = json.loads(run("calendar", "list", "--project", str(site), "--json"))["calendars"]
    assert (row["calendar"], row["zone"], row["holidays"]) == ("north", "America/Chicago", "US MN")
    assert row["used_by"] == ["hospital_billing"]
    assert 240 < row["business_days_this_year"] < 262
    assert "north" in run("calendar", "list", "--project", str(site))


def test_a_calendar_is_shown_day_by_day(site: Path) -> None:
    asked = (
        "calendar",
        "show",
        "north",
        "--project",
        str(site),
        "--from",
        "2026-11-26",
        "--to",
        "2026-11-30",
    )
    days = json.loads(run(*asked, "--json"))["days"]
    assert [(day["date"], day["is_business"], day["reason"]) for day in days] == [
        ("2026-11-26", False, "Thanksgiving Day"), ("2026-11-27", False, "Day after Thanksgiving"),
        ("2026-11-28", False, "weekend"), ("2026-11-29", False, "weekend"), ("2026-11-30", True, ""),
    ]  # fmt: skip
    assert days[4]["cutoff_at"] == "2026-11-30T21:30:00+00:00"
    text = run(*asked)
    assert re.search(r"2026-11-30\s+Mon\s+08:00-17:00\s+15:30", text)
    assert "Thanksgiving Day" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show", "nort"), "no calendar 'nort'; there are north; did you mean 'north'?"),
        (("show", "north", "--from", "tomorrow"), "--from 'tomorrow' is not a day; write 2026-11-01"),
        (
            ("show", "north", "--to", "1999-12-31"),
            "--to 1999-12-31: a calendar reaches from 2000-01-01 through 2049-12-31",
        ),
        (
            ("show", "north", "--from", "2026-11-02", "--to", "2026-11-01"),
            "--to 2026-11-01 is before --from 2026-11-02",
        ),
    ],
)
def test_a_wrong_word_is_answered_with_what_is_allowed(site: Path, words: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(app, ["calendar", *words, "--project", str(site)])
    assert says in str(result.exception)


def test_a_mistake_in_a_calendar_does_not_make_its_name_unknown(site: Path) -> None:
    file = site / "calendars" / "north.yaml"
    file.write_text(file.read_text().replace("zone: America/Chicago", "zone: Chicago"))
    _, findings = load_project(site)
    assert [(finding.file, finding.line) for finding in findings] == [(str(file), 3)]


def test_a_workflow_that_names_no_calendar_of_the_site_has_a_finding(site: Path) -> None:
    (site / "calendars" / "north.yaml").unlink()
    _, findings = load_project(site)
    assert {finding.message for finding in findings} == {"unknown calendar 'north'"}
