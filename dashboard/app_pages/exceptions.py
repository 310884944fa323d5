"""Exceptions: the work list."""

import streamlit as st

from dashboard import panels, view, words, worklist

look = view.current()
filters = worklist.choose(look)

with panels.panel("Work list", look, key="list"):
    head, sort_slot = st.columns([3, 1], vertical_alignment="center")
    order = sort_slot.selectbox(
        "Sort",
        list(worklist.ORDERS),
        format_func=worklist.ORDERS.__getitem__,
        key="sort",
        label_visibility="collapsed",
    )
    rows, offset = worklist.read(look, filters, order)
    if rows:
        matching = rows[0]["matching"]
        shown = f"{offset + 1:,} to {offset + len(rows):,} shown"
        head.markdown(f"**{words.plural(matching, 'exception')}**, {shown}")
        worklist.table(look, rows)
        st.pagination(max(1, -(-matching // worklist.PAGE)), key="page", bind="query-params")
    elif filters.narrowed:
        panels.filtered_empty("exceptions", worklist.clear, "exceptions")
    else:
        panels.nothing_due("No exception is open.")
