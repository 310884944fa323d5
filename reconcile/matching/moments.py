"""The states of the records of one key → decisions for every moment (V, K) from which something else holds.

Pure. What holds at V follows from what had happened by V, so evidence that becomes known at K only changes
decisions from its own business time on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import groupby

from reconcile.matching.hand import Identity
from reconcile.matching.model import MatchingRule
from reconcile.matching.records import Decision, Due, Fault, Record

# Records looked at for one key in one run. A key with very many records is decided at fewer moments, evenly taken;
# between two of them the earlier one stands.
MOST_WORK = 2_000_000


@dataclass(frozen=True)
class Version:
    """One state of a record: from `occurred_at` on, as known from `known_at` on. `gone`: no longer under this key.
    `origin`: the earlier key that left it open. `counts`: whether it is in a state that the rule asks for, such as posted.
    """

    record: Record
    occurred_at: datetime
    known_at: datetime
    row_hash: str
    gone: bool
    origin: str = ""
    counts: bool = True
    dims: Mapping[str, str] = field(default_factory=dict)

    @property
    def order(self) -> tuple[str, str, str, datetime, datetime, str]:
        return (*self.place, self.occurred_at, self.known_at, self.row_hash)

    @property
    def is_by_hand(self) -> bool:
        """Whether people's decisions put it there, not what a system told: `by_hand.sql` marks those."""
        return self.row_hash.startswith("~")

    @property
    def place(self) -> tuple[str, str, str]:
        """What takes over from each other: states of one record that came from one earlier key."""
        return (self.record.leg, self.record.key, self.origin)


@dataclass(frozen=True)
class Spell:
    """How long a fault stands or stood; `until` is None while it does. `growing`: more records may mend it, so it is
    no exception before its leg is due.
    """

    fault: Fault
    since: datetime
    until: datetime | None
    growing: bool = False


@dataclass(frozen=True)
class Held:
    """A decision with its history: spells of its faults, when the first of its records was there, when each leg is due."""

    decision: Decision
    spells: tuple[Spell, ...]
    opened_at: datetime
    due: Mapping[str, Due]


@dataclass(frozen=True)
class Moment:
    """All decisions on a key that hold from `occurred_at` on, as known at `known_at` by `evidence` states."""

    occurred_at: datetime
    known_at: datetime
    evidence: int
    held: tuple[Held, ...]


# What becomes of records that stand at one V, by what was known at K.
Decide = Callable[[Sequence[Record], datetime], list[Decision]]


def moments(
    rule: MatchingRule, decided: Decide, versions: Iterable[Version], mark: datetime
) -> Iterator[Moment]:
    """Everything that became known after `mark`, moment by moment."""
    ordered = sorted({version.order: version for version in versions}.values(), key=lambda one: one.order)
    pairs = _thinned([*_pairs(ordered, mark)], len(ordered))
    told: dict[datetime, _Story] = {}
    for known_at, occurred_at, is_new in pairs:
        story = told.get(known_at)
        if story is None:
            story = told[known_at] = _Story(
                rule, decided, known_at, [one for one in ordered if one.known_at <= known_at]
            )
        held = story.at(occurred_at)
        if is_new:
            yield Moment(occurred_at, known_at, story.evidence, held)


def _pairs(versions: Sequence[Version], mark: datetime) -> Iterator[tuple[datetime, datetime, bool]]:
    """Each K after the mark with each V, and whether that V is touched by what became known at K."""
    for known_at in sorted({one.known_at for one in versions if one.known_at > mark}):
        since = min(one.occurred_at for one in versions if one.known_at == known_at)
        for occurred_at in sorted({one.occurred_at for one in versions if one.known_at <= known_at}):
            yield known_at, occurred_at, occurred_at >= since


