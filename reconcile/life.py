"""The life of an exception: which act is allowed in which state and to whom, and what state acts lead to.

Pure. Everything that changes an exception asks here, the command line and the dashboard alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from core.errors import TieoutError


class Role(StrEnum):
    """What a person may do; each may do all that those before it may."""

    VIEWER = "viewer"
    WORKER = "worker"
    APPROVER = "approver"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Whether this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Status(StrEnum):
    """Where an exception stands. Evidence that arrives makes it resolved whatever people said."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    EXPLAINED = "explained"
    WAIVER_REQUESTED = "waiver_requested"
    WAIVED = "waived"
    RESOLVED = "resolved"


class Action(StrEnum):
    """What can be done. `lapsed` is tieout's own: an acknowledgement or a waiver ended by itself."""

    ASSIGNED = "assigned"
    ACKNOWLEDGED = "acknowledged"
    COMMENTED = "commented"
    EXPLAINED = "explained"
    WAIVER_REQUESTED = "waiver_requested"
    WAIVED = "waived"
    WAIVER_REFUSED = "waiver_refused"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    LAPSED = "lapsed"


@dataclass(frozen=True)
class Move:
    """Where an act leads (null: the state stays) and the least role for it."""

    to: Status | None
    role: Role


_WORK = Role.WORKER
_STAYS = Move(None, _WORK)
_UNTOUCHED = (Status.OPEN, Status.ACKNOWLEDGED, Status.EXPLAINED)
_UNRESOLVED = tuple(status for status in Status if status is not Status.RESOLVED)

# The whole machine: an act that is not here is not allowed.
MOVES: Mapping[tuple[Action, Status], Move] = {
    **{(Action.ASSIGNED, status): _STAYS for status in _UNRESOLVED},
    **{(Action.COMMENTED, status): _STAYS for status in Status},
    (Action.ACKNOWLEDGED, Status.OPEN): Move(Status.ACKNOWLEDGED, _WORK),
    (Action.ACKNOWLEDGED, Status.ACKNOWLEDGED): Move(Status.ACKNOWLEDGED, _WORK),
    **{(Action.EXPLAINED, status): Move(Status.EXPLAINED, _WORK) for status in _UNTOUCHED},
    **{(Action.WAIVER_REQUESTED, status): Move(Status.WAIVER_REQUESTED, _WORK) for status in _UNTOUCHED},
    (Action.WAIVED, Status.WAIVER_REQUESTED): Move(Status.WAIVED, Role.APPROVER),
    (Action.WAIVER_REFUSED, Status.WAIVER_REQUESTED): Move(Status.OPEN, _WORK),
    **{(Action.RESOLVED, status): Move(Status.RESOLVED, _WORK) for status in _UNRESOLVED},
    **{(Action.REOPENED, status): Move(Status.OPEN, _WORK) for status in (
        Status.ACKNOWLEDGED, Status.EXPLAINED, Status.RESOLVED)},
    # What two people agreed on is not for one worker to undo.
    (Action.REOPENED, Status.WAIVED): Move(Status.OPEN, Role.APPROVER),
    (Action.LAPSED, Status.ACKNOWLEDGED): Move(Status.OPEN, Role.ADMIN),
    (Action.LAPSED, Status.WAIVED): Move(Status.OPEN, Role.ADMIN),
    # What has ended by itself is open already when tieout writes down that it has.
    (Action.LAPSED, Status.OPEN): Move(Status.OPEN, Role.ADMIN),
}  # fmt: skip

# Acts that say something of the state; the others leave it as it is.
TELLING = frozenset(action for (action, _), move in MOVES.items() if move.to is not None)
# What ends by itself at `until`.
ENDING = (Status.ACKNOWLEDGED, Status.WAIVED)
# Exceptions one person may act on at once.
MOST_AT_ONCE = {Role.VIEWER: 0, Role.WORKER: 500, Role.APPROVER: 5_000, Role.ADMIN: 100_000}
# What a person may write to an act.
NOTE_CHARACTERS = 4_000
# Two acts on one thing are at least this far apart, whatever the clock does: their order is their meaning.
TICK = timedelta(microseconds=1)
# tieout itself, as an actor. No person can have this name.
MACHINE = "tieout"

# Business time V that a workflow's figures speak of at present.
Present = Callable[[str, datetime], datetime]


class ActRefusedError(TieoutError):
    """An act is not allowed as things stand; the text says why and what can be done. Nothing was changed.

    `code`: role, person, state, changed, needs, reason, over, unknown, repeated.
    """

    exit_code = 2

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Act:
    """One row of the table `exceptions`. `amount`, `currency` and `failures` are what it was worth when taken on."""

    act_id: str
    exception_id: str
    action: Action
    at: datetime
    known_at: datetime
    actor: str
    owner: str = ""
    reason: str = ""
    note: str = ""
    until: datetime | None = None
    amount: Decimal | None = None
    currency: str = ""
    failures: int = 0


