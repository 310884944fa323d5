"""A workflow's rules as bound parameters: the one SQL text serves every workflow."""

from __future__ import annotations

from typing import Any

from workflows.model import Once, Precedence, Rule, Sequence, TieOut, Workflow


def event_rules(workflow: Workflow) -> list[tuple[Any, ...]]:
    """Rules decided by events, as the tuples `expect_from_events.sql` takes.

    A precedence opens with its step and arrives with what it requires; a `once` opens with its step and
    ends with what resets it. The last rule, without a name, stands for the item itself.
    """
    rules = [_event_rule(workflow, rule) for rule in workflow.expectations if rule.kind != "reference"]
    return [*rules, ("", "none", "", "", "", "", 0, [], [], [], [], [], [], False, [], 0, 0, [])]


def _event_rule(workflow: Workflow, rule: Rule) -> tuple[Any, ...]:
    opens: tuple[str, ...] = ()
    arrives: tuple[str, ...] = ()
    voids: tuple[str, ...] = ()
    extra: tuple[Any, ...] = ([], [], [], False, [])
    within, clock, tolerance = 0, "", (0, 0)
    if isinstance(rule, Sequence):
        opens, arrives, voids = rule.after, rule.expect, rule.void_by
        guarded = rule.again_after is not None
        extra = (
            list(rule.write_off_by), list(rule.reversed_by), list(rule.failed_by), guarded, list(rule.again_after or ()),
        )  # fmt: skip
        within, clock = int(rule.within.total_seconds()), rule.clock
    elif isinstance(rule, Precedence):
        opens, arrives = (rule.step,), rule.requires
    elif isinstance(rule, Once):
        opens, voids = (rule.step,), rule.reset_by
    elif isinstance(rule, TieOut):
        opens, within = rule.after, int(rule.within.total_seconds())
        tolerance = (rule.tolerance.abs, rule.tolerance.pct)  # type: ignore[assignment]
    sources = workflow.sources_of(arrives or opens)
    return (
        rule.name, rule.kind, rule.item, rule.code, clock, rule.owner, within,
        list(opens), list(arrives), list(voids), *extra, *tolerance, list(sources),
    )  # fmt: skip


def reference_rules(workflow: Workflow) -> list[tuple[Any, ...]]:
    """Rules about links, as the tuples `expect_from_links.sql` takes."""
    return [
        (
            rule.name, rule.item, rule.code, rule.owner, int(rule.within.total_seconds()),
            rule.link.role, rule.link.to, list(workflow.sources),
        )
        for rule in workflow.expectations
        if rule.kind == "reference"
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
