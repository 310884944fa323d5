"""CSV and its relatives: one line of names, then one record a line."""

from __future__ import annotations

import csv as plain_csv
from collections.abc import Iterator
from io import TextIOWrapper
from typing import Any, ClassVar, Literal, Self

import pyarrow as pa
from pyarrow import csv
from pydantic import Field, model_validator

from probes.formats.contract import BLOCK_BYTES, Encoding, Format, Source, all_there
from probes.probe import BadLine, Batch, text_batch
from probes.trailer import Before, Trailer, read_trailer

# So much is looked at again to say which names a header has, when one is missing.
HEADER_BYTES = 1_000_000


class Delimited(Format):
    """`format: csv`. A line with more or fewer values than the header is set aside.

    `trailer`: how the last line begins when it is no record but says what the records are.
    """

    errors: ClassVar = (pa.ArrowException, UnicodeError)

    type: Literal["csv"]
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: Encoding = "utf-8"
    trailer: str = ""

    @model_validator(mode="after")
    def _lines_are_found(self) -> Self:
        if self.trailer and "\n".encode(self.encoding) != b"\n":
            raise ValueError("'trailer' needs an encoding with one byte a line end")
        return self

    def told(self, source: Source) -> tuple[str, ...]:
        trailer = self._trailer(source)
        return trailer.fields if trailer else ()

    def read(self, source: Source) -> Iterator[Batch]:
        yield Batch(text_batch(source.columns, []), schema=dict.fromkeys(self._header(source), ""))
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

    def _trailer(self, source: Source) -> Trailer | None:
        return (
            read_trailer(source.file, self.trailer, self.delimiter, self.encoding) if self.trailer else None
        )

    def _header(self, source: Source) -> list[str]:
        """The names of the first line; the file stands at its beginning afterwards."""
        source.file.seek(0)
        text = TextIOWrapper(source.file, encoding=self.encoding, newline="")
        try:
            line = text.readline(BLOCK_BYTES).removeprefix("\ufeff")
        finally:
            text.detach()
            source.file.seek(0)
        return next(plain_csv.reader([line], delimiter=self.delimiter), [])

    def _reader(self, source: Source, skip: Any) -> Any:
        trailer = self._trailer(source)
        # The reader reads ahead in a thread of its own; from here on the file is its alone, also when it fails.
        head = source.file.read(HEADER_BYTES)
        source.file.seek(0)
        try:
            return csv.open_csv(
                Before(source.file, trailer.at) if trailer else source.file,
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
