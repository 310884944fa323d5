"""Whether legs agree: values of a leg, gates with signed tolerances, and the difference by cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

from reconcile.matching.model import Comparison, Limit, MatchingRule
from reconcile.matching.records import Cause, Fault, Gate, Record

MONEY = Decimal("0.000001")
FINE = Decimal("0.000000000001")
ZERO = Decimal(0)
# Sums of 38-digit numbers times 38-digit prices stay exact.
EXACT = Context(prec=90, rounding=ROUND_HALF_EVEN)

Legs = Mapping[str, Sequence[Record]]
Value = Decimal | str | None


def by_leg(rule: MatchingRule, records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records of each leg that has some, in the rule's order."""
    found = {leg: [record for record in records if record.leg == leg] for leg in rule.leg_names}
    return {leg: sorted(members, key=lambda one: one.order) for leg, members in found.items() if members}


def money_field(rule: MatchingRule) -> str:
    """The number by which records are told apart and paired: the amount compared, else the quantity."""
    for means in ("amount", "quantity", "price"):
        for one in rule.compare.values():
            if one.means == means:
                return one.field
    return ""


def currency_number(rule: MatchingRule) -> str:
    """The number that carries the currency of a record: the amount compared, else the price, else what there is."""
    found = {one.means: one.field for one in reversed(rule.compare.values())}
    return found.get("amount") or found.get("price") or found.get("quantity") or ""


def number(rule: MatchingRule, record: Record, field: str) -> Decimal | None:
    """A number of a record, None when it is not known."""
    names = rule.number_names
    return record.numbers[names.index(field)] if field in names else None


def total(rule: MatchingRule, records: Sequence[Record], field: str) -> Decimal | None:
    """The sum over records; not known when one of them is not."""
    values = [number(rule, record, field) for record in records]
    known = [value for value in values if value is not None]
    with localcontext(EXACT):
        return sum(known, ZERO) if len(known) == len(values) else None


def value_of(rule: MatchingRule, one: Comparison, records: Sequence[Record]) -> Value:
    """What a leg says in a comparison. A price is weighted by quantity when it differs between records."""
    if one.means == "text":
        place = rule.text_names.index(one.field)
        return ", ".join(sorted({record.texts[place] for record in records}))
    if one.means == "price":
        return _price(rule, one.field, records)
    return total(rule, records, one.field)


def _price(rule: MatchingRule, field: str, records: Sequence[Record]) -> Decimal | None:
    prices = {number(rule, record, field) for record in records}
    if len(prices) == 1:
        return next(iter(prices))
    quantity = next((one.field for one in rule.compare.values() if one.means == "quantity"), "")
    counts = [number(rule, record, quantity) for record in records]
    with localcontext(EXACT):
        whole = sum((count for count in counts if count is not None), ZERO)
        if None in prices or None in counts or not whole:
            return None
        worth = sum(
            ((number(rule, r, field) or ZERO) * (number(rule, r, quantity) or ZERO) for r in records), ZERO
        )
        return (worth / whole).quantize(FINE)


def allowed(limit: Limit, expected: Decimal) -> Decimal:
    """How far a value may be off: the larger of the absolute and the percent limit, at most the cap."""
    size, flat, percent = abs(expected), limit.abs, limit.pct
    for tier in sorted(limit.tiers, key=lambda tier: tier.above):
        if size >= tier.above:
            flat, percent = tier.abs, tier.pct
    with localcontext(EXACT):
        most = max(flat, size * percent / 100)
    return most if limit.cap is None else min(most, limit.cap)


def most_allowed(limit: Limit, size: Decimal) -> Decimal | None:
    """More than no value of up to `size` may be off; None when there is no such bound."""
    if limit.any:
        return None
    sides = [(limit.abs, limit.pct), *((tier.abs, tier.pct) for tier in limit.tiers)]
    with localcontext(EXACT):
        most = max(max(flat, size * percent / 100) for flat, percent in sides)
    return most if limit.cap is None else min(most, limit.cap)


