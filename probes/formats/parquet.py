"""Parquet: columns with types of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from probes.formats.contract import Format, Source, all_there
from probes.probe import BATCH_ROWS, Batch, as_text, text_batch


class Parquet(Format):
    """`format: parquet`. Times with a zone become UTC, numbers keep every digit."""

    errors: ClassVar = (pa.ArrowException,)

    type: Literal["parquet"]

    def read(self, source: Source) -> Iterator[Batch]:
        with pq.ParquetFile(source.file) as table:
            all_there(source, table.schema_arrow.names)
            types = {field.name: str(field.type) for field in table.schema_arrow}
            yield Batch(text_batch(source.columns, []), schema=types)
            line = 1
            for batch in table.iter_batches(BATCH_ROWS, columns=list(source.columns)):
                columns = [_text_column(batch.column(name)) for name in source.columns]
                yield Batch(pa.RecordBatch.from_arrays(columns, names=list(source.columns)), first_line=line)
                line += batch.num_rows


def _text_column(column: pa.Array) -> pa.Array:
    """A Parquet column as text; what Arrow cannot write as text goes through Python."""
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_timestamp(kind) and kind.tz:
        utc = pc.cast(column, pa.timestamp("us", tz="UTC"), safe=False)
        return pc.strftime(utc, format="%Y-%m-%dT%H:%M:%SZ")
    simple = pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_large_string(kind)
    if simple or pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return pc.cast(column, pa.string())
    return pa.array([as_text(value) for value in column.to_pylist()], pa.string())
