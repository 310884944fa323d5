"""Excel: the first row of a sheet has the names."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar, Literal

from python_calamine import CalamineError, CalamineWorkbook

from core.findings import nearest
from probes.formats.contract import Format, Source, all_there
from probes.probe import BATCH_ROWS, Batch, ProbeError, text_batch

# A workbook is a zip archive; one that unpacks to more than this is an accident or an attack.
MAX_UNPACKED_BYTES = 2_000_000_000


class Excel(Format):
    """`format: excel` reads `sheet` (default: the first)."""

    errors: ClassVar = (CalamineError, zipfile.BadZipFile)

    type: Literal["excel"]
    sheet: str = ""

    def read(self, source: Source) -> Iterator[Batch]:
        _unpacks_to_a_bounded_size(source)
        with CalamineWorkbook.from_filelike(source.file) as book:
            rows = book.get_sheet_by_name(self._sheet(book, source)).iter_rows()
            header = [str(cell).strip() for cell in next(rows, [])]
            all_there(source, header)
            picked = [header.index(name) for name in source.columns]
            yield Batch(text_batch(source.columns, []), schema=dict.fromkeys(filter(None, header), ""))
            line = 1
            while chunk := list(islice(rows, BATCH_ROWS)):
                cells = [[_cell(row[i]) for i in picked] for row in chunk if any(cell != "" for cell in row)]
                yield Batch(text_batch(source.columns, cells), first_line=line)
                line += len(cells)

    def _sheet(self, book: CalamineWorkbook, source: Source) -> str:
        names = book.sheet_names
        if self.sheet and self.sheet not in names:
            near = nearest(self.sheet, names)
            hint = f"did you mean {near!r}?" if near else f"it has {', '.join(names)}"
            raise ProbeError("no_sheet", f"file {source.name} has no sheet {self.sheet!r}; {hint}")
        return self.sheet or names[0]


def _unpacks_to_a_bounded_size(source: Source) -> None:
    if zipfile.is_zipfile(source.file):
        source.file.seek(0)
        with zipfile.ZipFile(source.file) as archive:
            if sum(part.file_size for part in archive.infolist()) > MAX_UNPACKED_BYTES:
                raise ProbeError(
                    "too_large", f"file {source.name} unpacks to more than {MAX_UNPACKED_BYTES} bytes"
                )
    source.file.seek(0)


def _cell(value: Any) -> Any:
    """Excel knows no whole numbers: 4711.0 in a key column is 4711. An empty cell says nothing."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return None if value == "" else value
