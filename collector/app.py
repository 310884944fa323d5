"""OTLP over HTTP: an ASGI app that takes traces, logs and metrics in protobuf or JSON. Bind it to 127.0.0.1:4318.

Every refusal is a google.rpc.Status in the encoding of the request, and says nothing of its content.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from collector.commits import Receipt
from collector.intake import Encoding, Intake, Lease, Limits
from collector.refusals import (
    RETRY_AFTER_S,
    BusyError,
    DisconnectedError,
    MediaTypeError,
    MethodError,
    NoSuchPathError,
    RefusedError,
    TooLargeError,
)
from collector.signals import SIGNALS, Signal
from core.clock import Clock
from store.client import Store

PORT = 4318
MEDIA_TYPES: dict[str, Encoding] = {"application/x-protobuf": "protobuf", "application/json": "json"}
CONTENT_TYPES: dict[Encoding, str] = {encoding: media_type for media_type, encoding in MEDIA_TYPES.items()}

log = logging.getLogger(__name__)


def receiver(
    store: Store,
    *,
    prefix: str = "",
    signals: Sequence[Signal] = SIGNALS,
    limits: Limits | None = None,
    clock: Clock | None = None,
) -> Starlette:
    """The app that stores what is posted to `/v1/traces`, `/v1/logs` and `/v1/metrics` behind `prefix`.

    `signals`: those that are taken; the paths of others do not exist. `app.state.intake.counts` has its own
    figures. A 200 means that the items are on disk. Inserts run on handles of their own, off the event loop.
    """
    limits = limits or Limits()
    intake = Intake(store, limits, clock, signals)
    workers = ThreadPoolExecutor(limits.requests, thread_name_prefix="otlp")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        workers.shutdown(wait=True)
        intake.close()

    app = Starlette(
        routes=[
            Route(f"{prefix}/v1/{signal.name}", Endpoint(signal, intake, limits, workers))
            for signal in signals
        ],
        exception_handlers={HTTPException: _not_found},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.intake = intake
    return app


class Endpoint:
    """Answers for one signal."""

    def __init__(self, signal: Signal, intake: Intake, limits: Limits, workers: ThreadPoolExecutor) -> None:
        self._signal = signal
        self._intake = intake
        self._limits = limits
        self._workers = workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            receipt = await self._take(request)
        except DisconnectedError:
            log.debug("a sender went away before its request was complete")
            return
        except RefusedError as refused:
            response = refusal(request, refused)
        except Exception as error:
            # The text and the stack may hold what was sent, so neither is kept.
            log.error("a request failed: %s", type(error).__name__)
            response = refusal(request, RefusedError("the request could not be processed"))
        else:
            response = _accepted(self._signal, _encoding(request) or "json", receipt)
        await response(scope, receive, send)

    async def _take(self, request: Request) -> Receipt:
        if request.method != "POST":
            raise MethodError("only POST is answered here")
        encoding = _encoding(request)
        if encoding is None:
            raise MediaTypeError(f"the content type must be {' or '.join(MEDIA_TYPES)}")
        with self._intake.capacity.lease() as lease:
            body = await self._body(request, lease)
            call = (self._signal, body, request.headers.get("content-encoding", ""), encoding, lease)
            return await _to_the_end(self._workers, lambda: self._intake.take(*call))

    async def _body(self, request: Request, lease: Lease) -> bytes:
        """The body as it was sent. Raises TooLargeError before anything is read when the length tells."""
        limit = self._limits.body_bytes
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise TooLargeError(f"the request is larger than {limit} bytes")
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.read_timeout_s):
                async for piece in request.stream():
                    if len(body) + len(piece) > limit:
                        raise TooLargeError(f"the request is larger than {limit} bytes")
                    lease.grow(len(piece))
                    body += piece
        except ClientDisconnect:
            raise DisconnectedError("the sender went away") from None
        except TimeoutError:
            raise BusyError("the body did not arrive in time; send it again") from None
        return bytes(body)


async def _to_the_end(workers: ThreadPoolExecutor, work: Callable[[], Receipt]) -> Receipt:
    """Work that has begun is waited for, also when the sender is gone: its room is given back only then."""
    running = asyncio.get_running_loop().run_in_executor(workers, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _encoding(request: Request) -> Encoding | None:
    return MEDIA_TYPES.get(request.headers.get("content-type", "").split(";")[0].strip().lower())


def _accepted(signal: Signal, encoding: Encoding, receipt: Receipt) -> Response:
    answer: Any = signal.response()
    if receipt.rejected or receipt.message:
        setattr(answer.partial_success, signal.rejected_field, receipt.rejected)
        answer.partial_success.error_message = receipt.message
    return _response(200, encoding, answer)


def refusal(request: Request, refused: RefusedError) -> Response:
    """The answer to a request that was not taken."""
    headers = {}
    if refused.retryable:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(refused, MethodError):
        headers["Allow"] = "POST"
    if refused.http_status in (413, 503):
        # Part of the body may not have been read: the connection cannot be used again.
        headers["Connection"] = "close"
    encoding = _encoding(request) or "json"
    status = Status(code=refused.rpc_code, message=str(refused))
    return _response(refused.http_status, encoding, status, headers)


def _response(
    status: int, encoding: Encoding, message: Message, headers: dict[str, str] | None = None
) -> Response:
    if encoding == "protobuf":
        content = message.SerializeToString()
    else:
        content = json_format.MessageToJson(message, indent=None, ensure_ascii=False).encode()
    return Response(content, status, headers, CONTENT_TYPES[encoding])


async def _not_found(request: Request, _: Exception) -> Response:
    return refusal(request, NoSuchPathError("nothing is served at this path"))
