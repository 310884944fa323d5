"""Forward-only migrations: numbered `.sql` files, applied once, refused when edited afterwards.

Tables are data and change by migration; views and functions are code and are replaced at every start.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from store.client import Store
from store.errors import MigrationError, NewerSchemaError, StoreError
from store.sqlfile import statements
from store.views import bodies, flattened

MIGRATIONS = Path(__file__).parent / "migrations"
FUNCTIONS = Path(__file__).parent / "functions"

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    id UInt32 COMMENT 'number of the migration file',
    name String COMMENT 'name of the migration file',
    checksum String COMMENT 'SHA-256 of its text',
    statement UInt32 COMMENT 'statements of it that are done',
    finished Bool COMMENT 'whether all of them are done',
    applied_at DateTime64(6, 'UTC') COMMENT 'when this row was written'
) ENGINE = MergeTree ORDER BY (id, statement)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480
"""


@dataclass(frozen=True)
class Migration:
    """One file: its number, name, text and checksum."""

    id: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Status:
    """Where one migration stands: `applied`, `pending`, or `partial` with the statements done."""

    migration: Migration
    state: str
    done: int


def available(folder: Path = MIGRATIONS) -> list[Migration]:
    """The migrations in `folder`, by number. Raises MigrationError for a bad or repeated number."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = re.match(r"(\d{4})_[a-z0-9_]+\.sql$", path.name)
        if not match:
            raise MigrationError(f"{path.name}: a migration is named like 0007_what_it_adds.sql")
        found.append(Migration(int(match.group(1)), path.stem, path.read_text(encoding="utf-8")))
    numbers = [migration.id for migration in found]
    if numbers != list(range(1, len(numbers) + 1)):
        raise MigrationError(f"migration numbers must run 1, 2, 3 … without gaps; found {numbers}")
    return found


def status(store: Store, migrations: Sequence[Migration] | None = None) -> list[Status]:
    """Where each migration stands. Raises MigrationError on edited history, NewerSchemaError on later."""
    migrations = available() if migrations is None else migrations
    applied = _ledger(store)
    known = {migration.id for migration in migrations}
    if set(applied) - known:
        raise NewerSchemaError(
            f"the data folder has schema version {max(applied)}, this tieout knows {max(known, default=0)}; "
            "install the newer tieout or restore a backup taken before the upgrade"
        )
    return [_status_of(migration, applied.get(migration.id)) for migration in migrations]


def migrate(
    store: Store, now: datetime, migrations: Sequence[Migration] | None = None, *, dry_run: bool = False
) -> list[Migration]:
    """Applies what is pending, statement by statement, and returns it; resumes a run that was interrupted."""
    if not dry_run:
        store.command(_LEDGER)
    todo = [entry for entry in status(store, migrations) if entry.state != "applied"]
    if not dry_run:
        for entry in todo:
            _apply(store, entry, now)
        replace_views(store, FUNCTIONS)
    return [entry.migration for entry in todo]


def replace_views(store: Store, folder: Path) -> list[str]:
    """Creates or replaces the views or functions in `folder`, in order of file name; returns their names.

    A view that reads others of the folder is created with their texts in it.
    """
    names = []
    texts = bodies(folder)
    for path in sorted(folder.glob("*.sql")):
        for statement in statements(path.read_text(encoding="utf-8")):
            store.command(flattened(statement, texts))
        names.append(path.stem)
    return names


def schema(store: Store) -> str:
    """The CREATE statements of the tables and materialized views, by name, one blank line between.

    Plain views are left out: they are code, stand in their own files and are replaced at every start.
    """
    rows = store.rows(
        "SELECT name, database, formatQuery(create_table_query) AS text FROM system.tables "
        "WHERE database = currentDatabase() AND engine != 'View' AND NOT startsWith(name, '.inner') "
        "ORDER BY name"
    )
    return "\n\n".join(_without_database(row["text"], row["database"]) for row in rows) + "\n"


def _without_database(text: str, database: str) -> str:
    return re.sub(rf"\b(TABLE|VIEW|TO|FROM|JOIN) {re.escape(database)}\.", r"\1 ", text)


def _ledger(store: Store) -> dict[int, dict[str, object]]:
    if not store.value("EXISTS TABLE schema_migrations"):
        return {}
    rows = store.rows(
        "SELECT id, argMax(checksum, statement) AS last_checksum, max(statement) AS done, "
        "max(finished) AS all_done FROM schema_migrations GROUP BY id ORDER BY id"
    )
    return {int(row["id"]): row for row in rows}


def _status_of(migration: Migration, row: dict[str, object] | None) -> Status:
    if row is None:
        return Status(migration, "pending", 0)
    if row["last_checksum"] != migration.checksum:
        raise MigrationError(
            f"{migration.name}.sql was changed after it was applied; "
            "undo the edit and put the change in a new migration"
        )
    done = int(str(row["done"]))
    return Status(migration, "applied" if row["all_done"] else "partial", done)


def _apply(store: Store, entry: Status, now: datetime) -> None:
    """Statements are idempotent (`IF NOT EXISTS`), so one that was done but not recorded may run again."""
    parts = statements(entry.migration.text)
    for number, statement in enumerate(parts, start=1):
        if number <= entry.done:
            continue
        try:
            store.command(statement)
        except StoreError as error:
            raise MigrationError(f"{entry.migration.name}.sql, statement {number}: {error}") from error
        store.insert(
            "schema_migrations",
            [
                {
                    "id": entry.migration.id,
                    "name": entry.migration.name,
                    "checksum": entry.migration.checksum,
                    "statement": number,
                    "finished": number == len(parts),
                    "applied_at": now,
                }
            ],
        )
