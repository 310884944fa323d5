"""All records of a key as one item: its tests, its money, its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconcile.matching.compare import by_leg, fault, gates, may_still_grow, money, stake
from reconcile.matching.hand import Sets
from reconcile.matching.model import Key, MatchingRule, Window
from reconcile.matching.records import Decision, Fault, Gate, Record, Verdict


def groups(rule: MatchingRule, key: Key, records: Sequence[Record], apart: Sets) -> list[Decision]:
    """One item of all records; those of a set that people took apart stand alone, where it is all here."""
    there = {(one.leg, one.key) for one in records}
    alone = {place for members in apart if members <= there for place in members}
    rest = [one for one in records if (one.leg, one.key) not in alone]
    single = [[one] for one in records if (one.leg, one.key) in alone]
    return [group(rule, key, members) for members in (rest, *single) if members]


def group(rule: MatchingRule, key: Key, records: Sequence[Record], *, may_repeat: bool = False) -> Decision:
    """One item of these records. `may_repeat`: several in a leg that has one are no suspected copies."""
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
    """Several records in a leg that has one. As many copies in every leg are one item, not a difference."""
    counts = {leg: len(legs.get(leg, ())) for leg in rule.leg_names}
    faults = tuple(
        Fault("DUP_SUSPECT", leg, leg, "1", str(count))
        for leg, count in counts.items()
        if count > 1 and not rule.legs[leg].many
    )
    are_copies = len(set(counts.values())) == 1 and not (faults and _hide_differences(rule, legs))
    return () if are_copies else faults


def _hide_differences(rule: MatchingRule, legs: Mapping[str, Sequence[Record]]) -> bool:
    """Whether sums of as many records in legs that have one agree, and the records do not: 100 + 200 and 150 + 150."""
    if any(test.passed is False for test in gates(rule, legs)):
        return False
    in_line = {leg: sorted(members, key=_content) for leg, members in legs.items() if not rule.legs[leg].many}
    rows = (
        dict(zip(in_line, ([one] for one in row), strict=True)) for row in zip(*in_line.values(), strict=True)
    )
    return any(test.passed is False for row in rows for test in gates(rule, row))


def _content(record: Record) -> tuple[object, ...]:
    return (record.texts, [number or 0 for number in record.numbers])


def with_many(rule: MatchingRule, *, many: bool) -> MatchingRule:
    """The rule with legs that may all have several records, or none of them."""
    legs = {name: leg.model_copy(update={"many": many}) for name, leg in rule.legs.items()}
    return rule.model_copy(update={"legs": legs})


def window_gate(key: Key, legs: Mapping[str, Sequence[Record]], rule: MatchingRule) -> tuple[Gate, ...]:
    """Whether all records are dated within the key's window of the first leg that is there."""
    present = [legs[leg] for leg in rule.leg_names if leg in legs]
    if key.window is None or len(present) < 2:
        return ()
    first, others = present[0], [record for members in present[1:] for record in members]
    apart = [days_apart(key.window, one, other) for one in first for other in others]
    (earliest, latest), unit = key.window.bounds, key.window.unit
    inside = earliest <= min(apart) and max(apart) <= latest
    worst = min(apart) if min(apart) < earliest else max(apart)
    return (Gate("window", others[0].leg, f"{earliest} to {latest} {unit}", f"{worst} {unit}", inside),)


def days_apart(window: Window, one: Record, other: Record) -> int:
    """How many days of the window's kind `other` is dated after `one`."""
    if window.business_days:
        return other.business_day - one.business_day
    return (other.day - one.day).days
