"""Records of two legs matched with each other: one to one, and several that add up to several."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal, localcontext
from functools import cached_property, partial

from reconcile.matching.assign import Cost, Edge, Pair, assign, components, in_order
from reconcile.matching.compare import (
    EXACT,
    by_leg,
    gates,
    money,
    money_field,
    most_allowed,
    number,
    would_match,
)
from reconcile.matching.cover import Set, covers
from reconcile.matching.group import days_apart, group, window_gate, with_many
from reconcile.matching.hand import Sets, are_apart, are_named
from reconcile.matching.model import Key, MatchingRule, in_business_days
from reconcile.matching.records import Decision, Fault, Record

UNITS = Decimal(10) ** 12
# Candidates looked at for the nearest miss.
MOST_NEAR = 50
# Pairs looked at among records that are alike.
MOST_ALIKE = 1_000_000


class Pairing:
    """Records of two legs: exact pairs, exact covers, tolerated pairs, tolerated covers; then what is left."""

    def __init__(self, rule: MatchingRule, key: Key, records: list[Record], apart: Sets) -> None:
        self._rule, self._key, self._all, self._apart = rule, key, records, apart
        self._field = money_field(rule)
        self._left_leg, self._right_leg = rule.leg_names
        self._one_each = [self._left_leg, self._right_leg], [self._right_leg, self._left_leg]
        self._free = [record for record in records if number(rule, record, self._field) is not None]
        self._found = [
            Decision(
                "unusable",
                (record,),
                faults=(Fault("TRANSFORM_ERROR", self._field, record.leg, "a number", ""),),
            )
            for record in records
            if number(rule, record, self._field) is None
        ]
        self._note = ""

    @cached_property
    def _loose(self) -> MatchingRule:
        """The rule for records that were put together one by one: several in a leg are no repetition."""
        return with_many(self._rule, many=True)

    def decisions(self) -> list[Decision]:
        """Matches, ties, and what is left of the records; each of them is in one decision."""
        if self._is_one_item():
            return [*self._found, group(self._rule, self._key, self._free)]
        return self.searched()

    def searched(self) -> list[Decision]:
        """The same, however little there is to choose from."""
        if self._key.method == "pair":
            self._pair(exact_only=False)
        else:
            self._pair(exact_only=True)
            self._cover(exact=True)
            self._pair(exact_only=False)
            self._cover(exact=False)
        return [*self._found, *self._rest()]

    def _is_one_item(self) -> bool:
        """Whether there is one record on each side and nothing but its key says that they belong together.

        They do then, whether or not they agree, so there is nothing to search for.
        """
        return (
            self._key.method == "pair"
            and self._key == self._rule.keys[0]
            and [record.leg for record in self._free] in self._one_each
            and not are_apart(self._apart, self._free)
        )

    def _sides(self) -> tuple[list[Record], list[Record]]:
        return (
            [record for record in self._free if record.leg == self._left_leg],
            [record for record in self._free if record.leg == self._right_leg],
        )

    def _take(self, *decisions: Decision) -> None:
        self._found += decisions
        taken = {(record.leg, record.key) for decision in decisions for record in decision.records}
        self._free = [record for record in self._free if (record.leg, record.key) not in taken]

    # pairs

    def _pair(self, *, exact_only: bool) -> None:
        self._pair_equals()
        too_large = self._assign(exact_only=exact_only)
        if too_large and self._pair_alike(too_large):
            too_large = self._assign(exact_only=exact_only)
        if too_large:
            self._note = (
                f"more than {self._rule.budget.max_items} records are alike; nothing was decided between them"
            )
            self._take(self._ambiguous(too_large, []))

    def _assign(self, *, exact_only: bool) -> list[Record]:
        """Takes the best pairs and ties; gives the records that hang together in parts too large to be assigned."""
        lefts, rights = self._sides()
        edges = self._edges(lefts, rights, exact_only=exact_only)
        pairs, too_large = assign(edges, _twins(lefts), _twins(rights), self._rule.budget.max_items)
        clear, tied = _split(pairs)
        for pair in clear:
            margin = Decimal(pair.margin) / UNITS if pair.margin is not None else None
            self._take(replace(self._judge([lefts[pair.left], rights[pair.right]]), margin=margin))
        for part in tied:
            self._take(
                self._ambiguous(
                    _members(part, lefts, rights), [(lefts[a].key, rights[b].key) for a, b in part]
                )
            )
        return _members(too_large, lefts, rights)

    def _pair_alike(self, records: list[Record]) -> bool:
        """Pairs those of a large part that differ in nothing but key and day, as a deposit of the same money each day.

        Which of them pair is then a matter of days alone. Gives whether there were any.
        """
        found = False
        for left, right in self._by_value(records):
            if not left or not right or are_named(self._apart, [*left, *right]):
                continue
            left, right = self._in_time(left), self._in_time(right)
            days = [one.day.toordinal() for one in left], [one.day.toordinal() for one in right]
            bands = [self._band(one, right) for one in left]
            # A cut-off far from midnight can put a later day into an earlier business day: there is no one order then.
            if (
                any(side != sorted(side) for side in days)
                or sum(end - start for start, end in bands) > MOST_ALIKE
            ):
                continue
            pairs = in_order(bands, lambda a, b, days=days: abs(days[1][b] - days[0][a]))  # type: ignore[misc]
            self._take(*(self._judge([left[a], right[b]]) for a, b in pairs))
            found = found or bool(pairs)
        return found

    def _in_time(self, records: Iterable[Record]) -> list[Record]:
        """Records in the order in which the key's window counts."""
        by_calendar = in_business_days(self._key)
        return sorted(records, key=lambda one: (one.business_day if by_calendar else 0, one.order))

    def _band(self, left: Record, rights: Sequence[Record]) -> tuple[int, int]:
        """From which up to which of `rights`, in order of time, lie within the window of a record."""
        window = self._key.window
        if window is None:
            return 0, len(rights)
        apart = partial(days_apart, window, left)
        return bisect_left(rights, window.bounds[0], key=apart), bisect_right(
            rights, window.bounds[1], key=apart
        )

    def _by_value(self, records: Iterable[Record]) -> list[tuple[list[Record], list[Record]]]:
        """Records that differ in nothing but key and day, of the left and of the right leg."""
        found: dict[object, tuple[list[Record], list[Record]]] = defaultdict(lambda: ([], []))
        for record in records:
            found[_worth(record)][record.leg != self._left_leg].append(record)
        return list(found.values())

    def _pair_equals(self) -> None:
        """As many equal records on both sides: copies, paired in order of day. Spares comparing all with all."""
        if self._key.window is not None:
            return
        pairs = [
            pair
            for left, right in self._by_value(self._free)
            # Copies of which some are taken apart are not all alike.
            if len(left) == len(right) and not are_apart(self._apart, [*left, *right])
            for pair in zip(left, right, strict=True)
        ]
        self._take(*(judged for judged in map(self._judge, pairs) if judged.verdict == "matched"))

    def _edges(self, lefts: list[Record], rights: list[Record], *, exact_only: bool) -> dict[Edge, Cost]:
        """Pairs that may be. Only records whose money lies near enough are looked at."""
        slack = (
            0
            if exact_only
            else self._slack([max([*lefts, *rights], key=lambda one: abs(self._units(one)))])
            if lefts
            else 0
        )
        ordered = sorted((self._units(right), b) for b, right in enumerate(rights))
        edges = {}
        for a, left in enumerate(lefts):
            at = self._units(left)
            near = (
                ordered
                if slack is None
                else ordered[
                    bisect_left(ordered, (at - slack, -1)) : bisect_right(ordered, (at + slack, len(rights)))
                ]
            )
            for _, b in near:
                cost = self._cost(left, rights[b])
                if cost is not None and not (exact_only and cost.inexact):
                    edges[a, b] = cost
        return edges

    def _cost(self, left: Record, right: Record) -> Cost | None:
        """What a pair costs, None when it may not be one."""
        if left.currency != right.currency or not self._in_window(left, right):
            return None
        if are_apart(self._apart, (left, right)):
            return None
        tests = gates(self._rule, {self._left_leg: [left], self._right_leg: [right]})
        if not all(test.passed for test in tests):
            return None
        inexact = int(any(test.difference for test in tests))
        return Cost(inexact, abs(self._units(left) - self._units(right)), abs((right.day - left.day).days))

    def _in_window(self, left: Record, right: Record) -> bool:
        window = self._key.window
        return window is None or window.bounds[0] <= days_apart(window, left, right) <= window.bounds[1]

    # several to several

    def _cover(self, *, exact: bool) -> None:
        lefts, rights = self._sides()
        members = [*lefts, *rights]
        if not lefts or not rights or len(members) < 3:
            return
        budget = self._rule.budget
        if len(members) > budget.max_items:
            self._note = f"{len(members)} records are left, more than the {budget.max_items} that are searched together"
            return
        slack = 0 if exact else self._slack(members)
        if slack is None:
            slack = sum(abs(self._units(record)) for record in members)
        if not exact and slack == 0:
            return
        found = covers(
            [self._units(record) * (1 if record.leg == self._left_leg else -1) for record in members],
            [record.leg == self._left_leg for record in members],
            self._twins(members),
            slack,
            self._fits(members, exact=exact),
            budget.max_nodes,
        )
        for chosen in found.chosen:
            self._take(self._judge([members[index] for index in chosen]))
        if not found.complete:
            self._note = f"the search ended after {budget.max_nodes} steps"
        for part in found.tied:
            options = [tuple(members[index].key for index in one) for one in part]
            self._take(
                self._ambiguous([members[i] for i in sorted({i for one in part for i in one})], options)
            )

    def _slack(self, records: list[Record]) -> int | None:
        """The most by which sums of up to these records may differ, None when there is no bound."""
        size = Decimal(sum(abs(self._units(record)) for record in records)) / UNITS
        bounds = [
            most_allowed(limit, size)
            for one in self._rule.compare.values()
            if one.field == self._field and one.means != "text"
            for limit in (one.over, one.under)
        ]
        known = [bound for bound in bounds if bound is not None]
        with localcontext(EXACT):
            return int(max(known, default=Decimal(0)) * UNITS) if len(known) == len(bounds) else None

    def _twins(self, members: list[Record]) -> list[int]:
        """As `_twins`; a record of a set that people took apart is like no other."""
        marked = {place for members in self._apart for place in members}
        return [
            len(members) + place if (one.leg, one.key) in marked else number
            for place, (one, number) in enumerate(zip(members, _twins(members), strict=True))
        ]

    def _fits(self, members: list[Record], *, exact: bool) -> Callable[[Set], bool]:
        def fits(chosen: Set) -> bool:
            if are_apart(self._apart, [members[index] for index in chosen]):
                return False
            legs = by_leg(self._rule, [members[index] for index in chosen])
            pairs = [(a, b) for a in legs[self._left_leg] for b in legs[self._right_leg]]
            if not all(self._in_window(a, b) and a.currency == b.currency for a, b in pairs):
                return False
            tests = gates(self._rule, legs)
            return all(test.passed and not (exact and test.difference) for test in tests)

        return fits

    # what is left

    def _rest(self) -> Iterator[Decision]:
        if self._is_one_item():
            yield group(self._rule, self._key, self._free)
            return
        for record in self._free:
            other = self._right_leg if record.leg == self._left_leg else self._left_leg
            faults = (
                (Fault("REVERSAL_UNPAIRED", "original", record.leg, record.original, ""),)
                if record.original
                else ()
            )
            nearest = "; ".join(part for part in (self._nearest(record), self._note) if part)
            legs = by_leg(self._rule, [record])
            expected, actual, _ = money(self._rule, legs)
            yield Decision(
                "open",
                (record,),
                faults=faults,
                expected=expected,
                actual=actual,
                waits=(other,),
                nearest=nearest,
            )

    def _judge(self, records: Sequence[Record]) -> Decision:
        """One match of these records, with all its gates."""
        return group(self._loose, self._key, sorted(records, key=lambda one: one.order))

    def _ambiguous(self, records: Sequence[Record], options: Iterable[tuple[str, ...]]) -> Decision:
        listed = tuple(sorted(set(options)))
        shown = " or ".join("+".join(option) for option in listed[:5])
        return Decision(
            "ambiguous",
            tuple(sorted(records, key=lambda one: one.order)),
            faults=(
                Fault(
                    "KEY_AMBIGUOUS",
                    "key",
                    "",
                    "one way to match",
                    f"{len(listed)} ways" if listed else "too many",
                ),
            ),
            options=listed,
            margin=Decimal(0),
            nearest="; ".join(part for part in (shown, self._note) if part),
        )

    def _nearest(self, record: Record) -> str:
        """The candidate that fails least, and what would have to differ for it to match."""
        others = [
            other
            for other in self._all
            if other.leg != record.leg and not are_apart(self._apart, (record, other))
        ][:MOST_NEAR]
        best: tuple[int, Decimal, tuple[object, ...]] | None = None
        text = ""
        for other in others:
            legs = by_leg(self._rule, [record, other])
            tests = (*gates(self._rule, legs), *window_gate(self._key, legs, self._rule))
            failed = [test for test in tests if test.passed is False]
            off = max((abs(test.difference or Decimal(0)) for test in failed), default=Decimal(0))
            rank = (len(failed), off, other.order)
            if best is None or rank < best:
                best, text = (
                    rank,
                    f"{other.leg} {other.key}: "
                    + (
                        ", ".join(would_match(test) for test in failed) or "it is matched with another record"
                    ),
                )
        return text

    def _units(self, record: Record) -> int:
        value = number(self._rule, record, self._field)
        with localcontext(EXACT):
            return int((value or Decimal(0)) * UNITS)


