"""A folder of workflow files → checked workflows, or every mistake in them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from core.duration import format_window
from core.findings import Finding, nearest
from core.yamlfile import Parsed, load
from workflows.model import (
    TELEMETRY,
    Landed,
    Leg,
    Once,
    Precedence,
    Rule,
    Sequence,
    TieOut,
    Traced,
    Workflow,
    calendar_references,
    in_business_time,
    step_references,
    type_references,
)

SHIPPED = Path(__file__).parent


def load_workflows(
    folder: Path = SHIPPED, calendars: Collection[str] | None = None
) -> tuple[dict[str, Workflow], list[Finding]]:
    """The workflows in `folder` by name, and what is wrong with the files that are not among them.

    With `calendars`, those they name must be among these.
    """
    workflows: dict[str, Workflow] = {}
    findings: list[Finding] = []
    for file in sorted(folder.glob("*.y*ml")):
        workflow, parsed, problems = load(file, Workflow)
        if workflow and parsed:
            problems += _check(workflow, parsed, calendars)
            if workflow.workflow in workflows:
                problems.append(
                    parsed.finding(("workflow",), f"workflow {workflow.workflow!r} is defined twice")
                )
        findings += problems
        if workflow and not problems:
            workflows[workflow.workflow] = workflow
    return workflows, findings


def _check(workflow: Workflow, parsed: Parsed, calendars: Collection[str] | None) -> list[Finding]:
    """Names that must exist elsewhere in the same file, and rules that cannot work."""
    out: list[Finding] = []

    def known(place: tuple[str | int, ...], what: str, name: str, names: object) -> None:
        options = sorted(str(option) for option in names)  # type: ignore[attr-defined]
        if name not in options:
            out.append(
                parsed.finding(place, f"unknown {what} {name!r}", ", ".join(options), nearest(name, options))
            )

    known(("item",), "object type", workflow.item, workflow.objects)
    for place, name in calendar_references(workflow) if calendars is not None else ():
        known(place, "calendar", name, calendars)
    for owner in workflow.owners:
        known(("owners", owner), "owner", owner, {rule.owner for rule in workflow.expectations})
    if workflow.calendar_by:
        known(("calendar_by", "dimension"), "dimension", workflow.calendar_by.dimension, workflow.dimensions)
    names: set[str] = set()
    for index, rule in enumerate(workflow.expectations):
        at: tuple[str | int, ...] = ("expectations", index)
        if isinstance(rule, Landed | Traced) and index >= len(parsed.data["expectations"]):
            at = ("steps", rule.step, "carries")
        for place, step in step_references(rule):
            known((*at, *place), "step", step, workflow.steps)
        for place, name in type_references(rule):
            known((*at, *place), "object type", name, workflow.objects)
        if rule.name in names:
            out.append(parsed.finding((*at, "name"), f"expectation {rule.name!r} is defined twice"))
        names.add(rule.name)
        out += [parsed.finding((*at, key), message) for key, message in _opens_and_ends(rule)]
        if in_business_time(rule) and not (workflow.calendar_of(rule) or workflow.calendar):
            message = "business time needs a calendar, and not only of some segments"
            allowed = "'calendar' of the expectation, of its owner under 'owners', or of the workflow"
            out.append(parsed.finding((*at, "within"), message, allowed))
        if isinstance(rule, Sequence | Landed) and rule.learn:
            message = f"counted otherwise than 'within', which is {format_window(rule.within)}"
            out += [
                parsed.finding((*at, "learn", key), message)
                for key in rule.learn.counted_otherwise(rule.within)
            ]
        if isinstance(rule, Landed | Traced) and rule.step in workflow.steps:
            out += _unproven(workflow, rule, parsed, at)
        if isinstance(rule, TieOut):
            out += [
                parsed.finding((*at, "legs", name), "a leg has either 'links' or 'step'")
                for name, leg in rule.legs.items()
                if not _leg_is_clear(leg)
            ]
    return list(dict.fromkeys(out))


def _unproven(
    workflow: Workflow, rule: Landed | Traced, parsed: Parsed, at: tuple[str | int, ...]
) -> list[Finding]:
    """A rule whose absences no source of the workflow can prove: it would never say more than that nobody knows."""
    if isinstance(rule, Landed):
        what, there = "state", rule.sources or workflow.state_sources
    else:
        told = workflow.sources_of((rule.step,))
        what, there = "telemetry", tuple(source for source in told if source.startswith(TELEMETRY))
    if there:
        return []
    message = f"no source of {what} proves what is not there, so this can never be told"
    allowed = (
        "a probe or import under 'sources'" if what == "state" else f"a source like {TELEMETRY}<service>"
    )
    return [parsed.finding(at, message, allowed)]


def _opens_and_ends(rule: Rule) -> Iterator[tuple[str, str]]:
    """Parts that name a step which the same rule opens with: it would end what it has just begun."""
    if isinstance(rule, Sequence):
        for key in ("expect", "void_by", "write_off_by"):
            if set(rule.after) & set(getattr(rule, key)):
                yield key, f"a step cannot be both in 'after' and in '{key}'"
    elif isinstance(rule, Precedence) and rule.step in rule.requires:
        yield "requires", "a step cannot require itself"
    elif isinstance(rule, Once) and rule.step in rule.reset_by:
        yield "reset_by", "a step cannot reset itself"


def _leg_is_clear(leg: Leg) -> bool:
    return bool(leg.links) != bool(leg.step)
