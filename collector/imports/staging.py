"""The rows of one file on their way: one partition each import, dropped when it is done."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

import pyarrow as pa

from collector.imports.rows import FIELDS, Bad, Batches, Cut, Item, Note, Rows
from collector.imports.statements import statement
from store.client import Store

FLUSH_ROWS = 100_000
# One import at a time, so that two of one source never both take the same event for new.
TURN = threading.RLock()
# Imports of this process that run: their rows are no leftovers.
_ACTIVE: set[str] = set()
_STAMP = "%Y%m%dT%H%M%S%f"


def new_import_id(now: datetime, number: int) -> str:
    """Names an import: its known time, its place in the call, the machine and process it runs in."""
    stamp = now.astimezone(UTC).strftime(_STAMP)
    return f"{stamp}-{number:04}-{_host()}-{os.getpid()}-{secrets.token_hex(4)}"


class Staging:
    """Takes what a reader gives. `rows` are the records read, `notes` what people should know."""

    def __init__(self, store: Store, import_id: str, *, keep_text: bool) -> None:
        self.import_id = import_id
        self.rows = 0
        self.complete = True
        self.notes: list[str] = []
        self._store, self._keep_text = store, keep_text
        self._waiting: list[pa.Table] = []
        self._bad: dict[str, Batches] = {}
        _ACTIVE.add(import_id)

    def take(self, items: Iterable[Item]) -> Iterable[Item]:
        """Stages the items as they pass."""
        for item in items:
            self._one(item)
            yield item
        for batches in self._bad.values():
            for batch in batches.rest():
                self._add(batch)
        self._flush()

    def drop(self) -> None:
        """Removes the rows."""
        drop(self._store, self.import_id)
        _ACTIVE.discard(self.import_id)

    def leave(self) -> None:
        """Gives the rows up for `recover`."""
        _ACTIVE.discard(self.import_id)

    def _one(self, item: Item) -> None:
        if isinstance(item, Rows):
            self.rows += len(item.lines)
            self._add(item)
        elif isinstance(item, Bad):
            self.rows += 1
            self._set_aside(item)
        elif isinstance(item, Cut):
            self.complete = False
            self.notes.append(
                f"{item.file}: the last line ({item.line}) has no line break, so the file may be cut off; "
                "nothing is taken as proven complete"
            )
        elif isinstance(item, Note):
            self.notes.append(item.text)

    def _set_aside(self, bad: Bad) -> None:
        batches = self._bad.setdefault(bad.file, Batches(bad.file, None))
        row = {"@reason": bad.reason, "@detail": bad.detail, "text": bad.text if self._keep_text else ""}
        for batch in batches.add("bad", bad.line, row):
            self._add(batch)

    def _add(self, rows: Rows) -> None:
        count = len(rows.lines)
        if not count:
            return
        columns = {
            "import_id": pa.repeat(self.import_id, count),
            "part": pa.repeat(rows.part, count),
            "line": rows.lines,
            "file": pa.repeat(rows.file, count),
            "fields": rows.fields.cast(FIELDS),
        }
        self._waiting.append(pa.table(columns))
        if sum(len(table) for table in self._waiting) >= FLUSH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._store.insert_arrow("import_rows", pa.concat_tables(self._waiting))
            self._waiting.clear()


def drop(store: Store, import_id: str) -> None:
    """Removes the staged rows of an import."""
    store.command("ALTER TABLE import_rows DROP PARTITION {import_id:String}", {"import_id": import_id})


def recover(store: Store) -> list[str]:
    """Finishes what imports left behind whose process died; gives their ids.

    Events they wrote are all findable by object afterwards, and nothing is there twice; what they did not
    write comes with the next import of the same file. To be called once at start; every import calls it too.
    """
    with TURN:
        found = store.rows(statement("dead_imports"))
        dead = [str(row["import_id"]) for row in found if row["silent"] or _is_dead(str(row["import_id"]))]
        for import_id in dead:
            _recover(store, import_id)
        return dead


def _is_dead(import_id: str) -> bool:
    """Whether the import ran on this machine, in a process that is gone, or in this one and is over."""
    parts = import_id.split("-")
    if len(parts) != 5 or parts[2] != _host() or import_id in _ACTIVE:
        return False
    if int(parts[3]) == os.getpid():
        return True
    try:
        os.kill(int(parts[3]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it runs, as another user
    return False


def _host() -> str:
    """This machine, or container, without its name."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _recover(store: Store, import_id: str) -> None:
    # What another program staged under a name of its own wrote nothing that could be completed.
    with suppress(ValueError):
        known_at = datetime.strptime(import_id.split("-", 1)[0], _STAMP).replace(tzinfo=UTC)
        store.command(statement("recover_orphans"), {"known_at": known_at})
        store.command(statement("recover_objects"), {"known_at": known_at})
    drop(store, import_id)
