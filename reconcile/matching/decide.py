"""What becomes of the records of one key: a pure function of the rule and the records, whatever their order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, localcontext
from functools import cached_property

from reconcile.matching.assign import Cost, Edge, Pair, assign, components
from reconcile.matching.compare import (
    EXACT,
    by_leg,
    fault,
    gates,
    may_still_grow,
    money,
    money_field,
    most_allowed,
    number,
    stake,
)
from reconcile.matching.cover import Set, covers
from reconcile.matching.hand import Accepted, Identity, Sets
from reconcile.matching.model import Key, MatchingRule, Window
from reconcile.matching.records import Decision, Fault, Gate, Record, Verdict

UNITS = Decimal(10) ** 12
# Candidates looked at for the nearest miss.
MOST_NEAR = 50


def decide(rule: MatchingRule, key: Key, records: Sequence[Record], apart: Sets = ()) -> list[Decision]:
    """Decisions on the records of one group of `key`; every record is in exactly one of them.

    `apart`: sets that people took apart, so no decision has all records of one. The same for every order of
    `records`, and for records that come twice.
    """
    standing = sorted(
        {(record.leg, record.key): record for record in records}.values(), key=lambda one: one.order
    )
    unusable = [record for record in standing if record.problem]
    usable = [record for record in standing if not record.problem]
    reversed_, left = _net(rule, usable, apart)
    decisions = [_unusable(record) for record in unusable]
    decisions += [Decision("reversed", pair) for pair in reversed_]
    if key.method == "group":
        decisions += _groups(rule, key, left, apart)
    else:
        decisions += _Pairing(rule, key, left, apart).decisions()
    return decisions


def by_hand(
    rule: MatchingRule, records: Sequence[Record], members: frozenset[Identity], accepted: frozenset[Accepted]
) -> list[Decision]:
    """Decisions on the records that people joined, of those `members` that are there.

    What the rule finds wrong is no fault while all are there and exactly that was accepted: a value that changed since
    is compared anew. A key that nobody could read is no reason against people who know what it means.
    """
    standing = sorted({(one.leg, one.key): one for one in records}.values(), key=lambda one: one.order)
    usable = [replace(one, problem="") for one in standing if one.problem in ("", "KEY_UNMAPPED")]
    unusable = [_unusable(one) for one in standing if one.problem not in ("", "KEY_UNMAPPED")]
    if not usable:
        return unusable
    # Nothing comes to it by itself any more, and dates do not matter.
    together = Key(fields=rule.keys[0].fields)
    found = _group(_with_many(rule, many=False), together, usable, may_repeat=True)
    failed = frozenset(accepted_of(test) for test in found.gates if test.passed is False)
    is_whole = frozenset((one.leg, one.key) for one in usable) == members
    if found.verdict == "mismatch" and not found.waits and is_whole and failed <= accepted:
        found = replace(found, verdict="matched_tol", faults=())
    return [*unusable, found]


def accepted_of(test: Gate) -> Accepted:
    """What who joins records accepts when this test fails."""
    return Accepted(test.name, test.expected, test.actual)


def window_gate(key: Key, legs: Mapping[str, Sequence[Record]], rule: MatchingRule) -> tuple[Gate, ...]:
    """Whether all records are dated within the key's window of the first leg that is there."""
    present = [legs[leg] for leg in rule.leg_names if leg in legs]
    if key.window is None or len(present) < 2:
        return ()
    first, others = present[0], [record for members in present[1:] for record in members]
    apart = [_apart(key.window, one, other) for one in first for other in others]
    (earliest, latest), unit = key.window.bounds, key.window.unit
    inside = earliest <= min(apart) and max(apart) <= latest
    worst = min(apart) if min(apart) < earliest else max(apart)
    return (Gate("window", others[0].leg, f"{earliest} to {latest} {unit}", f"{worst} {unit}", inside),)


def _apart(window: Window, one: Record, other: Record) -> int:
    """How many days of the window's kind `other` is dated after `one`."""
    if window.business_days:
        return other.business_day - one.business_day
    return (other.day - one.day).days


def _unusable(record: Record) -> Decision:
    return Decision("unusable", (record,), faults=(Fault(record.problem, "", record.leg, "", ""),))


# --- reversals


def _net(
    rule: MatchingRule, records: list[Record], apart: Sets
) -> tuple[list[tuple[Record, ...]], list[Record]]:
    """Pairs that take each other back, and what is left."""
    pairs = _referenced(rule, records, apart)
    taken = {(one.leg, one.key) for pair in pairs for one in pair}
    left = [record for record in records if (record.leg, record.key) not in taken]
    if rule.reversals.self_cancelling:
        pairs += _self_cancelling(rule, left, apart)
        taken = {(one.leg, one.key) for pair in pairs for one in pair}
        left = [record for record in records if (record.leg, record.key) not in taken]
    return pairs, left


