"""ClickHouse's HTTP protocol on top of the embedded store: ClickHouse clients work on it unchanged."""

from __future__ import annotations

import asyncio
import base64
import binascii
import errno
import hmac
import io
import json
import logging
import re
import threading
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import ConfigurationError
from store.access import (
    LIMITS,
    REMOVES,
    WRITES,
    Limits,
    RefusedError,
    Role,
    asked_settings,
    check,
    check_database,
)
from store.client import Store
from store.encoding import QUERY_IS_TOO_LARGE, chosen, decoded, encoded
from store.engine import IN_MEMORY_BYTES, PIECE_BYTES, Answer, Engine, EngineError, Ticket, Wishes, spool
from store.frames import framed, unframed
from store.native import MARKS_COLUMNS, with_block_facts
from store.statement import Facts, split_insert

NAME = "tieout"
SYNTAX_ERROR, NOT_IMPLEMENTED, UNKNOWN_FORMAT, TIMEOUT_EXCEEDED = 62, 48, 73, 159
TOO_MANY_QUERIES, NOT_ENOUGH_SPACE, AUTHENTICATION_FAILED, UNKNOWN_EXCEPTION = 202, 243, 516, 1002

# What the server of ClickHouse answers, by name of the error; all others are 500.
_STATUS_OF = {
    400: """BAD_ARGUMENTS CANNOT_COMPILE_REGEXP CANNOT_PARSE_TEXT CANNOT_PARSE_ESCAPE_SEQUENCE
        CANNOT_PARSE_UUID CANNOT_PARSE_QUOTED_STRING CANNOT_PARSE_DATE CANNOT_PARSE_DATETIME
        CANNOT_PARSE_NUMBER CANNOT_PARSE_IPV4 CANNOT_PARSE_IPV6 CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING
        CANNOT_PARSE_INPUT_ASSERTION_FAILED ILLEGAL_COLUMN DUPLICATE_COLUMN THERE_IS_NO_COLUMN
        UNKNOWN_ELEMENT_IN_AST UNKNOWN_TYPE_OF_AST_NODE TOO_DEEP_AST TOO_BIG_AST UNEXPECTED_AST_STRUCTURE
        SYNTAX_ERROR INCORRECT_DATA TYPE_MISMATCH VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE""",
    403: "UNKNOWN_USER WRONG_PASSWORD AUTHENTICATION_FAILED SET_NON_GRANTED_ROLE ACCESS_DENIED",
    404: """UNKNOWN_TABLE UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_TYPE UNKNOWN_STORAGE UNKNOWN_DATABASE
        UNKNOWN_SETTING UNKNOWN_DIRECTION_OF_SORTING UNKNOWN_AGGREGATE_FUNCTION UNKNOWN_FORMAT
        UNKNOWN_DATABASE_ENGINE UNKNOWN_TYPE_OF_QUERY UNKNOWN_ROLE""",
    408: "TIMEOUT_EXCEEDED",
    413: "QUERY_IS_TOO_LARGE",
    501: "NOT_IMPLEMENTED",
    503: "SOCKET_TIMEOUT CANNOT_OPEN_FILE CANNOT_SCHEDULE_TASK",
}
# Where ours are more exact: the client's own fault, or worth another try in a moment.
_OUR_STATUS_OF = {
    400: "CANNOT_DECOMPRESS BAD_QUERY_PARAMETER UNKNOWN_QUERY_PARAMETER TOO_DEEP_RECURSION",
    403: "READONLY SETTING_CONSTRAINT_VIOLATION",
    415: "UNKNOWN_COMPRESSION_METHOD",
    503: "TOO_MANY_SIMULTANEOUS_QUERIES NOT_ENOUGH_SPACE",
}
_STATUS = {
    name: status
    for of in (_STATUS_OF, _OUR_STATUS_OF)
    for status, names in of.items()
    for name in names.split()
}
_CONTENT_TYPES = (
    (
        re.compile(r"JSON(Strings|Compact|CompactStrings|Columns|ColumnsWithMetadata|CompactColumns)?$"),
        "application/json",
    ),
    (re.compile(r"JSON|NDJSON|PrettyNDJSON"), "application/x-ndjson"),
    (re.compile(r"TabSeparated|TSV"), "text/tab-separated-values"),
    (re.compile(r"CSV"), "text/csv"),
    (re.compile(r"XML$"), "application/xml"),
    (re.compile(r"Native|RowBinary|Parquet|Arrow|ORC|Avro|Protobuf|MsgPack|Npy|BSON|RawBLOB|CapnProto"), ""),
)
# The engine parses this much of a statement; the head of an INSERT must fit into the smaller.
_MAX_QUERY_BYTES, _MAX_HEAD_BYTES = 256 << 10, 64 << 10
_WAITING = 64
_YES = ("1", "true")
_RECEIVE_S, _GRACE_S, _AGAIN_S, _QUICK_S = 120, 5, 0.2, 0.05
_SEEN_AGAIN_S = 12 * 3600
_QUERY_ID = re.compile(r"[\w.:\-]{1,128}\Z", re.ASCII)

