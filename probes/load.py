"""A folder of probe files → checked probes, or every mistake in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.findings import Finding, nearest, unknown_name
from core.yamlfile import Location, Parsed, parse, validate
from probes.plugins import KindError, kind_named, names
from probes.probe import ProbeFile
from workflows.model import Workflow

Loaded = dict[str, tuple[ProbeFile, Parsed]]


def load_probes(folder: Path, workflows: Mapping[str, Workflow]) -> tuple[Loaded, list[Finding]]:
    """The probes in `folder` by name with the text they were read from, and what is wrong with the others."""
    loaded: Loaded = {}
    findings: list[Finding] = []
    for file in sorted(folder.glob("*.y*ml")):
        probe, parsed, problems = load_probe(file, workflows)
        if probe and parsed and probe.name in loaded:
            problems.append(parsed.finding(("name",), f"probe {probe.name!r} is defined twice"))
        findings += problems
        if probe and parsed and not problems:
            loaded[probe.name] = (probe, parsed)
    return loaded, findings


def load_probe(
    file: Path, workflows: Mapping[str, Workflow]
) -> tuple[ProbeFile | None, Parsed | None, list[Finding]]:
    """The probe in `file`, its parsed text, and what is wrong with it."""
    parsed, findings = parse(file)
    if parsed is None or not isinstance(parsed.data, dict):
        empty = Finding(str(file), 1, 1, "a probe file holds a mapping of keys to values")
        return None, parsed, findings or [empty]
    model, problem = _kind(parsed)
    if model is None:
        return None, parsed, [*findings, *problem]
    probe, mistakes = validate(parsed, model)
    if probe is None:
        # A variable that is not set makes its value wrong as well: one mistake, told once.
        told = {(finding.line, finding.column) for finding in findings}
        fresh = [mistake for mistake in mistakes if (mistake.line, mistake.column) not in told]
        return None, parsed, [*findings, *fresh]
    placed, misplaced = probe.located(file, parsed)
    return placed, parsed, [*findings, *misplaced, *_check(placed, parsed, workflows)]


def _kind(parsed: Parsed) -> tuple[type[ProbeFile] | None, list[Finding]]:
    if "kind" not in parsed.data:
        return None, [parsed.finding((), "key 'kind' is missing", ", ".join(names()))]
    kind = str(parsed.data["kind"])
    line, column = parsed.at(("kind",))
    try:
        found = kind_named(kind)
    except KindError as error:
        return None, [parsed.finding(("kind",), str(error))]
    return found, [] if found else [unknown_name(parsed.file, line, column, "kind of probe", kind, names())]


def _check(probe: ProbeFile, parsed: Parsed, workflows: Mapping[str, Workflow]) -> list[Finding]:
    """Names that must exist in the workflow."""

    def unknown(at: Location, what: str, name: str, names: Mapping[str, object]) -> list[Finding]:
        if name in names:
            return []
        options = sorted(names)
        allowed = ", ".join(options) or "none is declared"
        return [parsed.finding(at, f"unknown {what} {name!r}", allowed, nearest(name, options))]

    workflow = workflows.get(probe.workflow)
    if workflow is None:
        return unknown(("workflow",), "workflow", probe.workflow, workflows)
    found = unknown(("object", "type"), "object type", probe.object.type, workflow.objects)
    for index, link in enumerate(probe.links):
        found += unknown(("links", index, "to"), "object type", link.to, workflow.objects)
    for index, rule in enumerate(probe.events):
        found += unknown(("events", index, "step"), "step", rule.step, workflow.steps)
    return found
