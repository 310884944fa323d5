"""Takes export requests in, whatever the transport: unpack, check, let the engine decode and store."""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from collector import otlp_json
from collector.compression import decompress
from collector.refusals import BusyError, RefusedError, UndecodableError, of_store
from collector.repair import Findings, repair
from core.clock import Clock, SystemClock
from core.errors import TieoutError
from store.client import Store
from store.errors import StoreError

Encoding = Literal["protobuf", "json"]

# The view refused a span, or an attribute names two members of its `oneof`: both are repaired and sent again.
REPAIRABLE_CODES = frozenset({395, 36})
MESSAGE_BYTES = 1_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What one receiver takes on. Beyond `requests` or `memory_bytes` in flight, senders are put off.

    `body_bytes` holds before and after decompression. `writers` inserts run beside each other, and none may
    use more than `insert_memory_bytes` of the engine. `read_timeout_s` is for the whole body of one request,
    `headers_timeout_s` for what stands before it.
    """

    body_bytes: int = 64 << 20
    requests: int = 64
    memory_bytes: int = 256 << 20
    writers: int = 2
    insert_memory_bytes: int = 2 << 30
    read_timeout_s: float = 60.0
    headers_timeout_s: float = 60.0


@dataclass(frozen=True)
class Signal:
    """One kind of telemetry: its messages, the table its bodies go to, and how requests are repaired."""

    name: str
    table: str
    schema: Path
    request: type[ExportTraceServiceRequest]
    response: type[ExportTraceServiceResponse]
    repair: Callable[[ExportTraceServiceRequest], Findings]


TRACES = Signal(
    name="traces",
    table="otlp_traces_in",
    schema=Path(__file__).parent / "otlp_traces.proto",
    request=ExportTraceServiceRequest,
    response=ExportTraceServiceResponse,
    repair=repair,
)


@dataclass(frozen=True)
class Receipt:
    """What became of a request that was taken: items set aside, a message, empty when all is well, items stored."""

    rejected: int = 0
    message: str = ""
    stored: int = 0


class Lease:
    """Room for one request; it grows with the request and is given back whole."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self.bytes = 0

    def grow(self, more: int) -> None:
        """Raises BusyError when the memory for requests in flight is used up."""
        self._capacity.take(more)
        self.bytes += more


class Capacity:
    """Counts requests in flight and their bytes. Safe between threads."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._requests = 0
        self._bytes = 0

    @property
    def requests(self) -> int:
        """Requests in flight."""
        return self._requests

    @property
    def bytes(self) -> int:
        """Their bytes."""
        return self._bytes

    @property
    def full(self) -> bool:
        """Whether one more request would be put off."""
        return self._requests >= self._limits.requests or self._bytes >= self._limits.memory_bytes

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Room for one more request. Raises BusyError when there is none."""
        with self._lock:
            if self._requests >= self._limits.requests:
                raise BusyError("too many requests in flight; send it again")
            self._requests += 1
        lease = Lease(self)
        try:
            yield lease
        finally:
            with self._lock:
                self._requests -= 1
                self._bytes -= lease.bytes

    def take(self, more: int) -> None:
        with self._lock:
            if self._bytes + more > self._limits.memory_bytes:
                raise BusyError("too many bytes in flight; send it again")
            self._bytes += more


