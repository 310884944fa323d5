"""Rules: what do the matching rules decide, and what would a changed one?"""

import streamlit as st

from dashboard import panels, rules, view

look = view.current()

if not look.matching:
    st.info("This workflow has no matching rule.", icon=":material/join_inner:")
    st.caption(
        "A file in the folder `matching` of the project says which records of its systems belong together."
    )
    st.stop()

with panels.panel(
    "Matching rules", look, key="rules",
    help_text="Which records of several systems belong together: what each rule matched, and what it found wrong.",
):  # fmt: skip
    rules.decided(look)

with panels.panel(
    "What matches differ by", look, key="causes",
    help_text="The difference of all matches, actual less expected, and what it is put down to; the causes sum to it.",
):  # fmt: skip
    rules.bridge(look)

with panels.panel(
    "Back-tests", look, key="backtests",
    help_text="A changed rule worked out over all history, and held against the one that decides. Nothing changes by it.",
):  # fmt: skip
    rules.backtests(look)
