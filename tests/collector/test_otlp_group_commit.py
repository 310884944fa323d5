"""Requests that wait together are stored together, and each is still its own: answered, refused and known alone."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from otlp_bodies import START_NS, body, request, span

from collector import commits
from collector.commits import Handles, Receipt
from collector.intake import Intake, Limits
from collector.protobuf import bytes_field
from collector.refusals import BusyError, RefusedError, UndecodableError
from collector.signals import TRACES
from core.clock import Clock, ManualClock
from store.client import Store

DAY_NS = 86_400 * 1_000_000_000
# A span whose attributes are a number: upb keeps it as unknown, the engine refuses it.
WRONG_WIRE_TYPE = ExportTraceServiceRequest.FromString(
    bytes_field(1, bytes_field(2, bytes_field(2, b"\x48\x01")))
).SerializeToString()


@contextmanager
def taking(store: Store, limits: Limits | None = None, clock: Clock | None = None) -> Iterator[Intake]:
    intake = Intake(store, limits or Limits(), clock)
    yield intake
    intake.close()


def send(intake: Intake, content: bytes) -> Receipt:
    with intake.capacity.lease() as lease:
        return intake.take(TRACES, content, "", "protobuf", lease)


def send_together(intake: Intake, contents: list[bytes]) -> list[Receipt | RefusedError]:
    """All at once: the first is on its way while the others gather."""
    barrier = threading.Barrier(len(contents))

    def one(content: bytes) -> Receipt | RefusedError:
        barrier.wait()
        try:
            return send(intake, content)
        except RefusedError as refused:
            return refused

    with ThreadPoolExecutor(len(contents)) as pool:
        return list(pool.map(one, contents))


def rows_by_request(store: Store) -> list[tuple[int, int]]:
    """Rows said and rows there of each request."""
    found = store.rows(
        "SELECT any(request_items) AS said, count() AS there FROM otel_traces GROUP BY request_id ORDER BY said, there"
    )
    return [(row["said"], row["there"]) for row in found]


def test_many_requests_need_few_inserts_and_each_keeps_its_own_rows(store: Store) -> None:
    with taking(store, Limits(writers=1)) as intake:
        assert send_together(intake, [body(n) for n in range(1, 31)]) == [
            Receipt(stored=n) for n in range(1, 31)
        ]
        assert 1 <= intake.counts["inserts"] < 15
    assert rows_by_request(store) == [(n, n) for n in range(1, 31)]


def test_a_second_insert_runs_beside_the_first_only_when_half_a_group_waits(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once would halve the groups of both."""
    monkeypatch.setattr(commits, "GROUP_ITEMS", 12)
    begun, go_on = threading.Semaphore(0), threading.Event()

    class Held(Handles):
        @contextmanager
        def one(self) -> Iterator[Store]:
            begun.release()
            assert go_on.wait(10)
            with super().one() as handle:
                yield handle

    with taking(store, Limits(writers=2)) as intake, ThreadPoolExecutor(6) as pool:
        way = intake._commits["traces"]
        way._inserts = Held(store, intake._settings(TRACES, store))
        answers = [pool.submit(send, intake, body(1))]
        assert begun.acquire(timeout=10)
        for number in (1, 2):
            answers.append(pool.submit(send, intake, body(2)))
            while len(way._queue) < number:
                time.sleep(0.001)
        assert not begun.acquire(timeout=0.05), "four spans can wait for the first insert"
        answers.append(pool.submit(send, intake, body(2)))
        assert begun.acquire(timeout=10), "six are half a group"
        go_on.set()
        assert [answer.result(10).stored for answer in answers] == [1, 2, 2, 2]
        assert intake.counts["inserts"] == 2
    assert rows_by_request(store) == [(1, 1), (2, 2), (2, 2), (2, 2)]


def test_a_request_with_several_resources_is_one_request(store: Store) -> None:
    together = ExportTraceServiceRequest()
    for service in ("orders", "billing", "ledger"):
        together.MergeFrom(request(span(), span(), service=service))
    together.resource_spans.add()
    with taking(store) as intake:
        send_together(intake, [together.SerializeToString(), body(1)])
    assert rows_by_request(store) == [(1, 1), (6, 6)]


def test_one_that_the_engine_cannot_take_is_refused_alone(store: Store) -> None:
    with taking(store, Limits(writers=1)) as intake:
        bodies = [body(2) for _ in range(12)]
        bodies[7] = WRONG_WIRE_TYPE
        results = send_together(intake, bodies)
        assert isinstance(results.pop(7), UndecodableError)
        assert results == [Receipt(stored=2)] * 11
        assert send(intake, body(1)) == Receipt(stored=1), "and the next is taken"
    assert rows_by_request(store) == [(1, 1), *[(2, 2)] * 11]
    assert store.value("SELECT count() FROM dead_letters") == 1


