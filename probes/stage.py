"""Where the records of a run wait until all of them are there."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from probes.controls import Said
from probes.probe import BadLine, Batch, Counted, Origin, ProbeFile
from probes.texts import iso
from store.client import Store
from store.sqlfile import read

STATEMENTS = Path(__file__).parent / "statements"
TABLES = ("probe_rows", "probe_states")
# Records are written so many together: the pages of an interface, one at a time, would cost more than reading them.
WAITING_ROWS, WAITING_BYTES = 100_000, 64_000_000
# What a table takes beside its data: pages of one record are many tables.
_TABLE_BYTES = 10_000
# A statement that looks things up for each object does so for this many at a time; one that only counts them, for more.
SLICE_ROWS, COUNTED_ROWS = 1_000_000, 5_000_000
# What statements that go over parts are told, to go over everything at once.
ALL_OBJECTS = {"slices": 1, "slice": 0}
ALL_RECORDS = {"above": 0, "up_to": 2**63}
# Another process may still be at work on what is younger than this; nobody is on what is older.
ABANDONED = timedelta(days=1)
_MAP = pa.map_(pa.dictionary(pa.int32(), pa.string()), pa.string())


def recover(store: Store) -> None:
    """Empties the stage of an embedded store that was just opened: whoever was at work in it is gone."""
    for table in TABLES if store.embedded else ():
        store.command("TRUNCATE TABLE {table:Identifier}", {"table": table})


class Stage:
    """The partition of one reading: a probe's run, or its dry run, which takes `limit` records at most.

    Each has its own, so that two processes that read the same probe into one server do not meet. What killed ones
    of the same `label` left there is dropped after a day.
    """

    def __init__(
        self, store: Store, probe: ProbeFile, label: str, run_id: str, now: datetime, limit: int = 0
    ) -> None:
        self.store, self.probe, self.limit = store, probe, limit
        self.reading = f"{label}, {iso(now)}, {run_id}"
        self.as_of = now - probe.complete.lag
        self.number = 0
        self._sweep(label, now)
        self.clear()

    def _sweep(self, label: str, now: datetime) -> None:
        before = iso(now - ABANDONED - self.probe.timeouts.total)
        params = {"label": label, "before": f"{label}, {before}"}
        for row in self.store.rows(read(STATEMENTS / "left_behind.sql"), params):
            self._drop(row["reading"])

    def clear(self) -> None:
        """Forgets everything, so that a reading begins anew."""
        if self.number:
            self.drop()
        self.number = 0
        self._waiting: list[pa.Table] = []
        self._waiting_rows = self._waiting_bytes = 0
        self.origins: dict[str, Origin] = {}
        self.torn: dict[str, BadLine] = {}
        self.counted: list[tuple[Origin, Counted]] = []
        self.cursor, self.whole = "", self.probe.mode == "full"
        self._said: dict[tuple[int, str], Said] = {}
        self.schema: dict[str, str] = {}

    def drop(self) -> None:
        """Removes what was staged. Raises StoreError."""
        self._drop(self.reading)

    def _drop(self, reading: str) -> None:
        for table in TABLES:
            self.store.command(
                "ALTER TABLE {table:Identifier} DROP PARTITION {reading:String}",
                {"table": table, "reading": reading},
            )

    @property
    def said(self) -> list[Said]:
        """What the source says of all it gave."""
        return list(self._said.values())

    @property
    def full(self) -> bool:
        return bool(self.limit) and self.number >= self.limit

    def add(self, batch: Batch) -> None:
        origin = batch.origin
        self.cursor, self.whole = batch.cursor or self.cursor, self.whole or batch.whole
        # Said again with a later page, the later word counts.
        self._said |= {(said.control, said.origin): said for said in batch.said}
        self.schema |= batch.schema
        if origin.as_of is not None or origin.state != "read":
            self.origins[origin.name] = origin
        for bad in batch.bad_lines:
            if bad.reason == "not_whole":
                self.torn.setdefault(origin.name, bad)
        self.counted += [(origin, number) for number in batch.counted]
        records = batch.records.slice(0, self.limit - self.number) if self.limit else batch.records
        if records.num_rows:
            lines = pa.array(_lines(batch)[: records.num_rows], pa.uint64())
            nothing_wrong = pa.repeat("", records.num_rows)
            self._add(origin, lines, _maps(records), nothing_wrong, nothing_wrong)
        if batch.bad_lines:
            lines = pa.array([bad.number for bad in batch.bad_lines], pa.uint64())
            nothing = _as_maps(np.zeros(len(batch.bad_lines), np.int64), records.schema.names, [], [])
            broken, flaws = ([bad.detail for bad in batch.bad_lines], [bad.reason for bad in batch.bad_lines])
            self._add(origin, lines, nothing, pa.array(broken), pa.array(flaws))

    def _add(
        self, origin: Origin, lines: pa.Array, maps: pa.Array, broken: pa.Array, flaws: pa.Array
    ) -> None:
        count = len(lines)
        sha256 = origin.fingerprint.rsplit(":", 1)[-1]
        as_of = origin.as_of - self.probe.complete.lag if origin.as_of else self.as_of
        columns = {
            "number": pa.array(np.arange(self.number + 1, self.number + count + 1), pa.uint64()),
            "origin": pa.repeat(origin.name, count),
            "origin_sha256": pa.repeat(sha256, count),
            "line": lines,
            "as_of": pa.repeat(pa.scalar(as_of, pa.timestamp("us", tz="UTC")), count),
            "broken": broken,
            "flaw": flaws,
            "fields": maps,
        }
        table = pa.table(columns)
        self._waiting.append(table)
        self.number += count
        self._waiting_rows += count
        self._waiting_bytes += table.nbytes + _TABLE_BYTES
        if self._waiting_rows >= WAITING_ROWS or self._waiting_bytes >= WAITING_BYTES:
            self.flush()

    def slices(self, rows: int = 0) -> list[dict[str, int]]:
        """The parts of about so many rows in which statements go over the objects, as their parameters."""
        count = 1 + self.number // (rows or SLICE_ROWS)
        return [{"slices": count, "slice": part} for part in range(count)]

    def pieces(self) -> list[dict[str, int]]:
        """The parts in which statements go over records that have nothing to do with each other, as their parameters."""
        starts = range(0, self.number + 1, SLICE_ROWS)
        ends = [*starts[1:], ALL_RECORDS["up_to"]]
        return [{"above": start, "up_to": end} for start, end in zip(starts, ends, strict=True)]

    def flush(self) -> None:
        """Writes what waits. Called when everything was added. Raises StoreError."""
        if not self._waiting:
            return
        records, self._waiting = pa.concat_tables(self._waiting), []
        self._waiting_rows = self._waiting_bytes = 0
        reading = pa.repeat(self.reading, records.num_rows).dictionary_encode()
        self.store.insert_arrow("probe_rows", records.append_column("reading", reading))


def _lines(batch: Batch) -> Any:
    return batch.lines or np.arange(batch.first_line, batch.first_line + batch.records.num_rows)


def _maps(records: pa.RecordBatch) -> pa.Array:
    """Text columns as one map a row, without the nulls."""
    count, width = records.num_rows, records.num_columns
    by_row = np.arange(count * width).reshape(width, count).T.ravel()
    values = pa.concat_arrays([column.cast(pa.string()) for column in records.columns]).take(pa.array(by_row))
    keys = pa.array(np.tile(np.arange(width, dtype=np.int32), count))
    per_row = np.full(count, width)
    if values.null_count:
        there = values.is_valid()
        per_row = there.to_numpy(zero_copy_only=False).reshape(count, width).sum(axis=1)
        keys, values = keys.filter(there), values.filter(there)
    return _as_maps(per_row, records.schema.names, keys, values)


def _as_maps(per_row: Any, names: list[str], keys: Any, values: Any) -> pa.Array:
    """Maps of so many entries each. All have one list of names, as a file of Arrow must."""
    offsets = pa.array(np.concatenate(([0], np.cumsum(per_row))), pa.int32())
    named = pa.DictionaryArray.from_arrays(pa.array(keys, pa.int32()), pa.array(names, pa.string()))
    return pa.MapArray.from_arrays(offsets, named, pa.array(values, pa.string()), _MAP)
