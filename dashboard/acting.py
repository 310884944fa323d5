"""What people do on the dashboard: who acts, what they may do, the form, and what became of it.

The dashboard decides nothing: it asks the process that holds the store, which checks everything again.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

import streamlit as st
from pydantic import SecretStr

from core.errors import TieoutError
from dashboard import data, words
from dashboard.names import ACTS_HEADER, ACTS_SIGN_IN, ACTS_TOKEN, ACTS_URL, ACTS_USER
from dashboard.view import View
from reconcile.acts import Outcome, Request
from reconcile.life import (
    NOTE_CHARACTERS,
    Act,
    Action,
    ActRefusedError,
    Life,
    Role,
    Standing,
    Status,
    possible,
)
from reconcile.matching.desk import AcceptOutcome, MatchOutcome
from reconcile.matching.verbs import AcceptRequest, MatchRequest
from reconcile.remote import Me, RemoteDesk

Row = Mapping[str, Any]

_NAMES = {
    Action.ACKNOWLEDGED: "Acknowledge", Action.ASSIGNED: "Assign", Action.COMMENTED: "Comment",
    Action.EXPLAINED: "Explain", Action.WAIVER_REQUESTED: "Ask for a waiver", Action.WAIVED: "Approve the waiver",
    Action.WAIVER_REFUSED: "Refuse the waiver", Action.RESOLVED: "Resolve", Action.REOPENED: "Reopen",
}  # fmt: skip
_NEEDS_REASON = (Action.EXPLAINED, Action.WAIVER_REQUESTED)
_MAY_HAVE_REASON = (*_NEEDS_REASON, Action.RESOLVED)
# Refusals named one by one; more of them are counted.
_TOLD = 3


@dataclass(frozen=True)
class _Tokens:
    """Where acts are done, and the dashboard's token for it."""

    url: str
    token: str


def who() -> str:
    """Who acts in this session: never what somebody typed. Empty when it is not known, or the dashboard only shows."""
    if os.environ.get(ACTS_SIGN_IN):
        return str(st.user.get("email") or "") if st.user.get("is_logged_in") else ""
    if header := os.environ.get(ACTS_HEADER):
        return str(st.context.headers.get(header) or "").strip()[:128]
    return os.environ.get(ACTS_USER, "")


def able(look: View) -> bool:
    """Whether this session can act on what it looks at. An earlier time can only be looked at."""
    if not who() or _place() is None:
        return False
    if look.known_day_chosen:
        return False
    try:
        return me().role is not Role.VIEWER
    except TieoutError:
        return False


def me() -> Me:
    """What who acts may do. Raises TieoutError."""
    place = _place()
    assert place is not None  # noqa: S101 - callers look first
    return _me(place.url, place.token, who())


@st.cache_data(ttl="10s", max_entries=100, show_spinner=False)
def _me(url: str, token: str, actor: str) -> Me:
    return _desk(url, token).me(actor)


@st.cache_resource(show_spinner=False)
def _desk(url: str, token: str) -> RemoteDesk:
    return RemoteDesk(url, SecretStr(token))


def _place() -> _Tokens | None:
    url, token = os.environ.get(ACTS_URL), os.environ.get(ACTS_TOKEN)
    return _Tokens(url, token) if url and token else None


def form(rows: Sequence[Row], key: str) -> None:
    """What can be done with `rows`, by whom, and a button that does it."""
    mine = me()
    acts = _possible(rows, mine)
    with st.container(border=True, key=f"acts-{key}"):
        if not acts:
            st.caption(f"{mine.actor} ({mine.role}) can do nothing with it as it stands.")
            return
        if len(rows) > 1:
            st.markdown(f"**{words.plural(len(rows), 'exception')}** ticked")
        with st.grid(2, min_column_width=200, gap="small"):
            action = st.selectbox("Do", acts, format_func=_NAMES.__getitem__, key=f"act-{key}")
            action = action if action in acts else acts[0]
            _fields(action, mine, key)
        st.text_area("Note", key=f"note-{key}", max_chars=NOTE_CHARACTERS, height=80)
        # A second click sends the same id: it is the same act.
        act_id = st.session_state.setdefault(f"act-id-{key}", uuid.uuid4().hex)
        seen = {str(row["exception_id"]): int(row["version"]) for row in rows}
        lacking = _lacking(action, key)
        st.button(
            _NAMES[action], key=f"do-{key}", type="primary", on_click=_do, args=(action, seen, act_id, key, mine.actor),
            icon=":material/check:", disabled=bool(lacking), help=lacking or None,
        )  # fmt: skip
        st.caption(f"As {words.code(mine.actor)}, {mine.role}. It is kept with your name and the time.")


def decide(request: MatchRequest, actor: str) -> MatchOutcome:
    """Decides on a match by hand, or says what that would do. Raises TieoutError."""
    place = _place()
    if place is None or who() != actor:
        raise ActRefusedError("person", "You are no longer signed in as the same person.")
    outcome = _desk(place.url, place.token).match(request, actor)
    if not request.dry_run:
        data.forget()
    return outcome


