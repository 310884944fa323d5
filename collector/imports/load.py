"""A folder of mapping files → checked mappings, or every mistake in them; and which mapping reads a file."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from pathlib import Path

from collector.imports.mapping import Amount, EventLog, KeyColumns, Mapping, ObjectField, Ocel2, StateFile
from core.errors import ConfigurationError
from core.findings import Finding, nearest
from core.yamlfile import Location, Parsed, load
from workflows.model import Workflow

_FORMATS = {"events": ("csv", "parquet", "xes"), "state": ("csv", "parquet"), "ocel2": ("ocel2",)}


def load_mappings(
    folder: Path, workflows: Dict[str, Workflow]
) -> tuple[dict[str, tuple[Mapping, Parsed]], list[Finding]]:
    """The mappings in `folder` by name, and what is wrong with the files that are not among them."""
    mappings: dict[str, tuple[Mapping, Parsed]] = {}
    findings: list[Finding] = []
    for file in sorted(folder.glob("*.y*ml")):
        mapping, parsed, problems = load(file, Mapping)
        if mapping and parsed:
            problems += check(mapping, parsed, workflows)
            if mapping.mapping in mappings:
                problems.append(parsed.finding(("mapping",), f"mapping {mapping.mapping!r} is defined twice"))
            if not problems:
                mappings[mapping.mapping] = (mapping, parsed)
        findings += problems
    return mappings, findings


def find_mapping(path: Path, mappings: Dict[str, tuple[Mapping, Parsed]]) -> Mapping:
    """The mapping whose `match` fits the name of `path`. Raises ConfigurationError for none or several."""
    found = [mapping for mapping, _ in mappings.values() if fits(mapping, path.name)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(sorted(mapping.mapping for mapping in found))
        raise ConfigurationError(
            f"{path.name}: the mappings {names} all match this name; say which one to use"
        )
    known = "; ".join(f"{name}: {' '.join(mapping.match)}" for name, (mapping, _) in sorted(mappings.items()))
    known = known or "there is none"
    raise ConfigurationError(f"{path.name}: no mapping matches this name; add it to 'match' of one ({known})")


def fits(mapping: Mapping, name: str) -> bool:
    """Whether `name` is one that the mapping declares to read."""
    return any(fnmatch.fnmatch(name, pattern) for pattern in mapping.match)


def check(mapping: Mapping, parsed: Parsed, workflows: Dict[str, Workflow]) -> list[Finding]:
    """Names that must exist in the workflow, and parts that cannot work together."""
    out = list(_check_form(mapping, parsed))
    workflow = workflows.get(mapping.workflow)
    if workflow is None:
        names = sorted(workflows)
        near = nearest(mapping.workflow, names)
        out.append(
            parsed.finding(("workflow",), f"unknown workflow {mapping.workflow!r}", ", ".join(names), near)
        )
        return out
    against = _Against(parsed, workflow)
    if mapping.events:
        out += _check_events(mapping, mapping.events, against)
    if mapping.state:
        out += _check_state(mapping.state, against)
    if mapping.ocel2:
        out += _check_ocel(mapping, mapping.ocel2, against)
    out += _check_watermark(mapping, against)
    return out


def _check_form(mapping: Mapping, parsed: Parsed) -> Iterator[Finding]:
    given = [part for part in _FORMATS if getattr(mapping, part)]
    if len(given) != 1:
        yield parsed.finding(("mapping",), "a mapping has exactly one of these parts", ", ".join(_FORMATS))
        return
    allowed = _FORMATS[given[0]]
    if mapping.format not in allowed:
        yield parsed.finding(
            ("format",), f"{given[0]!r} cannot be read from {mapping.format}", ", ".join(allowed)
        )


@dataclass(frozen=True)
class _Against:
    """Checks of names at a place in the mapping file against the workflow."""

    parsed: Parsed
    workflow: Workflow

    def name(self, at: Location, what: str, name: str, known: Iterable[str]) -> Iterator[Finding]:
        names = sorted(known)
        if name not in names:
            yield self.parsed.finding(at, f"unknown {what} {name!r}", ", ".join(names), nearest(name, names))

    def type(self, at: Location, name: str) -> Iterator[Finding]:
        yield from self.name(at, "object type", name, self.workflow.objects)

    def dims(self, at: Location, names: Iterable[str]) -> Iterator[Finding]:
        for name in names:
            yield from self.name((*at, name), "dimension", name, self.workflow.dimensions)

    def key(self, at: Location, key: KeyColumns) -> Iterator[Finding]:
        if bool(key.column) == bool(key.columns):
            yield self.parsed.finding(at, "a key has either 'column' or 'columns'")

    def amount(self, at: Location, amount: Amount) -> Iterator[Finding]:
        if bool(amount.column) == bool(amount.multiply):
            yield self.parsed.finding(at, "an amount has either 'column' or 'multiply'")
        if bool(amount.currency) == bool(amount.currency_column):
            yield self.parsed.finding(at, "an amount has either 'currency' or 'currency_column'")

    def tested(self, at: Location, kept: Iterable[str], system: str) -> Iterator[Finding]:
        """Steps that test an attribute which is not kept would never be reached by this file."""
        listed = set(kept)
        for name, step in self.workflow.steps.items():
            for selector in step.select:
                if selector.system not in ("", system):
                    continue
                for attribute in sorted(set(selector.where) - listed):
                    message = f"step {name!r} tests attribute {attribute!r}, which is not listed here"
                    yield self.parsed.finding(at, message)


def _check_events(mapping: Mapping, log: EventLog, against: _Against) -> Iterator[Finding]:
    for index, touched in enumerate(log.objects):
        at: Location = ("events", "objects", index)
        yield from against.type((*at, "type"), touched.type)
        yield from against.key(at, touched)
    if log.amount:
        yield from against.amount(("events", "amount"), log.amount)
    yield from against.dims(("events", "dims"), log.dims)
    yield from against.tested(("events", "attributes"), log.attributes, mapping.system)


def _check_state(state: StateFile, against: _Against) -> Iterator[Finding]:
    yield from against.type(("state", "type"), state.type)
    yield from against.key(("state", "key"), state.key)
    if state.amount:
        yield from against.amount(("state", "amount"), state.amount)
    if state.complete_through == "last_event" and not state.valid_from:
        message = "without 'valid_from' no row has a time, so there is no last one"
        yield against.parsed.finding(("state", "complete_through"), message, "a time, none")
    for index, link in enumerate(state.links):
        yield from against.type(("state", "links", index, "to"), link.to)
        yield from against.key(("state", "links", index), link)


def _check_ocel(mapping: Mapping, log: Ocel2, against: _Against) -> Iterator[Finding]:
    ours = {entry.type for entry in log.objects.values()}
    for name, entry in log.objects.items():
        at: Location = ("ocel2", "objects", name)
        yield from against.type((*at, "type"), entry.type)
        if entry.amount and bool(entry.amount.column) == bool(entry.amount.multiply):
            yield against.parsed.finding((*at, "amount"), "an amount has either 'column' or 'multiply'")
        if entry.amount and not log.currency:
            yield against.parsed.finding((*at, "amount"), "an amount needs 'currency' beside 'objects'")
        if name in log.ignore:
            yield against.parsed.finding(
                ("ocel2", "ignore"), f"{name!r} is both in 'objects' and in 'ignore'"
            )
    for role, target in log.link_targets.items():
        yield from against.type(("ocel2", "link_targets", role), target)
    priced = {entry.type for entry in log.objects.values() if entry.amount}
    for event, target in log.event_amount.items():
        yield from against.name(
            ("ocel2", "event_amount", event), "object type with an amount", target, priced
        )
    yield from against.dims(("ocel2", "dims"), log.dims)
    for name, source in log.dims.items():
        if isinstance(source, ObjectField):
            yield from against.name(("ocel2", "dims", name, "object"), "object type", source.object, ours)
    yield from against.tested(("ocel2", "attributes"), log.attributes, mapping.system)


def _check_watermark(mapping: Mapping, against: _Against) -> Iterator[Finding]:
    """A proof of completeness that no step looks at would be a silent mistake."""
    workflow = against.workflow
    sources = {*workflow.sources, *(source for step in workflow.steps.values() for source in step.sources)}
    if mapping.complete_through != "none" and mapping.mapping not in sources:
        place: Location = (
            ("events" if mapping.events else "state" if mapping.state else "ocel2"),
            "complete_through",
        )
        message = (
            f"{mapping.mapping!r} is no source of workflow {workflow.workflow!r}, so this would prove nothing"
        )
        yield against.parsed.finding(
            place, message, ", ".join(sorted(sources)), nearest(mapping.mapping, sources)
        )
