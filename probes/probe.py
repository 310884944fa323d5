"""The contract of a probe: a file that says where state is read from and how a record becomes an object.

A probe reads and nothing else: it does not sleep, schedule or write. `probes.run` does the rest.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, field_validator, model_validator

from core.clock import Clock
from core.duration import Duration
from core.errors import TieoutError
from core.findings import Finding
from core.yamlfile import FileModel, Parsed
from probes.batch import BATCH_ROWS, BadLine, Batch, Counted, Origin
from probes.controls import Control
from probes.cursor import Incremental
from probes.mapping import Amount, Columns, EventRule, Fields, LinkRule, ObjectState, Texts
from probes.texts import as_text, is_number, iso, parse_time, text_batch
from workflows.model import Name

__all__ = [
    "BATCH_ROWS", "NO_END", "Amount", "BadLine", "Batch", "Columns", "Complete", "Counted", "EventRule", "Fields",
    "Incremental", "IncrementalProbe", "LinkRule", "ObjectState", "Origin", "ProbeError", "ProbeFile", "Question", "Texts",
    "Timeouts", "Window", "as_text", "is_number", "iso", "parse_time", "text_batch",
]  # fmt: skip

# The longest a run may last when nobody bounds it; databases take their limits in milliseconds of 31 bits.
NO_END = timedelta(days=7)
# Not worth another try within the run, and yet no answer to what was asked.
_UNSERVED = {"auth_failed", "timeout", "tls_refused", "no_database"}


class ProbeError(TieoutError):
    """A source could not be read. `code` is short and stable; the text says what, where and what to do.

    `retry_after` is how many seconds the source asked us to stay away, when it did. `unserved`: the system
    did not serve us; several such runs in a row, and it is left alone for a while.
    """

    def __init__(
        self, code: str, text: str, *, retryable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(text)
        self.code = code
        self.retryable = retryable
        self.retry_after = retry_after

    @property
    def unserved(self) -> bool:
        return self.retryable or self.code in _UNSERVED


class Complete(FileModel):
    """What proves that everything up to a time was seen, so that an absence is a fact.

    `by: run` a run that read all it should; `by: column` the newest time in `column`; `by: nothing` never.
    `lag` is how old the source's own copy may be (a replica, a cache): so much is not yet proven.
    """

    by: Literal["run", "column", "nothing"] = "run"
    column: str = ""
    lag: Duration = timedelta(0)

    @model_validator(mode="after")
    def _column_named(self) -> Self:
        if (self.by == "column") != bool(self.column):
            raise ValueError("'by: column' and 'column' go together")
        return self


class Timeouts(FileModel):
    """How long to wait: for a connection, for the next bytes, for the whole run."""

    connect: Duration = timedelta(seconds=10)
    read: Duration = timedelta(seconds=60)
    total: Duration = timedelta(minutes=10)


def _at_once(give_up_at: float) -> None:
    """Nobody else asks this system, or nobody minds."""


@dataclass(frozen=True)
class Window:
    """What one run should read: changes from `cursor` (empty: from the beginning) up to `end`, in UTC.

    `position` is where an earlier try of this run stopped; `seen` has the fingerprints of origins that
    earlier runs have read. `give_up_at` and `monotonic` bound the run in seconds. `wait_turn` keeps the pace
    of the system, `networks` are private addresses it may have. `cursor` of a source with cursors of its own
    is the one it handed out last.
    """

    end: datetime
    cursor: str = ""
    position: str = ""
    seen: Mapping[str, str] = field(default_factory=dict)
    monotonic: Callable[[], float] = time.monotonic
    give_up_at: float = float("inf")
    wait_turn: Callable[[float], None] = _at_once
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    clock: Clock | None = None

    def moment(self) -> datetime:
        """The time now (UTC), for what is dated when it is sent; where no clock runs, the window's end."""
        return self.clock.now() if self.clock else self.end

    def turn(self) -> None:
        """Call it before each request or query. Raises ProbeError when the run has no time left for it."""
        self.wait_turn(self.give_up_at)

    def check(self, place: str) -> None:
        """Raises ProbeError once the run has used up its time."""
        if self.monotonic() > self.give_up_at:
            raise ProbeError(
                "timeout",
                f"{place} took longer than timeouts.total allows; read less at a time or allow more",
            )

    def left(self) -> float:
        """Seconds until the run has to end."""
        return max(0.001, min(self.give_up_at - self.monotonic(), NO_END.total_seconds()))


@dataclass(frozen=True)
class Question:
    """What `tieout probe init` asks for: the dotted key in the file, what it means, and an example.

    An `optional` one is asked of a person, who may leave it empty, and of nobody else.
    """

    key: str
    help: str
    example: str = ""
    optional: bool = False


