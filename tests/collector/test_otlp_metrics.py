"""Metrics over HTTP. Numbers are those of the checklist, which says the same for all signals."""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import otlp_random as rnd
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar, Metric, ScopeMetrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from otlp_bodies import START_NS, any_value, pairs, request, span, status_of
from otlp_metric_rows import TABLES, Rows, expected, rows
from otlp_send import JSON, PROTOBUF, field, outcome, send, varint
from starlette.applications import Starlette

from collector.app import receiver
from collector.repair.common import REPEATED_KEY
from collector.repair.metrics import DEPRECATED, NO_DATA, START_TIME, TIME
from collector.signals import METRICS
from store.client import Store

KINDS = list(TABLES)
NOTHING: Rows = {kind: [] for kind in KINDS}
AFTER_2106 = (1 << 32) * 10**9
EXAMPLE = Path(__file__).parents[1] / "data" / "otlp_metrics.json"


def metric(kind: str, *points: Mapping[str, Any], name: str = "") -> Metric:
    """A metric of the kind; each point is valid, with the fields given, `attributes` as a dict."""
    made = Metric(name=name or f"orders.{kind}", unit="1", description=f"a {kind}")
    getattr(made, kind).SetInParent()
    for fields in points:
        point = getattr(made, kind).data_points.add(
            time_unix_nano=START_NS + 60 * 10**9, start_time_unix_nano=START_NS
        )
        for field_name, value in fields.items():
            if field_name == "attributes":
                point.attributes.extend(pairs(value))
            elif isinstance(value, list):
                getattr(point, field_name).extend(value)
            else:
                setattr(point, field_name, value)
    return made


def metrics(
    *made: Metric, resource: Mapping[str, Any] | None = None, scope: Mapping[str, Any] | None = None
) -> ExportMetricsServiceRequest:
    """One resource, one scope, these metrics. No two requests are equal."""
    sent = ExportMetricsServiceRequest()
    group = sent.resource_metrics.add(schema_url="https://example.test/1")
    group.resource.attributes.extend(
        pairs({"service.name": "orders", "run": os.urandom(8), **(resource or {})})
    )
    inner = group.scope_metrics.add(schema_url="https://example.test/2")
    inner.scope.name, inner.scope.version, inner.scope.dropped_attributes_count = "orders.api", "1.2.3", 4
    inner.scope.attributes.extend(pairs(scope or {}))
    inner.metrics.extend(made)
    return sent


def stored(otlp: httpx.Client, store: Store, sent: ExportMetricsServiceRequest) -> Rows:
    """Sends what must be taken without a word, and gives the rows."""
    assert send(otlp, METRICS, sent).content == b""
    return rows(store)


doubles = st.floats() | st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan])
counts = st.integers(0, 2**64 - 1)
small = st.integers(-(2**31), 2**31 - 1)


def put_number(draw: st.DrawFn, place: Any) -> None:
    which = draw(st.sampled_from(["as_int", "as_double", ""]))
    if which:
        setattr(place, which, draw(st.integers(-(2**63), 2**63 - 1) if which == "as_int" else doubles))


@st.composite
def exemplars(draw: st.DrawFn) -> Exemplar:
    made = Exemplar(
        time_unix_nano=draw(rnd.times), trace_id=draw(rnd.trace_ids), span_id=draw(rnd.span_ids),
        filtered_attributes=pairs(draw(rnd.attributes)),
    )  # fmt: skip
    put_number(draw, made)
    return made


def fill(draw: st.DrawFn, point: Any, kind: str) -> None:
    """Every field of a data point; now and then its time is none that can be kept."""
    point.time_unix_nano = draw(rnd.times)
    if draw(st.integers(0, 9)) == 0:
        point.time_unix_nano = draw(st.sampled_from([0, AFTER_2106, 2**64 - 1]))
    point.start_time_unix_nano = draw(rnd.times | st.just(0))
    point.attributes.extend(pairs(draw(rnd.attributes)))
    point.flags = draw(st.integers(0, 2**32 - 1))
    if kind != "summary":
        point.exemplars.extend(draw(st.lists(exemplars(), max_size=2)))
    if kind in ("gauge", "sum"):
        put_number(draw, point)
        return
    point.count, point.sum = draw(counts), draw(doubles)
    if kind == "summary":
        for _ in range(draw(st.integers(0, 3))):
            point.quantile_values.add(quantile=draw(doubles), value=draw(doubles))
        return
    if draw(st.booleans()):
        point.min, point.max = draw(doubles), draw(doubles)
    if kind == "histogram":
        point.bucket_counts.extend(draw(st.lists(counts, max_size=4)))
        point.explicit_bounds.extend(draw(st.lists(doubles, max_size=3)))
        return
    point.scale, point.zero_count, point.zero_threshold = draw(small), draw(counts), draw(doubles)
    for buckets in (point.positive, point.negative):
        if draw(st.booleans()):
            buckets.offset = draw(small)
            buckets.bucket_counts.extend(draw(st.lists(counts, max_size=3)))


