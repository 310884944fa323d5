"""The sql kind against a PostgreSQL server that the test starts for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from probes.probe import ProbeError, ProbeFile, Window
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.postgres import PASSWORD, Postgres, running
from tests.probes.source import count, rejects, states
from workflows.model import Workflow

pytestmark = pytest.mark.slow
MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running() as postgres:
        yield postgres


@pytest.fixture
def database(server: Postgres) -> Iterator[sa.Engine]:
    # A test that fails half way may leave a transaction open: the next one is not to wait for it.
    engine = sa.create_engine(server.url(), connect_args={"options": "-c lock_timeout=5s"})
    with engine.begin() as db:
        db.exec_driver_sql("DROP TABLE IF EXISTS invoices")
        db.exec_driver_sql(
            "CREATE TABLE invoices (no text, status text, total numeric(20, 4), "
            "changed timestamptz DEFAULT now(), local_time timestamp, paid date, tags jsonb, ok boolean)"
        )
    yield engine
    engine.dispose()


def write(database: sa.Engine, sql: str) -> None:
    with database.begin() as db:
        db.exec_driver_sql(sql)


def probe_of(make_probe: MakeProbe, server: Postgres, query: str, **keys: Any) -> ProbeFile:
    keys.setdefault("object", {"fields": ["status"], "valid_from": "changed"})
    keys.setdefault("url", server.url())
    return make_probe(kind="sql", query=query, **keys)


def test_every_type_of_a_row_arrives_exactly(
    server: Postgres, database: sa.Engine, make_probe: MakeProbe
) -> None:
    write(
        database,
        "INSERT INTO invoices VALUES ('1', 'ü\u00a0', 1234567890123456.7890, '2026-07-01 10:00:00+02', "
        "'2026-07-01 10:00:00', '2026-07-02', '[\"a\", \"b\"]', true)",
    )
    names = ["status", "total", "changed", "local_time", "paid", "tags", "ok"]
    [batch] = probe_of(make_probe, server, "SELECT * FROM invoices", object={"fields": names}).read(
        Window(end=NOW)
    )
    assert batch.records.to_pylist() == [
        {
            "no": "1",
            "status": "ü\u00a0",
            "total": "1234567890123456.7890",
            "changed": "2026-07-01T08:00:00.000000Z",
            "local_time": "2026-07-01 10:00:00",
            "paid": "2026-07-02",
            "tags": '["a", "b"]',
            "ok": "true",
        }
    ]


def test_a_change_is_found_by_cursor_and_stored_with_its_own_time(
    store: Store, server: Postgres, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    query = "SELECT * FROM invoices WHERE changed >= :cursor AND changed < :window_end ORDER BY changed"
    rule = {"cursor_path": "changed", "overlap": "1m"}
    amount = {"column": "total", "currency": "EUR"}
    state = {"fields": ["status"], "valid_from": "changed", "amount": amount}
    probe = probe_of(make_probe, server, query, mode="incremental", incremental=rule, object=state)
    write(database, "INSERT INTO invoices VALUES ('1', 'open', 12.5, '2026-11-20 11:00:00+00')")
    write(database, "INSERT INTO invoices VALUES ('2', 'open', 7, '2026-11-20 12:04:00.123456+00')")
    first = run_probe(store, probe, workflow, NOW)
    assert (first.read, first.cursor) == (1, "changed=2026-11-20T11:00:00.000000Z")
    write(database, "UPDATE invoices SET status = 'paid', changed = '2026-11-20 12:03:00+00' WHERE no = '1'")
    second = run_probe(store, probe, workflow, NOW + FIVE)
    assert (second.read, second.changed, second.cursor) == (2, 2, "changed=2026-11-20T12:04:00.123456Z")
    assert [(s["fields"]["status"], s["amount"], s["valid_from"].minute) for s in states(store, "1")] == [
        ("open", Decimal("12.5"), 0),
        ("paid", Decimal("12.5"), 3),
    ]
    assert rejects(store) == []


def test_a_column_without_zone_is_asked_for_in_the_probes_zone(
    store: Store, server: Postgres, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    query = "SELECT * FROM invoices WHERE local_time >= :cursor AND local_time < :window_end"
    probe = probe_of(
        make_probe,
        server,
        query,
        mode="incremental",
        incremental={"cursor_path": "local_time", "type": "local_time", "overlap": "0s"},
        timezone="America/Chicago",
        object={"fields": ["status"], "valid_from": "local_time"},
    )
    write(
        database, "INSERT INTO invoices (no, status, local_time) VALUES ('1', 'open', '2026-11-20 05:59:00')"
    )
    write(
        database, "INSERT INTO invoices (no, status, local_time) VALUES ('2', 'open', '2026-11-20 06:01:00')"
    )
    first = run_probe(store, probe, workflow, NOW)
    assert (first.read, first.cursor) == (1, "local_time=2026-11-20T11:59:00.000000Z")
    assert states(store)[0]["valid_from"] == datetime(2026, 11, 20, 11, 59, tzinfo=UTC)
    assert run_probe(store, probe, workflow, NOW + FIVE).read == 2


def test_a_large_table_is_streamed_from_a_cursor_of_the_server(
    server: Postgres, database: sa.Engine, make_probe: MakeProbe
) -> None:
    write(database, "INSERT INTO invoices (no, status) SELECT n, 'open' FROM generate_series(1, 45000) AS n")
    probe = probe_of(make_probe, server, "SELECT no, status FROM invoices", object={"fields": ["status"]})
    with closing(probe.read(Window(end=NOW))) as reading:
        sizes = [next(reading).records.num_rows]
        with database.connect() as other:
            running = "SELECT query FROM pg_stat_activity WHERE state = 'idle in transaction'"
            assert "FETCH FORWARD" in str(other.exec_driver_sql(running).scalar())
        sizes += [batch.records.num_rows for batch in reading]
    assert sizes == [20_000, 20_000, 5_000]


def test_a_query_cannot_write_whatever_it_says(
    store: Store, server: Postgres, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    write(
        database,
        "CREATE OR REPLACE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM invoices RETURNING 1'",
    )
    write(database, "INSERT INTO invoices (no, status) VALUES ('1', 'open')")
    sneaky = "WITH gone AS (DELETE FROM invoices RETURNING no, status) SELECT * FROM gone"
    hidden = "SELECT wipe()::text AS no, '' AS status"
    for query, code in ((sneaky, "query_failed"), (hidden, "not_read_only")):
        probe = probe_of(make_probe, server, query, object={"fields": ["status"]})
        done = run_probe(store, probe, workflow, NOW)
        assert (done.status, done.error_code) == ("failed", code)
    with database.connect() as db:
        assert db.exec_driver_sql("SELECT count(*) FROM invoices").scalar() == 1


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ("SELECT no FROM nowhere", "query_failed", '(relation "nowhere" does not exist)'),
        ("SELECT nope AS no FROM invoices", "query_failed", '(column "nope" does not exist)'),
        ("SELECT no FROM invoices WHERE total > status::int", "query_failed", "(SQLSTATE 22P02)"),
        ("SELECT 1/0 AS no", "query_failed", "(SQLSTATE 22012)"),
        ("SELECT no FROM invoices WHERE", "query_failed", "syntax error at"),
    ],
)
def test_an_error_tells_names_and_codes_but_no_values(
    store: Store,
    server: Postgres,
    database: sa.Engine,
    make_probe: MakeProbe,
    workflow: Workflow,
    query: str,
    code: str,
    text: str,
) -> None:
    write(database, "INSERT INTO invoices (no, status, total) VALUES ('1', 'MRN-4711-canary', 1)")
    done = run_probe(store, probe_of(make_probe, server, query, object={}), workflow, NOW)
    assert (done.status, done.error_code, done.attempts) == ("failed", code, 1)
    assert text in done.error or "SQLSTATE 42601" in done.error
    assert "canary" not in done.error
    assert PASSWORD not in done.error


@pytest.mark.parametrize(
    ("login", "code", "attempts"),
    [
        ({"password": "wrong-secret"}, "auth_failed", 1),
        ({"user": "nobody_here"}, "auth_failed", 1),
        ({"database": "nowhere"}, "no_database", 1),
    ],
)
def test_a_refused_login_is_told_apart_from_a_server_that_is_away(
    store: Store,
    server: Postgres,
    make_probe: MakeProbe,
    workflow: Workflow,
    login: dict[str, str],
    code: str,
    attempts: int,
) -> None:
    probe = probe_of(make_probe, server, "SELECT 1 AS no", url=server.url(**login), object={})
    done = run_probe(store, probe, workflow, NOW)
    assert (done.error_code, done.attempts) == (code, attempts)
    assert "secret" not in done.error


def test_a_user_without_the_right_to_read_is_told_so(
    store: Store, server: Postgres, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    write(database, f"DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
    probe = probe_of(
        make_probe, server, "SELECT no FROM invoices", url=server.url(user="reader"), object={"fields": []}
    )
    done = run_probe(store, probe, workflow, NOW)
    assert (done.error_code, done.attempts) == ("auth_failed", 1)
    assert "grant SELECT" in done.error


def test_a_statement_is_stopped_by_the_server_when_the_time_is_used_up(
    store: Store, server: Postgres, make_probe: MakeProbe, workflow: Workflow
) -> None:
    probe = probe_of(
        make_probe, server, "SELECT pg_sleep(30)::text AS no", timeouts={"total": "1s"}, object={}
    )
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.error_code, done.attempts) == ("failed", "timeout", 1)


def test_a_server_that_dies_in_the_middle_is_read_again_from_the_beginning(
    store: Store, server: Postgres, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    """The first try loses its connection after some rows; the second finds all of them once."""
    write(database, "INSERT INTO invoices (no, status) SELECT n, 'open' FROM generate_series(1, 45000) AS n")
    probe = probe_of(make_probe, server, "SELECT no, status FROM invoices", object={"fields": ["status"]})
    cut = {"left": 1}
    real = type(probe).read

    def cut_once(self: ProbeFile, window: Window) -> Iterator[Any]:
        for batch in real(self, window):
            yield batch
            if cut["left"]:
                cut["left"] = 0
                others = (
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                )
                with database.connect() as db:
                    db.exec_driver_sql(others)

    watched = type("Watched", (type(probe),), {"read": cut_once})
    again = watched(**{name: getattr(probe, name) for name in type(probe).model_fields})
    done = run_probe(store, again, workflow, NOW)
    assert (done.status, done.attempts, done.read, done.changed) == ("ok", 2, 45_000, 45_000)
    assert count(store, "snapshots") == 45_000


def test_a_server_that_went_away_is_unreachable_and_nothing_reads_as_missing(
    store: Store, server: Postgres, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    write(database, "INSERT INTO invoices (no, status) VALUES ('1', 'open')")
    probe = probe_of(make_probe, server, "SELECT no, status FROM invoices", object={"fields": ["status"]})
    assert run_probe(store, probe, workflow, NOW).complete
    server.stop()
    try:
        done = run_probe(store, probe, workflow, NOW + FIVE)
        with pytest.raises(ProbeError, match="no connection to postgresql database"):
            list(probe.read(Window(end=NOW)))
    finally:
        server.start()
    assert (done.status, done.error_code, done.attempts) == ("failed", "unreachable", 3)
    assert (count(store, "watermarks"), count(store, "snapshots")) == (1, 1)
    assert run_probe(store, probe, workflow, NOW + 2 * FIVE).status == "ok"
