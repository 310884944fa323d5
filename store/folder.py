"""The data folder of an embedded store: its layout, its lock, and how to reach the process that holds it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from core.errors import CannotRunError
from store.client import Store
from store.errors import FolderInUseError, NewerSchemaError
from store.failed_writes import remove_empty_orders

# A client that only asks whether the lock is held takes it for a moment; this outlasts that moment.
_RETRIES, _RETRY_S = 5, 0.02


class Running(BaseModel):
    """How commands reach the process that has the folder open. `urls` are for people, by role."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    store_url: str
    reader_token: SecretStr
    writer_token: SecretStr
    acts_url: str = ""
    acts_token: SecretStr = SecretStr("")
    urls: Mapping[str, str] = Field(default_factory=dict)


class DataFolder:
    """One data folder: `engine/`, `tmp/`, `lock`, `engine.json`, `run.json`, readable by its owner only.

    Only one process has it open. Leaving the `with` block, closing, or dying in any way gives it free.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None
        self._holder: dict[str, Any] = {}
        self._before: tuple[int, str | None] | None = None

    @property
    def engine(self) -> Path:
        return self.path / "engine"

    @property
    def tmp(self) -> Path:
        """Where request bodies and large results may lie for a moment; emptied at every start."""
        return self.path / "tmp"

    @property
    def dsn(self) -> str:
        """What `Store` opens. Acquire the folder first."""
        return f"chdb://{self.engine}"

    def acquire(self, now: datetime, command: str) -> Self:
        """Takes the folder for this process and makes it ready.

        Raises FolderInUseError at once when another process has it, NewerSchemaError when a newer engine
        wrote it, CannotRunError when the disk is full or the folder may not be written.
        """
        with _explained(self.path):
            self._before = (os.umask(0o077), tempfile.tempdir)
            try:
                self._take(now, command)
            except BaseException:
                self.close()
                raise
        return self

    def opened(self, store: Store) -> None:
        """Notes which engine and which tieout wrote last. Call it when the store is open and migrated."""
        with _explained(self.path):
            engine = str(store.value("SELECT version()"))
            _write(self.path / "engine.json", {"engine": engine, "tieout": _tieout_version()})

    def publish(self, running: Running) -> None:
        """Tells commands on this machine where this process listens. Call it when the listeners are up."""
        with _explained(self.path):
            self._note({"urls": {"store": running.store_url, **running.urls}})
            tokens = {
                "reader_token": running.reader_token.get_secret_value(),
                "writer_token": running.writer_token.get_secret_value(),
                "acts_token": running.acts_token.get_secret_value(),
            }
            _write(self.path / "run.json", {**running.model_dump(exclude=set(tokens)), **tokens})

    def close(self) -> None:
        """Gives the folder free. Close every store on it before. Closing twice does no harm."""
        if self._lock is not None:
            (self.path / "run.json").unlink(missing_ok=True)
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None
        if self._before is not None:
            os.umask(self._before[0])
            tempfile.tempdir = self._before[1]
            self._before = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, now: datetime, command: str) -> None:
        _private(self.path)
        self._lock = _locked(self.path)
        self._note({"pid": os.getpid(), "started_at": now.isoformat(), "command": command, "urls": {}})
        (self.path / "run.json").unlink(missing_ok=True)
        _refuse_newer(self.path)
        _private(self.engine)
        # A process that was killed leaves request bodies in clear.
        shutil.rmtree(self.tmp, ignore_errors=True)
        _private(self.tmp)
        remove_empty_orders(self.engine)
        tempfile.tempdir = os.fspath(self.tmp)
        # The engine keeps a file open for each part it reads.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def _note(self, facts: Mapping[str, Any]) -> None:
        """Writes who holds the folder into the lock file itself, for the error of the next one."""
        if self._lock is None:
            raise CannotRunError(f"the data folder {self.path} is not acquired")
        self._holder.update(facts)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, json.dumps(self._holder).encode(), 0)


def running(path: Path) -> Running | None:
    """The live process that has the folder open and can be talked to; None when there is none."""
    try:
        lock = os.open(path / "lock", os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _published(path, _holder_of(lock))
    finally:
        os.close(lock)
    return None


def _published(path: Path, holder: Mapping[str, Any]) -> Running | None:
    try:
        found = Running.model_validate_json((path / "run.json").read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.pid == holder.get("pid") else None


def _locked(path: Path) -> int:
    """A descriptor that holds the folder's lock. Children started by exec do not inherit it."""
    lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    attempts = 0
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder, attempts = _holder_of(lock), attempts + 1
            if error.errno == errno.EWOULDBLOCK and attempts < _RETRIES and not _alive(holder.get("pid")):
                time.sleep(_RETRY_S)
                continue
            os.close(lock)
            if error.errno == errno.EWOULDBLOCK:
                raise FolderInUseError(_in_use(path, holder)) from None
            raise
        else:
            return lock


def _in_use(path: Path, holder: Mapping[str, Any]) -> str:
    who = "another process"
    if holder:
        who = f"process {holder['pid']} ({holder['command']}) since {holder['started_at']}"
    urls = ", ".join(f"{role} {url}" for role, url in holder.get("urls", {}).items())
    where = f"; it serves {urls}" if urls else ""
    return f"the data folder {path} is in use by {who}{where}. Stop that process, or name another folder"


def _holder_of(lock: int) -> dict[str, Any]:
    try:
        holder = json.loads(os.pread(lock, 65536, 0) or b"{}")
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) and {"pid", "command", "started_at"} <= set(holder) else {}


def _alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _refuse_newer(path: Path) -> None:
    """An older engine may not understand, or may damage, what a newer one wrote."""
    written = _written(path)
    last, here = str(written.get("engine", "")), engine_version()
    if _number(last) > _number(here):
        raise NewerSchemaError(
            f"the data folder {path} was last written by engine {last} "
            f"(tieout {written.get('tieout', 'unknown')}), this installation has engine {here}; "
            "install that tieout again, or restore a backup taken before the upgrade"
        )


def _written(path: Path) -> dict[str, Any]:
    """What whoever opened the folder last noted; empty for a new one and where that cannot be read."""
    try:
        noted = json.loads((path / "engine.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def engine_version() -> str:
    """Version of the installed ClickHouse engine. Opens no folder."""
    import chdb

    return str(chdb.engine_version)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _tieout_version() -> str:
    try:
        return metadata.version("tieout")
    except metadata.PackageNotFoundError:
        return "unknown"


def _private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def _write(file: Path, content: Mapping[str, Any]) -> None:
    """Replaces the file at once, so that nobody reads half of it."""
    new = file.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(content, out)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """The machine's refusals in words that say what to do."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        cure = {
            errno.ENOSPC: "free some space",
            errno.EDQUOT: "free some space",
            errno.EROFS: "name a folder that can be written",
            errno.EACCES: "make it yours, or name another folder",
            errno.EPERM: "make it yours, or name another folder",
            errno.EEXIST: "move the file that stands in its place",
            errno.ENOTDIR: "move the file that stands in its place",
        }.get(error.errno or 0, "look after the disk")
        raise CannotRunError(f"the data folder {path} cannot be used: {reason}; {cure}") from None
