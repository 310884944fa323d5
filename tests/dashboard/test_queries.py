"""Every query against the real engine, each aggregate worked out again in plain Python from the verdicts."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import company
import pytest

from dashboard import data, pivot, summary
from kpis.load import load_kpis
from kpis.run import compute
from store.client import Store
from store.sqlfile import read

DASHBOARD = Path(data.__file__).parent
KNOWN = company.KNOWN + timedelta(hours=1)
MONTH = timedelta(days=30)
SCOPE = {"workflow": "orders", "as_of": company.END, "known_at": KNOWN}
US = timedelta(microseconds=1)

Rows = Sequence[dict[str, Any]]


def _run(store: Store, name: str, **parameters: Any) -> Rows:
    return store.rows(read(DASHBOARD / "queries" / f"{name}.sql"), parameters)


def _verdicts(store: Store, as_of: datetime = company.END) -> Rows:
    text = "SELECT * FROM verdicts_at(as_of = {v:DateTime64(6, 'UTC')}, known_at = {k:DateTime64(6, 'UTC')})"
    return store.rows(text, {"v": as_of, "k": KNOWN})


def _exceptions(store: Store) -> Rows:
    text = (
        "SELECT * FROM exceptions_at(as_of = {v:DateTime64(6, 'UTC')}, known_at = {k:DateTime64(6, 'UTC')})"
    )
    return store.rows(text, {"v": company.END, "k": KNOWN})


def _ended(row: dict[str, Any]) -> datetime | None:
    return None if row["is_open"] else min(row["resolved_at"], company.END)


def test_cohorts_are_what_fell_due_by_period(filled: Store) -> None:
    found = _run(filled, "cohorts", **SCOPE, period_us=MONTH // US, periods=4)
    expected: Counter[tuple[str, int, str]] = Counter()
    for row in _verdicts(filled):
        period = (company.END - row["due_at"]) // MONTH
        if row["due"] and period < 4:
            key = (row["expectation"], period)
            expected[(*key, "due")] += 1
            expected[(*key, "matched")] += row["matched"]
            expected[(*key, "unknown")] += row["unknown"]
            expected[(*key, "failing")] += row["failing"]
            expected[(*key, "on_time")] += bool(
                row["matched"] and row["closed_at"] and row["closed_at"] <= row["due_at"]
            )
    columns = {"due": "due_items", "matched": "matched_items", "unknown": "unknown_items", "failing": "failing_items", "on_time": "on_time_items"}  # fmt: skip
    got = Counter(
        {
            (row["expectation"], row["period"], what): row[column]
            for row in found
            for what, column in columns.items()
        }
    )
    assert +got == +expected
    assert sum(row["due_items"] for row in found) > 100


def test_a_due_time_on_the_border_belongs_to_the_period_before(filled: Store) -> None:
    on_border = next(row for row in _verdicts(filled) if row["due"] and row["due_at"] < company.END - MONTH)
    start = on_border["due_at"]
    inside = _run(filled, "cohorts", **SCOPE, period_us=(company.END - start) // US, periods=1)
    due = [row for row in _verdicts(filled) if row["due"] and row["due_at"] > start]
    assert sum(row["due_items"] for row in inside) == len(due)


def test_open_now_is_open_before_plus_new_minus_resolved(filled: Store) -> None:
    before = company.END - MONTH
    rows = _run(filled, "open", **SCOPE, before=before, dimension="site")
    total = summary.stock(rows)
    facts = _exceptions(filled)
    assert total.now == sum(row["is_open"] for row in facts)
    assert total.before == sum(
        row["detected_at"] <= before and (_ended(row) is None or _ended(row) > before) for row in facts
    )
    assert total.begun == sum(row["detected_at"] > before for row in facts)
    assert total.ended == sum(_ended(row) is not None and _ended(row) > before for row in facts)
    assert total.now == total.before + total.begun - total.ended
    assert total.old_now == sum(row["is_open"] and row["age_days"] > 30 for row in facts)
    assert total.without_amount == sum(row["is_open"] and row["amount"] is None for row in facts)
    amounts: dict[str, Decimal] = {}
    for row in facts:
        if row["is_open"] and row["amount"] is not None:
            amounts[row["currency"]] = amounts.get(row["currency"], Decimal(0)) + abs(row["amount"])
    assert total.amounts == amounts
    assert {row["segment"] for row in rows} == {"North", "South", "unmapped", company.HOSTILE_SITE}


def test_movement_counts_beginnings_and_ends_by_period(filled: Store) -> None:
    rows = _run(filled, "movement", **SCOPE, period_us=MONTH // US, periods=3)
    facts = _exceptions(filled)
    begun = Counter((company.END - row["detected_at"]) // MONTH for row in facts)
    ended = Counter((company.END - _ended(row)) // MONTH for row in facts if _ended(row))  # type: ignore[operator]
    assert {row["period"]: (row["begun"], row["ended"]) for row in rows} == {
        period: (begun[period], ended[period]) for period in range(3) if begun[period] or ended[period]
    }


@pytest.mark.parametrize("dimension", ["owner", "expectation", "code", "site"])
def test_aging_is_the_open_ones_by_segment_and_bucket(filled: Store, dimension: str) -> None:
    rows = _run(filled, "aging", **SCOPE, dimension=dimension, business=False)
    expected: Counter[tuple[str, str]] = Counter()
    for row in _exceptions(filled):
        if row["is_open"]:
            segment = row["code"] if dimension == "code" else row["dims"].get(dimension) or "unmapped"
            expected[segment, row["bucket"]] += 1
    got: Counter[tuple[str, str]] = Counter()
    for row in rows:
        got[row["segment"], row["bucket"]] += row["open_items"]
    assert got == expected
    assert {row["bucket"] for row in rows} <= set(pivot.BUCKETS)


NO_FILTER = {
    "status": "", "team": "", "holder": "", "me": "", "clock": "", "code": "", "expectation": "", "bucket": "", "dimension": "", "segment": "",
    "text": "", "business": False, "order": "oldest", "limit": 1000, "offset": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("chosen", "keep"),
    [
        ({}, bool),
        ({"status": "open"}, lambda row: row["is_open"]),
        ({"status": "resolved"}, lambda row: row["status"] == "resolved"),
        ({"team": "buying"}, lambda row: row["owner"] == "buying"),
        ({"code": "ACK_MISSING", "status": "open"}, lambda row: row["code"] == "ACK_MISSING" and row["is_open"]),
        ({"expectation": "payment"}, lambda row: row["expectation"] == "payment"),
        ({"bucket": ">90"}, lambda row: row["bucket"] == ">90"),
        ({"dimension": "site", "segment": "unmapped"}, lambda row: not row["dims"].get("site")),
        ({"dimension": "site", "segment": company.HOSTILE_SITE}, lambda row: row["dims"].get("site") == company.HOSTILE_SITE),
        ({"text": "noack"}, lambda row: "NOACK" in row["item_key"]),
        ({"text": "' OR 1 = 1 --"}, lambda row: not row),
        ({"holder": "assigned"}, lambda row: row["assignee"] != ""),
        ({"holder": "nobody"}, lambda row: row["assignee"] == ""),
    ],
)  # fmt: skip
def test_filters_keep_exactly_what_they_name(filled: Store, chosen: dict[str, Any], keep: Any) -> None:
    found = _run(filled, "exceptions", **SCOPE, **(NO_FILTER | chosen))
    assert {row["exception_id"] for row in found} == {
        row["exception_id"] for row in _exceptions(filled) if keep(row)
    }
    assert all(row["matching"] == len(found) for row in found)


@pytest.mark.parametrize("order", ["oldest", "newest", "amount"])
def test_pages_are_slices_of_one_order(filled: Store, order: str) -> None:
    whole = _run(filled, "exceptions", **SCOPE, **(NO_FILTER | {"order": order}))
    paged = [
        row
        for offset in range(0, len(whole), 4)
        for row in _run(
            filled, "exceptions", **SCOPE, **(NO_FILTER | {"order": order, "limit": 4, "offset": offset})
        )
    ]
    assert [row["exception_id"] for row in paged] == [row["exception_id"] for row in whole]
    if order == "amount":
        amounts = [-1 if row["amount"] is None else abs(row["amount"]) for row in whole]
        assert amounts == sorted(amounts, reverse=True)
    else:
        times = [row["detected_at"] for row in whole]
        assert times == sorted(times, reverse=order == "newest")


def test_the_headline_is_what_the_kpis_say(filled: Store) -> None:
    kpis, problems = load_kpis()
    assert not problems

    def kpi(name: str, measure: str) -> Any:
        rows = compute(filled, kpis[name], "orders", "", company.END, KNOWN, company.END - MONTH)
        return next(row for row in rows if row["measure"] == measure)

    cohorts = _run(filled, "cohorts", **SCOPE, period_us=MONTH // US, periods=1)
    total = summary.stock(_run(filled, "open", **SCOPE, before=company.END - MONTH, dimension="owner"))
    match, success = summary.match_rate(cohorts), summary.success_rate(cohorts)
    assert (match.good, match.due) == (
        kpi("K06", "eventual")["numerator"],
        kpi("K06", "eventual")["denominator"],
    )
    assert (success.good, success.due) == (kpi("K24", "rate")["numerator"], kpi("K24", "rate")["denominator"])
    assert total.now == kpi("K03", "open")["value"]
    assert match.exact == kpi("K06", "eventual")["value"]


def test_an_id_finds_its_home_and_a_wrong_one_does_not(filled: Store) -> None:
    one = _exceptions(filled)[0]
    home = _run(filled, "exception_home", id=one["exception_id"])
    assert (home[0]["expectation"], home[0]["item_key"]) == (one["expectation"], one["item_key"])
    assert (
        _run(filled, "exception", **SCOPE, id=one["exception_id"])[0]["exception_id"] == one["exception_id"]
    )
    assert _run(filled, "exception_home", id="' OR 1 = 1") == []


def test_pages_hold_no_sql_and_no_markup_of_their_own() -> None:
    for file in [DASHBOARD / "app.py", *DASHBOARD.glob("*.py"), *(DASHBOARD / "app_pages").glob("*.py")]:
        source = file.read_text(encoding="utf-8")
        assert "unsafe_allow" not in source, file
        assert "st.html" not in source, file
        texts = [
            node.value
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        assert not [text for text in texts if "SELECT " in text or "FROM " in text], file
