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
            name: _of_workflow(store, project, workflow, moment(store, workflow, now))
            for name, workflow in project.workflows.items()
        },
    }


def _of_workflow(store: Store, project: Project, workflow: Workflow, at: Moment) -> dict[str, Any]:
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
        "kpis": [{**row, **_named(project, row)} for row in rows("summary_kpis")],
    }


def _named(project: Project, row: dict[str, Any]) -> dict[str, Any]:
    """Title of a figure, and whether it is the one its KPI is known by."""
    kpi = project.kpis.get(row["kpi"])
    if kpi is None:
        return {"title": row["kpi"], "headline": False}
    measures = kpi.header.measures
    title = next((measure.title for measure in measures if measure.name == row["measure"]), row["measure"])
    return {"title": f"{kpi.header.title}: {title}", "headline": row["measure"] == measures[0].name}


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
        print_table(
            [
                {**row, "amount": _money(row), "oldest": f"{row['oldest_days']} days"}
                for row in one["exceptions"]
            ],
            ["expectation", "code", "owner", "open", "items", "oldest", "amount"],
            title="\nOpen exceptions",
        )
        print_table(
            [
                {"kpi": row["kpi"], "figure": row["title"], "value": _value(row), "of": row["n"]}
                for row in one["kpis"]
                if row["headline"]
            ],
            title="\nKPIs (all of them: --json, or `tieout kpi show`)",
        )


def _money(row: dict[str, Any]) -> str:
    if row["amount"] is None:
        return "not in the source"
    unpriced = f", {row['without_amount']:,} without" if row["without_amount"] else ""
    return f"{row['amount']:,.2f} {row['currency']}{unpriced}"


def _value(row: dict[str, Any]) -> str:
    """A figure with its unit; an interval where items are unknown; a bound where the curve never gets there."""
    value, low, high = row["value"], row["low"], row["high"]
    if value is None and low is not None and high is not None:
        return f"{_number(low, row['unit'])} to {_number(high, row['unit'])}"
    if value is None and low is not None:
        return f"at least {_number(low, row['unit'])}"
    return "—" if value is None else _number(value, row["unit"])


def _number(value: float, unit: str) -> str:
    if unit == "ratio":
        return f"{value:.2%}"
    if unit == "seconds" and value >= 172_800:
        return f"{value / 86_400:,.1f} days"
    if unit == "hours" and value >= 48:
        return f"{value / 24:,.1f} days"
    return f"{value:,.2f}".rstrip("0").rstrip(".") + (f" {unit}" if unit != "count" else "")
