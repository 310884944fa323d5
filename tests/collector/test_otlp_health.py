"""What the receiver says of itself: alive, ready, its figures, its own spans."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otlp_bodies import body, post, request, span
from otlp_grpc import Receiver, export, refused
from otlp_serving import running
from prometheus_client.parser import text_string_to_metric_families

from collector import reception as reception_module
from collector.app import http_app, receiver
from collector.intake import Limits
from collector.readiness import Readiness, Reason
from collector.reception import SCOPE, Reception
from core.clock import ManualClock
from store.client import Store
from store.endpoint import endpoint

Serve = Callable[..., httpx.Client]
Receive = Callable[..., Receiver]
Figures = dict[tuple[str, ...], float]


def figures(client: httpx.Client) -> Figures:
    """Samples by name and values of labels, in the order of the labels' names."""
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def not_ready(client: httpx.Client) -> list[str]:
    response = client.get("/readyz")
    said = response.json()
    assert (response.status_code == 200) == said["ready"] == (not said["reasons"])
    assert all(reason["message"] for reason in said["reasons"])
    return [reason["code"] for reason in said["reasons"]]


def test_it_is_alive_and_ready(store: Store, serve: Serve) -> None:
    client = serve(receiver(store))
    assert (client.get("/healthz").status_code, client.get("/healthz").json()) == (200, {"alive": True})
    assert not_ready(client) == []
    assert client.post("/healthz").status_code == 405


def test_a_full_queue_is_not_ready(store: Store, serve: Serve) -> None:
    app = receiver(store, limits=Limits(requests=1))
    client = serve(app)
    with app.state.reception.intake.capacity.lease():
        assert not_ready(client) == ["queue_full"]
    assert not_ready(client) == []


def test_too_little_disk_is_not_ready(store: Store, serve: Serve) -> None:
    desk = Reception(store)
    client = serve(http_app(desk, Readiness(desk, store, free_floor_bytes=1 << 62)))
    assert not_ready(client) == ["disk"]
    assert client.get("/healthz").status_code == 200
    desk.close()


def test_a_store_that_does_not_answer_is_not_ready(store: Store, serve: Serve) -> None:
    """A store in another process, which ends."""
    tokens = {"reader_token": "r" * 32, "writer_token": "w" * 32}
    with running(endpoint(store, **tokens)) as url, Store(url, token=tokens["writer_token"]) as remote:
        desk = Reception(remote)
        readiness = Readiness(desk, remote)
        client = serve(http_app(desk, readiness))
        assert not_ready(client) == []
    assert not_ready(client) == ["store"]
    readiness.close()
    desk.close()


def test_a_draining_receiver_and_what_other_parts_know_are_reasons(store: Store, serve: Serve) -> None:
    desk = Reception(store)
    client = serve(
        http_app(desk, Readiness(desk, store, more=[lambda: Reason("in_doubt", "3 requests are in doubt")]))
    )
    assert not_ready(client) == ["in_doubt"]
    desk.drain(0)
    assert not_ready(client) == ["draining", "in_doubt"]
    desk.close()


def test_figures_say_what_became_of_requests(
    store: Store, serve: Serve, receive: Receive, clock: ManualClock
) -> None:
    desk = Reception(store, clock=clock)
    client, channel = serve(http_app(desk, Readiness(desk, store))), receive(desk).channel
    sent = body(2)
    post(client, sent)
    post(client, request(span({"list": [1, "a"]}), span(trace_id=b"abc")).SerializeToString())
    post(client, b"[]", "application/json")
    post(client, b"x", "text/plain")
    client.post("/v1/nothing", content=b"", headers={"content-type": "application/json"})
    export(channel, body(3))
    refused(channel, b"\xff")
    found = figures(client)
    of = "tieout_otlp_requests_total"
    assert {key: value for key, value in found.items() if key[0] == of} == {
        (of, "OK", "traces", "http/protobuf"): 2,
        (of, "INVALID_ARGUMENT", "traces", "http/json"): 1,
        (of, "INVALID_ARGUMENT", "traces", "http/other"): 1,
        (of, "NOT_FOUND", "none", "http/json"): 1,
        (of, "OK", "traces", "grpc"): 1,
        (of, "INVALID_ARGUMENT", "traces", "grpc"): 1,
    }
    assert found["tieout_otlp_items_accepted_total", "traces", "http/protobuf"] == 3
    assert found["tieout_otlp_items_rejected_total", "traces", "http/protobuf"] == 1
    assert found["tieout_otlp_items_accepted_total", "traces", "grpc"] == 3
    assert found["tieout_otlp_received_bytes_total", "traces", "http/protobuf"] > len(sent)
    assert found["tieout_otlp_received_bytes_total", "traces", "grpc"] > 1
    assert found["tieout_otlp_dead_letters_total",] == 3
    assert found["tieout_otlp_repairs_total",] == 1
    assert found["tieout_otlp_insert_seconds_count", "traces"] == 5
    assert found["tieout_otlp_last_success_timestamp_seconds", "traces"] == clock.now().timestamp()
    assert (found["tieout_otlp_in_flight",], found["tieout_otlp_in_flight_bytes",]) == (0, 0)
    assert found["tieout_otlp_queue_depth",] == 0
    assert found["process_resident_memory_bytes",] > 1e7
    assert found["process_open_fds",] > 3
    assert found["process_threads",] >= 2


def test_values_of_labels_never_come_from_senders(store: Store, serve: Serve) -> None:
    client = serve(receiver(store))
    for number in range(20):
        client.post(f"/v1/MRN-{number}", content=b"x", headers={"content-type": f"MRN/{number}"})
        client.request(f"MRN{number}", "/v1/traces")
    found = figures(client)
    assert not [key for key in found if "MRN" in "".join(key)]
    assert len([key for key in found if key[0] == "tieout_otlp_requests_total"]) == 2


def test_each_receiver_has_figures_of_its_own(store: Store, serve: Serve) -> None:
    first, second = serve(receiver(store)), serve(receiver(store))
    post(first, body(1))
    assert ("tieout_otlp_requests_total", "OK", "traces", "http/protobuf") in figures(first)
    assert not [key for key in figures(second) if key[0] == "tieout_otlp_requests_total"]


# --- the receiver's own spans


@pytest.fixture
def own_spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What the receiver traces when an SDK is set up, without setting one up for all other tests."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(reception_module, "tracer", provider.get_tracer(SCOPE))
    yield kept
    provider.shutdown()


def test_the_receiver_traces_itself_without_what_was_sent(
    store: Store, serve: Serve, own_spans: InMemorySpanExporter
) -> None:
    client = serve(receiver(store))
    post(client, request(span({"patient": "MRN-4711"})).SerializeToString())
    post(client, b'{"MRN-4711": ', "application/json")
    taken, undecodable = own_spans.get_finished_spans()
    assert taken.instrumentation_scope is not None
    assert taken.instrumentation_scope.name == "tieout.collector"
    assert dict(taken.attributes or {})["tieout.stored"] == 1
    assert (taken.name, undecodable.name) == ("otlp.store", "otlp.store")
    assert "MRN" not in taken.to_json() + undecodable.to_json()
    assert undecodable.events == ()


def test_without_an_sdk_nothing_is_traced() -> None:
    with reception_module.tracer.start_as_current_span("x") as mine:
        assert not mine.is_recording()