@dataclass(frozen=True)
class Life:
    """What people's acts make of an exception. `version` counts the acts that are no comments.

    `telling` is the act that the status comes from, `lapsed` whether that one ended by itself.
    """

    status: Status = Status.OPEN
    version: int = 0
    assignee: str = ""
    telling: Act | None = None
    last: Act | None = None
    lapsed: bool = False


@dataclass(frozen=True)
class Standing:
    """An exception at the moment of acting: what is stored of it, and what the evidence says.

    `is_failing`: something is wrong at present; `is_over`: the evidence came, it resolved itself.
    """

    life: Life
    is_failing: bool
    is_over: bool


def order(act: Act) -> tuple[datetime, datetime, str]:
    """Acts count in the order they were done in; the id only makes the order total."""
    return act.at, act.known_at, act.act_id


def life_of(acts: Iterable[Act], known_at: datetime) -> Life:
    """What the acts of one exception known up to `known_at` make of it, in whatever order they are given.

    The same act twice is one act. The view `exceptions_of` says the same in SQL.
    """
    known = {act.act_id: act for act in acts if act.known_at <= known_at}
    life = Life()
    for act in sorted(known.values(), key=order):
        life = _after(life, act)
    ended = life.telling is not None and life.telling.until is not None and life.telling.until <= known_at
    return replace(life, status=Status.OPEN, lapsed=True) if ended and life.status in ENDING else life


def _after(life: Life, act: Act) -> Life:
    if act.action is Action.COMMENTED:
        return replace(life, last=act)
    life = replace(life, version=life.version + 1, last=act)
    if act.action is Action.ASSIGNED:
        return replace(life, assignee=act.owner)
    return replace(life, status=_led_to(act.action), telling=act)


def _led_to(action: Action) -> Status:
    """The state a telling act leads to: the same from wherever it is allowed."""
    return next(move.to for (name, _), move in MOVES.items() if name is action and move.to is not None)


def check(action: Action, actor: str, role: Role, standing: Standing, seen: int | None) -> Status:
    """The state that the act would lead to. Raises ActRefusedError.

    `seen` is the version the person decided on; null when they looked at none.
    """
    life = standing.life
    if seen is not None and seen != life.version:
        raise ActRefusedError(
            "changed", f"it has changed meanwhile: {_told(life)}; look again and decide anew"
        )
    if standing.is_over and action is not Action.COMMENTED:
        raise ActRefusedError(
            "over", "its evidence has arrived, so it is resolved; only a comment can be added"
        )
    if not standing.is_failing and not standing.is_over and action is not Action.COMMENTED:
        raise ActRefusedError("over", "at present nothing is wrong with it; only a comment can be added")
    move = MOVES.get((action, life.status))
    if move is None:
        raise ActRefusedError(
            "state",
            f"{words(action)} is not possible while it is {words(life.status)}; {_possible(life.status)}",
        )
    _check_person(action, actor, role, move, life)
    return move.to or life.status


def _check_person(action: Action, actor: str, role: Role, move: Move, life: Life) -> None:
    if actor == MACHINE:
        if action is Action.LAPSED and life.status is Status.OPEN and not life.lapsed:
            raise ActRefusedError("state", "nothing stands that could lapse")
        return
    if action is Action.LAPSED:
        raise ActRefusedError("person", "only tieout itself says that something lapsed; reopen it instead")
    if not role.covers(move.role):
        raise ActRefusedError("role", f"{words(action)} needs the role {move.role}; {actor} is {role}")
    requester = life.telling.actor if life.telling else ""
    if action is Action.WAIVED and same_person(requester, actor):
        raise ActRefusedError("person", f"{actor} asked for this waiver; somebody else must approve it")
    if (
        action is Action.WAIVER_REFUSED
        and not same_person(requester, actor)
        and not role.covers(Role.APPROVER)
    ):
        raise ActRefusedError(
            "role",
            f"refusing a waiver needs the role {Role.APPROVER}, or to have asked for it; {actor} is {role}",
        )


def possible(standing: Standing, actor: str, role: Role) -> list[Action]:
    """The acts this person may do now, in the order of the table."""
    return [
        action for action in Action if action is not Action.LAPSED and _may(action, actor, role, standing)
    ]


def _may(action: Action, actor: str, role: Role, standing: Standing) -> bool:
    try:
        check(action, actor, role, standing, None)
    except ActRefusedError:
        return False
    return True


def same_person(one: str, other: str) -> bool:
    """Names are compared without case: `Ann` does not approve what `ann` asked for."""
    return one.strip().casefold() == other.strip().casefold()


def words(name: Action | Status) -> str:
    """A name as people read it: `waiver requested`."""
    return name.replace("_", " ")


def _possible(status: Status) -> str:
    names = sorted({words(action) for action, at in MOVES if at is status and action is not Action.LAPSED})
    return f"possible are {', '.join(names)}"


def _told(life: Life) -> str:
    done = life.last
    return (
        f"{words(done.action)} by {done.actor} at {done.at:%Y-%m-%d %H:%M} UTC"
        if done
        else "nothing is stored of it any more"
    )
