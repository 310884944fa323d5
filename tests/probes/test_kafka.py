"""The kafka kind against a Kafka broker: lag, age and members, and that offsets are the same afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from probes.conformance import assert_conforms
from probes.doctor import diagnose
from probes.load import load_probe
from probes.probe import ProbeFile, Window
from probes.run import run_probe
from probes.systems import Systems
from store.client import Store
from tests.conftest import ROOT
from tests.ports import free_ports
from tests.probes.broken import first_wrong
from tests.probes.far import Kafka
from tests.tieout.processes import tieout
from tieout.scaffold import create
from workflows.load import load_workflows
from workflows.model import Workflow

pytestmark = pytest.mark.slow
MakeProbe = Callable[..., ProbeFile]
FIELDS = (
    "depth", "lag", "ready", "in_flight", "consumers", "oldest_at", "oldest_age_s", "dead_letter", "topic", "group", "partition",
    "begin_offset", "committed_offset", "end_offset",
)  # fmt: skip
SENT = datetime(2026, 11, 1, 8, tzinfo=UTC)
NOW = SENT + timedelta(hours=1)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    made = Kafka(tmp_path_factory.mktemp("kafka") / "broker")
    try:
        made.start()
        _fill(made)
        yield made
    finally:
        made.end()


def _fill(kafka: Kafka) -> None:
    """Orders in two partitions, a second apart; the loader has read 3 of 10 of the first and all of the second."""
    own = {"bootstrap.servers": f"127.0.0.1:{kafka.port}"}
    # Without it, a batch that a broker which has just begun sends back is stored behind the ones sent after it.
    producer = Producer(own | {"enable.idempotence": True})
    start = int(SENT.timestamp() * 1000)
    for number in range(10):
        for partition in (0, 1):
            producer.produce("orders", b"Jane Doe", partition=partition, timestamp=start + number * 1000)
    producer.produce("orders.dlt", b"Jane Doe", partition=1, timestamp=start + 500)
    producer.produce("invoices", b"Jane Doe", partition=0, timestamp=start)
    producer.flush(20)
    consumer = Consumer(own | {"group.id": "loader", "enable.auto.commit": False})
    read = [TopicPartition("orders", 0, 3), TopicPartition("orders", 1, 10)]
    consumer.commit(offsets=read, asynchronous=False)
    consumer.close()
    half = Consumer(own | {"group.id": "half", "enable.auto.commit": False})
    half.commit(offsets=[TopicPartition("orders", 0, 10)], asynchronous=False)
    half.close()


def state(kafka: Kafka) -> tuple[Any, ...]:
    """Every offset and commit there is."""
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{kafka.port}"})
    topics = {name: topic.partitions for name, topic in admin.list_topics(timeout=10).topics.items()}
    all_of_them = [TopicPartition(name, number) for name, numbers in topics.items() for number in numbers]
    ends = [
        (at.topic, at.partition, one.result().offset)
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
        for at, one in admin.list_offsets(dict.fromkeys(all_of_them, spec)).items()
    ]
    groups = sorted(group.group_id for group in admin.list_consumer_groups().result().valid)
    commits = [
        (group, at.topic, at.partition, at.offset)
        for group in groups
        for at in admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group]
        .result()
        .topic_partitions
    ]
    return sorted(ends), groups, sorted(commits)


def looking(make_probe: MakeProbe, kafka: Kafka, **keys: Any) -> ProbeFile:
    client = {"brokers": f"127.0.0.1:{kafka.port}"} | keys.pop("client", {})
    limits = {"connect": keys.pop("patience", "10s"), "read": "5s"}
    return make_probe(
        kind="kafka", client=client, timeouts=limits, object={"key": "name", "fields": list(FIELDS)}, **keys
    )


def rows(probe: ProbeFile) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for b in probe.read(Window(end=NOW)) for row in b.records.to_pylist()}


def test_lag_is_seen_and_nothing_is_read(
    store: Store, make_probe: MakeProbe, workflow: Workflow, kafka: Kafka
) -> None:
    before = state(kafka)
    topics = rows(looking(make_probe, kafka))
    assert {name: (row["depth"], row["oldest_age_s"], row["dead_letter"]) for name, row in topics.items()} == {
        "invoices": ("1", "3600", "false"), "orders": ("20", "3600", "false"), "orders.dlt": ("1", "3599", "true"),
    }  # fmt: skip
    parts = rows(looking(make_probe, kafka, groups=["loader", "half"], per="partition", queues="orders"))
    assert parts["loader/orders/0"] == {
        "name": "loader/orders/0", "depth": "7", "lag": "7", "ready": "7", "in_flight": None, "consumers": "0",
        "oldest_at": "2026-11-01T08:00:03.000000Z", "oldest_age_s": "3597", "dead_letter": "false", "topic": "orders",
        "group": "loader", "partition": "0", "begin_offset": "0", "committed_offset": "3", "end_offset": "10",
    }  # fmt: skip
    told = {name: (row["lag"], row["oldest_at"], row["committed_offset"]) for name, row in parts.items()}
    assert told["loader/orders/1"] == ("0", None, "10")
    assert told["half/orders/1"] == (None, None, None)
    probe = looking(make_probe, kafka, groups=["loader", "half"])
    assert {name: (row["lag"], row["oldest_age_s"]) for name, row in rows(probe).items()} == {
        "loader/orders": ("7", "3597"), "half/orders": (None, None),
    }  # fmt: skip
    assert_conforms(probe, NOW)
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.changed, done.error) == ("ok", 2, "")
    checks = {c.name: c.ok for c in diagnose(store, probe, workflow, NOW, Systems(), Path("probes/x.yaml"))}
    assert (
        checks["name resolves"]
        is checks["connects"]
        is checks["reads"]
        is checks["mapping"]
        is checks["columns"]
        is True
    )
    assert state(kafka) == before
    assert "Jane" not in str(store.rows("SELECT * FROM snapshots"))

    own = {"bootstrap.servers": f"127.0.0.1:{kafka.port}", "group.id": "loader", "enable.auto.commit": False}
    reader = Consumer(own)
    reader.subscribe(["orders"])
    assert reader.poll(20) is not None
    assert rows(probe)["loader/orders"]["consumers"] == "1"
    reader.close()


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"queues": "ordres"}, "no_queue", "did you mean 'orders'?"),
    ({"groups": "laoder"}, "no_group", "did you mean 'loader'?"),
    ({"groups": "loader", "queues": "invoices"}, "no_group", "reads none of the topics"),
    ({"client": {"brokers": "127.0.0.1:1"}}, "unreachable", "does not answer; check brokers"),
    ({"client": {"brokers": "no-such-host.invalid:9092"}}, "name_unknown", "is not known"),
    ({"client": {"brokers": "localhost:{port}"}}, "private_address", "networks:"),
    ({"client": {"brokers": "127.0.0.1:{secure}", "tls": {}, "login": Kafka.LOGIN}}, "tls_refused", "client.tls.ca_file"),
    ({"client": {"brokers": "127.0.0.1:{secure}", "tls": {"ca_file": "ca.pem"}, "login": Kafka.LOGIN}}, "", ""),
    (
        {"client": {"brokers": "127.0.0.1:{secure}", "tls": {"ca_file": "ca.pem"}, "login": Kafka.LOGIN | {"password": "no"}}},
        "auth_failed", "check client.login",
    ),
]  # fmt: skip


def test_what_goes_wrong_is_named(
    store: Store, make_probe: MakeProbe, workflow: Workflow, kafka: Kafka, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_bytes((kafka.folder / "ca.pem").read_bytes())
    for keys, code, text in FAULTS:
        client = dict(keys.get("client", {}))
        if "brokers" in client:
            client["brokers"] = client["brokers"].format(port=kafka.port, secure=kafka.secure)
        # The library asks a broker that does not answer until the time is up.
        patience = "2s" if code in ("unreachable", "tls_refused") else "10s"
        probe = looking(make_probe, kafka, attempts=1, patience=patience, **{**keys, "client": client})
        done = run_probe(store, probe, workflow, NOW, asked=True)
        assert (done.error_code, text in done.error) == (code, True), (keys, done.error)
        assert "s3cret" not in done.error


def test_a_probe_is_begun_at_a_terminal_with_tls_and_a_login(
    kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_PW", "s3cret")
    create(tmp_path / "site", ROOT / "examples" / "demo")
    at, file = ["--project", str(tmp_path / "site")], tmp_path / "site" / "probes" / "topics.yaml"
    (file.parent / "ca.pem").write_bytes((kafka.folder / "ca.pem").read_bytes())

    # Workflow, system, where, which topics and groups, TLS, how we log in, who, the password's place.
    said = [
        "procure_to_payment", "kafka", f"127.0.0.1:{kafka.secure}", "[orders, orders.dlt]", "[loader]",
        "{ca_file: ca.pem}", "PLAIN", "watcher", "${KAFKA_PW}",
    ]  # fmt: skip
    done = tieout("probe", "init", "kafka", "topics", *at, typed=said)
    assert (done.code, "✓ mapping: 1 records are understood" in done.out) == (0, True), done
    assert "s3cret" not in file.read_text() + done.out + done.err
    probe, _, findings = load_probe(file, load_workflows()[0])
    assert (findings, probe is not None) == ([], True)


def test_doctor_says_what_keeps_it_from_the_broker(
    store: Store, make_probe: MakeProbe, workflow: Workflow, kafka: Kafka, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_bytes((kafka.folder / "ca.pem").read_bytes())
    (nobody,) = free_ports(1)
    secure = {"brokers": f"127.0.0.1:{kafka.secure}", "tls": {"ca_file": "ca.pem"}, "login": Kafka.LOGIN}
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({}, "", ""),
        ({"client": secure}, "", ""),
        ({"client": secure | {"tls": {}}}, "certificate", "client.tls.ca_file"),
        ({"client": secure | {"login": Kafka.LOGIN | {"password": "wr0ng"}}}, "authenticates", "check client.login"),
        ({"queues": "ordres"}, "queues", "did you mean 'orders'?"),
        ({"groups": "laoder"}, "queues", "did you mean 'loader'?"),
        ({"client": {"brokers": f"127.0.0.1:{kafka.secure}"}}, "connects", "whether client.tls fits the port"),
        ({"client": {"brokers": f"127.0.0.1:{nobody}"}}, "connects", "nc -vz 127.0.0.1"),
        ({"client": {"brokers": f"localhost:{kafka.port}"}}, "name resolves", "networks:"),
    ]  # fmt: skip
    for keys, question, says in cases:
        patience = "3s" if question in ("certificate", "connects") else "10s"
        probe = looking(make_probe, kafka, patience=patience, **keys)
        wrong, told = first_wrong(store, probe, workflow)
        assert (wrong, says in told, "wr0ng" in told) == (question, True, False), (keys, told)
