"""X12 files as records: one claim, order line, invoice or acknowledgement each, with what stands around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, StringConstraints

from probes.formats.contract import Encoding, Format, Row, Source, gathered
from probes.formats.x12.balance import Remittance
from probes.formats.x12.columns import Loop, Pick, column, gathers, pick
from probes.formats.x12.envelope import Envelope, Numbers
from probes.formats.x12.loops import LOOPS, MAX_SEGMENTS, RECORD, TooLongError, Transaction
from probes.formats.x12.segments import Segment, segments
from probes.probe import BadLine, Batch, Counted, ProbeError


def _many(value: Any) -> Any:
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else (str(value),)


def _level(text: str) -> str:
    if text:
        pick(text)
    return text


class X12(Format):
    """`format: {type: x12, transaction: 835}`: claims of remittances; see docs/how-to/edi.md for the columns.

    `transaction`: which kinds are read, the others are only checked; none named: all. `level`: the segment that
    begins a record, if not the usual one. `loops`: what begins loops in a transaction that tieout does not
    know. `balance: false` does not add up remittances. `interchange_numbers` (ISA13) and `group_numbers` (GS06):
    a sender may use them as it likes (`any`), never uses one twice (`unique`), or leaves none out either
    (`consecutive`).
    """

    type: Literal["x12"]
    transaction: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[0-9]{3}$")], ...], BeforeValidator(_many)
    ] = ()
    level: Annotated[str, AfterValidator(_level)] = ""
    loops: tuple[str, ...] = ()
    balance: bool = True
    interchange_numbers: Numbers = "unique"
    group_numbers: Numbers = "any"
    encoding: Encoding = "utf-8"

    def misnamed(self, name: str) -> str:
        try:
            column(name)
        except ValueError as error:
            return str(error)
        return ""

    def read(self, source: Source) -> Iterator[Batch]:
        return gathered(source, self._items(source))

    def _items(self, source: Source) -> Iterator[Row | BadLine | Counted]:
        columns = [column(name) for name in source.columns]
        try:
            for found in self._records(source):
                if isinstance(found, Loop):
                    yield Row(found.first.number, [value(found) for value in columns])
                else:
                    yield found
        except TooLongError:
            raise ProbeError(
                "too_large", f"a loop of file {source.name} has over {MAX_SEGMENTS} segments"
            ) from None

    def _records(self, source: Source) -> Iterator[Loop | BadLine | Counted]:
        envelope = Envelope(self.interchange_numbers, self.group_numbers)
        inner = frozenset(name for text in source.columns if (name := gathers(text)))
        outside = pick(self.level) if self.level else None
        around: Loop | None = None
        transaction: Transaction | None = None
        remittance: Remittance | None = None
        for segment in segments(source, self.encoding):
            if isinstance(segment, BadLine):
                yield segment
                continue
            name = segment.name
            if transaction and name in ("ISA", "GS", "ST", "SE", "GE", "IEA"):
                # Without its trailer, a transaction ends where something else begins; the envelope tells so.
                yield from transaction.end()
                transaction = None
            if remittance and envelope.in_transaction:
                yield from remittance.take(segment)
            yield from envelope.take(segment)
            if name in ("ISA", "GS"):
                around = Loop([segment], None if name == "ISA" else _interchange_of(around))
                if outside and outside.fits(segment):
                    yield around
            elif name == "ST":
                kind = segment.element(1)
                remittance = Remittance() if kind == "835" and self.balance else None
                if around and (not self.transaction or kind in self.transaction):
                    transaction = self._begun(segment, kind, around, outside, inner)
            elif transaction:
                yield from transaction.take(segment)
            elif outside and outside.fits(segment) and not envelope.in_transaction:
                yield Loop([segment], around)
        if transaction:
            yield from transaction.end()
        yield from envelope.end()

    def _begun(
        self, segment: Segment, kind: str, around: Loop, level: Pick | None, inner: frozenset[str]
    ) -> Transaction:
        record = level or pick(RECORD.get(kind, "ST"))
        return Transaction(segment, around, self.loops or LOOPS.get(kind, ()), record, inner)


def _interchange_of(around: Loop | None) -> Loop | None:
    """The loop of the ISA, when a second group begins."""
    return next((loop for loop in around.outwards() if loop.first.name == "ISA"), None) if around else None
