"""What a `mappings/*.yaml` file may say: how files that people have become events, links and states.

The models are the reference: every key is documented here. Only columns that are named reach the store.
"""

from __future__ import annotations

import codecs
import re
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

from core.yamlfile import FileModel
from workflows.model import Name, Normalisation

Column = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Format = Literal["csv", "parquet", "xes", "ocel2"]

# Directives the engine reads; %y and %j are left out because a wrong guess of the century goes unnoticed.
_DIRECTIVES = "YmdeHIMSfpbBzTF%"


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("a zone is a name like UTC or Europe/Berlin")
    return name


def _time_format(text: str) -> str:
    if text in ("iso", "unix_s", "unix_ms", "unix_us"):
        return text
    used = re.findall(r"%(.?)", text)
    if not used or any(letter not in _DIRECTIVES or not letter for letter in used):
        raise ValueError(
            "a time format is iso, unix_s, unix_ms, unix_us, or a pattern like %d.%m.%Y %H:%M:%S"
        )
    return text


def _one_column(value: Any) -> Any:
    return {"columns": [value]} if isinstance(value, str) else value


def _key_column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


def _utc(value: Any) -> Any:
    """YAML gives dates and times without zone for what the file wrote in UTC."""
    if isinstance(value, datetime):
        plain = datetime(*value.timetuple()[:6], value.microsecond)
        return plain.replace(tzinfo=UTC) if value.tzinfo is None else value
    return datetime.combine(value, time(), UTC) if isinstance(value, date) else value


Zone = Annotated[str, AfterValidator(_zone)]
TimeFormat = Annotated[str, AfterValidator(_time_format)]
CompleteThrough = Annotated[Literal["last_event", "none"] | AwareDatetime, BeforeValidator(_utc)]


class TimeColumns(FileModel):
    """Where a time stands; a plain column name will do when it is ISO 8601.

    `columns` are joined by one blank (a date column and a time column). `zone` holds for times that carry
    none. `format`: `iso` (the default), `unix_s`, `unix_ms`, `unix_us`, or a pattern of strftime.
    """

    columns: tuple[Column, ...] = Field(min_length=1)
    zone: Zone = "UTC"
    format: TimeFormat = "iso"


Time = Annotated[TimeColumns, BeforeValidator(_one_column)]


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError("an encoding is a name like utf-8, latin-1 or cp1252") from None


Encoding = Annotated[str, AfterValidator(_encoding)]


class KeyColumns(FileModel):
    """A business key: one `column`, or several `columns` joined by `separator`.

    `key` cleans this file's keys before the rules of the object type in the workflow do.
    """

    column: str = ""
    columns: tuple[Column, ...] = ()
    separator: str = "/"
    key: tuple[Normalisation, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The columns of the key, in order."""
        return self.columns or ((self.column,) if self.column else ())


Key = Annotated[KeyColumns, BeforeValidator(_key_column)]


class TouchedObject(KeyColumns):
    """An object an event touches: its type in the workflow, its key, its role in the event."""

    type: Name
    role: str = ""


class Reference(KeyColumns):
    """A link from the object of a row to the object of type `to` that the row names."""

    to: Name
    role: Column


class AmountColumns(FileModel):
    """Money in one `column`, or the product of two: `multiply: [price, quantity]`."""

    column: str = ""
    multiply: tuple[Column, Column] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns the amount is made of."""
        return self.multiply or ((self.column,) if self.column else ())


class Amount(AmountColumns):
    """Money and its currency: the same one for all rows (`currency`) or a column (`currency_column`).

    `decimal` is the mark before the cents; the other mark, blanks and apostrophes may group digits.
    """

    currency: Currency | None = None
    currency_column: str = ""
    decimal: Literal[".", ","] = "."


class EventLog(FileModel):
    """Every row is one event.

    `identity`: columns that together name an event for good; without it the whole row is its identity, so two
    equal rows are one event. `attributes`: columns that are kept, and that steps of the workflow may test.
    `dims`: segments of the workflow and the columns they come from. `complete_through`: what a file proves
    to be complete: all up to its `last_event`, up to a given time, or nothing (`none`).
    """

    activity: Column
    time: Time
    objects: tuple[TouchedObject, ...] = Field(min_length=1)
    identity: tuple[Column, ...] = ()
    actor: str = ""
    amount: Amount | None = None
    dims: dict[Name, Column] = Field(default_factory=dict)
    attributes: tuple[Column, ...] = ()
    complete_through: CompleteThrough = "none"


class Deleted(FileModel):
    """Rows of objects that are gone: `column` has one of `values`."""

    column: Column
    values: tuple[str, ...] = Field(min_length=1)


class StateFile(FileModel):
    """Every row is the state of one object.

    `valid_from`: since when the row holds; without it, since the import. `complete`: the file holds all
    objects of its type, so one that is absent has been deleted. `fields`: columns that are kept.
    `links`: other objects the row names.
    """

    type: Name
    key: Key
    fields: tuple[Column, ...] = ()
    amount: Amount | None = None
    valid_from: Time | None = None
    deleted: Deleted | None = None
    complete: bool = False
    links: tuple[Reference, ...] = ()
    complete_through: CompleteThrough = "none"


class OcelObject(FileModel):
    """An object type of the log: its `type` in the workflow, the `fields` that are kept, its amount."""

    type: Name
    fields: tuple[Column, ...] = ()
    amount: AmountColumns | None = None
    system: str = ""


class ObjectField(FileModel):
    """A segment that an event takes over from the object of type `object` it touches."""

    object: Name
    field: Column


class Ocel2(FileModel):
    """An object-centric log in OCEL 2.0: JSON, SQLite, or its tables as CSV.

    `objects`: every object type of the log by its name there; `ignore`: types to leave out.
    `link_targets`: for a qualifier, the workflow's type of objects that are linked to but not in the log.
    `event_amount`: for an event type, the workflow's object type whose amount is the event's.
    `dims`: an event attribute, or a field of an object that the event touches.
    """

    objects: dict[str, OcelObject] = Field(min_length=1)
    ignore: tuple[str, ...] = ()
    link_targets: dict[str, Name] = Field(default_factory=dict)
    event_amount: dict[str, Name] = Field(default_factory=dict)
    currency: Currency | None = None
    dims: dict[Name, Column | ObjectField] = Field(default_factory=dict)
    attributes: tuple[Column, ...] = ()
    actor: str = ""
    zone: Zone = "UTC"
    complete_through: CompleteThrough = "none"


class CsvOptions(FileModel):
    """How the text is cut into columns."""

    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","
    quote: Annotated[str, StringConstraints(min_length=1, max_length=1)] = '"'
    encoding: Encoding = "utf-8"


class Mapping(FileModel):
    """One kind of file. Its name is the `source` of all that comes of it.

    `match`: patterns of file names. Exactly one of `events`, `state` and `ocel2` says what the rows are.
    `system`: system the facts speak of; steps may select by it. `keep_rejected`: what is kept of a row that
    is set aside: its `mapped` columns, or the `whole` row.
    """

    mapping: Name
    workflow: Name
    format: Format
    match: tuple[Column, ...] = Field(min_length=1)
    title: str = ""
    system: str = ""
    csv: CsvOptions = CsvOptions()
    keep_rejected: Literal["mapped", "whole"] = "mapped"
    events: EventLog | None = None
    state: StateFile | None = None
    ocel2: Ocel2 | None = None

    @property
    def complete_through(self) -> Literal["last_event", "none"] | datetime:
        """What a file of this kind proves to be complete."""
        part = self.events or self.state or self.ocel2
        return part.complete_through if part else "none"
