"""What becomes of the records of one key: a pure function of the rule and the records, whatever their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconcile.matching.cancel import cancelled
from reconcile.matching.group import group, groups, with_many
from reconcile.matching.hand import Accepted, Identity, Sets, are_of_one_leg
from reconcile.matching.model import Key, MatchingRule
from reconcile.matching.pairing import Pairing
from reconcile.matching.records import Decision, Fault, Gate, Record
from reconcile.matching.reversals import net

# What a record would have to say instead.
_WANTED = {
    "KEY_UNMAPPED": "a key, and each code of it in its table",
    "UOM_FACTOR": "a unit with a factor on its day",
    "FX_RATE": "a currency, and a rate on its day where it is not the rule's",
    "TRANSFORM_ERROR": "a number or a date",
}


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
    reversed_, left = net(rule, usable, apart)
    decisions = [_unusable(record) for record in unusable]
    decisions += [Decision("reversed", pair) for pair in reversed_]
    if key.method == "group":
        decisions += groups(rule, key, left, apart)
    else:
        decisions += Pairing(rule, key, left, apart).decisions()
    return decisions


def by_hand(
    rule: MatchingRule, records: Sequence[Record], members: frozenset[Identity], accepted: frozenset[Accepted]
) -> list[Decision]:
    """Decisions on the records that people joined, of those `members` that are there.

    Records of one leg cancel each other. What the rule finds wrong is no fault while all are there and exactly that was accepted: a value that changed since
    is compared anew. A key that nobody could read is no reason against people who know what it means.
    """
    standing = sorted({(one.leg, one.key): one for one in records}.values(), key=lambda one: one.order)
    usable = [replace(one, problem="") for one in standing if one.problem in ("", "KEY_UNMAPPED")]
    unusable = [_unusable(one) for one in standing if one.problem not in ("", "KEY_UNMAPPED")]
    if not usable:
        return unusable
    is_whole = frozenset((one.leg, one.key) for one in usable) == members
    if is_whole and are_of_one_leg(members):
        return [*unusable, cancelled(rule, usable, accepted)]
    # Nothing comes to it by itself any more, and dates do not matter.
    together = Key(fields=rule.keys[0].fields)
    found = group(with_many(rule, many=False), together, usable, may_repeat=True)
    failed = frozenset(accepted_of(test) for test in found.gates if test.passed is False)
    if found.verdict == "mismatch" and not found.waits and is_whole and failed <= accepted:
        found = replace(found, verdict="matched_tol", faults=())
    return [*unusable, found]


def accepted_of(test: Gate) -> Accepted:
    """What who joins records accepts when this test fails."""
    return Accepted(test.name, test.expected, test.actual)


def _unusable(record: Record) -> Decision:
    field, found = record.wrong or ("", "")
    return Decision(
        "unusable",
        (record,),
        faults=(Fault(record.problem, field, record.leg, _WANTED[record.problem], found),),
    )
