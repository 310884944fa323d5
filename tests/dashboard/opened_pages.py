"""What tests of pages share: the app, how a page is opened, and a store that is empty again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from dashboard import data
from store.client import Store

APP = Path(data.__file__).parent / "app.py"
OpenPage = Callable[..., AppTest]

_FILLED_TABLES = """
SELECT name FROM system.tables
WHERE database = currentDatabase() AND total_rows > 0 AND engine LIKE '%MergeTree' AND name != 'schema_migrations'
"""


def emptied(store: Store) -> None:
    """Takes every row out again."""
    for table in store.rows(_FILLED_TABLES):
        store.command("TRUNCATE TABLE {table:Identifier}", {"table": table["name"]})
