"""From evidence to alerts, one step after the other; every step may run again at any time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kpis.kpi import Kpi
from kpis.run import publish
from store.client import Store
from store.sqlfile import read
from tieout.project import Project
from workflows.model import Workflow

SQL = Path(__file__).parent / "sql"


@dataclass(frozen=True)
class Moment:
    """The pair a figure speaks of: business time V and what was known K, both UTC."""

    as_of: datetime
    known_at: datetime


def moment(store: Store, workflow: Workflow, now: datetime) -> Moment:
    """The present pair of a workflow.

    V is now, to the minute, or the time its sources are complete through, as the workflow says. K is when the
    newest evidence became known, so that the pair only moves when something did.
    """
    sources = list(workflow.sources_of(tuple(workflow.steps)))
    known = store.value(
        read(SQL / "newest_evidence.sql"), {"workflow": workflow.workflow, "sources": sources}
    )
    known = max(known, datetime.fromtimestamp(0, tz=now.tzinfo))
    if workflow.as_of == "watermark":
        through = store.value(read(SQL / "complete_through.sql"), {"sources": sources, "known_at": known})
        return Moment(through or now, known)
    return Moment(now.replace(second=0, microsecond=0), known)


def publish_all(store: Store, project: Project, kpis: Iterable[Kpi], now: datetime, run_id: str) -> int:
    """Publishes `kpis` of every workflow for its present moment; gives the number of figures written."""
    chosen = list(kpis)
    window = project.settings.kpi_window
    written = 0
    for workflow in project.workflows.values():
        pair = moment(store, workflow, now)
        written += publish(store, chosen, [workflow], pair.as_of, pair.known_at, now, run_id, window=window)
    return written


def alert_kpis(project: Project) -> list[Kpi]:
    """The KPIs that alert rules look at: they are worked out more often than the rest."""
    wanted = {rule.kpi for rule in project.alerts.rules}
    return [kpi for name, kpi in project.kpis.items() if name in wanted]