def _thinned(
    pairs: list[tuple[datetime, datetime, bool]], size: int
) -> list[tuple[datetime, datetime, bool]]:
    most = max(1, MOST_WORK // max(size, 1))
    if len(pairs) <= most:
        return pairs
    step = -(-len(pairs) // most)
    return [pair for number, pair in enumerate(reversed(pairs)) if number % step == 0][::-1]


class _Story:
    """One key as known at one K, told in business order."""

    def __init__(
        self, rule: MatchingRule, decided: Decide, known_at: datetime, versions: list[Version]
    ) -> None:
        self._rule, self._decided, self._known_at, self.evidence = rule, decided, known_at, len(versions)
        self._versions = lasting(versions)
        self._faults: dict[tuple[Identity, str, str, str], Spell] = {}
        self._ended: list[tuple[Identity, Spell]] = []

    def at(self, occurred_at: datetime) -> tuple[Held, ...]:
        """Decisions as of V; called for rising V."""
        seen = [version for version in self._versions if version.occurred_at <= occurred_at]
        began: dict[Identity, datetime] = {}
        for one in (one for one in seen if not one.gone):
            identity = one.record.leg, one.record.key
            began[identity] = min(began.get(identity, one.occurred_at), one.occurred_at)
        there = standing(seen)
        decisions = self._decided(there, self._known_at)
        present = {
            (_anchor(self._rule, decision), fault.code, fault.field, fault.leg): (fault, decision.verdict)
            for decision in decisions
            for fault in decision.faults
        }
        for name, spell in self._faults.items():
            if name not in present:
                self._ended.append((name[0], replace(spell, until=occurred_at)))
        self._faults = {
            name: Spell(
                fault,
                self._faults[name].since if name in self._faults else occurred_at,
                None,
                verdict == "partial",
            )
            for name, (fault, verdict) in present.items()
        }
        due = due_by(there, seen)
        return tuple(self._held(decision, began, due) for decision in decisions)

    def _held(
        self,
        decision: Decision,
        began: Mapping[Identity, datetime],
        due: Mapping[Identity, tuple[Due, ...]],
    ) -> Held:
        anchor = _anchor(self._rule, decision)
        own = {(record.leg, record.key) for record in decision.records}
        standing = [
            replace(self._faults[anchor, fault.code, fault.field, fault.leg], fault=fault)
            for fault in decision.faults
        ]
        ended = [spell for identity, spell in self._ended if identity in own]
        first = earliest(due[identity] for identity in own)
        return Held(
            decision,
            (*standing, *ended),
            min(began[identity] for identity in own),
            dict(zip(self._rule.leg_names, first, strict=True)),
        )


def lasting(versions: Iterable[Version]) -> list[Version]:
    """Of several versions for one business time only the last: the others were never so."""
    return list({(one.place, one.occurred_at): one for one in versions}.values())


def standing(seen: Iterable[Version]) -> list[Record]:
    """Records as they stand after what is `seen` of a key, in order.

    What a rule does not ask for may change without changing a match: `at` is since when a record says what it says, and one
    that names no date is of the day it was first there, under whatever key.
    """
    return [record for _, own in groupby(seen, key=lambda one: one.place[:2]) for record in _of_one([*own])]


def _of_one(own: list[Version]) -> list[Record]:
    """The states of one record that stand: one, or one from each earlier key that left it open."""
    if own[0].place != own[-1].place:
        own.sort(key=lambda one: one.occurred_at)
    last: dict[tuple[str, str, str], Version] = {}
    said, since = None, own[0].occurred_at
    for at, news in groupby(own, key=lambda one: one.occurred_at):
        last |= {one.place: one for one in news}
        says = next((_says(one.record) for one in last.values() if not one.gone), None)
        if says != said:
            said, since = says, at
    undated = [
        (one.record.day, one.record.business_day) for one in own if one.counts and not one.record.dated
    ]
    there = [one.record for one in last.values() if not one.gone]
    return [_since(one, since, (one.day, one.business_day) if one.dated else min(undated)) for one in there]


def _says(record: Record) -> tuple[object, ...]:
    told = record.numbers, record.texts, record.currency, record.original, record.problem
    return (*told, record.day if record.dated else None)


def _since(record: Record, at: datetime, days: tuple[date, int]) -> Record:
    if (record.at, record.day, record.business_day) == (at, *days):
        return record
    return replace(record, at=at, day=days[0], business_day=days[1])


def due_by(there: Iterable[Record], seen: Iterable[Version]) -> dict[Identity, tuple[Due, ...]]:
    """When each leg is due by each record: from the date it names now, else from when it was first there, under whatever key."""
    due = {(one.leg, one.key): one.due for one in there if one.dated}
    undated: dict[Identity, list[tuple[Due, ...]]] = {}
    for record in (one.record for one in seen if one.counts):
        if not record.dated:
            undated.setdefault((record.leg, record.key), []).append(record.due)
    return {identity: earliest(dues) for identity, dues in undated.items()} | due


def earliest(dues: Iterable[tuple[Due, ...]]) -> tuple[Due, ...]:
    """When each leg is due by the first of some: a window that was learned later may be shorter."""
    return tuple(min(by_each) for by_each in zip(*dues, strict=True))


def _anchor(rule: MatchingRule, decision: Decision) -> Identity:
    """The record by which people find a decision: the first of its first leg."""
    first = min(decision.records, key=lambda one: (rule.leg_names.index(one.leg), one.day, one.key))
    return first.leg, first.key
