"""Where the records of a run wait until all of them are there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from probes.controls import Said
from probes.probe import BadLine, Batch, Counted, Origin, ProbeFile
from store.client import Store


class Stage:
    """The partition of one reading: a probe's run, or its dry run, which takes `limit` records at most."""

    def __init__(self, store: Store, probe: ProbeFile, reading: str, now: datetime, limit: int = 0) -> None:
        self.store, self.probe, self.reading, self.limit = store, probe, reading, limit
        self.as_of = now - probe.complete.lag
        self.clear()

    def clear(self) -> None:
        self.number = 0
        self.origins: dict[str, Origin] = {}
        self.torn: dict[str, BadLine] = {}
        self.counted: list[tuple[Origin, Counted]] = []
        self.cursor, self.whole = "", self.probe.mode == "full"
        self._said: dict[tuple[int, str], Said] = {}
        self.schema: dict[str, str] = {}
        self.drop()

    def drop(self) -> None:
        for table in ("probe_rows", "probe_states"):
            self.store.command(
                "ALTER TABLE {table:Identifier} DROP PARTITION {reading:String}",
                {"table": table, "reading": self.reading},
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
            nothing_wrong = pa.array([""] * records.num_rows)
            self._insert(origin, lines, _maps(records), nothing_wrong, nothing_wrong)
        if batch.bad_lines:
            lines = pa.array([bad.number for bad in batch.bad_lines], pa.uint64())
            nothing = pa.array([[]] * len(batch.bad_lines), pa.map_(pa.string(), pa.string()))
            broken, flaws = ([bad.detail for bad in batch.bad_lines], [bad.reason for bad in batch.bad_lines])
            self._insert(origin, lines, nothing, pa.array(broken), pa.array(flaws))

    def _insert(
        self, origin: Origin, lines: pa.Array, maps: pa.Array, broken: pa.Array, flaws: pa.Array
    ) -> None:
        count = len(lines)
        sha256 = origin.fingerprint.rsplit(":", 1)[-1]
        as_of = origin.as_of - self.probe.complete.lag if origin.as_of else self.as_of
        columns = {
            "reading": pa.repeat(self.reading, count),
            "number": pa.array(np.arange(self.number + 1, self.number + count + 1), pa.uint64()),
            "origin": pa.repeat(origin.name, count),
            "origin_sha256": pa.repeat(sha256, count),
            "line": lines,
            "as_of": pa.array([as_of] * count, pa.timestamp("us", tz="UTC")),
            "broken": broken,
            "flaw": flaws,
            "fields": maps,
        }
        self.store.insert_arrow("probe_rows", pa.table(columns))
        self.number += count


def _lines(batch: Batch) -> Any:
    return batch.lines or np.arange(batch.first_line, batch.first_line + batch.records.num_rows)


def _maps(records: pa.RecordBatch) -> pa.Array:
    """Text columns as one map a row, without the nulls."""
    count, names = records.num_rows, records.schema.names
    by_row = np.arange(count * len(names)).reshape(len(names), count).T.ravel()
    values = pa.concat_arrays([column.cast(pa.string()) for column in records.columns]).take(pa.array(by_row))
    keys = pa.array(names).take(pa.array(np.tile(np.arange(len(names)), count)))
    there = values.is_valid()
    per_row = there.to_numpy(zero_copy_only=False).reshape(count, len(names)).sum(axis=1)
    offsets = pa.array(np.concatenate(([0], np.cumsum(per_row))), pa.int32())
    return pa.MapArray.from_arrays(offsets, keys.filter(there), values.filter(there))