log = logging.getLogger(__name__)


def endpoint(
    store: Store,
    reader_token: SecretStr | str,
    writer_token: SecretStr | str,
    *,
    limits: Mapping[Role, Limits] = LIMITS,
    writer_seen: Callable[[str], None] | None = None,
) -> Starlette:
    """The ASGI app to serve on loopback. It has handles of its own; keep `store` open while it is served.

    The reader's token lets look, the writer's also write rows. They are taken as password (user `reader`,
    `writer`, `default` or none), as X-ClickHouse-Key, as Bearer token, or as `password` in the URL. The end
    of the ASGI lifespan stops what runs and closes the handles; without one, call `app.state.close()`.
    `writer_seen` hears the address of each machine that shows the writer's token, once in 12 hours, before
    anything is written; what it raises refuses the request.
    Raises StoreUnavailableError when `store` is not embedded, ConfigurationError for unusable tokens.
    """
    service = _Service(Engine(store.folder, limits), _tokens(reader_token, writer_token), writer_seen)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    routes = [
        Route("/ping", _alive, methods=["GET"]),
        Route("/replicas_status", _alive, methods=["GET"]),
        Route("/", service.answer, methods=["GET", "POST"]),
        Route("/{path:path}", _no_such_path, methods=["GET", "POST"]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(_Discreet)], lifespan=lifespan)
    app.state.close = service.close
    return app


