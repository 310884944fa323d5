"""The receiver's own figures, in a registry of its own. Values of labels come from fixed lists, never from senders."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

from google.rpc import code_pb2
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from collector.commits import Receipt
from collector.intake import Capacity
from core.clock import Clock

Transport = Literal["http/protobuf", "http/json", "http/other", "grpc"]
CODES: dict[int, str] = {number: name for name, number in code_pb2.Code.items()}
CONTENT_TYPE = CONTENT_TYPE_LATEST
# An insert of a small body takes milliseconds, one that waits for a disk or a merge some seconds.
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# What is asked for but is no signal that is served.
NO_SIGNAL = "none"
TASKS = Path("/proc/self/task")


class Metrics:
    """Counts what happens to requests; `text` is the state in the Prometheus text format."""

    def __init__(self, signals: Iterable[str], capacity: Capacity, counts: Tally[str], clock: Clock) -> None:
        self._clock = clock
        self._signals = frozenset(signals)
        self._registry = CollectorRegistry()
        of_request = ("signal", "transport")
        self._requests = self._counter("requests", "requests answered", (*of_request, "code"))
        self._bytes = self._counter("received_bytes", "bytes of bodies as they were sent", of_request)
        self._accepted = self._counter("items_accepted", "items stored", of_request)
        self._rejected = self._counter("items_rejected", "items set aside", of_request)
        self._seconds = Histogram(
            "tieout_otlp_insert_seconds", "from a complete request to its rows on disk", ("signal",),
            registry=self._registry, buckets=BUCKETS_S,
        )  # fmt: skip
        self._success = Gauge(
            "tieout_otlp_last_success_timestamp_seconds", "when a request was last taken", ("signal",),
            registry=self._registry,
        )  # fmt: skip
        self._waiting = Gauge(
            "tieout_otlp_queue_depth", "complete requests that wait for their rows", registry=self._registry
        )
        for signal in sorted(self._signals):
            self._seconds.labels(signal)
            self._success.labels(signal)
        self._registry.register(_Present(capacity, counts))
        ProcessCollector(registry=self._registry)

    def answered(self, signal: str, transport: Transport, code: int, sent_bytes: int) -> None:
        """One request was answered with `code` of google.rpc."""
        known = signal if signal in self._signals else NO_SIGNAL
        self._requests.labels(known, transport, CODES.get(code, "UNKNOWN")).inc()
        self._bytes.labels(known, transport).inc(sent_bytes)

    def storing(self, signal: str, transport: Transport, store: Callable[[], Receipt]) -> Receipt:
        """Calls `store` and notes how long it takes and what comes of it."""
        with self._waiting.track_inprogress(), self._seconds.labels(signal).time():
            receipt = store()
        self._accepted.labels(signal, transport).inc(receipt.stored)
        self._rejected.labels(signal, transport).inc(receipt.rejected)
        self._success.labels(signal).set(self._clock.now().timestamp())
        return receipt

    def text(self) -> bytes:
        """All figures, in the Prometheus text format."""
        return bytes(generate_latest(self._registry))

    def _counter(self, name: str, help_text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"tieout_otlp_{name}", help_text, labels, registry=self._registry)


class _Present(Collector):
    """What is read at the moment somebody asks."""

    def __init__(self, capacity: Capacity, counts: Tally[str]) -> None:
        self._capacity = capacity
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("tieout_otlp_in_flight", "requests in flight", self._capacity.requests)
        yield GaugeMetricFamily("tieout_otlp_in_flight_bytes", "their bytes", self._capacity.bytes)
        for name, what, meaning in (
            ("dead_letters", "dead_letters", "facts about refused content that were kept"),
            ("inserts", "inserts", "inserts, each for all requests that waited"),
            ("repairs", "repaired", "requests that were changed before the store took them"),
        ):
            yield CounterMetricFamily(f"tieout_otlp_{name}", meaning, self._counts[what])
        yield GaugeMetricFamily(
            "process_threads", "threads of the process, those of the engine too", _threads()
        )


def _threads() -> int:
    """Where the system does not say, those of Python alone."""
    try:
        return len(list(TASKS.iterdir()))
    except OSError:
        return threading.active_count()
