"""Whether a kind of probe keeps the contract: what `tieout probe conformance` and a site's own tests ask.

In a test: `from probes.conformance import assert_conforms`, then `assert_conforms(probe)` with a probe whose source
holds a few records and rests meanwhile. It reads the source several times and writes nothing.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, SecretStr

from probes.doctor import Check
from probes.probe import Batch, ProbeError, ProbeFile, Window, iso, parse_time

# More at once would show in the memory of the process.
MOST_ROWS = 100_000
MOST_BATCHES = 50
_CHANGING = {
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
    "os.chown", "os.system", "subprocess.Popen",
}  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def assert_conforms(probe: ProbeFile, now: datetime | None = None) -> None:
    """Raises AssertionError that names every part of the contract that `probe` breaks."""
    broken = [f"{check.name}: {check.found}" for check in conformance(probe, now) if check.ok is False]
    assert not broken, f"probe {probe.name} breaks the contract:\n" + "\n".join(broken)  # noqa: S101


def conformance(probe: ProbeFile, now: datetime | None = None) -> list[Check]:
    """One check for each part of the contract. `ok` is None where the source gave nothing to judge by.

    Raises ProbeError when the source cannot be read at all.
    """
    end = now or datetime.now(UTC)
    with _watched() as deeds:
        read = _Reading(probe, Window(end))
    return [
        _batches(probe, read),
        _rows_bounded(read),
        _turns(probe, read),
        _quiet("does not sleep", deeds.slept, "sleeping and scheduling are the runner's"),
        _quiet("does not write", deeds.wrote, "a probe only reads"),
        _again(probe, read, end),
        _resumes(probe, read, end),
        _window(probe, read, end),
        _stops(probe, end),
        _closes(probe, end),
        _secrets(probe),
    ]


class _Reading:
    """Everything a window gives, as far as we look."""

    def __init__(self, probe: ProbeFile, window: Window) -> None:
        self.turns = 0
        self.batches: list[Batch] = []
        waiting = Window(
            window.end,
            window.cursor,
            window.position,
            window.seen,
            window.monotonic,
            window.give_up_at,
            self._turn,
        )
        reading = probe.read(waiting)
        self.batches = list(islice(reading, MOST_BATCHES))
        reading.close()

    def _turn(self, give_up_at: float) -> None:  # noqa: ARG002 - called like the runner's
        self.turns += 1

    def rows(self, first: int = 0) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for batch in self.batches[first:] for row in batch.records.to_pylist()]

    def column(self, name: str) -> list[str]:
        return [value for batch in self.batches for value in batch.records.column(name).to_pylist() if value]


@dataclass
class _Deeds:
    slept: list[str] = field(default_factory=list)
    wrote: list[str] = field(default_factory=list)


_active = threading.local()
_hooked = threading.Event()


@contextmanager
def _watched() -> Iterator[_Deeds]:
    """What this thread does meanwhile that a probe must not. Python tells it to hooks, which stay for good."""
    if not _hooked.is_set():
        sys.addaudithook(_hear)
        _hooked.set()
    deeds = _active.deeds = _Deeds()
    # Python tells hooks of this one only from 3.13 on.
    real = time.sleep
    time.sleep = lambda seconds: _noted(real, float(seconds))
    try:
        yield deeds
    finally:
        time.sleep = real
        _active.deeds = None


def _noted(sleep: Callable[[float], None], seconds: float) -> None:
    deeds: _Deeds | None = getattr(_active, "deeds", None)
    if deeds is not None:
        deeds.slept.append(f"time.sleep({seconds})")
    sleep(seconds)


def _hear(event: str, args: tuple[Any, ...]) -> None:
    deeds: _Deeds | None = getattr(_active, "deeds", None)
    if deeds is None:
        return
    if event in _CHANGING or event.startswith("shutil."):
        deeds.wrote.append(event)
    elif event == "open" and isinstance(args[2], int) and args[2] & _WRITING:
        name = str(args[0])
        # Python keeps what it compiled of a module it imports.
        if ".pyc" not in name and name != os.devnull:
            deeds.wrote.append(f"open {name} for writing")


def _batches(probe: ProbeFile, read: _Reading) -> Check:
    for batch in read.batches:
        if tuple(batch.records.schema.names) != probe.columns:
            given = ", ".join(batch.records.schema.names)
            return Check(
                "columns",
                False,
                f"a batch has {given} instead of {', '.join(probe.columns)}",
                "use text_batch",
            )
        if any(kind not in (pa.string(), pa.large_string()) for kind in batch.records.schema.types):
            return Check("columns", False, "a batch has columns that are not text", "use text_batch")
    return Check("columns", True if read.batches else None, "each batch has the columns of the file, as text")


def _rows_bounded(read: _Reading) -> Check:
    most = max((batch.records.num_rows for batch in read.batches), default=0)
    found = f"the largest batch has {most:,} records"
    return Check(
        "batches are bounded",
        most <= MOST_ROWS,
        found,
        "" if most <= MOST_ROWS else "yield BATCH_ROWS at a time",
    )


def _turns(probe: ProbeFile, read: _Reading) -> Check:
    if not probe.hosts:
        return Check("waits for its turn", None, "it talks to no host")
    then = "" if read.turns else "call window.turn() before each request"
    return Check("waits for its turn", read.turns > 0, f"window.turn() was called {read.turns} times", then)


def _quiet(name: str, deeds: list[str], then: str) -> Check:
    return Check(
        name, not deeds, "; ".join(deeds[:3]) or "nothing of the kind was seen", then if deeds else ""
    )


def _again(probe: ProbeFile, read: _Reading, end: datetime) -> Check:
    same = Counter(_Reading(probe, Window(end)).rows()) == Counter(read.rows())
    found = (
        "the same window gives the same records"
        if same
        else "the same window gave other records the second time"
    )
    return Check("reads the same again", same, found, "" if same else "keep no state between readings")


def _resumes(probe: ProbeFile, read: _Reading, end: datetime) -> Check:
    """A position says where to go on: what comes from there is what came behind it."""
    places = [number for number, batch in enumerate(read.batches[:-1]) if batch.position]
    if not places:
        return Check("goes on at a position", None, "it gives no positions; a failed try begins again")
    for number in {places[0], places[len(places) // 2]}:
        rest = _Reading(probe, Window(end, position=read.batches[number].position)).rows()
        if rest != read.rows(number + 1):
            found = f"from the position of batch {number + 1} come other records than came behind it"
            return Check("goes on at a position", False, found, "give positions only when they say all")
    return Check("goes on at a position", True, "what comes from a position is what came behind it")


def _window(probe: ProbeFile, read: _Reading, end: datetime) -> Check:
    """Half of the records again: from a cursor in their midst, and up to it where the kind knows an end."""
    name, rule = "keeps to the window", probe.cursor_rule
    moments = sorted(set(_moments(read.column(rule.cursor_path)))) if rule and rule.type == "time" else []
    if rule is None or len(moments) < 3:
        return Check(name, None, "there are not three times of change to judge by")
    middle = moments[len(moments) // 2]
    later = _moments(_Reading(probe, Window(end, cursor=iso(middle))).column(rule.cursor_path))
    if any(moment < middle for moment in later):
        return Check(name, False, "records older than window.cursor came", "leave out what is older")
    if len(later) < sum(moment >= middle for moment in moments):
        return Check(name, False, "records as new as window.cursor are missing", "compare with >=")
    if probe.bounded:
        before = _moments(_Reading(probe, Window(middle)).column(rule.cursor_path))
        if any(moment >= middle for moment in before):
            return Check(name, False, "records as new as window.end came", "compare with <")
    return Check(
        name,
        True,
        "what comes is not older than window.cursor"
        + (" and older than window.end" if probe.bounded else ""),
    )


def _moments(texts: list[str]) -> list[datetime]:
    found = []
    for text in texts:
        try:
            found.append(parse_time(text))
        except ValueError:
            return []
    return found


def _stops(probe: ProbeFile, end: datetime) -> Check:
    """With no time left, it says so instead of reading on."""
    name = "stops when its time is up"
    spent = Window(end, monotonic=lambda: timedelta(days=1).total_seconds(), give_up_at=0)
    batches = 0
    try:
        for batch in probe.read(spent):
            batches += batch.records.num_rows > 0
            if batches > 1:
                return Check(name, False, "it read on", "call window.check(self.place) for each batch")
    except ProbeError as error:
        right = error.code == "timeout"
        return Check(
            name, right, f"it stopped with {error.code}", "" if right else "call window.check(self.place)"
        )
    return Check(name, None if batches <= 1 else True, "there was not enough to read to judge by")


def _closes(probe: ProbeFile, end: datetime) -> Check:
    """A dry run has enough after some records."""
    reading = probe.read(Window(end))
    next(reading, None)
    try:
        reading.close()
    except Exception as error:  # whatever it is, it is what the check is for
        return Check(
            "lets go early", False, f"closing it early raised {type(error).__name__}", "use with and finally"
        )
    return Check("lets go early", True, "it can be closed after the first batch")


def _secrets(probe: ProbeFile) -> Check:
    shown = [text for text in _values(probe) if len(text) > 3 and text in probe.place]
    found = "place shows a secret" if shown else "place shows no secret"
    return Check(
        "shows no secret", not shown, found, "leave user, password and query out of place" if shown else ""
    )


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _values(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _values(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _values(item)
