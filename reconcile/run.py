"""The reconcile job: reads what became known since its mark and writes the versions that follow from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconcile.rules import event_rules, leg_rules, reference_rules
from store.client import Store
from store.sqlfile import read
from workflows.model import Workflow

SQL = Path(__file__).parent / "sql"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Facts are stamped before they are committed: the newest are left for the next run, and a stretch before the
# mark is read again. What is found there already is not written twice.
SETTLE = timedelta(seconds=1)
OVERLAP = timedelta(minutes=15)


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
    last = store.value(read(SQL / "mark.sql"), {"job": job})
    mark = max(EPOCH, last - OVERLAP) if last else EPOCH
    base = {
        "workflow": workflow.workflow,
        "version": workflow.version,
        "mark": _text(mark),
        "until": _text(until),
        "steps": list(workflow.steps),
        "failed_steps": [name for name, step in workflow.steps.items() if step.failed],
    }
    before = store.one(read(SQL / "counts.sql"))
    store.command(read(SQL / "expect_from_events.sql"), {**base, "rules": event_rules(workflow)})
    if references := reference_rules(workflow):
        store.command(read(SQL / "expect_from_links.sql"), {**base, "rules": references})
    if legs := leg_rules(workflow):
        store.command(read(SQL / "leg_members.sql"), {**base, "legs": legs})
    after = store.one(read(SQL / "counts.sql"))
    if last is None or until > last:
        store.insert("marks", [{"job": job, "mark": until, "at": now}])
    written = {table: int(after[table]) - int(before[table]) for table in after}
    return Reconciled(workflow.workflow, written["expectations"], written["members"], until)


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


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
