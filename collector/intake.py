"""Takes export requests in, whatever the transport: unpack, check, let the engine decode and store."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from google.protobuf.message import DecodeError, Message

from collector import otlp_json
from collector.commits import Commits, Handles, Pending, Receipt
from collector.compression import decompress
from collector.privacy import Policy
from collector.refusals import BusyError, UndecodableError
from collector.repair.common import Findings
from collector.signals import SIGNALS, Signal
from core.clock import Clock, SystemClock
from core.errors import TieoutError
from store.client import Store

Encoding = Literal["protobuf", "json"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What one receiver takes on. Beyond `requests` or `memory_bytes` in flight, senders are put off.

    `body_bytes` holds before and after decompression. Up to `writers` inserts run beside each other, a second
    one only when half a full group waits, and none may use more than `insert_memory_bytes` of the engine.
    `read_timeout_s` is for the whole body of one request, `headers_timeout_s` for what stands before it.
    """

    body_bytes: int = 64 << 20
    requests: int = 64
    memory_bytes: int = 256 << 20
    writers: int = 2
    insert_memory_bytes: int = 2 << 30
    read_timeout_s: float = 60.0
    headers_timeout_s: float = 60.0


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
    """Requests in, rows on disk. `take` may be called by as many threads as there may be requests in flight.

    With a `policy` only what it allows of a request is stored; without one, all of it.
    """

    def __init__(
        self,
        store: Store,
        limits: Limits,
        clock: Clock | None = None,
        signals: Sequence[Signal] = SIGNALS,
        policy: Policy | None = None,
    ) -> None:
        self._limits = limits
        self._policy = policy
        self._clock = clock or SystemClock()
        self._handles = Handles(store)
        self._lock = threading.Lock()
        self.capacity = Capacity(limits)
        self.counts: Counter[str] = Counter()
        self._commits = {
            signal.name: Commits(
                signal,
                self._handles,
                Handles(store, self._settings(signal, store)),
                self._count,
                writers=limits.writers,
                clock=self._clock,
                policy=policy,
            )
            for signal in signals
        }

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
            receipt = self._store(signal, plain, encoding)
        except UndecodableError as refused:
            self._set_aside(signal, plain, encoding, {refused.reason: 0})
            raise
        self._count("requests")
        return receipt

    def close(self) -> None:
        """Closes the handles; no `take` may be running."""
        self._handles.close()
        for commits in self._commits.values():
            commits.close()

    def _store(self, signal: Signal, body: bytes, encoding: Encoding) -> Receipt:
        pending = self._pending(signal, body, encoding)
        if not pending.body:
            return Receipt(message=Findings(advice=pending.advice).message(signal.items))
        receipt = self._commits[signal.name].store(pending)
        if pending.rejected:
            self._set_aside(signal, body, encoding, pending.rejected)
        return receipt

    def _pending(self, signal: Signal, body: bytes, encoding: Encoding) -> Pending:
        """The request ready to be stored, without a body when there is nothing to store.

        Its message is several times as large as the body and is gone before the request waits for its turn.
        """
        request, advice = _parse(signal, body, encoding)
        if not signal.has_items(request):
            return Pending("", b"", 0, advice)
        identity = self._digest(body)[:32]
        plain = request.SerializeToString() if encoding == "json" else body
        return Pending(identity, plain, signal.size(request), advice)

    def _settings(self, signal: Signal, store: Store) -> dict[str, Any]:
        """A server is sent the schema; the embedded engine reads our file, as it leaves copies of a text."""
        schema: dict[str, Any] = {
            "format_schema_source": "string",
            "format_schema": signal.schema.read_text(encoding="utf-8"),
            "format_schema_message_name": "Row",
        }
        if store.embedded:
            schema = {"format_schema": f"{signal.schema}:Row"}
        return {
            **schema,
            "input_format_protobuf_oneof_presence": 1,
            "output_format_json_escape_forward_slashes": 0,
            "max_memory_usage": self._limits.insert_memory_bytes,
            # A tenth faster than the engine's 65,409: what the view works on stays in the processor's cache.
            "max_block_size": 8192,
            # Requests are known by their ids, however they are grouped; the engine's own list knows only groups.
            "deduplicate_insert": "disable",
        }

    def _set_aside(self, signal: Signal, body: bytes, encoding: Encoding, reasons: Mapping[str, int]) -> None:
        """Keeps what was refused as a fact without its content; a failure here must not change the answer."""
        digest = self._digest(body)
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
            with self._handles.one() as store:
                store.insert("dead_letters", rows)
        except TieoutError as error:
            log.warning("a dead letter could not be written: %s", error)

    def _digest(self, body: bytes) -> str:
        return self._policy.digest(body) if self._policy else hashlib.sha256(body).hexdigest()

    def _count(self, what: str, by: int = 1) -> None:
        with self._lock:
            self.counts[what] += by


def _parse(signal: Signal, body: bytes, encoding: Encoding) -> tuple[Message, Counter[str]]:
    """The request and advice about it. The engine alone would let through some of what this refuses."""
    if encoding == "json":
        return otlp_json.parse(body, signal.request)
    try:
        return signal.request.FromString(body), Counter()
    except DecodeError:
        raise UndecodableError("the body is not a valid protobuf message") from None