def test_a_value_of_a_wrong_type_that_only_the_engine_sees_is_the_senders_fault(store: Store) -> None:
    """Such as a map of attributes that is a number."""
    content = request(span({"k": AnyValue.FromString(b"\x30\x01")})).SerializeToString()
    with taking(store) as intake:
        with pytest.raises(UndecodableError):
            send(intake, content)
        assert send(intake, body(1)) == Receipt(stored=1)
    assert store.value("SELECT count() FROM dead_letters WHERE reason = 'undecodable'") == 1


def test_one_that_needs_repair_is_repaired_alone(store: Store) -> None:
    with taking(store, Limits(writers=1)) as intake:
        poor = request(span(trace_id=b"short"), span({"map": {"a": 1}})).SerializeToString()
        hopeless = request(span(trace_id=b"short")).SerializeToString()
        results = send_together(intake, [body(2), poor, body(3), hopeless])
        rejected = [result.rejected for result in results if isinstance(result, Receipt)]
        assert rejected == [0, 1, 0, 1]
        again = send(intake, poor)
        assert isinstance(results[1], Receipt)
        assert (again.rejected, again.message, again.stored) == (1, results[1].message, 0)
    assert rows_by_request(store) == [(1, 1), (2, 2), (3, 3)]


def test_more_than_one_insert_may_hold_is_stored_in_parts(store: Store) -> None:
    """A group that needs too much memory is halved until it fits."""
    large = [request(span({"k": "v" * 2_000_000})).SerializeToString() for _ in range(8)]
    with taking(store, Limits(writers=1)) as intake:
        assert send(intake, large[0]) == Receipt(stored=1)
    with taking(store, Limits(writers=1, insert_memory_bytes=48 << 20)) as intake:
        assert send_together(intake, large[1:]) == [Receipt(stored=1)] * 7
    assert rows_by_request(store) == [(1, 1)] * 8


def test_after_a_restart_what_is_stored_is_known_however_it_was_grouped(store: Store) -> None:
    bodies = [body(3) for _ in range(6)]
    with taking(store, Limits(writers=1)) as intake:
        send_together(intake, bodies)
    with taking(store) as intake:
        assert [send(intake, content) for content in reversed(bodies)] == [Receipt()] * 6
        assert intake.counts["inserts"] == 0
    assert rows_by_request(store) == [(3, 3)] * 6


def test_what_was_stored_in_part_is_stored_whole_when_it_comes_again(store: Store) -> None:
    """As after a power cut between the parts of one insert, which are a part a day."""
    days = [span(start_time_unix_nano=START_NS + n * DAY_NS) for n in range(4)]
    content, other = request(*days).SerializeToString(), body(2)
    with taking(store) as intake:
        send_together(intake, [content, other])
    lost = {"id": days[2].span_id.hex()}
    store.command("DELETE FROM otel_traces WHERE SpanId = {id:String}", lost)
    assert rows_by_request(store) == [(2, 2), (4, 3)]
    with taking(store) as intake:
        send_together(intake, [content, other, body(1)])
        assert send(intake, content) == Receipt()
    assert rows_by_request(store) == [(1, 1), (2, 2), (4, 4)]
    assert store.value("SELECT uniqExact(SpanId) FROM otel_traces") == 7


def test_after_a_failed_insert_the_same_request_is_stored_once(store: Store) -> None:
    """Whatever the failed one left behind."""
    content = request(*(span({"k": "v" * 100_000}) for _ in range(50))).SerializeToString()
    with taking(store, Limits(insert_memory_bytes=1 << 20)) as intake:
        for _ in range(2):
            with pytest.raises(BusyError):
                send(intake, content)
        # What a first part of a failed insert would leave.
        store.command(
            "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, request_id, request_items) "
            "SELECT now(), 'left', 'behind', arrayJoin({ids:Array(String)}), 50",
            {"ids": sorted(intake._commits["traces"]._in_doubt)},
        )
        commits = intake._commits["traces"]
        commits._inserts = Handles(store, intake._settings(TRACES, store) | {"max_memory_usage": 1 << 30})
        assert send(intake, content) == Receipt(stored=50)
    assert rows_by_request(store) == [(50, 50)]


