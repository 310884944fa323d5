"""Staged states of objects as `snapshots`, a share of the objects at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from collector.imports import context as limits
from collector.imports.context import Context
from collector.imports.parameters import Params
from collector.imports.reading import Staged
from collector.imports.result import Facts
from collector.imports.statements import over, statement

# Without its key nobody can say which object a row speaks of, so absence proves nothing.
_KEYLESS = ("COLUMN_COUNT", "ENCODING", "KEY_EMPTY")


def write_states(context: Context, files: Sequence[Staged], params: Params) -> None:
    """Writes the states of all `files` that are not known; the numbers go to the tally of each.

    All files at once, since they may speak of the same objects.
    """
    before = {file.import_id: _written(context, file)["states"] for file in files}
    good = {file.import_id: Facts() for file in files}
    for share in shares(files):
        stats = context.store.rows(
            over("state_stats", "decided_states"), context.told(files[0], params, share)
        )
        for file in files:
            own = [row for row in stats if row["import_id"] == file.import_id]
            good[file.import_id] += _count(file, own, spans=context.mapping.state is not None)
            if any(row["reason"] for row in own):
                context.store.command(over("rejects", "decided_states"), context.told(file, params, share))
        told = context.told(files[0], params, share)
        if params["link_types"]:
            context.store.command(over("state_links", "decided_states"), told)
        context.store.command(over("snapshots", "decided_states", "new_states"), told)
    for file in files:
        new = _written(context, file)["states"] - before[file.import_id]
        found = good[file.import_id]
        file.tally.snapshots += Facts(new, found.known - new, found.held_back)
        context.wrote(file, file.staging.rows)


def write_absences(context: Context, files: Sequence[Staged], params: Params) -> None:
    """Writes as deleted what complete `files` no longer have; nothing when they cannot prove it."""
    last = files[-1]
    if not all(file.staging.complete for file in files) or any(
        file.tally.rejected[why] for file in files for why in _KEYLESS
    ):
        last.staging.notes.append(
            "no object was taken as deleted, since some rows could not be read with their key"
        )
        return
    (everything,) = shares(files, 1)
    context.store.command(over("absences", "decided_states"), context.told(last, params, everything))
    last.tally.absent = _written(context, last)["absences"]


def shares(files: Sequence[Staged], count: int | None = None) -> Iterator[Params]:
    """Shares of the objects, all rows of one key in the same share."""
    count = count or sum(file.staging.rows for file in files) // limits.CHUNK_ROWS + 1
    for number in range(count):
        yield {
            "import_ids": [file.import_id for file in files],
            "chunks": count,
            "chunk": number,
        }


def _written(context: Context, file: Staged) -> dict[str, int]:
    told = {"import_id": file.import_id, "known_at": context.known_at}
    return {
        name: int(count) for name, count in context.store.one(statement("written_snapshots"), told).items()
    }


def _count(file: Staged, stats: list[dict[str, Any]], *, spans: bool) -> Facts:
    """Adds a share to the tally; gives good rows as known, since only writing shows which are new."""
    good = held_back = 0
    for row in stats:
        counted, held = int(row["counted"]), int(row["held_back"])
        if row["reason"]:
            file.tally.rejected[row["reason"]] += counted
            continue
        good, held_back = good + counted - held, held_back + held
        if counted > held and row["timed"] and spans:
            file.tally.span(row["first_at"], row["last_at"])
    return Facts(0, good, held_back)
