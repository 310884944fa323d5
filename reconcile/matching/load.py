"""A folder of matching rules and their tables → checked rules, or every mistake in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from core.duration import BusinessTime, format_window
from core.findings import Finding, nearest
from core.yamlfile import Location, Parsed, load
from reconcile.matching.compare import money_field
from reconcile.matching.model import (
    OWN_FIELDS,
    Key,
    Leg,
    MatchingRule,
    Ruling,
    in_business_days,
    tables_of,
)
from reconcile.matching.tables import Table, load_tables, not_numbers
from workflows.model import Workflow

TEST_SUFFIX = "_test"
TABLES = "tables"
# Object type, system, and the source that stores it.
Feed = tuple[str, str, str]


def load_matching(
    folder: Path,
    workflows: Mapping[str, Workflow],
    sources: Collection[str] | None = None,
    kept: Mapping[str, Collection[str]] | None = None,
    calendars: Collection[str] | None = None,
    feeds: Collection[Feed] = (),
) -> tuple[dict[str, Ruling], list[Finding]]:
    """The rules in `folder` by name, and what is wrong with the files that are not among them.

    `calendars` that there are and `sources` that feed the store; None when they are not known here. `kept`: fields
    that are stored of each object type; a type that is not named there is not checked. `feeds`: which source stores what.
    """
    tables, findings = load_tables(folder / TABLES)
    rulings: dict[str, Ruling] = {}
    for file in rule_files(folder):
        ruling, problems = load_ruling(
            file, tables, workflows, sources, kept, _names(folder), calendars, feeds
        )
        if ruling and ruling.rule.rule in rulings:
            problems.append(Finding(str(file), 1, 1, f"rule {ruling.rule.rule!r} is defined twice"))
        findings += problems
        if ruling and not problems:
            rulings[ruling.rule.rule] = ruling
    return rulings, list(dict.fromkeys(findings))


def rule_files(folder: Path) -> list[Path]:
    """The rule files of a folder, by name; tests of rules are not among them."""
    return [path for path in sorted(folder.glob("*.y*ml")) if not path.stem.endswith(TEST_SUFFIX)]


def load_ruling(
    file: Path,
    tables: Mapping[str, Table],
    workflows: Mapping[str, Workflow],
    sources: Collection[str] | None = None,
    kept: Mapping[str, Collection[str]] | None = None,
    known_tables: Collection[str] = (),
    calendars: Collection[str] | None = None,
    feeds: Collection[Feed] = (),
) -> tuple[Ruling | None, list[Finding]]:
    """The rule in `file` with its tables. `known_tables`: files that are there, whether or not they are right."""
    rule, parsed, findings = load(file, MatchingRule)
    if rule is None or parsed is None:
        return None, findings
    check = _Check(rule, parsed)
    findings += [*check.legs(workflows, sources, kept or {}), *check.fields(), *check.meaning()]
    findings += [*check.tables(tables, {*tables, *known_tables}), *check.business_time(calendars)]
    named = [name for _, name, _ in tables_of(rule)]
    # A table with mistakes has its own findings; without it, or its workflow, the rule cannot decide.
    if not set(named) <= set(tables) or rule.workflow not in workflows:
        return None, findings
    workflow = workflows[rule.workflow]
    legs = {
        name: leg.model_copy(update={"sources": _sources(leg, workflow, feeds)})
        for name, leg in rule.legs.items()
    }
    ruling = Ruling(
        rule.model_copy(update={"legs": legs}),
        {name: tables[name] for name in named},
        dimensions=workflow.dimensions,
    )
    return ruling, findings


def _sources(leg: Leg, workflow: Workflow, feeds: Collection[Feed]) -> tuple[str, ...]:
    """Sources that prove a record of this leg is not there: another system's being alive says nothing of this one."""
    if leg.sources or leg.step:
        return leg.sources or workflow.sources_of((leg.step,) if leg.step in workflow.steps else ())
    storing = {source for kind, system, source in feeds if kind == leg.type and leg.system in ("", system)}
    listed = tuple(source for source in workflow.sources if source in storing)
    return listed or tuple(sorted(storing)) or workflow.sources


