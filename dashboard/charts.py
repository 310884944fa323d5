"""Every figure of the dashboard, made here. Plotly; colour is never the only carrier of meaning.

Titles and axis names are ours. Text of the data goes through `words.chart_text` or `words.wrapped`, because
Plotly reads pseudo-HTML in labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import plotly.graph_objects as go

from dashboard import words

Rows = Sequence[Mapping[str, Any]]

# Readable on white and on near-black alike.
GOOD, BAD, WARN, NEUTRAL, ACCENT = "#2f8f83", "#cf4b3f", "#d9822b", "#8593a1", "#3f88c5"
BAR_PALETTE = (ACCENT, WARN, "#7a9e3f", "#a35fa0", GOOD, "#c0605a", "#9b8a64", NEUTRAL)
# From bad to good, by lightness and hue, so that it also reads without colour vision.
HEALTH = [[0.0, "#e0745f"], [0.5, "#eab183"], [0.8, "#eee0bd"], [0.95, "#b4d9d1"], [1.0, "#62b8aa"]]
GRID = "rgba(128,144,160,0.25)"

# A row of the strip: its title and its cells.
_ROW_PX, _CELL_PX = 50, 26

# No tool bar over the figures; what can be clicked is clicked.
CONFIG = {"displayModeBar": False, "responsive": True}


def health_strip(rows: Rows, rules: Sequence[tuple[str, str]], ends: Sequence[str]) -> go.Figure:
    """Match rate by expectation (rows, in the order of `rules`: name and title) and period (columns, oldest first).

    `rows` are those of `cohorts.sql`. A period in which nothing fell due stays empty; an interval shows its low end.
    The points that can be clicked carry the name of their expectation.
    """
    cells = {(row["expectation"], row["period"]): row for row in rows}
    # Columns before the first thing fell due say nothing.
    periods = list(range(max((row["period"] for row in rows), default=0) + 1))[::-1]
    columns = [_in_two_lines(ends[period]) for period in periods]
    names = [name for name, _ in rules]
    lines = [[cells.get((name, period)) for period in periods] for name in names]
    figure = go.Figure(
        go.Heatmap(
            z=[[cell["matched_items"] / cell["due_items"] if cell else None for cell in line] for line in lines],
            x=columns, y=names, text=[[_cell_text(cell) for cell in line] for line in lines],
            texttemplate="%{text}", textfont={"size": 11, "color": "#14202b"}, hoverinfo="skip",
            colorscale=HEALTH, zmin=0.5, zmax=1, xgap=2, ygap=_ROW_PX - _CELL_PX, showscale=False,
        )
    )  # fmt: skip
    _add_targets(figure, lines, rules, columns, [ends[period] for period in periods])
    for name, title in rules:
        # Above its row, so that the cells have the whole width, also on a telephone.
        figure.add_annotation(
            x=0, xref="paper", xanchor="left", y=name, yshift=_ROW_PX / 2, text=words.chart_text(title[:90]),
            showarrow=False, font={"size": 12.5},
        )  # fmt: skip
    figure.update_yaxes(
        range=[len(rules) - 0.5, -0.8], showticklabels=False, ticks="", showgrid=False, fixedrange=True
    )  # fmt: skip
    figure.update_xaxes(
        range=[-0.5, len(columns) - 0.5], side="top", type="category", tickangle=0, ticks="", tickfont={"size": 11},
        showgrid=False, fixedrange=True, nticks=6,
    )  # fmt: skip
    return _framed(figure, height=70 + _ROW_PX * len(rules), top=50)


def _add_targets(
    figure: go.Figure, lines: Sequence[Sequence[Any]], rules: Sequence[tuple[str, str]],
    columns: Sequence[str], ends: Sequence[str],
) -> None:  # fmt: skip
    """A point nobody sees in every cell: cells of a heat map themselves cannot be selected."""
    places = [(row, column) for row in range(len(lines)) for column in range(len(columns))]
    invisible = {"marker": {"opacity": 0}}
    figure.add_scatter(
        x=[columns[column] for _, column in places], y=[rules[row][0] for row, _ in places], mode="markers",
        marker={"symbol": "square", "size": _CELL_PX, "opacity": 0}, selected=invisible, unselected=invisible,
        customdata=[rules[row][0] for row, _ in places], hoverinfo="text", showlegend=False,
        hovertext=[_cell_hover(lines[row][column], rules[row][1], ends[column]) for row, column in places],
    )  # fmt: skip
    # Wherever in its cell the pointer is, the nearest point is meant.
    figure.update_layout(hovermode="closest", hoverdistance=-1)


def open_by_team(rows: Rows) -> go.Figure:
    """Open exceptions by owner, stacked by code. `rows`: team, exception_code, open_now."""
    teams: dict[str, int] = {}
    codes: dict[str, int] = {}
    for row in rows:
        teams[row["team"]] = teams.get(row["team"], 0) + row["open_now"]
        codes[row["exception_code"]] = codes.get(row["exception_code"], 0) + row["open_now"]
    order = [team for team in sorted(teams, key=lambda team: (teams[team], team)) if teams[team]]
    figure = go.Figure()
    for index, code in enumerate(
        sorted((code for code in codes if codes[code]), key=lambda code: (-codes[code], code))
    ):
        held = dict.fromkeys(order, 0)
        for row in rows:
            if row["exception_code"] == code and row["team"] in held:
                held[row["team"]] += row["open_now"]
        figure.add_bar(
            y=[words.wrapped(team, 20) for team in order], x=[held[team] or None for team in order], orientation="h",
            name=words.chart_text(code), marker={"color": BAR_PALETTE[index % len(BAR_PALETTE)]},
            customdata=[[words.chart_text(team), words.chart_text(code)] for team in order],
            hovertemplate="%{customdata[0]}<br>%{x:,} × %{customdata[1]}<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        y=[words.wrapped(team, 20) for team in order], x=[teams[team] for team in order], mode="text",
        text=[f" {teams[team]:,}" for team in order], textposition="middle right", showlegend=False, hoverinfo="skip",
        cliponaxis=False,
    )  # fmt: skip
    figure.update_layout(barmode="stack", legend=_legend())
    figure.update_xaxes(
        title=None, gridcolor=GRID, tickformat=",d", rangemode="tozero", fixedrange=True, nticks=5
    )
    figure.update_yaxes(automargin=True, ticks="", fixedrange=True)
    return _framed(figure, height=110 + 42 * max(len(order), 1), right=48)


def movement(history: Rows, ends: Sequence[str]) -> go.Figure:
    """New and resolved exceptions of each period as bars around zero, and what was open at its end as a line."""
    labels = [_in_two_lines(ends[row["period"]]) for row in history]
    figure = go.Figure()
    figure.add_bar(
        x=labels, y=[row["begun"] for row in history], name="New", marker={"color": BAD},
        hovertemplate="%{y:,} new<extra></extra>",
    )  # fmt: skip
    figure.add_bar(
        x=labels, y=[-row["ended"] for row in history], customdata=[row["ended"] for row in history], name="Resolved",
        marker={"color": GOOD, "pattern": {"shape": "/", "fillmode": "overlay", "fgcolor": "rgba(255,255,255,0.55)", "size": 6}},
        hovertemplate="%{customdata:,} resolved<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=labels, y=[row["closing"] for row in history], name="Open at the end", mode="lines+markers",
        line={"color": ACCENT, "width": 2.5}, hovertemplate="%{y:,} open<extra></extra>",
    )  # fmt: skip
    figure.update_layout(barmode="relative", hovermode="x unified", legend=_legend(), bargap=0.35)
    figure.update_xaxes(type="category", fixedrange=True, nticks=8, tickangle=0)
    figure.update_yaxes(gridcolor=GRID, zerolinecolor=NEUTRAL, tickformat=",d", fixedrange=True)
    return _framed(figure, height=280)


def roll_forward(opening: int, begun: int, ended: int, closing: int, period: str) -> go.Figure:
    """Opening + new − resolved = closing, as a bridge that ties."""
    figure = go.Figure(
        go.Waterfall(
            x=[f"Open a {period} earlier" if period == "year" else f"Open {period} earlier", "New", "Resolved", "Open now"], measure=["absolute", "relative", "relative", "total"],
            y=[opening, begun, -ended, closing], text=[f"{opening:,}", f"+{begun:,}", f"−{ended:,}", f"{closing:,}"],
            textposition="outside", cliponaxis=False, increasing={"marker": {"color": BAD}},
            decreasing={"marker": {"color": GOOD}}, totals={"marker": {"color": ACCENT}},
            connector={"line": {"color": NEUTRAL, "width": 1}}, hoverinfo="x+text",
        )
    )  # fmt: skip
    figure.update_yaxes(gridcolor=GRID, tickformat=",d", rangemode="tozero", fixedrange=True)
    figure.update_xaxes(fixedrange=True)
    return _framed(figure, height=260, top=30)


def history(rows: Rows, unit: str, title: str) -> go.Figure:
    """One published figure over time, with the interval that unknown items make of it."""
    scale = {"ratio": 100, "hours": 1, "seconds": 1 / 3600}.get(unit, 1)
    name = {
        "ratio": "%",
        "hours": "hours",
        "seconds": "hours",
        "days": "days",
        "count": "",
        "number": "",
    }.get(unit, words.chart_text(unit))
    when = [row["as_of"] for row in rows]
    figure = go.Figure()
    if any(row["low"] is not None and row["high"] is not None for row in rows):
        band = [row for row in rows if row["low"] is not None and row["high"] is not None]
        figure.add_scatter(
            x=[row["as_of"] for row in band] + [row["as_of"] for row in band[::-1]],
            y=[row["high"] * scale for row in band] + [row["low"] * scale for row in band[::-1]],
            fill="toself", mode="lines", line={"width": 0}, fillcolor="rgba(133,147,161,0.35)", name="between, as far as known",
            hoverinfo="skip",
        )  # fmt: skip
    figure.add_scatter(
        x=when, y=[None if row["value"] is None else row["value"] * scale for row in rows], name=title, mode="lines+markers",
        line={"color": ACCENT, "width": 2}, connectgaps=False,
        hovertemplate=f"%{{x|%d %b %Y, %H:%M}}: %{{y:,.1f}} {name}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(legend=_legend(), showlegend=len(figure.data) > 1)
    figure.update_xaxes(fixedrange=True, nticks=8, gridcolor=GRID)
    figure.update_yaxes(gridcolor=GRID, title=name or None, fixedrange=True, tickformat=",")
    return _framed(figure, height=260)


_MARKERS = {
    "event": ("circle", ACCENT, "happened"),
    "failed": ("x", BAD, "failed try"),
    "due": ("circle-open", WARN, "expected, not there"),
    "state": ("diamond-open", NEUTRAL, "what a system says"),
    "span": ("line-ns", "#a35fa0", "trace span"),
}


def timeline(entries: Rows, lanes: Sequence[str], as_of: datetime) -> go.Figure:
    """Business steps as lanes from top to bottom, spans beneath them on the same axis, missing steps hollow.

    `entries`: lane, kind (event, failed, due, state, span), at, title, detail, and for what waits `since`.
    """
    labels = {lane: words.wrapped(lane, 26) for lane in lanes}
    figure = go.Figure()
    _route(figure, entries, labels)
    for entry in (entry for entry in entries if entry["kind"] == "due" and entry.get("since")):
        figure.add_scatter(
            x=[entry["since"], entry["at"], max(as_of, entry["at"])], y=[labels[entry["lane"]]] * 3, mode="lines",
            line={"color": WARN, "width": 6, "dash": "dot"}, opacity=0.35, showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    for kind, (symbol, colour, meaning) in _MARKERS.items():
        found = [entry for entry in entries if entry["kind"] == kind]
        if not found:
            continue
        figure.add_scatter(
            x=[entry["at"] for entry in found], y=[labels[entry["lane"]] for entry in found], mode="markers", name=meaning,
            marker={"symbol": symbol, "size": 13, "color": colour, "line": {"width": 2, "color": colour}},
            hovertext=[_entry_hover(entry) for entry in found], hoverinfo="text",
        )  # fmt: skip
    figure.add_vline(x=as_of, line={"color": NEUTRAL, "width": 1, "dash": "dash"})
    figure.update_layout(legend=_legend(), hovermode="closest")
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=[labels[lane] for lane in lanes][::-1],
        automargin=True,
        gridcolor=GRID,
        fixedrange=True,
    )
    figure.update_xaxes(type="date", gridcolor=GRID, fixedrange=True, nticks=8, range=_range(entries, as_of))
    return _framed(figure, height=130 + 36 * len(lanes))


def _route(figure: go.Figure, entries: Rows, labels: Mapping[str, str]) -> None:
    """A thin line through what happened, in order."""
    path = [entry for entry in entries if entry["kind"] in ("event", "failed")]
    figure.add_scatter(
        x=[entry["at"] for entry in path], y=[labels[entry["lane"]] for entry in path], mode="lines",
        line={"color": ACCENT, "width": 1.5, "shape": "vh"}, opacity=0.6, showlegend=False, hoverinfo="skip",
    )  # fmt: skip


def _range(entries: Rows, as_of: datetime) -> list[datetime]:
    """From the first entry to the last, or to V where something is still awaited; with air at both ends."""
    awaited = [as_of] if any(entry["kind"] == "due" for entry in entries) else []
    times = [entry["at"] for entry in entries] + awaited
    first, last = min(times), max(times)
    air = max((last - first) * 0.04, timedelta(minutes=1))
    return [first - air, last + air]


def _cell_text(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return ""
    low, high = (
        cell["matched_items"] / cell["due_items"],
        (cell["matched_items"] + cell["unknown_items"]) / cell["due_items"],
    )
    if cell["unknown_items"] == cell["due_items"]:
        return "?"
    # Rounded down: what is not all must not read as all.
    shown = f"{100 * low:.0f}" if low in (0, 1) or low < 0.99 else f"{math.floor(1000 * low) / 10:.1f}"
    return shown if low == high else f"≥{shown}"


def _cell_hover(cell: Mapping[str, Any] | None, title: str, end: str) -> str:
    head = f"<b>{words.chart_text(title)}</b><br>period to {end}"
    if cell is None:
        return f"{head}<br>nothing fell due"
    return (
        f"{head}<br>{cell['due_items']:,} due · {cell['matched_items']:,} matched · {cell['failing_items']:,} failing"
        f" · {cell['unknown_items']:,} unknown"
    )


def _entry_hover(entry: Mapping[str, Any]) -> str:
    detail = f"<br>{words.chart_text(entry['detail'])}" if entry["detail"] else ""
    return f"<b>{words.chart_text(entry['title'])}</b><br>{words.at(entry['at'])}{detail}"


def _in_two_lines(day: str) -> str:
    """`6 Dec` above `2023`, so that a narrow axis need not tilt it."""
    return "<br>".join(day.rsplit(" ", 1))


def _legend() -> dict[str, Any]:
    return {"orientation": "h", "yanchor": "bottom", "y": 1.02, "xanchor": "left", "x": 0, "title": None}


def _framed(figure: go.Figure, height: int, top: int = 10, right: int = 12) -> go.Figure:
    return figure.update_layout(
        height=height, margin={"l": 8, "r": right, "t": top, "b": 8}, dragmode=False, uirevision="keep",
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
