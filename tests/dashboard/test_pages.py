"""What the pages say about a company that has been watched for a while."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import company
import pytest
from opened_pages import OpenPage
from streamlit.testing.v1 import AppTest

from store.client import Store

pytestmark = pytest.mark.usefixtures("filled")

PAGES = ["", "aging", "exceptions", "transaction", "sources", "exception", "rules"]


def _metric(app: AppTest, label: str) -> Any:
    return next(metric for metric in app.metric if metric.label == label)


def _text(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.text, *app.info, *app.success, *app.warning, *app.error]
    return "\n".join(str(part.value) for part in parts)


def _exception_id(store: Store, item: str) -> str:
    text = "SELECT exception_id FROM exceptions_at(as_of = {v:DateTime64(6, 'UTC')}, known_at = {k:DateTime64(6, 'UTC')}) WHERE item_key = {item:String} AND is_open ORDER BY kind"
    when = datetime(2025, 7, 2, tzinfo=UTC)
    return str(store.value(text, {"v": company.END, "k": when, "item": item}))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_runs_and_says_how_fresh_it_is(open_page: OpenPage, page: str) -> None:
    app = open_page(page)
    assert not app.exception
    assert not app.error
    if page not in ("exception", "transaction", "sources", "rules"):
        assert (
            "As of 30 Jun 2025, 12:00 UTC · data through 29 Jun 2025, 12:00 UTC · known 1 Jul 2025, 08:00 UTC"
            in _text(app)
        )


def test_the_keyboard_opens_every_row_that_has_a_button(open_page: OpenPage, engine: Store) -> None:
    """A button in a table is drawn on a canvas; a field below each such table has a name for every row."""
    exception = _exception_id(engine, "UNPAID-1")
    fields = []
    for page, asked in (
        ("exceptions", {}), ("exception", {"id": exception}), ("transaction", {"key": "UNPAID-1"}), ("", {}), ("rules", {}),
    ):  # fmt: skip
        app = open_page(page, **asked)
        tables = [table.value for table in app.dataframe if "" in table.value]
        names = [
            field.options for field in app.selectbox if str(field.label).startswith("Open one by its name")
        ]
        assert sorted(len(table) for table in tables) == sorted(len(options) for options in names)
        assert all(name.strip() and name != "None" for options in names for name in options)
        fields += names
    assert len(fields) >= 3


def test_the_overview_gives_rates_stocks_and_one_sentence(open_page: OpenPage) -> None:
    app = open_page()
    assert _metric(app, "Match rate").value == "91.4 %"
    assert _metric(app, "Match rate").delta == "-5.0 pts"
    assert _metric(app, "Open exceptions").value == "9"
    assert _metric(app, "Older than 30 days").value == "3"
    assert app.markdown[0].value.startswith(
        "In the 30 days to 30 Jun 2025 **91.4 %** of 58 expected steps matched"
    )
    assert "1,834.50 EUR + 10.00 USD" in app.markdown[0].value


def test_another_period_is_another_rate(open_page: OpenPage) -> None:
    app = open_page(period="90 days")
    assert app.markdown[0].value.startswith("In the 90 days to 30 Jun 2025")
    assert _metric(app, "Match rate").value != "91.4 %"


def test_a_day_of_the_past_shows_what_stood_then(open_page: OpenPage) -> None:
    app = open_page(as_of="2025-05-20")
    assert "As of 20 May 2025, 23:59 UTC" in _text(app)
    # NOACK-3 and UNPAID-2; UNPAID-1 was not due yet.
    assert _metric(app, "Open exceptions").value == "2"


def test_before_anything_was_known_nothing_is_claimed(open_page: OpenPage) -> None:
    app = open_page(known="2025-06-01")
    assert not app.exception
    assert not app.metric
    assert "Nothing had happened by this time, as far as was known." in _text(app)


def test_a_source_that_is_behind_is_named(open_page: OpenPage) -> None:
    assert "Stale: `bank` 24.0 hours behind. What fell due since cannot be decided." in _text(
        open_page("aging")
    )


def test_figures_cut_by_a_dimension_sum_to_the_total(open_page: OpenPage) -> None:
    for dimension in ("Owner", "Expectation", "Code", "Site"):
        table = open_page("aging", by=dimension).dataframe[0].value
        assert table.iloc[-1]["Total"] == "9"
        assert sum(int(value) for value in table["Total"][:-1]) == 9
        assert table.iloc[-1, 0] == "Total"


def test_the_bridge_on_aging_ties(open_page: OpenPage) -> None:
    app = open_page("aging")
    assert _metric(app, "Open").value == "9"
    assert "Worth 1,834.50 EUR + 10.00 USD" in _text(app)
    assert _metric(app, "Oldest").value == "100 days"


def test_the_work_list_starts_with_the_oldest_open_one(open_page: OpenPage) -> None:
    table = open_page("exceptions").dataframe[0].value
    assert table["Item"].iloc[0] == "UNPAID-2"
    assert len(table) == 9
    assert set(table["Status"]) == {"open"}


@pytest.mark.parametrize(
    ("parameters", "items"),
    [
        ({"team": "treasury"}, {"UNPAID-1", "UNPAID-2", "TWICE-1"}),
        ({"expectation": "Paid as ordered"}, {"WRONG-1", "TWICE-1"}),
        ({"code": "DUP_RECORD"}, {"TWICE-1"}),
        ({"age": ">90"}, {"UNPAID-2"}),
        ({"dim": "Site", "seg": "South"}, {"NOACK-1", "NOACK-2"}),
        ({"text": "unpaid"}, {"UNPAID-1", "UNPAID-2"}),
        ({"status": "resolved", "team": "buying"}, {"LATE-0", "LATE-1", "LATE-2", "LATE-3"}),
    ],
)
def test_filters_of_the_url_narrow_the_work_list(
    open_page: OpenPage, parameters: dict[str, str], items: set[str]
) -> None:
    table = open_page("exceptions", **parameters).dataframe[0].value
    assert set(table["Item"]) == items


def test_a_filter_that_hides_everything_says_so_and_can_be_cleared(open_page: OpenPage) -> None:
    app = open_page("exceptions", text="no such key")
    assert "No exceptions with these filters." in _text(app)
    app.button(key="clear-exceptions").click().run()
    assert len(app.dataframe[0].value) == 9


def test_a_value_that_is_no_option_counts_as_all(open_page: OpenPage) -> None:
    app = open_page("exceptions", team="' OR 1 = 1 --", status="nonsense", page="999")
    assert not app.exception
    assert len(app.dataframe[0].value) == 9


def test_an_exception_tells_what_is_wrong_why_and_what_to_do(open_page: OpenPage, filled: Store) -> None:
    app = open_page("exception", id=_exception_id(filled, "WRONG-1"))
    assert not app.exception
    said = _text(app)
    assert "What was paid is what was ordered" in said
    assert "ordered 100.00 EUR, paid 90.00 EUR: 10.00 EUR less." in said
    assert "Compare the payment with the order." in said
    facts = dict(app.dataframe[0].value.itertuples(index=False))
    assert facts["Ordered (expected)"] == "100.00 EUR"
    assert facts["Paid (actual)"] == "90.00 EUR"
    assert facts["Difference"] == "-10.00 EUR"
    assert "tieout exceptions ack" in app.code[0].value


def test_money_that_no_source_gave_is_named_as_such(open_page: OpenPage, filled: Store) -> None:
    app = open_page("exception", id=_exception_id(filled, "UNPAID-2"))
    assert dict(app.dataframe[0].value.itertuples(index=False))["At stake"] == "amount not in source"


def test_an_exception_that_did_not_exist_yet_is_no_exception_then(open_page: OpenPage, filled: Store) -> None:
    app = open_page("exception", id=_exception_id(filled, "WRONG-1"), as_of="2025-05-20")
    assert "At this time it is no exception." in _text(app)


def test_an_unknown_id_is_said_to_be_unknown(open_page: OpenPage) -> None:
    assert "No exception has this id." in _text(open_page("exception", id="f" * 32))


def test_a_key_opens_its_story(open_page: OpenPage) -> None:
    app = open_page("transaction", key="UNPAID-1")
    assert not app.exception
    assert "Order UNPAID-1 stands at" in _text(app)
    steps = app.dataframe[0].value
    assert list(steps["Kind"]) == ["happened", "happened", "expected, not there"]


def test_a_trace_id_opens_the_same_story(open_page: OpenPage) -> None:
    assert "Order TRACED-1 stands at 'Paid'" in _text(open_page("transaction", key=company.TRACE))


def test_what_open_exceptions_have_in_common_stands_below_them(open_page: OpenPage) -> None:
    hops = open_page("exceptions").dataframe[1].value
    assert list(hops["First failing hop"]) == [
        "bank gateway 7.1: POST /transfers (timeout)",
        "no failure seen in a trace",
    ]
    assert list(hops["Exceptions"]) == [1, 8]
    assert hops["At stake"][0] == "1,234.50 EUR"
    assert "**First failing hop:** `bank gateway 7.1: POST /transfers (timeout)`" in _text(
        open_page("transaction", key="UNPAID-1")
    )


def test_a_key_that_is_not_there_offers_those_that_begin_like_it(open_page: OpenPage) -> None:
    app = open_page("transaction", key="noack")
    assert "No object has this key" in _text(app)
    assert set(app.dataframe[0].value["Key"]) == {"NOACK-1", "NOACK-2", "NOACK-3"}


def test_hostile_text_stands_only_where_nothing_is_read_into_it(open_page: OpenPage) -> None:
    for app in (
        open_page("transaction", key=company.HOSTILE_KEY),
        open_page("aging", by="Site"),
        open_page("exceptions"),
        open_page(),
    ):
        assert not app.exception
        read_as_markup = [*app.markdown, *app.caption, *app.metric, *app.subheader, *app.title]
        for part in read_as_markup:
            # A code span is the one place where nothing is interpreted.
            outside = "".join(str(part.value).split("`")[::2])
            assert "<img" not in outside
            assert "<script" not in outside
            assert "javascript:" not in outside


def test_sources_tell_how_far_each_is_complete(open_page: OpenPage) -> None:
    table = open_page("sources").dataframe[0].value.set_index("Source")
    assert table.loc["erp", "State"] == "up to date"
    assert table.loc["bank", "State"] == "24.0 hours behind"
    assert table.loc["erp", "Proves"] == "orders"
