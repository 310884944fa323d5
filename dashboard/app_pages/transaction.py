"""Transaction: where is this one?"""

import streamlit as st

from dashboard import data, panels, stories, view

look = view.current()

text = st.text_input(
    "Business key or trace id", key="key", bind="query-params", type="search", max_chars=300,
    placeholder="for example an order, an invoice, a case, or a trace id",
    help="The key of any system. `type:key` when several things share a key.",
).strip()  # fmt: skip

with panels.guarded("transaction"):
    if not text:
        stories.examples(look)
    else:
        with st.skeleton(height=300):
            found = data.hits(text)
            choice = stories.pick(found, text)
            if choice:
                own = (
                    look
                    if choice["workflow"] in ("", look.workflow.workflow)
                    else view.same_day(choice["workflow"])
                )
                stories.show(own, choice["object_type"], choice["object_key"])
                panels.stamp(own)
