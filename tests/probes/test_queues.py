"""Mistakes in the files of the kinds that look at queues are found at their place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from probes import starter
from probes.kinds import KINDS
from probes.load import load_probe
from workflows.model import Workflow

RABBIT = (
    "kind: rabbitmq\nclient: {base_url: https://r.example, auth: {type: basic, username: u, password: p}}"
)
KAFKA = "kind: kafka\nclient: {brokers: k.example:9092}"
SQS = "kind: sqs\nclient: {access_key: k, secret_key: s}"


def findings_of(tmp_path: Path, workflow: Workflow, text: str) -> str:
    file = tmp_path / "own.yaml"
    common = "name: own\ntitle: T\nworkflow: payables\nsystem: ap\nobject: {type: invoice, key: name, fields: [depth]}\n"
    if "object:" in text:
        common = common.rpartition("object:")[0]
    file.write_text(common + text + "\n")
    _, _, findings = load_probe(file, {"payables": workflow})
    return "\n".join(finding.text() for finding in findings)


@pytest.mark.parametrize("text", [RABBIT, KAFKA, SQS])
def test_a_mistake_is_found_at_its_place(tmp_path: Path, workflow: Workflow, text: str) -> None:
    assert findings_of(tmp_path, workflow, text) == ""
    misspelt = "object: {type: invoice, key: name, fields: [depht]}\n" + text
    said = findings_of(tmp_path, workflow, misspelt)
    assert ":5:" in said
    assert "did you mean 'depth'?" in said
    assert "'mode' is full" in findings_of(tmp_path, workflow, f"{text}\nmode: incremental")


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("kind: kafka\nclient: {brokers: k.example}", ":7:10", "written like kafka.example:9093"),
        (
            "kind: kafka\nclient: {brokers: k.example:9092, login: {username: u, password: p}}",
            ":7:1",
            "would cross the network in clear",
        ),
        (f"{KAFKA}\nper: group", ":8:1", "'topic' or 'partition'"),
        (
            "kind: kafka\nclient: {brokers: k.example:9092, tls: {ca_file: no.pem}}",
            ":7:41",
            "'no.pem' is not there",
        ),
        ("kind: sqs\nclient: {region: us-east-1}", ":7:1", "'access_key' and 'secret_key'"),
        ("kind: sqs\nclient: {access_key: k, secret_key: s, endpoint: sqs}", ":7:40", "begins with https://"),
        (f"{RABBIT}\npage_size: 5000", ":8:1", "less than or equal to 500"),
    ],
)
def test_a_mistake_of_one_kind(tmp_path: Path, workflow: Workflow, text: str, place: str, said: str) -> None:
    found = findings_of(tmp_path, workflow, text)
    assert place in found
    assert said in found


def test_a_new_file_of_each_kind_loads(tmp_path: Path, workflow: Workflow) -> None:
    common = {"workflow": "payables", "system": "q", "object.type": "invoice"}
    (tmp_path / "ca.pem").touch()
    for kind in ("rabbitmq", "kafka", "sqs"):
        model = KINDS[kind]
        answers = {q.key: re.sub(r"\$\{(\w+)\}", r"\1", q.example) for q in model.questions}
        file = tmp_path / f"{kind}.yaml"
        file.write_text(starter.text(kind, model, "new", common | answers))
        probe, _, findings = load_probe(file, {"payables": workflow})
        assert [finding.text() for finding in findings] == []
        assert probe
        assert (probe.object.key, set(probe.object.fields) >= {"depth", "oldest_at", "dead_letter"}) == (
            ("name",),
            True,
        )
        assert not {q.key for q in starter.questions(model)} & {"object.type", "object.key"}
