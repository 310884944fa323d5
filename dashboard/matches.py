"""The matches of one record: with what it was matched, who decided, and the form in which people decide."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import streamlit as st

from core.errors import TieoutError
from dashboard import acting, data, states, tables, words
from dashboard.view import View
from reconcile.items import event_name
from reconcile.life import NOTE_CHARACTERS
from reconcile.matching.compare import would_match
from reconcile.matching.desk import MatchOutcome
from reconcile.matching.hand import LAST, HandAct, HandAction, HandDecision, HandState
from reconcile.matching.records import Gate
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
# Panels drawn for one object; more decisions than this are counted.
_MOST = 5
_MATCHED = ("matched", "matched_tol", "reversed")
_DIFFERING = ("partial", "mismatch", "duplicate")


@dataclass(frozen=True)
class _Choice:
    """Something that can be done: with `records` that stand together, or with a decision by hand on them."""

    verb: MatchVerb
    records: tuple[str, ...] = ()
    decision_id: str = ""

    def label(self, named: Callable[[str], str], *, alone: bool) -> str:
        """What the choice is called; its records stand beside where another choice is of the same kind."""
        several = "" if alone else f": {' + '.join(map(named, self.records))}"
        return _NAMES[self.verb] + several


@dataclass(frozen=True)
class _Matter:
    """What a match by hand starts from: the rule, the record of the page, those that it differs from, and what is near."""

    rule: str = ""
    own: str = ""
    others: tuple[str, ...] = ()
    near: tuple[str, ...] = ()


def draw(look: View, records: tuple[str, ...], first: str = "") -> None:
    """A panel for each decision of a matching rule on records with these keys, that of the rule `first` before the others.

    None where no rule reads them.
    """
    found = data.newest("matches", **look.scope, records=list(records))
    rows = sorted(found, key=lambda row: row["rule"] != first)
    known_at = look.known_at if look.known_day_chosen else LAST
    for number, row in enumerate(rows[:_MOST]):
        record = next(name for name in row["records"] if name in records)
        with st.container(border=True, key=f"panel-match-{number}"):
            st.subheader(
                "Match",
                anchor=False,
                help="What it was matched with, by the rule or by people, and what was compared.",
            )
            names = _Names(look, row)
            _decision(look, row, names)
            near = (
                data.near(row["rule"], row["version"], record, look.as_of, look.known_at)
                if row["failing"]
                else []
            )
            _nearest(look, row, near)
            decided = data.by_hand(row["rule"], record, known_at)
            _people(decided)
            key = f"match-{row['rule']}-{record}-{number}"
            acting.told(key)
            if acting.able(look):
                _form(_matter(row, record, near), _choices(row, decided), key, names.of)
    if len(rows) > _MOST:
        st.caption(
            f"and {words.plural(len(rows) - _MOST, 'more match', 'more matches')}: `tieout match explain KEY` shows them all."
        )


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
            _form(_Matter(), choices, "waiting", str)


class _Names:
    """What people call the records of a decision: their keys, or of an event its step and what it is about."""

    def __init__(self, look: View, row: Row) -> None:
        self._workflow = look.workflow
        self._events = data.events(look.workflow.workflow, tuple(row["records"]))

    @property
    def has_events(self) -> bool:
        """Whether some of the records are events, whose keys say nothing to people."""
        return bool(self._events)

    def of_key(self, key: str) -> str:
        """By its key."""
        return event_name(self._workflow, self._events[key]) if key in self._events else key

    def of(self, place: str) -> str:
        """By leg and key, as the record stands in a request."""
        leg, _, key = place.partition(":")
        return f"{leg}: {self.of_key(key)}"

    def when(self, key: str) -> datetime | None:
        """When an event happened, UTC."""
        return self._events[key]["occurred_at"] if key in self._events else None


def _decision(look: View, row: Row, names: _Names) -> None:
    """What was decided, of which records, by which tests, and what the difference is put down to."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        states.badge(row["state"])
        st.text(look.title_of(row["rule"]), width="content")
    st.text(_sentence(look, row))
    dated = {"When": lambda one: names.when(one[1])} if names.has_events else {}
    tables.draw(
        list(zip(row["legs"], row["records"], row["amounts"], strict=True)),
        {
            "Leg": lambda one: words.label_of(one[0]), "Record": lambda one: names.of_key(one[1]),
            "Amount": lambda one: None if one[2] is None else words.amount(one[2], row["currency"]), **dated,
            **({"Id": lambda one: one[1]} if names.has_events else {}),
        },
        rows_seen=10, alt="Records of the match",
    )  # fmt: skip
    if tests := json.loads(row["gates"] or "[]"):
        tables.draw(
            tests,
            {
                "Test": lambda test: words.label_of(test["name"]), "Expected": lambda test: words.number_text(test["expected"]),
                "Actual": lambda test: words.number_text(test["actual"]),
                "Allowed difference": lambda test: words.number_text(test["allowed"] or ""),
                "Result": lambda test: _RESULTS[test["passed"]],
            },
            alt="Tests of the match",
        )  # fmt: skip
    causes = {cause: value for cause, value in row["variance"].items() if value}
    if causes:
        parts = ", ".join(
            f"{words.label_of(cause).lower()} {words.amount(value, row['currency'])}"
            for cause, value in causes.items()
        )
        st.text(f"The difference by cause: {parts}.")