def test_a_sender_cannot_write_the_marks_of_requests(store: Store) -> None:
    """Wherever in the request they stand."""
    marks = b"".join(bytes_field(number, bytes_field(1, b"not mine")) for number in (4, 5, 6, 2000, 2001))
    content = request(span(), span())
    [group] = content.resource_spans
    [scope] = group.scope_spans
    group.resource.MergeFromString(marks)
    scope.MergeFromString(marks)
    group.MergeFromString(marks)
    with taking(store) as intake:
        assert send(intake, content.SerializeToString() + marks) == Receipt(stored=2)
    assert rows_by_request(store) == [(2, 2)]
    assert store.value("SELECT countIf(request_id = 'not mine') FROM otel_traces") == 0


def test_order_and_grouping_change_nothing_in_the_rows(store: Store) -> None:
    spans = [span({"n": n}) for n in range(24)]
    bodies = [request(*spans[n : n + 3]).SerializeToString() for n in range(0, 24, 3)]
    seen = []
    for order, writers in ((bodies, 1), (bodies[::-1], 2)):
        store.command("TRUNCATE TABLE otel_traces")
        with taking(store, Limits(writers=writers)) as intake:
            send_together(intake, [*order, *order])
        seen.append(store.rows("SELECT * EXCEPT known_at FROM otel_traces ORDER BY SpanId"))
    assert seen[0] == seen[1]
    assert len(seen[0]) == 24


def test_round_after_round_everybody_is_answered(store: Store) -> None:
    """After many came together, a group waits for as many: of two that wait, one takes what the other waits for."""
    with taking(store, Limits(writers=2)) as intake:
        for _ in range(4):
            same = body(1)
            results = send_together(intake, [same] * 6 + [body(1) for _ in range(6)])
            assert all(isinstance(result, Receipt) for result in results)
            # Those that waited for the same insert share its receipt.
            assert [result.stored for result in results[6:] if isinstance(result, Receipt)] == [1] * 6
            assert send_together(intake, [body(1), body(1)]) == [Receipt(stored=1)] * 2
    assert rows_by_request(store) == [(1, 1)] * 36


@pytest.mark.parametrize("days", [-1, 1, 400, 4300])
def test_after_a_restart_what_is_stored_is_known_whatever_the_clock_says(store: Store, days: int) -> None:
    """As after an end of days, or on a machine that comes up with a wrong clock."""
    content = body(3)
    with taking(store) as intake:
        send(intake, content)
    clock = ManualClock(datetime.now(UTC) + timedelta(days=days))
    with taking(store, clock=clock) as intake:
        assert send(intake, content) == Receipt()
    assert rows_by_request(store) == [(3, 3)]


def test_rows_from_before_and_after_jumps_of_the_clock_are_known(store: Store) -> None:
    bodies = [body(2) for _ in range(4)]
    now = datetime.now(UTC)
    for content, days in zip(bodies, (0, 1, -1, 4300), strict=True):
        with taking(store) as intake:
            send(intake, content)
        moved = {"at": now + timedelta(days=days), "id": hashlib.sha256(content).hexdigest()[:32]}
        store.command(
            "ALTER TABLE otel_traces UPDATE known_at = {at:DateTime64(6, 'UTC')} WHERE request_id = {id:String}",
            moved,
            {"mutations_sync": 1},
        )
    for days in (0, 4300):
        with taking(store, clock=ManualClock(now + timedelta(days=days, minutes=1))) as intake:
            assert [send(intake, content) for content in bodies] == [Receipt()] * 4
    assert rows_by_request(store) == [(2, 2)] * 4


@pytest.mark.parametrize("at_once", [1, 250_000])
def test_what_a_process_that_died_did_not_derive_from_its_rows_is_derived_at_the_next_start(
    store: Store, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(commits, "ROWS_COMPLETED_AT_ONCE", at_once)
    early = span()
    late = span(trace_id=early.trace_id, start_time_unix_nano=START_NS + DAY_NS)
    whole = request(span(), span())
    with taking(store) as intake:
        send(intake, request(early).SerializeToString())
        send(intake, whole.SerializeToString())
        times = "SELECT TraceId, min(Start) AS first, max(End) AS last FROM otel_traces_trace_id_ts GROUP BY 1 ORDER BY 1"
        send(intake, request(late).SerializeToString())
        wanted = store.rows(times)
    gone = {"id": whole.resource_spans[0].scope_spans[0].spans[0].trace_id.hex()}
    store.command(
        "DELETE FROM otel_traces_trace_id_ts WHERE TraceId = {id:String} OR Start > {at:DateTime}",
        {**gone, "at": START_NS // 10**9 + 60},
    )
    assert store.rows(times) != wanted
    for _ in range(2):
        with taking(store):
            assert store.rows(times) == wanted
            assert store.value("SELECT count() FROM otel_traces_trace_id_ts") <= 5
