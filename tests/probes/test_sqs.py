"""The sqs kind against SQS and CloudWatch as moto answers for them: figures, and that nothing was received."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import trustme

from probes.conformance import assert_conforms
from probes.doctor import diagnose
from probes.probe import ProbeFile, Window
from probes.run import run_probe
from probes.systems import Systems
from store.client import Store
from tests.probes.far import Moto
from tests.probes.server import Api, serving
from workflows.model import Workflow

pytestmark = pytest.mark.slow
MakeProbe = Callable[..., ProbeFile]
FIELDS = (
    "depth", "ready", "in_flight", "delayed", "consumers", "oldest_at", "oldest_age_s", "dead_letter", "dead_letter_to", "max_receives",
)  # fmt: skip
NOW = datetime.now(UTC).replace(microsecond=0)


class Queues:
    """Orders, of which one is with a consumer, one is delayed and one is dead; and a queue nobody measured."""

    def __init__(self, moto: Moto) -> None:
        moto.forgets_keys(1_000_000)
        session = botocore.session.get_session()
        self.sqs = session.create_client("sqs", **moto.client())
        self.dead = self.made("orders-dead")
        policy = {"deadLetterTargetArn": self.attributes(self.dead)["QueueArn"], "maxReceiveCount": 3}
        self.orders = self.made("orders", RedrivePolicy=json.dumps(policy))
        self.other = self.made("unmeasured")
        for _ in range(4):
            self.send(self.orders)
        self.sqs.receive_message(QueueUrl=self.orders, MaxNumberOfMessages=1, VisibilityTimeout=3600)
        self.send(self.orders, DelaySeconds=900)
        self.send(self.dead)
        self.send(self.other)
        watch = session.create_client("cloudwatch", **moto.client())
        ages = [("orders", 2, 240.0), ("orders", 6, 10.0), ("orders-dead", 3, 3600.0)]
        figures = [
            {
                "MetricName": "ApproximateAgeOfOldestMessage", "Value": age, "Timestamp": NOW - timedelta(minutes=minutes),
                "Dimensions": [{"Name": "QueueName", "Value": name}],
            }
            for name, minutes, age in ages
        ]  # fmt: skip
        watch.put_metric_data(Namespace="AWS/SQS", MetricData=figures)

    def made(self, name: str, **attributes: str) -> str:
        return str(self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def send(self, url: str, **how: Any) -> None:
        self.sqs.send_message(QueueUrl=url, MessageBody="Jane Doe", **how)

    def attributes(self, url: str) -> dict[str, str]:
        found: dict[str, str] = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
            "Attributes"
        ]
        return found

    def all_attributes(self) -> list[dict[str, str]]:
        return [self.attributes(url) for url in (self.orders, self.dead, self.other)]

    def receives(self) -> list[str]:
        """How often each message has been received, this time included."""
        asked = {"MaxNumberOfMessages": 10, "AttributeNames": ["ApproximateReceiveCount"]}
        return [
            message["Attributes"]["ApproximateReceiveCount"]
            for url in (self.orders, self.dead, self.other)
            for message in self.sqs.receive_message(QueueUrl=url, **asked).get("Messages", [])
        ]


@pytest.fixture(scope="module")
def queues(moto: Moto) -> Iterator[Queues]:
    yield Queues(moto)
    moto.forgets_keys(1_000_000)


def looking(make_probe: MakeProbe, moto: Moto, **keys: Any) -> ProbeFile:
    client = {"endpoint": moto.url, **Moto.KEYS} | keys.pop("client", {})
    return make_probe(kind="sqs", client=client, object={"key": "name", "fields": list(FIELDS)}, **keys)


def test_queues_are_seen_and_nothing_is_received(
    store: Store, make_probe: MakeProbe, workflow: Workflow, moto: Moto, queues: Queues
) -> None:
    before = queues.all_attributes()
    probe = looking(make_probe, moto)
    found = {row["name"]: row for b in probe.read(Window(end=NOW)) for row in b.records.to_pylist()}
    assert found["orders"] == {
        "name": "orders", "depth": "5", "ready": "3", "in_flight": "1", "delayed": "1", "consumers": None,
        "oldest_at": (NOW - timedelta(minutes=6)).strftime("%Y-%m-%dT%H:%M:%S.000000Z"), "oldest_age_s": "360",
        "dead_letter": "false", "dead_letter_to": "orders-dead", "max_receives": "3",
    }  # fmt: skip
    dead, other = found["orders-dead"], found["unmeasured"]
    assert (dead["depth"], dead["dead_letter"], dead["oldest_age_s"]) == ("1", "true", "3780")
    assert (other["depth"], other["dead_letter"], other["oldest_at"]) == ("1", "false", None)
    assert_conforms(probe, NOW)
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.changed, done.error) == ("ok", 3, "")
    checks = {c.name: c.ok for c in diagnose(store, probe, workflow, NOW, Systems(), Path("probes/x.yaml"))}
    assert (
        checks["name resolves"]
        is checks["connects"]
        is checks["reads"]
        is checks["mapping"]
        is checks["columns"]
        is True
    )
    assert queues.all_attributes() == before
    assert "Jane" not in str(store.rows("SELECT * FROM snapshots"))
    assert queues.receives() == ["1"] * 5


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"queues": "ordres"}, "no_queue", "did you mean 'orders'?"),
    ({"client": {"endpoint": "http://127.0.0.1:1"}}, "unreachable", "no connection"),
    ({"client": {"endpoint": "http://no-such-host.invalid"}}, "name_unknown", "is not known"),
    ({"client": {"endpoint": "http://localhost:{port}"}}, "private_address", "networks:"),
    ({"client": {"endpoint": "https://{tls}"}}, "tls_refused", "tls.ca_file"),
    ({"client": {"access_key": "unknown"}}, "auth_failed", "check the keys"),
]


def test_what_goes_wrong_is_named(
    store: Store, make_probe: MakeProbe, workflow: Workflow, moto: Moto, queues: Queues, tmp_path: Path
) -> None:
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    with serving(Api().app, ssl_certfile=str(tmp_path / "own.pem")) as address:
        for keys, code, text in FAULTS:
            client = dict(keys.get("client", {}))
            if "endpoint" in client:
                client["endpoint"] = client["endpoint"].format(port=moto.port, tls=address)
            if "access_key" in client:
                moto.forgets_keys(0)
            probe = looking(make_probe, moto, attempts=1, **{**keys, "client": client})
            done = run_probe(store, probe, workflow, NOW, asked=True)
            assert (done.error_code, text in done.error) == (code, True), (keys, done.error)
            assert Moto.KEYS["secret_key"] not in done.error
