"""CSV, plain or gzipped: every column as text, nothing guessed, every broken record reported."""

from __future__ import annotations

import codecs
import csv
import io
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from collector.imports.errors import ImportFailedError
from collector.imports.mapping import CsvOptions
from collector.imports.rows import Bad, Cut, Item, from_columns
from collector.imports.source import Source

# A record must fit a block, so this is also the longest record.
BLOCK_BYTES = 16 * 1024**2
# An unclosed quote makes one record of all that follows: enough of it to be recognised is kept.
_KEPT_TEXT = 4096
# Stands for bytes that are no text in the file's encoding: a code point that no text may contain.
_NO_TEXT = "\ufdd1"
codecs.register_error("tieout_no_text", lambda error: (_NO_TEXT, cast("UnicodeDecodeError", error).end))

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True)
class Text:
    """One CSV text: how to open it, under which name its rows are reported, how it is cut into columns."""

    opener: Opener
    file: str
    options: CsvOptions

    def header(self) -> list[str]:
        """The column names in the first line. Raises ImportFailedError when there is none, or one twice."""
        options = self.options
        with self.opener() as stream:
            text = self._characters(stream)
            try:
                names = next(csv.reader(text, delimiter=options.delimiter, quotechar=options.quote), [])
            except csv.Error:
                names = []
        twice = sorted({column for column in names if names.count(column) > 1})
        if twice:
            raise ImportFailedError(
                self.file, f"column {twice[0]!r} stands twice in the first line", "rename one"
            )
        if not names or any(_NO_TEXT in column for column in names):
            what = f"the first line holds no column names in {options.encoding}"
            raise ImportFailedError(self.file, what, "see 'csv' in the mapping")
        return names

    def rows(
        self, needed: frozenset[str] | None, part: str, constant: Mapping[str, str] = MappingProxyType({})
    ) -> Iterator[Item]:
        """The rows, with `constant` columns added; only `needed` columns, all when None; the header is 1."""
        names = self.header()
        # The reader needs one column at least.
        kept = [name for name in names if needed is None or name in needed] or names[:1]
        broken = _Broken(self.file)
        with self.opener() as stream:
            text = _Utf8(stream, self.options.encoding, self.options.quote)
            record = 2
            for batch in self._batches(text, kept, broken):
                lines = broken.numbers(record, batch.num_rows)
                record = lines[-1].as_py() + 1 if len(lines) else record
                yield from self._rows(part, lines, batch, text, constant)
                yield from broken.before(record)
            yield from broken.before(None)
        if text.quotes % 2:
            self._refuse_open_quote()
        if not text.ends_with_newline:
            yield Cut(self.file, max(record - 1, broken.last))

    def _characters(self, stream: IO[bytes]) -> io.TextIOWrapper:
        """The stream for the standard library's parser."""
        utf8 = io.BufferedReader(_Utf8(stream, self.options.encoding, self.options.quote))
        return io.TextIOWrapper(utf8, "utf-8", newline="")

    def _refuse_open_quote(self) -> None:
        """An odd number of quotes: raises ImportFailedError if one is never closed, since it hides all that follows."""
        options = self.options
        with self.opener() as stream:
            text = self._characters(stream)
            records = csv.reader(text, delimiter=options.delimiter, quotechar=options.quote, strict=True)
            good = 0
            try:
                for _record in records:
                    good += 1
            except csv.Error:
                what = f"a quote in record {good + 1} is never closed, or stands where none may"
                raise ImportFailedError(
                    self.file, what, "correct it, or fetch the file again if it was cut"
                ) from None

    def _batches(self, text: _Utf8, kept: list[str], broken: _Broken) -> Iterator[pa.RecordBatch]:
        try:
            yield from arrow_csv.open_csv(
                pa.PythonFile(text, "r"),
                # Only one thread tells the numbers of broken records.
                read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self.options.delimiter,
                    quote_char=self.options.quote,
                    newlines_in_values=True,
                    invalid_row_handler=broken.report,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=kept,
                    column_types={name: pa.string() for name in kept},
                    strings_can_be_null=False,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            if "cannot infer number of columns" in str(error):
                return  # there is only a first line
            long = "a record is longer than 16 MiB, probably for a quote that is never closed"
            what = long if "straddl" in str(error) else "the text cannot be cut into records"
            raise ImportFailedError(self.file, f"{what}, after record {broken.seen}", "correct it") from None

    def _rows(
        self, part: str, lines: pa.Array, batch: pa.RecordBatch, text: _Utf8, constant: Mapping[str, str]
    ) -> Iterator[Item]:
        """The batch, less the rows with bytes that are no text."""
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        if text.marked:
            keep = pa.array([True] * len(lines))
            for name, column in columns.items():
                hit = pc.and_(pc.match_substring(column, _NO_TEXT), keep)
                detail = f"column {name}: not text in the encoding of the file"
                yield from (
                    Bad(self.file, line, "ENCODING", detail) for line in lines.filter(hit).to_pylist()
                )
                keep = pc.and_not(keep, hit)
            lines, columns = (
                lines.filter(keep),
                {name: column.filter(keep) for name, column in columns.items()},
            )
        added = {
            name: pa.repeat(pa.scalar(value, pa.string()), len(lines)) for name, value in constant.items()
        }
        yield from_columns(part, self.file, lines, columns | added)


def text_of(source: Source, options: CsvOptions) -> Text:
    """The CSV file `source`."""
    return Text(source.open, source.name, options)


@dataclass(frozen=True)
class _BrokenRecord:
    line: int
    expected: int
    actual: int
    text: str


@dataclass
class _Broken:
    """Records with too many or too few columns, and the numbers of the good ones between them."""

    file: str
    seen: int = 1
    last: int = 0
    waiting: deque[_BrokenRecord] = field(default_factory=deque)

    def report(self, row: Any) -> str:
        """Called by the parser, possibly a block ahead of the batches it gives."""
        text = row.text[:_KEPT_TEXT].replace(_NO_TEXT, "\ufffd")
        self.last = row.number
        self.waiting.append(_BrokenRecord(row.number, row.expected_columns, row.actual_columns, text))
        return "skip"

    def numbers(self, first: int, count: int) -> pa.Array:
        """Numbers of the next `count` good records, `first` being the next record of all."""
        end = first + count
        skipped = []
        for record in self.waiting:
            if record.line >= end:
                break
            skipped.append(record.line)
            end += 1
        self.seen = end - 1
        every = pa.arange(first, end).cast(pa.uint64())
        return every.filter(pc.invert(pc.is_in(every, pa.array(skipped, pa.uint64())))) if skipped else every

    def before(self, record: int | None) -> Iterator[Bad]:
        """What is broken before `record` (all that is left for None), in order."""
        while self.waiting and (record is None or self.waiting[0].line < record):
            row = self.waiting.popleft()
            detail = f"{row.actual} columns where the first line has {row.expected}"
            yield Bad(self.file, row.line, "COLUMN_COUNT", detail, row.text)


class _Utf8(io.RawIOBase):
    """A stream as UTF-8 without byte order mark; bytes that are no text are marked. It knows what it saw."""

    def __init__(self, inner: IO[bytes], encoding: str, quote: str) -> None:
        self._inner, self._quote = inner, quote
        name = "utf-8-sig" if encoding == "utf-8" else encoding
        self._decoder = codecs.getincrementaldecoder(name)(errors="tieout_no_text")
        self._rest = b""
        self._end = False
        self.marked = False
        self.quotes = 0
        self.ends_with_newline = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        while not self._rest and not self._end:
            self._rest = self._next(max(size, 1 << 16))
        cut = len(self._rest) if size < 0 else size
        out, self._rest = self._rest[:cut], self._rest[cut:]
        return out

    def _next(self, size: int) -> bytes:
        raw = self._inner.read(size)
        self._end = not raw
        text = self._decoder.decode(raw, final=self._end)
        self.marked = self.marked or _NO_TEXT in text
        self.quotes += text.count(self._quote)
        if text:
            self.ends_with_newline = text[-1] in "\r\n"
        return text.encode()