@st.composite
def some_metric(draw: st.DrawFn) -> Metric:
    kind = draw(st.sampled_from(KINDS))
    made = Metric(name=draw(rnd.texts), description=draw(rnd.texts), unit=draw(rnd.texts))
    data = getattr(made, kind)
    data.SetInParent()
    if kind not in ("gauge", "summary"):
        data.aggregation_temporality = draw(st.integers(0, 3))
    if kind == "sum":
        data.is_monotonic = draw(st.booleans())
    for _ in range(draw(st.integers(0, 3))):
        fill(draw, data.data_points.add(), kind)
    return made


@st.composite
def requests(draw: st.DrawFn) -> ExportMetricsServiceRequest:
    made = ExportMetricsServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        group = made.resource_metrics.add(schema_url=draw(rnd.texts))
        group.resource.attributes.extend(pairs({**draw(rnd.attributes), "service.name": draw(rnd.texts)}))
        for _ in range(draw(st.integers(0, 2))):
            scope = group.scope_metrics.add(schema_url=draw(rnd.texts))
            scope.scope.name, scope.scope.version = draw(rnd.texts), draw(rnd.texts)
            scope.scope.attributes.extend(pairs(draw(rnd.attributes)))
            scope.scope.dropped_attributes_count = draw(st.integers(0, 9))
            scope.metrics.extend(draw(st.lists(some_metric(), max_size=4)))
    return made


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(sent=requests())
def test_case_119_protobuf_json_and_python_agree(
    otlp: httpx.Client, store: Store, sent: ExportMetricsServiceRequest
) -> None:
    sent = rnd.unlike_any_other(sent, "resource_metrics")
    kept = expected(sent)
    for content, media_type in [(sent.SerializeToString(), PROTOBUF), (rnd.as_json(sent), JSON)]:
        for table in TABLES.values():
            store.command("TRUNCATE TABLE {table:Identifier}", {"table": table})
        rejected, _ = outcome(METRICS, send(otlp, METRICS, content, media_type))
        assert rejected == METRICS.size(sent) - sum(map(len, kept.values()))
        assert rows(store) == kept


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(sent=requests(), at=st.floats(0, 1), put=st.binary(min_size=0, max_size=4), drop=st.integers(0, 4))
def test_damaged_requests_are_answered_and_never_to_be_sent_again(
    otlp: httpx.Client, store: Store, sent: ExportMetricsServiceRequest, at: float, put: bytes, drop: int
) -> None:
    whole = sent.SerializeToString()
    place = int(at * len(whole))
    assert send(otlp, METRICS, whole[:place] + put + whole[place + drop :]).status_code in (200, 400)


EXEMPLAR = Exemplar(
    time_unix_nano=START_NS + 1, as_int=7, trace_id=b"t" * 16, span_id=b"s" * 8,
    filtered_attributes=pairs({"s": "x", "n": 1.5, "y": b"\xff"}),
)  # fmt: skip
SHARED = {"attributes": {"s": "x", "n": 1}, "flags": 1}
MEASURED = {**SHARED, "exemplars": [EXEMPLAR, Exemplar(as_double=0.25)], "count": 6, "sum": 4.5}
FULL = {
    "gauge": {**SHARED, "as_double": -0.0, "exemplars": [EXEMPLAR]},
    "sum": {**SHARED, "as_int": -(2**53), "exemplars": [EXEMPLAR, EXEMPLAR]},
    "histogram": {
        **MEASURED, "min": 0.5, "max": 2.0, "bucket_counts": [1, 2, 3], "explicit_bounds": [1.0, math.inf],
    },
    "exponential_histogram": {
        **MEASURED, "min": -0.5, "max": 2.0, "scale": -3, "zero_count": 2, "zero_threshold": 1e-9,
    },
    "summary": {**SHARED, "count": 6, "sum": 4.5},
}  # fmt: skip


