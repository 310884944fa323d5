"""Staged rows of an event log as `events`, a stretch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from collector.imports import context as limits
from collector.imports.context import Context
from collector.imports.parameters import Params, of_events
from collector.imports.reading import Staged
from collector.imports.result import Facts
from collector.imports.statements import over, statement


def write_events(context: Context, file: Staged) -> None:
    """Writes the events of `file` that are not known, sets its bad rows aside, counts in its tally."""
    params = of_events(context.mapping, context.workflow)
    before = context.written("events")
    done, good = 0, Facts()
    for chunk in chunks(context, file):
        told = context.told(file, params, chunk)
        stats = context.store.rows(over("event_stats", "decided_events"), told)
        good += _count(file, stats)
        done += sum(int(row["counted"]) for row in stats)
        if any(row["reason"] for row in stats):
            context.store.command(over("rejects", "decided_events"), told)
        context.store.command(over("events", "decided_events", "good_events"), told)
        context.wrote(file, done)
    new = context.written("events") - before
    file.tally.events += Facts(new, good.known - new, good.held_back)


def chunks(context: Context, file: Staged) -> Iterator[Params]:
    """Stretches of the staged rows that fit in memory: small tables together, large ones in pieces."""
    size = limits.CHUNK_ROWS
    small: list[str] = []
    rows = 0
    for row in context.store.rows(statement("staged_files"), file.params):
        name, last = str(row["file"]), int(row["last_line"])
        if rows + last <= size:
            small.append(name)
            rows += last
        else:
            yield from (
                {"files": [name], "first_line": at, "last_line": at + size - 1}
                for at in range(1, last + 1, size)
            )
    if small:
        yield {"files": small, "first_line": 1, "last_line": size}


def _count(file: Staged, stats: list[dict[str, Any]]) -> Facts:
    """Adds a stretch to the tally; gives good rows as known, since only writing shows which are new."""
    good = held_back = 0
    for row in stats:
        counted, held = int(row["counted"]), int(row["held_back"])
        if row["reason"]:
            file.tally.rejected[row["reason"]] += counted
            continue
        good, held_back = good + counted - held, held_back + held
        if row["unmapped"]:
            file.tally.unmapped[row["unmapped"]] += counted
        if counted > held:
            file.tally.span(row["first_at"], row["last_at"])
    return Facts(0, good, held_back)