class Intake:
    """Requests in, rows on disk. `take` may be called by as many threads as there are writers."""

    def __init__(self, store: Store, limits: Limits, clock: Clock | None = None) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock or SystemClock()
        self._handles: queue.SimpleQueue[Store] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self.capacity = Capacity(limits)
        self.counts: Counter[str] = Counter()

    def take(
        self, signal: Signal, body: bytes, content_encoding: str, encoding: Encoding, lease: Lease
    ) -> Receipt:
        """Stores the request in `body` and says what was set aside; when it returns, the rows are on disk.

        Raises UndecodableError or TooLargeError (never send it again) and BusyError (send it again). The same
        body again changes nothing.
        """
        plain = body
        try:
            plain = decompress(body, content_encoding, self._limits.body_bytes, lease.grow)
            receipt = self._store_request(signal, plain, encoding)
        except UndecodableError as refused:
            self._set_aside(signal, plain, encoding, {refused.reason: 0})
            raise
        self._count("requests")
        return receipt

    def close(self) -> None:
        """Closes the handles; no `take` may be running."""
        while not self._handles.empty():
            self._handles.get().close()

    def _store_request(self, signal: Signal, body: bytes, encoding: Encoding) -> Receipt:
        token = hashlib.sha256(body).hexdigest()
        request, advice = _parse(signal, body, encoding)
        if not _has_items(request):
            return Receipt(message=_message(Findings(advice=advice)))
        try:
            self._insert(signal, request.SerializeToString() if encoding == "json" else body, token)
            found = Findings()
        except StoreError as error:
            if error.code not in REPAIRABLE_CODES:
                raise of_store(error) from None
            found = self._repair(signal, request, token)
        except TieoutError as error:
            raise of_store(error) from None
        if found.rejected:
            self._set_aside(signal, body, encoding, found.rejected)
        found.advice.update(advice)
        return Receipt(found.rejected.total(), _message(found), _items(request))

    def _repair(self, signal: Signal, request: ExportTraceServiceRequest, token: str) -> Findings:
        found = signal.repair(request)
        self._count("repaired")
        if _has_items(request):
            try:
                # Another token: the engine may have kept a first part of a very large request.
                self._insert(signal, request.SerializeToString(), f"{token}/repaired")
            except TieoutError as error:
                if isinstance(error, StoreError) and error.code in REPAIRABLE_CODES:
                    raise RefusedError(
                        "the request was not stored; this is a defect of the receiver"
                    ) from None
                raise of_store(error) from None
        return found

    def _insert(self, signal: Signal, body: bytes, token: str) -> None:
        with self._handle() as store:
            store.insert_raw(signal.table, body, "ProtobufSingle", self._settings(signal, store, token))

    def _settings(self, signal: Signal, store: Store, token: str) -> Mapping[str, Any]:
        """A server is sent the schema; the embedded engine reads our file, as it leaves copies of a text."""
        name = signal.request.DESCRIPTOR.name
        schema: dict[str, Any] = {
            "format_schema_source": "string",
            "format_schema": signal.schema.read_text(encoding="utf-8"),
            "format_schema_message_name": name,
        }
        if store.embedded:
            schema = {"format_schema": f"{signal.schema}:{name}"}
        return {
            **schema,
            "input_format_protobuf_oneof_presence": 1,
            "output_format_json_escape_forward_slashes": 0,
            "max_memory_usage": self._limits.insert_memory_bytes,
            "insert_deduplication_token": token,
        }

    def _set_aside(self, signal: Signal, body: bytes, encoding: Encoding, reasons: Mapping[str, int]) -> None:
        """Keeps what was refused as a fact without its content; a failure here must not change the answer."""
        digest = hashlib.sha256(body).hexdigest()
        rows = [
            {
                "received_at": self._clock.now(), "signal": signal.name, "reason": reason,
                "encoding": encoding, "items": items, "bytes": len(body), "sha256": digest,
            }
            for reason, items in reasons.items()
        ]  # fmt: skip
        self._count("dead_letters", len(rows))
        log.warning(
            "%s set aside: %s; %d bytes, sha256 %s", signal.name, ", ".join(reasons), len(body), digest
        )
        try:
            with self._handle() as store:
                store.insert("dead_letters", rows)
        except TieoutError as error:
            log.warning("a dead letter could not be written: %s", error)

    @contextmanager
    def _handle(self) -> Iterator[Store]:
        """A handle of its own for each insert that runs; handles are kept for the next one."""
        try:
            store = self._handles.get_nowait()
        except queue.Empty:
            store = self._store.another()
        try:
            yield store
        finally:
            self._handles.put(store)

    def _count(self, what: str, by: int = 1) -> None:
        with self._lock:
            self.counts[what] += by


def _parse(signal: Signal, body: bytes, encoding: Encoding) -> tuple[ExportTraceServiceRequest, Counter[str]]:
    """The request and advice about it. The engine alone would let through some of what this refuses."""
    if encoding == "json":
        return otlp_json.parse(body, signal.request)
    try:
        return signal.request.FromString(body), Counter()
    except DecodeError:
        raise UndecodableError("the body is not a valid protobuf message") from None


def _has_items(request: ExportTraceServiceRequest) -> bool:
    """Whether there may be anything to store; looks at groups, not at items."""
    return any(
        any(len(scope.spans) for scope in resource.scope_spans) or len(UnknownFieldSet(resource))
        for resource in request.resource_spans
    )


def _items(request: ExportTraceServiceRequest) -> int:
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


def _message(found: Findings) -> str:
    """In English, with reasons and counts; empty when there is nothing to say."""
    parts = []
    if found.rejected:
        reasons = "; ".join(f"{reason} ({count})" for reason, count in found.rejected.most_common())
        parts.append(f"{found.rejected.total()} spans were not stored: {reasons}")
    parts += [f"{advice} ({count})" for advice, count in found.advice.most_common()]
    return ". ".join(parts)[:MESSAGE_BYTES]
