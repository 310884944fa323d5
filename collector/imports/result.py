"""What an import did, and how far it is: plain numbers that print as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class ImportProgress:
    """How far an import is: `phase` is `reading` (bytes done, of total) or `writing` (rows done)."""

    phase: str
    file: str
    done: int
    total: int
    rows: int


@dataclass(frozen=True)
class Facts:
    """Facts of one kind: written now, known before (or said twice), left out for lying after `until`."""

    new: int = 0
    known: int = 0
    held_back: int = 0

    def __add__(self, other: Facts) -> Facts:
        return Facts(self.new + other.new, self.known + other.known, self.held_back + other.held_back)


@dataclass(frozen=True)
class ImportedFile:
    """One file: SHA-256, size in bytes, records read; `complete` is false when its end is in doubt."""

    file: str
    sha256: str
    bytes: int
    rows: int
    complete: bool


@dataclass(frozen=True)
class ImportResult:
    """What an import did. All times are UTC.

    For an event log or state file, events (or snapshots) and `rejected` (by reason) add up to `rows_read`; an
    OCEL log also has rows that say nothing kept (`ignored`, by what they are) and several that make one fact.
    `unmapped` counts events of activities that no step knows. `absent` counts objects found deleted.
    `watermark` is how far this import proved its source complete, if that is news.
    """

    source: str
    workflow: str
    files: tuple[ImportedFile, ...]
    rows_read: int
    events: Facts
    links: Facts
    snapshots: Facts
    absent: int
    rejected: dict[str, int]
    ignored: dict[str, int]
    unmapped: dict[str, int]
    first_at: datetime | None
    last_at: datetime | None
    watermark: datetime | None
    notes: tuple[str, ...]
    seconds: float

    @property
    def new(self) -> int:
        """Facts written."""
        return self.events.new + self.links.new + self.snapshots.new + self.absent

    @property
    def complete(self) -> bool:
        """Whether every file was read to an end that is not in doubt."""
        return all(file.complete for file in self.files)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON: times as ISO 8601 text."""
        return {key: _plain(value) for key, value in vars(self).items()} | {
            "new": self.new,
            "complete": self.complete,
        }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Facts | ImportedFile):
        return dict(vars(value))
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


@dataclass
class Tally:
    """The numbers of one file, gathered while it is imported."""

    events: Facts = Facts()
    links: Facts = Facts()
    snapshots: Facts = Facts()
    absent: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    first_at: datetime | None = None
    last_at: datetime | None = None

    @property
    def facts(self) -> Facts:
        """All kinds together."""
        return self.events + self.links + self.snapshots

    def span(self, first: datetime | None, last: datetime | None) -> None:
        """Widens the business time the file speaks of."""
        known = [at for at in (self.first_at, first, self.last_at, last) if at is not None]
        self.first_at, self.last_at = min(known, default=None), max(known, default=None)

    def add(self, other: Tally) -> None:
        """Adds the numbers of another file."""
        self.events += other.events
        self.links += other.links
        self.snapshots += other.snapshots
        self.absent += other.absent
        self.rejected += other.rejected
        self.ignored += other.ignored
        self.unmapped += other.unmapped
        self.span(other.first_at, other.last_at)
