"""The contract of a probe: a file that says where state is read from and how a record becomes an object.

A probe reads and nothing else: it does not sleep, schedule or write. `probes.run` does the rest.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

import pyarrow as pa
from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from core.clock import Clock
from core.duration import Duration
from core.errors import TieoutError
from core.findings import Finding
from core.yamlfile import FileModel, Parsed
from probes.controls import Control, Said
from workflows.model import Name, StepName

BATCH_ROWS = 20_000
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


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str | int | bool) else value


def _texts(value: Any) -> Any:
    """YAML reads `when: {status: 3}` as a number; sources give text."""
    return tuple(as_text(item) for item in _one_or_many(value)) if value is not None else value


def _by_name(value: Any) -> Any:
    """`[status, supplier]` is short for `{status: status, supplier: supplier}`."""
    return {name: name for name in value} if isinstance(value, list | tuple) else value


Columns = Annotated[tuple[str, ...], BeforeValidator(_one_or_many), Field(min_length=1)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts), Field(min_length=1)]
Fields = Annotated[dict[str, str], BeforeValidator(_by_name)]


class Amount(FileModel):
    """Money of the object: its column, its currency as a constant or as a column, the decimal mark."""

    column: str
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = ""
    currency_column: str = ""
    decimal: Literal[".", ","] = "."

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        if bool(self.currency) == bool(self.currency_column):
            raise ValueError("an amount has either 'currency' (three letters) or 'currency_column'")
        return self


class ObjectState(FileModel):
    """How a record becomes the state of one object.

    `key` is a column, or several that are joined by `/`. `valid_from` is the column with the business time
    from which the state holds; without it, the time of reading. `fields` is the allow-list: columns, or
    `name: column`; nothing else is stored. `deleted` is a column that is empty, 0, f, false, n or no while
    the object lives.
    """

    type: Name
    key: Columns
    valid_from: str = ""
    fields: Fields = Field(default_factory=dict)
    amount: Amount | None = None
    deleted: str = ""


class LinkRule(FileModel):
    """The record refers to an object of type `to` by `column` (several columns are joined by `/`).

    With `split`, one column holds several keys: text between the keys, or `json` for a JSON list.
    `inverse` makes the link point from that object to this one: a line names its order, the order has lines.
    """

    role: str
    to: Name
    column: Columns
    split: str = ""
    inverse: bool = False

    @model_validator(mode="after")
    def _split_one(self) -> Self:
        if self.split and len(self.column) > 1:
            raise ValueError("'split' works on one column, and this link has several")
        return self


class EventRule(FileModel):
    """The record proves that `step` was reached at the time in column `time`.

    `when` names columns and the value or values they must have; without it, a time is enough.
    """

    step: StepName
    time: str
    when: dict[str, Texts] = Field(default_factory=dict)


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


@dataclass(frozen=True)
class Origin:
    """A part of a source that has a life of its own: a file. Rows of other sources have the empty origin.

    `fingerprint` tells whether the content is the one read before, `as_of` the time it speaks of.
    `state`: `read`, `unchanged` (known, not read again) or `growing` (somebody is still writing it).
    """

    name: str = ""
    fingerprint: str = ""
    as_of: datetime | None = None
    state: Literal["read", "unchanged", "growing"] = "read"


@dataclass(frozen=True)
class BadLine:
    """Something wrong at a place of an origin: its line, record or segment number and what, without its text.

    `bad_line`: it is no record, and one may be lost. `not_whole`: the origin is not what was sent (a count or
    a total does not hold, the end is missing); its records are kept, and it proves no absence. `remark`: it is
    against the rules of the format, and nothing is lost.
    """

    number: int
    detail: str
    reason: Literal["bad_line", "not_whole", "remark"] = "bad_line"


@dataclass(frozen=True)
class Counted:
    """A number by which a sender counts what it sends, so that what is lost or sent twice shows.

    `series` names who counts what for whom; `line` is where the number stands. `consecutive`: the sender
    leaves none out, and begins again at 1 after `last`.
    """

    series: str
    number: int
    line: int
    consecutive: bool = False
    last: int = 0


@dataclass(frozen=True)
class Batch:
    """Some records: one text column for each of the probe's columns, null where the source says nothing.

    `first_line` is the number of the first record in its origin; `lines` are the numbers of all of them where
    they do not follow one another. `position` is where another try of the same run may go on; empty when it
    has to begin again. `source_time` is what the clock of the source shows. `cursor` is what a source with
    cursors of its own hands out for the next run; `whole`: the reading is the whole state, whatever the mode
    says, so what is not in it is gone. `said` is what the source says of all it gives. `schema` has every
    column the source has, those too that the probe does not read, with the type it declares; empty: it
    declares none.
    """

    records: pa.RecordBatch
    origin: Origin = Origin()
    first_line: int = 1
    position: str = ""
    bad_lines: tuple[BadLine, ...] = ()
    source_time: datetime | None = None
    lines: tuple[int, ...] = ()
    counted: tuple[Counted, ...] = ()
    cursor: str = ""
    whole: bool = False
    said: tuple[Said, ...] = ()
    schema: Mapping[str, str] = field(default_factory=dict)


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


def as_text(value: Any) -> str | None:
    """A value of a database driver, of JSON or of a spreadsheet as text; times in ISO 8601, UTC if zoned."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return iso(value) if value.tzinfo else value.isoformat(sep=" ")
    if isinstance(value, date | time_of_day):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=as_text, ensure_ascii=False)
    return str(value)


def iso(moment: datetime) -> str:
    """`2026-11-20T10:00:00.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """The moment that `iso`, or a person in a probe file, wrote. Without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def text_batch(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> pa.RecordBatch:
    """Rows of Python values, in the order of `columns`, as text columns."""
    values = list(zip(*rows, strict=True)) or [() for _ in columns]
    return pa.RecordBatch.from_arrays([_text_array(column) for column in values], names=list(columns))


def _text_array(values: Sequence[Any]) -> pa.Array:
    """Most columns are text already, and those are not walked in Python."""
    if set(map(type, values)) <= {str, type(None)}:
        return pa.array(values, pa.string())
    return pa.array([as_text(value) for value in values], pa.string())