def one_of_each() -> ExportMetricsServiceRequest:
    made = {kind: metric(kind, fields, {}) for kind, fields in FULL.items()}
    made["sum"].sum.aggregation_temporality, made["sum"].sum.is_monotonic = 2, True  # type: ignore[assignment]
    made["histogram"].histogram.aggregation_temporality = 1  # type: ignore[assignment]
    exponential = made["exponential_histogram"].exponential_histogram
    exponential.aggregation_temporality = 2  # type: ignore[assignment]
    exponential.data_points[0].positive.offset = -5
    exponential.data_points[0].positive.bucket_counts.extend([1, 0, 2**63])
    exponential.data_points[0].negative.bucket_counts.append(1)
    made["summary"].summary.data_points[0].quantile_values.add(quantile=0.5, value=1.5)
    made["summary"].summary.data_points[0].quantile_values.add(quantile=1.0, value=math.nan)
    return metrics(*made.values(), resource={"process.command_args": ["run", "--now"]}, scope={"n": 1})


def test_every_field_of_every_kind_arrives_without_repair(
    serve: Callable[[Starlette], httpx.Client], store: Store
) -> None:
    app, sent = receiver(store), one_of_each()
    found = stored(serve(app), store, sent)
    assert found == expected(sent)
    assert {kind: len(some) for kind, some in found.items()} == dict.fromkeys(KINDS, 2)
    assert app.state.intake.counts["repaired"] == 0
    total = store.one("SELECT * FROM otel_metrics_sum WHERE Value != 0")
    assert (total["Value"], total["AggregationTemporality"], total["IsMonotonic"]) == (-(2.0**53), 2, True)
    assert total["Exemplars.TraceId"] == ["74" * 16] * 2
    assert total["Exemplars.SpanId"] == ["73" * 8] * 2
    assert total["Exemplars.FilteredAttributes"] == [{"s": "x", "n": "1.5", "y": "/w=="}] * 2


def test_a_request_larger_than_a_block_of_the_engine_is_stored_whole_or_not_at_all(
    otlp: httpx.Client, store: Store
) -> None:
    """The last point is refused when points before it are already on their way to another table."""
    many = [{"as_int": 1}] * 70_000
    sent = metrics(metric("sum", *many), metric("gauge", {"as_int": 1}, {"time_unix_nano": 0}))
    assert outcome(METRICS, send(otlp, METRICS, sent))[0] == 1
    assert store.value("SELECT count() FROM otel_metrics_sum") == 70_000
    assert store.value("SELECT count() FROM otel_metrics_gauge") == 1


def test_the_request_a_point_came_in_is_known_in_all_tables(otlp: httpx.Client, store: Store) -> None:
    sent = one_of_each()
    sent.resource_metrics.add().scope_metrics.add().metrics.append(metric("gauge", {"as_int": 1}))
    assert stored(otlp, store, sent)
    union = " UNION ALL ".join(f"SELECT request_id, request_items FROM {table}" for table in TABLES.values())
    found = store.one(
        f"SELECT uniqExact(request_id) AS ids, any(request_items) AS items, count() AS n FROM ({union})"
    )
    assert found == {"ids": 1, "items": 11, "n": 11}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
def test_case_59_to_65_points_that_cannot_be_kept_are_counted_and_the_rest_stored_in_all_tables(
    otlp: httpx.Client, store: Store, kind: str, media_type: str
) -> None:
    """Also when the tables before would have been written: a request is stored whole or not at all."""
    sent = one_of_each()
    kept = expected(sent)
    sent.resource_metrics[0].scope_metrics[0].metrics.append(
        metric(
            kind, {"time_unix_nano": 0}, {"time_unix_nano": AFTER_2106}, {"start_time_unix_nano": AFTER_2106}
        )
    )
    content = sent.SerializeToString() if media_type == PROTOBUF else rnd.as_json(sent)
    answer = outcome(METRICS, send(otlp, METRICS, content, media_type))
    assert answer == (3, f"3 data points were not stored: {TIME} (2); {START_TIME} (1)")
    assert rows(store) == kept
    letters = store.rows("SELECT signal, reason, items FROM dead_letters ORDER BY items")
    assert letters == [
        {"signal": "metrics", "reason": START_TIME, "items": 1},
        {"signal": "metrics", "reason": TIME, "items": 2},
    ]
    assert store.value(f"SELECT DISTINCT request_items FROM {TABLES[kind]}") == 10


def test_case_62_all_points_set_aside_is_still_an_answer(otlp: httpx.Client, store: Store) -> None:
    sent = metrics(*(metric(kind, {"time_unix_nano": 0}) for kind in KINDS))
    assert outcome(METRICS, send(otlp, METRICS, sent))[0] == 5
    assert rows(store) == NOTHING


