"""Workflows: those of the project, and those of the catalogue to begin from."""

from __future__ import annotations

from typing import Annotated

import typer

from core.errors import ConfigurationError
from tieout.commands.options import JsonOption, ProjectOption
from tieout.output import message, print_json, print_table
from tieout.project import DEFAULT, open_to_read
from workflows import catalogue

workflow_app = typer.Typer(no_args_is_help=True, help="Workflows of the project and of the catalogue.")


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the command line."""
    workflow_app.command("list")(workflow_list)
    workflow_app.command("add")(workflow_add)
    app.add_typer(workflow_app, name="workflow")


def workflow_list(project: ProjectOption = DEFAULT, json: JsonOption = False) -> None:
    """Workflows in the project, and what the catalogue has besides. Example: tieout workflow list"""
    loaded = open_to_read(project)
    rows = [
        {
            "workflow": name, "where": "project", "title": flow.title, "expectations": len(flow.expectations),
            "matching_rules": sum(one.rule.workflow == name for one in loaded.matching.values()),
        }
        for name, flow in loaded.workflows.items()
    ] + [
        {
            "workflow": name, "where": "catalogue", "title": found.title, "expectations": None, "matching_rules": None,
        }
        for name, found in catalogue.entries().items()
        if name not in loaded.workflows
    ]  # fmt: skip
    print_json({"workflows": rows}) if json else print_table(rows)


def workflow_add(
    name: Annotated[str, typer.Argument(help="Name in the catalogue, like remittance.")],
    project: ProjectOption = DEFAULT,
    json: JsonOption = False,
) -> None:
    """Copies a workflow of the catalogue into the project, with its rules, tables and tests. Files that are there stay.

    Example: tieout workflow add remittance
    """
    if not (project / "tieout.yaml").is_file():
        raise ConfigurationError(f"{project.resolve()} holds no project; `tieout init` makes one")
    try:
        chosen = catalogue.entry(name)
    except LookupError as error:
        raise ConfigurationError(str(error)) from None
    written, kept = catalogue.add(chosen, project)
    if json:
        print_json({"workflow": name, "written": written, "kept": kept})
        return
    for file in written:
        message(f"wrote {file}")
    for file in kept:
        message(f"left {file} as it was")
    message(
        f"next: fill matching/tables, then tieout check --project {project} and tieout test --project {project}"
    )
