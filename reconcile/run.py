"""The reconcile job: reads what became known since its mark and writes the versions that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from reconcile.marks import EPOCH, facts, last_mark, read_up_to, set_mark, text
from reconcile.rules import event_rules, leg_rules, reference_rules
from store.client import Store
from store.sqlfile import read
from workflows.model import Workflow

SQL = Path(__file__).parent / "sql"

# Facts are stamped before they are committed: the newest are left for the next run. What is stored later still,
# by a long import say, shows in the number of facts up to a mark, and the job goes back to the mark that still adds up.
SETTLE = timedelta(seconds=1)

# Facts worked on at once, by which memory is bounded: a large history is done in shares of its items.
FACTS_AT_ONCE = 1_000_000
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

    Idempotent: a second run, or one after a crash, adds nothing. A changed workflow file is a new rule
    version and is worked out over all history; older views keep the version that decided then.
    """
    return [_one(store, workflow, now, now - settle) for workflow in workflows]


def _one(store: Store, workflow: Workflow, now: datetime, until: datetime) -> Reconciled:
    _activate(store, workflow, now)
    job = f"reconcile/{workflow.workflow}/{workflow.version}"
    last = last_mark(store, job)
    known = facts(store, until)
    mark = read_up_to(store, job, last)
    if last and mark == last["read_up_to"] and known == last["facts_then"]:
        return Reconciled(workflow.workflow, 0, 0, until)
    base = {
        "workflow": workflow.workflow,
        "version": workflow.version,
        "mark": text(mark),
        "until": text(until),
        "steps": list(workflow.steps),
        "failed_steps": [name for name, step in workflow.steps.items() if step.failed],
    }
    before = store.one(read(SQL / "counts.sql"))
    shares = 1 + (known - facts(store, mark)) // FACTS_AT_ONCE
    for share in range(shares):
        told = {**base, "rules": event_rules(workflow), "shares": shares, "share": share}
        store.command(read(SQL / "expect_from_events.sql"), told)
    if references := reference_rules(workflow):
        _follow(store, "news_of_links.sql", "expect_from_links.sql", {**base, "rules": references})
    if legs := leg_rules(workflow):
        _follow(store, "news_of_legs.sql", "leg_members.sql", {**base, "legs": legs})
    after = store.one(read(SQL / "counts.sql"))
    if not last or until > last["read_up_to"]:
        set_mark(store, job, until, known, now)
    written = {table: int(after[table]) - int(before[table]) for table in after}
    return Reconciled(workflow.workflow, written["expectations"], written["members"], until)


def _follow(store: Store, news: str, write: str, given: Mapping[str, Any]) -> None:
    """Writes what follows from links: only around what is new, or everywhere when that is too much to name."""
    first = given["mark"] == text(EPOCH)
    things = [] if first else store.value(read(SQL / news), {**given, "most": MOST_NAMED})
    everywhere = first or len(things) >= MOST_NAMED
    if everywhere or things:
        store.command(read(SQL / write), {**given, "all": everywhere, "things": [] if everywhere else things})


def _activate(store: Store, workflow: Workflow, now: datetime) -> None:
    """The first version decides on everything; a later one from now on."""
    known = store.one(read(SQL / "active_version.sql"), {"workflow": workflow.workflow})
    if known.get("version") == workflow.version:
        return
    store.insert(
        "workflow_versions",
        [
            {
                "workflow": workflow.workflow,
                "version": workflow.version,
                "content": workflow.model_dump_json(),
                "activated_at": now if known.get("version") else EPOCH,
            }
        ],
    )
