"""With a privacy policy nothing that it does not allow is written anywhere (RELIABILITY.md section 4, rows 1 to 5)."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import logging
import os
import re
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from otlp_bodies import START_NS, pairs, request, span
from otlp_random import as_json
from otlp_send import JSON, PROTOBUF, field, outcome, send
from privacy_corpus import (
    IDENTIFIERS,
    KEY,
    KEY_ENV,
    PRIVACY,
    TEXT,
    TOKEN,
    URL,
    everything,
    files_with,
    filled,
    found_in,
    needles,
    note,
    statement,
    texts_of,
)
from span_rows import workflow

from collector.app import receiver
from collector.correlation import Correlation
from collector.derive import derive_events
from collector.intake import Intake, Limits
from collector.privacy import Key, Policy, Privacy, policy_of, set_policy
from collector.protobuf import bytes_field
from collector.refusals import PolicyError
from collector.scope_rows import receipt_mark, scope_rows
from collector.signals import LOGS, METRICS, SIGNALS, TRACES, Signal
from core.clock import ManualClock
from core.errors import ConfigurationError
from core.secret import Secret
from store.client import Store

NEW_KEY_ENV = "TIEOUT_TEST_PRIVACY_NEW_KEY"
NEW_KEY = "0f9e8d7c6b5a4132" * 4
WRONG_IDS = {"all_ids": "all", "other_ids": "others"}
Serve = Callable[..., httpx.Client]
signals = pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, KEY)
    monkeypatch.setenv(NEW_KEY_ENV, NEW_KEY)


def privacy(**changes: Any) -> Privacy:
    return Privacy.model_validate({**PRIVACY.model_dump(exclude_unset=True), **changes})


def keyed(*ids: str) -> tuple[Key, ...]:
    """Keys by id: `k1` is the first one, every other the new one."""
    return tuple(Key(id=one, secret=Secret(env=KEY_ENV if one == "k1" else NEW_KEY_ENV)) for one in ids)


def policy_in(store: Store, clock: ManualClock, **changes: Any) -> Policy:
    made = policy_of(privacy(**changes), Path())
    set_policy(store, made, clock.now())
    return made


@pytest.fixture
def private(store: Store, serve: Serve, clock: ManualClock) -> httpx.Client:
    """A receiver with the policy of the corpus."""
    return serve(receiver(store, policy=policy_in(store, clock)))


def token(value: str, key: str = KEY, key_id: str = "k1") -> str:
    return f"{key_id}:{hmac.new(key.encode(), value.encode(), hashlib.sha256).hexdigest()[:32]}"


def attributes_of(store: Store) -> list[dict[str, str]]:
    return [
        row["SpanAttributes"]
        for row in store.rows("SELECT SpanAttributes FROM otel_traces ORDER BY known_at, SpanId")
    ]


def send_span(client: httpx.Client, attributes: dict[str, Any], **fields: Any) -> None:
    assert send(client, TRACES, request(span(attributes, **fields))).status_code == 200


def stored_as(client: httpx.Client, store: Store, attribute: str, values: list[str]) -> list[tuple[str, str]]:
    """Each value with what became of it in `attribute`."""
    spans = [span({attribute: value, "kept.n": n}) for n, value in enumerate(values)]
    assert send(client, TRACES, request(*spans)).status_code == 200
    found = {int(row["kept.n"]): row[attribute] for row in attributes_of(store)}
    return [(value, found[n]) for n, value in enumerate(values)]


# --- the corpus


def corpus(signal: Signal, way: str) -> tuple[bytes, str]:
    """A body with every identifier everywhere, and its media type."""
    made = signal.request()
    for identifier in IDENTIFIERS.values():
        nested, wrong_ids = way not in ("protobuf", "json", "deprecated"), WRONG_IDS.get(way, "")
        made.MergeFrom(filled(signal.request, identifier, set(), nested=nested, wrong_ids=wrong_ids))
    if way == "deprecated":
        made = old_fields(signal, made)
    return (as_json(made), JSON) if way == "json" else (made.SerializeToString(), PROTOBUF)


def old_fields(signal: Signal, made: Message) -> Message:
    """The same scopes in the field that came before scopes."""
    old = signal.request()
    for group in signal.groups_of(made):
        group_bytes = type(group)(resource=group.resource).SerializeToString()
        group_bytes += b"".join(
            bytes_field(1000, scope.SerializeToString()) for scope in getattr(group, signal.scopes)
        )
        signal.groups_of(old).append(type(group).FromString(group_bytes))
    return old


@signals
@pytest.mark.parametrize("way", ["protobuf", "json", "repaired", "deprecated", *WRONG_IDS])
def test_no_identifier_reaches_tables_answers_logs_or_files(
    private: httpx.Client, store: Store, signal: Signal, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = send(private, signal, *corpus(signal, way))
    assert answer.status_code == 200
    held = everything(store)
    if (way, signal) != ("all_ids", TRACES):
        stored = sum(store.value(f"SELECT count() FROM {table}") for table in signal.targets)
        assert stored >= len(IDENTIFIERS)
        assert held.count('"k1:') + held.count('["k1:') >= len(IDENTIFIERS)
    said = answer.text + str(answer.headers) + caplog.text
    assert found_in(held) == []
    assert found_in(said) == []
    folders = (Path(store.folder), Path(tempfile.gettempdir()))
    texts = [text for identifier in IDENTIFIERS.values() for text in needles(identifier)]
    assert [file for folder in folders for file in files_with(folder, texts)] == []


@signals
def test_the_corpus_leaves_no_text_out(signal: Signal) -> None:
    seen: set[str] = set()
    filled(signal.request, "text", seen, nested=True)
    assert texts_of(signal.request.DESCRIPTOR) - seen == set()


@signals
def test_the_search_finds_what_an_open_receiver_stores(
    otlp: httpx.Client, store: Store, signal: Signal
) -> None:
    """Or else the tests above would prove nothing."""
    control = "Control-Wyvern, CTRL-4711"
    made = filled(signal.request, control, set(), nested=False)
    assert send(otlp, signal, made).status_code == 200
    held = everything(store)
    assert all(needle in held for needle in needles(control)[:-2])
    assert files_with(Path(store.folder), [control]) != []


@signals
def test_what_cannot_be_read_leaves_no_identifier_behind(
    private: httpx.Client, store: Store, signal: Signal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = []
    for identifier in IDENTIFIERS.values():
        whole = filled(signal.request, identifier, set(), nested=False).SerializeToString()
        poison = field(1, field(2, field(2, b"\x48\x01" + field(5, identifier.encode()))))
        for content, media_type in (
            (whole[:-3], PROTOBUF), (identifier.encode(), PROTOBUF), (poison, PROTOBUF),
            (json.dumps({signal.groups: identifier}).encode(), JSON), (b'{"' + identifier.encode(), JSON),
            (whole, "text/" + signal.name),
        ):  # fmt: skip
            answers.append(send(private, signal, content, media_type))
        packed = {"content-type": PROTOBUF, "content-encoding": "gzip"}
        answers.append(private.post(f"/v1/{signal.name}", content=gzip.compress(whole)[:-9], headers=packed))
        answers.append(private.post("/v1/" + identifier.replace("/", "-"), content=whole))
    assert all(400 <= answer.status_code < 500 for answer in answers)
    assert store.value("SELECT count() FROM dead_letters") >= len(IDENTIFIERS) * 4
    said = "".join(answer.text + str(answer.headers) for answer in answers)
    assert found_in(everything(store)) == []
    assert found_in(said) == []
    ours = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    assert found_in(ours) == []


def test_bodies_are_named_by_keyed_hashes(private: httpx.Client, store: Store) -> None:
    """A plain hash of a short body lets one try what was in it."""
    body = request(span()).SerializeToString()
    send(private, TRACES, body)
    send(private, TRACES, b"MRN-4711")
    held = everything(store)
    for content in (body, b"MRN-4711"):
        assert hashlib.sha256(content).hexdigest()[:32] not in held
    assert store.value("SELECT uniqExact(request_id) FROM otel_traces WHERE length(request_id) = 32") == 1


# --- what is kept


def test_an_empty_policy_keeps_ids_times_and_nothing_else(
    store: Store, serve: Serve, clock: ManualClock
) -> None:
    policy = policy_of(Privacy(keys=keyed("k1")), Path())
    set_policy(store, policy, clock.now())
    client = serve(receiver(store, policy=policy))
    sent = span({"a": "1", "service.name": "x"}, name="step", trace_state="a=b", kind=78_051_120)
    sent.status.code, sent.status.message = 78_051_120, "no"
    sent.events.add(name="exception", time_unix_nano=5).attributes.extend(pairs({"b": "2"}))
    sent.links.add(trace_id=b"t" * 16, span_id=b"s" * 8, trace_state="c=d").attributes.extend(pairs({"e": 1}))
    assert send(client, TRACES, request(sent)).status_code == 200
    row = store.one("SELECT * EXCEPT (known_at, Timestamp, request_id, `Events.Timestamp`) FROM otel_traces")
    assert row == {
        "TraceId": sent.trace_id.hex(), "SpanId": sent.span_id.hex(), "ParentSpanId": "", "TraceState": "",
        "SpanName": "(withheld)", "SpanKind": "Unspecified", "ServiceName": "", "ResourceAttributes": {},
        "ScopeName": "(withheld)", "ScopeVersion": "", "SpanAttributes": {}, "Duration": 1500,
        "StatusCode": "Unset", "StatusMessage": "", "Events.Name": ["exception"], "Events.Attributes": [{}],
        "Links.TraceId": [(b"t" * 16).hex()], "Links.SpanId": [(b"s" * 8).hex()], "Links.TraceState": [""],
        "Links.Attributes": [{}], "request_items": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "kept", "dropped"),
    [
        (
            "app.*",
            ["app.", "app.a", "app.a-b_c.d2"],
            ["app", "xapp.a", "APP.a", "app.a b", "app.a/b", "app.a@b", "app.1234"],
        ),
        ("app.*.id", ["app..id", "app.x.id", "app.x.y.id"], ["app.id", "app.x.ids", "app.x.id\n"]),
        ("*", ["a", "service.name"], ["a b", "Jane Roe", "ünwanted", "555-010-4711"]),
        ("a.b", ["a.b"], ["a_b", "axb", "a.b.c", "a.b "]),
        ("a+(b)[c]^$|\\d{2}?", ["a+(b)[c]^$|\\d{2}?"], ["aab", "a", "12"]),
        ("größe", ["größe"], ["grosse"]),
    ],
)
def test_a_pattern_keeps_whole_names(
    store: Store, serve: Serve, clock: ManualClock, pattern: str, kept: list[str], dropped: list[str]
) -> None:
    policy = policy_in(
        store, clock, attributes=[pattern], names=[pattern], tokens=[], urls=[], statements=[], texts=[]
    )
    client = serve(receiver(store, policy=policy))
    names = [*kept, *dropped]
    send_span(client, dict.fromkeys(names, "v"))
    assert attributes_of(store) == [dict.fromkeys(kept, "v")]
    made = request(*(span(name=name) for name in names))
    send(client, TRACES, made)
    found = {row["SpanName"] for row in store.rows("SELECT DISTINCT SpanName FROM otel_traces")}
    assert found - {"step"} == {*kept, "(withheld)"}


def test_one_rule_holds_for_attributes_wherever_they_stand(private: httpx.Client, store: Store) -> None:
    sent = span({"kept.a": "1", "b": "2"})
    sent.events.add(name="orders.done").attributes.extend(pairs({"kept.a": [1, "x"], "b": "2"}))
    sent.links.add().attributes.extend(pairs({"kept.c": True, "b": "2"}))
    send(private, TRACES, request(sent, resource={"kept.r": 1.5, "host.name": "h"}))
    row = store.one(
        "SELECT ServiceName, ResourceAttributes AS r, SpanAttributes AS s, Events.Name AS n, Events.Attributes AS e, "
        "Links.Attributes AS l FROM otel_traces"
    )
    assert row == {
        "ServiceName": "orders", "r": {"service.name": "orders", "kept.r": "1.5"}, "s": {"kept.a": "1"},
        "n": ["orders.done"], "e": [{"kept.a": '[1,"x"]'}], "l": [{"kept.c": "true"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("bodies", "text"),
    [("keep", "order 4711 of Jane is late"), ("mask", "order ? of ? is late"), ("drop", "")],
)
def test_bodies_of_logs(store: Store, serve: Serve, clock: ManualClock, bodies: str, text: str) -> None:
    client = serve(receiver(store, policy=policy_in(store, clock, bodies=bodies)))
    made = LOGS.request()
    group = made.resource_logs.add(schema_url="https://opentelemetry.io/schemas/1.37.0")
    record = group.scope_logs.add(schema_url="https://x.example/?q=Jane").log_records.add(
        severity_text="Warn", severity_number=13
    )
    record.body.CopyFrom(AnyValue(string_value="order 4711 of Jane is late"))
    record.event_name = "orders.late"
    other = group.scope_logs[0].log_records.add(severity_text="Jane", event_name="Jane")
    other.attributes.extend(pairs({"kept.x": "1", "y": "2"}))
    send(client, LOGS, made)
    rows = store.rows(
        "SELECT SeverityText AS level, Body AS body, EventName AS name, ResourceSchemaUrl AS url, ScopeSchemaUrl AS scope_url, "
        "LogAttributes AS a FROM otel_logs ORDER BY level DESC"
    )
    urls = {"url": "https://opentelemetry.io/schemas/1.37.0", "scope_url": ""}
    assert rows == [
        {"level": "Warn", "body": text, "name": "orders.late", **urls, "a": {}},
        {"level": "", "body": "", "name": "(withheld)", **urls, "a": {"kept.x": "1"}},
    ]


def test_metrics_keep_values_and_the_names_listed(private: httpx.Client, store: Store) -> None:
    made = METRICS.request()
    group = made.resource_metrics.add()
    group.resource.attributes.extend(pairs({"service.name": "orders"}))
    scope = group.scope_metrics.add()
    for name, unit in (("orders.open", "By/s"), ("rest of Jane", "Jane")):
        metric = scope.metrics.add(name=name, unit=unit, description="what Jane did")
        point = metric.gauge.data_points.add(time_unix_nano=1_790_000_000_000_000_000, as_int=7, flags=0)
        point.attributes.extend(pairs({"kept.a": "1", "b": "2", TOKEN: "4711"}))
        point.exemplars.add(time_unix_nano=5, as_double=2.5, trace_id=b"t" * 16).filtered_attributes.extend(
            pairs({"b": "2"})
        )
    assert outcome(METRICS, send(private, METRICS, made)) == (0, "")
    rows = store.rows(
        "SELECT MetricName AS name, MetricUnit AS unit, MetricDescription AS said, Value AS value, Attributes AS a, "
        "Exemplars.FilteredAttributes AS e, Exemplars.TraceId AS t, ServiceName AS service FROM otel_metrics_gauge ORDER BY name DESC"
    )
    same = {
        "said": "", "value": 7.0, "a": {"kept.a": "1", TOKEN: token("4711")}, "e": [{}],
        "t": [(b"t" * 16).hex()], "service": "orders",
    }  # fmt: skip
    assert rows == [
        {"name": "orders.open", "unit": "By/s", **same}, {"name": "(withheld)", "unit": "", **same},
    ]  # fmt: skip


# --- URLs, statements, texts


URLS = [
    ("https://user:pass@orders.example:8443/p/4711?q=Jane#x", "https://orders.example"),
    ("http://orders/p/4711", "http://orders"),
    ("https://orders.example", "https://orders.example"),
    ("http://203.0.113.77/p", "http://?"),
    ("http://[2001:db8::1]/p", ""),
    ("/patients/4711?name=Jane", ""),
    ("Jane Roe", ""),
    ("mailto:jane@x.example", ""),
    ("jane://roe/x", ""),
    ("https://a@b@c.example/", ""),
    ("https://jane roe/", ""),
    ('["https://orders.example/4711"]', ""),
    ("see https://orders.example/4711", ""),
    ("https://orders.example/\nJane", "https://orders.example"),
    ("", ""),
]


def test_of_a_url_scheme_and_host_stay(private: httpx.Client, store: Store) -> None:
    assert stored_as(private, store, URL, [sent for sent, _ in URLS]) == URLS


STATEMENTS = [
    ("SELECT a FROM t WHERE b = 'Jane' AND c = 4711", "SELECT a FROM t WHERE b = ? AND c = ?"),
    ("select a from t where b in ('Jane', 'Joe', 3)", "select a from t where b in (?..)"),
    ("SELECT 'O''Brien' AS x", "SELECT ? AS x"),
    ('SELECT a FROM t WHERE b = "Jane Roe"', "SELECT a FROM t WHERE b = ?"),
    ("SELECT a -- for Jane's sake\nFROM t", None),
    ("SELECT a /* Jane's */ FROM t WHERE b='Roe' /* Roe's */", None),
    ("SELECT a FROM t WHERE b = 'Jane", None),
    ("SELECT 'x\\' AND b = 'Jane'", "(withheld)"),
    ("SELECT $$Jane$$, $q$Roe$q$", "(withheld)"),
    ("SELECT a FROM t WHERE b = $1", None),
    ("SELECT 1 # Jane", "(withheld)"),
    ("SELECT `Jane Roe`", "(withheld)"),
    ("GET patient:Jane", "(withheld)"),
    ("SET name Jane", "(withheld)"),
    ('{"find": "patients", "name": "Jane"}', "(withheld)"),
    ("Jane Roe SELECT 1", "(withheld)"),
]


def test_a_statement_loses_its_literals(private: httpx.Client, store: Store) -> None:
    """Without an expectation: nobody may be named."""
    found = stored_as(private, store, "app.statement", [sent for sent, _ in STATEMENTS])
    for (sent, left), (_, stored) in zip(found, STATEMENTS, strict=True):
        assert not {"Jane", "Roe", "Brien", "4711"} & set(re.split(r"\W+", left)), sent
        assert left == (left if stored is None else stored), sent
        assert left.lower().startswith("select ") or stored == "(withheld)", sent


TEXTS = [
    ("ValueError: no record for Jane Roe (MRN 4711)", "ValueError: no record for ? ? ? ?"),
    (
        "java.net.SocketTimeoutException: read timed out",
        "java.net.SocketTimeoutException: read timed out",
    ),
    ("cannot find 'jane roe' in 'list'", "cannot find ?"),
    ("can't find 'jane roe'", "? find ?"),
    ("cannot find 'jane roe", "cannot find ?"),
    ("in x/'jane anne roe' now", "in x ? now"),
    ('in x"jane anne roe" now', "in x ? now"),
    ("in «jane roe», „jane roe“ and ‹jane roe› too", "in ? too"),
    ("reading “jane roe” failed", "reading ? failed"),
    ("bad key {'jane roe': 1}", "bad key ? ? ?"),
    ("mail to jane@x.example, please", "mail to ? please"),
    ("open /srv/jane/roe.txt: denied", "open ? denied"),
    ("first line\n  second line", "first line second line"),
]


def test_of_a_text_plain_words_stay(private: httpx.Client, store: Store) -> None:
    assert stored_as(private, store, TEXT, [sent for sent, _ in TEXTS]) == TEXTS


def test_conventional_attributes_are_cleaned_without_being_named(
    store: Store, serve: Serve, clock: ManualClock
) -> None:
    kept = ["url.full", "db.query.text", "exception.*"]
    policy = policy_of(Privacy.model_validate({"attributes": kept, "keys": keyed("k1")}), Path())
    set_policy(store, policy, clock.now())
    client = serve(receiver(store, policy=policy))
    identifier = IDENTIFIERS["name"]
    send_span(
        client,
        {
            "url.full": f"https://h.example/{identifier}", "db.query.text": statement(identifier),
            "exception.message": note(identifier), "exception.stacktrace": note(identifier), "exception.type": "E",
        },
    )  # fmt: skip
    assert found_in(everything(store)) == []
    assert attributes_of(store)[0]["exception.type"] == "E"


# --- tokens and keys


def test_the_same_value_has_the_same_token(private: httpx.Client, store: Store) -> None:
    for value in ("4711", " 4711\t", 4711, ["4711"], "\u00a04711"):
        send_span(private, {TOKEN: value})
    assert {attributes[TOKEN] for attributes in attributes_of(store)} == {token("4711")}


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (["1", "2"], json.dumps([token("1"), token("2")], separators=(",", ":"))),
        ([1, "2"], json.dumps([token("1"), token("2")], separators=(",", ":"))),
        ("", ""), ("  ", ""), ([], ""), (["", "1"], token("1")), ("[no list", token("[no list")),
        (b"\x00\xff", token("AP8=")), (True, token("true")), ({"a": "1"}, token('{"a":"1"}')),
    ],
)  # fmt: skip
def test_each_item_of_a_list_has_its_token(
    private: httpx.Client, store: Store, value: Any, stored: str
) -> None:
    send_span(private, {TOKEN: value})
    assert attributes_of(store) == [{TOKEN: stored}]


def test_while_two_keys_hold_a_value_has_both_tokens(store: Store, serve: Serve, clock: ManualClock) -> None:
    seen = []
    for ids in (("k1",), ("k2", "k1"), ("k2",)):
        clock.move(timedelta(days=1))
        client = serve(receiver(store, policy=policy_in(store, clock, keys=keyed(*ids))))
        send_span(client, {TOKEN: "4711"})
        seen.append(
            store.value(
                "SELECT SpanAttributes[{a:String}] FROM otel_traces ORDER BY known_at DESC LIMIT 1",
                {"a": TOKEN},
            )
        )
    old, new = token("4711"), token("4711", NEW_KEY, "k2")
    assert seen == [old, f'["{new}","{old}"]', new]


def test_events_of_one_object_meet_across_a_change_of_keys(
    store: Store, serve: Serve, clock: ManualClock
) -> None:
    """Before, while and after two keys hold: each event shares an object with the next, and none with another order."""
    orders, kept = workflow(), ["service.name", "tieout.*", "messaging.operation.type"]
    rules = privacy(attributes=kept, tokens=["tieout.object.*"], names=[], urls=[], statements=[], texts=[])
    stages = (("create order", ("k1",)), ("send order", ("k2", "k1")), ("refuse order", ("k2",)))
    for number, (name, ids) in enumerate(stages):
        clock.move(timedelta(days=1))
        policy = policy_of(rules.model_copy(update={"keys": keyed(*ids)}), Path(), [orders])
        set_policy(store, policy, clock.now())
        client = serve(receiver(store, policy=policy))
        for key in ("PO-4711", "PO-9"):
            send_span(client, {"tieout.object.order": key}, name=name, start_time_unix_nano=START_NS + number)
    now = datetime.now(UTC) + timedelta(seconds=1)
    assert derive_events(store, [orders], Correlation(), now) == 6
    rows = store.rows("SELECT step, objects.key AS keys FROM events ORDER BY occurred_at")
    steps = [
        [set(row["keys"]) for row in rows if row["step"] == step]
        for step in ("po.created", "po.sent", "po.failed")
    ]
    for before, after in pairwise(steps):
        assert sorted(len([keys for keys in after if keys & one]) for one in before) == [1, 1]
    assert "PO-4711" not in everything(store)


def test_a_receiver_whose_policy_was_replaced_says_that_it_is_not_ready(
    private: httpx.Client, store: Store, clock: ManualClock
) -> None:
    assert private.get("/readyz").json() == {"ready": True, "reasons": []}
    clock.move(timedelta(seconds=1))
    policy_in(store, clock, names=[])
    response = private.get("/readyz")
    assert response.status_code == 503
    assert [reason["code"] for reason in response.json()["reasons"]] == ["policy"]


def test_steps_are_recognised_without_listing_their_names(
    store: Store, serve: Serve, clock: ManualClock
) -> None:
    policy = policy_of(Privacy(keys=keyed("k1")), Path(), [workflow()])
    set_policy(store, policy, clock.now())
    client = serve(receiver(store, policy=policy))
    for name in ("send order", "send order of Jane"):
        send_span(client, {}, name=name)
    found = store.rows("SELECT SpanName AS name FROM otel_traces ORDER BY name")
    assert [row["name"] for row in found] == ["(withheld)", "send order"]


def test_keys_stand_in_no_table_file_log_or_text(
    private: httpx.Client, store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    send_span(private, {TOKEN: "4711"})
    send(private, TRACES, b"undecodable")
    policy = policy_in(store, clock, keys=keyed("k2", "k1"))
    shown = repr(policy) + str(policy.keys) + repr(privacy()) + privacy().model_dump_json() + caplog.text
    for key in (KEY, NEW_KEY):
        assert key not in everything(store) + shown
        assert files_with(Path(store.folder), [key]) == []


# --- which policy holds


def test_a_receiver_with_another_policy_than_the_store_stores_nothing(
    private: httpx.Client, store: Store, clock: ManualClock
) -> None:
    send_span(private, {"kept.a": "1"})
    clock.move(timedelta(seconds=1))
    policy_in(store, clock, attributes=["other"], tokens=[], urls=[], statements=[], texts=[])
    for content in (request(span({"kept.a": "2"})), request(span({"kept.a": {"b": 2}}))):
        answer = send(private, TRACES, content)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "privacy policy" in answer.text
    for signal in (LOGS, METRICS):
        assert send(private, signal, filled(signal.request, "x", set(), nested=False)).status_code == 503
    assert attributes_of(store) == [{"kept.a": "1"}]
    assert (
        sum(store.value(f"SELECT count() FROM {table}") for table in (*LOGS.targets, *METRICS.targets)) == 0
    )
    clock.move(timedelta(seconds=1))
    policy_in(store, clock)
    send_span(private, {"kept.a": "3"})
    assert len(attributes_of(store)) == 2


def test_without_the_rules_in_the_store_nothing_is_stored(store: Store, serve: Serve) -> None:
    client = serve(receiver(store, policy=policy_of(PRIVACY, Path())))
    assert send(client, TRACES, request(span())).status_code == 503
    rows = b"".join(scope_rows(request(span()).SerializeToString(), receipt_mark("r", 1)))
    settings = Intake(store, Limits())._settings(TRACES, store)
    with pytest.raises(Exception, match="395"):
        store.insert_raw(TRACES.private_table, rows, "Protobuf", settings)
    assert attributes_of(store) == []


def test_a_sender_cannot_bring_a_policy_of_its_own(private: httpx.Client, store: Store) -> None:
    forged = field(6, field(1, b"open") + field(2, b"mine") + field(3, b"known to me"))
    inside = request(span({TOKEN: "4711"}))
    inside.resource_spans[0].MergeFromString(forged)
    inside.resource_spans[0].scope_spans[0].MergeFromString(forged)
    for body in (
        request(span({TOKEN: "4711", "secret": "x"})).SerializeToString() + forged,
        forged + inside.SerializeToString(),
    ):
        assert send(private, TRACES, body).status_code == 200
    assert attributes_of(store) == [{TOKEN: token("4711")}] * 2


def test_a_restart_with_another_policy_changes_what_comes_and_not_what_is_there(
    store: Store, serve: Serve, clock: ManualClock
) -> None:
    for attributes in (["a"], ["b"], ["a"]):
        clock.move(timedelta(seconds=-5))
        policy = policy_in(store, clock, attributes=attributes, tokens=[], urls=[], statements=[], texts=[])
        again = policy_in(store, clock, attributes=attributes, tokens=[], urls=[], statements=[], texts=[])
        assert again == policy
        send_span(serve(receiver(store, policy=policy)), {"a": "1", "b": "2"})
    assert attributes_of(store) == [{"a": "1"}, {"b": "2"}, {"a": "1"}]
    assert store.value("SELECT uniqExact(known_at) FROM privacy_rules") == 3, (
        "the order of the rules is known"
    )


def test_requests_stored_together_keep_their_own_rows(store: Store, clock: ManualClock) -> None:
    from concurrent.futures import ThreadPoolExecutor

    intake = Intake(store, Limits(writers=1), policy=policy_in(store, clock))

    def take(number: int) -> int:
        body = request(
            *(span({"kept.n": number, TOKEN: str(number)}) for _ in range(number))
        ).SerializeToString()
        with intake.capacity.lease() as lease:
            return intake.take(TRACES, body, "", "protobuf", lease).stored

    with ThreadPoolExecutor(30) as pool:
        assert list(pool.map(take, range(1, 31))) == list(range(1, 31))
    assert intake.counts["inserts"] < 20
    intake.close()
    rows = store.rows(
        "SELECT any(request_items) AS said, count() AS there, uniqExact(SpanAttributes) AS kinds FROM otel_traces "
        "GROUP BY request_id ORDER BY said"
    )
    assert rows == [{"said": n, "there": n, "kinds": 1} for n in range(1, 31)]
    assert {a["kept.n"]: a[TOKEN] for a in attributes_of(store)} == {
        str(n): token(str(n)) for n in range(1, 31)
    }


def test_the_same_request_again_is_stored_once_also_after_a_restart(store: Store, clock: ManualClock) -> None:
    policy, body = policy_in(store, clock), request(span(), span()).SerializeToString()
    stored = []
    for _ in range(2):
        intake = Intake(store, Limits(), policy=policy)
        for _ in range(2):
            with intake.capacity.lease() as lease:
                stored.append(intake.take(TRACES, body, "", "protobuf", lease).stored)
        intake.close()
    assert stored == [2, 0, 0, 0]
    assert len(attributes_of(store)) == 2


def test_when_the_store_cannot_say_its_policy_the_request_is_put_off(
    store: Store, clock: ManualClock
) -> None:
    intake = Intake(store, Limits(), policy=policy_in(store, clock))
    store.command("RENAME TABLE privacy_rules TO privacy_rules_elsewhere")
    try:
        with intake.capacity.lease() as lease, pytest.raises(Exception, match="send it again"):
            intake.take(TRACES, request(span()).SerializeToString(), "", "protobuf", lease)
    finally:
        store.command("RENAME TABLE privacy_rules_elsewhere TO privacy_rules")
        intake.close()
    assert PolicyError.retryable
    assert attributes_of(store) == []


def test_where_the_engine_would_read_requests_from_files_a_policy_is_refused(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(ConfigurationError, match="files in clear"):
        policy_in(store, clock)


@signals
def test_both_ways_decode_with_the_same_text(store: Store, signal: Signal) -> None:
    """It stands in the migrations twice; a change of one is a change of both."""
    names = {"open": f"otlp_{signal.name}_mv", "private": f"otlp_{signal.name}_private_mv"}
    texts = {
        way: store.value("SELECT as_select FROM system.tables WHERE name = {n:String}", {"n": name})
        for way, name in names.items()
    }
    columns = (
        "`policy.id` AS policy_id, `policy.key_ids` AS policy_key_ids, `policy.keys` AS policy_keys, ",
        ", policy_id, policy_key_ids, policy_keys",
        "policy_id, policy_key_ids, policy_keys, ",
    )
    assert all(some in texts["private"] for some in columns[:2])
    for some in columns:
        texts["private"] = texts["private"].replace(some, "")
    assert texts["private"].replace("_private_in", "_in") == texts["open"]
