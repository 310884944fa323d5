"""What matching rules suggest and nobody has decided yet: a list to tick, accepted together."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.errors import TieoutError
from dashboard import acting, data, tables, words
from dashboard.view import View
from reconcile.items import event_name
from reconcile.life import NOTE_CHARACTERS
from reconcile.matching.desk import AcceptOutcome
from reconcile.matching.hand import LAST
from reconcile.matching.verbs import AcceptRequest

Row = Mapping[str, Any]

# So many are read at once; those accepted make room for the next.
MOST = 200
_KEY = "suggested"


def draw(look: View) -> None:
    """The list with a form to accept what is ticked; nothing where nothing is suggested."""
    acting.told(_KEY)
    if not look.matching:
        return
    known_at = look.known_at if look.known_day_chosen else LAST
    rows = data.suggested(look.workflow.workflow, look.as_of, known_at, MOST)
    if not rows:
        return
    with st.container(border=True, key="panel-suggested"):
        st.subheader(
            "Suggested matches",
            anchor=False,
            help="Records that agree by a rule which leaves the decision to people; the smallest difference first.",
        )
        more = ", those with the smallest differences" if len(rows) == MOST else ""
        st.markdown(f"**{words.plural(len(rows), 'suggestion')}**{more}")
        form = st.container()
        able = acting.able(look)
        found = data.events(
            look.workflow.workflow, tuple(sorted({key for row in rows for key in row["records"]}))
        )
        chosen = tables.draw(
            rows,
            {
                "Records": lambda row: _named(look, row, found), "Difference": lambda row: words.amount(row["residual"], row["currency"]),
                "Amount": lambda row: _amount(row), "Rule": lambda row: look.title_of(row["rule"]), "Owner": "owner", "Since": "opened_at",
            },
            key="suggestion", rows_seen=10, alt="Suggested matches",
            select=(lambda row: f"{row['rule']} {' + '.join(row['names'])}") if able else None,
        )  # fmt: skip
        with form:
            if chosen:
                _form(chosen)
            elif able:
                st.caption(
                    "Tick those that are right to accept them together; a record's own page has the other ways."
                )


def _named(look: View, row: Row, events: Mapping[str, Row]) -> str:
    """The records of a suggestion as people call them."""
    return " + ".join(
        event_name(look.workflow, events[key]) if key in events else key for key in row["records"]
    )


def _form(rows: Sequence[Row]) -> None:
    mine = acting.me()
    st.text_area("Note on the decisions", key=f"note-{_KEY}", max_chars=NOTE_CHARACTERS, height=80)
    st.button(
        f"Accept {words.plural(len(rows), 'suggestion')}", key=f"go-{_KEY}", type="primary", icon=":material/check:",
        on_click=_do, args=([(str(row["rule"]), tuple(row["names"])) for row in rows], mine.actor),
    )  # fmt: skip
    st.caption(f"As {words.code(mine.actor)}, {mine.role}. They are kept with your name and the time.")


def _do(chosen: Sequence[tuple[str, tuple[str, ...]]], actor: str) -> None:
    """Runs before the page is drawn again, so that it shows what became of it."""
    state = st.session_state
    by_rule: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for rule, names in chosen:
        by_rule[rule].append(names)
    # A second click sends the same id: it is the same act.
    act_id = state.setdefault(f"act-id-{_KEY}", uuid.uuid4().hex)
    note = str(state.get(f"note-{_KEY}", "")).strip()
    outcomes: list[AcceptOutcome] = []
    try:
        for rule, suggestions in by_rule.items():
            outcomes += acting.accept_all(AcceptRequest(rule, tuple(suggestions), act_id, note), actor)
    except TieoutError as error:
        state[f"told-{_KEY}"] = ("refused", [_counted(outcomes), str(error)])
        return
    state.pop(f"act-id-{_KEY}", None)
    state[f"note-{_KEY}"] = ""
    refused = [one for one in outcomes if not one.done]
    lines = [_counted(outcomes), *acting.first([f"{' + '.join(one.records)}: {one.why}" for one in refused])]
    told = ("refused", lines) if refused else ("done", [*lines, "Figures and lists have it within seconds."])
    state[f"told-{_KEY}"] = told


def _counted(outcomes: Sequence[AcceptOutcome]) -> str:
    done = sum(one.done for one in outcomes)
    refused = len(outcomes) - done
    if not done:
        return "Nothing was done."
    return f"Accepted: {words.plural(done, 'suggestion')}" + (f", {refused} refused." if refused else ".")


def _amount(row: Row) -> str:
    """What the records of the first leg are worth."""
    known = [
        amount
        for leg, amount in zip(row["legs"], row["amounts"], strict=True)
        if leg == row["legs"][0] and amount is not None
    ]
    return words.amount(sum(known) if known else None, row["currency"])
