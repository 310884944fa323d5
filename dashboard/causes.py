"""What open exceptions have in common: the hop that failed first, and segments that fail more than others."""

from __future__ import annotations

import streamlit as st

from dashboard import data, tables, words
from dashboard.view import View
from reconcile.causes import SameHop, Segment

_EXCEPTION, _EXCEPTIONS = "app_pages/exception.py", "app_pages/exceptions.py"


def draw(look: View) -> None:
    """Two tables; where neither has anything to say, a sentence. Raises StoreError."""
    hops, segments = data.causes(look.workflow.workflow, look.as_of, look.known_at)
    seen = [row for row in hops if row.hop]
    if not seen and not segments:
        st.caption(
            "No failure was seen in their traces, and no segment fails more than its rules let expect."
        )
        return
    if seen:
        _hops(hops)
    if segments:
        _segments(segments)


def _hops(hops: list[SameHop]) -> None:
    tables.draw(
        hops,
        {
            "First failing hop": lambda row: str(row.hop) if row.hop else "no failure seen in a trace",
            "Exceptions": lambda row: row.exceptions,
            "Items": lambda row: row.items,
            "At stake": lambda row: words.money(row.amounts),
            "Since": lambda row: row.since,
            "Last": lambda row: row.last_at,
        },
        opens=lambda row: (_EXCEPTION, {"id": row.examples[0]}),
        key="hops", rows_seen=8, alt="Open exceptions by first failing hop",
    )  # fmt: skip


def _segments(segments: list[Segment]) -> None:
    st.caption("Segments with more failing than their rules let expect, beyond what chance does")
    tables.draw(
        segments,
        {
            "Segment": lambda row: f"{words.label_of(row.dimension)}: {row.value}",
            "Failing": lambda row: row.failing,
            "Due": lambda row: row.due,
            "Expected": lambda row: round(row.expected, 1),
            "Times": lambda row: round(row.times, 1),
        },
        opens=lambda row: (_EXCEPTIONS, {"dim": row.dimension, "seg": row.value}),
        key="segments", rows_seen=8, alt="Segments that fail more than expected",
    )  # fmt: skip
