"""Where a calendar is named, ages can be counted in its business days; everything else stays in calendar days."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import company
import pytest
from opened_pages import emptied
from streamlit.testing.v1 import AppTest

from calendars.model import Calendar
from dashboard import data, pivot, view
from store.client import Store

OpenPage = Callable[..., AppTest]
OFFICE = Calendar.model_validate({"calendar": "office", "title": "Buying office", "zone": "Europe/Berlin"})


@pytest.fixture(scope="module", autouse=True)
def filled(engine: Store) -> Iterator[None]:
    company.fill(engine, calendar=OFFICE)
    data.forget()
    yield
    emptied(engine)
    data.forget()


def ages(app: AppTest) -> dict[str, str]:
    """Age by item, from the work list."""
    table = app.dataframe[0].value
    return dict(zip(table["Item"], table["Age"].astype(str), strict=True))


def test_the_work_list_counts_what_is_chosen(open_page: OpenPage) -> None:
    """NOACK-2 was due six days before Monday 30 June 2025: on Tuesday. UNPAID-1 belongs to a team without a calendar."""
    calendar, business = (
        ages(open_page("exceptions", days=days)) for days in (pivot.CALENDAR_DAYS, pivot.BUSINESS_DAYS)
    )
    assert (calendar["NOACK-2"], business["NOACK-2"]) == ("6", "4")
    assert calendar["UNPAID-1"] == business["UNPAID-1"] == "35"


def test_aging_in_business_days_has_the_same_items_in_other_cells(open_page: OpenPage) -> None:
    """The end of Sunday 11 May in UTC is Monday in Berlin: NOACK-3 is nine days past its time, six of them business days."""
    calendar, business = (
        open_page("aging", days=days, as_of="2025-05-11")
        for days in (pivot.CALENDAR_DAYS, pivot.BUSINESS_DAYS)
    )
    tables = [app.dataframe[0].value for app in (calendar, business)]
    assert [table.iloc[-1]["Total"] for table in tables] == ["2", "2"]
    buying = [table[table["Owner"] == "buying"].iloc[0] for table in tables]
    assert [(row["4-7"], row["8-30"]) for row in buying] == [("—", "1"), ("1", "—")]
    assert "Older than 90 business days" in [metric.label for metric in business.metric]


def test_a_cell_opens_the_list_counted_alike(open_page: OpenPage) -> None:
    for days, bucket, age in ((pivot.CALENDAR_DAYS, "8-30", "9"), (pivot.BUSINESS_DAYS, "4-7", "6")):
        listed = ages(open_page("exceptions", days=days, age=bucket, team="buying", as_of="2025-05-11"))
        assert listed == {"NOACK-3": age}


def test_the_filters_of_a_cell_carry_what_ages_are_counted_in(open_page: OpenPage) -> None:
    table = pivot.ages(
        [{"segment": "buying", "bucket": "4-7", "currency_code": "", "open_items": 1, "open_amount": None}],
        None,
    )
    assert pivot.drill(table, "owner", 0, "4-7", business=True)["days"] == pivot.BUSINESS_DAYS
    assert "days" not in pivot.drill(table, "owner", 0, "4-7")


def test_an_exception_tells_both_ages(open_page: OpenPage, engine: Store) -> None:
    at = {"as_of": company.END, "known_at": company.KNOWN}
    query = "SELECT exception_id FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}) WHERE item_key = 'NOACK-2' AND is_open = 1"
    app = open_page("exception", id=str(engine.value(query, at)))
    assert any("6 days (4 business days) old" in markdown.value for markdown in app.markdown), [
        m.value for m in app.markdown
    ]


@pytest.mark.slow
def test_a_fiscal_period_of_the_calendar_can_be_chosen(open_page: OpenPage) -> None:
    """May in Berlin ends on 31 May at 22:00 in UTC; June is not over when the sources were last complete, at noon of the 30th."""
    page = open_page("overview", period="2025-P05")
    assert "Shown: 2025-P05, the 31 days to 31 May 2025, 21:59 UTC" in " ".join(
        one.value for one in page.caption
    )
    (period,) = (box for box in page.selectbox if box.label == "Period")
    fiscal = [name for name in period.options if "-P" in name]
    assert (fiscal, fiscal[0]) == (sorted(fiscal, reverse=True), "2026-P11")
    assert fiscal[-1] == f"{view.first_day(data.workflows()['orders']):%Y-P%m}"
    shown = period.select("2025-P06").run()
    assert not shown.exception
    assert "Shown: 2025-P06, the 30 days to 30 Jun 2025, 12:00 UTC" in " ".join(
        one.value for one in shown.caption
    )


def test_a_fiscal_period_is_the_moments_from_its_first_to_its_last(open_page: OpenPage) -> None:
    flow = company.workflow().model_copy(update={"calendar": OFFICE.calendar})
    seen = view.look(flow, None, None, "2025-P05")
    assert (seen.before, seen.as_of) == (
        datetime(2025, 4, 30, 21, 59, 59, 999999, tzinfo=UTC),
        datetime(2025, 5, 31, 21, 59, 59, 999999, tzinfo=UTC),
    )
    # A day within it is as far as it is looked at; one before it cannot be of it.
    half = view.look(flow, date(2025, 5, 10), None, "2025-P05")
    assert (half.before, half.fiscal) == (seen.before, "2025-P05")
    assert view.look(flow, date(2025, 4, 10), None, "2025-P05").fiscal == ""
    assert view.look(flow, None, None, "2025-P99").fiscal == ""
