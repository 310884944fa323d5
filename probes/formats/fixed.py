"""Fixed width: a value stands at the same positions of every line; a trailer says how many lines there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from core.findings import nearest
from core.yamlfile import FileModel
from probes.formats.contract import Encoding, Format, Row, Source, gathered, positions
from probes.formats.lines import lines
from probes.probe import BadLine, Batch


def _checked(text: str) -> str:
    positions(text)
    return text


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


def _short(value: Any) -> Any:
    return {"at": value} if isinstance(value, str | int) else value


# Positions as vendors print them: 1-8 is the first to the eighth character.
Positions = Annotated[str, BeforeValidator(_text), AfterValidator(_checked)]


class FixedColumn(FileModel):
    """Where a value stands. `decimals`: that many digits at the end are behind a decimal point not written."""

    at: Positions
    decimals: int = Field(default=0, ge=0, le=9)


class LineType(FileModel):
    """Lines that have `text` at the positions `at`."""

    at: Positions
    text: Annotated[str, BeforeValidator(_text)]


class Trailer(LineType):
    """The last line: how many records there are (`count`), and the sum of one column (`total`, `of`)."""

    count: Positions | None = None
    total: Annotated[FixedColumn, BeforeValidator(_short)] | None = None
    of: str = ""

    @model_validator(mode="after")
    def _total_of_a_column(self) -> Self:
        if bool(self.of) != bool(self.total):
            raise ValueError("'total' (where the sum stands) and 'of' (the column it sums) go together")
        return self


class Fixed(Format):
    """`format: {type: fixed, columns: {no: 1-8, amount: {at: 9-20, decimals: 2}}}`.

    With `records`, only lines of that type are records, and a line that is neither a record, nor of `others`,
    nor the trailer, is set aside. `length`: what every record line must have. With a `trailer`, a file
    whose trailer is missing or does not agree is not whole.
    """

    type: Literal["fixed"]
    columns: dict[str, Annotated[FixedColumn, BeforeValidator(_short)]] = Field(min_length=1)
    records: LineType | None = None
    others: tuple[LineType, ...] = ()
    trailer: Trailer | None = None
    length: int = Field(default=0, ge=0)
    encoding: Encoding = "utf-8"

    @model_validator(mode="after")
    def _total_known(self) -> Self:
        if self.trailer and self.trailer.of and self.trailer.of not in self.columns:
            raise ValueError(f"trailer.of: no column is called {self.trailer.of!r}")
        return self

    def misnamed(self, column: str) -> str:
        if column in self.columns:
            return ""
        near = nearest(column, self.columns)
        return "it is not among the columns of 'format'" + (f"; did you mean {near!r}?" if near else "")

    def read(self, source: Source) -> Iterator[Batch]:
        return gathered(source, self._items(source))

    def _items(self, source: Source) -> Iterator[Row | BadLine]:
        values = [_reader(self.columns[name]) for name in source.columns]
        is_record, is_other = _test(self.records), [_test(kind) for kind in self.others]
        tally = _Tally(self.trailer, self.columns)
        number = 0
        for number, line in lines(source, self.encoding):
            if tally.ended and line.strip():
                yield BadLine(number, "there are lines after the trailer", "not_whole")
                return
            if not line.strip() or any(test(line) for test in is_other) or tally.ends(line):
                continue
            if not is_record(line):
                yield BadLine(number, "the line is of no type that the probe file names")
            elif self.length and len(line) != self.length:
                yield BadLine(number, f"the line has {len(line)} characters instead of {self.length}")
            else:
                tally.add(line)
                yield Row(number, [value(line) for value in values])
        for problem in tally.problems():
            yield BadLine(max(number, 1), problem, "not_whole")


class _Tally:
    """What the trailer is compared with."""

    def __init__(self, trailer: Trailer | None, columns: dict[str, FixedColumn]) -> None:
        self._trailer, self._is_trailer = trailer, _test(trailer)
        self._summed = _reader(columns[trailer.of]) if trailer and trailer.of else None
        self._count, self._sum, self._line = 0, Decimal(0), ""

    @property
    def ended(self) -> bool:
        return bool(self._line)

    def ends(self, line: str) -> bool:
        if self._trailer and self._is_trailer(line):
            self._line = line
            return True
        return False

    def add(self, line: str) -> None:
        self._count += 1
        if self._summed:
            # What is no number is set aside later, and missing in the sum.
            self._sum += _number(self._summed(line)) or 0

    def problems(self) -> Iterator[str]:
        if self._trailer is None:
            return
        if not self._line:
            yield "the file has no trailer: its end is missing"
            return
        if self._trailer.count:
            said = _number(self._line[positions(self._trailer.count)].strip())
            if said != self._count:
                yield f"the trailer counts {_shown(said)} records, there are {self._count}"
        if self._trailer.total and _number(_reader(self._trailer.total)(self._line)) != self._sum:
            yield f"the trailer's total of {self._trailer.of} is not the sum of the records"


def _test(kind: LineType | None) -> Callable[[str], bool]:
    if kind is None:
        return lambda _: True
    at, text = positions(kind.at), kind.text
    return lambda line: line[at].strip() == text


def _reader(column: FixedColumn) -> Callable[[str], str | None]:
    at, decimals = positions(column.at), column.decimals
    if not decimals:
        return lambda line: line[at].strip() or None
    return lambda line: _pointed(line[at].strip(), decimals)


def _pointed(text: str, decimals: int) -> str | None:
    """`0000012345` with two decimals is 123.45. What is no whole number stays as it is."""
    digits = text.lstrip("+-")
    if not digits.isdecimal():
        return text or None
    sign = "-" if text.startswith("-") else ""
    padded = digits.zfill(decimals + 1)
    return f"{sign}{padded[:-decimals]}.{padded[-decimals:]}"


def _number(text: str | None) -> Decimal | None:
    try:
        found = Decimal(text or "")
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _shown(number: Decimal | None) -> str:
    return "an unreadable number of" if number is None else f"{number:f}"
