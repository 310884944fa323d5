"""What telemetry tells against what a system holds, in plain Python from the words of the reference page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple


@dataclass(frozen=True)
class Seen:
    """An event of the step that should carry `item`."""

    item: str
    event_id: str
    at: datetime
    known_at: datetime
    source: str


@dataclass(frozen=True)
class Held:
    """One state of `item`, as the probe read it."""

    item: str
    at: datetime
    known_at: datetime
    gone: bool
    number: int


@dataclass(frozen=True)
class Heard:
    source: str
    begins: datetime
    ends: datetime
    known_at: datetime


@dataclass(frozen=True)
class Complete:
    source: str
    through: datetime
    known_at: datetime


@dataclass(frozen=True)
class World:
    seen: tuple[Seen, ...]
    held: tuple[Held, ...]
    heard: tuple[Heard, ...]
    complete: tuple[Complete, ...]


class Answer(NamedTuple):
    item: str
    kind: str
    state: str
    opened_at: datetime
    closed_at: datetime | None
    closed_as: str
    detected_at: datetime | None
    due: int


def answers(
    world: World, within: timedelta, recent_days: int, probe: str, as_of: datetime, known_at: datetime
) -> list[Answer]:
    """Every verdict of one step in both directions as of (V, K)."""
    out = []
    for item in sorted({one.item for one in (*world.seen, *world.held)}):
        seen = [one for one in world.seen if one.item == item and one.known_at <= known_at]
        held = [one for one in world.held if one.item == item and one.known_at <= known_at]
        seen.sort(key=lambda one: (one.at, one.event_id))
        held.sort(key=lambda one: (one.at, one.known_at, one.number))
        if seen and seen[0].at <= as_of:
            out.append(_landed(item, seen[0], held, world, within, probe, as_of, known_at))
        if any(not one.gone and one.at <= as_of for one in held):
            out.append(_traced(item, seen, held, world, within, recent_days, probe, as_of, known_at))
    return sorted(out)


def _through(world: World, sources: Sequence[str], known_at: datetime) -> datetime | None:
    marks = [one.through for one in world.complete if one.source in sources and one.known_at <= known_at]
    return max(marks, default=None)


def _answer(
    item: str, kind: str, opened: datetime, end: tuple[datetime, str] | None, due_at: datetime, covered: bool,
    as_of: datetime,
) -> Answer:  # fmt: skip
    if end and end[0] > as_of:
        end = None
    past = due_at <= as_of
    if end:
        state = "MATCHED" if end[1] == "arrived" else "VOID"
    elif not past:
        state = "NOT_DUE"
    else:
        state = ("MISSING" if kind == "landed" else "ORPHAN") if covered else "UNKNOWN"
    detected = None
    if past and (end[0] > due_at if end else state != "UNKNOWN"):
        detected = due_at
    due = int(kind == "landed" and past and state != "VOID")
    return Answer(item, kind, state, opened, end[0] if end else None, end[1] if end else "", detected, due)


def _landed(
    item: str, first: Seen, held: list[Held], world: World, within: timedelta, probe: str, as_of: datetime,
    known_at: datetime,
) -> Answer:  # fmt: skip
    """There at the first moment, from the event on, at which the newest word is not that it is gone."""
    end = None
    for moment in sorted({first.at, *(one.at for one in held if one.at > first.at)}):
        so_far = [one for one in held if one.at <= moment]
        if so_far and not so_far[-1].gone:
            end = (moment, "arrived")
            break
    due_at = first.at + within
    through = _through(world, [probe], known_at)
    return _answer(item, "landed", first.at, end, due_at, through is not None and through >= due_at, as_of)


def _traced(
    item: str, seen: list[Seen], held: list[Held], world: World, within: timedelta, recent_days: int, probe: str,
    as_of: datetime, known_at: datetime,
) -> Answer:  # fmt: skip
    opened = next(one.at for one in held if not one.gone)
    gone = next((one.at for one in held if one.gone and one.at > opened), None)
    came = max(opened, seen[0].at) if seen else None
    end = None
    if came and (gone is None or seen[0].at <= gone):
        end = (came, "arrived")
    elif gone:
        end = (gone, "voided")
    due_at = opened + within
    version_at = max(one.known_at for one in (*seen, *held))
    first_told = min(one.known_at for one in held)
    read = [one.through for one in world.complete if one.source == probe and one.known_at < first_told]
    # Days on which each source of telemetry carried the step, as known when the item was last looked at.
    telemetry = {one.source for one in world.heard if one.known_at <= version_at}
    carried = [
        (one.at.date(), one.source)
        for one in world.seen
        if one.known_at <= version_at and one.source in telemetry and opened.date() - timedelta(days=recent_days) <= one.at.date() <= due_at.date()
    ]  # fmt: skip
    covered = False
    if read and carried:
        last_day = max(day for day, _ in carried)
        source = min(source for day, source in carried if day == last_day)
        since = min(opened, max(read)) - within
        listened = any(
            one.begins <= since and one.ends >= due_at
            for one in world.heard
            if one.source == source and one.known_at <= known_at
        )
        through = _through(world, [source], known_at)
        covered = listened and through is not None and through >= due_at
    return _answer(item, "traced", opened, end, due_at, covered, as_of)
