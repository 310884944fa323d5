"""The sql kind against servers that the tests start for themselves: what holds for PostgreSQL and MariaDB alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from probes.probe import ProbeError, ProbeFile, Window
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes import mariadb, postgres
from tests.probes.source import count, rejects, states
from workflows.model import Workflow

pytestmark = pytest.mark.slow
MakeProbe = Callable[..., ProbeFile]
Server = postgres.Postgres | mariadb.Mariadb
FIVE = timedelta(minutes=5)


@pytest.fixture(scope="module", params=[postgres, mariadb], ids=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param.running() as found:
        yield found


@pytest.fixture
def database(server: Server) -> sa.Engine:
    engine = server.engine()
    write(engine, "DROP TABLE IF EXISTS invoices")
    write(
        engine,
        "CREATE TABLE invoices (no varchar(20), status varchar(40), total numeric(20, 4), "
        f"changed {server.instant}, local_time {server.local})",
    )
    return engine


def write(database: sa.Engine, sql: str) -> None:
    with database.begin() as db:
        db.exec_driver_sql(sql)


def probe_of(make_probe: MakeProbe, server: Server, query: str, **keys: Any) -> ProbeFile:
    keys.setdefault("object", {"fields": ["status"], "valid_from": "changed"})
    keys.setdefault("url", server.url())
    return make_probe(kind="sql", query=query, **keys)


def test_a_change_is_found_by_cursor_and_stored_with_its_own_time(
    store: Store, server: Server, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    query = "SELECT * FROM invoices WHERE changed >= :cursor AND changed < :window_end ORDER BY changed"
    rule = {"cursor_path": "changed", "overlap": "1m"}
    amount = {"column": "total", "currency": "EUR"}
    state = {"fields": ["status"], "valid_from": "changed", "amount": amount}
    # The zone of the probe is for times without one; a moment is a moment.
    probe = probe_of(
        make_probe, server, query, mode="incremental", incremental=rule, object=state, timezone="Asia/Tokyo"
    )
    insert = "INSERT INTO invoices (no, status, total, changed) VALUES"
    write(database, f"{insert} ('1', 'open', 12.5, '2026-11-20 11:00:00')")
    write(database, f"{insert} ('2', 'open', 7, '2026-11-20 12:04:00.123456')")
    first = run_probe(store, probe, workflow, NOW)
    assert (first.read, first.cursor) == (1, "changed=2026-11-20T11:00:00.000000Z")
    write(database, "UPDATE invoices SET status = 'paid', changed = '2026-11-20 12:03:00' WHERE no = '1'")
    second = run_probe(store, probe, workflow, NOW + FIVE)
    assert (second.read, second.changed, second.cursor) == (2, 2, "changed=2026-11-20T12:04:00.123456Z")
    assert [(s["fields"]["status"], s["amount"], s["valid_from"].minute) for s in states(store, "1")] == [
        ("open", Decimal("12.5"), 0),
        ("paid", Decimal("12.5"), 3),
    ]
    again = run_probe(store, probe, workflow, NOW + 2 * FIVE)
    assert (again.status, again.read, again.changed, rejects(store)) == ("ok", 1, 0, [])


def test_a_column_without_zone_is_asked_for_in_the_probes_zone(
    store: Store, server: Server, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
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
    for no, moment in (("1", "05:59"), ("2", "06:01")):
        insert = "INSERT INTO invoices (no, status, local_time) VALUES"
        write(database, f"{insert} ('{no}', 'open', '2026-11-20 {moment}:00')")
    first = run_probe(store, probe, workflow, NOW)
    assert (first.read, first.cursor) == (1, "local_time=2026-11-20T11:59:00.000000Z")
    assert states(store)[0]["valid_from"] == datetime(2026, 11, 20, 11, 59, tzinfo=UTC)
    assert run_probe(store, probe, workflow, NOW + FIVE).read == 2


def test_a_full_reading_counts_in_its_own_snapshot_and_writes_no_unchanged_row_again(
    store: Store, server: Server, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    write(
        database,
        f"INSERT INTO invoices (no, status, total) SELECT n, 'open', n FROM ({server.numbers(500)}) x",
    )
    controls = [
        {"query": "SELECT count(*) FROM invoices"},
        {"measure": "sum", "column": "total", "query": "SELECT sum(total) FROM invoices"},
    ]
    state = {"fields": ["status"]}
    query = "SELECT no, status, total FROM invoices WHERE status LIKE 'o%'"
    probe = probe_of(make_probe, server, query, object=state, controls=controls)
    first = run_probe(store, probe, workflow, NOW)
    assert (first.status, first.read, first.changed, first.complete) == ("ok", 500, 500, True)
    write(database, "DELETE FROM invoices WHERE no = '7'")
    second = run_probe(store, probe, workflow, NOW + FIVE)
    assert (second.status, second.read, second.changed) == ("ok", 499, 1)
    assert [state["deleted"] for state in states(store, "7")] == [False, True]
    write(database, "UPDATE invoices SET status = 'paid' WHERE no = '8'")
    missed = run_probe(store, probe, workflow, NOW + 2 * FIVE)
    assert (missed.status, missed.error_code) == ("partial", "control_missed")


def test_a_function_that_writes_is_refused(
    store: Store, server: Server, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    write(database, "INSERT INTO invoices (no, status) VALUES ('1', 'open')")
    server.add_wipe()
    probe = probe_of(make_probe, server, "SELECT wipe() AS no", object={})
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.error_code) == ("failed", "not_read_only")
    with database.connect() as db:
        assert db.exec_driver_sql("SELECT count(*) FROM invoices").scalar() == 1


@pytest.mark.parametrize(
    ("login", "code"),
    [
        ({"password": "wrong-secret"}, "auth_failed"),
        ({"user": "nobody_here"}, "auth_failed"),
        ({"database": "nowhere"}, "no_database"),
    ],
)
def test_a_refused_login_is_told_apart_from_a_server_that_is_away(
    store: Store, server: Server, make_probe: MakeProbe, workflow: Workflow, login: dict[str, str], code: str
) -> None:
    probe = probe_of(make_probe, server, "SELECT 1 AS no", url=server.url(**login), object={})
    done = run_probe(store, probe, workflow, NOW)
    assert (done.error_code, done.attempts) == (code, 1)
    assert "secret" not in done.error


def test_a_user_without_the_right_to_read_is_told_so(
    store: Store, server: Server, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    probe = probe_of(
        make_probe, server, "SELECT no FROM invoices", url=server.add_reader(), object={"fields": []}
    )
    done = run_probe(store, probe, workflow, NOW)
    assert (done.error_code, done.attempts) == ("auth_failed", 1)
    assert "grant SELECT" in done.error


def test_a_statement_is_stopped_by_the_server_when_the_time_is_used_up(
    store: Store, server: Server, make_probe: MakeProbe, workflow: Workflow
) -> None:
    probe = probe_of(make_probe, server, server.sleeping, timeouts={"total": "1s"}, object={})
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.error_code, done.attempts) == ("failed", "timeout", 1)


def test_a_server_that_dies_in_the_middle_is_read_again_from_the_beginning(
    store: Store, server: Server, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    """The first try loses its connection after some rows; the second finds all of them once."""
    # More than fits between the server and us, so that the rest is not on its way already.
    write(
        database, f"INSERT INTO invoices (no, status) SELECT n, 'open' FROM ({server.numbers(45_000)}) AS n"
    )
    query = "SELECT no, status, repeat('x', 1000) AS filler FROM invoices"
    probe = probe_of(make_probe, server, query, object={"fields": ["status"]})
    cut = {"left": 1}
    real = type(probe).read

    def cut_once(self: ProbeFile, window: Window) -> Iterator[Any]:
        for batch in real(self, window):
            yield batch
            if cut["left"]:
                cut["left"] = 0
                server.hang_up()

    watched = type("Watched", (type(probe),), {"read": cut_once})
    again = watched(**{name: getattr(probe, name) for name in type(probe).model_fields})
    done = run_probe(store, again, workflow, NOW)
    assert (done.status, done.attempts, done.read, done.changed) == ("ok", 2, 45_000, 45_000)
    assert count(store, "snapshots") == 45_000


def test_a_server_that_went_away_is_unreachable_and_nothing_reads_as_missing(
    store: Store, server: Server, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    write(database, "INSERT INTO invoices (no, status) VALUES ('1', 'open')")
    probe = probe_of(make_probe, server, "SELECT no, status FROM invoices", object={"fields": ["status"]})
    assert run_probe(store, probe, workflow, NOW).complete
    server.stop()
    try:
        done = run_probe(store, probe, workflow, NOW + FIVE)
        with pytest.raises(ProbeError, match=r"no connection to (postgresql|mysql) database"):
            list(probe.read(Window(end=NOW)))
    finally:
        server.start()
    assert (done.status, done.error_code, done.attempts) == ("failed", "unreachable", 3)
    assert (count(store, "watermarks"), count(store, "snapshots")) == (1, 1)
    assert run_probe(store, probe, workflow, NOW + 2 * FIVE).status == "ok"


def test_a_missing_table_is_named_and_the_columns_have_types(
    store: Store, server: Server, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    done = run_probe(store, probe_of(make_probe, server, "SELECT no FROM nowhere", object={}), workflow, NOW)
    assert (done.error_code, f"({server.nowhere})" in done.error) == ("query_failed", True)
    [batch] = probe_of(make_probe, server, "SELECT * FROM invoices").read(Window(end=NOW))
    assert list(batch.schema) == ["no", "status", "total", "changed", "local_time"]
    assert all(batch.schema.values())
