"""What a request meets whatever it came over: room, access, the store, and the figures about it.

A transport asks in this order: `access.caller`, `admit`, the body, `store`. It tells `metrics` of its answer.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from google.protobuf.message import Message
from opentelemetry import trace

from collector.access import CALLER, Access, Caller
from collector.commits import Receipt
from collector.intake import Encoding, Intake, Lease, Limits
from collector.metrics import Metrics, Transport
from collector.privacy import Policy
from collector.refusals import DrainingError, RefusedError, UnexpectedError
from collector.signals import SIGNALS, Signal
from core.clock import Clock, SystemClock
from store.client import Store

# Derivation passes over spans of this instrumentation scope: what the receiver does is no step of a workflow.
SCOPE = "tieout.collector"

log = logging.getLogger(__name__)
tracer = trace.get_tracer(SCOPE)


class Reception:
    """One intake with its limits, callers and figures, for as many transports as there are. Safe between threads."""

    def __init__(
        self,
        store: Store,
        *,
        limits: Limits | None = None,
        clock: Clock | None = None,
        signals: Sequence[Signal] = SIGNALS,
        access: Access | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.clock = clock or SystemClock()
        self.signals = tuple(signals)
        self.access = access or Access()
        self.intake = Intake(store, self.limits, clock, self.signals, policy)
        self.workers = ThreadPoolExecutor(self.limits.requests, thread_name_prefix="otlp")
        self.metrics = Metrics(
            [signal.name for signal in self.signals], self.intake.capacity, self.intake.counts, self.clock
        )
        self._open = 0
        self._told: list[Callable[[], None]] = []
        self._draining = False
        self._changed = threading.Condition()

    @contextmanager
    def admit(self, signal: Signal, caller: Caller) -> Iterator[Lease]:
        """Room for one request of `caller`. Raises DrainingError, ForbiddenError, RateError and BusyError."""
        with self._visit(), self.intake.capacity.lease() as lease:
            self.access.admit(caller, signal.name)
            yield lease

    def store(
        self,
        signal: Signal,
        body: bytes,
        content_encoding: str,
        encoding: Encoding,
        *,
        lease: Lease,
        caller: Caller,
        transport: Transport,
    ) -> Receipt:
        """Stores the request in `body`, on the thread that calls. Raises RefusedError."""
        with _served(caller), tracer.start_as_current_span(
            "otlp.store", kind=trace.SpanKind.INTERNAL, record_exception=False, set_status_on_exception=False,
            attributes={"tieout.signal": signal.name, "tieout.transport": transport, "tieout.bytes": len(body)},
        ) as span:  # fmt: skip
            receipt = self.metrics.storing(
                signal.name,
                transport,
                lambda: self.intake.take(signal, body, content_encoding, encoding, lease),
            )
            span.set_attributes({"tieout.stored": receipt.stored, "tieout.rejected": receipt.rejected})
        self.access.charge(caller, receipt.stored + receipt.rejected)
        return receipt

    @property
    def draining(self) -> bool:
        """Whether new requests are refused because the receiver is about to end."""
        return self._draining

    def on_drain(self, tell: Callable[[], None]) -> None:
        """Calls `tell` when draining begins."""
        self._told.append(tell)

    def drain(self, timeout_s: float) -> bool:
        """Refuses new requests and waits for those begun; False when some are left after `timeout_s`."""
        self._draining = True
        for tell in self._told:
            tell()
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout_s)

    def close(self) -> None:
        """Ends the writers and their handles; no request may come any more."""
        self.workers.shutdown(wait=True)
        self.intake.close()

    @contextmanager
    def _visit(self) -> Iterator[None]:
        with self._changed:
            if self._draining:
                raise DrainingError("the receiver is about to end; send it again")
            self._open += 1
        try:
            yield
        finally:
            with self._changed:
                self._open -= 1
                self._changed.notify_all()


@contextmanager
def _served(caller: Caller) -> Iterator[None]:
    before = CALLER.set(caller)
    try:
        yield
    finally:
        CALLER.reset(before)


def as_refusal(error: Exception) -> RefusedError:
    """What a sender is told of any error. The text and the stack may hold what was sent, so neither is kept."""
    if isinstance(error, RefusedError):
        return error
    log.error("a request failed: %s", type(error).__name__)
    return UnexpectedError("the request could not be processed; send it again")


def answer(signal: Signal, receipt: Receipt) -> Message:
    """The response to a request that was taken; `partial_success` is set only when there is something to say."""
    made = signal.response()
    fields: Any = made
    if receipt.rejected or receipt.message:
        setattr(fields.partial_success, signal.rejected_field, receipt.rejected)
        fields.partial_success.error_message = receipt.message
    return made
