"""A workflow's rules as bound parameters: the one SQL text serves every workflow."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from core.duration import counted
from workflows.model import Landed, Once, Precedence, Rule, Sequence, TieOut, Traced, Workflow


def event_rules(workflow: Workflow) -> list[tuple[Any, ...]]:
    """Rules decided by events, as the tuples `expect_from_events.sql` takes.

    A precedence opens with its step and arrives with what it requires; a `once` opens with its step and
    ends with what resets it. The last rule, without a name, stands for the item itself.
    """
    by_events = (Sequence, Precedence, Once, TieOut)
    rules = [_event_rule(workflow, rule) for rule in workflow.expectations if isinstance(rule, by_events)]
    return [*rules, ("", "none", "", "", "", "", 0, "s", "", [], [], [], [], [], [], False, [], 0, 0, [])]


def _event_rule(workflow: Workflow, rule: Rule) -> tuple[Any, ...]:
    opens: tuple[str, ...] = ()
    arrives: tuple[str, ...] = ()
    voids: tuple[str, ...] = ()
    extra: tuple[Any, ...] = ([], [], [], False, [])
    clock, tolerance = "", (0, 0)
    if isinstance(rule, Sequence):
        opens, arrives, voids = rule.after, rule.expect, rule.void_by
        guarded = rule.again_after is not None
        extra = (
            list(rule.write_off_by), list(rule.reversed_by), list(rule.failed_by), guarded, list(rule.again_after or ()),
        )  # fmt: skip
        clock = rule.clock
    elif isinstance(rule, Precedence):
        opens, arrives = (rule.step,), rule.requires
    elif isinstance(rule, Once):
        opens, voids = (rule.step,), rule.reset_by
    elif isinstance(rule, TieOut):
        opens = rule.after
        tolerance = (rule.tolerance.abs, rule.tolerance.pct)  # type: ignore[assignment]
    sources = workflow.sources_of(arrives or opens)
    return (
        rule.name, rule.kind, rule.item, rule.code, clock, rule.owner, *_window(rule), workflow.calendar_of(rule),
        list(opens), list(arrives), list(voids), *extra, *tolerance, list(sources),
    )  # fmt: skip


def _window(rule: Rule) -> tuple[int, str]:
    """How much time a rule allows, and of what."""
    return counted(getattr(rule, "within", timedelta(0)))


def calendar_choice(workflow: Workflow) -> dict[str, Any]:
    """What decides the calendar of an expectation that neither names one nor has an owner with one."""
    by = workflow.calendar_by
    return {
        "calendars": list(workflow.calendars),
        "calendar_default": workflow.calendar or "",
        "calendar_dimension": by.dimension if by else "",
        "calendar_by": dict(by.calendars) if by else {},
    }


def reference_rules(workflow: Workflow) -> list[tuple[Any, ...]]:
    """Rules about links, as the tuples `expect_from_links.sql` takes."""
    return [
        (
            rule.name, rule.item, rule.code, rule.owner, *_window(rule), workflow.calendar_of(rule),
            rule.link.role, rule.link.to, list(workflow.sources),
        )
        for rule in workflow.expectations
        if rule.kind == "reference"
    ]  # fmt: skip


def state_rules(workflow: Workflow) -> list[tuple[Any, ...]]:
    """Rules that hold events against states, as the tuples `expect_from_states.sql` takes."""
    return [
        (
            rule.name, rule.kind, rule.item, rule.system, rule.step, rule.code, rule.owner, *_window(rule),
            workflow.calendar_of(rule),
            list((rule.sources or workflow.state_sources) if isinstance(rule, Landed) else ()),
        )
        for rule in workflow.expectations
        if isinstance(rule, Landed | Traced)
    ]  # fmt: skip


def leg_rules(workflow: Workflow) -> list[tuple[Any, ...]]:
    """Legs of tie-outs, as the tuples `leg_members.sql` takes; the first leg of a rule is the expected one."""
    return [
        (
            rule.name, rule.item, name, number == 0, leg.step or "",
            [link.role for link in leg.links], [link.to for link in leg.links],
        )
        for rule in workflow.expectations
        if isinstance(rule, TieOut)
        for number, (name, leg) in enumerate(rule.legs.items())
    ]  # fmt: skip
