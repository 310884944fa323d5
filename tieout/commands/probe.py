"""Sources that tieout reads: list, run."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from core.clock import SystemClock
from core.errors import ConfigurationError
from core.findings import nearest
from probes.overview import list_probes
from probes.probe import ProbeFile
from probes.run import dry_run as try_probe
from probes.run import run_probe
from probes.systems import Systems
from tieout.commands.options import JsonOption, ProjectOption, present
from tieout.opening import store_of
from tieout.output import message, print_json, print_table
from tieout.project import DEFAULT, Project, open_project

probe_app = typer.Typer(no_args_is_help=True, help="Sources that tieout reads: list, run.")
NameArgument = Annotated[str, typer.Argument(help="Probe, from `tieout probe list`.")]
# What of a probe's status people look at; --json has all of it.
LISTED = (
    "name", "system", "status", "late", "last_good", "complete_through", "records_read", "records_changed",
    "records_rejected", "tries_24h", "failed_tries_24h", "asked_again_at", "error",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the command line."""
    app.add_typer(probe_app, name="probe")


@probe_app.command("list")
def probe_list(project: ProjectOption = DEFAULT, json: JsonOption = False) -> None:
    """The probes of this project. Example: tieout probe list"""
    loaded = open_project(project)
    with store_of(loaded, present(), "probe list") as store:
        found = list_probes(store, loaded.probes.values(), present(), loaded.settings.systems)
    rows = [dataclasses.asdict(status) for status in found]
    print_json({"probes": rows}) if json else print_table(rows, LISTED)


@probe_app.command("run")
def probe_run(
    name: NameArgument,
    project: ProjectOption = DEFAULT,
    dry: Annotated[bool, typer.Option("--dry-run", help="Read and show, write nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Runs one probe now. Example: tieout probe run erp_orders --dry-run"""
    loaded = open_project(project)
    probe = chosen_probe(loaded, name)
    workflow = loaded.workflows[probe.workflow]
    systems = Systems(loaded.settings.systems)
    with store_of(loaded, present(), "probe run", write=True) as store:
        if dry:
            print_json(try_probe(store, probe, workflow, present(), systems=systems))
            return
        done = run_probe(store, probe, workflow, present(), clock=SystemClock(), systems=systems, asked=True)
    if json:
        print_json(done)
    else:
        message(
            f"{name}: {done.status}; {done.read:,} read, {done.changed:,} changed, {done.rejected:,} set aside. {done.error}"
        )
    if done.status == "failed":
        raise typer.Exit(1)


def chosen_probe(project: Project, name: str) -> ProbeFile:
    """The probe called `name`. Raises ConfigurationError that names the nearest."""
    if name not in project.probes:
        near = nearest(name, project.probes)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigurationError(f"no probe {name!r}; there are {', '.join(project.probes) or 'none'}{hint}")
    return project.probes[name]
