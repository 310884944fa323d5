"""How a source is asked for what changed: the cursor of a probe file, and where the next run begins."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from core.duration import Duration
from core.yamlfile import FileModel
from probes.texts import as_text, is_number, iso, parse_time


class Incremental(FileModel):
    """Only what changed since the last run: the column or path that grows with every change.

    `type`: `time` (zone known or UTC), `local_time` (no zone, in `timezone` of the probe), `number`, `text`.
    `overlap` is read again each time, for changes that became visible late: a duration, or a number for
    `number`. `initial_value` is where the first run starts.
    """

    cursor_path: str
    type: Literal["time", "local_time", "number", "text"] = "time"
    overlap: Duration | int | None = None
    initial_value: str = ""

    @field_validator("initial_value", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> Any:
        return as_text(value) if isinstance(value, int | float | date) else value

    @model_validator(mode="after")
    def _overlap_fits(self) -> Self:
        if self.timed and isinstance(self.overlap, int):
            raise ValueError("'overlap' of a time is a duration such as 10m")
        if self.type == "number" and isinstance(self.overlap, timedelta):
            raise ValueError("'overlap' of a number is a number")
        if self.type == "text" and self.overlap:
            raise ValueError(
                "a text cursor cannot be moved back, so it has no 'overlap'; use >= in the query"
            )
        return self

    @model_validator(mode="after")
    def _start_fits(self) -> Self:
        if self.initial_value and self.timed:
            try:
                parse_time(self.initial_value)
            except ValueError:
                raise ValueError("'initial_value' of a time is written like 2026-01-31T00:00:00Z") from None
        if self.initial_value and self.type == "number" and not is_number(self.initial_value):
            raise ValueError("'initial_value' of a number is a number")
        return self

    @property
    def timed(self) -> bool:
        return self.type in ("time", "local_time")

    def lower(self, cursor: str) -> str:
        """Where to read from, given the cursor the last run stored (empty: the very first run)."""
        if not cursor:
            return self.initial_value
        if self.timed:
            overlap = self.overlap if isinstance(self.overlap, timedelta) else timedelta(minutes=10)
            return iso(parse_time(cursor) - overlap)
        if self.type == "number":
            return str(Decimal(cursor) - (self.overlap if isinstance(self.overlap, int) else 0))
        return cursor
