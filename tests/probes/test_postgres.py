"""The sql kind against PostgreSQL: what holds for this server alone; the rest is in test_databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trustme

from probes.probe import ProbeError, ProbeFile, Window
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.postgres import AFAR, PASSWORD, Postgres, running
from workflows.model import Workflow

pytestmark = pytest.mark.slow
MakeProbe = Callable[..., ProbeFile]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running() as postgres:
        yield postgres


@pytest.fixture
def database(server: Postgres) -> sa.Engine:
    engine = server.engine()
    with engine.begin() as db:
        db.exec_driver_sql("DROP TABLE IF EXISTS invoices")
        db.exec_driver_sql(
            "CREATE TABLE invoices (no text, status text, total numeric(20, 4), "
            "changed timestamptz DEFAULT now(), local_time timestamp, paid date, tags jsonb, ok boolean)"
        )
    return engine


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
    write(database, "INSERT INTO invoices (no, status) VALUES ('1', 'open')")
    sneaky = "WITH gone AS (DELETE FROM invoices RETURNING no, status) SELECT * FROM gone"
    done = run_probe(store, probe_of(make_probe, server, sneaky, object={}), workflow, NOW)
    assert (done.status, done.error_code) == ("failed", "query_failed")
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


def test_the_certificate_of_another_machine_is_checked(
    server: Postgres, make_probe: MakeProbe, tmp_path: Path
) -> None:
    query = "SELECT CASE WHEN ssl THEN version ELSE 'none' END AS no FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    own, other = f"?sslrootcert={server.folder}/ca.pem", f"?sslrootcert={tmp_path}/other.pem"

    def spoken(host: str, options: str = "", **keys: Any) -> str:
        """The TLS of the session."""
        url = f"{server.url(host=host)}{options}"
        probe = make_probe(kind="sql", url=url, query=query, object={}, **keys)
        [batch] = probe.read(Window(end=NOW))
        return str(batch.records.to_pylist()[0]["no"])

    assert spoken(AFAR, own).startswith("TLS")
    assert spoken(AFAR, "?sslmode=disable", insecure=True) == "none"
    for host, options, says in [
        (AFAR, "", "?sslrootcert=/etc/ssl/authority.pem"),
        (AFAR, other, "no known authority"),
        (AFAR, "?sslrootcert=/nowhere.pem", "?sslrootcert="),
        ("localhost", f"{own}&sslmode=verify-full", "a certificate of another host"),
    ]:
        with pytest.raises(ProbeError) as told:
            spoken(host, options)
        assert (told.value.code, PASSWORD in str(told.value), says in str(told.value)) == (
            "tls_refused",
            False,
            True,
        )
    server.speak_tls("off")
    try:
        with pytest.raises(ProbeError, match="speaks no TLS; switch it on there, or write insecure: true"):
            spoken(AFAR, own)
        assert spoken(AFAR, insecure=True) == "none"
    finally:
        server.speak_tls("on")
