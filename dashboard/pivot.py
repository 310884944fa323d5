"""The aging table: segments down, ages across, totals that tie, cells that open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import view, words
from dashboard.view import View

BUCKETS = ("0-1", "2-3", "4-7", "8-30", "31-60", "61-90", ">90")
TOTAL, SEGMENT = "Total", "segment"
# What ages are counted in, as it stands in the URL.
CALENDAR_DAYS, BUSINESS_DAYS = "calendar days", "business days"


@dataclass(frozen=True)
class Ages:
    """The open exceptions of all segments together."""

    items: int
    over_90: int
    oldest_days: int
    amounts: Mapping[str, Decimal]


def ages(rows: Sequence[Mapping[str, Any]], currency: str | None) -> pd.DataFrame:
    """Counts, or amounts in `currency`, by segment and bucket, the largest segment first, totals at both ends.

    A cell without any item is missing; so is an amount that no item of the cell has.
    """
    column = "open_items" if currency is None else "open_amount"
    taken = [row for row in rows if currency is None or row["currency_code"] == currency]
    cells = pd.DataFrame(
        {
            SEGMENT: [row["segment"] for row in taken],
            "bucket": [row["bucket"] for row in taken],
            "value": pd.Series(
                [None if row[column] is None else float(row[column]) for row in taken], dtype="float64"
            ),
        }
    ).dropna(subset=["value"])
    table = cells.pivot_table(index=SEGMENT, columns="bucket", values="value", aggfunc="sum").reindex(
        columns=list(BUCKETS)
    )
    table[TOTAL] = table.sum(axis=1, min_count=1)
    table = table.sort_values([TOTAL, SEGMENT], ascending=[False, True])
    sums = table.sum(axis=0, min_count=1).to_frame(TOTAL).T
    sums.index.name = SEGMENT
    return pd.concat([table, sums])


def styled(table: pd.DataFrame, heading: str, titles: Mapping[str, str], currency: str | None) -> Any:
    """The table as it is drawn: a dash where there is nothing, heat by size, totals in bold."""
    shown = table.map(lambda value: _text(value, currency))
    shown.insert(0, heading, [titles.get(name, name) if name != TOTAL else TOTAL for name in table.index])
    shown = shown.reset_index(drop=True)
    body = table.iloc[:-1][list(BUCKETS)]
    largest = float(body.max().max()) if len(body) and body.notna().any().any() else 0.0
    heat = pd.DataFrame("", index=shown.index, columns=shown.columns)
    for row in range(len(body)):
        for bucket in BUCKETS:
            heat.loc[row, bucket] = _heat(body.iloc[row][bucket], largest)
    heat[TOTAL] = "font-weight: 600"
    heat.iloc[-1] = "font-weight: 600"
    return shown.style.apply(lambda _: heat, axis=None)


def in_business_days(look: View) -> bool:
    """Draws the choice of what ages are counted in, where a calendar says which days are business days."""
    if not look.workflow.calendars:
        return False
    chosen = st.segmented_control(
        "Ages in", [CALENDAR_DAYS, BUSINESS_DAYS], default=CALENDAR_DAYS, required=True, key="days", bind="query-params",
        help="Business days of the calendar that the expectation, its owner, its segment or the workflow names.",
    )  # fmt: skip
    return chosen == BUSINESS_DAYS


def columns(table: pd.DataFrame, *, business: bool = False) -> dict[Any, Any]:
    """How the columns are drawn: numbers to the right, the name kept in sight."""
    sized = {
        name: st.column_config.TextColumn(_days(name, business), alignment="right", width=78)
        for name in table.columns
    }
    return {**sized, 0: st.column_config.TextColumn(pinned=True)}


def drill(
    table: pd.DataFrame, dimension: str, row: int, column: str, *, business: bool = False
) -> dict[str, str]:
    """The filters of the exceptions behind a cell; totals leave their side open."""
    segment = str(table.index[row])
    filters = {"status": "open", **({"days": BUSINESS_DAYS} if business else {})}
    if column in BUCKETS:
        filters["age"] = column
    if segment != TOTAL or row < len(table) - 1:
        named = {"owner": "team", "expectation": "expectation", "code": "code"}.get(dimension)
        filters |= (
            {named: view.label(segment) if named == "expectation" else segment}
            if named
            else {"dim": view.label(dimension), "seg": segment}
        )
    return filters


def summary_of(rows: Sequence[Mapping[str, Any]]) -> Ages:
    """Sums over all segments and buckets."""
    amounts: dict[str, Decimal] = {}
    for row in rows:
        if row["open_amount"] is not None:
            amounts[row["currency_code"]] = amounts.get(row["currency_code"], Decimal(0)) + row["open_amount"]
    return Ages(
        items=sum(row["open_items"] for row in rows),
        over_90=sum(row["open_items"] for row in rows if row["bucket"] == BUCKETS[-1]),
        oldest_days=max((row["oldest_days"] for row in rows), default=0),
        amounts=amounts,
    )


def _days(name: str, business: bool) -> str:
    return name if name == TOTAL else f"{name.replace('-', '–')} {'bd' if business else 'd'}"


def _text(value: float, currency: str | None) -> str:
    if pd.isna(value):
        return words.UNKNOWN
    return (
        f"{value:,.0f}"
        if currency is None
        else words.short_money(value, currency).removesuffix(f" {words.currency_name(currency)}")
    )


def _heat(value: float, largest: float) -> str:
    """A tint that text stays readable on, in both themes."""
    if pd.isna(value) or largest <= 0:
        return ""
    return f"background-color: rgba(217, 130, 43, {0.08 + 0.37 * abs(value) / largest:.2f})"
