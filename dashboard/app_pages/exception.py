"""One exception: what is wrong, why, whose it is, what was done, what to do."""

import streamlit as st

from dashboard import data, panels, stories, view

look = view.current()
exception_id = st.query_params.get("id", "").strip().lower()

with panels.guarded("exception"), st.skeleton(height=400):
    home = data.newest("exception_home", id=exception_id)
    if not exception_id:
        st.info(
            "An exception is opened from a list, or by its id: add `?id=…` to the address.",
            icon=":material/info:",
        )
        st.page_link(
            "app_pages/exceptions.py",
            label="All exceptions",
            icon=":material/rule:",
        )
    elif not home:
        st.warning("No exception has this id.", icon=":material/search_off:")
        st.code(exception_id[:100], language=None)
        st.page_link(
            "app_pages/exceptions.py",
            label="All exceptions",
            icon=":material/rule:",
        )
    else:
        own = look if home[0]["workflow"] == look.workflow.workflow else view.same_day(home[0]["workflow"])
        stories.exception(own, exception_id, home[0])
