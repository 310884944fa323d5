"""Exceptions: the work list."""

import streamlit as st

from dashboard import acting, causes, matches, panels, suggested, view, words, worklist

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
        # Acts come between the count and the rows, where they are seen when rows far down are ticked.
        acts_slot = st.container()
        able = acting.able(look)
        chosen = worklist.table(look, rows, select=able)
        st.pagination(max(1, -(-matching // worklist.PAGE)), key="page", bind="query-params")
        with acts_slot:
            acting.told("list")
            if chosen:
                acting.form(chosen, "list")
            elif able:
                st.caption("Tick rows to assign, acknowledge, explain, waive or resolve them together.")
    elif filters.narrowed:
        panels.filtered_empty("exceptions", worklist.clear, "exceptions")
    else:
        panels.nothing_due("No exception is open.")

with panels.guarded("waiting"):
    matches.waiting(look)
    suggested.draw(look)

with panels.panel(
    "What they have in common",
    look,
    key="causes",
    help_text="Of all that is open: where traces failed first, and which segments fail more than others.",
):
    causes.draw(look)
