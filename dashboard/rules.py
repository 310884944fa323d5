"""Matching rules on the dashboard: what they decide, and what changed ones would."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import streamlit as st

from dashboard import data, panels, states, tables, view, words
from dashboard.view import View
from reconcile.items import event_name
from reconcile.matching.backtest import Backtest

Row = Mapping[str, Any]

_EXCEPTIONS, _TRANSACTION = "app_pages/exceptions.py", "app_pages/transaction.py"
_TRY = "tieout match backtest FILE.yaml"
# What a version comes to: what people call it, its name in the totals, and whether it is money.
_FIGURES = (
    ("Matches", "matched", False), ("Open exceptions", "failing", False), ("Cannot be decided", "unknown", False),
    ("Matched", "matched_amount", True), ("Differences accepted within tolerance", "accepted_variance", True),
    ("Open exceptions, money", "failing_amount", True),
)  # fmt: skip


def decided(look: View) -> None:
    """A row a rule and currency, with a button to its exceptions."""
    versions = {
        row["rule"]: row
        for row in data.rows("rule_versions", workflow=look.workflow.workflow, known_at=look.known_at)
    }
    rows = data.rows("rules", **look.scope)
    if not rows:
        panels.nothing_due("No record has come that these rules read.")
        return
    tables.draw(
        rows,
        {
            "Rule": lambda row: look.title_of(row["rule"]), "Matches": "matched", "Open exceptions": "failing",
            "Cannot be decided": "unknown", "Taken back": "taken_back", "Matched": lambda row: _money(row, "matched_amount"),
            "At stake": lambda row: _money(row, "failing_amount"),
            "Decides since": lambda row: versions[row["rule"]]["since"] if row["rule"] in versions else None,
            "Name": "rule",
        },
        opens=lambda row: (_EXCEPTIONS, {"expectation": view.label(row["rule"])}), key="rule", rows_seen=15,
        alt="Matching rules", named=lambda row: f"{look.title_of(row['rule'])} {row['currency']}".strip(),
    )  # fmt: skip


def bridge(look: View) -> None:
    """The net difference of each rule by cause; a sentence where nothing differs."""
    rows = [row for row in data.rows("rules", **look.scope) if any(row["causes"].values())]
    if not rows:
        panels.nothing_due("No match differs by any money.")
        return
    causes = sorted({cause for row in rows for cause, value in row["causes"].items() if value})
    tables.draw(
        rows,
        {
            "Rule": lambda row: look.title_of(row["rule"]), "Difference": lambda row: words.amount(row["net"], row["currency"]),
            **{words.label_of(cause): _cause(cause) for cause in causes},
        },
        rows_seen=15, alt="Differences by cause",
    )  # fmt: skip


def backtests(look: View) -> None:
    """What was tried, one of it in full; how to try something where nothing was."""
    tried = data.tried(look.workflow.workflow)
    if not tried:
        panels.not_computed(
            "No changed rule was tried. Copy a rule file to another folder, change it, and run:", _TRY
        )
        return
    chosen = st.selectbox(
        "Tried", tried, key="tried",
        format_func=lambda row: f"{look.title_of(row['rule'])}, tried {words.at(row['tried_at'])} ({row['version'][:8]})",
    )  # fmt: skip
    row = chosen if chosen in tried else tried[0]
    known_at = min(look.known_at, row["until"])
    found = data.backtest(look.workflow.workflow, row["rule"], row["version"], look.as_of, known_at)
    _answer(found)
    _settings(found)
    _totals(found)
    _changes(look, found)
    st.caption(
        "To put it into force, replace the file in the folder `matching`; it decides from the next run on, and earlier views stay as they were."
    )


def _answer(found: Backtest) -> None:
    """What it comes to, in one sentence a currency."""
    if not found.active:
        st.text("No version of this rule decides yet: everything it matches is new.")
    if not found.changes:
        st.text("It decides the same of every record.")
    for before, after in _by_currency(found):
        matches, open_ones = (after[name] - before[name] for name in ("matched", "failing"))
        money = after["failing_amount"] - before["failing_amount"]
        more = "more" if money > 0 else "less"
        if matches or open_ones or money:
            st.text(
                f"{_more(matches, 'match', 'matches')} and {_more(open_ones, 'open exception', 'open exceptions')}, "
                f"with {words.amount(abs(money), after['currency'])} {more} at stake."
            )


def _more(number: int, noun: str, many: str) -> str:
    size = words.plural(abs(number), noun, many)
    return f"{size} {'fewer' if number < 0 else 'more'}" if number else f"as many {many} as now"


def _settings(found: Backtest) -> None:
    if found.settings:
        st.markdown("**What the rule says otherwise**")
        tables.draw(
            found.settings,
            {
                "Setting": lambda one: " › ".join(one.setting.split(".")), "Now": lambda one: one.now or "not set",
                "Tried": lambda one: one.tried or "not set",
            },
            rows_seen=10, alt="Settings that differ",
        )  # fmt: skip


def _totals(found: Backtest) -> None:
    rows = [
        (title, before[name], after[name], after["currency"] if is_money else "")
        for before, after in _by_currency(found)
        for title, name, is_money in _FIGURES
    ]
    st.markdown("**What it comes to**")
    tables.draw(
        rows,
        {
            "Figure": lambda row: row[0], "Now": lambda row: _figure(row[1], row[3]), "Tried": lambda row: _figure(row[2], row[3]),
            "Change": lambda row: "—" if row[2] == row[1] else f"{'+' if row[2] > row[1] else '−'}{_figure(abs(row[2] - row[1]), row[3])}",
        },
        alt="Now and tried",
    )  # fmt: skip


def _changes(look: View, found: Backtest) -> None:
    if not found.changes:
        return
    ids = tuple(sorted({key for row in found.changes for key in row["examples"]}))
    events = data.events(look.workflow.workflow, ids)
    st.markdown("**Records that would be decided otherwise**")
    tables.draw(
        found.changes,
        {
            "Leg": lambda row: words.label_of(row["leg"]), "Records": "records", "Amount": lambda row: words.amount(row["amount"], row["currency"]),
            "Now": lambda row: _state(row["state_before"]), "Would be": lambda row: _state(row["state_after"]), "Note": "note",
            "For example": lambda row: ", ".join(_name(look, events, key) for key in row["examples"]),
        },
        opens=lambda row: (_TRANSACTION, {"key": row["examples"][0]}), key="change", rows_seen=15, alt="What changes",
        named=lambda row: (
            f"{words.label_of(row['leg'])}, {_state(row['state_before'])} → {_state(row['state_after'])}: {_name(look, events, row['examples'][0])}"
        ),
    )  # fmt: skip


def _name(look: View, events: Mapping[str, Row], key: str) -> str:
    return event_name(look.workflow, events[key]) if key in events else key


def _by_currency(found: Backtest) -> list[tuple[Row, Row]]:
    """Totals of both versions, a pair a currency; zero where one of them has none."""
    before, after = ({row["currency"]: row for row in rows} for rows in (found.before, found.after))
    nothing = dict.fromkeys((name for _, name, _ in _FIGURES), 0)
    return [
        (
            {**nothing, **before.get(currency, {})},
            {**nothing, "currency": currency, **after.get(currency, {})},
        )
        for currency in sorted({*before, *after})
    ]


def _state(state: str) -> str:
    return states.name(state) if state else "not read"


def _figure(value: Any, currency: str) -> str:
    return words.amount(Decimal(value), currency) if currency else words.count(int(value))


def _money(row: Row, name: str) -> str | None:
    return words.amount(row[name], row["currency"]) if row["currency"] else None


def _cause(cause: str) -> Any:
    return lambda row: words.amount(row["causes"].get(cause, Decimal(0)), row["currency"])
