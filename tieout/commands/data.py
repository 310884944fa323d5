"""Data in: import files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from calendars.table import write_calendars
from collector.imports.load import find_mapping
from collector.imports.result import ImportProgress, ImportResult
from collector.imports.run import import_files
from core.errors import ConfigurationError
from core.findings import nearest
from reconcile.run import reconcile, retire
from tieout.commands.options import JsonOption, ProjectOption, present
from tieout.opening import store_of
from tieout.output import err, message, print_json
from tieout.project import DEFAULT, Project, open_project


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the command line."""
    app.command("import")(import_command)


def import_command(
    files: Annotated[list[Path], typer.Argument(help="Event logs and state files.", exists=True)],
    project: ProjectOption = DEFAULT,
    mapping: Annotated[
        str, typer.Option("--mapping", "-m", help="Mapping to use; by default the one that matches.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Reads event logs and state files. Importing twice changes nothing. Example: tieout import billing.csv.gz"""
    loaded = open_project(project)
    results = []
    with store_of(loaded, present(), "import", write=True) as store:
        for name, group in _by_mapping(loaded, files, mapping).items():
            chosen = loaded.mappings[name]
            with progress_bar(name) as tell:
                results.append(
                    import_files(store, chosen, loaded.workflows[chosen.workflow], group, present(), tell)
                )
        write_calendars(store, loaded.calendars.values(), present())
        reconcile(store, loaded.workflows.values(), present())
        retire(store, loaded.workflows, present())
    if json:
        print_json({"imports": [result.as_dict() for result in results]})
    else:
        for result in results:
            print_import(result)
    if any(result.rejected or not result.complete for result in results):
        raise typer.Exit(1)


def _by_mapping(project: Project, files: list[Path], name: str) -> dict[str, list[Path]]:
    if name and name not in project.mappings:
        near = nearest(name, project.mappings)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigurationError(
            f"no mapping {name!r}; there are {', '.join(project.mappings) or 'none'}{hint}"
        )
    groups: dict[str, list[Path]] = {}
    for file in files:
        groups.setdefault(name or find_mapping(file, project.loaded_mappings).mapping, []).append(file)
    return groups


@contextmanager
def progress_bar(title: str) -> Iterator[Any]:
    """A progress bar on standard error while a file is read; silent when it is not a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(f"import {title}", total=None, rows=0)

        def tell(progress: ImportProgress) -> None:
            bar.update(
                task, description=f"{progress.phase} {progress.file}", rows=progress.rows,
                completed=progress.done, total=progress.total or None,
            )  # fmt: skip

        yield tell


def print_import(result: ImportResult) -> None:
    """What became of one import, for people."""
    known = result.events.known + result.links.known + result.snapshots.known
    held = result.events.held_back
    message(
        f"{result.source}: {result.rows_read:,} rows read, {result.new:,} facts new, {known:,} known already"
        + (f", {held:,} events held back" if held else "")
        + f", {sum(result.rejected.values()):,} rows set aside, {result.seconds:.1f} s"
    )
    for reason, count in result.rejected.items():
        message(f"  set aside {count:,}: {reason} (table import_rejects has file, line and column)")
    for activity, count in result.unmapped.items():
        message(f"  no step for {count:,} rows of activity {activity!r}; add a selector to the workflow")
    for note in result.notes:
        message(f"  {note}")
