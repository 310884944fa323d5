"""What every step of writing needs: the store, what is imported for whom, known when, up to which time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from collector.imports.mapping import Mapping
from collector.imports.parameters import Params, common
from collector.imports.reading import Progress, Staged
from collector.imports.result import ImportProgress
from collector.imports.statements import over, statement
from store.client import Store
from workflows.model import Workflow

# Rows that are decided at once; memory grows with this number, not with the file.
CHUNK_ROWS = 200_000


@dataclass(frozen=True)
class Context:
    """One call of the importer."""

    store: Store
    mapping: Mapping
    workflow: Workflow
    known_at: datetime
    until: datetime
    progress: Progress

    def told(self, file: Staged, *more: Params) -> Params:
        """Parameters of a statement on the rows of `file`; later ones replace earlier ones."""
        told = {**common(self.mapping), **file.params, "known_at": self.known_at, "until": self.until}
        for params in more:
            told |= params
        return told

    def written(self, table: str) -> int:
        """Facts this source has in `events` or `object_links` with the known time of this call."""
        return int(
            self.store.value(
                statement(f"written_{table}"), {"source": self.mapping.mapping, "known_at": self.known_at}
            )
        )

    def wrote(self, file: Staged, done: int) -> None:
        """Tells how many rows of `file` are decided."""
        rows = file.staging.rows
        self.progress(ImportProgress("writing", file.source.name, min(done, rows), rows, rows))

    def set_aside_unread(self, file: Staged) -> None:
        """Records what the reader, or a check across tables, could not use."""
        found = self.store.rows(over("reject_counts", "decided_bad"), file.params)
        for row in found:
            file.tally.rejected[row["reason"]] += int(row["counted"])
        if found:
            self.store.command(
                over("rejects", "decided_bad"), self.told(file, {"reasons": [], "details": []})
            )
