"""The rabbitmq kind against a RabbitMQ broker: what it says of queues, and that they are as full afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pika
import pytest

from probes.conformance import assert_conforms
from probes.doctor import diagnose
from probes.probe import ProbeFile, Window
from probes.run import run_probe
from probes.systems import Systems
from store.client import Store
from tests.conftest import ROOT
from tests.interop.parties import wait_until
from tests.ports import free_ports
from tests.probes.broken import first_wrong
from tests.probes.far import Epmd, Rabbit
from tests.probes.source import states
from tests.tieout.processes import tieout
from tieout.scaffold import create
from workflows.model import Workflow

pytestmark = pytest.mark.slow
MakeProbe = Callable[..., ProbeFile]
FIELDS = (
    "depth", "ready", "in_flight", "consumers", "oldest_at", "oldest_age_s", "dead_letter", "dead_letter_to", "vhost", "type",
)  # fmt: skip
SENT = datetime(2026, 11, 1, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    folder = tmp_path_factory.mktemp("rabbit")
    epmd = Epmd(folder / "epmd")
    made = Rabbit(folder / "broker", epmd)
    try:
        epmd.start()
        made.start()
        _may_only_look(made)
        yield made
    finally:
        made.end()
        epmd.end()


def _may_only_look(rabbit: Rabbit) -> None:
    """The user of the probe: it sees everything, and may neither read from, write to nor configure a queue."""
    rabbit.asked("PUT", "users/watcher", {"password": "s3cret", "tags": "monitoring"}).raise_for_status()
    none = {"configure": "^$", "write": "^$", "read": "^$"}
    rabbit.asked("PUT", "permissions/%2F/watcher", none).raise_for_status()


def looking(make_probe: MakeProbe, rabbit: Rabbit, **keys: Any) -> ProbeFile:
    login = {"type": "basic", "username": "watcher", "password": "s3cret"}
    client = {"base_url": rabbit.url, "auth": login} | keys.pop("client", {})
    return make_probe(kind="rabbitmq", client=client, object={"key": "name", "fields": list(FIELDS)}, **keys)


def rows(probe: ProbeFile, now: datetime) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for b in probe.read(Window(end=now)) for row in b.records.to_pylist()}


def filled(rabbit: Rabbit) -> pika.BlockingConnection:
    """Orders whose dead letters go to a queue of their own; one is dead, two are with a consumer."""
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", rabbit.amqp))
    channel = connection.channel()
    channel.exchange_declare("dead", "fanout")
    channel.queue_declare("orders.dead", durable=True)
    channel.queue_bind("orders.dead", "dead")
    channel.queue_declare("orders", durable=True, arguments={"x-dead-letter-exchange": "dead"})
    to_it = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.dead"}
    channel.queue_declare("invoices", durable=True, arguments=to_it)
    channel.queue_declare("nowhere", durable=True, arguments={"x-dead-letter-exchange": "never made"})
    for number in range(6):
        sent = pika.BasicProperties(timestamp=int(SENT.timestamp()) + number, delivery_mode=2)
        channel.basic_publish("", "orders", b"Jane Doe", sent)
    channel.basic_publish("", "invoices", b"Jane Doe")
    first, _, _ = channel.basic_get("orders")
    channel.basic_nack(first.delivery_tag, requeue=False)
    channel.basic_qos(prefetch_count=2)
    channel.basic_consume("orders", lambda *_: None)
    connection.process_data_events(0.2)
    return connection


def counts(rabbit: Rabbit) -> dict[str, tuple[Any, ...]]:
    """What was ever taken out of each queue, and what is in it."""
    taken = ("get", "get_no_ack", "get_empty", "deliver", "deliver_no_ack", "ack", "redeliver", "publish")
    return {
        queue["name"]: (
            queue.get("messages"), queue.get("messages_ready"), queue.get("messages_unacknowledged"), queue.get("consumers"),
            *(queue.get("message_stats", {}).get(name) for name in taken),
        )
        for queue in rabbit.asked("GET", "queues").json()
    }  # fmt: skip


def test_queues_are_seen_and_left_as_they_were(
    store: Store, make_probe: MakeProbe, workflow: Workflow, rabbit: Rabbit
) -> None:
    now = SENT + timedelta(hours=1)
    probe = looking(make_probe, rabbit)
    with closing(filled(rabbit)):
        wait_until(
            lambda: {n: c[:4] for n, c in counts(rabbit).items()}.get("orders") == (5, 3, 2, 1), lambda: str(counts(rabbit))
        )  # fmt: skip
        time.sleep(0.5)  # the broker's own statistics come every 0.2 s
        before = counts(rabbit)
        found = rows(probe, now)
        assert_conforms(probe, now)
        done = run_probe(store, probe, workflow, now)
        assert (done.status, done.changed, done.error) == ("ok", 4, "")
        checks = {
            c.name: c.ok for c in diagnose(store, probe, workflow, now, Systems(), Path("probes/x.yaml"))
        }
        assert checks["authenticates"] is checks["reads"] is checks["mapping"] is checks["columns"] is True
        small = looking(make_probe, rabbit, name="pages", queues=["o*"], page_size=1)
        assert set(rows(small, now)) == {"orders", "orders.dead"}
        time.sleep(0.5)
        assert counts(rabbit) == before
    assert found["orders"] == {
        "name": "orders", "depth": "5", "ready": "3", "in_flight": "2", "consumers": "1", "vhost": "/", "type": "classic",
        "oldest_at": "2026-11-01T08:00:01.000000Z", "oldest_age_s": "3599",
        "dead_letter": "false", "dead_letter_to": "orders.dead",
    }  # fmt: skip
    dead = found["orders.dead"]
    assert (dead["depth"], dead["oldest_age_s"], dead["dead_letter"], dead["dead_letter_to"]) == (
        "1",
        "3600",
        "true",
        None,
    )
    invoices = found["invoices"]
    assert (invoices["depth"], invoices["oldest_at"], invoices["dead_letter_to"]) == (
        "1",
        None,
        "orders.dead",
    )
    assert (found["nowhere"]["depth"], found["nowhere"]["dead_letter_to"]) == ("0", None)
    assert "Jane" not in str(store.rows("SELECT * FROM snapshots"))

    rabbit.asked("DELETE", "queues/%2F/nowhere").raise_for_status()
    again = run_probe(store, probe, workflow, now + timedelta(minutes=5))
    assert (again.status, again.deleted) == ("ok", 1)
    assert states(store, "NOWHERE")[-1]["deleted"]


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"queues": "ordres"}, "no_queue", "did you mean 'orders'?"),
    ({"queues": ["orders", "zzz"]}, "no_queue", "whether the user may see it"),
    ({"vhost": "billing"}, "not_found", "there is no such vhost"),
    ({"password": "wr0ng"}, "auth_failed", "check client.auth"),
    ({"base_url": "http://127.0.0.1:1"}, "unreachable", "check that it runs"),
    ({"base_url": "https://127.0.0.1:{tls}"}, "tls_refused", "client.tls.ca_file"),
    ({"base_url": "https://127.0.0.1:{tls}", "tls": {"ca_file": "{folder}/ca.pem"}}, "", ""),
    ({"base_url": "http://localhost:{http}"}, "private_address", "networks:"),
    ({"base_url": "http://127.0.0.1:{amqp}"}, "cut_off", "was cut off"),
]


def test_what_goes_wrong_is_named(
    store: Store, make_probe: MakeProbe, workflow: Workflow, rabbit: Rabbit
) -> None:
    filled(rabbit).close()
    ports = {"tls": rabbit.tls, "http": rabbit.url.rpartition(":")[2], "amqp": rabbit.amqp}
    for keys, code, text in FAULTS:
        client = {name: keys[name] for name in ("base_url", "tls") if name in keys}
        if "base_url" in client:
            client["base_url"] = client["base_url"].format(**ports)
        if "tls" in client:
            client["tls"] = {"ca_file": client["tls"]["ca_file"].format(folder=rabbit.folder)}
        if "password" in keys:
            client["auth"] = {"type": "basic", "username": "watcher", "password": keys["password"]}
        rest = {name: value for name, value in keys.items() if name in ("queues", "vhost")}
        probe = looking(make_probe, rabbit, client=client, attempts=1, **rest)
        done = run_probe(store, probe, workflow, SENT, asked=True)
        assert (done.error_code, text in done.error) == (code, True), done.error
        assert "s3cret" not in done.error


def test_a_probe_is_begun_at_a_terminal_and_its_file_works_at_once(rabbit: Rabbit, tmp_path: Path) -> None:
    filled(rabbit).close()
    create(tmp_path / "site", ROOT / "examples" / "demo")
    at, file = ["--project", str(tmp_path / "site")], tmp_path / "site" / "probes" / "broker.yaml"

    def begun(queues: str) -> Any:
        """What is answered: workflow, system, where, how, who, the password's place, which queues."""
        said = ["procure_to_payment", "rabbit", rabbit.url, "basic", "watcher", "${RABBIT_PW}", queues]
        return tieout("probe", "init", "rabbitmq", "broker", *at, typed=said, RABBIT_PW="s3cret")

    wrong = begun("ordres")
    assert (wrong.code, file.exists(), "did you mean 'orders'?" in wrong.out) == (1, False, True), wrong
    done = begun("[orders, orders.dead]")
    assert (done.code, "✓ mapping: 2 records are understood" in done.out) == (0, True), done
    assert "s3cret" not in file.read_text() + done.out + done.err
    ran = tieout("probe", "run", "broker", "--json", *at, RABBIT_PW="s3cret")
    assert (ran.json["status"], ran.json["changed"]) == ("ok", 2), ran


