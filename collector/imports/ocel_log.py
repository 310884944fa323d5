"""An OCEL log made into what the other steps read: event rows, states by object type, links with a time."""

from __future__ import annotations

from collector.imports.context import Context
from collector.imports.parameters import of_ocel
from collector.imports.reading import Staged
from collector.imports.statements import shared, statement


def prepare(context: Context, file: Staged) -> None:
    """Stages rows, states and links that follow from the tables of the log, and what does not fit."""
    told = context.told(file, of_ocel(context.mapping, context.workflow))
    for step in ("ocel_objects", "ocel_checks", "ocel_states", "ocel_rows", "ocel_links"):
        context.store.command(shared(step), told)
    for name, count in context.store.one(statement("ignored"), told).items():
        if count:
            file.tally.ignored[name] += int(count)