class _Discreet:
    """Keeps the query string, which may hold a password and business keys, out of the server's access log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = dict(scope)
        if scope["type"] == "http":
            scope["query_string"] = b""
        await self.app(inner, receive, send)


@dataclass
class _Asked:
    """One request, taken apart."""

    role: Role
    query: str = ""
    params: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    database: str = ""
    format: str = "TabSeparated"
    compress: bool = False
    accepted: str = ""
    # ClickHouse's own compression, of the answer and of the request.
    framed_answer: bool = False
    framed_body: bool = False
    protocol: int = 0
    encoding: str = ""
    method: str = "POST"
    body: IO[bytes] = field(default_factory=spool)


@dataclass
class _Done:
    """What goes back: the result, the name of its format when it has one, and how it is encoded."""

    answer: Answer
    format: str
    encoding: str = ""


class _Service:
    def __init__(
        self, engine: Engine, tokens: Mapping[Role, str], writer_seen: Callable[[str], None] | None = None
    ) -> None:
        self.writer_seen = writer_seen
        self.writers: dict[str, float] = {}
        self.engine = engine
        self.tokens = tokens
        self.workers = {
            role: ThreadPoolExecutor(engine.limits[role].concurrent, thread_name_prefix=f"store-{role}")
            for role in Role
        }
        self.tickets: dict[int, Ticket] = {}
        self.guard = threading.Lock()
        self.closed = False

    async def answer(self, request: Request) -> Response:
        """One request, from authentication to response. Only id, role, code and time of it are logged."""
        began, query_id, role = time.perf_counter(), _query_id(request), ""
        if request.method != "POST" and "query" not in request.query_params:
            return await _alive(request)
        try:
            role = self._role(request)
            if role is Role.WRITER and self.writer_seen is not None:
                await self._tell_of_writer(self.writer_seen, request.client.host if request.client else "")
            asked = await self._asked(request, Role(role))
            response = self._response(await self._run(request, asked), query_id)
        except Exception as error:
            code, text = _explained(error)
            level = logging.WARNING if code == AUTHENTICATION_FAILED else logging.INFO
            log.log(level, "query %s of %s refused with code %d", query_id, role or "nobody", code)
            response = self._refusal(
                code,
                text,
                query_id,
                anonymous=not role and not _credentials(request)[1],
                in_frames=request.query_params.get("compress") in _YES,
            )
        else:
            log.debug("query %s of %s took %.1f ms", query_id, role, (time.perf_counter() - began) * 1000)
        return response

    def close(self) -> None:
        """Stops what runs, then closes all handles. Closing twice does no harm."""
        with self.guard:
            already, self.closed = self.closed, True
            running = list(self.tickets.values())
        if already:
            return
        for pool in self.workers.values():
            pool.shutdown(wait=False, cancel_futures=True)
        while busy := [
            ticket for ticket in running if not ticket.stopped or (ticket.mark and not ticket.done)
        ]:
            for ticket in busy:
                self.engine.stop(ticket)
            time.sleep(_AGAIN_S / 10)
        for pool in self.workers.values():
            pool.shutdown(wait=True)
        self.engine.close()

    async def _tell_of_writer(self, tell: Callable[[str], None], host: str) -> None:
        last, now = self.writers.get(host), time.monotonic()
        if last is None or now - last >= _SEEN_AGAIN_S:
            await asyncio.to_thread(tell, host)
            self.writers[host] = now

    def _role(self, request: Request) -> Role:
        user, password = _credentials(request)
        matching = [
            role
            for role, token in self.tokens.items()
            if hmac.compare_digest(token.encode(), password.encode())
        ]
        if matching and user in ("", "default", matching[0]):
            return matching[0]
        who = user if re.fullmatch(r"\w{1,64}", user, re.ASCII) else "default"
        raise RefusedError(
            AUTHENTICATION_FAILED,
            f"{who}: Authentication failed: password is incorrect, or there is no user with such name",
        )

    async def _asked(self, request: Request, role: Role) -> _Asked:
        limit = self.engine.limits[role].body_bytes
        asked = _Asked(
            role=role,
            method=request.method,
            encoding=request.headers.get("content-encoding", "").strip().lower(),
            accepted=request.headers.get("accept-encoding", ""),
            database=request.headers.get("x-clickhouse-database", ""),
            body=await _received(request, limit),
        )
        fields = dict(request.query_params)
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            fields |= await _form(request, asked.body, limit)
            asked.body = spool()
        _sort(asked, fields, request.headers.get("x-clickhouse-format"))
        return asked

    async def _run(self, request: Request, asked: _Asked) -> _Done:
        """Runs the request on a worker thread; stops it when the client is gone or its time is over."""
        limits, ticket = self.engine.limits[asked.role], Ticket()
        with self.guard:
            if self.closed or len(self.tickets) >= _WAITING:
                raise RefusedError(TOO_MANY_QUERIES, "Too many simultaneous queries; try again in a moment")
            self.tickets[id(ticket)] = ticket
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self.workers[asked.role], self._work, asked, ticket)
        work.add_done_callback(lambda _: self._forget(ticket))
        try:
            # Most are done before it is worth watching the connection.
            await asyncio.wait({work}, timeout=_QUICK_S)
            if not work.done():
                await self._watched(request, work, ticket, limits.execution_s + _GRACE_S)
            return work.result()
        finally:
            if not work.done():
                # Cancelled from outside, and no time to wait.
                threading.Thread(target=self.engine.stop, args=(ticket,)).start()

    async def _watched(
        self, request: Request, work: asyncio.Future[_Done], ticket: Ticket, within_s: float
    ) -> None:
        """Waits for the work; stops it when the client has gone or its time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        gone = asyncio.ensure_future(_gone(request))
        try:
            either: set[asyncio.Future[Any]] = {work, gone}
            await asyncio.wait(either, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if not work.done() and ticket.writes:
            # Rows on their way are written, whether the client still listens or not.
            await asyncio.wait({work}, timeout=max(0.0, end - loop.time()))
        overdue = not work.done() and loop.time() >= end
        while not work.done():
            await asyncio.to_thread(self.engine.stop, ticket)
            await asyncio.wait({work}, timeout=_AGAIN_S)
        if overdue:
            raise RefusedError(TIMEOUT_EXCEEDED, f"Timeout exceeded: maximum: {within_s:g} seconds")

    def _forget(self, ticket: Ticket) -> None:
        with self.guard:
            self.tickets.pop(id(ticket), None)

    def _work(self, asked: _Asked, ticket: Ticket) -> _Done:
        """On a worker thread: reads the statement, checks it, runs it, encodes the result."""
        engine, limits = self.engine, self.engine.limits[asked.role]
        text, data = _statement(asked, limits.body_bytes)
        facts = engine.parse(text)
        role = asked.role if asked.method == "POST" else Role.READER
        check(role, facts, asked.params, engine.table_functions)
        check_database(asked.database)
        ticket.writes = facts.kind in WRITES
        wishes = Wishes(
            role=asked.role,
            writes=ticket.writes,
            removes=facts.kind in REMOVES,
            params=asked.params,
            settings=asked_settings(role, {**asked.settings, **dict(facts.settings)}, limits),
            database=asked.database,
        )
        if facts.carries_data:
            return _Done(engine.insert(facts, data, wishes, ticket), "")
        fmt = self._format(asked, facts)
        answer = engine.read(facts, fmt, wishes, ticket)
        if ticket.writes:
            return _Done(answer, "")
        fmt = facts.format or fmt
        if asked.protocol >= MARKS_COLUMNS and fmt.lower() == "native":
            answer.body, answer.size = with_block_facts(answer.body, answer.size)
        if asked.framed_answer:
            answer.body, answer.size = framed(answer.body)
        encoding = chosen(asked.accepted, answer.size) if asked.compress and not asked.framed_answer else ""
        if encoding:
            answer.body, answer.size = encoded(answer.body, encoding)
        return _Done(answer, fmt, encoding)

    def _format(self, asked: _Asked, facts: Facts) -> str:
        """The format for a statement that names none. Only names of the engine's reach it."""
        if not facts.format and asked.format.lower() not in self.engine.formats:
            raise RefusedError(UNKNOWN_FORMAT, "Unknown format; see system.formats")
        return asked.format

    def _response(self, done: _Done, query_id: str) -> Response:
        headers = self._headers(query_id) | {
            "X-ClickHouse-Summary": _summary(done.answer.counts),
            "Content-Type": _content_type(done.format),
        }
        if done.format:
            headers |= {"X-ClickHouse-Format": done.format, "X-ClickHouse-Timezone": self.engine.timezone}
        if done.encoding:
            headers["Content-Encoding"] = done.encoding
        if done.answer.size <= IN_MEMORY_BYTES:
            return Response(done.answer.body.read(), headers=headers)
        headers["Content-Length"] = str(done.answer.size)
        return StreamingResponse(_pieces(done.answer.body), headers=headers)

    def _refusal(self, code: int, text: str, query_id: str, *, anonymous: bool, in_frames: bool) -> Response:
        known = self.engine.error_names[code] if code < len(self.engine.error_names) else ""
        name = known or "UNKNOWN_EXCEPTION"
        headers = self._headers(query_id) | {"X-ClickHouse-Exception-Code": str(code)}
        status = _STATUS.get(name, 500)
        if code == AUTHENTICATION_FAILED and anonymous:
            status, headers["WWW-Authenticate"] = 401, f'Basic realm="{NAME}"'
        if status == 503:
            headers["Retry-After"] = "1"
        sentence = f"Code: {code}. DB::Exception: {text or name}. ({name})\n"
        if in_frames:
            # Who asked for frames reads nothing else, and would not learn the reason.
            body, _ = framed(io.BytesIO(sentence.encode()))
            return Response(body.read(), status, headers=headers)
        return PlainTextResponse(sentence, status, headers=headers)

    @staticmethod
    def _headers(query_id: str) -> dict[str, str]:
        return {
            "X-ClickHouse-Server-Display-Name": NAME,
            "X-ClickHouse-Query-Id": query_id,
            "Cache-Control": "no-store",
        }


def _tokens(reader: SecretStr | str, writer: SecretStr | str) -> dict[Role, str]:
    plain = [
        token.get_secret_value() if isinstance(token, SecretStr) else token for token in (reader, writer)
    ]
    if not all(plain) or plain[0] == plain[1]:
        raise ConfigurationError("the store's reader_token and writer_token must both be set, and differ")
    return dict(zip((Role.READER, Role.WRITER), plain, strict=True))


async def _alive(_: Request) -> Response:
    return PlainTextResponse("Ok.\n")


async def _no_such_path(_: Request) -> Response:
    return PlainTextResponse("There is no such path. Use / or /ping, or send queries to / by POST.\n", 404)


def _query_id(request: Request) -> str:
    asked = request.query_params.get("query_id", "")
    return asked if _QUERY_ID.match(asked) else str(uuid.uuid4())


def _credentials(request: Request) -> tuple[str, str]:
    """User and password, from the first place that has them; empty where there are none."""
    headers, url = request.headers, request.query_params
    if "x-clickhouse-key" in headers or "x-clickhouse-user" in headers:
        return headers.get("x-clickhouse-user", ""), headers.get("x-clickhouse-key", "")
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return "", value.strip()
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        if password:
            return user, password
    return url.get("user", ""), url.get("password", "")


async def _received(request: Request, limit: int) -> IO[bytes]:
    """The body as it came, at its start. Raises RefusedError when it is too large or comes too slowly."""
    body, size = spool(), 0
    try:
        async with asyncio.timeout(_RECEIVE_S):
            async for piece in request.stream():
                size += body.write(piece)
                if size > limit:
                    raise RefusedError(QUERY_IS_TOO_LARGE, f"The request is larger than {limit} bytes")
    except TimeoutError:
        raise RefusedError(
            TIMEOUT_EXCEEDED, f"The request did not arrive within {_RECEIVE_S} seconds"
        ) from None
    body.seek(0)
    return body


async def _form(request: Request, body: IO[bytes], limit: int) -> dict[str, str]:
    """The fields of a form, which clients use for parameters too long for a URL. Raises RefusedError."""
    parser = MultiPartParser(
        request.headers, _pieces(body), max_files=0, max_fields=1000, max_part_size=limit
    )
    try:
        form = await parser.parse()
    except MultiPartException:
        raise RefusedError(
            NOT_IMPLEMENTED, "A form may hold query and parameters only; no external tables"
        ) from None
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _sort(asked: _Asked, fields: Mapping[str, str], format_header: str | None) -> None:
    """Puts the fields of URL and form where they belong; what is left are settings."""
    asked.query = fields.get("query", "")
    asked.database = fields.get("database", asked.database)
    asked.format = fields.get("default_format") or format_header or asked.format
    asked.compress = fields.get("enable_http_compression") in _YES
    asked.framed_answer = fields.get("compress") in _YES
    asked.framed_body = fields.get("decompress") in _YES
    protocol = fields.get("client_protocol_version", "")
    asked.protocol = int(protocol) if protocol.isascii() and protocol.isdigit() and len(protocol) < 10 else 0
    for name, value in fields.items():
        if name.startswith("param_"):
            asked.params[name.removeprefix("param_")] = value
        else:
            asked.settings[name] = value


async def _gone(request: Request) -> None:
    """Ends when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _statement(asked: _Asked, limit: int) -> tuple[str, _Rest]:
    """The statement, and the data behind it when it is an INSERT with data. Raises RefusedError."""
    body = decoded(asked.body, asked.encoding, limit)
    if asked.framed_body:
        body = unframed(body, limit)
    first = body.read(_MAX_HEAD_BYTES)
    start = asked.query.encode() + (b"\n" if asked.query and first else b"") + first
    insert = split_insert(start)
    if insert:
        return _text(start[: insert.head]), _Rest(start[insert.data :], body)
    whole = start + body.read(_MAX_QUERY_BYTES)
    if len(whole) > _MAX_QUERY_BYTES:
        raise RefusedError(
            QUERY_IS_TOO_LARGE, f"A query may have {_MAX_QUERY_BYTES} bytes; bind long values as parameters"
        )
    return _text(whole), _Rest(b"", body)


def _text(query: bytes) -> str:
    try:
        text = query.decode()
    except UnicodeDecodeError:
        raise RefusedError(SYNTAX_ERROR, "The query is not valid UTF-8") from None
    if not text.strip():
        raise RefusedError(SYNTAX_ERROR, "Empty query")
    return text


class _Rest:
    """What was read already, then the rest of the body."""

    def __init__(self, first: bytes, body: IO[bytes]) -> None:
        self._first = first
        self._body = body

    def read(self, size: int, /) -> bytes:
        first, self._first = self._first, b""
        return first or self._body.read(size)


async def _pieces(body: IO[bytes]) -> AsyncGenerator[bytes, None]:
    while piece := body.read(PIECE_BYTES):
        yield piece


def _summary(counts: Mapping[str, int]) -> str:
    names = (
        "read_rows",
        "read_bytes",
        "written_rows",
        "written_bytes",
        "result_rows",
        "result_bytes",
        "elapsed_ns",
    )
    return json.dumps({name: str(counts.get(name, 0)) for name in names}, separators=(",", ":"))


def _content_type(fmt: str) -> str:
    if not fmt:
        return "text/plain; charset=UTF-8"
    kind = next((kind for pattern, kind in _CONTENT_TYPES if pattern.match(fmt)), "text/plain")
    return f"{kind}; charset=UTF-8" if kind else "application/octet-stream"


def _explained(error: Exception) -> tuple[int, str]:
    """Code and text for the client; the text of what we did not expect stays with us."""
    if isinstance(error, RefusedError | EngineError):
        return error.code, error.text
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NOT_ENOUGH_SPACE, "There is no space left on the disk"
    if not isinstance(error, ClientDisconnect):
        log.error("a query failed with %s", type(error).__name__)
    return UNKNOWN_EXCEPTION, ""
