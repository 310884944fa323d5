"""The work list: its filters, which stand in the URL, its rows, read a page at a time, and its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import acting, data, panels, states, tables, view, words
from dashboard.pivot import BUCKETS, CALENDAR_DAYS, in_business_days
from dashboard.view import View
from reconcile.life import Status

PAGE = 50
ALL, NONE = "all", "none"
STATUSES = (*Status, ALL)
HOLDERS = {"me": "me", "nobody": "nobody", "somebody": "assigned"}
CLOCKS = ("breached", "running", "paused", "met")
ORDERS = {
    "oldest": "Oldest first", "newest": "Newest first", "amount": "Largest amount first", "due": "Most urgent first",
}  # fmt: skip
# Names in the URL, which links from other pages use too, with what stands there when nothing is chosen.
DEFAULTS = {
    "status": "open", "team": ALL, "expectation": ALL, "code": ALL, "age": ALL, "holder": ALL, "clock": ALL, "dim": NONE, "seg": ALL,
    "text": "", "page": 1, "days": CALENDAR_DAYS,
}  # fmt: skip
# Rows drawn without scrolling inside the table.
ROWS_SEEN = 20


@dataclass(frozen=True)
class Filters:
    """The query parameters of the work list, checked against what is allowed."""

    parameters: Mapping[str, Any]

    @property
    def narrowed(self) -> bool:
        """Whether there may be exceptions that these filters hide."""
        chosen = [
            value
            for name, value in self.parameters.items()
            if name not in ("status", "dimension", "business", "me")
        ]
        return self.parameters["status"] != "open" or any(chosen)


def choose(look: View) -> Filters:
    """Draws the filters. What the browser sends is checked again here; what is not allowed counts as `all`."""
    status = st.segmented_control(
        "Status",
        STATUSES,
        default="open",
        required=True,
        key="status",
        bind="query-params",
        format_func=lambda status: status.replace("_", " "),
        on_change=_first_page,
    )
    with st.grid(4, min_column_width=160, gap="small"):
        team = _select("Owner", look.owners, "team")
        expectation = _select("Expectation", list(look.titles), "expectation", label=True)
        code = _select("Code", look.codes, "code")
        bucket = _select("Age in days", list(BUCKETS), "age")
        holder = _select("Assigned to", list(HOLDERS), "holder")
        clock = _select("Service level", list(CLOCKS), "clock")
        dimension = _select("Cut by", list(look.workflow.dimensions), "dim", everything=NONE, label=True)
        segment = _segment(look, dimension)
        text = st.text_input(
            "Key contains", key="text", bind="query-params", type="search", on_change=_first_page
        )
    return Filters(
        {
            "status": "" if status == ALL else status if status in STATUSES else "open",
            "team": team, "expectation": expectation, "code": code, "bucket": bucket, "holder": HOLDERS.get(holder, ""), "me": acting.who(), "clock": clock,
            "business": in_business_days(look), "dimension": dimension, "segment": segment, "text": (text or "").strip()[:200],
        }
    )  # fmt: skip


def clear() -> None:
    """Every filter back to its default."""
    st.session_state.update(DEFAULTS)


def read(look: View, filters: Filters, order: str) -> tuple[list[data.Row], int]:
    """The rows of the page that is open, and how many come before them. Raises StoreError."""
    offset = PAGE * (_wanted_page() - 1)
    asked = {
        **look.scope,
        **filters.parameters,
        "order": order if order in ORDERS else "oldest",
        "limit": PAGE,
    }
    rows = data.exceptions(**asked, offset=offset)
    if rows or not offset:
        return rows, offset
    return data.exceptions(**asked, offset=0), 0


def table(look: View, rows: Sequence[Mapping[str, Any]], *, select: bool) -> list[Mapping[str, Any]]:
    """The rows with a button each, and those that were selected; money and clocks only where there are some.

    What is at stake, how old it is and how it stands come first and are narrow: a telephone shows that much of a row. The
    amount before the others, since half of a number is another number.
    """
    chosen = tables.draw(
        rows,
        {
            "Item": "item", **_money(rows), "Age": "age", "State": lambda row: states.name(row["state"]),
            "What is wrong": lambda row: look.title_of(row["expectation"]), **_clocks(rows), "Owner": "owner", "Since": "detected_at",
            "Assigned to": "assignee", "Status": lambda row: row["status"].replace("_", " "), "Code": "code",
            "Type": lambda row: look.type_title(row["item_type"]),
        },
        opens=lambda row: ("app_pages/exception.py", {"id": row["exception_id"]}), key="exception",
        rows_seen=ROWS_SEEN, widths={"Age": 46, "In": 46, "State": 116}, formats={"Age": "%dd"}, alt="Exceptions",
        select=(lambda row: f"{row['exception_id']} {row['version']}") if select else None,
        named=lambda row: f"{row['item']}: {look.title_of(row['expectation'])}",
    )  # fmt: skip
    if not _money(rows):
        st.caption(f"No amounts: {panels.no_amount()}.")
    return chosen


def _clocks(rows: Sequence[Mapping[str, Any]]) -> tables.Columns:
    """How urgent each is, where the site has service levels."""
    if not any(row["service_level"] for row in rows):
        return {}
    return {"Severity": "severity", "Time left": lambda row: words.time_left(row)}


def _money(rows: Sequence[Mapping[str, Any]]) -> tables.Columns:
    """The columns of money: one that names its currency where there is only one, else a second one for it."""
    currencies = {words.currency_name(row["currency"]) for row in rows if row["amount"] is not None}

    def amount(row: Mapping[str, Any]) -> float | None:
        return None if row["amount"] is None else float(row["amount"])

    def currency(row: Mapping[str, Any]) -> str | None:
        return None if row["amount"] is None else words.currency_name(row["currency"])

    if len(currencies) <= 1:
        return {f"Amount {name}": amount for name in currencies}
    return {"Amount": amount, "In": currency}


def _select(title: str, options: list[str], key: str, *, everything: str = ALL, label: bool = False) -> str:
    """A bound select box; empty for everything, or for what is not among the options."""
    chosen = st.selectbox(
        title, [everything, *options], key=key, bind="query-params", on_change=_first_page,
        format_func=lambda option: view.label(option) if label and option != everything else option,
    )  # fmt: skip
    return chosen if chosen in options else ""


def _segment(look: View, dimension: str) -> str:
    if not dimension:
        st.selectbox("Segment", [ALL], key="no_segment", disabled=True, help="Choose what to cut by first.")
        return ""
    values = [row["segment"] for row in data.rows("segments", **look.scope, dimension=dimension)]
    return _select(view.label(dimension), values, "seg")


def _wanted_page() -> int:
    """The page that is open; the widget that says so is drawn only after the rows are counted."""
    wanted = str(st.session_state.get("page") or st.query_params.get("page", ""))
    return max(int(wanted), 1) if wanted.isdecimal() and len(wanted) < 7 else 1


def _first_page() -> None:
    """Another filter begins at its first page."""
    st.session_state["page"] = 1
