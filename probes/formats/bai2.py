"""BAI2: what a bank says of accounts, one record an entry (16) or an account (03), with every total checked.

Fields and totals as in BAI's "Cash Management Balance Reporting Specifications, Version 2": amounts have as many
decimals as their currency, without a point; a total is the sum of the amounts as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from core.findings import nearest
from probes.formats.contract import Encoding, Format, Row, Source, gathered
from probes.formats.lines import lines
from probes.probe import BadLine, Batch, Counted, ProbeError

# Decimals of currencies that have other than two (ISO 4217).
_DECIMALS = dict.fromkeys(
    (
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ),
    0,
)
_DECIMALS |= dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)
_WHOLE = re.compile(r"^[+-]?[0-9]{1,18}$")
_SUMMARY = re.compile(r"^(?:summary|count)\.[0-9]{3}$")
_FILE = ("sender", "file_receiver", "created", "file_id")
_GROUP = ("receiver", "originator", "group_status", "as_of", "as_of_modifier")
_ACCOUNT = ("account", "currency")
_ENTRY = (
    "type",
    "direction",
    "amount",
    "funds_type",
    "value_date",
    "bank_reference",
    "customer_reference",
    "text",
)
# Where the amounts of 03 begin, and how many fields each takes: type code, amount, item count, funds type.
_FIRST_SUMMARY = 3


class Bai2(Format):
    """`format: {type: bai2, level: entry}` or `level: account`.

    Columns of an entry: `type`, `direction` (credit or debit), `amount` (a debit is negative), `funds_type`,
    `value_date`, `bank_reference`, `customer_reference`, `text`, `@number` in its account; of an account:
    `account`, `currency`, `summary.015`, `count.100`; of its group: `as_of`, `originator`, `receiver`,
    `group_status`, `as_of_modifier`; of the file: `sender`, `file_receiver`, `created`, `file_id`.
    `file_ids: unique`: a sender uses a file id once a day.
    """

    type: Literal["bai2"]
    level: Literal["entry", "account"] = "entry"
    file_ids: Literal["any", "unique"] = "unique"
    encoding: Encoding = "utf-8"

    def misnamed(self, name: str) -> str:
        known = [*_FILE, *_GROUP, *_ACCOUNT, *(_ENTRY if self.level == "entry" else ()), "@number"]
        if name in known or _SUMMARY.match(name):
            return ""
        near = nearest(name, known)
        return f"BAI2 has no such column{f'; did you mean {near!r}?' if near else ''}"

    def read(self, source: Source) -> Iterator[Batch]:
        return gathered(source, self._items(source))

    def _items(self, source: Source) -> Iterator[Row | BadLine | Counted]:
        totals, around = _Totals(), _Around()
        for record in _records(source, self.encoding):
            yield from totals.take(record)
            if record.code == "16" and self.level == "entry":
                entry = around.entry(record)
                yield entry if isinstance(entry, BadLine) else _row(source, record, entry)
                continue
            around.take(record)
            if record.code == "03" and self.level == "account":
                yield _row(source, record, around.values)
            if record.code == "01" and self.file_ids == "unique" and record.at(5).isdecimal():
                series = f"BAI2 {record.at(1)} {record.at(2)} {record.at(3)}"
                yield Counted(series, int(record.at(5)[:18]), record.line)
        yield from totals.end()


@dataclass
class _Record:
    """A record with its continuations: where it begins, how many lines it has, its fields with the code at 0."""

    line: int
    pieces: list[str]
    fields: list[str] = field(default_factory=list)

    @property
    def code(self) -> str:
        return self.fields[0]

    def at(self, number: int) -> str:
        return self.fields[number].strip() if number < len(self.fields) else ""


def _records(source: Source, encoding: str) -> Iterator[_Record]:
    """Raises ProbeError when the file does not begin as BAI2 does."""
    record: _Record | None = None
    for number, raw in lines(source, encoding):
        line = raw.strip()
        if not line:
            continue
        if record is None and not line.startswith("01,"):
            raise ProbeError("bad_file", f"file {source.name} is not a readable bai2 file; ask for it again")
        if record is not None and line.startswith("88,"):
            record.pieces.append(line[3:].removesuffix("/"))
            continue
        if record is not None:
            yield _divided(record)
        record = _Record(number, [line.removesuffix("/")])
    if record is None:
        raise ProbeError("bad_file", f"file {source.name} is not a readable bai2 file; ask for it again")
    yield _divided(record)


def _divided(record: _Record) -> _Record:
    """Fields of the record; the text of an entry is all that is left, over all its lines."""
    # A continuation goes on with the next field, or with the next line of the text.
    joined = ",\n".join(record.pieces)
    fields = joined.split(",")
    if fields[0] == "16":
        before_text = 6 + _extra_fields(fields)
        fields = joined.split(",", before_text)
        if len(fields) > before_text:
            fields[before_text] = fields[before_text].replace(",\n", "\n")
    record.fields = fields
    return record


def _extra_fields(fields: list[str]) -> int:
    """Fields between the funds type and the references: availability, which depends on the funds type."""
    kind = fields[3].strip().upper() if len(fields) > 3 else ""
    if kind == "D":
        count = fields[4].strip() if len(fields) > 4 else ""
        return 1 + 2 * int(count) if count.isdecimal() and len(count) < 3 else 1
    return {"V": 2, "S": 3}.get(kind, 0)


class _Around:
    """What the records above an entry say: values by column name."""

    def __init__(self) -> None:
        self._file: dict[str, str | None] = {}
        self._group: dict[str, str | None] = {}
        self.values: dict[str, str | None] = {}
        self._group_currency = ""
        self._entries = self._accounts = 0

    def take(self, record: _Record) -> None:
        if record.code == "01":
            created = _moment(record.at(3), record.at(4))
            self._file = dict(zip(_FILE, (record.at(1), record.at(2), created, record.at(5)), strict=True))
        elif record.code == "02":
            given = (
                record.at(1),
                record.at(2),
                record.at(3),
                _moment(record.at(4), record.at(5)),
                record.at(7),
            )
            self._group = dict(zip(_GROUP, given, strict=True))
            self._group_currency = record.at(6)
        elif record.code == "03":
            self._accounts += 1
            self._entries = 0
            currency = record.at(2) or self._group_currency or "USD"
            self.values = {**self._file, **self._group, "account": record.at(1), "currency": currency}
            self.values |= _summaries(record, currency) | {"@number": str(self._accounts)}

    def entry(self, record: _Record) -> dict[str, str | None] | BadLine:
        if "account" not in self.values:
            return BadLine(record.line, "the entry belongs to no account")
        code, extra = record.at(1), _extra_fields(record.fields)
        # Types below 400 are credits, up to 699 debits; the others are neither (loans, own codes).
        direction = "credit" if "100" <= code < "400" else "debit" if "400" <= code < "700" else ""
        amount = _amount(record.at(2), self.values["currency"] or "")
        if amount is not None and direction == "debit":
            amount = -amount
        self._entries += 1
        value_date = _moment(record.at(4), "") if record.at(3).upper() == "V" else None
        given = (
            code, direction, None if amount is None else f"{amount:f}", record.at(3), value_date,
            record.at(4 + extra), record.at(5 + extra), record.at(6 + extra),
        )  # fmt: skip
        return self.values | dict(zip(_ENTRY, given, strict=True)) | {"@number": str(self._entries)}


def _summaries(record: _Record, currency: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    at = _FIRST_SUMMARY
    while at + 1 < len(record.fields):
        code, amount = record.at(at), _amount(record.at(at + 1), currency)
        if code and amount is not None:
            found[f"summary.{code}"] = f"{amount:f}"
        if code:
            found[f"count.{code}"] = record.at(at + 2)
        at += 4 + _extra_fields(["", "", "", *record.fields[at + 3 :]])
    return found


def _row(source: Source, record: _Record, values: dict[str, str | None]) -> Row:
    return Row(record.line, [values.get(name) or None for name in source.columns])


def _amount(text: str, currency: str) -> Decimal | None:
    return Decimal(text).scaleb(-_DECIMALS.get(currency.upper(), 2)) if _WHOLE.match(text) else None


def _moment(day: str, time: str) -> str | None:
    """YYMMDD and HHMM; 2400 and 9999 are the end of the day."""
    if len(day) == 8:
        day = day[2:]
    try:
        found = datetime.strptime(day, "%y%m%d")
        if time in ("2400", "9999"):
            found += timedelta(days=1)
        elif time:
            found = datetime.strptime(f"{day}{time}", "%y%m%d%H%M")
    except ValueError:
        return None
    return found.isoformat(sep=" ") if time else found.date().isoformat()


@dataclass
class _Level:
    """An open 01, 02 or 03: the sum inside it, its parts, its lines."""

    line: int
    total: int = 0
    parts: int = 0
    lines: int = 0


class _Totals:
    """Control totals and record counts of 49, 98 and 99."""

    def __init__(self) -> None:
        self._open: dict[str, _Level] = {}
        self._ended = False

    def take(self, record: _Record) -> Iterator[BadLine]:
        code = record.code
        if self._ended:
            if code != "01":
                yield BadLine(record.line, "a record stands behind the end of the file", "not_whole")
                return
            self._ended = False
        if code in _ENDED_BY:
            for inner in _FROM[code]:
                yield from self._unclosed(inner)
            self._open[code] = _Level(record.line)
        for level in self._open.values():
            level.lines += len(record.pieces)
        if code in ("03", "16"):
            yield from self._add(record)
        elif code in _ENDS:
            yield from self._close(record)
        elif code not in _ENDED_BY:
            yield BadLine(record.line, "the record is of no type that BAI2 has")

    def end(self) -> Iterator[BadLine]:
        for code in ("03", "02", "01"):
            yield from self._unclosed(code)

    def _add(self, record: _Record) -> Iterator[BadLine]:
        account = self._open.get("03")
        if account is None:
            return
        for text in _amounts(record):
            if _WHOLE.match(text):
                account.total += int(text)
            elif text:
                yield BadLine(record.line, "an amount is not a whole number", "not_whole")

    def _close(self, record: _Record) -> Iterator[BadLine]:
        begun, above, parts = _ENDS[record.code]
        for inner in _FROM[begun][:-1]:
            yield from self._unclosed(inner)
        level = self._open.pop(begun, None)
        if level is None:
            yield BadLine(record.line, f"record {record.code} ends a {begun} that never began", "not_whole")
            return
        said = record.at(1)
        if not _WHOLE.match(said) or int(said) != level.total:
            yield BadLine(
                record.line, f"the total of {record.code} is not the sum of {_SUMMED[begun]}", "not_whole"
            )
        counts = [(parts, level.parts)] if parts else []
        for at, (what, there) in enumerate([*counts, ("records", level.lines)], start=2):
            counted = record.at(at)
            if not counted.isdecimal() or int(counted[:18]) != there:
                shown = counted[:18] if counted.isdecimal() else "an unreadable number of"
                yield BadLine(
                    record.line, f"record {record.code} counts {shown} {what}, there are {there}", "not_whole"
                )
        if above in self._open:
            self._open[above].total += level.total
            self._open[above].parts += 1
        self._ended = record.code == "99"

    def _unclosed(self, code: str) -> Iterator[BadLine]:
        level = self._open.pop(code, None)
        if level:
            yield BadLine(level.line, f"the {code} that begins here has no {_ENDED_BY[code]}", "not_whole")


_ENDED_BY = {"01": "99", "02": "98", "03": "49"}
# What is open inside, innermost first, with itself.
_FROM = {"01": ("03", "02", "01"), "02": ("03", "02"), "03": ("03",)}
_ENDS = {"49": ("03", "02", ""), "98": ("02", "01", "accounts"), "99": ("01", "", "groups")}
_SUMMED = {"03": "its amounts", "02": "its accounts", "01": "its groups"}


def _amounts(record: _Record) -> Iterator[str]:
    if record.code == "16":
        yield record.at(2)
        return
    at = _FIRST_SUMMARY
    while at + 1 < len(record.fields):
        yield record.at(at + 1)
        at += 4 + _extra_fields(["", "", "", *record.fields[at + 3 :]])