def accept_all(request: AcceptRequest, actor: str) -> list[AcceptOutcome]:
    """Accepts several suggestions. Raises TieoutError."""
    place = _place()
    if place is None or who() != actor:
        raise ActRefusedError("person", "You are no longer signed in as the same person.")
    outcomes = _desk(place.url, place.token).accept_all(request, actor)
    data.forget()
    return outcomes


def told(key: str) -> None:
    """What became of the last act of this session."""
    outcome = st.session_state.pop(f"told-{key}", None)
    if outcome is None:
        return
    kind, lines = outcome
    box = st.success if kind == "done" else st.warning
    box(lines[0], icon=":material/check_circle:" if kind == "done" else ":material/block:")
    for line in lines[1:]:
        st.text(line)


def _possible(rows: Sequence[Row], mine: Me) -> list[Action]:
    """Acts that are allowed on at least one of the rows, in the order of the names above."""
    allowed = {action for row in rows for action in possible(_standing(row), mine.actor, mine.role)}
    return [action for action in _NAMES if action in allowed]


def _standing(row: Row) -> Standing:
    """How a row of the work list stands. Whether its evidence came meanwhile, the desk knows."""
    at = datetime.min.replace(tzinfo=UTC)
    telling = Act("", str(row["exception_id"]), Action.COMMENTED, at, at, str(row["last_actor"]))
    life = Life(Status(row["status"]), int(row["version"]), telling=telling, lapsed=bool(row["lapsed"]))
    is_over = row.get("cleared_at") is not None
    return Standing(life, is_failing=not is_over, is_over=is_over)


def _lacking(action: Action, key: str) -> str:
    """What must be chosen before this can be done; empty when nothing is missing."""
    if action in _NEEDS_REASON and not st.session_state.get(f"reason-{key}-{action}"):
        return "Choose a reason first."
    return ""


def _fields(action: Action, mine: Me, key: str) -> None:
    """The fields that this act takes; what they hold is read from the session when the button is pressed."""
    if action is Action.ASSIGNED:
        st.text_input("To", key=f"to-{key}", max_chars=128, placeholder="a person or a team")
    if action in _MAY_HAVE_REASON:
        choose_reason("Reason", mine, f"reason-{key}-{action}", needed=action in _NEEDS_REASON)
    today = data.clock.now().date()
    if action is Action.ACKNOWLEDGED:
        st.date_input(
            "Until the end of", today + timedelta(days=7), min_value=today, key=f"until-{key}-{action}"
        )
    if action is Action.WAIVER_REQUESTED:
        st.date_input(
            "Until the end of", today + timedelta(days=30), min_value=today, key=f"until-{key}-{action}"
        )


def _do(action: Action, seen: Mapping[str, int], act_id: str, key: str, actor: str) -> None:
    """Runs before the page is drawn again, so that it shows what became of it."""
    place = _place()
    # Between drawing and clicking somebody else may have signed in.
    if place is None or who() != actor:
        st.session_state[f"told-{key}"] = ("refused", ["You are no longer signed in as the same person."])
        return
    state = st.session_state
    reason = str(state.get(f"reason-{key}-{action}") or "")
    request = Request(
        action, tuple(seen), act_id, seen, str(state.get(f"to-{key}", "")).strip() if action is Action.ASSIGNED else "",
        reason, str(state.get(f"note-{key}", "")).strip(),
        _end_of(state.get(f"until-{key}-{action}")),
    )  # fmt: skip
    try:
        outcomes = _desk(place.url, place.token).do(request, actor)
    except TieoutError as error:
        state[f"told-{key}"] = ("refused", ["Nothing was done.", str(error)])
        return
    state[f"told-{key}"] = _summary(action, outcomes)
    if any(outcome.done for outcome in outcomes):
        state.pop(f"act-id-{key}", None)
        state[f"note-{key}"] = ""
        state.pop(f"to-{key}", None)
    data.forget()


def choose_reason(title: str, mine: Me, key: str, *, needed: bool) -> None:
    """A reason code, under `key` of the session; nothing is chosen before somebody chooses it."""
    st.selectbox(
        title, list(mine.reasons), None, key=key, format_func=lambda code: f"{code}: {mine.reasons[code]}",
        placeholder="choose why" if needed else "none",
    )  # fmt: skip


def _end_of(day: Any) -> datetime | None:
    return datetime.combine(day, time.max, tzinfo=UTC) if day else None


def _summary(action: Action, outcomes: Sequence[Outcome]) -> tuple[str, list[str]]:
    done = sum(outcome.done for outcome in outcomes)
    refused = [outcome for outcome in outcomes if not outcome.done]
    name = words.label_of(action)
    if not refused:
        return "done", [f"{name}: {words.plural(done, 'exception')}." if len(outcomes) > 1 else f"{name}."]
    head = f"{name}: {done} done, {len(refused)} refused." if len(outcomes) > 1 else "Nothing was done."
    why = [f"{one.exception_id[:8]}…: {one.why}" if len(outcomes) > 1 else one.why for one in refused]
    return "refused", [head, *first(why)]


def first(lines: Sequence[str]) -> list[str]:
    """Some of the lines, and how many more there are."""
    more = [f"and {len(lines) - _TOLD} more"] if len(lines) > _TOLD else []
    return [*lines[:_TOLD], *more]
