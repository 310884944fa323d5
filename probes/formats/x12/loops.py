"""Which segments begin loops, what a record is in each kind of transaction, and the loops of one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from probes.formats.x12.columns import Loop, Pick
from probes.formats.x12.segments import Segment
from probes.probe import BadLine

# What begins a loop, the outermost first. A transaction of another kind has none.
LOOPS: dict[str, tuple[str, ...]] = {
    "277": ("HL", "TRN", "SVC"),
    "810": ("IT1",),
    "820": ("ENT", "RMR"),
    "835": ("LX", "CLP", "SVC"),
    "837": ("HL", "CLM", "LX"),
    "850": ("PO1",),
    "855": ("PO1",),
    "856": ("HL",),
    "860": ("POC",),
    "997": ("AK2",),
    "999": ("AK2",),
}
# What belongs to the transaction again, after its loops.
SUMMARY: dict[str, frozenset[str]] = {
    "810": frozenset({"TDS", "CAD", "CTT"}),
    "835": frozenset({"PLB"}),
    "850": frozenset({"CTT"}),
    "855": frozenset({"CTT"}),
    "856": frozenset({"CTT"}),
    "860": frozenset({"CTT"}),
    "997": frozenset({"AK9"}),
    "999": frozenset({"AK9"}),
}
# One business thing each. Of every other transaction, a record is the transaction.
RECORD: dict[str, str] = {
    "277": "TRN",
    "820": "RMR",
    "835": "CLP",
    "837": "CLM",
    "850": "PO1",
    "855": "PO1",
    "856": "HL[I]",
    "860": "POC",
}
# CTT01 counts these.
LINES: dict[str, str] = {"810": "IT1", "850": "PO1", "855": "PO1", "856": "HL", "860": "POC"}
MAX_SEGMENTS = 100_000


class TooLongError(Exception):
    """A loop has more segments than are kept at a time."""


class Transaction:
    """The loops of one transaction as its segments come; a loop is given back when it has ended."""

    def __init__(
        self, header: Segment, above: Loop, loops: Sequence[str], record: Pick, gathered: frozenset[str]
    ) -> None:
        self.kind = header.element(1)
        self._ranks = {name: rank for rank, name in enumerate(loops)}
        self._summary = SUMMARY.get(self.kind, frozenset())
        self._record, self._gathered = record, gathered
        self._stack = [Loop([header], above)]
        self._records = self._lines = 0

    def take(self, segment: Segment) -> Iterator[Loop | BadLine]:
        """Records that this segment ends, or is."""
        name = segment.name
        self._lines += name == LINES.get(self.kind)
        if name in self._ranks:
            yield from self._begin(segment)
            return
        if name in self._summary:
            yield from self._end_down_to(1)
        if name == "CTT":
            yield from self._lines_counted(segment)
        self._keep(self._stack[-1].segments, segment)
        if self._record.fits(segment):
            yield self._numbered(Loop([segment], self._stack[-1]))

    def end(self) -> Iterator[Loop]:
        """The records that are still open at the end of the transaction, with itself."""
        yield from self._end_down_to(0)

    def _begin(self, segment: Segment) -> Iterator[Loop | BadLine]:
        rank = self._ranks[segment.name]
        depth = len(self._stack)
        while depth > 1 and self._rank(depth - 1) > rank:
            depth -= 1
        if segment.name != "HL":
            while depth > 1 and self._rank(depth - 1) == rank:
                depth -= 1
        else:
            parent = segment.element(2)
            wanted = [at for at in range(1, depth) if parent and self._stack[at].first.element(1) == parent]
            depth = wanted[-1] + 1 if wanted else 1
            if parent and not wanted:
                yield BadLine(segment.number, "HL02 names no open HL", "remark")
        yield from self._end_down_to(depth)
        self._stack.append(Loop([segment], self._stack[-1]))

    def _rank(self, at: int) -> int:
        return self._ranks[self._stack[at].first.name]

    def _end_down_to(self, depth: int) -> Iterator[Loop]:
        while len(self._stack) > depth:
            loop = self._stack.pop()
            if self._gathered and self._stack:
                for segment in (*loop.segments, *loop.inner):
                    if segment.name in self._gathered:
                        self._keep(self._stack[-1].inner, segment)
            if self._record.fits(loop.first):
                yield self._numbered(loop)

    def _numbered(self, loop: Loop) -> Loop:
        self._records += 1
        loop.number = self._records
        return loop

    def _keep(self, kept: list[Segment], segment: Segment) -> None:
        if len(kept) >= MAX_SEGMENTS:
            raise TooLongError
        kept.append(segment)

    def _lines_counted(self, segment: Segment) -> Iterator[BadLine]:
        said = segment.element(1)
        if self.kind in LINES and said.isdecimal() and len(said) < 10 and int(said) != self._lines:
            detail = f"CTT01 counts {int(said)} {LINES[self.kind]}, there are {self._lines}"
            yield BadLine(segment.number, detail, "not_whole")
