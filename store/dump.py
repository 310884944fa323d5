"""Writes `schema.sql`, the schema as it stands after all migrations: `python -m store.dump`.

It is there to be read and compared. No database is made from it: the engine hides what it takes for secrets, and writes
`'[HIDDEN]'` for the column that holds the keys of tokens.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from core.clock import SystemClock
from store import migrate
from store.client import Store

SCHEMA = Path(__file__).parent / "schema.sql"
HEADER = "-- Written by `python -m store.dump` from migrations/; change those, never this.\n\n"


def fresh_schema() -> str:
    """The schema of a database made from nothing. Opens an engine, so this process must not have one open."""
    with tempfile.TemporaryDirectory() as folder, Store(f"chdb://{folder}") as store:
        migrate.migrate(store, SystemClock().now())
        return HEADER + migrate.schema(store)


def main() -> int:
    """`--check` writes nothing; it ends with 1 when the file is not what the migrations make."""
    text = fresh_schema()
    if "--check" in sys.argv[1:]:
        return int(not SCHEMA.exists() or SCHEMA.read_text(encoding="utf-8") != text)
    SCHEMA.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