def _names(folder: Path) -> list[str]:
    return [file.stem for file in (folder / TABLES).glob("*.csv")]


class _Check:
    """What a rule file says that cannot be meant."""

    def __init__(self, rule: MatchingRule, parsed: Parsed) -> None:
        self._rule, self._parsed = rule, parsed

    def _unknown(self, place: Location, what: str, name: str, known: Iterable[str]) -> Iterator[Finding]:
        options = sorted(set(known))
        if name not in options:
            allowed = ", ".join(options) or "none is declared"
            yield self._parsed.finding(place, f"unknown {what} {name!r}", allowed, nearest(name, options))

    def legs(
        self,
        workflows: Mapping[str, Workflow],
        sources: Collection[str] | None,
        kept: Mapping[str, Collection[str]],
    ) -> Iterator[Finding]:
        """Names of the workflow, of sources, and of the fields that are stored."""
        rule = self._rule
        yield from self._unknown(("workflow",), "workflow", rule.workflow, workflows)
        workflow = workflows.get(rule.workflow)
        for name, leg in rule.legs.items():
            at: Location = ("legs", name)
            if workflow and leg.type:
                yield from self._unknown((*at, "type"), "object type", leg.type, workflow.objects)
            if workflow and leg.step:
                yield from self._unknown((*at, "step"), "step", leg.step, workflow.steps)
            steps = workflow.steps if workflow else leg.void_by
            for index, step in enumerate(leg.void_by):
                yield from self._unknown((*at, "void_by", index), "step", step, steps)
            for index, source in enumerate(leg.sources if sources is not None else ()):
                if not source.startswith("otlp/"):
                    yield from self._unknown((*at, "sources", index), "source", source, sources or ())
            yield from self._leg_fields(leg, at, kept)

    def _leg_fields(self, leg: Leg, at: Location, kept: Mapping[str, Collection[str]]) -> Iterator[Finding]:
        for field, source in leg.fields.items():
            place = (*at, "fields", field)
            if source.startswith("@object:"):
                continue
            if source.startswith("@"):
                yield from self._unknown(place, "field of every record", source, OWN_FIELDS)
            elif leg.type and leg.type in kept:
                yield from self._unknown(place, f"stored field of {leg.type!r}:", source, kept[leg.type])
        for field in leg.when:
            yield from self._unknown((*at, "when", field), "field of the leg", field, leg.fields)
        for key in ("date", "original"):
            field = getattr(leg, key)
            if field:
                yield from self._unknown((*at, key), "field of the leg", field, leg.fields)
        for field, lookup in leg.lookup.items():
            yield from self._unknown((*at, "lookup", field), "number", field, self._rule.numbers)
            yield from self._unknown((*at, "lookup", field, "of"), "field of the leg", lookup.of, leg.fields)
            if field in leg.fields:
                message = f"{field!r} is both among the fields and looked up; name it once"
                yield self._parsed.finding((*at, "lookup", field), message)

    def fields(self) -> Iterator[Finding]:
        """Fields that keys, comparisons, numbers and changes name must be fields of the legs they are used in."""
        rule = self._rule
        everywhere = {field for leg in rule.legs.values() for field in leg.known}
        for number, key in enumerate(rule.keys):
            for index, field in enumerate(key.fields):
                yield from self._in_every_leg(("keys", number, "fields", index), field)
        for field in rule.normalise:
            yield from self._unknown(("normalise", field), "field", field, everywhere)
        for field, how in rule.numbers.items():
            yield from self._unknown(("numbers", field), "field", field, everywhere)
            for place, other in [(("unit", i), unit) for i, unit in enumerate(how.unit)] + [
                (("currency",), how.currency or field)
            ]:
                for leg in (leg for leg in rule.legs.values() if field in leg.fields):
                    yield from self._unknown(
                        ("numbers", field, *place), "field of the leg", other, leg.fields
                    )
        for name, one in rule.compare.items():
            at: Location = ("compare", name)
            for side in ("expected", "actual"):
                leg_name = getattr(one, side)
                yield from self._unknown((*at, side), "leg", leg_name, rule.legs)
                if leg_name in rule.legs:
                    yield from self._unknown(
                        (*at, "field"), f"field of leg {leg_name!r}:", one.field, rule.legs[leg_name].known
                    )
        for index, field in enumerate(rule.tax_freight):
            yield from self._unknown(("tax_freight", index), "number", field, rule.numbers)
        for index, field in enumerate(rule.header):
            yield from self._unknown(("header", index), "field of the first key", field, rule.keys[0].fields)

    def business_time(self, calendars: Collection[str] | None) -> Iterator[Finding]:
        """Calendars must be there, what is counted in business time needs one, and limits of what is learned count alike."""
        rule = self._rule
        places: list[tuple[Location, str | None]] = [(("calendar",), rule.calendar)]
        places += [(("legs", name, "calendar"), leg.calendar) for name, leg in rule.legs.items()]
        for place, name in places:
            if name and calendars is not None:
                yield from self._unknown(place, "calendar", name, calendars)
        for name, leg in rule.legs.items():
            if isinstance(leg.within, BusinessTime) and not (leg.calendar or rule.calendar):
                message, allowed = "business time needs a calendar", "'calendar' of the leg or of the rule"
                yield self._parsed.finding(("legs", name, "within"), message, allowed)
            message = f"counted otherwise than 'within', which is {format_window(leg.within)}"
            for limit in leg.learn.counted_otherwise(leg.within) if leg.learn else ():
                yield self._parsed.finding(("legs", name, "learn", limit), message)
        for number, key in enumerate(rule.keys):
            if in_business_days(key) and not rule.calendar:
                message = "business days need a calendar, the same for all legs"
                yield self._parsed.finding(("keys", number, "window"), message, "'calendar' of the rule")

    def _in_every_leg(self, place: Location, field: str) -> Iterator[Finding]:
        for name, leg in self._rule.legs.items():
            if field not in leg.fields:
                options = sorted(leg.fields)
                message = f"unknown field {field!r}: leg {name!r} does not have it"
                yield self._parsed.finding(place, message, ", ".join(options), nearest(field, options))

    def meaning(self) -> Iterator[Finding]:
        """Parts that are well-formed and still cannot decide anything."""
        rule = self._rule
        for name, one in rule.compare.items():
            at: Location = ("compare", name)
            if one.expected == one.actual:
                yield self._parsed.finding(at, "a leg cannot be compared with itself")
            if one.means != "text" and one.field not in rule.numbers:
                yield self._parsed.finding(
                    (*at, "field"), f"{one.field!r} is compared as a number; declare it under 'numbers'",
                    ", ".join(sorted(rule.numbers)), nearest(one.field, rule.numbers),
                )  # fmt: skip
            if one.over.any and one.under.any:
                yield self._parsed.finding(at, "neither side is checked, so this comparison decides nothing")
        for number, key in enumerate(rule.keys):
            yield from self._method(("keys", number), key)
            if key in rule.keys[:number]:
                yield self._parsed.finding(("keys", number), "this key is there already")

    def _method(self, at: Location, key: Key) -> Iterator[Finding]:
        if key.method == "group":
            return
        if len(self._rule.legs) != 2:
            message = f"'{key.method}' works on two legs; this rule has {len(self._rule.legs)}; use 'group'"
            yield self._parsed.finding((*at, "method"), message)
        if not money_field(self._rule):
            yield self._parsed.finding(
                (*at, "method"), f"'{key.method}' needs an amount or a quantity to compare"
            )

    def tables(self, tables: Mapping[str, Table], known: Collection[str]) -> Iterator[Finding]:
        """Tables must be there, and those of factors and rates must hold numbers."""
        for place, name, numeric in tables_of(self._rule):
            yield from self._unknown(place, "table", name, known)
            if numeric and name in tables:
                yield from not_numbers(tables[name])
