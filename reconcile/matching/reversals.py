"""Records that take each other back, found before anything else is matched."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from reconcile.matching.compare import money_field, number
from reconcile.matching.hand import Sets, are_apart
from reconcile.matching.model import Comparison, MatchingRule
from reconcile.matching.records import Record


def net(
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
    if not all(_takes_back(rule, told, one, other) for told in rule.compare.values() if told.means != "text"):
        return False
    return not are_apart(apart, (one, other))


def _takes_back(rule: MatchingRule, told: Comparison, one: Record, other: Record) -> bool:
    """Whether a number that is compared leaves nothing of the two: as many at another price are no reversal."""
    a, b = number(rule, one, told.field), number(rule, other, told.field)
    return a is None or b is None or a == (b if told.means == "price" else -b)