def gate(rule: MatchingRule, name: str, one: Comparison, legs: Legs) -> Gate:
    """One comparison between two legs."""
    if one.expected not in legs or one.actual not in legs:
        absent = one.expected if one.expected not in legs else one.actual
        return Gate(name, absent, "", "", None)
    expected, actual = value_of(rule, one, legs[one.expected]), value_of(rule, one, legs[one.actual])
    if isinstance(expected, Decimal) and isinstance(actual, Decimal):
        with localcontext(EXACT):
            difference = actual - expected
        limit = one.over if difference > 0 else one.under
        most = allowed(limit, expected)
        passed = difference == 0 or limit.any or abs(difference) <= most
        return Gate(name, one.actual, value_text(expected), value_text(actual), passed, difference, most)
    if isinstance(expected, str) and isinstance(actual, str):
        return Gate(name, one.actual, expected, actual, expected == actual)
    return Gate(name, one.actual, value_text(expected), value_text(actual), None)


def gates(rule: MatchingRule, legs: Legs) -> tuple[Gate, ...]:
    """All comparisons of the rule, and whether the legs speak of one currency."""
    same = one_currency(rule, (record for records in legs.values() for record in records))
    return (*(gate(rule, name, one, legs) for name, one in rule.compare.items()), *same)


def one_currency(rule: MatchingRule, records: Iterable[Record]) -> tuple[Gate, ...]:
    """The test that fails where records are in several currencies; none where they are not."""
    currencies = sorted({record.currency for record in records if record.currency})
    return () if len(currencies) < 2 else (Gate("currency", "", rule.currency, ", ".join(currencies), False),)


def fault(rule: MatchingRule, failed: Gate, stake: Decimal | None) -> Fault:
    """The exception that a failed gate is."""
    if failed.name not in rule.compare:
        code = {"currency": "FX_RATE", "window": "DATE_WINDOW"}[failed.name]
        return Fault(code, failed.name, failed.leg, failed.expected, failed.actual, stake)
    one = rule.compare[failed.name]
    more = failed.difference is not None and failed.difference > 0
    code = {
        "quantity": "QTY_OVER" if more else "QTY_UNDER",
        "price": "PRICE",
        "amount": "AMOUNT" if more or not rule.legs[one.actual].many else "PARTIAL_OPEN",
        "text": "FIELD_DRIFT",
    }[one.means]
    return Fault(code, failed.name, failed.leg, failed.expected, failed.actual, stake)


def stake(rule: MatchingRule, failed: Gate, legs: Legs, residual: Decimal | None) -> Decimal | None:
    """Money in one failed gate: the difference of amounts, of quantities at the price that is expected, of prices
    for the quantity there is; else all that the decision differs by. None when that is not known.
    """
    one = rule.compare.get(failed.name)
    if one is None or one.means == "text" or failed.difference is None:
        return None if residual is None else abs(residual)
    times: Value = Decimal(1)
    if one.means == "quantity":
        price = first_of(rule, "price")
        times = value_of(rule, price, legs[price.expected]) if price and price.expected in legs else None
    elif one.means == "price":
        quantity = first_of(rule, "quantity")
        times = total(rule, legs[one.actual], quantity.field) if quantity else None
    with localcontext(EXACT):
        return abs(failed.difference * times).quantize(MONEY) if isinstance(times, Decimal) else None


def first_of(rule: MatchingRule, means: str) -> Comparison | None:
    """The comparison by which the rule knows the amount, the quantity or the price; None where it compares none."""
    return next((one for one in rule.compare.values() if one.means == means), None)


def would_match(test: Gate) -> str:
    """What change would have let a failed gate pass."""
    if test.difference is None:
        return f"{test.name} {test.actual or 'nothing'} instead of {test.expected or 'nothing'}"
    size = format(abs(test.difference).normalize(), ",f")
    limit = format((test.allowed or Decimal(0)).normalize(), ",f")
    return f"{test.name} differs by {size}, {limit} is allowed"


def may_still_grow(rule: MatchingRule, failed: Gate) -> bool:
    """Whether more records of the leg could mend it: too little of a leg that may have many."""
    if failed.name not in rule.compare or failed.difference is None:
        return False
    one = rule.compare[failed.name]
    return one.means in ("amount", "quantity") and failed.difference < 0 and rule.legs[one.actual].many


