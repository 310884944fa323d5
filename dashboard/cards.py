"""The parts of the overview: headline cards, movers, alerts, history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import charts, data, panels, summary, tables, words
from dashboard.summary import Rate, Stock
from dashboard.view import View, label
from kpis.kpi import Kpi

# Where V moves with the clock, a figure published this recently is that of now.
SLACK = timedelta(minutes=15)
# Points that make a line in a card.
MIN_POINTS = 3
# KPI, measure, label on the card. They take longest, so their cards are filled last.
LATENCIES = (("K16", "p95", "Sync latency", "95 of 100"), ("K12", "p50", "Time to resolve", "half"))


def headline(
    cohorts: summary.Rows, earlier: summary.Rows, stock: Stock, closings: Sequence[int]
) -> list[DeltaGenerator]:
    """Four cards: what matched, what ended in time, what is open, what is old; and places for the two slow ones.

    `closings` are the open exceptions at the end of each period, oldest first.
    """
    with st.grid(3, min_column_width=150, gap="small"):
        for title, rate, meaning in (
            ("Match rate", summary.match_rate, "K06: matched of what fell due in the period."),
            (
                "Completed in time",
                summary.success_rate,
                "K24: items that reached their end by the time they were due.",
            ),
        ):
            _rate_card(
                title, rate(cohorts), rate(earlier), f"{meaning} The change is against the period before.",
                summary.trend(cohorts, rate),
            )  # fmt: skip
        _stock_card(
            "Open exceptions", stock.now, stock.before, _money(stock.amounts, stock.now),
            "K03: what is wrong at this time. The change is since the period began.", closings,
        )  # fmt: skip
        _stock_card(
            "Older than 30 days", stock.old_now, stock.old_before, _money(stock.old_amounts, stock.old_now),
            "K04: open exceptions that began more than 30 days before. The change is since the period began.", (),
        )  # fmt: skip
        return [st.container(border=True, height="stretch", gap="small") for _ in LATENCIES]


def latencies(look: View, slots: list[DeltaGenerator]) -> None:
    """How long it takes between systems, and to resolve an exception, open ones counted."""
    for slot, (kpi, measure, title, share) in zip(slots, LATENCIES, strict=False):
        with slot, panels.guarded(f"latency-{kpi}"), st.skeleton(height=110):
            _latency(look, kpi, measure, title, share)


def _card(title: str, value: str, note: str, help_text: str, **metric: Any) -> None:
    with st.container(border=True, height="stretch", gap="small"):
        _metric(title, value, note, help_text, **metric)


def _metric(title: str, value: str, note: str, help_text: str, **metric: Any) -> None:
    unchanged = "unchanged" if metric.get("delta") == 0 else None
    st.metric(title, value, help=help_text, delta_description=unchanged, **metric)
    st.caption(note)


def _rate_card(title: str, rate: Rate, before: Rate, help_text: str, line: Sequence[float]) -> None:
    change = rate.change(before)
    if not rate.due:
        note = "nothing fell due"
    elif rate.unknown:
        note = f"{rate.due:,} due, {rate.unknown:,} unknown"
    else:
        note = f"{rate.good:,} of {rate.due:,} due"
    delta = None if change is None else _delta(100 * change, " pts")
    _card(title, rate.text(), note, help_text, delta=delta, chart_data=_drawn(line))


def _stock_card(title: str, now: int, before: int, note: str, help_text: str, line: Sequence[int]) -> None:
    _card(
        title, words.count(now), note, help_text, delta=now - before, delta_color="inverse", chart_data=_drawn(line)
    )  # fmt: skip


def _drawn(line: Sequence[float]) -> list[float] | None:
    """A line worth drawing: two points are no course."""
    return list(line) if len(line) >= MIN_POINTS else None


def _delta(points: float, unit: str) -> float | str:
    """The number 0 where nothing changed: a text would be drawn as a rise."""
    return 0 if abs(points) < 0.05 else f"{points:+.1f}{unit}"


def _money(amounts: Any, items: int) -> str:
    if not items:
        return "none"
    return (
        " + ".join(words.short_money(amount, currency) for currency, amount in sorted(amounts.items()))
        or panels.no_amount()
    )


def _latency(look: View, kpi: str, measure: str, title: str, share: str) -> None:
    definition = data.kpis().get(kpi)
    if definition is None:
        _metric(title, words.UNKNOWN, "not defined here", kpi)
        return
    now = next((row for row in _latency_rows(look, definition) if row["measure"] == measure), None)
    value, note = _latency_words(now, share)
    _metric(title, value, note, f"{kpi}: {definition.header.description}")


def _latency_rows(look: View, kpi: Kpi) -> list[data.Row]:
    """What was published for this time and period; worked out now for any other."""
    slack = SLACK if look.latest and look.workflow.as_of == "now" else timedelta(0)
    published = []
    if look.period == kpi.header.window:
        slack_s = int(slack.total_seconds())
        published = data.newest("published", **look.scope, kpi=kpi.id, version=kpi.version, slack_s=slack_s)
    return published or data.figures(kpi.id, kpi.version, **look.scope, window_start=look.before)


def _latency_words(row: data.Row | None, share: str) -> tuple[str, str]:
    if row is None:
        return words.UNKNOWN, "nothing to measure"
    items = f"{words.plural(row['n'], 'item')}"
    if row["value"] is not None:
        return words.figure(row["value"], row["unit"]), f"{share} of {items}"
    if row["low"] is not None:
        return f"≥ {words.figure(row['low'], row['unit'])}", f"{share} of {items}; too many are open"
    return words.UNKNOWN, f"{items}: too few" if row["n"] else "nothing to measure"


def movers(look: View) -> None:
    """A table of the segments that moved most, by a dimension the reader picks."""
    by = st.selectbox("By", look.dimensions, format_func=label, key="movers_by")
    by = by if by in look.dimensions else "owner"
    dimension = "owner" if by in ("owner", "code") else by
    rows = data.rows("open", **look.scope, before=look.before, dimension=dimension)
    found = summary.movers(rows, {"owner": "team", "code": "exception_code"}.get(by, "segment"))
    if not found:
        panels.nothing_due("Nothing began and nothing ended in this period.")
        return
    tables.draw(
        found,
        {
            label(by): lambda mover: look.title_of(mover.segment) if by == "expectation" else mover.segment,
            "Before": lambda mover: mover.before, "New": lambda mover: mover.begun,
            "Resolved": lambda mover: mover.ended, "Open now": lambda mover: mover.now,
            "Change": lambda mover: mover.change,
        },
        formats={"Change": "%+d"}, alt="Largest changes",
    )  # fmt: skip


def alerts(look: View) -> None:
    """Alerts that fire or are about to."""
    rows = data.newest("alerts", workflow=look.workflow.workflow, now=data.clock.now())
    if not rows:
        panels.not_computed("No alert rule has been evaluated yet. Rules run with the jobs of:", "tieout up")
        return
    loud = [row for row in rows if row["last_state"] in ("firing", "pending")]
    seen = max(row["last_evaluated_at"] for row in rows)
    if loud:
        tables.draw(
            loud,
            {
                "State": "last_state", "Alert": "rule", "Segment": lambda row: row["last_labels"].get("segment"),
                "Value": lambda row: words.figure(row["last_value"], row["last_labels"].get("unit", "number")),
                "Since": "since", "Severity": lambda row: row["last_labels"].get("severity"),
            },
            alarm=lambda row: row["last_state"] == "firing", alt="Alerts that fire or are about to",
        )  # fmt: skip
    else:
        panels.nothing_due("No alert is firing.")
    st.caption(f"{words.plural(len(rows), 'alert')} watched · last evaluated {words.at(seen)}")


def history(look: View) -> None:
    """One KPI measure over the as-of times it was published for."""
    kpis = data.kpis()
    names = [name for name in kpis if kpis[name].applies_to(look.workflow)]
    if not names:
        panels.not_computed("No KPI is defined for this workflow.", "tieout kpi list")
        return
    left, right = st.columns(2)
    kpi = left.selectbox("KPI", names, index=names.index("K06") if "K06" in names else 0, format_func=lambda name: f"{name} {kpis[name].header.title}", key="history_kpi")  # fmt: skip
    kpi = kpi if kpi in names else names[0]
    measures = {measure.name: measure for measure in kpis[kpi].header.measures}
    measure = right.selectbox(
        "Measure", list(measures), format_func=lambda name: measures[name].title, key=f"history_measure_{kpi}"
    )
    rows = [row for row in data.newest("history", **look.scope, kpi=kpi) if row["measure"] == measure]
    if not rows:
        panels.not_computed(
            "Not published for this time or earlier. Figures are published by the jobs of:", "tieout up"
        )
        return
    for unit in sorted({row["unit"] for row in rows}):
        line = sorted((row for row in rows if row["unit"] == unit), key=lambda row: row["as_of"])
        _line(line, unit, kpis[kpi].header.title, measures[measure].title)


def _line(line: list[data.Row], unit: str, kpi: str, measure: str) -> None:
    """The chart of one figure; a single value is told, not drawn."""
    if len(line) == 1:
        row = line[0]
        value = words.figure(row["value"], unit) if row["value"] is not None else _between(row, unit)
        st.markdown(f"**{value}** as of {words.at(row['as_of'])}, the only value published so far.")
        return
    st.plotly_chart(
        charts.history(line, unit, measure), key=f"history-{unit}", config=charts.CONFIG, alt=f"{kpi} over time"
    )  # fmt: skip


def _between(row: data.Row, unit: str) -> str:
    """What is known of a figure that unknown items leave open."""
    if row["low"] is None:
        return words.UNKNOWN
    low = words.figure(row["low"], unit)
    return f"≥ {low}" if row["high"] is None else f"{low} – {words.figure(row['high'], unit)}"
