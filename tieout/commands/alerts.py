"""Alerts: what fires, why, why not, and that somebody has it."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from alerts.run import acknowledge, states
from alerts.why import current, why, why_not
from core.errors import ConfigurationError
from core.findings import nearest
from tieout.commands.options import JsonOption, ProjectOption, present
from tieout.opening import store_of
from tieout.output import message, out, print_json, print_table
from tieout.pipeline import moment
from tieout.project import DEFAULT, open_project
from tieout.site_tests import alert_tests

alerts_app = typer.Typer(no_args_is_help=True, help="Alerts: list, why, why-not, ack, test.")

NameArgument = Annotated[str, typer.Argument(help="Rule, or fingerprint from `tieout alerts list`.")]


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the command line."""
    app.add_typer(alerts_app, name="alerts")


@alerts_app.command("list")
def alerts_list(
    project: ProjectOption = DEFAULT,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    json: JsonOption = False,
) -> None:
    """Alerts as they stand; exit code 1 when one fires. Example: tieout alerts list"""
    loaded = open_project(project)
    with store_of(loaded, present(), "alerts list") as store:
        rows = current(store)
        over = (
            [entry.alert for entry in states(store).values() if not entry.alert.active] if everything else []
        )
    rows += [
        {
            "rule": alert.rule, "fingerprint": alert.fingerprint, "labels": dict(alert.labels), "value": alert.value,
            "state": str(alert.state), "reason": str(alert.reason), "changed_at": alert.at,
        }
        for alert in over
    ]  # fmt: skip
    if json:
        print_json({"alerts": rows})
    else:
        print_table([_shown(row) for row in rows])
    if any(row["state"] == "firing" for row in rows):
        raise typer.Exit(1)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    labels = row["labels"]
    where = " ".join(part for part in (labels.get("workflow"), labels.get("segment")) if part)
    return {
        "alert": row["rule"], "state": row["state"], "severity": labels.get("severity"), "where": where,
        "value": row["value"], "since": row.get("active_since"), "fingerprint": row["fingerprint"],
    }  # fmt: skip


@alerts_app.command("why")
def alerts_why(name: NameArgument, project: ProjectOption = DEFAULT, json: JsonOption = False) -> None:
    """All that happened to an alert: changes and messages. Example: tieout alerts why PaidTwice"""
    loaded = open_project(project)
    with store_of(loaded, present(), "alerts why") as store:
        rows = why(store, name)
    if not rows:
        raise ConfigurationError(
            f"nothing has happened to an alert {name!r}; `tieout alerts why-not {name}` says why"
        )
    if json:
        print_json({"alert": name, "story": rows})
    else:
        print_table(rows, ["at", "kind", "what", "why", "value", "receiver"])


@alerts_app.command("why-not")
def alerts_why_not(
    rule: Annotated[str, typer.Argument(help="Rule of an alert file.")],
    project: ProjectOption = DEFAULT,
    json: JsonOption = False,
) -> None:
    """Why a rule does not fire, or nobody was told. Example: tieout alerts why-not PaidTwice"""
    loaded = open_project(project)
    found = loaded.alerts.rule(rule)
    if found is None:
        near = nearest(rule, [known.alert for known in loaded.alerts.rules])
        raise ConfigurationError(f"no alert rule {rule!r}" + (f"; did you mean {near!r}?" if near else ""))
    with store_of(loaded, present(), "alerts why-not") as store:
        now = moment(store, loaded.workflows[found.workflow], present()).as_of
        told = why_not(store, loaded.alerts, rule, now)
    if json:
        print_json({"rule": rule, "explanations": [dataclasses.asdict(one) for one in told]})
        return
    for one in told:
        segment = one.labels.get("segment", "")
        out.print(f"{rule} {segment}: {one.state}; {'; '.join(one.steps)}", markup=False, soft_wrap=True)


@alerts_app.command("ack")
def alerts_ack(
    fingerprint: Annotated[str, typer.Argument(help="Fingerprint from `tieout alerts list`.")],
    project: ProjectOption = DEFAULT,
    json: JsonOption = False,
) -> None:
    """Says that somebody has a firing alert: it is not told again until it ends. Example: tieout alerts ack 0148d803"""
    loaded = open_project(project)
    with store_of(loaded, present(), "alerts ack", write=True) as store:
        taken = acknowledge(store, fingerprint, present())
    if not taken:
        raise ConfigurationError(
            f"no firing alert has fingerprint {fingerprint!r}; `tieout alerts list` shows them"
        )
    if json:
        print_json({"fingerprint": fingerprint, "acknowledged": True})
    else:
        message(f"{fingerprint} is acknowledged")


@alerts_app.command("test")
def alerts_test(project: ProjectOption = DEFAULT, json: JsonOption = False) -> None:
    """The site's tests of its alert rules. Example: tieout alerts test"""
    results = alert_tests(open_project(project))
    rows = [
        {"test": one.name, "file": one.file, "result": "ok" if one.passed else "FAILED", "why": one.detail}
        for one in results
    ]
    if json:
        print_json({"tests": rows})
    else:
        print_table(rows)
    if any(not one.passed for one in results):
        raise typer.Exit(1)
