"""How many spans a second the receiver puts on disk, beside what the bare engine does with the same rows.

    python benchmarks/ingest.py [--seconds 5] [--connections 16] [--no-peer]
    python benchmarks/ingest.py --volume 50000000

Real HTTP through uvicorn, protobuf, every 200 after an fsync; the sender is a process of its own. The limit is
the engine alone: the same rows in its own format, in inserts of the size that the receiver's groups had, with the
same settings. Both are measured in this run, so the ratio means something on any machine; the figures themselves
only on this one. Times of requests are those at full load, and again at half of the rate that was reached, when they
come at random moments.

The peer is the official Collector with its ClickHouse exporter and collector/otelcol.yaml, writing into the same store
through its HTTP endpoint: CPU seconds of the Collector and of the store together, until every acknowledged span is there.
It is built on first use, which takes minutes; `--no-peer` leaves it out.

`--volume` fills one store to so many spans and prints a line for every twenty seconds: how long a receiver takes to start, what
a span costs, resident memory and parts, and for the second half of them how long somebody waits who meanwhile asks for one
trace and for figures by service, again and again, and what that does to the senders.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette

ROOT = Path(__file__).resolve().parent.parent
INTEROP = ROOT / "tests" / "interop"
sys.path[:0] = [str(ROOT), str(INTEROP)]

import builds
from parties import Otelcol

from collector.app import receiver
from collector.intake import Intake, Limits
from collector.signals import TRACES
from core.memory import give_back_freed_memory
from store.client import Store
from store.endpoint import endpoint
from store.migrate import migrate

BATCHES = (512, 4096, 16384)
# Half a line of the curve, and how many spans its requests have.
SLICE_S = 10
VOLUME_BATCH = 4096
# A span as protobuf writes it, up to its end.
SPAN = re.compile(
    rb"\x0a\x10(?P<id>.{16})\x12\x08.{8}\x22\x08.{8}\x2a.operation \d+\x39(?P<start>.{8})\x41(?P<end>.{8})",
    re.DOTALL,
)
SPAN_EVERY_NS = 10_000
# What a dashboard asks: one trace by its id, and spans and failures by service and minute.
QUESTIONS = (
    "SELECT * FROM otel_traces WHERE TraceId = {id:String} AND Timestamp >= (SELECT min(Start) FROM otel_traces_trace_id_ts "
    "WHERE TraceId = {id:String}) AND Timestamp <= (SELECT max(End) + 1 FROM otel_traces_trace_id_ts WHERE TraceId = {id:String})",
    "SELECT ServiceName, toStartOfMinute(Timestamp) AS minute, count() AS spans, countIf(StatusCode = 'Error') AS failed, "
    "quantile(0.99)(Duration) AS slowest FROM otel_traces GROUP BY ServiceName, minute ORDER BY minute",
)


def body(spans: int, seed: int) -> bytes:
    """A request with spans of about 300 bytes and 8 attributes each."""
    chance = random.Random(seed)
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    for key, value in {
        "service.name": "orders",
        "host.name": "h1",
        "deployment.environment.name": "prod",
    }.items():
        group.resource.attributes.add(key=key).value.string_value = value
    scope = group.scope_spans.add()
    scope.scope.name = "benchmark"
    start = time.time_ns()
    for number in range(spans):
        span = scope.spans.add(
            trace_id=chance.randbytes(16), span_id=chance.randbytes(8), parent_span_id=chance.randbytes(8),
            name=f"operation {number % 20}", start_time_unix_nano=start + number * SPAN_EVERY_NS,
            end_time_unix_nano=start + number * SPAN_EVERY_NS + 123_456,
        )  # fmt: skip
        for key in range(4):
            span.attributes.add(
                key=f"attribute.text.{key}"
            ).value.string_value = f"value {number % 1000} {key}"
        span.attributes.add(key="attribute.count").value.int_value = number
        span.attributes.add(key="attribute.flag").value.bool_value = number % 2 == 0
        span.attributes.add(key="attribute.ratio").value.double_value = number / 7
        span.attributes.add(key="tieout.object.order").value.string_value = str(number)
    return made.SerializeToString()


def send(url: str, spans: int, connections: int, seconds: float, rate: float) -> dict[str, float]:
    """Sends for so long on so many connections: one request after the other, or `rate` spans a second when it is not 0.

    At a rate requests come as from many senders who know nothing of each other, at random moments, and the time of one
    counts from its moment, also while it waits for a connection. Gives spans acknowledged, seconds, and times of single
    requests.
    """
    requests = Requests(spans)
    lengths: list[float] = []
    lock = threading.Lock()
    turns = moments(rate / spans if rate else 0.0, seconds)

    def one() -> int:
        acknowledged = 0
        headers = {"content-type": "application/x-protobuf"}
        with httpx.Client(trust_env=False, timeout=60) as client:
            while True:
                with lock:
                    turn, moment = next(turns, (0, None))
                if moment is None:
                    return acknowledged
                content = requests.number(turn)
                time.sleep(max(0.0, moment - time.perf_counter()))
                response = client.post(f"{url}/v1/traces", content=content, headers=headers)
                if response.status_code == 200:
                    acknowledged += spans
                    lengths.append(time.perf_counter() - moment)
                else:
                    time.sleep(0.05)

    begun = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        total = sum(pool.map(lambda _: one(), range(connections)))
    lengths.sort()
    return {
        "spans": total,
        "seconds": time.perf_counter() - begun,
        "p50_ms": lengths[len(lengths) // 2] * 1e3,
        "p99_ms": lengths[int(len(lengths) * 0.99)] * 1e3,
    }


def moments(rate: float, seconds: float) -> Iterator[tuple[int, float]]:
    """Numbers and moments of requests: so many a second at random, or without a rate each when it is asked for."""
    chance, begun = random.Random(1), time.perf_counter()
    moment = begun
    for turn in count(1):
        moment = moment + chance.expovariate(rate) if rate else time.perf_counter()
        if moment > begun + seconds:
            return
        yield turn, moment


class Requests:
    """Requests that are unlike each other: those after the first few are these with other traces at later times.

    A store of repeated traces at one time would be another than any that is there: each question would find many copies.
    """

    def __init__(self, spans: int) -> None:
        made = [body(spans, os.getpid() * 1000 + n) for n in range(max(4, min(64, 200_000 // spans)))]
        self._spans = spans
        self._bodies = [np.frombuffer(one, np.uint8) for one in made]
        self._places = [places(one) for one in made]

    def number(self, turn: int) -> bytes:
        """The request of this number."""
        which = turn % len(self._bodies)
        made, (ids, starts, ends) = self._bodies[which].copy(), self._places[which]
        made[ids] ^= np.frombuffer(turn.to_bytes(16, "big"), np.uint8)
        later = np.uint64(turn * self._spans * SPAN_EVERY_NS)
        for times in (starts, ends):
            made[times] = (made[times].view(np.uint64) + later).view(np.uint8)
        return made.tobytes()


def places(made: bytes) -> list[Any]:
    """Where the bytes of trace id, start and end stand, a row a span."""
    spans = list(SPAN.finditer(made))
    return [
        np.add.outer(np.array([span.start(name) for span in spans]), np.arange(size))
        for name, size in (("id", 16), ("start", 8), ("end", 8))
    ]


def measure_http(
    store: Store, spans: int, connections: int, seconds: float, rate: float = 0.0
) -> dict[str, float]:
    """The receiver in this process, the sender in another; `inserts` is how many it took to store all."""
    begun = time.perf_counter()
    app = receiver(store)
    ready = time.perf_counter() - begun
    with serving(app) as url, resident() as most:
        used = time.process_time()
        sent = run_sender(url, spans, connections, seconds, rate)
        used = time.process_time() - used
    return {
        **sent,
        "ready_s": ready,
        "cpu_s": used,
        "inserts": app.state.intake.counts["inserts"],
        "rss_mb": most[0],
    }


@contextmanager
def resident() -> Iterator[list[float]]:
    """The most memory that this process had meanwhile, in MB."""
    most, over = [0.0], threading.Event()

    def look() -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        while not over.wait(0.05):
            most[0] = max(most[0], int(Path("/proc/self/statm").read_text().split()[1]) * page / 1e6)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


@contextmanager
def asking(store: Store) -> Iterator[list[list[float]]]:
    """Somebody who asks the questions one after the other, with a pause as long as the answer took; gives the times."""
    times: list[list[float]] = [[] for _ in QUESTIONS]
    over = threading.Event()

    def ask() -> None:
        with store.another(read_only=True) as handle:
            while not over.is_set():
                trace = handle.value("SELECT TraceId FROM otel_traces LIMIT 1") or ""
                for question, its_times in zip(QUESTIONS, times, strict=True):
                    begun = time.perf_counter()
                    handle.rows(question, {"id": trace})
                    its_times.append(time.perf_counter() - begun)
                    over.wait(its_times[-1])

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield times
    finally:
        over.set()
        thread.join()


def measure_volume(store: Store, volume: int, connections: int) -> None:
    """Fills the store and prints a line for two slices: in the second one somebody asks, whose work is not counted."""
    print(
        "       stored  ready s  cpu us/span   spans/s   p99 ms  RSS MB  parts"
        "  asked: spans/s   p99 ms  RSS MB  trace p50, p99 ms  figures p50, p99 ms"
    )
    stored = 0
    while stored < volume:
        alone = measure_http(store, VOLUME_BATCH, connections, SLICE_S)
        with asking(store) as times:
            asked = measure_http(store, VOLUME_BATCH, connections, SLICE_S)
        stored += int(alone["spans"] + asked["spans"])
        parts = store.value("SELECT count() FROM system.parts WHERE active AND table = 'otel_traces'")
        waits = [(statistics.median(one) * 1e3, sorted(one)[int(len(one) * 0.99)] * 1e3) for one in times]
        print(
            f"{stored:13,d} {asked['ready_s']:8.1f} {alone['cpu_s'] / alone['spans'] * 1e6:12.1f} {alone['spans'] / alone['seconds']:9,.0f} "
            f"{alone['p99_ms']:8,.0f} {alone['rss_mb']:7,.0f} {parts:6d} "
            f"{asked['spans'] / asked['seconds']:15,.0f} {asked['p99_ms']:8,.0f} {asked['rss_mb']:7,.0f}"
            + "".join(f" {middle:9,.0f} {worst:8,.0f}" for middle, worst in waits),
            flush=True,
        )


def measure_engine(store: Store, spans: int, writers: int, seconds: float) -> dict[str, float]:
    """The same rows inserted in the engine's own format, `spans` at a time."""
    store.command("TRUNCATE TABLE otel_traces")
    intake = Intake(store, Limits())
    with intake.capacity.lease() as lease:
        intake.take(TRACES, body(spans, random.randrange(1 << 30)), "", "protobuf", lease)
    intake.close()
    rows = store.raw("SELECT * FROM otel_traces", fmt="Native")
    end, number = time.perf_counter() + seconds, count()

    def one(handle: Store) -> int:
        inserted = 0
        while time.perf_counter() < end:
            token = {"insert_deduplication_token": f"bare {spans} {next(number)}"}
            handle.insert_raw("otel_traces", rows, "Native", token)
            inserted += spans
        handle.close()
        return inserted

    begun, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(writers) as pool:
        total = sum(pool.map(one, [store.another() for _ in range(writers)]))
    return {
        "spans": total,
        "seconds": time.perf_counter() - begun,
        "cpu_s": time.process_time() - used,
    }


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """Serves `app` on a free port; gives its URL."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def measure_peer(
    store: Store, spans: int, connections: int, seconds: float, folder: Path
) -> dict[str, float]:
    """The same requests to the official Collector, until all they acknowledged is in the table."""
    store.command("TRUNCATE TABLE otel_traces")
    with serving(endpoint(store, "reader", "writer")) as url:
        places = {"CLICKHOUSE_ENDPOINT": url, "CLICKHOUSE_USER": "writer", "CLICKHOUSE_PASSWORD": "writer"}
        files = [ROOT / "collector" / "otelcol.yaml", INTEROP / "otelcol_to_endpoint.yaml"]
        peer = Otelcol(folder / f"peer-{spans}", builds.otelcol(), files, places)
        peer.start()
        try:
            return peer_figures(store, peer, spans, connections, seconds)
        finally:
            peer.end()


def peer_figures(
    store: Store, peer: Otelcol, spans: int, connections: int, seconds: float
) -> dict[str, float]:
    """Sends, and waits until the table has all that was acknowledged."""
    used, begun = time.process_time() + peer.cpu_s(), time.perf_counter()
    sent = run_sender(peer.traces_url.removesuffix("/v1/traces"), spans, connections, seconds, 0)
    while store.value("SELECT count() FROM otel_traces") < sent["spans"]:
        assert time.perf_counter() - begun < 300, peer.said()
        time.sleep(0.1)
    return {
        "spans": sent["spans"],
        "seconds": time.perf_counter() - begun,
        "cpu_s": time.process_time() + peer.cpu_s() - used,
    }


def run_sender(url: str, spans: int, connections: int, seconds: float, rate: float) -> dict[str, float]:
    """The sender in a process of its own, so that its work is not counted."""
    order = [sys.executable, __file__, "--send", url, "--spans", str(spans), "--rate", str(rate)]
    order += ["--connections", str(connections), "--seconds", str(seconds)]
    done = subprocess.run(order, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure(store: Store, spans: int, connections: int, seconds: float, peer_in: Path | None) -> str:
    """One line: requests of so many spans."""
    full = measure_http(store, spans, connections, seconds)
    group = round(full["spans"] / full["inserts"])
    engine = measure_engine(store, group, Limits().writers, seconds)
    rate = full["spans"] / full["seconds"]
    half = measure_http(store, spans, connections, seconds, rate / 2)
    cpu, engine_cpu = full["spans"] / full["cpu_s"], engine["spans"] / engine["cpu_s"]
    return (
        f"{spans:13,d} {group:12,d} {rate:9,.0f} {cpu:11,.0f} {full['p99_ms']:8.0f} {half['p50_ms']:9.0f} "
        f"{half['p99_ms']:9.0f} {engine['spans'] / engine['seconds']:11,.0f} {engine_cpu:12,.0f} {cpu / engine_cpu:6.2f} "
        f"{full['rss_mb']:7,.0f}"
        + peer_text(measure_peer(store, spans, connections, seconds, peer_in) if peer_in else None, cpu)
    )


def peer_text(peer: dict[str, float] | None, cpu: float) -> str:
    if peer is None:
        return ""
    peer_cpu = peer["spans"] / peer["cpu_s"]
    return f" {peer['spans'] / peer['seconds']:10,.0f} {peer_cpu:10,.0f} {cpu / peer_cpu:6.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--no-peer", action="store_true", help="without the official Collector")
    parser.add_argument("--volume", type=int, metavar="SPANS", help="the curve of cost against stored spans")
    parser.add_argument("--send", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--spans", type=int, default=512, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.send:
        print(json.dumps(send(given.send, given.spans, given.connections, given.seconds, given.rate)))
        return
    logging.disable(logging.WARNING)
    give_back_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        store = Store(f"chdb://{Path(folder) / 'data'}")
        migrate(store, datetime.now(UTC))
        if given.volume:
            measure_volume(store, given.volume, given.connections)
            store.close()
            return
        print(
            "spans/request spans/insert   spans/s spans/cpu s   p99 ms  half p50  half p99    engine/s engine/cpu s  ratio  RSS MB"
            + ("" if given.no_peer else "     peer/s peer/cpu s  ratio")
        )
        peer_in = None if given.no_peer else Path(folder)
        for spans in BATCHES:
            print(measure(store, spans, given.connections, given.seconds, peer_in), flush=True)
        store.close()


if __name__ == "__main__":
    main()
