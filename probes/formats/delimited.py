"""CSV and its relatives: one line of names, then one record a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pyarrow import csv
from pydantic import Field

from probes.formats.contract import BLOCK_BYTES, Encoding, Format, Source, all_there
from probes.probe import BadLine, Batch, text_batch

# So much is looked at again to say which names a header has, when one is missing.
HEADER_BYTES = 1_000_000


class Delimited(Format):
    """`format: csv`. A line with more or fewer values than the header is set aside."""

    errors: ClassVar = (pa.ArrowException, UnicodeError)

    type: Literal["csv"]
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: Encoding = "utf-8"

    def read(self, source: Source) -> Iterator[Batch]:
        bad: list[BadLine] = []

        def skip(row: Any) -> str:
            detail = f"line has {row.actual_columns} columns, the header has {row.expected_columns}"
            bad.append(BadLine(int(row.number or 0), detail))
            return "skip"

        line = 1
        for batch in self._reader(source, skip):
            found, bad = tuple(bad), []
            yield Batch(batch, first_line=line, bad_lines=found)
            line += batch.num_rows
        if bad:
            yield Batch(text_batch(source.columns, []), first_line=line, bad_lines=tuple(bad))

    def _reader(self, source: Source, skip: Any) -> Any:
        # The reader reads ahead in a thread of its own; from here on the file is its alone, also when it fails.
        head = source.file.read(HEADER_BYTES)
        source.file.seek(0)
        try:
            return csv.open_csv(
                source.file,
                read_options=csv.ReadOptions(block_size=BLOCK_BYTES, encoding=self.encoding),
                parse_options=csv.ParseOptions(
                    delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=skip
                ),
                convert_options=csv.ConvertOptions(
                    column_types=dict.fromkeys(source.columns, pa.string()),
                    include_columns=list(source.columns),
                ),
            )
        except KeyError:
            with csv.open_csv(
                pa.BufferReader(head),
                read_options=csv.ReadOptions(encoding=self.encoding),
                parse_options=csv.ParseOptions(
                    delimiter=self.delimiter, invalid_row_handler=lambda _: "skip"
                ),
            ) as reader:
                all_there(source, reader.schema.names)
            raise
