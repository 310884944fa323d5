"""Messages that were acknowledged, on disk until their probe has read them: only the columns the probe names.

A file is written as `NAME.part`, one line a message, each line flushed to the disk before it counts. It is
then renamed to `NAME.jsonl` and never written again, so a reader sees files at rest only.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

from core.clock import Clock
from core.errors import CannotRunError
from probes.formats.contract import Format, Row, Source, gathered
from probes.formats.lines import lines
from probes.probe import BadLine, Batch

OPEN, SEALED = ".part", ".jsonl"
MAX_FILE_BYTES = 16_000_000
# Identities of messages that are remembered: the ones a sender may send again.
REMEMBERED = 100_000


@dataclass(frozen=True)
class Entry:
    """One message: who sent it under which control id, what it holds, or why it was refused."""

    identity: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | None]] = ()
    refused: str = ""

    def line(self) -> bytes:
        said = {"id": self.identity, "columns": list(self.columns), "rows": [list(row) for row in self.rows]}
        if self.refused:
            said["refused"] = self.refused
        return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def identity_of(*who: str, content: bytes) -> str:
    """The sender's words for a message, with its content: a control id alone is used again and again."""
    digest = hashlib.sha256("\x1f".join(who).encode("utf-8", "replace") + b"\x1f" + content)
    return digest.hexdigest()


class Spool:
    """A folder of messages that one probe reads. Safe between threads; one process at a time, until `close`.

    Raises CannotRunError when the folder cannot be used, or another process has it.
    """

    def __init__(self, folder: Path, clock: Clock, keep: timedelta) -> None:
        self._folder, self._clock, self._keep = folder, clock, keep
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._path = folder
        self._known: dict[str, None] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._held = folder.with_suffix(".lock").open("a")
            # Recovering what another process is writing would tear it apart.
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._recover()
        except BlockingIOError:
            raise CannotRunError(
                f"folder {folder} is used by another listener: stop it, or give this one another 'spool'"
            ) from None
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            raise CannotRunError(f"folder {folder} cannot be used: {reason}") from None

    def put(self, entry: Entry) -> bool:
        """Stores a message for good. False when it is here already. Raises OSError when it cannot be stored."""
        with self._lock:
            if entry.identity in self._known:
                return False
            self._append(entry.line())
            self._remember(entry.identity)
            return True

    def seal(self) -> None:
        """Hands what was stored so far to the reader, and removes files older than `keep`."""
        with self._lock:
            self._seal()
            self._forget_old()

    def close(self) -> None:
        """Hands everything to the reader and lets the folder go."""
        with self._lock:
            self._seal()
            self._held.close()

    def _append(self, line: bytes) -> None:
        if self._file is None:
            self._open()
        file = self._file
        assert file is not None  # noqa: S101 - opened above
        before = file.tell()
        try:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            # Half a line must not stand before the next one.
            self._file = None
            with suppress(OSError):
                file.truncate(before)
            with suppress(OSError):
                file.close()
            raise
        if before + len(line) >= MAX_FILE_BYTES:
            self._seal()

    def _open(self) -> None:
        stamp = self._clock.now().strftime("%Y%m%dT%H%M%S%f")
        self._path = self._folder / f"{stamp}-{os.getpid()}{OPEN}"
        self._file = self._path.open("xb")
        self._sync_folder()

    def _seal(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._path.rename(self._path.with_suffix(SEALED))
            self._sync_folder()

    def _sync_folder(self) -> None:
        """A name is on the disk only when its folder is."""
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _recover(self) -> None:
        """After a kill: what was acknowledged is complete lines; half a line behind them never was."""
        for path in sorted(self._folder.glob(f"*{OPEN}")):
            content = path.read_bytes()
            whole = content.rfind(b"\n") + 1
            with path.open("r+b") as file:
                file.truncate(whole)
                os.fsync(file.fileno())
            if whole:
                path.rename(path.with_suffix(SEALED))
            else:
                path.unlink()
        self._sync_folder()
        for identity in reversed(list(islice(self._newest_first(), REMEMBERED))):
            self._remember(identity)

    def _newest_first(self) -> Iterator[str]:
        for path in sorted(self._folder.glob(f"*{SEALED}"), reverse=True):
            with path.open("rb") as file:
                yield from reversed([str(json.loads(line)["id"]) for line in file])

    def _remember(self, identity: str) -> None:
        self._known[identity] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    def _forget_old(self) -> None:
        oldest = (self._clock.now() - self._keep).timestamp()
        for path in self._folder.glob(f"*{SEALED}"):
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


class SpoolFormat(Format):
    """What `Spool` has written, as records; a message that was refused is a line set aside."""

    type: Literal["spool"] = "spool"

    def read(self, source: Source) -> Iterator[Batch]:
        return gathered(source, self._items(source))

    def _items(self, source: Source) -> Iterator[Row | BadLine]:
        for number, line in lines(source, "utf-8"):
            entry: dict[str, Any] = json.loads(line)
            if "refused" in entry:
                yield BadLine(number, str(entry["refused"]))
            names = {name: at for at, name in enumerate(entry["columns"])}
            for row in entry["rows"]:
                yield Row(number, [row[names[name]] if name in names else None for name in source.columns])
