"""Migrations: from nothing to the dumped schema, once, resumable, and never over edited or later history."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from store import dump, migrate
from store.client import Store
from store.errors import MigrationError, NewerSchemaError, StoreError
from store.migrate import Migration
from store.sqlfile import statements

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DURABLE = {
    "fsync_after_insert": "1",
    "fsync_part_directory": "1",
    "min_rows_to_fsync_after_merge": "1",
    "min_compressed_bytes_to_fsync_after_merge": "1",
    "old_parts_lifetime": "480",
}
# Held only while a run works; nothing rests on them.
TRANSIENT = {"probe_rows", "probe_states"}
FIRST = Migration(1, "0001_first", "CREATE TABLE IF NOT EXISTS a (x Int8) ENGINE = MergeTree ORDER BY x;\n")
SECOND = Migration(
    2,
    "0002_second",
    "CREATE TABLE IF NOT EXISTS b (x Int8) ENGINE = MergeTree ORDER BY x;\n"
    "-- the next may fail\n"
    "ALTER TABLE a ADD COLUMN IF NOT EXISTS y String;\n"
    "CREATE TABLE IF NOT EXISTS c (x Int8) ENGINE = MergeTree ORDER BY x;\n",
)


def _tables(store: Store) -> set[str]:
    return {
        row["name"] for row in store.rows("SELECT name FROM system.tables WHERE database = currentDatabase()")
    }


def _ledger(store: Store) -> list[tuple[int, int, bool]]:
    rows = store.rows("SELECT id, statement, finished FROM schema_migrations ORDER BY id, statement")
    return [(row["id"], row["statement"], row["finished"]) for row in rows]


def test_a_database_made_from_nothing_is_the_dumped_schema() -> None:
    """In a process of its own: this one has the engine open already. Repair with `python -m store.dump`."""
    done = subprocess.run([sys.executable, "-m", "store.dump", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_the_dumped_schema_makes_the_same_schema_again(scratch: Store) -> None:
    text = dump.SCHEMA.read_text(encoding="utf-8")
    waiting = text.removeprefix(dump.HEADER).strip().split("\n\n")
    while waiting:  # a view may stand before the table it writes to
        left = [statement for statement in waiting if not _made(scratch, statement)]
        assert len(left) < len(waiting), left
        waiting = left
    assert dump.HEADER + migrate.schema(scratch) == text


def _made(store: Store, statement: str) -> bool:
    with suppress(StoreError):
        store.command(statement)
        return True
    return False


def test_every_table_keeps_acknowledged_rows_and_knows_repeated_ones(engine: Store) -> None:
    rows = engine.rows(
        "SELECT name, create_table_query AS text FROM system.tables WHERE database = currentDatabase() "
        "AND engine LIKE '%MergeTree' AND name != 'payments'"
    )
    assert len(rows) > 15
    for row in (row for row in rows if row["name"] not in TRANSIENT):
        for setting, value in DURABLE.items():
            assert f"{setting} = {value}" in row["text"], (row["name"], setting)
        if row["name"] != "schema_migrations":  # written statement by statement, each row is its own
            assert "non_replicated_deduplication_window = " in row["text"], row["name"]


def test_every_column_says_what_it_holds(engine: Store) -> None:
    silent = engine.rows(
        "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND comment = '' AND table IN ("
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree') "
        "AND table != 'payments' AND NOT startsWith(table, 'otel_')"
    )
    assert silent == []


def test_the_shipped_migrations_apply_once(scratch: Store) -> None:
    shipped = migrate.available()
    assert migrate.migrate(scratch, NOW) == shipped
    before = migrate.schema(scratch)
    assert migrate.migrate(scratch, NOW) == []
    assert migrate.schema(scratch) == before
    assert {entry.state for entry in migrate.status(scratch)} == {"applied"}


@pytest.mark.slow
@pytest.mark.parametrize("done", [2, 3])
def test_states_of_records_outlive_their_new_table_whatever_statement_it_died_after(
    scratch: Store, done: int
) -> None:
    """Whole hashes are cut as new rows have them; those of people's decisions keep what stands before theirs."""
    shipped = migrate.available()
    migrate.migrate(scratch, NOW, shipped[:29])
    turn = "~000002 2026-03-01 00:00:00.000000 "
    hashes = {"k1": "absent", "k2": "0123456789abcdef" + "f" * 48, "k3": f"{turn}0123456789abcdef" + "e" * 48}
    row = {"rule": "bank", "version": "v1", "pass": 1, "leg": "paid", "record": "r"}
    scratch.insert("match_records", [{**row, "key": key, "row_hash": said} for key, said in hashes.items()])
    # The last statement that was done is not noted, as when the process died in between.
    one, noted = shipped[29], {"id": 30, "name": shipped[29].name, "checksum": shipped[29].checksum}
    for number, statement in enumerate(statements(one.text)[:done], start=1):
        scratch.command(statement)
        if number < done:
            row = {**noted, "statement": number, "finished": False, "applied_at": NOW}
            scratch.insert("schema_migrations", [row])
    migrate.migrate(scratch, NOW, shipped[:30])
    stored = scratch.rows("SELECT key, row_hash, stream, record_hash FROM match_records ORDER BY key")
    assert {one["key"]: one["row_hash"] for one in stored} == {
        "k1": "absent", "k2": "0123456789abcdef", "k3": f"{turn}0123456789abcdef",
    }  # fmt: skip
    assert {one["stream"] for one in stored} == {scratch.value("SELECT stream_of('bank', 'v1', 1)")}
    assert {one["record_hash"] for one in stored} == {scratch.value("SELECT cityHash64('paid', 'r')")}
    assert "match_records_new" not in _tables(scratch)


