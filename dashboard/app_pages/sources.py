"""Sources: can I trust this?"""

import streamlit as st

from dashboard import panels, trust

look = st.session_state["view"]

with panels.panel(
    "Sources",
    key="sources",
    help_text="How far each source is complete: newest business time proven, and how far that is behind.",
):
    trust.sources()

with panels.panel(
    "Imports",
    key="imports",
    help_text="The last run of every source that comes as files, and what was set aside.",
):
    trust.imports()

left, right = st.columns(2)
with left, panels.panel("Probes", key="probes", help_text="The last run of every probe."):
    trust.probes()
with (
    right,
    panels.panel(
        "Jobs of tieout", key="jobs", help_text="A figure is only as fresh as the job that makes it."
    ),
):
    trust.jobs()

if look is not None:
    with panels.panel(
        "Rules in force",
        key="versions",
        help_text="A changed workflow file is a new version; older figures keep the one that decided then.",
    ):
        trust.versions(look)