def _referenced(rule: MatchingRule, records: list[Record], apart: Sets) -> list[tuple[Record, ...]]:
    """A record and the one it names as its original, when their money cancels."""
    field, known = money_field(rule), {(record.leg, record.key): record for record in records}
    pairs: list[tuple[Record, ...]] = []
    taken: set[tuple[str, str]] = set()
    for record in records:
        original = known.get((record.leg, record.original)) if record.original else None
        if original is None or original == record:
            continue
        places = {(record.leg, record.key), (original.leg, original.key)}
        if not places & taken and _cancel(rule, field, record, original, apart):
            pairs.append((original, record))
            taken |= places
    return pairs


def _self_cancelling(rule: MatchingRule, records: list[Record], apart: Sets) -> list[tuple[Record, ...]]:
    """Equal and opposite amounts in one leg. One that the other legs have as well is no reversal but a credit."""
    field = money_field(rule)
    pairs: list[tuple[Record, ...]] = []
    for leg in rule.leg_names:
        own = [record for record in records if record.leg == leg]
        elsewhere = [number(rule, record, field) for record in records if record.leg != leg]
        negatives = [record for record in own if (number(rule, record, field) or 0) < 0]
        # The latest ones are surplus when the other legs have some of this amount.
        spare = _surplus(rule, field, negatives, elsewhere)
        free = [record for record in own if (number(rule, record, field) or 0) > 0]
        for record in spare:
            fitting = [
                other for other in free if _cancel(rule, field, record, other, apart) and not other.original
            ]
            if fitting:
                chosen = min(
                    fitting,
                    key=lambda other: (
                        other.day > record.day,
                        abs((record.day - other.day).days),
                        other.order,
                    ),
                )
                free.remove(chosen)
                pairs.append((chosen, record))
    return pairs


def _surplus(
    rule: MatchingRule, field: str, negatives: list[Record], elsewhere: list[Decimal | None]
) -> list[Record]:
    seen: dict[Decimal | None, int] = defaultdict(int)
    spare = []
    for record in negatives:
        value = number(rule, record, field)
        seen[value] += 1
        if seen[value] > elsewhere.count(value):
            spare.append(record)
    return spare


def _cancel(rule: MatchingRule, field: str, one: Record, other: Record, apart: Sets) -> bool:
    a, b = number(rule, one, field), number(rule, other, field)
    if a is None or b is None or a == 0 or a != -b or one.currency != other.currency:
        return False
    return not _are_apart(apart, (one, other))


def _are_apart(apart: Sets, records: Iterable[Record]) -> bool:
    """Whether all records of a set that people took apart are among these."""
    there = {(one.leg, one.key) for one in records}
    return any(members <= there for members in apart)


def _with_many(rule: MatchingRule, *, many: bool) -> MatchingRule:
    """The rule with legs that may all have several records, or none of them."""
    legs = {name: leg.model_copy(update={"many": many}) for name, leg in rule.legs.items()}
    return rule.model_copy(update={"legs": legs})


# --- all records of a key are one item


def _groups(rule: MatchingRule, key: Key, records: Sequence[Record], apart: Sets) -> list[Decision]:
    """One item of all records; those of a set that people took apart stand alone, where it is all here."""
    there = {(one.leg, one.key) for one in records}
    alone = {place for members in apart if members <= there for place in members}
    rest = [one for one in records if (one.leg, one.key) not in alone]
    single = [[one] for one in records if (one.leg, one.key) in alone]
    return [_group(rule, key, members) for members in (rest, *single) if members]


def _group(rule: MatchingRule, key: Key, records: Sequence[Record], *, may_repeat: bool = False) -> Decision:
    legs = by_leg(rule, records)
    absent = tuple(leg for leg in rule.leg_names if leg not in legs)
    tests = (*gates(rule, legs), *window_gate(key, legs, rule))
    if any(test.name == "currency" for test in tests):
        # Sums over currencies mean nothing, so nothing is said of them.
        failed = tuple(test for test in tests if test.name == "currency")
        return Decision(
            "mismatch", tuple(records), failed, tuple(fault(rule, f, None) for f in failed), waits=absent
        )
    expected, actual, causes = money(rule, legs)
    residual = actual - expected if expected is not None and actual is not None else None
    failed = tuple(test for test in tests if test.passed is False)
    repeated = () if may_repeat else _repeated(rule, legs)
    # Sums with a suspected copy in them say nothing more.
    faults = repeated or tuple(fault(rule, one, stake(rule, one, legs, residual)) for one in failed)
    unknown = [test for test in tests if test.passed is None and not _waits_for(rule, test, legs)]
    verdict: Verdict = (
        "duplicate" if repeated
        else "mismatch" if any(not may_still_grow(rule, one) for one in failed)
        else "partial" if failed
        else "unusable" if unknown
        else "open" if absent
        else "matched_tol" if any(test.difference for test in tests)
        else "matched"
    )  # fmt: skip
    if verdict == "unusable":
        faults = tuple(
            Fault("TRANSFORM_ERROR", one.name, one.leg, one.expected, one.actual) for one in unknown
        )
    short = tuple(one.leg for one in failed) if verdict == "partial" else ()
    waits = tuple(leg for leg in rule.leg_names if leg in (*absent, *short))
    return Decision(verdict, tuple(records), tests, faults, expected, actual, residual, causes, waits)


