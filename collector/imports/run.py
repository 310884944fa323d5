"""Imports files by a mapping: read, staged, decided and written; twice is the same as once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collector.imports.context import Context
from collector.imports.events import write_events
from collector.imports.links import write_links
from collector.imports.mapping import Mapping
from collector.imports.ocel_log import prepare
from collector.imports.parameters import of_ocel_states, of_states
from collector.imports.reading import Progress, Staged, read_all
from collector.imports.result import ImportedFile, ImportProgress, ImportResult, Tally
from collector.imports.source import Source
from collector.imports.staging import TURN, recover
from collector.imports.statements import statement
from collector.imports.states import write_absences, write_states
from core.errors import TieoutError
from store.client import Store
from workflows.model import Workflow

# No business lies beyond the times the engine keeps.
NO_END = datetime(2299, 1, 1, tzinfo=UTC)
# Activities listed by name; a wrong column can hold thousands.
_SHOWN = 100


def import_files(
    store: Store,
    mapping: Mapping,
    workflow: Workflow,
    paths: Sequence[Path],
    now: datetime,
    progress: Progress | None = None,
    *,
    until: datetime | None = None,
) -> ImportResult:
    """Writes what `paths` say that is not known yet; what lies at `until` or after it is left out.

    All files are read to their end before anything is written. Importing again, after a crash too, writes
    what is missing and nothing twice. All facts get `now` as their known time. Raises ImportFailedError when
    a file cannot be read to its end, ConfigurationError when it lacks a column the mapping needs.
    """
    started = time.monotonic()
    with TURN:
        recover(store)
        context = Context(store, mapping, workflow, now, until or NO_END, progress or _silent)
        files = _read(context, paths)
        try:
            _write(context, files)
            watermark = _write_watermark(context, files)
            _record(context, files, timedelta(seconds=time.monotonic() - started))
        except BaseException:
            for file in files:
                file.staging.leave()
            raise
        for file in files:
            file.staging.drop()
    return _result(context, files, watermark, time.monotonic() - started)


def _silent(_progress: ImportProgress) -> None:
    """For callers that do not want to know."""


def _read(context: Context, paths: Sequence[Path]) -> list[Staged]:
    try:
        return read_all(context.store, context.mapping, paths, context.known_at, context.progress)
    except TieoutError:
        _record_failure(context, [path for path in paths if path.is_file()])
        raise


def _write(context: Context, files: Sequence[Staged]) -> None:
    for file in files:
        if context.mapping.ocel2:
            prepare(context, file)
        context.set_aside_unread(file)
    if context.mapping.state:
        params = of_states(context.mapping, context.workflow)
        write_states(context, files, params)
        if context.mapping.state.complete:
            write_absences(context, files, params)
    for file in files:
        if not context.mapping.state:
            write_events(context, file)
        if context.mapping.ocel2:
            write_states(context, [file], of_ocel_states(context.mapping))
        if context.mapping.ocel2 or (context.mapping.state and context.mapping.state.links):
            write_links(context, file)


def _write_watermark(context: Context, files: Sequence[Staged]) -> datetime | None:
    """Says how far the source is complete, when the files prove more than was known; gives that time."""
    said = context.mapping.complete_through
    if said == "none" or not all(file.staging.complete for file in files):
        return None
    seen = [file.tally.last_at for file in files if file.tally.last_at is not None]
    proven = max(seen, default=None) if said == "last_event" else min(said, context.until)
    if proven is None:
        return None
    source = {"source": context.mapping.mapping}
    newest = context.store.value(statement("newest_watermark"), source)
    if newest is not None and newest >= proven:
        return None
    row = {"complete_through": proven, "heartbeat_at": context.known_at, "known_at": context.known_at}
    context.store.insert("watermarks", [{**source, **row, "run_id": files[0].import_id}])
    return proven


def _record(context: Context, files: Sequence[Staged], took: timedelta) -> None:
    rows = []
    for file in files:
        tally = file.tally
        counts = {
            "rows_read": file.staging.rows,
            "rows_new": tally.facts.new + tally.absent,
            "rows_known": tally.facts.known,
            "rows_rejected": tally.rejected.total(),
        }
        status = "done" if file.staging.complete else "incomplete"
        rows.append(_log_row(context, file.source, file.import_id, file.sha256, status, took) | counts)
    context.store.insert("imports", rows)


def _record_failure(context: Context, paths: Sequence[Path]) -> None:
    none = {"rows_read": 0, "rows_new": 0, "rows_known": 0, "rows_rejected": 0}
    rows = [_log_row(context, Source(path), "", "", "failed", timedelta()) | none for path in paths]
    context.store.insert("imports", rows)


def _log_row(
    context: Context, source: Source, import_id: str, sha256: str, status: str, took: timedelta
) -> dict[str, object]:
    return {
        "import_id": import_id,
        "source": context.mapping.mapping,
        "file": source.name,
        "file_sha256": sha256,
        "bytes": source.size,
        "started_at": context.known_at,
        "finished_at": context.known_at + took,
        "status": status,
    }


def _result(
    context: Context, files: Sequence[Staged], watermark: datetime | None, seconds: float
) -> ImportResult:
    total = Tally()
    for file in files:
        total.add(file.tally)
    return ImportResult(
        source=context.mapping.mapping,
        workflow=context.mapping.workflow,
        files=tuple(_file(file) for file in files),
        rows_read=sum(file.staging.rows for file in files),
        events=total.events,
        links=total.links,
        snapshots=total.snapshots,
        absent=total.absent,
        rejected=dict(sorted(total.rejected.items())),
        ignored=dict(sorted(total.ignored.items())),
        unmapped=dict(total.unmapped.most_common(_SHOWN)),
        first_at=total.first_at,
        last_at=total.last_at,
        watermark=watermark,
        notes=tuple(_notes(files, total)),
        seconds=round(seconds, 3),
    )


def _notes(files: Sequence[Staged], total: Tally) -> Iterator[str]:
    for file in files:
        yield from file.staging.notes
    if len(total.unmapped) > _SHOWN:
        yield f"{len(total.unmapped) - _SHOWN} more activities are unknown to the workflow"


def _file(file: Staged) -> ImportedFile:
    return ImportedFile(
        file.source.name, file.sha256, file.source.size, file.staging.rows, file.staging.complete
    )
