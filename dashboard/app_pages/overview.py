"""Overview: are we in control, and what changed?"""

import streamlit as st

from dashboard import cards, charts, data, panels, summary, view, words

look = view.current()
periods = look.periods
ends = [words.day(look.as_of - period * look.period) for period in range(periods)]
in_periods = {**look.scope, "period_us": look.period // view.US, "periods": periods}
by_owner = {**look.scope, "before": look.before, "dimension": "owner"}

sentence_slot, cards_slot = st.container(), st.container()
slow_slots = []
with panels.guarded("headline"):
    with sentence_slot.skeleton(height=60):
        cohorts = data.rows("cohorts", **in_periods)
        earlier = data.rows("cohorts", **{**in_periods, "as_of": look.before, "periods": 1})
        open_rows = data.rows("open", **by_owner)
        history = summary.closing(data.rows("movement", **in_periods), summary.stock(open_rows).now, periods)
        match, match_before = summary.match_rate(cohorts), summary.match_rate(earlier)
        stock, held = summary.stock(open_rows), summary.open_by(open_rows, "team")
        text = summary.sentence(match, match_before, stock, held, look.period_name, look.as_of)
        sentence_slot.markdown(text)
    with cards_slot:
        slow_slots = cards.headline(cohorts, earlier, stock, [row["closing"] for row in history])
    panels.stamp(look)

with panels.panel(
    "Matched by step", look, key="strip",
    help_text="Per cent matched of what fell due in each period, by expectation in the order of the workflow. "
    "≥: some cannot be decided. ?: none can. Empty: nothing fell due. A click opens the exceptions.",
):  # fmt: skip
    cohorts = data.rows("cohorts", **in_periods)
    due = {row["expectation"] for row in cohorts}
    rules = [rule for rule in look.workflow.expectations if rule.name in due]
    if rules:
        picked = st.plotly_chart(
            charts.health_strip(cohorts, [(rule.name, rule.title) for rule in rules], ends),
            key="strip", on_select="rerun", selection_mode="points", config=charts.CONFIG,
            alt="Match rate by expectation and period",
        )  # fmt: skip
        for point in picked["selection"]["points"]:
            view.go("app_pages/exceptions.py", expectation=view.label(str(point["customdata"])))
    else:
        panels.nothing_due(f"Nothing fell due by {words.day(look.as_of)}: nothing to reconcile.")

left, right = st.columns(2)
with left, panels.panel(
    "Open exceptions by owner", look, key="owners", fill=True, help_text="Stacked by exception code."
):  # fmt: skip
    open_rows = data.rows("open", **by_owner)
    if summary.stock(open_rows).now:
        st.plotly_chart(
            charts.open_by_team(open_rows),
            key="owners",
            config=charts.CONFIG,
            alt="Open exceptions by owner and code",
        )
        st.page_link(
            "app_pages/aging.py", label="By age", icon=":material/arrow_forward:"
        )  # fmt: skip
    else:
        panels.nothing_due("No exception is open.")

with right, panels.panel(
    "New and resolved", look, key="movement", fill=True,
    help_text="Exceptions that began and that ended in each period, and what was open at its end.",
):  # fmt: skip
    moves = data.rows("movement", **in_periods)
    open_now = summary.stock(data.rows("open", **by_owner)).now
    if moves or open_now:
        st.plotly_chart(
            charts.movement(summary.closing(moves, open_now, periods), ends), key="movement", config=charts.CONFIG,
            alt="New, resolved and open exceptions by period",
        )  # fmt: skip
    else:
        panels.nothing_due("Nothing went wrong in these periods.")

left, right = st.columns(2)
with left, panels.panel(
    "Movers", look, key="movers", fill=True,
    help_text="Where the number of open exceptions changed most in the period.",
):  # fmt: skip
    cards.movers(look)

with right, panels.panel("Alerts", key="alerts", fill=True, help_text="What the alert rules say now."):
    cards.alerts(look)

with panels.panel(
    "History of a figure", look, key="history",
    help_text="Published totals, as they stand now. A grey band is what unknown items leave open.",
):  # fmt: skip
    cards.history(look)

cards.latencies(look, slow_slots)
