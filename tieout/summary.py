"""The state of a project in one document: items, verdicts, open exceptions and KPIs of every workflow."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from store.client import Store
from store.sqlfile import read
from tieout.output import out, print_table
from tieout.pipeline import SQL, Moment, moment
from tieout.project import Project
from workflows.model import Workflow


def summarise(store: Store, project: Project, now: datetime) -> dict[str, Any]:
    """Everything `tieout demo --once --json` prints, by workflow, as of each workflow's present moment."""
    return {
        "generated_at": now,
        "workflows": {
            name: _of_workflow(store, workflow, moment(store, workflow, now))
            for name, workflow in project.workflows.items()
        },
    }


def _of_workflow(store: Store, workflow: Workflow, at: Moment) -> dict[str, Any]:
    where = {"workflow": workflow.workflow, "item": workflow.item, "as_of": at.as_of, "known_at": at.known_at}

    def rows(name: str) -> list[dict[str, Any]]:
        return store.rows(read(SQL / f"{name}.sql"), where)

    verdicts = rows("summary_verdicts")
    states: dict[str, int] = {}
    for row in verdicts:
        states[row["state"]] = states.get(row["state"], 0) + row["verdicts"]
    stages = rows("summary_items")
    exceptions = rows("summary_exceptions")
    return {
        "title": workflow.title,
        "as_of": at.as_of,
        "known_at": at.known_at,
        "rule_version": workflow.version,
        "items": sum(row["items"] for row in stages),
        "items_by_stage": stages,
        "items_that_reached": {row["step"]: row["items"] for row in rows("summary_reached")},
        "verdicts_by_state": dict(sorted(states.items())),
        "verdicts": verdicts,
        "open_exceptions": sum(row["open"] for row in exceptions),
        "exceptions": exceptions,
        "kpis": rows("summary_kpis"),
    }


def print_summary(summary: dict[str, Any]) -> None:
    """The same for people."""
    for name, one in summary["workflows"].items():
        out.print(f"\n{one['title']} ({name})", style="bold", markup=False)
        out.print(
            f"as of {one['as_of']:%Y-%m-%d %H:%M} UTC: {one['items']:,} items, "
            f"{sum(one['verdicts_by_state'].values()):,} verdicts, {one['open_exceptions']:,} open exceptions",
            markup=False,
        )
        print_table(
            [{"state": state, "verdicts": count} for state, count in one["verdicts_by_state"].items()]
        )
        columns = [
            "expectation",
            "code",
            "owner",
            "open",
            "items",
            "oldest_days",
            "amount",
            "currency",
            "without_amount",
        ]
        print_table(one["exceptions"], columns, title="\nOpen exceptions")
        print_table(one["kpis"], ["kpi", "measure", "value", "low", "high", "n", "unit"], title="\nKPIs")
