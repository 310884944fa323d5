"""A run that misses what the source says of all it gave proves no absence."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.yamlfile import parse_text, validate
from probes.controls import Control, Measured, Said, expected, missed, number
from probes.kinds import KINDS
from probes.probe import ProbeFile
from probes.run import ProbeRun, run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.server import Api, serving
from tests.probes.source import Invoices, count
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
AMOUNT = {"amount": {"column": "total", "currency_column": "cur"}}


def outcome(done: ProbeRun) -> tuple[str, bool, str]:
    return done.status, done.complete, done.error_code


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Invoices]:
    invoices = Invoices(tmp_path)
    for no, total in (("1", "10.10"), ("2", "20.20"), ("3", "0.05")):
        invoices.put(no=no, total=total, cur="EUR")
    yield invoices
    invoices.close()


@pytest.mark.parametrize(
    ("control", "code", "words"),
    [
        ({"equals": 3}, "", ""),
        ({"query": "SELECT count(*) FROM invoices"}, "", ""),
        ({"measure": "sum", "column": "total", "query": "SELECT '30.35'"}, "", ""),
        ({"measure": "sum", "column": "total", "equals": 30.4, "tolerance": 0.05}, "", ""),
        (
            {"query": "SELECT count(*) + 1 FROM invoices"},
            "control_missed",
            "says a count of records of 4, 3 was read",
        ),
        (
            {"measure": "sum", "column": "total", "equals": "30.36"},
            "control_missed",
            "sum of total of 30.36, 30.35",
        ),
        ({"query": "SELECT NULL"}, "control_unsaid", "does not say the count of records"),
        ({"query": "SELECT 1 WHERE 0"}, "control_unsaid", "does not say"),
    ],
)
def test_a_database_is_held_to_its_own_count_and_sum(
    store: Store,
    make_probe: MakeProbe,
    source: Invoices,
    workflow: Workflow,
    control: Any,
    code: str,
    words: str,
) -> None:
    probe = make_probe(
        kind="sql", url=source.url, query="SELECT * FROM invoices", object=AMOUNT, controls=[control]
    )
    done = run_probe(store, probe, workflow, NOW)
    assert outcome(done) == (("partial", False, code) if code else ("ok", True, ""))
    assert words in done.error
    assert count(store, "watermarks") == (0 if code else 1)


def test_a_missed_control_calls_nothing_gone_and_keeps_the_cursor(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    control = {"query": "SELECT count(*) FROM invoices"}
    full = make_probe(kind="sql", url=source.url, query="SELECT * FROM invoices", controls=[control])
    run_probe(store, full, workflow, NOW)
    short = make_probe(kind="sql", url=source.url, query="SELECT * FROM invoices LIMIT 2", controls=[control])
    done = run_probe(store, short, workflow, NOW + timedelta(minutes=5))
    assert (outcome(done), done.deleted) == (("partial", False, "control_missed"), 0)
    source.run("UPDATE invoices SET changed = '2026-11-20 11:00:00'")
    window = "FROM invoices WHERE changed >= :cursor AND changed < :window_end"
    keys = {"mode": "incremental", "incremental": {"cursor_path": "changed", "overlap": "0s"}}
    parts = make_probe(
        name="parts", kind="sql", url=source.url, query=f"SELECT * {window} LIMIT 1",
        controls=[{"query": f"SELECT count(*) {window}"}], **keys,
    )  # fmt: skip
    done = run_probe(store, parts, workflow, NOW)
    assert (done.error_code, done.cursor) == ("control_missed", "")


def test_a_control_query_of_an_incremental_probe_asks_for_the_same_window(
    make_probe: MakeProbe, source: Invoices
) -> None:
    with pytest.raises(AssertionError, match=r"13|must use :cursor"):
        make_probe(
            kind="sql", url=source.url, query="SELECT * FROM invoices WHERE changed >= :cursor", mode="incremental",
            incremental={"cursor_path": "changed"}, controls=[{"query": "SELECT count(*) FROM invoices"}],
        )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"n": 3, "sum": "60.30"}, ""),
        ({"n": "3", "sum": 60.3}, ""),
        ({"n": 4, "sum": 60.3}, "control_missed"),
        ({"n": 3, "sum": 60.31}, "control_missed"),
        ({"n": 3}, "control_unsaid"),
        ({"n": "many", "sum": 60.3}, "control_unsaid"),
    ],
)
def test_pages_are_held_to_the_totals_they_tell(
    store: Store, make_probe: MakeProbe, workflow: Workflow, said: dict[str, Any], code: str
) -> None:
    api = Api()
    api.answer = lambda request: {
        "items": [{"no": request.query_params["page"], "total": 20.1}], "pages": 3, "totals": said,
    }  # fmt: skip
    with serving(api.app) as address:
        probe = make_probe(
            kind="rest", client={"base_url": f"http://{address}"}, data_selector="items",
            paginator={"type": "page_number", "total_path": "pages"},
            controls=[{"path": "totals.n"}, {"measure": "sum", "column": "total", "path": "totals.sum"}],
        )  # fmt: skip
        assert run_probe(store, probe, workflow, NOW).error_code == code


def files(make_probe: MakeProbe, folder: Path, **keys: Any) -> ProbeFile:
    base = {"kind": "files", "folder": str(folder), "glob": "*.csv", "format": "csv", "trailer": "END"}
    amount = {"amount": {"column": "total", "currency": "EUR", "decimal": ","}}
    controls = [{"trailer": 2}, {"measure": "sum", "column": "total", "trailer": 3}]
    return make_probe(**base | {"object": amount, "controls": controls, "delimiter": ";"} | keys)


def write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    moment = (NOW - timedelta(hours=1)).timestamp()
    os.utime(folder / name, (moment, moment))


HEAD = "no;total;note\n"


@pytest.mark.parametrize(
    ("text", "code", "read"),
    [
        ("1;1.000,50;a\n2;2,50;b\nEND;2;1.003,00\n", "", 2),
        ("1;1.000,50;a\n2;2,50;b\nEND;2;1.003,00;x;y\n\n\x1a", "", 2),
        ('1;"1.000,50";"a\nb"\n2;2,50-;b\nEND;2;998,00\n', "", 2),
        ("1;1,00;a\nEND;2;1,00\n", "control_missed", 1),
        ("1;1,00;a\nEND;1;1,01\n", "control_missed", 1),
        ("1;1,00;a\n2;2,00;b\n", "control_unsaid", 2),
        ("1;1,00;a\nEND;1\n", "control_unsaid", 1),
        ("1;1,00;a\nEND;one;1,00\n", "control_unsaid", 1),
        ("END;0;0\n", "", 0),
    ],
)
def test_a_file_is_held_to_its_trailer_which_is_no_record(
    store: Store, make_probe: MakeProbe, workflow: Workflow, tmp_path: Path, text: str, code: str, read: int
) -> None:
    write(tmp_path / "in", "a.csv", HEAD + text)
    done = run_probe(store, files(make_probe, tmp_path / "in"), workflow, NOW)
    assert (done.error_code, done.read, done.rejected) == (code, read, 0)
    assert done.complete is not bool(code)


def test_each_file_is_held_to_its_own_trailer_and_read_again_until_it_is_right(
    store: Store, make_probe: MakeProbe, workflow: Workflow, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    probe = files(make_probe, folder, mode="incremental")
    write(folder, "a.csv", f"{HEAD}1;1,00;a\nEND;1;1,00\n")
    write(folder, "b.csv", f"{HEAD}2;1,00;a\n")
    done = run_probe(store, probe, workflow, NOW)
    assert (done.error_code, "of file b.csv" in done.error) == ("control_unsaid", True)
    write(folder, "b.csv", f"{HEAD}2;1,00;a\n3;1,00;a\nEND;2;2,00\n")
    done = run_probe(store, probe, workflow, NOW)
    assert (outcome(done), done.read) == (("ok", True, ""), 3)
    assert run_probe(store, probe, workflow, NOW).read == 0


@pytest.mark.parametrize(
    ("kind", "keys", "says"),
    [
        ("sql", "controls: [{measure: count}]", "either 'equals' or 'query'"),
        ("sql", "controls: [{equals: 1, query: SELECT 1}]", "either 'equals' or 'query'"),
        ("sql", "controls: [{measure: sum, equals: 1}]", "'measure: sum' and 'column' go together"),
        ("files", "{folder: x, format: csv, controls: [{trailer: 2}]}", "needs the key 'trailer'"),
        ("files", "{folder: x, format: parquet, trailer: END}", "belongs to 'format: csv or fixed'"),
        ("files", "{folder: x, format: csv, trailer: END, encoding: utf-16}", "one byte a line end"),
        (
            "files",
            "{folder: x, format: csv, mode: incremental, controls: [{equals: 2}]}",
            "needs 'mode: full'",
        ),
    ],
)
def test_a_control_that_cannot_work_is_a_mistake_in_the_file(
    tmp_path: Path, kind: str, keys: str, says: str
) -> None:
    common = f"{{name: a, kind: {kind}, title: T, workflow: payables, system: ap, object: {{type: invoice, key: no}}"
    rest = (
        keys.strip("{}") if keys.startswith("{") else f"url: 'sqlite:///x.db', query: SELECT 1 AS no, {keys}"
    )
    parsed, _ = parse_text(tmp_path / "a.yaml", f"{common}, {rest}}}")
    assert parsed is not None
    assert any(says in finding.message for finding in validate(parsed, KINDS[kind])[1])


def test_every_control_must_be_said_and_come_out() -> None:
    controls = [Control(equals=2), Control(measure="sum", column="x"), Control(tolerance=1)]
    wanted = expected(controls, [Said(1, "3,5")])
    assert wanted == [Said(0, "2"), Said(1, "3,5"), Said(2, "")]
    measured = {(0, ""): Measured(2, Decimal(0)), (1, ""): Measured(2, None)}
    assert [miss.code for miss in missed(controls, wanted, measured, ",")] == [
        "control_missed",
        "control_unsaid",
    ]


@pytest.mark.parametrize(
    ("text", "mark", "value"),
    [("12", ".", "12"), (" 1.5 ", ".", "1.5"), ("1.234,50", ",", "1234.50"), ("3-", ".", "-3"), ("", ".", None),
     ("NaN", ".", None), ("x", ".", None)],
)  # fmt: skip
def test_a_number_is_read_as_it_is_written(text: str, mark: str, value: str | None) -> None:
    assert number(text, mark) == (None if value is None else Decimal(value))
