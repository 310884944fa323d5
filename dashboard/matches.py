"""The matches of one record: with what it was matched, who decided, and the form in which people decide."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import streamlit as st

from core.errors import TieoutError
from dashboard import acting, data, tables, words
from dashboard.view import View
from reconcile.life import NOTE_CHARACTERS
from reconcile.matching.desk import MatchOutcome
from reconcile.matching.hand import LAST, HandAct, HandAction, HandDecision, HandState
from reconcile.matching.verbs import MatchRequest, MatchVerb
from reconcile.remote import Me

Row = Mapping[str, Any]

_NAMES = {
    MatchVerb.ACCEPT: "Accept the suggestion", MatchVerb.JOIN: "Match by hand", MatchVerb.UNDO: "Undo the match",
    MatchVerb.APPROVE: "Approve the match", MatchVerb.REFUSE: "Refuse the match", MatchVerb.WITHDRAW: "Withdraw the decision",
}  # fmt: skip
_NEEDS_REASON = (MatchVerb.JOIN, MatchVerb.UNDO)
_STATES = {
    HandState.REQUESTED: "Waits for somebody else to approve it", HandState.TOGETHER: "Matched by hand",
    HandState.APART: "Taken apart by hand: the rule does not match these again", HandState.OVER: "Over",
}  # fmt: skip
_RESULTS = {True: "passed", False: "failed", None: "waits"}
_MATCHED = ("matched", "matched_tol", "reversed")
_DIFFERING = ("partial", "mismatch", "duplicate")


@dataclass(frozen=True)
class _Choice:
    """Something that can be done: with `records` that stand together, or with a decision by hand on them."""

    verb: MatchVerb
    records: tuple[str, ...] = ()
    decision_id: str = ""

    def label(self) -> str:
        which = f": {' + '.join(self.records)}" if self.verb is not MatchVerb.JOIN else ""
        return _NAMES[self.verb] + which


@dataclass(frozen=True)
class _Matter:
    """What a match by hand starts from: the rule, the record of the page, and those that it differs from."""

    rule: str = ""
    own: str = ""
    others: tuple[str, ...] = ()


def draw(look: View, record: str) -> None:
    """A panel for each decision of a matching rule on the record with this key; none where no rule reads it."""
    rows = data.newest("matches", **look.scope, record=record)
    known_at = look.known_at if look.known_day_chosen else LAST
    for number, row in enumerate(rows):
        with st.container(border=True, key=f"panel-match-{number}"):
            st.subheader("Match", anchor=False, help="What it was matched with, by the rule or by people.")
            _decision(row)
            decided = data.by_hand(row["rule"], record, known_at)
            _people(decided)
            key = f"match-{row['rule']}-{record}-{number}"
            acting.told(key)
            if acting.able(look):
                _form(_matter(row, record), _choices(row, decided), key)


def waiting(look: View) -> None:
    """What waits for somebody to approve it, with the form to do so; nothing where nothing waits."""
    acting.told("waiting")
    asked = [one for one in data.requested(look.workflow.workflow) if one.state is HandState.REQUESTED]
    if not asked or look.known_day_chosen:
        return
    with st.container(border=True, key="panel-waiting"):
        st.subheader(
            "Matches that wait for approval",
            anchor=False,
            help="Asked for by hand, above what one may accept alone.",
        )
        _people(asked)
        choices = [
            _Choice(verb, tuple(":".join(place) for place in one.opening.members), one.decision_id)
            for one in asked
            for verb in (MatchVerb.APPROVE, MatchVerb.REFUSE, MatchVerb.WITHDRAW)
        ]
        if acting.able(look):
            _form(_Matter(), choices, "waiting")


def _decision(row: Row) -> None:
    state, difference = str(row["state"]).replace("_", " "), row["residual"]
    code = f" ({row['code']})" if row["code"] else ""
    st.text(
        f"{row['rule']}: {state}{code}"
        + (f", difference {words.amount(difference, row['currency'])}" if difference else "")
    )
    tables.draw(
        list(zip(row["legs"], row["records"], row["amounts"], strict=True)),
        {
            "Leg": lambda one: one[0], "Record": lambda one: one[1],
            "Amount": lambda one: None if one[2] is None else words.amount(one[2], row["currency"]),
        },
        rows_seen=10, alt="Records of the match",
    )  # fmt: skip
    if tests := json.loads(row["gates"] or "[]"):
        tables.draw(
            tests,
            {
                "Test": "name", "Expected": "expected", "Actual": "actual", "Allowed": "allowed",
                "Result": lambda test: _RESULTS[test["passed"]],
            },
            alt="Tests of the match",
        )  # fmt: skip
    if row["nearest"]:
        st.text(f"Nearest: {row['nearest']}")


def _people(decided: Sequence[HandDecision]) -> None:
    """What people decided, and what the rule had said."""
    acts = [(one, act) for one in decided for act in dict.fromkeys((one.opening, one.last))]
    if acts:
        tables.draw(
            acts,
            {
                "When": lambda one: one[1].known_at, "Act": lambda one: one[1].action, "Who": lambda one: one[1].actor,
                "Why": lambda one: " · ".join(part for part in (one[1].reason, one[1].note) if part),
                "Records": lambda one: _named(one[1]), "Difference": lambda one: words.amount(one[1].difference, one[1].currency),
                "Now": lambda one: _STATES[one[0].state], "The rule had said": lambda one: one[1].said,
            },
            alt="Decisions by hand, oldest first",
        )  # fmt: skip


def _form(matter: _Matter, choices: Sequence[_Choice], key: str) -> None:
    mine = acting.me()
    if not choices:
        return
    choice = st.selectbox("Decide", choices, format_func=_Choice.label, key=f"decide-{key}")
    choice = choice if choice in choices else choices[0]
    if choice.verb is MatchVerb.JOIN:
        st.text_input(
            "Together with", ", ".join(matter.others), key=f"with-{key}",
            placeholder="keys of the other records, with commas between",
        )  # fmt: skip
    if choice.verb is not MatchVerb.ACCEPT:
        codes = [*([] if choice.verb in _NEEDS_REASON else [""]), *mine.reasons]
        st.selectbox(
            "Reason for the decision", codes, key=f"why-{key}-{choice.verb}",
            format_func=lambda code: f"{code}: {mine.reasons[code]}" if code else "no code",
        )  # fmt: skip
    st.text_area("Note on the decision", key=f"about-{key}", max_chars=NOTE_CHARACTERS, height=80)
    _buttons(matter, choice, mine, key)
    st.caption(f"As {words.code(mine.actor)}, {mine.role}. It is kept with your name and the time.")


def _buttons(matter: _Matter, choice: _Choice, mine: Me, key: str) -> None:
    """A match by hand is looked at first: its button comes with the difference."""
    asked = (matter, mine.actor, key)
    looked = st.session_state.get(f"looked-{key}")
    if choice.verb is not MatchVerb.JOIN:
        st.button(
            _NAMES[choice.verb], key=f"go-{key}", type="primary", on_click=_do, args=(choice, *asked, None),
            icon=":material/check:",
        )  # fmt: skip
        return
    st.button("Show the difference", key=f"look-{key}", on_click=_look, args=asked)
    if looked and looked[0] == _others(key):
        outcome: MatchOutcome = looked[1]
        needs = outcome.action is HandAction.REQUESTED
        st.text(f"Difference: {words.amount(outcome.difference, outcome.currency)}")
        for test in outcome.accepted:
            st.text(f"You accept {test}")
        if needs:
            st.text("Somebody else has to approve this.")
        st.button(
            "Ask for approval" if needs else "Match by hand", key=f"go-{key}", type="primary", on_click=_do,
            args=(choice, *asked, outcome.difference), icon=":material/check:",
        )  # fmt: skip


def _matter(row: Row, record: str) -> _Matter:
    places = tuple(row["names"])
    own = next(place for place, name in zip(places, row["records"], strict=True) if name == record)
    others = tuple(place for place in places if place != own) if row["verdict"] in _DIFFERING else ()
    return _Matter(row["rule"], own, others)


def _choices(row: Row, decided: Sequence[HandDecision]) -> list[_Choice]:
    """What may come into question; whether it is allowed, the desk says."""
    places = tuple(row["names"])
    held = [one for one in decided if one.state in (HandState.REQUESTED, HandState.TOGETHER)]
    choices = []
    for one in decided:
        records = tuple(":".join(place) for place in one.opening.members)
        verbs = [MatchVerb.APPROVE, MatchVerb.REFUSE] if one.state is HandState.REQUESTED else []
        verbs += [] if one.state is HandState.OVER else [MatchVerb.WITHDRAW]
        choices += [_Choice(verb, records, one.decision_id) for verb in verbs]
        choices += [_Choice(MatchVerb.UNDO, records)] if one.state is HandState.TOGETHER else []
    if held or not row["pass"]:
        return choices
    options = json.loads(row["options"] or "[]") if row["verdict"] == "ambiguous" else []
    ways = [_way(row, option) for option in options] if options else [places]
    is_suggested = row["outcome"] == "suggest" and (options or row["verdict"] in _MATCHED)
    more = [_Choice(MatchVerb.ACCEPT, way) for way in ways] if is_suggested else []
    if len(places) > 1 and row["verdict"] in (*_MATCHED, *_DIFFERING):
        more.append(_Choice(MatchVerb.UNDO, places))
    if row["verdict"] not in _MATCHED:
        more.append(_Choice(MatchVerb.JOIN))
    return [*more, *choices]


def _look(matter: _Matter, actor: str, key: str) -> None:
    """Asks what a match by hand would be; nothing is done."""
    request = MatchRequest(MatchVerb.JOIN, (matter.own, *_others(key)), rule=matter.rule, dry_run=True)
    try:
        st.session_state[f"looked-{key}"] = (_others(key), acting.decide(request, actor))
    except TieoutError as error:
        st.session_state[f"told-{key}"] = ("refused", ["It cannot be matched like this.", str(error)])


def _do(choice: _Choice, matter: _Matter, actor: str, key: str, seen: Decimal | None) -> None:
    """Runs before the page is drawn again, so that it shows what became of it."""
    state = st.session_state
    records = (matter.own, *_others(key)) if choice.verb is MatchVerb.JOIN else choice.records
    if choice.decision_id:
        records = ()
    # A second click sends the same id: it is the same act.
    act_id = state.setdefault(f"act-id-{key}", uuid.uuid4().hex)
    request = MatchRequest(
        choice.verb, records, choice.decision_id, matter.rule if records else "", act_id,
        str(state.get(f"why-{key}-{choice.verb}", "")), str(state.get(f"about-{key}", "")).strip(), seen,
    )  # fmt: skip
    try:
        outcome = acting.decide(request, actor)
    except TieoutError as error:
        state[f"told-{key}"] = ("refused", ["Nothing was done.", str(error)])
        return
    for name in (f"act-id-{key}", f"looked-{key}", f"with-{key}"):
        state.pop(name, None)
    state[f"about-{key}"] = ""
    more = [f"Difference: {words.amount(outcome.difference, outcome.currency)}"] if outcome.difference else []
    done = f"{words.label_of(outcome.action)}: {' + '.join(outcome.records)}."
    state[f"told-{key}"] = ("done", [done, *more, "Figures and lists have it within seconds."])


def _others(key: str) -> tuple[str, ...]:
    """The other records that were named."""
    named = str(st.session_state.get(f"with-{key}", ""))
    return tuple(dict.fromkeys(part.strip() for part in named.split(",") if part.strip()))


def _way(row: Row, option: Sequence[str]) -> tuple[str, ...]:
    """One way of an ambiguous decision, each record with its leg; of a pair the first leg comes first."""
    legs = list(dict.fromkeys(row["legs"]))
    found = [
        [leg for leg, name in zip(row["legs"], row["records"], strict=True) if name == key] for key in option
    ]
    return tuple(
        f"{of_it[0] if len(of_it) == 1 else legs[min(number, len(legs) - 1)]}:{key}"
        for number, (key, of_it) in enumerate(zip(option, found, strict=True))
    )


def _named(act: HandAct) -> str:
    return " + ".join(":".join(place) for place in act.members)