@pytest.mark.parametrize("kind", KINDS)
def test_case_54_attribute_values_of_every_kind_are_kept_in_full(
    otlp: httpx.Client, store: Store, kind: str
) -> None:
    values = {
        "map": {"b": 1, "a": [True, None]},
        "strings": ["a", "b"],
        "none": None,
        "bytes": b"\xff",
        "nan": math.nan,
    }
    texts = {
        "map": '{"a":[true,null],"b":1}',
        "strings": '["a","b"]',
        "none": "",
        "bytes": "/w==",
        "nan": "NaN",
    }
    point: dict[str, Any] = {"attributes": values}
    if kind != "summary":
        point["exemplars"] = [Exemplar(filtered_attributes=pairs(values))]
    found = stored(otlp, store, metrics(metric(kind, point), resource=values, scope=values))
    (row,) = found[kind]
    assert row["Attributes"] == texts
    assert row["ScopeAttributes"] == texts
    assert texts.items() <= row["ResourceAttributes"].items()
    if kind != "summary":
        assert row["exemplar_attributes"] == [texts]


def test_case_56_of_repeated_attribute_keys_the_last_counts(otlp: httpx.Client, store: Store) -> None:
    twice = [KeyValue(key="k", value=any_value(n)) for n in (1, 2)]
    made = metric("gauge", {"exemplars": [Exemplar(filtered_attributes=twice)]})
    made.gauge.data_points[0].attributes.extend(twice)
    assert outcome(METRICS, send(otlp, METRICS, metrics(made))) == (0, f"{REPEATED_KEY} (2)")
    (row,) = rows(store)["gauge"]
    assert (row["Attributes"], row["exemplar_attributes"]) == ({"k": "2"}, [{"k": "2"}])


def test_case_58_metrics_in_the_deprecated_field_are_kept(otlp: httpx.Client, store: Store) -> None:
    old = ScopeMetrics(metrics=[metric("gauge", {"as_int": 1})])
    old.scope.name = "old"
    content = field(1, field(1000, old.SerializeToString()))
    assert DEPRECATED in outcome(METRICS, send(otlp, METRICS, content))[1]
    assert [row["ScopeName"] for row in rows(store)["gauge"]] == ["old"]
    assert send(otlp, METRICS, field(1, field(1000, b"\xff"))).status_code == 400


def test_a_metric_without_data_is_told_of_and_costs_the_others_nothing(
    otlp: httpx.Client, store: Store
) -> None:
    """Such as a kind of the future: its points are an unknown field, and must not vanish in silence."""
    sent = one_of_each()
    kept = expected(sent)
    future = Metric.FromString(field(1, b"later") + field(13, field(1, b"")))
    sent.resource_metrics[0].scope_metrics[0].metrics.insert(1, future)
    assert outcome(METRICS, send(otlp, METRICS, sent)) == (0, f"{NO_DATA} (1)")
    assert rows(store) == kept


def test_a_request_of_nothing_but_metrics_without_data_is_told_so(otlp: httpx.Client, store: Store) -> None:
    assert outcome(METRICS, send(otlp, METRICS, metrics(Metric(name="later")))) == (0, f"{NO_DATA} (1)")
    assert rows(store) == NOTHING


def test_case_117_what_reached_some_of_the_tables_is_stored_whole_when_it_comes_again(
    serve: Callable[[Starlette], httpx.Client], store: Store
) -> None:
    """As after a power cut between the tables of one insert. Acknowledged requests are known and left alone."""
    torn, whole = one_of_each(), one_of_each()
    first = serve(receiver(store))
    for sent in (torn, whole):
        assert send(first, METRICS, sent).content == b""
    run = {
        "run": base64.b64encode(torn.resource_metrics[0].resource.attributes[1].value.bytes_value).decode()
    }
    store.command("DELETE FROM otel_metrics_histogram WHERE ResourceAttributes['run'] = {run:String}", run)
    second = receiver(store)
    client = serve(second)
    for sent in (whole, torn, torn):
        assert send(client, METRICS, sent).content == b""
    assert second.state.intake.counts["inserts"] == 1
    assert {kind: len(some) for kind, some in rows(store).items()} == dict.fromkeys(KINDS, 4)


