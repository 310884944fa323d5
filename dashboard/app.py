"""Entry of the dashboard: navigation, the choices every page shares, and the page itself."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.errors import TieoutError
from dashboard import data, panels, view

PAGES = Path(__file__).parent / "app_pages"
ICON = Path(__file__).parent / "icon.svg"


def find_key() -> None:
    """A key typed into the sidebar opens its transaction."""
    text = st.session_state["find"].strip()
    if text:
        st.session_state["find"] = ""
        view.go("app_pages/transaction.py", key=text)


st.set_page_config(page_title="tieout", page_icon=str(ICON), layout="wide")
pages = [
    st.Page(
        PAGES / "overview.py", title="Overview", icon=":material/monitoring:", default=True,
        help="Are we in control, and what changed? Rates, open exceptions, movers and alerts.",
    ),
    st.Page(
        PAGES / "aging.py", title="Aging", icon=":material/calendar_view_month:",
        help="What is stuck, how much and whose? Open exceptions by age; every cell opens its list.",
    ),
    st.Page(
        PAGES / "exceptions.py", title="Exceptions", icon=":material/rule:",
        help="The work list: every exception, with filters that stand in the URL.",
    ),
    st.Page(
        PAGES / "rules.py", title="Rules", icon=":material/join_inner:",
        help="What do the matching rules decide, and what would a changed one? Totals, differences by cause, back-tests.",
    ),
    st.Page(
        PAGES / "transaction.py", title="Transaction", icon=":material/route:",
        help="Where is this one? Any business key or trace id, and its timeline.",
    ),
    st.Page(
        PAGES / "sources.py", title="Sources", icon=":material/verified:",
        help="Can I trust this? How far each source is complete, what was set aside, whether the jobs run.",
    ),
    st.Page(PAGES / "exception.py", title="Exception", icon=":material/report:", visibility="hidden"),
]  # fmt: skip
page = st.navigation(pages)
st.session_state["here"] = f"app_pages/{page.url_path or 'overview'}.py"
st.logo(ICON, size="large")

with st.sidebar:
    st.text_input(
        "Where is this one?", key="find", on_change=find_key, placeholder="Key, trace id …", icon=":material/search:",
        help="Any business key of any system, a trace id, or the id of an exception.",
    )  # fmt: skip
    try:
        known = data.workflows()
        view.follow_permalink(page.url_path)
        st.session_state["view"] = view.choose(known) if known else None
        broken = None
    except TieoutError as error:
        broken = error
    st.button("Refresh", icon=":material/refresh:", on_click=data.forget, help="Read everything anew.")

chosen = st.session_state.get("view")
st.title(f"{page.title} · {view.label(chosen.workflow.workflow)}" if chosen else page.title, anchor=False)
if broken is not None:
    panels.failed(broken, "store")
    st.stop()
if chosen is None or not chosen.has_evidence:
    panels.first_run()
elif chosen.in_the_dark:
    panels.nothing_known(chosen)
if page.url_path != "sources" and (chosen is None or chosen.in_the_dark):
    st.stop()
page.run()
