"""The site's files: init, check, test, migrate, config."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from core.findings import Finding
from kpis.load import check as check_kpi
from store import migrate as migrations
from store.client import Store
from tieout.commands.options import JsonOption, ProjectOption, present
from tieout.opening import HOME, prepare, store_of
from tieout.output import message, print_findings, print_json, print_table
from tieout.project import DEFAULT, Project, load_project, open_project
from tieout.scaffold import create
from tieout.settings import origins

config_app = typer.Typer(no_args_is_help=True, help="Settings and where they come from.")


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the command line."""
    app.command("init")(init)
    app.command("check")(check)
    app.command("test")(run_tests)
    app.command("migrate")(migrate)
    app.add_typer(config_app, name="config")


def init(
    folder: Annotated[Path, typer.Argument(help="Where the project goes.")] = DEFAULT,
    json: JsonOption = False,
) -> None:
    """Makes a project folder. Example: tieout init my-hospital"""
    written = create(folder, HOME / "examples" / "demo")
    if json:
        print_json({"project": folder.resolve(), "files": written})
        return
    for file in written:
        message(f"wrote {file}")
    message(f"next: tieout check --project {folder}, then tieout up --project {folder}")


def check(project: ProjectOption = DEFAULT, json: JsonOption = False) -> None:
    """Every mistake of every file, with line and column. Example: tieout check --project my-hospital"""
    loaded, findings = load_project(project)
    if loaded is not None:
        findings = sorted([*findings, *_engine_findings(loaded)])
    print_findings(findings, as_json=json)
    if findings:
        raise typer.Exit(1)
    if loaded is not None and not json:
        message(
            f"{project.resolve()}: {len(loaded.workflows)} workflows, {len(loaded.mappings)} mappings, "
            f"{len(loaded.probes)} probes, {len(loaded.matching)} matching rules, "
            f"{len(loaded.calendars)} calendars, {len(loaded.kpis)} KPIs, no mistakes"
        )


def _engine_findings(project: Project) -> list[Finding]:
    """What only the engine can say of the site's KPIs: asked of an empty store of its own."""
    own = [kpi for kpi in project.kpis.values() if HOME / "kpis" not in kpi.file.resolve().parents]
    if not own:
        return []
    with (
        tempfile.TemporaryDirectory(prefix="tieout-check-") as folder,
        Store(f"chdb://{folder}/engine") as store,
    ):
        prepare(store, present())
        return [finding for kpi in own for finding in check_kpi(store, kpi)]


def run_tests(project: ProjectOption = DEFAULT, json: JsonOption = False) -> None:
    """The tests of the site's own matching rules, KPIs and alert rules. Example: tieout test"""
    from tieout.site_tests import run_site_tests

    results = run_site_tests(open_project(project), present())
    if json:
        print_json({"tests": results})
    else:
        print_table(
            [
                {"test": r.name, "file": r.file, "result": "ok" if r.passed else "FAILED", "why": r.detail}
                for r in results
            ]
        )
    if any(not result.passed for result in results):
        raise typer.Exit(1)


def migrate(
    project: ProjectOption = DEFAULT,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, change nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Brings the store's tables up to this version. Example: tieout migrate --dry-run"""
    loaded = open_project(project)
    with store_of(loaded, present(), "migrate", write=True, prepared=False) as store:
        todo = migrations.migrate(store, present(), dry_run=dry_run)
        if not dry_run:
            prepare(store, present())
    if json:
        print_json({"dry_run": dry_run, "migrations": [{"id": one.id, "name": one.name} for one in todo]})
        return
    for one in todo:
        message(f"{'would apply' if dry_run else 'applied'} {one.name}")
    if not todo:
        message("nothing to do: the store is up to date")


@config_app.command("show")
def config_show(
    project: ProjectOption = DEFAULT,
    origin: Annotated[bool, typer.Option("--origin", help="Also where each value comes from.")] = False,
    json: JsonOption = False,
) -> None:
    """The settings in force, secrets masked. Example: tieout config show --origin"""
    loaded = open_project(project)
    rows = origins(loaded.parsed, {}) if loaded.parsed else []
    if not origin:
        rows = [{"setting": row["setting"], "value": row["value"]} for row in rows]
    print_json({"settings": rows}) if json else print_table(rows)
