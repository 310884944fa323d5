"""Parquet: every column as the text that stands for its value; decimals stay exact, times keep their zone."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from collector.imports.errors import ImportFailedError
from collector.imports.rows import Item, from_columns
from collector.imports.source import Source

_BATCH = 65_536


def header(source: Source) -> list[str]:
    """The column names. Raises ImportFailedError when the file is cut off or no Parquet."""
    with _opened(source) as file:
        return list(file.schema_arrow.names)


def read(source: Source, needed: frozenset[str] | None) -> Iterator[Item]:
    """The rows of `source`, numbered from 1; only `needed` columns, all when None.

    Raises ImportFailedError when the file is damaged, or a column to be read holds lists or records.
    """
    with _opened(source) as file:
        kept = [name for name in file.schema_arrow.names if needed is None or name in needed]
        _refuse_nested(source, file.schema_arrow, kept)
        record, share = 1, source.size / max(file.metadata.num_rows, 1)
        for batch in _batches(source, file, kept or file.schema_arrow.names[:1]):
            lines = pa.arange(record, record + batch.num_rows).cast(pa.uint64())
            columns = {name: _text(batch.column(name)) for name in batch.schema.names}
            yield from_columns("rows", source.name, lines, columns)
            record += batch.num_rows
            source.count(int(batch.num_rows * share))


def _opened(source: Source) -> parquet.ParquetFile:
    try:
        return parquet.ParquetFile(source.path)
    except FileNotFoundError:
        raise ImportFailedError(source.name, "there is no such file", "check the path") from None
    except (pa.ArrowException, OSError):
        raise ImportFailedError(source.name, "is no complete Parquet file") from None


def _batches(source: Source, file: parquet.ParquetFile, kept: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        yield from file.iter_batches(batch_size=_BATCH, columns=kept, use_threads=False)
    except (pa.ArrowException, OSError):
        raise ImportFailedError(source.name, "the file is damaged") from None


def _refuse_nested(source: Source, schema: pa.Schema, kept: list[str]) -> None:
    for name in kept:
        if pa.types.is_nested(schema.field(name).type):
            cure = "name the row's 'identity' in the mapping, without it"
            raise ImportFailedError(source.name, f"column {name!r} holds lists or records", cure)


def _text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        values = (value or b"" for value in column.to_pylist())
        return pa.array([value.decode("utf-8", "replace") for value in values], pa.string())
    return pc.fill_null(column.cast(pa.string()), "")
