"""The core against brute force on thousands of small cases, and what must hold for every case."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching_oracle import (
    Terms,
    balanced,
    best_packings,
    best_pairings,
    kind,
    money,
    pair_kinds,
)
from matching_rules import group, record, rule, tolerant

from reconcile.matching.assign import Cost, assign, in_order
from reconcile.matching.decide import decide
from reconcile.matching.model import MatchingRule
from reconcile.matching.pairing import Pairing
from reconcile.matching.records import Decision, Record

CASES = 1600


Apart = tuple[frozenset[tuple[str, str]], ...]


def decided(of: MatchingRule, records: list[Record], apart: Apart = ()) -> list[Decision]:
    return decide(of, of.keys[0], records, apart)


def taken_apart(rng: random.Random, records: list[Record]) -> Apart:
    """A few sets of two or three records of both legs, or none."""
    sets = []
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        chosen = rng.sample(records, min(len(records), rng.choice([2, 2, 3])))
        sets.append(frozenset((one.leg, one.key) for one in chosen))
    return tuple(one for one in sets if len({leg for leg, _ in one}) == 2)


def random_records(rng: random.Random, most: int, amounts: list[int], days: int) -> list[Record]:
    return [
        record(leg, f"{leg}{number}", rng.choice(amounts), day=rng.randrange(days))
        for leg in ("bank", "ledger")
        for number in range(rng.randrange(most + 1))
    ]


def rule_of(method: str, tolerance: int, window: tuple[int, int] | None) -> MatchingRule:
    key = {"fields": ["account"], "method": method, **({"window": {"days": list(window)}} if window else {})}
    return tolerant({"abs": tolerance}, method).model_copy(
        update={"keys": (tolerant({}, method).keys[0].model_validate(key),)}
    )


def matched(decisions: list[Decision]) -> list[Decision]:
    return [one for one in decisions if one.verdict in ("matched", "matched_tol")]


def kinds_of(records: Iterable[Record], terms: Terms) -> tuple[object, ...]:
    return tuple(sorted(repr(terms.kind(one)) for one in records))


@pytest.mark.parametrize("window", [None, (-1, 2)])
def test_pairs_are_those_of_brute_force(window: tuple[int, int] | None) -> None:
    rng = random.Random(7)
    ties = 0
    for _ in range(CASES):
        tolerance = rng.choice([0, 1, 3])
        records = random_records(rng, 4, [10, 11, 12, 14], 4)
        terms = Terms(Decimal(tolerance), window, taken_apart(rng, records))
        lefts = [one for one in records if one.leg == "bank"]
        rights = [one for one in records if one.leg == "ledger"]
        best = best_pairings(lefts, rights, lambda a, b, terms=terms: terms.agree([a], [b], terms.tolerance))  # type: ignore[misc]
        possible = [pair_kinds(one, lefts, rights) for one in best]
        found = decided(rule_of("pair", tolerance, window), records, terms.apart)
        clear = Counter(
            (
                kind(next(r for r in one.records if r.leg == "bank")),
                kind(next(r for r in one.records if r.leg == "ledger")),
            )
            for one in matched(found)
        )
        tied = [one for one in found if one.verdict == "ambiguous"]
        ties += bool(tied)
        # What is said to be matched is so in every best assignment; where all agree, nothing is left in the open.
        assert all(clear <= one for one in possible), records
        assert bool(tied) == any(one != possible[0] for one in possible), records
        if not tied:
            assert clear == possible[0], records
    assert ties > 5


@pytest.mark.parametrize("window", [None, (-1, 1)])
def test_sums_are_those_of_brute_force(window: tuple[int, int] | None) -> None:
    rng = random.Random(11)
    seen: Counter[str] = Counter()
    for _ in range(CASES):
        tolerance = rng.choice([0, 0, 2])
        records = random_records(rng, 4, [3, 5, 8, 13, 16, 21, 40], 3)
        terms = Terms(Decimal(tolerance), window, taken_apart(rng, records))
        found = decided(rule_of("subset", tolerance, window), records, terms.apart)
        expected = expected_outcome(records, terms)
        # Ties between pairs are held against brute force above.
        if expected is None:
            continue
        assert outcome(found, terms) == expected, (records, terms)
        seen.update(one.verdict for one in found)
        seen["sums"] += sum(1 for one in matched(found) if len(one.records) > 2)
    assert seen["sums"] > 60
    assert seen["ambiguous"] > 10


def test_one_record_on_each_side_is_decided_as_a_search_decides_it() -> None:
    rng = random.Random(3)
    seen: Counter[str] = Counter()
    for _ in range(CASES):
        of = rule_of("pair", rng.choice([0, 1, 3]), rng.choice([None, (-1, 1)]))
        records = [
            record(leg, leg, rng.choice([3, 5, 6, 8, None]), day=rng.randrange(4), currency=rng.choice(["USD"] * 9 + ["EUR"]))
            for leg in ("bank", "ledger")
        ]  # fmt: skip
        apart = taken_apart(rng, records)
        found = Pairing(of, of.keys[0], records, apart).decisions()
        assert found == Pairing(of, of.keys[0], records, apart).searched()
        seen.update(one.verdict for one in found)
    assert min(seen[verdict] for verdict in ("matched", "matched_tol", "mismatch", "open", "unusable")) > 20


def test_records_that_are_alike_are_paired_as_a_search_pairs_them() -> None:
    """However many there are: in order of day, which small cases hold against an assignment of all with all."""
    rng = random.Random(4)
    for _ in range(CASES // 2):
        low, high = sorted(rng.choices(range(-3, 6), k=2))
        lefts, rights = (sorted(rng.choices(range(14), k=rng.randrange(1, 8))) for _ in range(2))
        bands = [
            (sum(day - one < low for day in rights), sum(day - one <= high for day in rights))
            for one in lefts
        ]
        found = in_order(bands, lambda a, b, on=(lefts, rights): abs(on[1][b] - on[0][a]))  # type: ignore[misc]
        edges = {
            (a, b): Cost(0, 0, abs(rights[b] - lefts[a]))
            for a, band in enumerate(bands)
            for b in range(*band)
        }
        best = [(one.left, one.right) for one in assign(edges, [0] * 9, [0] * 9, 9)[0]]
        assert set(found) <= set(edges)
        assert len({a for a, _ in found}) == len({b for _, b in found}) == len(found) == len(best)
        assert sum(edges[one].days for one in found) == sum(edges[one].days for one in best)


def test_equal_records_are_paired_by_business_day_however_many_there_are() -> None:
    """In parts too large to be assigned, against the assignment; after the cut-off a day counts for the next."""
    rng = random.Random(1)
    seen: Counter[str] = Counter()
    for _ in range(CASES // 4):
        low, high = sorted(rng.choices(range(-2, 4), k=2))
        key = {"fields": ["account"], "method": "pair", "window": {"business_days": [low, high]}}
        shifts = rng.choice([[0, 0, 1], [0, 0, 1], [-1, 0, 1, 2]])
        records = [
            replace(one, business_day=one.day.toordinal() + rng.choice(shifts))
            for leg in ("bank", "ledger")
            for one in [
                record(leg, f"{leg}{n}", 25, day=rng.randrange(8)) for n in range(rng.randrange(1, 8))
            ]
        ]
        small, large = (
            decided(rule(calendar="c", keys=[key], budget={"max_items": most}), records) for most in (2, 100)
        )
        for bank, ledger in [one.records for one in matched(small)]:
            assert low <= ledger.business_day - bank.business_day <= high
        if any(one.verdict == "ambiguous" for one in small):
            # Where no order is both that of days and that of business days, nothing is decided.
            seen["undecided"] += 1
            continue
        assert worth_of(small) == worth_of(large), records
        seen["pairs"] += len(matched(small))
    assert min(seen.values()) > 20


def worth_of(decisions: list[Decision]) -> tuple[int, int]:
    """How many pairs there are, and the sum of their days."""
    pairs = [one.records for one in matched(decisions)]
    return len(pairs), sum(abs((bank.day - ledger.day).days) for bank, ledger in pairs)


@pytest.mark.parametrize("tolerance", [0, 2])
def test_the_same_money_every_day_is_matched_however_often_it_comes(tolerance: int) -> None:
    """A deposit of 25 on each of 90 days, booked the day after, one not yet; others of nearly the same money beside them."""
    banked = [record("bank", f"b{n:02}", 25, day=n) for n in range(90)]
    booked = [record("ledger", f"l{n:02}", 25, day=n + 1) for n in range(90) if n != 60]
    others = [
        record("bank", "other", 26, day=3), record("ledger", "other", 26, day=3), record("ledger", "late", 24, day=2),
        record("ledger", "far", 700, day=9),
    ]  # fmt: skip
    found = decided(rule_of("pair", tolerance, (0, 3)), [*banked, *booked, *others])
    verdicts = Counter(one.verdict for one in found)
    assert verdicts == (
        {"matched": 90, "matched_tol": 1, "open": 1} if tolerance else {"matched": 90, "open": 3}
    )
    assert ["other", "other"] in [[one.key for one in decision.records] for decision in found]
    left = [one for one in found if one.verdict != "matched"]
    # The days are least when the first of all is the one that is left.
    assert [one.key for decision in left for one in decision.records if one.leg == "bank"] == ["b00"]


def outcome(decisions: list[Decision], terms: Terms) -> Counter[object]:
    """Matches and ties by the kinds of their records; which of interchangeable ones it is says nothing."""
    return Counter(
        ("tie" if one.verdict == "ambiguous" else "match", kinds_of(one.records, terms))
        for one in decisions
        if one.verdict in ("matched", "matched_tol", "ambiguous")
    )


def expected_outcome(records: list[Record], terms: Terms) -> Counter[object] | None:
    free = sorted(records, key=lambda one: one.order)
    found: Counter[object] = Counter()

    def take(label: str, members: list[Record]) -> None:
        found[label, kinds_of(members, terms)] += 1
        for one in members:
            free.remove(one)

    for tolerance in (Decimal(0), terms.tolerance):
        lefts, rights = _sides(free)
        best = best_pairings(lefts, rights, lambda a, b, most=tolerance: terms.agree([a], [b], most))  # type: ignore[misc]
        possible = [pair_kinds(one, lefts, rights, terms.kind) for one in best]
        if any(one != possible[0] for one in possible):
            return None
        # Which of the interchangeable ones are taken matters to nothing but their days: the first in order.
        for a, b in sorted(min(best, key=lambda pairs: sum(a + b for a, b in pairs))):
            take("match", [lefts[a], rights[b]])
        lefts, rights = _sides(free)
        everything = [*lefts, *rights]
        for part in _parts(balanced(lefts, rights, terms, tolerance)):
            _choose(part, everything, take, terms)
        if terms.tolerance == 0:
            break
    return found


def _sides(free: list[Record]) -> tuple[list[Record], list[Record]]:
    return [one for one in free if one.leg == "bank"], [one for one in free if one.leg == "ledger"]


def _parts(sets: list[frozenset[int]]) -> list[list[frozenset[int]]]:
    parts: list[list[frozenset[int]]] = []
    for one in sets:
        near = [part for part in parts if any(one & other for other in part)]
        parts = [part for part in parts if part not in near] + [
            [one, *(other for part in near for other in part)]
        ]
    return parts


def _choose(part: list[frozenset[int]], everything: list[Record], take, terms: Terms) -> None:  # type: ignore[no-untyped-def]
    best = best_packings(part)
    kinds = [Counter(kinds_of((everything[i] for i in one), terms) for one in choice) for choice in best]
    if all(one == kinds[0] for one in kinds):
        for one in sorted(best[0], key=sorted):
            take("match", [everything[i] for i in one])
        return
    certain = [one for one in part if all(one in choice for choice in best)]
    for one in certain:
        take("match", [everything[i] for i in one])
    used = frozenset().union(*certain) if certain else frozenset()
    rest = [one for one in part if not one & used]
    if rest:
        take("tie", [everything[i] for i in sorted(frozenset().union(*rest))])


RECORDS = st.lists(
    st.builds(
        lambda leg, number, amount, day: record(leg, f"{leg}{number}", amount, day=day),
        st.sampled_from(["bank", "ledger"]), st.integers(0, 9), st.integers(-9, 30), st.integers(0, 5),
    ),
    max_size=9,
    unique_by=lambda one: (one.leg, one.key),
)  # fmt: skip
METHODS = st.sampled_from(["pair", "subset", "group"])


def summed(method: str, tolerance: int) -> MatchingRule:
    return group() if method == "group" else tolerant({"abs": tolerance}, method)


@settings(max_examples=150, deadline=None)
@given(records=RECORDS, method=METHODS, tolerance=st.integers(0, 4), seed=st.randoms(use_true_random=False))
def test_every_record_is_in_one_decision_and_order_and_repetition_change_nothing(
    records: list[Record], method: str, tolerance: int, seed: random.Random
) -> None:
    of = summed(method, tolerance)
    found = decided(of, records)
    members = [one for decision in found for one in decision.records]
    assert sorted((one.leg, one.key) for one in members) == sorted((one.leg, one.key) for one in records)
    assert money(members) == money(records)
    again = [*records, *seed.choices(records, k=3)] if records else []
    seed.shuffle(again)
    assert decided(of, again) == found


@settings(max_examples=150, deadline=None)
@given(records=RECORDS, method=METHODS, tolerance=st.integers(0, 4))
def test_causes_sum_to_the_difference_and_a_match_decided_again_is_the_same(
    records: list[Record], method: str, tolerance: int
) -> None:
    of = summed(method, tolerance)
    for one in decided(of, records):
        if one.residual is not None:
            assert sum(one.variance.values(), Decimal(0)) == one.residual
        if one.verdict in ("matched", "matched_tol"):
            (again,) = decided(of, list(one.records))
            assert (again.verdict, again.records, again.residual) == (one.verdict, one.records, one.residual)


@settings(max_examples=150, deadline=None)
@given(records=RECORDS, tolerance=st.integers(0, 4), more=st.integers(1, 5))
def test_more_tolerance_never_pairs_fewer(records: list[Record], tolerance: int, more: int) -> None:
    def paired(limit: int) -> int:
        return sum(
            len(one.records)
            for one in decided(tolerant({"abs": limit}), records)
            if one.verdict in ("matched", "matched_tol", "ambiguous")
        )

    assert paired(tolerance) <= paired(tolerance + more)