def _sentence(look: View, row: Row) -> str:
    """What is so, in words: the meaning of the state, the code, and the difference."""
    parts = [states.meaning(row["state"])]
    if row["code"] and row["code"] != row["state"]:
        parts.append(f"Code {row['code']}: {states.code_meaning(row['code'])}.")
    if row["state"] in ("MISSING", "ORPHAN", "NOT_DUE", "IN_FLIGHT") and row["field"]:
        members = tuple(zip(row["legs"], row["records"], strict=True))
        window = data.window(row["rule"], row["version"], row["field"], members, look.as_of, look.known_at)
        by = f" ({window})" if window else ""
        parts.append(f"Waits for {row['field']}, due {words.at(row['due_at'])}{by}.")
    if row["residual"]:
        parts.append(f"Difference: {words.amount(row['residual'], row['currency'])}.")
    return " ".join(part for part in parts if part)


def _nearest(look: View, row: Row, near: Sequence[Row]) -> None:
    """What came nearest, and what change would have matched."""
    for test in json.loads(row["gates"] or "[]"):
        if test["passed"] is False:
            st.text(f"It would have matched but for this: {would_match(_gate(test))}.")
    if row["nearest"]:
        st.text(f"Nearest: {row['nearest']}")
    if near:
        found = data.events(look.workflow.workflow, tuple(one["record"] for one in near))
        st.markdown("**What nearly belongs to it**")
        tables.draw(
            near,
            {
                "Leg": lambda one: words.label_of(one["leg"]),
                "Record": lambda one: event_name(look.workflow, found[one["record"]]) if one["record"] in found else one["record"],
                "Amount": lambda one: None if one["amount"] is None else words.amount(one["amount"], row["currency"]),
                "Day": lambda one: words.day(one["day"]),
                "Would match": lambda one: one["would_match"].partition(": tieout")[0],
            },
            alt="Nearest records",
        )  # fmt: skip


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


def _gate(told: Row) -> Gate:
    """A test as it stands in a row: its numbers are text there."""
    numbers = {
        name: None if told[name] is None else Decimal(told[name]) for name in ("difference", "allowed")
    }
    return Gate(**{**told, **numbers})


def _form(matter: _Matter, choices: Sequence[_Choice], key: str, named: Callable[[str], str]) -> None:
    mine = acting.me()
    if not choices:
        return
    kinds = Counter(choice.verb for choice in choices)
    choice = st.selectbox(
        "Decide",
        choices,
        format_func=lambda one: one.label(named, alone=kinds[one.verb] == 1),
        key=f"decide-{key}",
    )
    choice = choice if choice in choices else choices[0]
    if choice.verb is MatchVerb.JOIN:
        st.multiselect(
            "Together with", list(dict.fromkeys([*matter.others, *matter.near])), list(matter.others), format_func=named,
            key=f"with-{key}", accept_new_options=True, placeholder="choose, or type keys of other records",
            help="Of the other side; or of the same one, when they cancel each other.",
        )  # fmt: skip
    if choice.verb is not MatchVerb.ACCEPT:
        acting.choose_reason(
            "Reason for the decision", mine, f"why-{key}-{choice.verb}", needed=choice.verb in _NEEDS_REASON
        )
    st.text_area("Note on the decision", key=f"about-{key}", max_chars=NOTE_CHARACTERS, height=80)
    _buttons(matter, choice, mine, key)
    st.caption(f"As {words.code(mine.actor)}, {mine.role}. It is kept with your name and the time.")


def _buttons(matter: _Matter, choice: _Choice, mine: Me, key: str) -> None:
    """A match by hand is looked at first: its button comes with the difference."""
    asked = (matter, mine.actor, key)
    looked = st.session_state.get(f"looked-{key}")
    unsaid = choice.verb in _NEEDS_REASON and not st.session_state.get(f"why-{key}-{choice.verb}")
    if choice.verb is not MatchVerb.JOIN:
        st.button(
            _NAMES[choice.verb], key=f"go-{key}", type="primary", on_click=_do, args=(choice, *asked, None),
            icon=":material/check:", disabled=unsaid, help="Choose a reason first." if unsaid else None,
        )  # fmt: skip
        return
    st.button("Show the difference", key=f"look-{key}", on_click=_look, args=asked, disabled=not _others(key))
    if looked and looked[0] == _others(key):
        outcome: MatchOutcome = looked[1]
        needs = outcome.action is HandAction.REQUESTED
        if outcome.is_cancelling:
            st.text("All of them are of one leg: they cancel each other.")
        st.text(f"Difference: {words.amount(outcome.difference, outcome.currency)}")
        for test in outcome.accepted:
            st.text(f"You accept {test}")
        if needs:
            st.text("Somebody else has to approve this.")
        st.button(
            "Ask for approval" if needs else "Match by hand", key=f"go-{key}", type="primary", on_click=_do,
            args=(choice, *asked, outcome.difference), icon=":material/check:", disabled=unsaid,
            help="Choose a reason first." if unsaid else None,
        )  # fmt: skip


def _matter(row: Row, record: str, near: Sequence[Row]) -> _Matter:
    places = tuple(row["names"])
    own = next(place for place, name in zip(places, row["records"], strict=True) if name == record)
    others = tuple(place for place in places if place != own) if row["verdict"] in _DIFFERING else ()
    return _Matter(row["rule"], own, others, tuple(f"{one['leg']}:{one['record']}" for one in near))


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
        str(state.get(f"why-{key}-{choice.verb}") or ""), str(state.get(f"about-{key}", "")).strip(), seen,
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
    """The other records that were named; several may be typed at once, with commas between."""
    named = st.session_state.get(f"with-{key}") or ()
    return tuple(
        dict.fromkeys(part.strip() for name in named for part in str(name).split(",") if part.strip())
    )


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