def test_doctor_says_what_keeps_it_from_the_broker(
    store: Store, make_probe: MakeProbe, workflow: Workflow, rabbit: Rabbit, tmp_path: Path
) -> None:
    filled(rabbit).close()
    (tmp_path / "ca.pem").write_bytes((rabbit.folder / "ca.pem").read_bytes())
    (nobody,) = free_ports(1)
    refused = {"auth": {"type": "basic", "username": "watcher", "password": "wr0ng"}}
    secure = {"base_url": f"https://127.0.0.1:{rabbit.tls}"}
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({}, "", ""),
        ({"client": secure | {"tls": {"ca_file": "ca.pem"}}}, "", ""),
        ({"client": secure}, "certificate", "client.tls.ca_file"),
        ({"client": refused}, "authenticates", "check client.auth"),
        ({"queues": "ordres"}, "queues", "did you mean 'orders'?"),
        ({"vhost": "billing"}, "reads", "there is no such vhost"),
        ({"client": {"base_url": f"http://127.0.0.1:{rabbit.tls}"}}, "reads", "if that port speaks TLS, write https://"),
        ({"client": {"base_url": f"http://127.0.0.1:{nobody}"}}, "connects", "nc -vz 127.0.0.1"),
        ({"client": {"base_url": rabbit.url.replace("http:", "https:")}}, "certificate", "that port speaks no TLS"),
        ({"client": {"base_url": f"http://localhost:{rabbit.url.rpartition(':')[2]}"}}, "name resolves", "networks:"),
    ]  # fmt: skip
    for keys, question, says in cases:
        wrong, told = first_wrong(store, looking(make_probe, rabbit, **keys), workflow)
        assert (wrong, says in told, "wr0ng" in told) == (question, True, False), told
