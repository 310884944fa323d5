"""Matching recomputed in plain Python, without any of the code it is held against.

Pairs: every set of pairs is tried. Sums: every subset is tried. As of (V, K): every fact is read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import combinations

from reconcile.matching.records import Record

Pairs = frozenset[tuple[int, int]]
Kind = tuple[object, ...]


def kind(record: Record) -> Kind:
    """Records of one kind are interchangeable."""
    return (record.leg, record.numbers[0], record.currency)


@dataclass(frozen=True)
class Terms:
    """When two sums agree, how many days apart records may be, and sets that people took apart."""

    tolerance: Decimal
    window: tuple[int, int] | None = None
    apart: tuple[frozenset[tuple[str, str]], ...] = ()

    def kind(self, record: Record) -> Kind:
        """As `kind`; what people named is like nothing else."""
        named = any((record.leg, record.key) in one for one in self.apart)
        return (*kind(record), record.key) if named else kind(record)

    def agree(self, left: Sequence[Record], right: Sequence[Record], tolerance: Decimal) -> bool:
        there = {(record.leg, record.key) for record in (*left, *right)}
        if any(one <= there for one in self.apart):
            return False
        if len({record.currency for record in (*left, *right)}) != 1:
            return False
        if self.window is not None:
            for a in left:
                for b in right:
                    if not self.window[0] <= (b.day - a.day).days <= self.window[1]:
                        return False
        return abs(money(right) - money(left)) <= tolerance


def money(records: Sequence[Record]) -> Decimal:
    return sum((record.numbers[0] or Decimal(0) for record in records), Decimal(0))


def best_pairings(
    lefts: Sequence[Record], rights: Sequence[Record], allowed: Callable[[Record, Record], bool]
) -> list[Pairs]:
    """All sets of pairs that nothing beats: exact ones, all, least difference, least days."""
    edges = [(a, b) for a in range(len(lefts)) for b in range(len(rights)) if allowed(lefts[a], rights[b])]

    def all_sets(place: int, used: frozenset[object], chosen: Pairs) -> Iterator[Pairs]:
        if place == len(edges):
            yield chosen
            return
        a, b = edges[place]
        if ("l", a) not in used and ("r", b) not in used:
            yield from all_sets(place + 1, used | {("l", a), ("r", b)}, chosen | {(a, b)})
        yield from all_sets(place + 1, used, chosen)

    def worth(pairs: Pairs) -> tuple[object, ...]:
        off = [abs(money([lefts[a]]) - money([rights[b]])) for a, b in pairs]
        days = [abs((lefts[a].day - rights[b].day).days) for a, b in pairs]
        return (-sum(1 for one in off if not one), -len(pairs), sum(off, Decimal(0)), sum(days))

    sets = list(all_sets(0, frozenset(), frozenset()))
    least = min(worth(one) for one in sets)
    return [one for one in sets if worth(one) == least]


def pair_kinds(
    pairs: Pairs, lefts: Sequence[Record], rights: Sequence[Record], of: Callable[[Record], Kind] = kind
) -> Counter[tuple[Kind, Kind]]:
    return Counter((of(lefts[a]), of(rights[b])) for a, b in pairs)


def balanced(
    lefts: Sequence[Record], rights: Sequence[Record], terms: Terms, tolerance: Decimal
) -> list[frozenset[int]]:
    """Every minimal set of three or more that agrees; places count over lefts, then rights."""
    everything = [*lefts, *rights]
    found: list[frozenset[int]] = []
    for size in range(2, len(everything) + 1):
        for chosen in combinations(range(len(everything)), size):
            left = [everything[i] for i in chosen if i < len(lefts)]
            right = [everything[i] for i in chosen if i >= len(lefts)]
            if not left or not right or any(smaller <= set(chosen) for smaller in found):
                continue
            if terms.agree(left, right, tolerance):
                found.append(frozenset(chosen))
    return [one for one in found if len(one) > 2]


def best_packings(sets: Sequence[frozenset[int]]) -> list[frozenset[frozenset[int]]]:
    """All choices of most sets without a shared record."""
    choices: list[frozenset[frozenset[int]]] = []
    for size in range(len(sets), 0, -1):
        choices += [
            frozenset(chosen)
            for chosen in combinations(sets, size)
            if sum(len(one) for one in chosen) == len(frozenset().union(*chosen))
        ]
        if choices:
            return choices
    return [frozenset()]


@dataclass(frozen=True)
class Fact:
    """One state of an object, as a probe stores it."""

    kind: str
    key: str
    account: str
    reference: str
    amount: Decimal
    state: str
    valid_from: datetime
    known_at: datetime
    deleted: bool
    number: int


def standing(facts: Sequence[Fact], as_of: datetime, known_at: datetime) -> list[Fact]:
    """What each object says as of (V, K)."""
    last: dict[tuple[str, str], Fact] = {}
    for fact in sorted(facts, key=lambda one: (one.valid_from, one.known_at, f"{one.number:06}")):
        if fact.valid_from <= as_of and fact.known_at <= known_at:
            last[fact.kind, fact.key] = fact
    return [fact for fact in last.values() if not fact.deleted and fact.state == "posted"]


def first_days(facts: Sequence[Fact], as_of: datetime, known_at: datetime) -> dict[tuple[str, str], date]:
    """The day each object was first in a state that counts, as of (V, K)."""
    said: dict[tuple[str, str, datetime], Fact] = {}
    for fact in sorted(facts, key=lambda one: (one.known_at, f"{one.number:06}")):
        if fact.valid_from <= as_of and fact.known_at <= known_at:
            said[fact.kind, fact.key, fact.valid_from] = fact
    there = sorted((one for one in said.values() if one.state == "posted"), key=lambda one: one.valid_from)
    return {(one.kind, one.key): one.valid_from.date() for one in reversed(there)}


@dataclass(frozen=True)
class Said:
    """What a person did: `join` or `apart` with records, `withdraw` by the name of what was said before."""

    what: str
    name: str
    records: frozenset[tuple[str, str]]
    known_at: datetime
    accepted: tuple[Decimal, Decimal] | None = None


def by_hand(
    said: Sequence[Said], known_at: datetime
) -> tuple[dict[str, Said], set[frozenset[tuple[str, str]]]]:
    """What people joined and what they took apart, as it stands at K."""
    joined: dict[str, Said] = {}
    apart: dict[str, frozenset[tuple[str, str]]] = {}
    for one in sorted(said, key=lambda one: one.known_at):
        if one.known_at > known_at:
            continue
        if one.what == "join":
            joined[one.name] = one
        elif one.what == "apart":
            joined = {name: other for name, other in joined.items() if other.records != one.records}
            apart[one.name] = one.records
        else:
            joined.pop(one.name, None)
            apart.pop(one.name, None)
    return joined, set(apart.values())


def joined_verdict(one: Said, there: Sequence[Record], tolerance: Decimal) -> tuple[str, Decimal | None]:
    """What becomes of records that a person joined, of which some may be gone or changed by now."""
    left = [record for record in there if record.leg == "bank"]
    right = [record for record in there if record.leg == "ledger"]
    off = money(right) - money(left)
    if (not left or not right) and {(record.leg, record.key) for record in there} == one.records:
        # Of one leg they cancel each other: nothing is left of them, or what was accepted.
        is_accepted = not off or one.accepted == (money(left), money(right))
        return ("reversed" if is_accepted else "mismatch"), off
    if not left or not right:
        return "open", None
    if abs(off) <= tolerance:
        return ("matched_tol" if off else "matched"), off
    is_as_decided = {(record.leg, record.key) for record in there} == one.records and (
        money(left),
        money(right),
    ) == one.accepted
    return ("matched_tol" if is_as_decided else "mismatch"), off
