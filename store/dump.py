"""Writes `schema.sql`, the schema as it stands after all migrations: `python -m store.dump`."""

from __future__ import annotations

import sys
import tempfile

from core.clock import SystemClock
from store import migrate
from store.client import Store


def fresh_schema() -> str:
    """The schema of a database made from nothing. Opens an engine, so this process must not have one open."""
    with tempfile.TemporaryDirectory() as folder, Store(f"chdb://{folder}") as store:
        # One by one: without a list a new database would be made from what is written here.
        migrate.migrate(store, SystemClock().now(), migrate.available())
        return migrate.HEADER + migrate.schema(store)


def main() -> int:
    """`--check` writes nothing; it ends with 1 when the file is not what the migrations make."""
    text = fresh_schema()
    if "--check" in sys.argv[1:]:
        return int(not migrate.SCHEMA.exists() or migrate.SCHEMA.read_text(encoding="utf-8") != text)
    migrate.SCHEMA.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