class ProbeFile(FileModel, ABC):
    """What every probe file says; each kind adds where and how it reads.

    `name` is also the name of the source in a workflow's `sources`. `timezone` is where times without a zone
    are from, `dates` how 03/04/2026 is meant (`iso`: it is refused). `max_absent_ratio`: a full read in which
    more than this part of the known objects is gone is not believed. `max_rejected_ratio`: with more
    than this part of the records set aside, the run proves nothing. `excused_numbers`: control numbers that
    will never come, so that their absence is no gap.
    """

    # What is asked of a person who begins a probe of this kind, beside what all kinds ask.
    questions: ClassVar[tuple[Question, ...]] = ()
    # What is not asked, because for this kind it is clear: dotted keys of the file and what they say.
    begun: ClassVar[Mapping[str, str]] = {}

    name: Name
    kind: str
    title: str
    workflow: Name
    system: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    every: Duration = timedelta(minutes=5)
    mode: Literal["full", "incremental"] = "full"
    object: ObjectState
    links: tuple[LinkRule, ...] = ()
    events: tuple[EventRule, ...] = ()
    complete: Complete = Complete()
    controls: tuple[Control, ...] = ()
    timezone: str = "UTC"
    dates: Literal["iso", "dmy", "mdy"] = "iso"
    timeouts: Timeouts = Timeouts()
    attempts: int = Field(default=3, ge=1, le=10)
    max_absent_ratio: float = Field(default=0.9, ge=0, le=1)
    max_rejected_ratio: float = Field(default=0.1, ge=0, le=1)
    excused_numbers: tuple[int, ...] = ()

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("not a time zone; write one like Europe/Rome or America/Chicago") from None
        return name

    @property
    def cursor_rule(self) -> Incremental | None:
        """How changes are found, for kinds that ask with a cursor."""
        return None

    @property
    def reads_files(self) -> bool:
        """Whether it speaks of the time its files were written, so that without a file it speaks of none."""
        return False

    @property
    def loose(self) -> bool:
        """Whether each record brings its own columns, so that one may be missing for a while."""
        return False

    @property
    def fixed_columns(self) -> bool:
        """Whether the kind itself says which columns there are, so that one without values is only unknown."""
        return False

    @property
    def own_cursor(self) -> bool:
        """Whether the source hands out the cursor of the next run itself (a delta link)."""
        return False

    @property
    def bounded(self) -> bool:
        """Whether it can be asked for a window with an end that lies back in time."""
        return False

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column the file names: these are read and no others."""
        state = self.object
        names = [*state.key, state.valid_from, *state.fields.values(), state.deleted]
        if state.amount:
            names += [state.amount.column, state.amount.currency_column]
        for link in self.links:
            names += link.column
        for rule in self.events:
            names += [rule.time, *rule.when]
        names += [control.column for control in self.controls]
        names += [self.complete.column, self.cursor_rule.cursor_path if self.cursor_rule else ""]
        return tuple(dict.fromkeys(name for name in names if name))

    @property
    def vital_columns(self) -> tuple[str, ...]:
        """Columns without which a record would be taken for something else: key, time, money, deletion."""
        state = self.object
        money = (state.amount.column, state.amount.currency_column) if state.amount else ()
        names = (*state.key, state.valid_from, state.deleted, *money, self.complete.column)
        return tuple(name for name in names if name)

    @model_validator(mode="after")
    def _controls_fit(self) -> Self:
        if self.mode != "full" and any(control.equals is not None for control in self.controls):
            raise ValueError("'equals' of a control is a number for everything, so it needs 'mode: full'")
        return self

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it reads, fit for a message: no user, no password, no query string."""

    @property
    def hosts(self) -> tuple[tuple[str, int], ...]:
        """Hosts and ports it talks to, for kinds that go over a network."""
        return ()

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...] | None:
        """Private addresses its hosts may have; None for kinds that may reach any address."""
        return None

    @property
    def guarded(self) -> bool:
        """Whether hosts, addresses and certificates of what it asks are judged here; code of others judges its own."""
        return True

    @abstractmethod
    def read(self, window: Window) -> Generator[Batch]:
        """The records of `window`, a bounded batch at a time. Raises ProbeError."""

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:  # noqa: ARG002
        """The probe with paths relative to its file made absolute, and what is wrong with them."""
        return self, []


class IncrementalProbe(ProbeFile):
    """What kinds have in common that ask with a cursor of the file's: a key `incremental` with `mode: incremental`."""

    incremental: Incremental | None = None

    @model_validator(mode="after")
    def _modes_fit(self) -> Self:
        if (self.mode == "incremental") != (self.incremental is not None):
            raise ValueError("'mode: incremental' and the key 'incremental' go together")
        return self

    @property
    def cursor_rule(self) -> Incremental | None:
        return self.incremental
