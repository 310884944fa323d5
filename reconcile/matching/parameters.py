"""A rule as bound parameters: the same SQL texts serve every rule."""

from __future__ import annotations

from typing import Any

import orjson

from core.duration import counted
from reconcile.matching.compare import currency_number, gates, money_field
from reconcile.matching.model import Drop, Key, Leg, Limit, MatchingRule, Ruling, Through, in_business_days
from workflows.model import Workflow

Part = tuple[str, list[str], str, list[str]]


def leg_parameters(ruling: Ruling, workflow: Workflow, name: str) -> dict[str, Any]:
    """What `extract.sql` takes to read one leg."""
    rule, leg = ruling.rule, ruling.rule.legs[name]
    places = {number: index for index, number in enumerate(rule.number_names, start=1)}
    money = currency_number(rule)
    worth, times = _worth(rule)
    how = rule.numbers.get(money)
    return {
        "rule": rule.rule, "version": ruling.version, "workflow": rule.workflow, "leg": name,
        "type": leg.type or "", "system": leg.system, "step": leg.step or "",
        "item": workflow.item, "void_by": list(leg.void_by), "steps": list(leg.steps),
        "gates": [(leg.fields[field], list(values)) for field, values in leg.when.items()],
        "passes": [[_part(rule, leg, field) for field in key.fields] for key in rule.keys],
        "texts": [_part(rule, leg, field) for field in rule.text_names],
        "original": [_part(rule, leg, leg.original)] if leg.original else [],
        "lookups": [
            (_looked_up(name), one.table, _part(rule, leg, one.of)) for name, one in leg.lookup.items()
        ],
        "numbers": [_number(rule, leg, field) for field in rule.number_names],
        "worth": worth, "times": times,
        "money": places.get(money, 0) if how and how.rates and money in leg.known else 0,
        "converts": any(one.factors or one.rates for one in rule.numbers.values()),
        "converted": bool(how and how.rates) or money in leg.lookup,
        "moneys": [number in _moneys(rule) for number in rule.number_names],
        "names_currency": bool(how and how.currency),
        "currency": rule.currency,
        "currency_field": leg.fields.get(how.currency or "", "@currency") if how else "@currency",
        "date": leg.fields[leg.date] if leg.date else "", "dates": leg.dates,
        "tables": [(table.name, table.version) for table in ruling.tables.values()],
        "dimensions": list(workflow.dimensions),
        "clocks": list(rule.clocks), "calendars": list(ruling.calendars), "learns": bool(rule.learns),
    }  # fmt: skip


def _moneys(rule: MatchingRule) -> set[str]:
    """Numbers that are compared as money."""
    return {one.field for one in rule.compare.values() if one.means in ("amount", "price")}


def _worth(rule: MatchingRule) -> tuple[int, int]:
    """Places of the numbers whose product is the money of a record: the amount, or quantity and price; 0 is none."""
    found = {
        one.means: rule.number_names.index(one.field) + 1
        for one in reversed(rule.compare.values())
        if one.means != "text"
    }
    if "amount" in found:
        return found["amount"], 0
    return (found["quantity"], found["price"]) if {"quantity", "price"} <= set(found) else (0, 0)


def group_parameters(ruling: Ruling, workflow: Workflow, number: int) -> dict[str, Any]:
    """What `plain.sql` takes to decide by the key with this number, from 1; of 0, what people joined, the core takes as much."""
    rule, key = ruling.rule, ruling.rule.keys[max(number, 1) - 1]
    return {
        "rule": rule.rule, "version": ruling.version, "workflow": rule.workflow, "pass": number,
        "last_pass": number == len(rule.keys),
        "legs": [
            (
                name, leg.type or "", leg.many and key.method == "group",
                list(sources_of(rule, workflow, name)), rule.owner_of_absence(name),
            )
            for name, leg in rule.legs.items()
        ],
        "compares": [
            (name, one.means, _place(rule, one.field, one.means), one.expected, one.actual)
            for name, one in rule.compare.items()
        ],
        # The number without which nothing can be paired; a group only sums.
        "needed": 0 if key.method == "group" else _place(rule, money_field(rule), "amount"),
        "window": list(key.window.bounds) if key.window else [], "in_business_days": in_business_days(key),
        "money": _money(rule),
        "header": [rule.text_names.index(field) + 1 for field in rule.header],
        "clears": "clear" if rule.outcome.auto_clear else "suggest",
        "age_by": rule.age_by, "owner": rule.owner, "calendar": rule.calendar or "", "differing": _differing(rule, key),
        # Windows of the clock that are fixed are added to what a record counts from; other due times stand in the records.
        "due_is_stored": bool(rule.clocks), "within_s": [counted(leg.within)[0] for leg in rule.legs.values()],
        "learns": bool(rule.learns),
        # Columns that are empty for all records of a rule are not read, nor is their money where it is one of the numbers.
        "has_texts": bool(rule.text_names), "has_dims": bool(workflow.dimensions), "has_original": any(leg.original for leg in rule.legs.values()), "has_amount": _money(rule)[0] > 0,
    }  # fmt: skip