def money(rule: MatchingRule, legs: Legs) -> tuple[Decimal | None, Decimal | None, dict[Cause, Decimal]]:
    """Expected and actual money of the legs compared, and their difference by cause, summing to it exactly."""
    amount, quantity, price = (first_of(rule, means) for means in ("amount", "quantity", "price"))
    parts = _quantity_and_price(rule, quantity, price, legs)
    if amount is not None:
        expected, actual = (
            _sum_of(rule, amount, amount.expected, legs),
            _sum_of(rule, amount, amount.actual, legs),
        )
        sides = (amount.expected, amount.actual)
    elif parts is not None and price is not None:
        (qe, pe), (qa, pa) = parts
        with localcontext(EXACT):
            expected, actual = (qe * pe).quantize(MONEY), (qa * pa).quantize(MONEY)
        sides = (price.expected, price.actual)
    else:
        return None, None, {}
    if expected is None or actual is None:
        return expected, actual, {}
    return expected, actual, _causes(rule, actual - expected, parts, sides, legs)


def _sum_of(rule: MatchingRule, one: Comparison, leg: str, legs: Legs) -> Decimal | None:
    found = total(rule, legs[leg], one.field) if leg in legs else None
    return found.quantize(MONEY, context=EXACT) if found is not None else None


def _quantity_and_price(
    rule: MatchingRule, quantity: Comparison | None, price: Comparison | None, legs: Legs
) -> tuple[tuple[Decimal, Decimal], tuple[Decimal, Decimal]] | None:
    if quantity is None or price is None:
        return None
    found = []
    for leg_of in ("expected", "actual"):
        for one in (quantity, price):
            leg = getattr(one, leg_of)
            value = value_of(rule, one, legs[leg]) if leg in legs else None
            if not isinstance(value, Decimal):
                return None
            found.append(value)
    return (found[0], found[1]), (found[2], found[3])


def _causes(
    rule: MatchingRule,
    residual: Decimal,
    parts: tuple[tuple[Decimal, Decimal], tuple[Decimal, Decimal]] | None,
    sides: tuple[str, str],
    legs: Legs,
) -> dict[Cause, Decimal]:
    """Known causes first; a small rest is rounding, a larger one is not explained. Nothing is left over."""
    causes: dict[Cause, Decimal] = {}
    with localcontext(EXACT):
        if parts is not None:
            (qe, pe), (qa, pa) = parts
            causes["quantity"] = ((qa - qe) * pe).quantize(MONEY)
            causes["price"] = (qa * (pa - pe)).quantize(MONEY)
        expected, actual = (legs.get(side, ()) for side in sides)
        causes["fx"] = _exchange(rule, expected, actual)
        price = first_of(rule, "price")
        if parts is not None and price is not None and rule.numbers[price.field].rates:
            # What the rate does to the price is told once.
            causes["price"] -= causes["fx"]
        extras = [(total(rule, actual, name), total(rule, expected, name)) for name in rule.tax_freight]
        causes["tax_freight"] = sum(((a or ZERO) - (e or ZERO) for a, e in extras), ZERO).quantize(MONEY)
        rest = residual - sum(causes.values(), ZERO)
    causes[rest_cause(rule, rest)] = rest
    return {cause: value for cause, value in causes.items() if value}


def rest_cause(rule: MatchingRule, rest: Decimal) -> Cause:
    """What a difference is put down to that nothing else explains."""
    return "rounding" if abs(rest) <= rule.rounding else "unexplained"


def _exchange(rule: MatchingRule, expected: Sequence[Record], actual: Sequence[Record]) -> Decimal:
    """What the same money would be less at the expected leg's rate; nothing when that leg has several rates."""
    rates = {record.rate for record in expected}
    field = currency_number(rule)
    if len(rates) != 1 or field not in rule.numbers or not rule.numbers[field].rates:
        return ZERO
    rate, gained = next(iter(rates)), ZERO
    quantity = next((one.field for one in rule.compare.values() if one.means == "quantity"), "")
    for record in actual:
        worth = number(rule, record, field) or ZERO
        if not any(one.means == "amount" for one in rule.compare.values()):
            worth *= number(rule, record, quantity) or ZERO
        gained += worth - worth * rate / record.rate
    return gained.quantize(MONEY)


def value_text(value: Value) -> str:
    """What a side of a test says, for people and to be compared; empty when it is not known."""
    if isinstance(value, Decimal):
        return format(value.normalize() if value else ZERO, "f")
    return value or ""
