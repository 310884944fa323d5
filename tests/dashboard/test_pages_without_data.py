"""What the pages say when there is nothing yet, nothing wrong, nothing known, nobody there, or no permission."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import company
import pytest
from opened_pages import APP, OpenPage
from streamlit.testing.v1 import AppTest

from core.clock import ManualClock, SystemClock
from dashboard import data
from dashboard.names import URL
from reconcile.acts import Request
from reconcile.life import Action
from reconcile.matching.model import Ruling
from reconcile.matching.run import match
from reconcile.run import reconcile
from store.client import Store
from store.sqlfile import folder

KNOWN = company.KNOWN
MONTH_US = timedelta(days=30) // timedelta(microseconds=1)

VALUES = {
    "workflow": "orders", "as_of": company.END, "known_at": KNOWN, "now": KNOWN, "before": company.END - timedelta(days=30),
    "since": company.END - timedelta(days=30), "detected_at": company.END, "sources": ["erp"], "period_us": MONTH_US,
    "periods": 3, "lengths_us": [MONTH_US], "dimension": "site", "id": "0" * 32, "kpi": "K06", "version": "v", "slack_s": 0,
    "status": "", "team": "", "holder": "", "code": "", "expectation": "", "bucket": "", "segment": "", "text": "", "records": ["X"], "rule": "r", "business": False,
    "order": "oldest", "me": "", "clock": "", "limit": 50, "offset": 0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """Every test begins and ends without what another one read."""
    data.forget()
    yield
    data.forget()


def _said(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.text, *app.info, *app.success, *app.warning, *app.error]
    return "\n".join(str(part.value) for part in parts)


def _metric(app: AppTest, label: str) -> Any:
    return next(metric for metric in app.metric if metric.label == label)


@pytest.mark.parametrize("file", folder(APP.parent / "queries"), ids=lambda file: file.name)
def test_every_query_runs_on_an_empty_store_and_only_reads(store: Store, file: Any) -> None:
    with store.another(read_only=True) as reader:
        reader.rows(file, {name: VALUES[name] for name in file.parameters})


@pytest.mark.parametrize("page", ["", "aging", "exceptions", "transaction", "exception"])
@pytest.mark.usefixtures("store")
def test_an_empty_store_says_what_to_do_next(open_page: OpenPage, page: str) -> None:
    app = open_page(page)
    assert not app.exception
    assert "No evidence yet" in _said(app)
    assert any("tieout import" in code.value for code in app.code)
    assert not app.metric


@pytest.mark.usefixtures("store")
def test_sources_can_be_looked_at_before_anything_came(open_page: OpenPage) -> None:
    app = open_page("sources")
    assert not app.exception
    assert any("tieout import FILE…" in code.value for code in app.code)


def _one_order(store: Store, **columns: Any) -> None:
    books = company.Books()
    books.order("ONE", company.days_before(20), **columns)
    store.insert("events", books.rows)


def _in_force(store: Store) -> None:
    reconcile(store, [company.workflow()], KNOWN + timedelta(minutes=1))


def test_a_period_in_which_nothing_fell_due_has_no_rate(store: Store, open_page: OpenPage) -> None:
    _one_order(store)
    company.mark(store, "erp", company.END)
    _in_force(store)
    app = open_page(period="7 days")
    assert _metric(app, "Match rate").value == "—"
    assert "nothing fell due" in _said(app)
    assert "0 %" not in _metric(app, "Match rate").value


def test_nothing_wrong_is_said_in_green(store: Store, open_page: OpenPage) -> None:
    _one_order(store)
    company.mark(store, "erp", company.END)
    company.mark(store, "bank", company.END)
    _in_force(store)
    assert any("No exception is open" in success.value for success in open_page("aging").success)
    assert any("No exception is open" in success.value for success in open_page("exceptions").success)


def test_silent_sources_make_unknown_neither_failed_nor_fine(store: Store, open_page: OpenPage) -> None:
    _one_order(store, paid=None)
    company.mark(store, "erp", company.END)
    company.mark(store, "bank", company.days_before(15))
    _in_force(store)
    app = open_page(period="30 days")
    # One of two due matched; the other cannot be decided.
    assert _metric(app, "Match rate").value == "50.0 – 100.0 %"
    assert "1 cannot be decided" in _said(app)
    assert _metric(app, "Open exceptions").value == "0"


@pytest.fixture
def live(store: Store) -> Store:
    """The same company, watched as it goes: figures are of now."""
    rules = company.workflow().model_copy(update={"as_of": "now"})
    _one_order(store, acked=None, paid=None)
    company.mark(store, "erp", company.END)
    reconcile(store, [rules], KNOWN + timedelta(minutes=1))
    return store


@pytest.mark.usefixtures("live")
def test_a_source_that_is_behind_is_named_as_stale(open_page: OpenPage, clock: ManualClock) -> None:
    clock.set(company.END + timedelta(days=3))
    app = open_page()
    assert (
        "Stale: `erp` 3.0 days behind; nothing heard from `bank`. What fell due since cannot be decided."
        in _said(app)
    )
    assert "As of 3 Jul 2025, 12:00 UTC · data through 30 Jun 2025, 12:00 UTC" in _said(app)


def test_what_people_did_shows_on_the_exception(store: Store, open_page: OpenPage) -> None:
    company.fill(store)
    found = store.rows(
        "SELECT exception_id FROM exceptions_at(as_of = {v:DateTime64(6, 'UTC')}, known_at = {k:DateTime64(6, 'UTC')}) WHERE item_key = 'NOACK-2'",
        {"v": company.END, "k": KNOWN},
    )
    name = found[0]["exception_id"]
    desk = company.desk(store)
    desk.do(Request(Action.ASSIGNED, (name,), owner="grace"), "ada", KNOWN + timedelta(hours=1))
    explained = Request(Action.EXPLAINED, (name,), reason="OTHER", note="<b>supplier closed</b>")
    desk.do(explained, "grace", KNOWN + timedelta(hours=2))
    app = open_page("exception", id=name)
    acts = next(table.value for table in app.dataframe if "Who" in table.value.columns)
    assert list(acts["Who"]) == ["ada", "grace"]
    assert list(acts["Why"]) == ["to grace", "OTHER · <b>supplier closed</b>"]
    listed = open_page("exceptions", holder="somebody").dataframe[0].value
    assert list(listed["Assigned to"]) == ["grace"]
    assert list(listed["Status"]) == ["explained"]


def test_the_work_list_is_read_page_by_page(store: Store, open_page: OpenPage) -> None:
    company.fill(store, many=100)
    first, second, third = (
        open_page("exceptions", page=str(number)).dataframe[0].value for number in (1, 2, 3)
    )
    assert [len(first), len(second), len(third)] == [50, 50, 9]
    keys = [*first["Item"], *second["Item"], *third["Item"]]
    # One order has two exceptions.
    assert len(set(keys)) == 108
    beyond = open_page("exceptions", page="4").dataframe[0].value
    assert list(beyond["Item"]) == list(first["Item"])


@pytest.mark.usefixtures("store")
def test_a_store_that_does_not_answer_is_said_with_a_way_to_try_again(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL, "http://127.0.0.1:9")
    app = open_page()
    assert not app.exception
    assert [error.value for error in app.error] == ["This could not be read."]
    assert "the store could not open the store" in _said(app)
    assert app.button(key="retry-store")


@pytest.mark.usefixtures("store")
def test_a_dashboard_that_was_not_told_where_the_store_is_says_so(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(URL)
    assert "TIEOUT_STORE_URL is not set" in _said(open_page())


def test_one_query_that_fails_leaves_the_other_panels_alone(store: Store, open_page: OpenPage) -> None:
    company.fill(store)
    store.command("RENAME TABLE alert_events TO alert_events_away")
    try:
        app = open_page()
    finally:
        store.command("RENAME TABLE alert_events_away TO alert_events")
    assert not app.exception
    assert [error.value for error in app.error] == ["This could not be read."]
    assert "Panels that show figures are not affected." in _said(app)
    assert _metric(app, "Open exceptions").value == "9"
    app.button(key="retry-alerts").click().run()
    assert not app.error


def test_alerts_that_fire_come_first_and_silence_is_no_news(store: Store, open_page: OpenPage) -> None:
    company.fill(store)
    assert "No alert rule has been evaluated yet." in _said(open_page())
    base = {
        "fingerprint": "f",
        "labels": {"workflow": "orders", "severity": "page", "unit": "ratio"},
        "previous": "",
        "reason": "",
    }
    event = {
        **base,
        "rule": "Match",
        "state": "firing",
        "value": 0.5,
        "active_since": KNOWN,
        "evaluated_at": KNOWN,
        "known_at": KNOWN,
    }
    store.insert("alert_events", [event])
    data.newest.clear()
    app = open_page()
    alerts = next(table.value for table in app.dataframe if "Alert" in table.value.columns)
    assert (alerts["State"][0], alerts["Value"][0]) == ("firing", "50.0 %")
    store.insert(
        "alert_events", [{**event, "state": "inactive", "evaluated_at": KNOWN + timedelta(minutes=1)}]
    )
    data.newest.clear()
    assert any("No alert is firing." in success.value for success in open_page().success)


def test_published_history_is_drawn_and_its_absence_told(store: Store, open_page: OpenPage) -> None:
    company.fill(store)
    assert "Not published for this time or earlier." in _said(open_page())
    value = {
        "kpi": "K06", "version": "v", "workflow": "orders", "dimension": "", "segment": "total", "measure": "eventual",
        "unit": "ratio", "value": 0.9, "low": None, "high": None, "n": 10, "window_start": KNOWN, "as_of": company.END,
        "known_at": KNOWN, "published_at": KNOWN, "run_id": "r",
    }  # fmt: skip
    store.insert("kpi_values", [value])
    data.newest.clear()
    app = open_page()
    assert not app.exception
    assert "Not published" not in _said(app)


def test_a_refused_reading_is_no_permission_and_offers_no_retry() -> None:
    def script() -> None:
        from dashboard import panels
        from store.errors import StoreError

        panels.failed(StoreError(497, "ACCESS_DENIED", "", "run a query"), "x")

    app = AppTest.from_function(script).run()
    assert "No permission" in app.warning[0].value
    assert not app.error
    assert not app.button


def test_exceptions_of_matching_rules_are_called_by_title_and_can_be_filtered(
    store: Store, open_page: OpenPage
) -> None:
    _one_order(store)
    company.mark(store, "erp", company.END)
    _in_force(store)
    company.settle(store, ("shop", "SHOP-1", "1", 100), ("bank", "BANK-9", "9", 5))
    for filters in ({"expectation": "Settled"}, {"team": "treasury"}):
        table = open_page("exceptions", **filters).dataframe[0].value
        assert set(table["Item"]) == {"SHOP-1", "BANK-9"}, filters
        assert set(table["What is wrong"]) == {"The shop and the bank agree"}
    orphans = open_page("exceptions", expectation="Settled", code="ORPHAN").dataframe[0].value
    assert list(orphans["Item"]) == ["BANK-9"]


def test_a_match_that_failed_shows_its_tests(store: Store, open_page: OpenPage) -> None:
    _one_order(store)
    company.mark(store, "erp", company.END)
    _in_force(store)
    company.settle(store, ("till", "TILL-1", "1", 100), ("ledger", "LEDGER-1", "1", 98))
    one = store.value("SELECT exception_id FROM exception_ids WHERE item_key = 'TILL-1'")
    app = open_page("exception", id=str(one))
    assert not app.exception
    tables = [table.value for table in app.dataframe if "Test" in table.value]
    assert [list(row) for table in tables for row in table.to_numpy()] == [
        ["Amount", "100", "98", "0", "failed"]
    ]
    said = _said(app)
    assert (
        "Both sides are there, and they do not agree. Code AMOUNT: another amount. Difference: -2.00 EUR."
        in said
    )
    assert "The difference by cause: unexplained -2.00 EUR." in said
    assert "It would have matched but for this: amount differs by 2, 0 is allowed." in said


def test_what_nearly_belongs_to_a_record_is_offered_also_where_it_would_cancel_it(
    store: Store, open_page: OpenPage
) -> None:
    _one_order(store)
    company.mark(store, "erp", company.END)
    _in_force(store)
    company.settle(
        store, ("shop", "SHOP-1", "1", 100), ("bank", "BANK-9", "9", 100), ("shop", "SHOP-2", "7", -100),
        ("bank", "BANK-3", "3", 5),
    )  # fmt: skip
    one = store.value("SELECT exception_id FROM exception_ids WHERE item_key = 'SHOP-1'")
    app = open_page("exception", id=str(one))
    assert not app.exception
    (near,) = [table.value for table in app.dataframe if "Would match" in table.value]
    assert [list(row) for row in near[["Leg", "Record", "Amount", "Would match"]].to_numpy()] == [
        ["Bank", "BANK-9", "100.00 EUR", "if no '1' were '9'"],
        ["Shop", "SHOP-2", "-100.00 EUR", "they cancel each other"],
    ]
    assert (
        "What should have come by its due time has not come. Waits for bank, due 21 Jun 2025, 12:00 UTC."
        in _said(app)
    )


def test_a_leg_that_learns_how_long_it_may_take_says_by_which_window_it_is_late(
    store: Store, open_page: OpenPage
) -> None:
    _one_order(store)
    company.mark(store, "erp", company.END)
    _in_force(store)
    file = company.SETTLED.rule.model_dump()
    file["legs"]["bank"] |= {"within": "2d", "learn": {"least": 50}}
    learning = Ruling(company.SETTLED.rule.model_validate(file), {})
    company.settle(store, ("shop", "SHOP-1", "1", 100))
    flows = {"orders": company.workflow()}
    match(store, [learning], flows, KNOWN, settle=timedelta(0))
    one = store.value("SELECT exception_id FROM exception_ids WHERE item_key = 'SHOP-1'")
    app = open_page("exception", id=str(one))
    assert not app.exception
    assert (
        "What should have come by its due time has not come. Waits for bank, due 23 Jun 2025, 12:00 UTC "
        "(window 2d, fixed: 0 of the 50 lags it takes to learn one)."
    ) in _said(app)


def test_an_exception_shows_its_traces_logs_retries_and_what_was_set_aside(
    store: Store, open_page: OpenPage
) -> None:
    _one_order(store, paid=None, trace=company.FAILING_TRACE)
    company.mark(store, "erp", company.END)
    company.mark(store, "bank", company.END)
    at = company.days_before(10)
    spans = company.failing_spans(at)
    spans[1]["SpanAttributes"] |= {"http.request.resend_count": "3", "messaging.destination.name": "pay.dead"}
    store.insert("otel_traces", spans)
    store.insert("otel_logs", [
        {
            "Timestamp": at, "TraceId": company.FAILING_TRACE, "ServiceName": "bank gateway", "SeverityNumber": number, "Body": body,
            "known_at": KNOWN,
        }
        for number, body in ((17, "gave up"), (9, "asking"))
    ])  # fmt: skip
    store.insert("snapshots", [
        {
            "system": "rabbit", "object_type": "queue", "object_key": "pay.dead", "fields": {"dead_letter": "true"}, "amount": None,
            "currency": "", "deleted": False, "valid_from": at, "captured_at": KNOWN, "known_at": KNOWN, "row_hash": "q", "source": "q",
            "run_id": "",
        }
    ])  # fmt: skip
    store.insert("import_rejects", [
        {
            "import_id": "i", "source": "bank", "file": "paid.csv", "file_sha256": "", "line": 7, "reason": "bad_amount",
            "detail": "amount: a number is expected", "fields": {"order": key, "amount": "x"}, "known_at": KNOWN,
        }
        for key in ("ONE", "TWO")
    ])  # fmt: skip
    _in_force(store)
    one = store.value(
        "SELECT exception_id FROM exception_ids WHERE item_key = 'ONE' AND expectation LIKE '%pa%'"
    )
    for app in (open_page("exception", id=str(one)), open_page("transaction", key="ONE")):
        assert not app.exception
        said = _said(app)
        assert "**First failing hop:** `bank gateway 7.1: POST /transfers (timeout)`" in said
        assert "Requests were sent again 3 times." in said
        assert "It went into pay.dead, a queue of what failed." in said
        by_first = {tuple(table.value.columns)[:3]: table.value for table in app.dataframe}
        logs = next(table for columns, table in by_first.items() if "Level" in columns)
        assert [list(row)[2:] for row in logs.to_numpy()] == [["info", "asking"], ["error", "gave up"]]
        aside = next(table for columns, table in by_first.items() if "File" in columns)
        assert [list(row)[1:] for row in aside.to_numpy()] == [
            ["bank", "paid.csv", 7, "Bad amount", "amount: a number is expected"]
        ]


def test_rules_tell_what_they_come_to_and_what_a_changed_one_would_change(
    store: Store, open_page: OpenPage
) -> None:
    _one_order(store)
    company.mark(store, "erp", company.END)
    _in_force(store)
    assert "no matching rule" in _said(open_page("rules"))
    company.settle(
        store, ("shop", "S1", "1", 100), ("bank", "B1", "1", 98), ("shop", "S2", "2", 50), ("bank", "B2", "2", 50),
        ("shop", "S3", "3", 10), ("bank", "B3", "3", 4),
    )  # fmt: skip
    data.forget()
    app = open_page("rules")
    assert not app.exception
    assert any("tieout match backtest" in code.value for code in app.code)
    rule = company.SETTLED.rule
    loose = rule.compare["amount"].model_copy(
        update={"under": rule.compare["amount"].under.model_copy(update={"abs": Decimal(3)})}
    )
    tried = Ruling(rule.model_copy(update={"compare": {"amount": loose}}), {})
    match(
        store,
        [tried],
        {"orders": company.workflow()},
        SystemClock().now(),
        settle=timedelta(0),
        activate=False,
    )
    data.forget()
    app = open_page("rules")
    assert not app.exception
    tables = [table.value for table in app.dataframe]
    decided = next(table for table in tables if "Decides since" in "".join(table.columns)).set_index("Name")
    assert list(decided.loc["settled", ["Rule", "Matches", "Open exceptions", "Matched"]]) == [
        "The shop and the bank agree", 1, 4, "50.00 EUR",
    ]  # fmt: skip
    settings = next(table for table in tables if "Setting" in table)
    assert [list(row) for row in settings.to_numpy()] == [["compare › amount › under › abs", "0", "3"]]
    assert "1 match more and 2 open exceptions fewer, with 198.00 EUR less at stake." in _said(app)
    figures = next(table for table in tables if "Figure" in table).set_index("Figure")
    assert list(figures.loc["Matched"]) == ["50.00 EUR", "150.00 EUR", "+100.00 EUR"]
    assert list(figures.loc["Open exceptions"]) == ["4", "2", "−2"]
    changes = next(table for table in tables if "Would be" in table).set_index("Leg")
    assert list(changes.loc["Shop", ["Records", "Amount", "Now", "Would be", "For example"]]) == [
        1, "100.00 EUR", "MISSING", "MATCHED TOL", "S1",
    ]  # fmt: skip
