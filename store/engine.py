"""Runs the endpoint's requests on the embedded engine, on raw handles that are thrown away after an error."""

from __future__ import annotations

import json
import re
import tempfile
import threading
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import IO, Any, Protocol

import chdb

from store.access import ACCESS_DENIED, LIMITS, Limits, RefusedError, Role
from store.client import SESSION_SETTINGS
from store.errors import SAFE_TEXT_CODES, code_of, sentence_of
from store.failed_writes import FAILED_WRITES, DiskWriteError
from store.statement import Facts, about_a_table, facts_of

BAD_ARGUMENTS, UNKNOWN_SETTING, TOO_DEEP_AST, QUERY_WAS_CANCELLED = 36, 115, 167, 394
TOO_MANY_BYTES, UNKNOWN_EXCEPTION, CANNOT_WRITE = 396, 1002, 75
# Up to here a result stays in memory; above, it lies in an unlinked file of the private folder.
IN_MEMORY_BYTES = 4 << 20
PIECE_BYTES = 1 << 20
# A SELECT in these comes in pieces that may follow each other, and so is never in memory as a whole.
# The first do not even count what they buffer; the others also write totals, and may be shaped by settings.
_PIECES = frozenset({"native", "rowbinary", "sqlinsert", "rawblob"})
_PIECES_IF_PLAIN = frozenset({"csv", "tsv", "tabseparated", "jsoneachrow"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ESCAPES = str.maketrans(
    {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0", "\b": "\\b", "\f": "\\f"}
)
# Longer texts are parsed every time.
_REMEMBERED_CHARS = 16 << 10


class EngineError(Exception):
    """The engine refused or failed. `text` is its sentence where that cannot hold data, else empty."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


@dataclass
class Answer:
    """What a request gave: a file at its start, its size in bytes, and the engine's counts."""

    body: IO[bytes]
    size: int
    counts: dict[str, int]


class Readable(Protocol):
    """Gives bytes from where it stands; empty at the end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Wishes:
    """What a request brings besides its statement: whose it is, and what it sets."""

    role: Role
    writes: bool = False
    removes: bool = False
    params: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    database: str = ""

    @property
    def plain(self) -> bool:
        """Nothing of it stays on the handle."""
        return not (self.settings or self.database or self.removes or (self.writes and self.params))


@dataclass
class Ticket:
    """One request under way, so that it can be stopped from another thread."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    mark: str = ""
    writes: bool = False
    stopped: bool = False
    done: bool = False


class Handle:
    """One raw connection to the engine, used by one thread at a time.

    After an error it must not be used again: the next result would begin with what the failed query wrote.
    """

    def __init__(
        self,
        folder: str,
        settings: Mapping[str, Any],
        database: str = "",
        params: Mapping[str, str] | None = None,
    ) -> None:
        self.mark = uuid.uuid4().hex
        self._connection: Any = chdb.connect(folder)  # type: ignore[no-untyped-call]
        try:
            if database:
                self.query(f"USE {_quoted_name(database)}", "Null")
            given = {f"param_{name}": value for name, value in (params or {}).items()}
            self._set({**settings, **given, "log_comment": self.mark})
        except BaseException:
            self.close()
            raise

    def query(self, text: str, fmt: str, params: Mapping[str, str] | None = None) -> Any:
        """The engine's result object. Raises EngineError."""
        with _engine_errors():
            return self._connection.query(text, fmt, params=dict(params or {}))

    def pieces(self, text: str, fmt: str, params: Mapping[str, str]) -> Generator[Any, None, None]:
        """The result in pieces, for formats whose pieces may follow each other. Raises EngineError."""
        with _engine_errors():
            stream = self._connection.send_query(text, fmt, params=dict(params))
        try:
            while True:
                with _engine_errors():
                    piece = next(stream, None)
                if piece is None:
                    return
                yield piece
        finally:
            with suppress(Exception):
                stream.close()

    def insert(self, text: str, fmt: str, data: Readable) -> dict[str, int]:
        """Writes the rows that `data` holds. Nothing of them is in an error. Raises EngineError."""
        with _engine_errors():
            target = self._connection.send_insert(text, fmt)
        with _engine_errors(data=True), target:
            while piece := data.read(PIECE_BYTES):
                target.append(piece)
            done = target.finish()
        return {
            "written_rows": int(done.rows_written),
            "written_bytes": int(done.bytes_written),
            "elapsed_ns": _nanoseconds(done.elapsed),
        }

    def close(self) -> None:
        with suppress(Exception):
            self._connection.close()

    def _set(self, settings: Mapping[str, Any]) -> None:
        pairs = [f"{_setting_name(name)} = {quoted(str(value))}" for name, value in settings.items()]
        # In one statement: when `readonly` is among them, none can follow.
        self.query(f"SET {', '.join(pairs)}", "Null")


class Engine:
    """The handles of one data folder, by role, and the engine's own parser. Safe to use from many threads."""

    def __init__(self, folder: str, limits: Mapping[Role, Limits] = LIMITS) -> None:
        self.folder = folder
        self.limits = limits
        self._idle: dict[tuple[Role, bool], list[Handle]] = {
            (role, writes): [] for role in Role for writes in (False, True)
        }
        self._guard = threading.Lock()
        self._closed = False
        self._parser_lock = threading.Lock()
        self._control_lock = threading.Lock()
        self._control = Handle(folder, {})
        try:
            self._parser = self._new(Wishes(Role.READER))
            self._learn()
        except BaseException:
            self._control.close()
            raise
        self._remembered = lru_cache(maxsize=512)(self._parse)

    def parse(self, text: str) -> Facts:
        """What `text`, one statement, is. Raises EngineError, or RefusedError for a kind not served."""
        return self._remembered(text) if len(text) <= _REMEMBERED_CHARS else self._parse(text)

    def _learn(self) -> None:
        """What the engine says of itself: names of errors, table functions and formats, the time zone."""
        ask = self._parser
        self.error_names = _column(ask, "SELECT errorCodeToName(number) FROM numbers(1100)")
        self.table_functions = frozenset(_column(ask, "SELECT lower(name) FROM system.table_functions"))
        self.formats = frozenset(_column(ask, "SELECT lower(name) FROM system.formats WHERE is_output"))
        [self.timezone] = _column(ask, "SELECT timezone()")

    def read(self, facts: Facts, fmt: str, request: Wishes, ticket: Ticket) -> Answer:
        """Runs a statement that gives rows, or an INSERT of a SELECT. Raises EngineError."""
        with self._handle(request, ticket) as handle:
            if _comes_in_pieces(facts, (facts.format or fmt).lower(), request):
                pieces = handle.pieces(facts.text, fmt, request.params)
                return _collected(pieces, self.limits[request.role].result_bytes)
            return _whole(handle.query(facts.text, fmt, request.params))

    def insert(self, facts: Facts, data: Readable, request: Wishes, ticket: Ticket) -> Answer:
        """Runs an INSERT with its data, which is the rest of `data`. Raises EngineError."""
        head = facts.text.removesuffix(f" FORMAT {facts.format}")
        with self._handle(request, ticket) as handle:
            return Answer(spool(), 0, handle.insert(head, facts.format, data))

    def stop(self, ticket: Ticket) -> None:
        """Ends the request, now if it runs, else as soon as it would begin. What is written stays written."""
        with ticket.lock:
            ticket.stopped = True
            # The lock keeps the handle from passing to the next request meanwhile.
            if ticket.mark and not ticket.done:
                with self._control_lock, suppress(Exception):
                    self._control.query(
                        f"KILL QUERY WHERE Settings['log_comment'] = '{ticket.mark}' ASYNC", "Null"
                    )

    def close(self) -> None:
        """Closes all handles. Requests still running end with an error of theirs first."""
        with self._guard:
            self._closed = True
            idle = [handle for handles in self._idle.values() for handle in handles]
            for handles in self._idle.values():
                handles.clear()
        for handle in (*idle, self._parser, self._control):
            handle.close()

    @contextmanager
    def _handle(self, wishes: Wishes, ticket: Ticket) -> Iterator[Handle]:
        """A handle of its own for a request with wishes of its own, else one that waits for requests."""
        handle = (self._waiting(wishes) if wishes.plain else None) or self._new(wishes)
        try:
            with ticket.lock:
                if ticket.stopped:
                    raise EngineError(QUERY_WAS_CANCELLED, "Query was cancelled")
                ticket.mark = handle.mark
            with FAILED_WRITES.call():
                yield handle
                if wishes.writes:
                    _check_files(handle)
        except BaseException:
            self._finish(ticket)
            handle.close()
            raise
        self._finish(ticket)
        if not (wishes.plain and self._keep(wishes, handle)):
            handle.close()

    @staticmethod
    def _finish(ticket: Ticket) -> None:
        with ticket.lock:
            ticket.done = True

    def _new(self, wishes: Wishes) -> Handle:
        """What only reads meets a handle that only reads; a writer's lets settings be set while reading."""
        fixed = {"readonly": "1" if wishes.role is Role.READER else "2"}
        if wishes.writes:
            # To the engine, removing rows is a change of the schema.
            fixed = {"allow_ddl": "1" if wishes.removes else "0"}
        ours = {**SESSION_SETTINGS, **self.limits[wishes.role].settings()}
        # An INSERT takes its parameters from the session; a query gets them with the call.
        params = wishes.params if wishes.writes else {}
        return Handle(self.folder, {**ours, **wishes.settings, **fixed}, wishes.database, params)

    def _waiting(self, wishes: Wishes) -> Handle | None:
        with self._guard:
            idle = self._idle[wishes.role, wishes.writes]
            return idle.pop() if idle else None

    def _keep(self, wishes: Wishes, handle: Handle) -> bool:
        with self._guard:
            idle = self._idle[wishes.role, wishes.writes]
            room = not self._closed and len(idle) < self.limits[wishes.role].concurrent
            if room:
                idle.append(handle)
            return room

    def _parse(self, text: str) -> Facts:
        with self._parser_lock:
            try:
                tree, written = self._ask_parser(
                    "parseQueryToJSON({q:String}), formatQuerySingleLine({q:String})", text
                )
                return facts_of(tree, written)
            except _NoTreeError:
                [written] = self._ask_parser("formatQuerySingleLine({q:String})", text)
            except RecursionError:
                raise EngineError(TOO_DEEP_AST, "the query is nested too deep") from None
            about = about_a_table(written)
            if about is None:
                raise RefusedError(ACCESS_DENIED, "This kind of statement is not served here")
            return facts_of(self._ask_parser("parseQueryToJSON({q:String})", about[1])[0], written, about[0])

    def _ask_parser(self, columns: str, text: str) -> list[str]:
        try:
            result = self._parser.query(f"SELECT {columns}", "JSONCompactEachRow", {"q": escaped(text)})
        except EngineError as error:
            self._parser.close()
            self._parser = self._new(Wishes(Role.READER))
            if error.code == BAD_ARGUMENTS:
                raise _NoTreeError from None
            raise
        row: list[str] = json.loads(result.bytes())
        return row


class _NoTreeError(Exception):
    """The parser knows the statement, but has no JSON form for it."""


def escaped(value: str) -> str:
    """A string as the engine reads the value of a parameter."""
    return value.translate(_ESCAPES)


def quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quoted_name(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _setting_name(name: str) -> str:
    if not _NAME.match(name):
        raise RefusedError(
            UNKNOWN_SETTING, "the name of a setting or parameter is made of letters, digits and _"
        )
    return name


def _check_files(handle: Handle) -> None:
    """Raises EngineError when the disk did not take everything; the store's own handle mends that."""

    def ask(sql: str, params: Mapping[str, str] | None = None) -> list[str]:
        return bytes(handle.query(sql, "TSV", params).bytes()).decode().splitlines()

    try:
        FAILED_WRITES.check(ask)
    except DiskWriteError as error:
        raise EngineError(CANNOT_WRITE, str(error)) from None


def _column(handle: Handle, sql: str) -> list[str]:
    return [str(value) for value in json.loads(handle.query(sql, "JSONCompactColumns").bytes())[0]]


def _comes_in_pieces(facts: Facts, fmt: str, wishes: Wishes) -> bool:
    if not facts.kind.startswith("Select"):
        return False
    return fmt in _PIECES or (
        fmt in _PIECES_IF_PLAIN and not wishes.settings and "WITH TOTALS" not in facts.text
    )


def _collected(pieces: Generator[Any, None, None], limit: int) -> Answer:
    body = spool()
    counts: dict[str, int] = {"result_rows": 0, "result_bytes": 0}
    size = 0
    with closing(pieces):
        for piece in pieces:
            size += body.write(piece.bytes())
            if size > limit:
                raise EngineError(TOO_MANY_BYTES, f"Limit for result exceeded, max bytes: {limit}")
            counts["result_rows"] += piece.rows_read()
            counts["result_bytes"] += piece.bytes_read()
            counts["read_rows"] = max(piece.storage_rows_read(), counts.get("read_rows", 0))
    body.seek(0)
    return Answer(body, size, counts)


def _whole(result: Any) -> Answer:
    size = int(result.size())
    body = spool()
    if size <= IN_MEMORY_BYTES:
        body.write(result.bytes())
    else:
        # Without a second copy of it in memory.
        view = result.get_memview().view()
        for start in range(0, size, PIECE_BYTES):
            body.write(view[start : start + PIECE_BYTES])
    body.seek(0)
    counts = {
        "read_rows": result.storage_rows_read(),
        "read_bytes": result.storage_bytes_read(),
        "written_rows": result.rows_written(),
        "written_bytes": result.bytes_written(),
        "result_rows": result.rows_read(),
        "result_bytes": size,
        "elapsed_ns": _nanoseconds(result.elapsed()),
    }
    return Answer(body, size, {name: int(count) for name, count in counts.items()})


def spool() -> IO[bytes]:
    """A file that lies in memory while it is small, else in the private folder without a name."""
    return tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)


@contextmanager
def _engine_errors(*, data: bool = False) -> Iterator[None]:
    """The engine's errors as ours, `from None` as its text may quote rows. `data`: rows were under way."""
    try:
        yield
    except (chdb.ChdbError, RuntimeError) as error:
        text = str(error)
        code = code_of(text)
        if code is None:
            raise EngineError(UNKNOWN_EXCEPTION, "") from None
        raise EngineError(code, sentence_of(text) if code in SAFE_TEXT_CODES and not data else "") from None
