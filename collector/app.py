"""OTLP over HTTP: an ASGI app that takes telemetry in protobuf or JSON. Bind it to 127.0.0.1:4318.

Every refusal is a google.rpc.Status in the encoding of the request, and says nothing of its content.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from collector.access import CHALLENGE, NOBODY, QUERY_NAMES, Access, Caller
from collector.commits import Receipt
from collector.intake import Encoding, Lease, Limits
from collector.metrics import CONTENT_TYPE, NO_SIGNAL, Metrics, Transport
from collector.privacy import Policy
from collector.readiness import Readiness
from collector.reception import Reception, answer, as_refusal
from collector.refusals import (
    BusyError,
    DisconnectedError,
    MediaTypeError,
    MethodError,
    NoSuchPathError,
    RefusedError,
    TooLargeError,
    UnauthenticatedError,
)
from collector.signals import SIGNALS, Signal
from core.clock import Clock
from store.client import Store

PORT = 4318
MEDIA_TYPES: dict[str, Encoding] = {"application/x-protobuf": "protobuf", "application/json": "json"}
CONTENT_TYPES: dict[Encoding, str] = {encoding: media_type for media_type, encoding in MEDIA_TYPES.items()}
TRANSPORTS: dict[Encoding, Transport] = {"protobuf": "http/protobuf", "json": "http/json"}
# Whether the process lives is no secret, and who asks for it has no token.
OPEN_PATHS = frozenset({"/healthz"})
CORS_MAX_AGE_S = 7200

log = logging.getLogger(__name__)


def receiver(
    store: Store,
    *,
    prefix: str = "",
    limits: Limits | None = None,
    clock: Clock | None = None,
    signals: Sequence[Signal] = SIGNALS,
    access: Access | None = None,
    policy: Policy | None = None,
) -> Starlette:
    """An app with a reception of its own, which ends with it; `app.state.reception` is it."""
    reception = Reception(store, limits=limits, clock=clock, signals=signals, access=access, policy=policy)
    readiness = Readiness(reception, store, policy=policy)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        readiness.close()
        reception.close()

    app = http_app(reception, readiness, prefix=prefix)
    app.router.lifespan_context = lifespan
    return app


def http_app(
    reception: Reception, readiness: Readiness, *, prefix: str = "", cors_origins: Sequence[str] = ()
) -> Starlette:
    """The app that stores what is posted to `<prefix>/v1/<signal>`, and tells of itself.

    A 200 means that the items are on disk. `/healthz` says that the process lives, `/readyz` whether it takes
    requests and why not, `/metrics` the figures. Browsers may send from `cors_origins`, for example
    `https://*.example.com`.
    """
    routes = [
        Route(f"{prefix}/v1/{signal.name}", Endpoint(signal, reception)) for signal in reception.signals
    ]

    async def metrics(_: Request) -> Response:
        return Response(await asyncio.to_thread(reception.metrics.text), media_type=CONTENT_TYPE)

    async def ready(_: Request) -> Response:
        reasons = await asyncio.to_thread(readiness.reasons)
        said = [{"code": reason.code, "message": reason.message} for reason in reasons]
        return JSONResponse({"ready": not said, "reasons": said}, 503 if said else 200)

    middleware = [Middleware(Guard, reception.access, reception.metrics)]
    if cors_origins:
        middleware.insert(0, _cors(cors_origins))
    app = Starlette(
        routes=[
            *routes,
            Route("/healthz", _alive, methods=["GET"]),
            Route("/readyz", ready, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
        ],
        middleware=middleware,
        exception_handlers={HTTPException: _no_route},
    )
    app.router.redirect_slashes = False
    app.state.reception = reception
    app.state.intake = reception.intake
    return app


class Guard:
    """Asks who calls before anything else of the request is looked at; its body is not read."""

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics) -> None:
        self._app = app
        self._access = access
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            scope.setdefault("state", {})["caller"] = self._caller(request)
        except RefusedError as refused:
            self._metrics.answered(NO_SIGNAL, _transport(request), refused.rpc_code, 0)
            await refusal(request, refused)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _caller(self, request: Request) -> Caller:
        if self._access.required and _credentials_in(request.url.query):
            raise UnauthenticatedError(
                "credentials are taken from the Authorization header, never from the URL"
            )
        return self._access.caller(request.headers.get("authorization", ""))


class Received:
    """A body as it comes in. Nothing of it is kept once it was asked for whole: it may wait long for its turn."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self.size += len(piece)

    def whole(self) -> bytes:
        """All that came, once."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class Endpoint:
    """Answers for one signal."""

    def __init__(self, signal: Signal, reception: Reception) -> None:
        self._signal = signal
        self._reception = reception
        self._limits = reception.limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        transport, received = _transport(request), Received()
        try:
            receipt = await self._take(request, transport, received)
        except DisconnectedError as gone:
            log.debug("a sender went away before its request was complete")
            code, response = gone.rpc_code, None
        except Exception as error:
            refused = as_refusal(error)
            code, response = refused.rpc_code, refusal(request, refused)
        else:
            code = int(code_pb2.OK)
            response = _response(200, _encoding(request) or "json", answer(self._signal, receipt))
        self._reception.metrics.answered(self._signal.name, transport, code, received.size)
        if response:
            await response(scope, receive, send)

    async def _take(self, request: Request, transport: Transport, received: Received) -> Receipt:
        if request.method != "POST":
            raise MethodError("only POST is answered here")
        encoding = _encoding(request)
        if encoding is None:
            raise MediaTypeError(f"the content type must be {' or '.join(MEDIA_TYPES)}")
        caller: Caller = getattr(request.state, "caller", NOBODY)
        with self._reception.admit(self._signal, caller) as lease:
            await self._read(request, lease, received)
            content_encoding = request.headers.get("content-encoding", "")

            def store() -> Receipt:
                return self._reception.store(
                    self._signal, received.whole(), content_encoding, encoding,
                    lease=lease, caller=caller, transport=transport,
                )  # fmt: skip

            return await _to_the_end(self._reception.workers, store)

    async def _read(self, request: Request, lease: Lease, into: Received) -> None:
        """The body as it was sent. Raises TooLargeError before anything is read when the length tells."""
        limit = self._limits.body_bytes
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise TooLargeError(f"the request is larger than {limit} bytes")
        try:
            async with asyncio.timeout(self._limits.read_timeout_s):
                async for piece in request.stream():
                    if into.size + len(piece) > limit:
                        raise TooLargeError(f"the request is larger than {limit} bytes")
                    lease.grow(len(piece))
                    into.add(piece)
        except ClientDisconnect:
            raise DisconnectedError("the sender went away") from None
        except TimeoutError:
            raise BusyError("the body did not arrive in time; send it again") from None


async def _to_the_end(workers: ThreadPoolExecutor, work: Callable[[], Receipt]) -> Receipt:
    """Work that has begun is waited for, also when the sender is gone: its room is given back only then."""
    running = asyncio.get_running_loop().run_in_executor(workers, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def refusal(request: Request, refused: RefusedError) -> Response:
    """The answer to a request that was not taken."""
    headers = {}
    if refused.retryable:
        headers["Retry-After"] = str(refused.retry_after_s)
    if isinstance(refused, MethodError):
        headers["Allow"] = "POST"
    if isinstance(refused, UnauthenticatedError):
        headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(refused, UnauthenticatedError | TooLargeError | BusyError):
        # Part of the body may not have been read: the connection cannot be used again.
        headers["Connection"] = "close"
    status = Status(code=refused.rpc_code, message=str(refused))
    return _response(refused.http_status, _encoding(request) or "json", status, headers)


def _encoding(request: Request) -> Encoding | None:
    return MEDIA_TYPES.get(request.headers.get("content-type", "").split(";")[0].strip().lower())


def _transport(request: Request) -> Transport:
    encoding = _encoding(request)
    return TRANSPORTS[encoding] if encoding else "http/other"


def _response(
    status: int, encoding: Encoding, message: Message, headers: dict[str, str] | None = None
) -> Response:
    if encoding == "protobuf":
        content = message.SerializeToString()
    else:
        content = json_format.MessageToJson(message, indent=None, ensure_ascii=False).encode()
    return Response(content, status, headers, CONTENT_TYPES[encoding])


def _credentials_in(query: str) -> bool:
    return any(name.lower() in QUERY_NAMES for name, _ in parse_qsl(query, keep_blank_values=True))


def _cors(origins: Sequence[str]) -> Middleware:
    """Stands before the guard: a browser asks for permission without its token."""
    return Middleware(
        CORSMiddleware,
        allow_origin_regex="|".join(_origin_pattern(origin) for origin in origins),
        allow_methods=["POST"],
        allow_headers=["Authorization", "Content-Type", "Content-Encoding"],
        max_age=CORS_MAX_AGE_S,
    )


def _origin_pattern(origin: str) -> str:
    """`*` stands for one or more names of a host, never for another host."""
    return re.escape(origin).replace(r"\*", r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")


async def _alive(_: Request) -> Response:
    return JSONResponse({"alive": True})


async def _no_route(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == 405:
        return Response(status_code=405, headers=error.headers)
    refused = NoSuchPathError("nothing is served at this path")
    reception: Reception = request.app.state.reception
    reception.metrics.answered(NO_SIGNAL, _transport(request), refused.rpc_code, 0)
    return refusal(request, refused)
