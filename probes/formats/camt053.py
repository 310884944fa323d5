"""camt.053: bank statements of ISO 20022, one record an entry, with balances and counts checked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import ClassVar, Literal

from lxml import etree

from probes.formats.contract import Format, Row, Source, gathered
from probes.formats.xml_records import elements, getter, is_path
from probes.probe import BadLine, Batch, Counted, ProbeError

STATEMENT = "Document/BkToCstmrStmt/Stmt"
_DETAILS = "{*}NtryDtls/{*}TxDtls"
_LIST = re.compile(r"^list\((?P<of>[^()]+)\)$")
_LAST_NUMBER = 10**18
# An opening balance, or the closing one of the statement before; ISO 20022 external code set, balance type.
_OPENING, _CLOSING = ("OPBD", "PRCD"), ("CLBD",)
Column = Callable[[etree._Element], str | None]


class Camt053(Format):
    """`format: {type: camt053, level: Ntry}`: an entry, or with `level: TxDtls` each payment inside it.

    Columns: paths inside the record (`Amt/@Ccy`, `NtryDtls/TxDtls/Refs/EndToEndId`, `../Id` of the statement),
    `list(NtryDtls/TxDtls/Refs/EndToEndId)`, and `amount` (a debit is negative), `currency`, `booked`,
    `value_date`, `account` (IBAN, or the bank's own number). `statement_numbers` (ElctrncSeqNb, else
    LglSeqNb): `any`, `unique` or `consecutive` within an account and a year.
    """

    errors: ClassVar = (etree.XMLSyntaxError, UnicodeError)

    type: Literal["camt053"]
    level: Literal["Ntry", "TxDtls"] = "Ntry"
    statement_numbers: Literal["any", "unique", "consecutive"] = "unique"

    def misnamed(self, name: str) -> str:
        found = _LIST.match(name)
        path = found["of"] if found else name
        if path in _NAMED or is_path(path):
            return ""
        return f"it is no path inside the entry and none of {', '.join(_NAMED)}"

    def read(self, source: Source) -> Iterator[Batch]:
        return gathered(source, self._items(source))

    def _items(self, source: Source) -> Iterator[Row | BadLine | Counted]:
        columns = [_column(name) for name in source.columns]
        statement, line, statements = _Statement(), 1, 0
        try:
            for element in elements(source, f"{STATEMENT}/Ntry", {}, above=STATEMENT):
                line = _line(element, line)
                if _local(element) == "Stmt":
                    statements += 1
                    yield from statement.problems(element)
                    yield from self._counted(element)
                    statement = _Statement()
                    continue
                statement.add(element)
                for record in self._records(element):
                    yield Row(_line(record, line), [value(record) for value in columns])
        except etree.XMLSyntaxError as error:
            if not statements and not statement.entries:
                raise
            detail = "the file ends here, or is not XML from here on"
            yield BadLine(error.lineno or line, detail, "not_whole")
            return
        if not statements:
            raise ProbeError(
                "bad_file", f"file {source.name} is not a readable camt053 file; it has no {STATEMENT}"
            )

    def _records(self, entry: etree._Element) -> list[etree._Element]:
        """An entry that says nothing of its payments is one payment."""
        return (entry.findall(_DETAILS) if self.level == "TxDtls" else []) or [entry]

    def _counted(self, statement: etree._Element) -> Iterator[Counted]:
        number = _text(statement, "ElctrncSeqNb") or _text(statement, "LglSeqNb") or ""
        if self.statement_numbers == "any" or not number.isdecimal() or len(number) > 18:
            return
        year = (_text(statement, "CreDtTm") or "")[:4]
        series = f"camt.053 {_account(statement)} {year}"
        consecutive = self.statement_numbers == "consecutive"
        yield Counted(series, int(number), _line(statement, 1), consecutive, _LAST_NUMBER)


class _Statement:
    """Adds up the entries of one statement."""

    def __init__(self) -> None:
        self.entries = 0
        self._booked = self._all = Decimal(0)
        self._unreadable = False

    def add(self, entry: etree._Element) -> None:
        self.entries += 1
        found = _signed(entry)
        self._unreadable = self._unreadable or found is None
        self._all += abs(found or Decimal(0))
        # Status is a text of its own in old versions, a code in newer ones; only what is booked moves a balance.
        status = _text(entry, "Sts") or _text(entry, "Sts/Cd") or "BOOK"
        if status == "BOOK":
            self._booked += found or Decimal(0)

    def problems(self, statement: etree._Element) -> Iterator[BadLine]:
        line = _line(statement, 1)
        if self._unreadable:
            yield BadLine(
                line, "an amount of the statement is not a number, or neither credit nor debit", "not_whole"
            )
        yield from self._counts(statement, line)
        if _text(statement, "StmtPgntn/LastPgInd") == "false" or _text(statement, "StmtPgntn/PgNb") not in (
            None,
            "1",
        ):
            return  # a statement of several pages opens on the first and closes on the last
        opening, closing = (_balance(statement, kinds) for kinds in (_OPENING, _CLOSING))
        if opening is None or closing is None:
            yield BadLine(line, "the statement has no opening or no closing balance", "remark")
        elif opening + self._booked != closing:
            yield BadLine(
                line, "the opening balance and the entries do not make the closing balance", "not_whole"
            )

    def _counts(self, statement: etree._Element, line: int) -> Iterator[BadLine]:
        said = _text(statement, "TxsSummry/TtlNtries/NbOfNtries")
        if said is not None and (not said.isdecimal() or int(said[:18]) != self.entries):
            shown = said[:18] if said.isdecimal() else "an unreadable number of"
            yield BadLine(
                line, f"the statement counts {shown} entries, there are {self.entries}", "not_whole"
            )
        total = _text(statement, "TxsSummry/TtlNtries/Sum")
        if total is not None and _number(total) != self._all:
            yield BadLine(line, "the statement's sum of entries is not their sum", "not_whole")


def _balance(statement: etree._Element, kinds: tuple[str, ...]) -> Decimal | None:
    for balance in statement.iterfind("{*}Bal"):
        if _text(balance, "Tp/CdOrPrtry/Cd") in kinds:
            return _signed(balance)
    return None


def _signed(element: etree._Element) -> Decimal | None:
    """The amount of an entry or a balance, negative for a debit."""
    amount = _number(_text(element, "Amt"))
    sign = {"CRDT": 1, "DBIT": -1}.get(_text(element, "CdtDbtInd") or "")
    return None if amount is None or sign is None else sign * amount


def _number(text: str | None) -> Decimal | None:
    try:
        found = Decimal(text or "")
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _text(element: etree._Element, path: str) -> str | None:
    return getter(path, {})(element)


def _local(element: etree._Element) -> str:
    return etree.QName(element).localname


def _line(element: etree._Element, otherwise: int) -> int:
    return element.sourceline if isinstance(element.sourceline, int) else otherwise


def _up(element: etree._Element, name: str) -> etree._Element:
    """The element of this name that `element` is in, or is."""
    found: etree._Element | None = element
    while found is not None and _local(found) != name:
        found = found.getparent()
    return element if found is None else found


def _account(element: etree._Element) -> str | None:
    statement = _up(element, "Stmt")
    return _text(statement, "Acct/Id/IBAN") or _text(statement, "Acct/Id/Othr/Id")


def _amount(record: etree._Element) -> str | None:
    """Of a payment inside an entry, its own amount, with the entry's direction if it has none."""
    entry = _up(record, "Ntry")
    amount = _number(_text(record, "Amt") or _text(record, "AmtDtls/TxAmt/Amt") or _text(entry, "Amt"))
    side = _text(record, "CdtDbtInd") or _text(entry, "CdtDbtInd")
    return None if amount is None else f"{-amount if side == 'DBIT' else amount:f}"


def _currency(record: etree._Element) -> str | None:
    entry = _up(record, "Ntry")
    return _text(record, "Amt/@Ccy") or _text(record, "AmtDtls/TxAmt/Amt/@Ccy") or _text(entry, "Amt/@Ccy")


def _date(name: str) -> Column:
    return lambda record: (
        _text(_up(record, "Ntry"), f"{name}/Dt") or _text(_up(record, "Ntry"), f"{name}/DtTm")
    )


_NAMED: dict[str, Column] = {
    "account": _account,
    "amount": _amount,
    "booked": _date("BookgDt"),
    "currency": _currency,
    "value_date": _date("ValDt"),
}


def _column(name: str) -> Column:
    if name in _NAMED:
        return _NAMED[name]
    found = _LIST.match(name)
    if not found:
        return getter(name, {})
    path = "/".join(step if step == ".." else f"{{*}}{step}" for step in found["of"].split("/"))

    def listed(record: etree._Element) -> str:
        texts = [(element.text or "").strip() for element in record.iterfind(path)]
        return json.dumps([text for text in texts if text], ensure_ascii=False)

    return listed