def _waits_for(rule: MatchingRule, test: Gate, legs: Mapping[str, Sequence[Record]]) -> bool:
    one = rule.compare.get(test.name)
    return one is None or one.expected not in legs or one.actual not in legs


def _repeated(rule: MatchingRule, legs: Mapping[str, Sequence[Record]]) -> tuple[Fault, ...]:
    """Several records in a leg that has one. As many in every leg are copies of one item, not a difference."""
    counts = {leg: len(legs.get(leg, ())) for leg in rule.leg_names}
    if len(set(counts.values())) == 1:
        return ()
    return tuple(
        Fault("DUP_SUSPECT", leg, leg, "1", str(count))
        for leg, count in counts.items()
        if count > 1 and not rule.legs[leg].many
    )


# --- records are matched with each other


class _Pairing:
    """Records of two legs: exact pairs, exact covers, tolerated pairs, tolerated covers; then what is left."""

    def __init__(self, rule: MatchingRule, key: Key, records: list[Record], apart: Sets) -> None:
        self._rule, self._key, self._all, self._apart = rule, key, records, apart
        self._field = money_field(rule)
        self._left_leg, self._right_leg = rule.leg_names
        self._free = [record for record in records if number(rule, record, self._field) is not None]
        self._found = [
            Decision(
                "unusable", (record,), faults=(Fault("TRANSFORM_ERROR", self._field, record.leg, "", ""),)
            )
            for record in records
            if number(rule, record, self._field) is None
        ]
        self._note = ""

    @cached_property
    def _loose(self) -> MatchingRule:
        """The rule for records that were put together one by one: several in a leg are no repetition."""
        return _with_many(self._rule, many=True)

    def decisions(self) -> list[Decision]:
        if self._key.method == "pair":
            self._pair(exact_only=False)
        else:
            self._pair(exact_only=True)
            self._cover(exact=True)
            self._pair(exact_only=False)
            self._cover(exact=False)
        return [*self._found, *self._rest()]

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
        lefts, rights = self._sides()
        edges = self._edges(lefts, rights, exact_only=exact_only)
        most = self._rule.budget.max_items
        pairs, too_large = assign(edges, _twins(lefts), _twins(rights), most)
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
        if too_large:
            self._note = f"more than {most} records are alike; nothing was decided between them"
            self._take(self._ambiguous(_members(too_large, lefts, rights), []))

    def _pair_equals(self) -> None:
        """As many equal records on both sides: copies, paired in order of day. Spares comparing all with all."""
        if self._key.window is not None:
            return
        lefts, rights = self._sides()
        by_value: dict[object, tuple[list[Record], list[Record]]] = defaultdict(lambda: ([], []))
        for side, members in enumerate((lefts, rights)):
            for record in members:
                by_value[_worth(record)][side].append(record)
        pairs = [
            pair
            for left, right in by_value.values()
            # Copies of which some are taken apart are not all alike.
            if len(left) == len(right) and not _are_apart(self._apart, [*left, *right])
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
        if _are_apart(self._apart, (left, right)):
            return None
        tests = gates(self._rule, {self._left_leg: [left], self._right_leg: [right]})
        if not all(test.passed for test in tests):
            return None
        inexact = int(any(test.difference for test in tests))
        return Cost(inexact, abs(self._units(left) - self._units(right)), abs((right.day - left.day).days))

    def _in_window(self, left: Record, right: Record) -> bool:
        window = self._key.window
        return window is None or window.bounds[0] <= _apart(window, left, right) <= window.bounds[1]

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
            if _are_apart(self._apart, [members[index] for index in chosen]):
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
        lefts, rights = self._sides()
        identity = self._key.method == "pair" and self._key == self._rule.keys[0]
        if identity and len(lefts) == len(rights) == 1 and not _are_apart(self._apart, self._free):
            yield _group(self._rule, self._key, [*lefts, *rights])
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
        return _group(self._loose, self._key, sorted(records, key=lambda one: one.order))

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
            if other.leg != record.leg and not _are_apart(self._apart, (record, other))
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


def would_match(test: Gate) -> str:
    """What change would have let a failed gate pass."""
    if test.difference is None:
        return f"{test.name} {test.actual or 'nothing'} instead of {test.expected or 'nothing'}"
    size = format(abs(test.difference).normalize(), "f")
    limit = format((test.allowed or Decimal(0)).normalize(), "f")
    return f"{test.name} differs by {size}, {limit} is allowed"


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