def test_members_of_one_number_or_metric_given_twice_on_the_wire_the_last_counts(
    otlp: httpx.Client, store: Store
) -> None:
    at = b"\x19" + START_NS.to_bytes(8, "little")
    as_double = b"\x21" + bytes(6) + b"\xf0\x3f"
    as_int = b"\x31" + (7).to_bytes(8, "little")
    point = field(1, at + as_double + as_int)
    content = field(1, field(2, field(2, field(7, point) + field(5, point))))
    assert send(otlp, METRICS, content).content == b""
    found = rows(store)
    assert [row["Value"] for row in found["gauge"]] == [(7.0).hex()]
    assert found["sum"] == []


def test_case_45_unknown_fields_at_every_level_are_passed_over(otlp: httpx.Client, store: Store) -> None:
    later = varint(99 << 3) + b"\x07" + field(98, b"later")

    def put(number: int, message: Message) -> bytes:
        return field(number, message.SerializeToString() + later)

    sent = metrics(metric("sum", {"as_int": 1}))
    group = sent.resource_metrics[0]
    scope = group.scope_metrics[0]
    made = field(1, b"orders.sum") + field(7, put(1, scope.metrics[0].sum.data_points[0]) + later) + later
    outer = put(1, group.resource) + field(2, put(1, scope.scope) + field(2, made) + later) + later
    assert send(otlp, METRICS, field(1, outer) + later).content == b""
    found = rows(store)["sum"]
    assert [(row["MetricName"], row["Value"]) for row in found] == [("orders.sum", (1.0).hex())]


def test_case_74_and_79_json_with_unknown_fields_and_numbers_that_are_not_finite(
    otlp: httpx.Client, store: Store
) -> None:
    point = {
        "timeUnixNano": START_NS,
        "asDouble": "NaN",
        "later": {},
        "exemplars": [{"asInt": "9007199254740993"}],
    }
    content = {
        "later": 1,
        "resourceMetrics": [
            {
                "scopeMetrics": [
                    {"metrics": [{"name": "m", "later": 1, "gauge": {"dataPoints": [point], "later": 1}}]}
                ]
            }
        ],
    }
    assert send(otlp, METRICS, json.dumps(content).encode(), JSON).json() == {}
    (row,) = rows(store)["gauge"]
    assert (row["Value"], row["exemplar_values"]) == ("nan", [float(2**53).hex()])


def test_case_84_the_example_of_the_specification(otlp: httpx.Client, store: Store) -> None:
    assert send(otlp, METRICS, EXAMPLE.read_bytes(), JSON).json() == {}
    found = rows(store)
    assert {kind: len(some) for kind, some in found.items()} == {
        "gauge": 1, "sum": 1, "histogram": 1, "exponential_histogram": 1, "summary": 0
    }  # fmt: skip
    (counter,) = found["sum"]
    assert (counter["MetricName"], counter["Value"], counter["MetricUnit"]) == (
        "my.counter",
        (5.0).hex(),
        "1",
    )
    assert (counter["AggregationTemporality"], counter["IsMonotonic"]) == (1, True)
    assert counter["start"] == counter["at"] == 1544712660300000000
    assert counter["Attributes"] == {"my.counter.attr": "some value"}
    assert counter["ScopeAttributes"] == {"my.scope.attribute": "some scope attribute"}
    (histogram,) = found["histogram"]
    assert (histogram["BucketCounts"], histogram["ExplicitBounds"]) == ([1, 1], [(1.0).hex()])
    (exponential,) = found["exponential_histogram"]
    assert (exponential["PositiveOffset"], exponential["PositiveBucketCounts"]) == (1, [0, 2])
    assert (exponential["ZeroCount"], exponential["Scale"], exponential["Count"]) == (1, 0, 3)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"", PROTOBUF),
        (b"\x0a\x00", PROTOBUF),
        (metrics(metric("gauge"), metric("summary")).SerializeToString(), PROTOBUF),
        (b"{}", JSON),
        (b'{"resourceMetrics":[{"scopeMetrics":[{}]}]}', JSON),
    ],
)
def test_case_41_42_and_76_nothing_to_store_is_fine(
    otlp: httpx.Client, store: Store, content: bytes, media_type: str
) -> None:
    assert send(otlp, METRICS, content, media_type).content == (b"" if media_type == PROTOBUF else b"{}")
    assert rows(store) == NOTHING


BODY = one_of_each().SerializeToString()
POISON = {
    "case_43_one_byte_short": BODY[:-1],
    "case_44_json": b'{"resourceMetrics": []}',
    "case_46_wire_type_7": BODY + b"\x9f\x06",
    "case_48_wrong_wire_type": BODY + b"\x08\x01",
    "case_49_invalid_utf8": BODY.replace(b"a gauge", b"a g\xffuge"),
    "a_trace_request_with_a_span": request(span()).SerializeToString(),
}


