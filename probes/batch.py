"""What a kind of probe yields: some records with where they come from, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import pyarrow as pa

from probes.controls import Said

BATCH_ROWS = 20_000


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
