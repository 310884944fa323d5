"""A system of record for the tests: invoices in a real SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from store.client import Store

COLUMNS = ("no", "status", "total", "cur", "changed", "po", "paid", "gone", "supplier")


class Invoices:
    """A table of invoices that is edited by hand."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ap.db"
        self._db = sqlite3.connect(self.path)
        self._db.execute(
            "CREATE TABLE invoices (no TEXT, status TEXT, total NUMERIC, cur TEXT, changed TEXT, po TEXT, "
            "paid TEXT, gone INTEGER, supplier TEXT)"
        )
        self._db.commit()

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def put(self, **row: Any) -> None:
        """Adds a record as it is; a key may come twice."""
        marks = ", ".join(f":{name}" for name in COLUMNS)
        self._db.execute(f"INSERT INTO invoices VALUES ({marks})", dict.fromkeys(COLUMNS) | row)
        self._db.commit()

    def change(self, no: str, **values: Any) -> None:
        pairs = ", ".join(f"{name} = :{name}" for name in values)
        self._db.execute(f"UPDATE invoices SET {pairs} WHERE no = :key", {"key": no} | values)
        self._db.commit()

    def remove(self, no: str) -> None:
        self._db.execute("DELETE FROM invoices WHERE no = ?", (no,))
        self._db.commit()

    def run(self, sql: str) -> None:
        self._db.execute(sql)
        self._db.commit()

    def close(self) -> None:
        self._db.close()


def states(store: Store, key: str = "") -> list[Mapping[str, Any]]:
    """Snapshots in the order they became true, of one invoice or of all."""
    return store.rows(
        "SELECT object_key, fields, amount, currency, deleted, valid_from, captured_at, known_at FROM snapshots "
        "WHERE {key:String} IN ('', object_key) ORDER BY captured_at, valid_from, object_key",
        {"key": key},
    )


def rejects(store: Store) -> list[tuple[str, str]]:
    rows = store.rows("SELECT reason, detail FROM import_rejects ORDER BY known_at, line, reason")
    return [(row["reason"], row["detail"]) for row in rows]


def count(store: Store, table: str) -> int:
    return int(store.value("SELECT count() FROM {table:Identifier}", {"table": table}))