@pytest.mark.parametrize("case", POISON)
def test_case_43_to_49_poison_is_400_and_the_next_request_is_served(
    otlp: httpx.Client, store: Store, case: str
) -> None:
    response = send(otlp, METRICS, POISON[case])
    assert (response.status_code, status_of(response).code) == (400, code_pb2.INVALID_ARGUMENT)
    assert rows(store) == NOTHING
    letters = store.rows("SELECT signal, reason FROM dead_letters")
    assert letters == [{"signal": "metrics", "reason": "undecodable"}]
    assert len(stored(otlp, store, metrics(metric("gauge", {"as_int": 1})))["gauge"]) == 1


def test_case_115_the_same_body_twice_is_stored_once_in_every_table(otlp: httpx.Client, store: Store) -> None:
    repaired = one_of_each()
    repaired.resource_metrics[0].scope_metrics[0].metrics[4].summary.data_points.add()
    for sent in (one_of_each(), repaired):
        assert outcome(METRICS, send(otlp, METRICS, sent)) == outcome(METRICS, send(otlp, METRICS, sent))
    assert {kind: len(some) for kind, some in rows(store).items()} == dict.fromkeys(KINDS, 4)


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_case_120_metrics_of_a_program_arrive_complete(
    otlp_url: str, store: Store, compression: Compression
) -> None:
    resource = Resource({"service.name": "billing", "process.command_args": ["run", "--now"]})
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(endpoint=f"{otlp_url}/v1/metrics", compression=compression),
        export_interval_millis=math.inf,
    )
    fine = View(instrument_name="fine", aggregation=ExponentialBucketHistogramAggregation())
    provider = MeterProvider([reader], resource=resource, views=[fine], shutdown_on_exit=False)
    meter = provider.get_meter("billing.api", "2.0", attributes={"tier": 1})

    def backlog(_: CallbackOptions) -> list[Observation]:
        return [Observation(12, {"queue": "mail"})]

    meter.create_observable_gauge("backlog", [backlog], unit="{order}", description="waiting orders")
    sent = meter.create_counter("sent", unit="{order}")
    took, fine_took = meter.create_histogram("took", unit="s"), meter.create_histogram("fine", unit="s")
    tracer = TracerProvider(resource=resource, shutdown_on_exit=False).get_tracer("billing.api")
    with tracer.start_as_current_span("bill") as bill:
        for number in range(10):
            sent.add(2, {"by": "fax", "tags": ["a", "b"]})
            took.record(number / 4)
            fine_took.record(number / 4)
    provider.force_flush()
    provider.shutdown()
    gauge = store.one("SELECT * FROM otel_metrics_gauge")
    assert (gauge["MetricName"], gauge["Value"], gauge["Attributes"]) == ("backlog", 12.0, {"queue": "mail"})
    assert (gauge["MetricUnit"], gauge["MetricDescription"]) == ("{order}", "waiting orders")
    assert (gauge["ServiceName"], gauge["ScopeName"], gauge["ScopeAttributes"]) == (
        "billing",
        "billing.api",
        {"tier": "1"},
    )
    total = store.one("SELECT * FROM otel_metrics_sum WHERE MetricName = 'sent'")
    assert (total["Value"], total["IsMonotonic"], total["AggregationTemporality"]) == (20.0, True, 2)
    assert total["Attributes"] == {"by": "fax", "tags": '["a","b"]'}
    context = bill.get_span_context()
    assert total["Exemplars.TraceId"] == [f"{context.trace_id:032x}"]
    assert total["Exemplars.SpanId"] == [f"{context.span_id:016x}"]
    histogram = store.one("SELECT * FROM otel_metrics_histogram WHERE MetricName = 'took'")
    assert (histogram["Count"], histogram["Sum"], histogram["Min"], histogram["Max"]) == (
        10,
        11.25,
        0.0,
        2.25,
    )
    assert sum(histogram["BucketCounts"]) == 10
    assert len(histogram["BucketCounts"]) == len(histogram["ExplicitBounds"]) + 1
    exponential = store.one("SELECT * FROM otel_metrics_exponential_histogram WHERE MetricName = 'fine'")
    assert (exponential["Count"], exponential["Sum"], exponential["ZeroCount"]) == (10, 11.25, 1)
    assert sum(exponential["PositiveBucketCounts"]) == 9
