"""The reconcile job: reads what became known since its mark and writes the versions that follow from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from reconcile.calendar_versions import newest_calendars
from reconcile.learning import learn, learner_of, midnights_to_learn, with_learned_windows
from reconcile.marks import EPOCH, facts, last_mark, read_up_to, set_mark, text
from reconcile.rules import calendar_choice, event_rules, leg_rules, reference_rules, state_rules
from store.client import Store
from store.sqlfile import read
from workflows.model import Workflow, in_business_time

SQL = Path(__file__).parent / "sql"

# Facts are stamped before they are committed: the newest are left for the next run. What is stored later still,
# by a long import say, shows in the number of facts up to a mark, and the job goes back to the mark that still adds up.
SETTLE = timedelta(seconds=1)

# Facts worked on at once, by which memory is bounded: a large history is done in shares of its items.
FACTS_AT_ONCE = 1_000_000
# A source that has not carried a step for so many days is no longer expected to.
RECENT_DAYS = 35
# More objects than this are not handed back to the engine by name.
MOST_NAMED = 10_000


@dataclass(frozen=True)
class Reconciled:
    """What one run did for one workflow: rows written to `expectations` and `leg_members`."""

    workflow: str
    expectations: int
    members: int
    until: datetime


def reconcile(
    store: Store, workflows: Iterable[Workflow], now: datetime, *, settle: timedelta = SETTLE
) -> list[Reconciled]:
    """Brings expectations of all `workflows` up to what was known `settle` before `now`.

    Idempotent: a second run, or one after a crash, adds nothing. A changed workflow file, or a change of a
    calendar it names, is a new rule version and is worked out over all history; older views keep the version
    that decided then. Raises ConfigurationError when a calendar is not in the store.
    """
    return [_one(store, workflow, now, now - settle) for workflow in workflows]


def retire(store: Store, workflows: Iterable[str], now: datetime) -> list[str]:
    """Names of the workflows that decide no longer from `now` on, since they are not among `workflows`: their files are gone.

    Earlier views keep what they said.
    """
    rows = store.rows(read(SQL / "without_file.sql"), {"workflows": list(workflows), "now": now})
    store.insert(
        "workflow_versions", [{**row, "version": "", "activated_at": now, "calendars": {}} for row in rows]
    )
    return [row["workflow"] for row in rows]


def _one(store: Store, workflow: Workflow, now: datetime, until: datetime) -> Reconciled:
    calendars = newest_calendars(store, workflow.calendars, f"workflow {workflow.workflow!r}")
    version = _version(workflow, calendars)
    _activate(store, workflow, version, calendars, now)
    job = f"reconcile/{workflow.workflow}/{version}"
    last = last_mark(store, job)
    known = facts(store, until)
    mark = read_up_to(store, job, last)
    if last and mark == last["read_up_to"] and known == last["facts_then"]:
        return Reconciled(workflow.workflow, 0, 0, until)
    base = {
        "workflow": workflow.workflow,
        "version": version,
        **calendar_choice(workflow),
        "calendars_at": now,
        "mark": text(mark),
        "until": text(until),
        "steps": list(workflow.steps),
        "failed_steps": [name for name, step in workflow.steps.items() if step.failed],
    }
    before = store.one(read(SQL / "counts.sql"))
    read_until = mark
    learner = learner_of(workflow, version, base)
    for midnight in midnights_to_learn(store, learner, until):
        _follow_facts(store, workflow, base, read_until, midnight)
        learn(store, learner, midnight)
        read_until = max(read_until, midnight)
    _follow_facts(store, workflow, base, read_until, until)
    if references := reference_rules(workflow):
        write = _written(workflow, "expect_from_links.sql")
        _follow(store, "news_of_links.sql", write, {**base, "rules": references})
    if legs := leg_rules(workflow):
        _follow(store, "news_of_legs.sql", read(SQL / "leg_members.sql").text, {**base, "legs": legs})
    after = store.one(read(SQL / "counts.sql"))
    if not last or until > last["read_up_to"]:
        set_mark(store, job, until, known, now)
    written = {table: int(after[table]) - int(before[table]) for table in after}
    return Reconciled(workflow.workflow, written["expectations"], written["members"], until)


def _follow_facts(
    store: Store, workflow: Workflow, base: Mapping[str, Any], mark: datetime, until: datetime
) -> None:
    """Writes what follows from the events and states that became known in (mark, until], a share of the items at a time."""
    news = facts(store, until) - facts(store, mark) if mark < until else 0
    shares = 1 + news // FACTS_AT_ONCE
    about_states = {
        "rules": state_rules(workflow),
        "dimensions": list(workflow.dimensions),
        "recent_days": RECENT_DAYS,
    }
    for share in range(shares) if news else ():
        part = {**base, "mark": text(mark), "until": text(until), "shares": shares, "share": share}
        store.command(_written(workflow, "expect_from_events.sql"), {**part, "rules": event_rules(workflow)})
        if about_states["rules"]:
            store.command(_written(workflow, "expect_from_states.sql"), {**part, **about_states})


def _written(workflow: Workflow, query: str) -> str:
    """A query that makes expectations inside the statement that stores them.

    Only rules in business time have to look up when they are due: for the engine's planner that alone is as much work
    as all the rest. Learned windows are looked up where there are some.
    """
    made = read(SQL / query).code
    if workflow.learns:
        made = with_learned_windows(made)
    by_calendar = any(in_business_time(rule) for rule in workflow.expectations)
    store = "write_expectations_by_calendar.sql" if by_calendar else "write_expectations.sql"
    return read(SQL / store).code.replace("{query}", made)


def _follow(store: Store, news: str, write: str, given: Mapping[str, Any]) -> None:
    """Writes what follows from links: only around what is new, or everywhere when that is too much to name."""
    first = given["mark"] == text(EPOCH)
    things = [] if first else store.value(read(SQL / news), {**given, "most": MOST_NAMED})
    everywhere = first or len(things) >= MOST_NAMED
    if everywhere or things:
        store.command(write, {**given, "all": everywhere, "things": [] if everywhere else things})


def _version(workflow: Workflow, calendars: Mapping[str, str]) -> str:
    """What decides: the file alone, or the file with the calendars it counts by."""
    if not calendars:
        return workflow.version
    return hashlib.sha256(repr((workflow.version, sorted(calendars.items()))).encode()).hexdigest()[:16]


def _activate(
    store: Store, workflow: Workflow, version: str, calendars: Mapping[str, str], now: datetime
) -> None:
    """The first version decides on everything; a later one, or one whose file was gone for a time, from now on."""
    known = store.value(read(SQL / "active_version.sql"), {"workflow": workflow.workflow, "now": now})
    if known == version:
        return
    store.insert(
        "workflow_versions",
        [
            {
                "workflow": workflow.workflow,
                "version": version,
                "calendars": dict(calendars),
                "content": workflow.model_dump_json(),
                "activated_at": EPOCH if known is None else now,
            }
        ],
    )
