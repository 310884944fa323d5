"""What an import with `until` leaves out, for whoever plays it back live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from collector.imports.context import Context
from collector.imports.events import chunks
from collector.imports.mapping import Mapping
from collector.imports.ocel_log import prepare
from collector.imports.parameters import Params, of_events, of_ocel_states, of_states
from collector.imports.reading import Staged, read_all
from collector.imports.staging import TURN, recover
from collector.imports.statements import over
from collector.imports.states import shares
from store.client import Store
from workflows.model import Workflow


@dataclass(frozen=True)
class Tail:
    """Facts at or after a time, in business order, in the columns of the store and `activity`."""

    events: pa.Table
    links: pa.Table
    snapshots: pa.Table


def tail(
    store: Store, mapping: Mapping, workflow: Workflow, paths: Sequence[Path], since: datetime, now: datetime
) -> Tail:
    """What `import_files(…, until=since)` leaves out, without writing it. Raises like `import_files`."""
    with TURN:
        recover(store)
        context = Context(store, mapping, workflow, now, since, lambda _progress: None)
        files = read_all(store, mapping, paths, now, context.progress)
        try:
            return _tail(context, files)
        finally:
            for file in files:
                file.staging.drop()


def _tail(context: Context, files: Sequence[Staged]) -> Tail:
    events: list[pa.Table] = []
    states: list[pa.Table] = []
    for file in files:
        if context.mapping.state:
            states += _states(context, file, of_states(context.mapping, context.workflow))
            continue
        if context.mapping.ocel2:
            prepare(context, file)
        params = of_events(context.mapping, context.workflow)
        statement = over("tail_events", "decided_events", "good_events")
        events += [
            context.store.table(statement, context.told(file, params, chunk))
            for chunk in chunks(context, file)
        ]
        if context.mapping.ocel2:
            states += _states(context, file, of_ocel_states(context.mapping))
    links = [context.store.table(over("tail_links", "decided_links"), context.told(file)) for file in files]
    return Tail(
        _in_order(events, "occurred_at"), _in_order(links, "valid_from"), _in_order(states, "valid_from")
    )


def _states(context: Context, file: Staged, params: Params) -> list[pa.Table]:
    found = []
    for share in shares([file]):
        told = context.told(file, params, share)
        if params["link_types"]:
            context.store.command(over("state_links", "decided_states"), told)
        found.append(context.store.table(over("tail_snapshots", "decided_states"), told))
    return found


def _in_order(tables: list[pa.Table], column: str) -> pa.Table:
    return pa.concat_tables(tables).sort_by(column) if tables else pa.table({})
