"""The doctor names the first thing that keeps a probe from working; a new probe file says what goes where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from probes import starter
from probes.doctor import diagnose
from probes.kinds import KINDS
from probes.load import load_probe
from probes.probe import ProbeFile
from probes.run import run_probe
from probes.systems import Breaker, SystemRule, Systems
from store.client import Store
from tests.conftest import NOW
from tests.ports import free_port
from tests.probes.server import Api, serving
from tests.probes.source import count
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
RECORDS = [
    {"no": "1", "status": "open", "at": "2026-11-20T10:00:00Z"},
    {"no": "", "at": "2026-11-20T11:00:00Z"},
]


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    api.answer = lambda _: RECORDS[:1]
    with serving(api.app) as address:
        api.address = address
        yield api


@pytest.fixture
def said(store: Store, workflow: Workflow) -> Callable[..., dict[str, Any]]:
    def ask(probe: ProbeFile, systems: Systems | None = None) -> dict[str, Any]:
        found = diagnose(store, probe, workflow, NOW, systems or Systems(), Path("probes/x.yaml"))
        assert all(check.then for check in found if check.ok is False)
        return {check.name: check for check in found}

    return ask


def marks(checks: dict[str, Any]) -> dict[str, bool | None]:
    return {name: check.ok for name, check in checks.items()}


def test_a_probe_in_good_health(
    store: Store, make_probe: MakeProbe, api: Api, said: Callable[..., Any]
) -> None:
    probe = make_probe(kind="rest", client={"base_url": api.url}, object={"fields": ["status"]})
    checks = said(probe)
    assert marks(checks) == {
        "configuration": True, "credentials": True, "name resolves": True, "connects": True, "authenticates": True,
        "reads": True, "columns": True, "mapping": True, "clock": True, "cursor": None, "last run": None,
    }  # fmt: skip
    assert count(store, "probe_runs") == count(store, "snapshots") == count(store, "import_rejects") == 0


@pytest.mark.parametrize(
    ("answer", "keys", "bad", "words"),
    [
        (lambda _: Response(status_code=401), {}, "authenticates", "check client.auth"),
        (lambda _: Response(status_code=500), {}, "reads", "status 500"),
        (lambda _: RECORDS, {}, "mapping", "column no is empty"),
        (lambda _: RECORDS, {"object": {"fields": ["statsu"]}}, "columns", "no record has a value in statsu"),
        (
            lambda _: JSONResponse(RECORDS[:1], headers={"Date": "Fri, 20 Nov 2020 12:00:00 GMT"}),
            {}, "clock", "s behind ours",
        ),
        (lambda _: RECORDS[:1], {"client": {"base_url": "http://no-such-host.invalid"}}, "name resolves", "is not known"),
    ],
)  # fmt: skip
def test_the_question_that_fails_is_the_one_that_matters(
    make_probe: MakeProbe, said: Callable[..., Any], answer: Any, keys: dict[str, Any], bad: str, words: str
) -> None:
    api = Api()
    api.answer = answer
    with serving(api.app, date_header=False) as address:
        probe = make_probe(kind="rest", **{"client": {"base_url": f"http://{address}"}} | keys)
        checks = said(probe)
    assert next(name for name, ok in marks(checks).items() if ok is False) == bad
    assert words in checks[bad].found


def test_a_host_where_nobody_listens(make_probe: MakeProbe, said: Callable[..., Any]) -> None:
    port = free_port()
    for probe in (
        make_probe(kind="rest", client={"base_url": f"http://127.0.0.1:{port}"}),
        make_probe(
            kind="sql", url=f"postgresql+psycopg://me:s3cret@127.0.0.1:{port}/x", query="SELECT 1 AS no"
        ),
    ):
        checks = said(probe)
        assert (marks(checks)["name resolves"], marks(checks)["connects"], "reads" in checks) == (
            True,
            False,
            False,
        )
        assert "s3cret" not in str(checks)


def test_a_database_refuses_a_column_that_is_not_there(
    make_probe: MakeProbe, said: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "x.db").touch()
    checks = said(make_probe(kind="sql", url=f"sqlite:///{tmp_path}/x.db", query="SELECT 1 AS noo"))
    assert (marks(checks)["name resolves"], marks(checks)["columns"]) == (None, False)
    assert "did you mean 'noo'" in checks["columns"].found


def test_a_cursor_in_the_future_is_noticed(
    store: Store, make_probe: MakeProbe, workflow: Workflow, api: Api, said: Callable[..., Any]
) -> None:
    incremental = {"cursor_path": "at", "param": "since", "overlap": "0s"}
    probe = make_probe(kind="rest", client={"base_url": api.url}, mode="incremental", incremental=incremental)
    api.answer = lambda _: [{"no": "1", "at": "2026-11-21T11:00:00Z"}]
    assert run_probe(store, probe, workflow, NOW + timedelta(days=2)).status == "ok"
    assert marks(said(probe))["cursor"] is False


def test_a_resting_system_and_the_last_failure_are_told(
    store: Store, make_probe: MakeProbe, workflow: Workflow, api: Api, said: Callable[..., Any]
) -> None:
    probe = make_probe(kind="rest", client={"base_url": api.url}, attempts=1)
    systems = Systems({"ap": SystemRule(breaker=Breaker(failures=1))})
    api.answer = lambda _: Response(status_code=503)
    run_probe(store, probe, workflow, NOW, systems=systems)
    checks = said(probe, systems)
    assert "left alone until 2026-11-20 12:05:00 UTC" in checks["system"].found
    assert (checks["last run"].ok, "1 of 1 tries in a day failed" in checks["last run"].found) == (
        False,
        True,
    )


ANSWERS = {
    "sql": {"url": "sqlite:///x.db", "query": "SELECT no, status\nFROM invoices -- 'quoted': text"},
    "rest": {"client.base_url": "https://erp.example/api", "endpoint.path": "a b", "client.auth.type": "bearer",
             "client.auth.token": "yes", "data_selector": "items"},
    "files": {"folder": "../in box", "glob": "*.csv", "format": "csv"},
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(ANSWERS))
def test_the_text_of_a_new_probe_loads_and_says_what_was_answered(
    kind: str, tmp_path: Path, workflow: Workflow
) -> None:
    common = {"workflow": "payables", "system": "ap", "object.type": "invoice", "object.key": "no, status"}
    file = tmp_path / "new.yaml"
    file.write_text(
        starter.text(kind, KINDS[kind], "new", common | ANSWERS[kind] | {"object.fields": "status"})
    )
    probe, _, findings = load_probe(file, {"payables": workflow})
    assert [finding.text() for finding in findings] == []
    assert probe is not None
    assert (probe.object.key, probe.object.fields) == (("no", "status"), {"status": "status"})
    said = probe.model_dump(mode="json")
    if kind == "sql":
        assert said["query"].strip() == ANSWERS["sql"]["query"]
    if kind == "rest":
        assert (said["endpoint"]["path"], said["client"]["auth"]["type"]) == ("a b", "bearer")


def test_a_kind_that_says_nothing_of_questions_is_asked_for_the_keys_it_must_have(workflow: Workflow) -> None:
    class Ledger(KINDS["files"]):  # type: ignore[misc]
        questions = ()

    assert [question.key for question in starter.questions(Ledger)][2:4] == ["folder", "format"]