def test_a_dry_run_tells_and_does_nothing(scratch: Store) -> None:
    assert migrate.migrate(scratch, NOW, [FIRST, SECOND], dry_run=True) == [FIRST, SECOND]
    assert _tables(scratch) == set()
    migrate.migrate(scratch, NOW, [FIRST])
    assert migrate.migrate(scratch, NOW, [FIRST, SECOND], dry_run=True) == [SECOND]
    assert "b" not in _tables(scratch)


def test_an_edited_migration_is_refused_and_named(scratch: Store) -> None:
    migrate.migrate(scratch, NOW, [FIRST])
    edited = Migration(1, FIRST.name, FIRST.text + "-- one more comment\n")
    with pytest.raises(MigrationError, match=r"0001_first\.sql was changed .* new migration"):
        migrate.migrate(scratch, NOW, [edited, SECOND])
    assert "b" not in _tables(scratch)


def test_a_schema_of_a_later_tieout_is_refused(scratch: Store) -> None:
    migrate.migrate(scratch, NOW, [FIRST, SECOND])
    with pytest.raises(NewerSchemaError, match="schema version 2, this tieout knows 1"):
        migrate.migrate(scratch, NOW, [FIRST])


@pytest.mark.parametrize("done", [0, 1, 2])
def test_a_run_that_died_between_statements_goes_on_where_it_was(scratch: Store, done: int) -> None:
    """The ledger holds a row for each statement; the one under way when it died may have been done or not."""
    migrate.migrate(scratch, NOW, [FIRST, SECOND])
    scratch.command(
        "ALTER TABLE schema_migrations DELETE WHERE id = 2 AND statement > {n:UInt32}", {"n": done}
    )
    scratch.command("DROP TABLE c")
    state = migrate.status(scratch, [FIRST, SECOND])[1]
    assert (state.state, state.done) == (("partial", done) if done else ("pending", 0))
    assert migrate.migrate(scratch, NOW, [FIRST, SECOND]) == [SECOND]
    assert {"a", "b", "c"} <= _tables(scratch)
    assert _ledger(scratch) == [(1, 1, True), (2, 1, False), (2, 2, False), (2, 3, True)]


def test_a_failing_statement_is_named_and_the_next_run_starts_with_it(scratch: Store) -> None:
    migrate.migrate(scratch, NOW, [FIRST])
    scratch.command("RENAME TABLE a TO hidden")
    with pytest.raises(MigrationError, match=r"0002_second\.sql, statement 2: .* code 60"):
        migrate.migrate(scratch, NOW, [FIRST, SECOND])
    assert _ledger(scratch) == [(1, 1, True), (2, 1, False)]
    scratch.command("RENAME TABLE hidden TO a")
    migrate.migrate(scratch, NOW, [FIRST, SECOND])
    assert _ledger(scratch)[-1] == (2, 3, True)


def test_when_it_was_applied_is_the_time_given(scratch: Store) -> None:
    migrate.migrate(scratch, NOW, [FIRST])
    assert scratch.value("SELECT applied_at FROM schema_migrations") == NOW


@pytest.mark.parametrize(
    "names",
    [
        ["first.sql"],
        ["0001_A.sql"],
        ["0002_x.sql"],
        ["0001_x.sql", "0003_y.sql"],
        ["0001_x.sql", "0001_y.sql"],
    ],
)
def test_misnamed_and_misnumbered_files_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;\n")
    with pytest.raises(MigrationError):
        migrate.available(tmp_path)


def test_views_are_replaced_in_order_of_name(scratch: Store, tmp_path: Path) -> None:
    (tmp_path / "01_base.sql").write_text("-- the base\nCREATE OR REPLACE VIEW base AS SELECT 1 AS x;\n")
    (tmp_path / "02_top.sql").write_text("CREATE OR REPLACE VIEW top AS SELECT x + 1 AS y FROM base;\n")
    assert migrate.replace_views(scratch, tmp_path) == ["01_base", "02_top"]
    (tmp_path / "01_base.sql").write_text("CREATE OR REPLACE VIEW base AS SELECT 10 AS x;\n")
    migrate.replace_views(scratch, tmp_path)
    assert scratch.value("SELECT y FROM top") == 11
    assert "VIEW" not in migrate.schema(scratch)
