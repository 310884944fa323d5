"""What the kinds that look at queues have in common. They look: nothing is taken out, acknowledged or committed."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from core.findings import Finding, nearest
from core.yamlfile import Parsed
from probes.columns import misnamed_columns
from probes.probe import BATCH_ROWS, Batch, Columns, ProbeError, ProbeFile, as_text, iso, text_batch

# What every kind can say of a queue, in this order in the documentation; null is unknown.
COMMON = (
    "name", "depth", "ready", "in_flight", "consumers", "oldest_at", "oldest_age_s", "dead_letter", "dead_letter_to",
)  # fmt: skip
WILD = "*?["


class QueueProbe(ProbeFile, ABC):
    """Queues as they are now, each a record. `queues`: their names, or patterns such as `orders.*`.

    A name without `*`, `?` or `[` has to be there: that it is not is an error, never an empty queue.
    """

    begun: ClassVar[Mapping[str, str]] = {
        "object.type": "queue", "object.key": "name", "object.fields": ", ".join(COMMON[1:]),
    }  # fmt: skip
    # Columns of the kind beside COMMON.
    more_columns: ClassVar[tuple[str, ...]] = ()

    queues: Columns = Field(default=("*",))

    @model_validator(mode="after")
    def _as_it_is_now(self) -> Self:
        if self.mode != "full":
            raise ValueError("queues are read as they are now: 'mode' is full")
        return self

    @property
    def fixed_columns(self) -> bool:
        return True

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:
        placed, findings = super().located(file, parsed)
        return placed, [*findings, *misnamed_columns(self._misnamed, self.columns, parsed)]

    def _misnamed(self, column: str) -> str:
        """Why no queue has such a column, or an empty text."""
        there = (*COMMON, *self.more_columns)
        if column in there:
            return ""
        near = nearest(column, there)
        hint = f"; did you mean {near!r}?" if near else ""
        return f"a queue has {', '.join(there)}{hint}"

    def wants(self, name: str) -> bool:
        """Whether the probe file asks for the queue `name`."""
        return any(name == pattern or fnmatchcase(name, pattern) for pattern in self.queues)

    def all_there(self, names: Iterable[str], what: str = "queue") -> None:
        """Raises ProbeError when a queue that is asked for by name is not among `names`."""
        there = set(names)
        for name in self.queues:
            if name not in there and not any(letter in name for letter in WILD):
                near = nearest(name, there)
                hint = (
                    f"did you mean {near!r}?" if near else "check its name, and whether the user may see it"
                )
                raise ProbeError("no_queue", f"{self.place} has no {what} {name!r}; {hint}")

    def batches(self, queues: Iterable[Mapping[str, Any]]) -> Iterator[Batch]:
        """Queues as batches of records, by the columns the probe file names."""
        rows = [[as_text(queue.get(column)) for column in self.columns] for queue in queues]
        for start in range(0, max(len(rows), 1), BATCH_ROWS):
            yield Batch(text_batch(self.columns, rows[start : start + BATCH_ROWS]), first_line=start + 1)


def aged(oldest: datetime | None, now: datetime) -> dict[str, Any]:
    """When the oldest message was sent and how many seconds ago, as columns. A clock ahead of ours gives 0."""
    if oldest is None:
        return {"oldest_at": None, "oldest_age_s": None}
    return {"oldest_at": iso(oldest), "oldest_age_s": max(0, int((now - oldest).total_seconds()))}
