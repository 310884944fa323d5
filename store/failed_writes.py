"""Writes of files that failed, which the embedded engine does not tell: the statement ends well, the file is short.

Measured with chDB 4.4 (engine 26.9): whatever `write` fails with (ENOSPC, EIO, EFBIG), of an insert or of a merge, no
error comes; an fsync that fails does give one. Only a counter of the engine grows. A part with a short file cannot
be read, or is read as other values. When its table is attached anew, the engine compares all files with
their checksums, sets such a part aside and, for a merge, takes the parts it was made of, which are kept for minutes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from store.errors import StoreUnavailableError
from store.sqlfile import read

STATEMENTS = Path(__file__).parent / "statements"
# The parts a merge was made of are kept longer (`old_parts_lifetime` of the tables).
LOOK_EVERY_S = 10.0
# Reads that run longer than this hold the mending up, and writes are refused meanwhile.
MEND_WAIT_S = 30.0

log = logging.getLogger("tieout.store")


class Ask(Protocol):
    """Runs one statement and gives the first column of its rows."""

    def __call__(self, sql: str, params: Mapping[str, str] | None = None, /) -> list[str]: ...


class DiskWriteError(StoreUnavailableError):
    """The disk did not take what the engine wrote; nothing of the call counts as stored."""


class FailedWrites:
    """Keeps calls on one embedded engine from building on files that are short. Safe to use from many threads.

    Every call on the engine runs inside `call`, every statement that writes ends with `check`. Once a write
    has failed, all writes are refused until `mend` has had every table attached anew.
    """

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._calls = 0
        self._mending = False
        self._counted: int | None = None
        self._detached: set[str] = set()
        self.damaged = False

    @contextmanager
    def call(self) -> Iterator[None]:
        """Waits while tables are being attached anew."""
        with self._turn:
            self._turn.wait_for(lambda: not self._mending)
            self._calls += 1
        try:
            yield
        finally:
            with self._turn:
                self._calls -= 1
                self._turn.notify_all()

    def begin(self, ask: Ask) -> None:
        """Counts what failed before anything of ours was written; only the first call of a process does."""
        failed = _failed(ask)
        with self._turn:
            self._counted = failed if self._counted is None else self._counted

    def check(self, ask: Ask) -> None:
        """Raises DiskWriteError when a write failed since the last mending, whoever's it was."""
        failed = _failed(ask)
        with self._turn:
            if failed != self._counted and not self.damaged:
                self.damaged = True
                log.error("the disk refused a write; nothing is stored until every table was looked through")
            if self.damaged:
                raise DiskWriteError(
                    "the disk did not take what was written, so nothing of it counts; "
                    "make room or look after the disk: it is tried again"
                )

    def mend(self, ask: Ask, engine: Path) -> None:
        """Has every table attached anew when a write has failed. Raises DiskWriteError when that cannot be done now.

        No call may be under way on the handle behind `ask`.
        """
        if not self.damaged:
            return
        with self._alone():
            before = _failed(ask)
            remove_empty_orders(engine)
            # A table that an earlier try left detached is not on the engine's list.
            for table in sorted({*ask(read(STATEMENTS / "tables_on_disk.sql").code), *self._detached}):
                self._attach_anew(ask, table)
            if _failed(ask) == before:
                self._counted, self.damaged = before, False
                log.warning("every table was looked through; what the disk had not taken is set aside")

    def _attach_anew(self, ask: Ask, table: str) -> None:
        if table not in self._detached:
            ask(read(STATEMENTS / "detach.sql").code, {"table": table})
            self._detached.add(table)
        ask(read(STATEMENTS / "attach.sql").code, {"table": table})
        self._detached.discard(table)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Without any call under way."""
        with self._turn:
            self._turn.wait_for(lambda: not self._mending)
            self._mending = True
        try:
            with self._turn:
                if not self._turn.wait_for(lambda: not self._calls, MEND_WAIT_S):
                    raise DiskWriteError(
                        "a write to the disk failed, and a long query keeps its tables from being looked through; "
                        "it is tried again"
                    )
            yield
        finally:
            with self._turn:
                self._mending = False
                self._turn.notify_all()


def remove_empty_orders(engine: Path) -> None:
    """Takes away orders to change rows that hold nothing: a full disk leaves them, and no table is attached with one."""
    for order in engine.glob("store/*/*/mutation_*.txt"):
        if order.stat().st_size == 0:
            order.unlink()


def _failed(ask: Ask) -> int:
    return int(ask(read(STATEMENTS / "failed_writes.sql").code)[0])


# The engine lives once in a process, and so does its counter.
FAILED_WRITES = FailedWrites()


@contextmanager
def looking(look: Callable[[], None]) -> Iterator[None]:
    """Calls `look` now and then: a merge that failed while nobody writes is found while its parts are still there."""
    end = threading.Event()

    def keep_looking() -> None:
        while not end.wait(LOOK_EVERY_S):
            try:
                look()
            except StoreUnavailableError as error:
                log.error("%s", error)

    thread = threading.Thread(target=keep_looking, name="failed-writes", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