def _differing(rule: MatchingRule, key: Key) -> tuple[bool, str, str, str, list[str]]:
    """Whether `two_legs.sql` decides amounts that differ, whose they are, what is rounding, and the beginning of the test as
    JSON; then all tests while one leg is alone, for each of them.

    It does where the core has nothing to choose: one exact amount of two legs with one record each.
    """
    one, *others = rule.compare.values() or (None,)
    exact = Limit().model_dump_json()
    if (
        one is None or others or one.means != "amount" or one.over.model_dump_json() != exact
        or one.under.model_dump_json() != exact or rule.tax_freight or rule.numbers[one.field].rates
        or len(rule.legs) != 2 or any(leg.many for leg in rule.legs.values()) or key.window
        or not (key.method == "group" or (key.method == "pair" and key == rule.keys[0]))
    ):  # fmt: skip
        return False, "", "0", "", []
    (name,) = rule.compare
    waits = [
        orjson.dumps([vars(test) for test in gates(rule, {leg: []})]).decode()
        if key.method == "group"
        else "[]"
        for leg in rule.leg_names
    ]
    fails = orjson.dumps({"name": name, "leg": one.actual}).decode().removesuffix("}")
    return True, rule.owner_of("AMOUNT", one.actual), format(rule.rounding, "f"), f"[{fails},", waits


def sources_of(rule: MatchingRule, workflow: Workflow, leg: str) -> tuple[str, ...]:
    """Sources that prove a record of this leg is not there."""
    one = rule.legs[leg]
    return one.sources or (workflow.sources_of((one.step,)) if one.step else workflow.sources)


def _place(rule: MatchingRule, field: str, means: str) -> int:
    return (rule.text_names if means == "text" else rule.number_names).index(field) + 1


def _money(rule: MatchingRule) -> tuple[int, int, int, str, str, str]:
    """Places of amount, quantity and price, the leg that is counted, and the legs whose money is compared."""
    by_meaning = {one.means: one for one in reversed(rule.compare.values())}
    amount, quantity, price = (by_meaning.get(means) for means in ("amount", "quantity", "price"))
    if amount:
        return _place(rule, amount.field, "amount"), 0, 0, "", amount.expected, amount.actual
    if quantity and price:
        places = _place(rule, quantity.field, "quantity"), _place(rule, price.field, "price")
        return 0, *places, quantity.actual, price.expected, price.actual
    return 0, 0, 0, "", "", ""


def _part(rule: MatchingRule, leg: Leg, field: str) -> Part:
    """A field of the source and what is done to it before and after it is looked up in a table."""
    before: list[str] = []
    after: list[str] = []
    lookup = ""
    for change in rule.normalise.get(field, ()):
        into = after if lookup else before
        if isinstance(change, Through):
            lookup = change.map
        elif isinstance(change, Drop):
            into += [f"drop:{character}" for character in change.drop]
        else:
            into.append(change)
    return leg.fields.get(field, ""), before, lookup, after


def _looked_up(name: str) -> str:
    """What `extract.sql` calls a number that no record carries; no field of a source begins like this."""
    return f"@lookup:{name}"


def _number(rule: MatchingRule, leg: Leg, field: str) -> tuple[str, list[str], str, bool, str, str]:
    how = rule.numbers[field]
    if field in leg.lookup:
        # A table says it in base unit and the rule's currency.
        return _looked_up(field), [], "", False, "", ""
    if field not in leg.fields:
        return "", [], "", False, "", ""
    return (
        leg.fields[field], [leg.fields[unit] for unit in how.unit], how.factors or "", how.per,
        leg.fields[how.currency] if how.currency else "", how.rates or "",
    )  # fmt: skip
