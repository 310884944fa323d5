"""The sql kind, against SQLite: a real database in a file."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count as counting
from pathlib import Path
from typing import Any

import pytest

from probes.probe import ProbeError, ProbeFile, Window
from probes.run import ProbeRun, run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.source import Invoices, count, states
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Invoices]:
    invoices = Invoices(tmp_path)
    yield invoices
    invoices.close()


def sql(
    make_probe: MakeProbe, source: Invoices, query: str = "SELECT * FROM invoices", **keys: Any
) -> ProbeFile:
    keys.setdefault("object", {"fields": ["status"]})
    return make_probe(kind="sql", url=source.url, query=query, **keys)


def incremental(make_probe: MakeProbe, source: Invoices, query: str = "", **rule: Any) -> ProbeFile:
    query = query or "SELECT * FROM invoices WHERE changed >= :cursor AND changed < :window_end"
    return sql(
        make_probe,
        source,
        query,
        mode="incremental",
        incremental={"cursor_path": "changed"} | rule,
        object={"fields": ["status"], "valid_from": "changed"},
    )


def test_values_of_every_type_arrive_as_exact_text(source: Invoices, make_probe: MakeProbe) -> None:
    query = (
        "SELECT 1 AS no, 0.1 AS f, 1234567890123456789 AS big, x'00ff' AS raw, NULL AS unsaid, '' AS blank"
    )
    probe = sql(make_probe, source, query, object={"fields": ["f", "big", "raw", "unsaid", "blank"]})
    [batch] = probe.read(Window(end=NOW))
    assert batch.records.to_pylist() == [
        {"no": "1", "f": "0.1", "big": "1234567890123456789", "raw": "00ff", "unsaid": None, "blank": ""}
    ]


def test_a_large_result_comes_in_bounded_batches(source: Invoices, make_probe: MakeProbe) -> None:
    query = (
        "WITH RECURSIVE n(no) AS (SELECT 1 UNION ALL SELECT no + 1 FROM n WHERE no < 45000) SELECT no FROM n"
    )
    probe = sql(make_probe, source, query, object={"fields": []})
    batches = list(probe.read(Window(end=NOW)))
    assert [batch.records.num_rows for batch in batches] == [20_000, 20_000, 5_000]
    assert [batch.first_line for batch in batches] == [1, 20_001, 40_001]


def test_only_columns_the_file_names_leave_the_database_driver(
    source: Invoices, make_probe: MakeProbe
) -> None:
    source.put(no="1", status="open", supplier="patient name")
    [batch] = sql(make_probe, source).read(Window(end=NOW))
    assert batch.records.schema.names == ["no", "status"]


def test_an_incremental_run_asks_for_what_changed_since_the_last_one(
    store: Store, source: Invoices, make_probe: MakeProbe, workflow: Workflow
) -> None:
    probe = incremental(make_probe, source, overlap="10m")
    for number, moment in enumerate(("2026-11-20 09:00:00", "2026-11-20 11:55:00"), start=1):
        source.put(no=str(number), status="open", changed=moment)
    first = run_probe(store, probe, workflow, NOW)
    assert (first.read, first.changed) == (2, 2)
    assert first.cursor == "changed=2026-11-20T11:55:00.000000Z"
    source.put(no="3", status="open", changed="2026-11-20 12:02:00")
    second = run_probe(store, probe, workflow, NOW + FIVE)
    assert (second.read, second.changed) == (2, 1)  # 11:55 is read again: within the overlap
    assert second.cursor == "changed=2026-11-20T12:02:00.000000Z"


def test_a_change_that_became_visible_late_is_found_within_the_overlap(
    store: Store, source: Invoices, make_probe: MakeProbe, workflow: Workflow
) -> None:
    """A transaction that began before our reading and was committed after it."""
    probe = incremental(make_probe, source)
    source.put(no="1", status="open", changed="2026-11-20 11:59:00")
    run_probe(store, probe, workflow, NOW)
    source.put(no="2", status="open", changed="2026-11-20 11:55:00")
    assert run_probe(store, probe, workflow, NOW + FIVE).changed == 1


def test_a_quiet_source_keeps_the_cursor_and_still_proves_completeness(
    store: Store, source: Invoices, make_probe: MakeProbe, workflow: Workflow
) -> None:
    probe = incremental(make_probe, source, overlap="0s")
    source.put(no="1", status="open", changed="2026-11-20 09:00:00")
    first = run_probe(store, probe, workflow, NOW)
    source.run("DELETE FROM invoices")
    second = run_probe(store, probe, workflow, NOW + FIVE)
    assert (second.read, second.changed, second.deleted, second.complete) == (0, 0, 0, True)
    assert second.cursor == first.cursor
    assert second.complete_through == NOW + FIVE


def test_a_time_in_the_future_does_not_carry_the_cursor_past_now(
    store: Store, source: Invoices, make_probe: MakeProbe, workflow: Workflow
) -> None:
    probe = incremental(make_probe, source, "SELECT * FROM invoices WHERE changed >= :cursor")
    source.put(no="1", status="open", changed="2099-01-01 00:00:00")
    assert run_probe(store, probe, workflow, NOW).cursor == "changed=2026-11-20T12:00:00.000000Z"


@pytest.mark.parametrize(
    ("rule", "query", "cursors", "reads"),
    [
        ({"cursor_path": "rowid", "type": "number", "overlap": 1}, "rowid > :cursor", ["rowid=2", "rowid=3"], [2, 2]),
        ({"cursor_path": "rowid", "type": "number", "initial_value": 1}, "rowid > :cursor", ["rowid=2", "rowid=3"], [1, 1]),
        ({"type": "text"}, "changed >= :cursor", ["changed=b", "changed=c"], [2, 2]),
        ({"type": "text", "initial_value": "b"}, "changed > :cursor", ["", "changed=c"], [0, 1]),
    ],
)  # fmt: skip
def test_a_cursor_may_be_a_number_or_a_text(
    store: Store,
    source: Invoices,
    make_probe: MakeProbe,
    workflow: Workflow,
    rule: dict[str, Any],
    query: str,
    cursors: list[str],
    reads: list[int],
) -> None:
    probe = sql(
        make_probe,
        source,
        f"SELECT rowid, * FROM invoices WHERE {query}",
        mode="incremental",
        incremental={"cursor_path": "changed"} | rule,
    )
    source.put(no="1", changed="a")
    source.put(no="2", changed="b")
    first = run_probe(store, probe, workflow, NOW)
    source.put(no="3", changed="c")
    second = run_probe(store, probe, workflow, NOW + FIVE)
    assert [first.cursor, second.cursor] == cursors
    assert [first.read, second.read] == reads


def test_a_local_time_is_asked_for_and_understood_in_its_zone(
    store: Store, source: Invoices, make_probe: MakeProbe, workflow: Workflow
) -> None:
    probe = sql(
        make_probe,
        source,
        "SELECT * FROM invoices WHERE changed >= :cursor AND changed < :window_end",
        mode="incremental",
        incremental={"cursor_path": "changed", "type": "local_time", "overlap": "0s"},
        timezone="America/Chicago",
        object={"fields": ["status"], "valid_from": "changed"},
    )
    source.put(no="1", status="open", changed="2026-11-20 05:59:59.000000")  # 11:59:59 UTC
    source.put(no="2", status="later", changed="2026-11-20 06:00:00.000000")  # 12:00 UTC
    first = run_probe(store, probe, workflow, NOW)
    assert (first.read, first.cursor) == (1, "changed=2026-11-20T11:59:59.000000Z")
    assert states(store)[0]["valid_from"] == datetime(2026, 11, 20, 11, 59, 59, tzinfo=UTC)
    assert run_probe(store, probe, workflow, NOW + FIVE).read == 2


def test_another_cursor_column_begins_again(
    store: Store, source: Invoices, make_probe: MakeProbe, workflow: Workflow
) -> None:
    source.put(no="1", status="open", changed="2026-11-20 09:00:00")
    run_probe(store, incremental(make_probe, source), workflow, NOW)
    query = "SELECT rowid, * FROM invoices WHERE rowid > :cursor"
    probe = incremental(make_probe, source, query, cursor_path="rowid", type="number")
    assert run_probe(store, probe, workflow, NOW + FIVE).cursor == "rowid=1"


def test_a_run_that_proves_nothing_does_not_move_the_cursor(
    store: Store, source: Invoices, make_probe: MakeProbe, workflow: Workflow
) -> None:
    """Otherwise the records set aside would never be read again once the file is repaired."""
    source.put(no="", status="open", changed="2026-11-20 11:00:00")
    source.put(no="1", status="open", changed="2026-11-20 11:00:00")
    done = run_probe(store, incremental(make_probe, source), workflow, NOW)
    assert (done.complete, done.cursor) == (False, "")


def test_a_cursor_column_without_values_is_an_error(
    store: Store, source: Invoices, make_probe: MakeProbe, workflow: Workflow
) -> None:
    source.put(no="1", status="open", changed=None)
    probe = incremental(make_probe, source, "SELECT * FROM invoices WHERE :cursor IS NOT NULL")
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.error_code) == ("failed", "no_cursor")
    assert count(store, "snapshots") == 0


def failure(store: Store, probe: ProbeFile, workflow: Workflow) -> ProbeRun:
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.complete, done.complete_through) == ("failed", False, None)
    [row] = store.rows("SELECT status, error_code, error, attempts, cursor FROM probe_runs")
    assert (row["status"], row["error_code"], row["error"]) == ("failed", done.error_code, done.error)
    assert count(store, "watermarks") == count(store, "probe_rows") == 0
    return done


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ("SELECT no, status FROM nowhere", "query_failed", "(no such table: nowhere)"),
        ("SELECT no, stats FROM invoices", "query_failed", "(no such column: stats)"),
        ("SELECT no, status FROM invoices WHERE", "query_failed", "failed"),
        ("SELECT no, status AS statu FROM invoices", "column_missing", "gives no column 'status'; did you mean 'statu'?"),
        ("WITH x AS (SELECT 1) INSERT INTO invoices (no) SELECT * FROM x", "not_read_only", "tries to write; a probe only reads"),
        ("SELECT no, status FROM invoices; DROP TABLE invoices", "query_failed", "failed"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_run_is_a_failed_run_with_a_plain_sentence(
    store: Store,
    source: Invoices,
    make_probe: MakeProbe,
    workflow: Workflow,
    query: str,
    code: str,
    text: str,
) -> None:
    source.put(no="1", status="secret-payload")
    done = failure(store, sql(make_probe, source, query), workflow)
    assert (done.error_code, done.attempts) == (code, 1)
    assert text in done.error
    assert "secret-payload" not in done.error
    source.run("SELECT no FROM invoices")


def test_a_database_file_that_is_not_there_is_not_created(
    store: Store, make_probe: MakeProbe, workflow: Workflow, tmp_path: Path
) -> None:
    """SQLite would make an empty one, and everything would seem to be gone."""
    missing = tmp_path / "elsewhere.db"
    probe = make_probe(kind="sql", url=f"sqlite:///{missing}", query="SELECT no FROM t")
    done = failure(store, probe, workflow)
    assert (done.error_code, done.attempts) == ("unreachable", 3)
    assert "is not a file; check the path in the url" in done.error
    assert not missing.exists()


def test_an_unreachable_server_fails_after_its_attempts_and_other_probes_go_on(
    store: Store,
    source: Invoices,
    make_probe: MakeProbe,
    workflow: Workflow,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = "postgresql+psycopg://reader:hunter2-secret@127.0.0.1:9/erp"
    away = make_probe(kind="sql", name="away", url=url, query="SELECT no FROM t", attempts=4)
    source.put(no="1", status="open")
    done = failure(store, away, workflow)
    assert (done.error_code, done.attempts) == ("unreachable", 4)
    assert done.error == (
        "no connection to postgresql database 127.0.0.1:9/erp; check that it runs, "
        "that host and port are right and that a firewall lets this machine through"
    )
    told = [record.getMessage() for record in caplog.records if record.name == "probes.reader"]
    assert told == [f"{done.error} (next attempt in 0 s)"] * 3
    assert run_probe(store, sql(make_probe, source), workflow, NOW).status == "ok"


def test_a_missing_driver_names_the_command_that_installs_it(
    store: Store, make_probe: MakeProbe, workflow: Workflow
) -> None:
    probe = make_probe(kind="sql", url="mssql+pymssql://u@127.0.0.1/db", query="SELECT no FROM t")
    done = failure(store, probe, workflow)
    assert (done.error_code, done.attempts) == ("driver_missing", 1)
    assert done.error == "the driver for mssql+pymssql is not installed; run: pip install 'pymssql'"


def test_a_query_that_never_ends_is_interrupted(
    store: Store, source: Invoices, make_probe: MakeProbe, workflow: Workflow
) -> None:
    endless = "WITH RECURSIVE n(no) AS (SELECT 1 UNION ALL SELECT no + 1 FROM n) SELECT max(no) AS no FROM n"
    probe = sql(make_probe, source, endless, object={"fields": []})
    ticks = counting(step=100)
    done = run_probe(store, probe, workflow, NOW, monotonic=lambda: float(next(ticks)))
    assert (done.status, done.error_code) == ("failed", "timeout")
    assert "took longer than timeouts.total allows" in done.error


def test_a_locked_database_is_tried_again_and_attempts_are_counted(
    store: Store, source: Invoices, make_probe: MakeProbe, workflow: Workflow
) -> None:
    source.put(no="1", status="open")
    with closing(sqlite3.connect(source.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        probe = sql(make_probe, source, timeouts={"connect": "1s"}, attempts=2)
        done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.error_code, done.attempts) == ("failed", "locked", 2)


def test_secrets_of_a_url_are_in_no_text_that_leaves_the_probe(
    store: Store, make_probe: MakeProbe, workflow: Workflow, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    secret = "hunter2-secret"
    (tmp_path / "password").write_text(secret)
    url = "postgresql+psycopg://reader:hunter2-secret@127.0.0.1:9/erp?application_name=hunter2-secret"
    probe = make_probe(kind="sql", url=url, query="SELECT no FROM t")
    with caplog.at_level(logging.DEBUG):
        done = run_probe(store, probe, workflow, NOW)
    with pytest.raises(ProbeError) as caught:
        list(probe.read(Window(end=NOW)))
    texts = [
        repr(probe),
        str(probe),
        probe.model_dump_json(),
        done.error,
        repr(done),
        caplog.text,
        str(caught.value),
    ]
    texts += [str(row) for row in store.rows("SELECT * FROM probe_runs")]
    assert caught.value.__cause__ is None
    assert not any(secret in text for text in texts)


def test_a_secret_may_stand_in_a_file_or_in_the_environment(
    source: Invoices, make_probe: MakeProbe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.put(no="1", status="open")
    (tmp_path / "url").write_text(f"{source.url}\n")
    monkeypatch.setenv("AP_URL", source.url)
    for reference in (f"${{file:{tmp_path / 'url'}}}", "${AP_URL}"):
        probe = make_probe(
            kind="sql", url=reference, query="SELECT * FROM invoices", object={"fields": ["status"]}
        )
        [batch] = probe.read(Window(end=NOW))
        assert batch.records.num_rows == 1
