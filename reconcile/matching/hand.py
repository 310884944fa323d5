"""What people decide on matches by hand, as acts; and where that leaves each record, at any known time.

Pure. A decision joins records that belong together or takes apart some that do not. Acts have no business time:
what they say holds for every business time from the moment they were done.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from reconcile.matching.records import Record

Identity = tuple[str, str]
Sets = tuple[frozenset[Identity], ...]

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(2299, 1, 1, tzinfo=UTC)


class HandAction(StrEnum):
    """What can be done. The first four make a decision, the others are about one."""

    JOINED = "joined"
    ACCEPTED = "accepted"
    REQUESTED = "requested"
    UNDONE = "undone"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class HandState(StrEnum):
    """Where a decision stands: waits for approval, records are together, records are apart, or it is over."""

    REQUESTED = "requested"
    TOGETHER = "together"
    APART = "apart"
    OVER = "over"


_OPENS = {
    HandAction.JOINED: HandState.TOGETHER, HandAction.ACCEPTED: HandState.TOGETHER,
    HandAction.REQUESTED: HandState.REQUESTED, HandAction.UNDONE: HandState.APART,
}  # fmt: skip
_LEADS = {
    HandAction.APPROVED: HandState.TOGETHER, HandAction.REFUSED: HandState.OVER,
    HandAction.WITHDRAWN: HandState.OVER,
}  # fmt: skip


@dataclass(frozen=True)
class Accepted:
    """A test that failed when records were joined, and what both sides said: that much was accepted, and no more."""

    name: str
    expected: str
    actual: str


@dataclass(frozen=True)
class HandAct:
    """One row of the table `match_acts`; every act on a decision names its records.

    `difference`: actual less expected money, None when not known. `said`: what the rule had decided of them.
    """

    act_id: str
    decision_id: str
    action: HandAction
    rule: str
    workflow: str
    known_at: datetime
    actor: str
    members: tuple[Identity, ...]
    amounts: tuple[Decimal | None, ...] = ()
    reason: str = ""
    note: str = ""
    difference: Decimal | None = None
    currency: str = ""
    accepted: tuple[Accepted, ...] = ()
    said: str = ""


@dataclass(frozen=True)
class HandDecision:
    """A decision by hand as it stands. `opening` made it, `last` is the newest act on it."""

    state: HandState
    opening: HandAct
    last: HandAct

    @property
    def decision_id(self) -> str:
        return self.opening.decision_id

    @property
    def members(self) -> frozenset[Identity]:
        return frozenset(self.opening.members)

    @property
    def approved_by(self) -> str:
        """Who approved it; empty when nobody had to, or it is no longer so."""
        return self.last.actor if self.last.action is HandAction.APPROVED else ""


@dataclass(frozen=True)
class Turn:
    """Where a record was from one known time until before another: in the decision `place`, or free when it is empty.

    `places`: all decisions it was in up to then.
    """

    record: Identity
    since: datetime
    until: datetime
    place: str
    places: tuple[str, ...] = ()


def order(act: HandAct) -> tuple[datetime, str]:
    """Acts count in the order they were done in; the id only makes the order total."""
    return act.known_at, act.act_id


def are_apart(apart: Sets, records: Iterable[Record]) -> bool:
    """Whether all records of a set that people took apart are among these."""
    there = {(one.leg, one.key) for one in records}
    return any(members <= there for members in apart)


def are_named(apart: Sets, records: Iterable[Record]) -> bool:
    """Whether any of these records is in a set that people took apart."""
    there = {(one.leg, one.key) for one in records}
    return any(members & there for members in apart)


def are_of_one_leg(members: Iterable[Identity]) -> bool:
    """Whether these can only cancel each other, as no other leg is among them."""
    return len({leg for leg, _ in members}) == 1


class Hand:
    """The acts on one rule, in whatever order they are given. The same act twice is one act."""

    def __init__(self, acts: Iterable[HandAct] = ()) -> None:
        self.acts = tuple(sorted({act.act_id: act for act in acts}.values(), key=order))

    def decisions(self, known_at: datetime = LAST) -> dict[str, HandDecision]:
        """The decisions made by K as they stood then, the oldest first."""
        found: dict[str, HandDecision] = {}
        for act in self.acts:
            if act.known_at <= known_at:
                take(found, act)
        return found

    def apart(self, known_at: datetime, records: Iterable[Identity]) -> Sets:
        """Sets of these records that no rule may join, as known at K."""
        if not self.acts:
            return ()
        there = frozenset(records)
        spells = {spell for record in there for spell in self._apart.get(record, ())}
        standing = {
            members for members, since, until in spells if since <= known_at < until and members <= there
        }
        return tuple(sorted(standing, key=sorted))

    @cached_property
    def _apart(self) -> dict[Identity, list[tuple[frozenset[Identity], datetime, datetime]]]:
        """By record: the sets with it that were taken apart, and from when until when."""
        found: dict[Identity, list[tuple[frozenset[Identity], datetime, datetime]]] = defaultdict(list)
        for one in self.decisions().values():
            if one.opening.action is not HandAction.UNDONE:
                continue
            until = LAST if one.state is HandState.APART else one.last.known_at
            for record in one.members:
                found[record].append((one.members, one.opening.known_at, until))
        return found

    def turns(self) -> list[Turn]:
        """Where each record that an act names was, at every known time; a new turn begins with each act on it."""
        now: dict[Identity, Turn] = {}
        found: dict[str, HandDecision] = {}
        turns = []
        for act in self.acts:
            take(found, act)
            for record in act.members:
                last, place = now.get(record, Turn(record, FIRST, LAST, "")), _place(found, record)
                turns.append(replace(last, until=act.known_at))
                places = (*last.places, place) if place and place not in last.places else last.places
                now[record] = Turn(record, act.known_at, LAST, place, places)
        return [*turns, *now.values()]


def take(found: dict[str, HandDecision], act: HandAct) -> None:
    """Adds an act to the decisions before it."""
    if act.action in _OPENS:
        if act.action is HandAction.UNDONE:
            for name in [name for name, one in found.items() if _ends(one, act)]:
                found[name] = replace(found[name], state=HandState.OVER, last=act)
        found[act.decision_id] = HandDecision(_OPENS[act.action], act, act)
    elif act.decision_id in found:
        found[act.decision_id] = replace(found[act.decision_id], state=_LEADS[act.action], last=act)


def _ends(one: HandDecision, act: HandAct) -> bool:
    return one.state is HandState.TOGETHER and one.members == frozenset(act.members)


def _place(found: Mapping[str, HandDecision], record: Identity) -> str:
    """The newest decision that has the record; what is checked before acts are stored lets no two have it."""
    places = [
        name for name, one in found.items() if one.state is HandState.TOGETHER and record in one.members
    ]
    return places[-1] if places else ""