def _twins(records: Sequence[Record]) -> list[int]:
    """Records that differ in nothing but key and day have the same number."""
    numbers: dict[object, int] = {}
    return [numbers.setdefault((record.leg, _worth(record)), len(numbers)) for record in records]


def _worth(record: Record) -> tuple[object, ...]:
    return (record.numbers, record.texts, record.currency)


def _members(edges: Iterable[Edge], lefts: Sequence[Record], rights: Sequence[Record]) -> list[Record]:
    listed = list(edges)
    return [
        *(lefts[a] for a in sorted({a for a, _ in listed})),
        *(rights[b] for b in sorted({b for _, b in listed})),
    ]


def _split(pairs: Sequence[Pair]) -> tuple[list[Pair], list[list[Edge]]]:
    """Pairs that stand, and edges that hang together in ties."""
    tied = {(pair.left, pair.right) for pair in pairs if pair.rivals}
    tied |= {edge for pair in pairs for edge in pair.rivals}
    parts = components(tied)
    lefts, rights = {a for a, _ in tied}, {b for _, b in tied}
    touched = [pair for pair in pairs if not pair.rivals and (pair.left in lefts or pair.right in rights)]
    if touched:
        # A pair that shares a record with a tie hangs with it.
        parts = components(tied | {(pair.left, pair.right) for pair in touched})
    return [pair for pair in pairs if not pair.rivals and pair not in touched], parts
