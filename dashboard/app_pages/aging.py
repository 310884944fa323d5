"""Aging: what is stuck, how much, whose?"""

import streamlit as st

from dashboard import charts, data, panels, pivot, summary, view, words

look = view.current()
COUNT = "count"

with st.container(horizontal=True, vertical_alignment="bottom"):
    dimension = st.segmented_control(
        "Rows",
        list(look.dimensions),
        default="owner",
        required=True,
        format_func=view.label,
        key="by",
        bind="query-params",
    )
    dimension = dimension if dimension in look.dimensions else "owner"
    business = pivot.in_business_days(look)
    measure_slot = st.container(width="content")

with panels.panel(
    "Open exceptions by age", look, key="aging",
    help_text=f"{'Business' if business else 'Calendar'} days from the time an exception began to the as-of time"
    f"{'; calendar days where no calendar is named' if business else ''}. A click on a cell opens its exceptions.",
):  # fmt: skip
    rows = data.rows("aging", **look.scope, dimension=dimension, business=business)
    currencies = sorted({row["currency_code"] for row in rows if row["open_amount"] is not None})
    measures = [COUNT, *(f"amount {words.currency_name(currency)}" for currency in currencies)]
    measure = measure_slot.segmented_control(
        "Cells", measures, default=COUNT, required=True, key="cells", disabled=not currencies
    )
    currency = currencies[measures.index(measure) - 1] if measure in measures[1:] else None
    if rows:
        titles = look.titles if dimension == "expectation" else {}
        table = pivot.ages(rows, currency)
        picked = st.dataframe(
            pivot.styled(table, view.label(dimension).capitalize(), titles, currency),
            key=f"aging-{dimension}-{currency}-{business}", on_select="rerun", selection_mode="single-cell", hide_index=True,
            height="content", column_config=pivot.columns(table, business=business), alt="Open exceptions by segment and age",
        )  # fmt: skip
        missing = sum(row["without_amount"] for row in rows)
        if not currencies:
            st.caption(f"Counts only: {panels.no_amount()}.")
        elif missing:
            st.caption(
                f"{words.plural(missing, 'exception')} without an amount: {panels.no_amount()}. They count, but weigh nothing."
            )
        for row, column in picked["selection"]["cells"]:
            view.go(
                "app_pages/exceptions.py", **pivot.drill(table, dimension, row, column, business=business)
            )
    else:
        panels.nothing_due("No exception is open: nothing is stuck.")

left, right = st.columns([3, 2])
with left, panels.panel(
    "From then to now", look, key="bridge", fill=True,
    help_text="What was open one period earlier, what came, what went, what is open.",
):  # fmt: skip
    total = summary.stock(data.rows("open", **look.scope, before=look.before, dimension="owner"))
    if total.before or total.begun or total.now:
        st.plotly_chart(
            charts.roll_forward(total.before, total.begun, total.ended, total.now, look.period_name), key="bridge",
            config=charts.CONFIG, alt="Opening, new, resolved and closing number of exceptions",
        )  # fmt: skip
    else:
        panels.nothing_due("No exception in this period.")

with right, panels.panel("How old", look, key="ages", fill=True, help_text="Of the open exceptions."):
    rows = data.rows("aging", **look.scope, dimension="owner", business=business)
    if rows:
        ages = pivot.summary_of(rows)
        with st.grid(2, min_column_width=120, gap="small"):
            st.metric("Open", words.count(ages.items))
            st.metric("Oldest", words.plural(ages.oldest_days, "business day" if business else "day"))
            st.metric(
                f"Older than 90 {'business days' if business else 'days'}",
                words.percent(ages.over_90 / ages.items),
            )
        st.caption(f"Worth {words.money(ages.amounts)}" if ages.amounts else f"Worth: {panels.no_amount()}")
    else:
        panels.nothing_due("No exception is open.")
