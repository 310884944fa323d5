"""Shared fixtures: one real engine per test process, emptied between tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings

from core.clock import ManualClock
from store import migrate
from store.client import Store

ROOT = Path(__file__).resolve().parent.parent
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

# `--hypothesis-profile=long` tries many more examples than the quick suite has time for.
settings.register_profile("long", max_examples=1000, deadline=None)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An embedded store with the full schema; a process can hold only one engine folder."""
    folder = tmp_path_factory.mktemp("engine")
    private = folder / "tmp"
    private.mkdir(mode=0o700)
    tempfile.tempdir = os.fspath(private)
    store = Store(f"chdb://{folder / 'data'}")
    migrate.migrate(store, NOW)
    for folder in ("collector", "calendars", "reconcile", "kpis"):
        migrate.replace_views(store, ROOT / folder / "views")
    yield store
    store.close()


@pytest.fixture
def store(engine: Store) -> Iterator[Store]:
    """The shared engine; every table is empty again after the test."""
    yield engine
    filled = engine.rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0 "
        "AND engine LIKE '%MergeTree' AND name != 'schema_migrations'"
    )
    for table in filled:
        engine.command("TRUNCATE TABLE {table:Identifier}", {"table": table["name"]})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)
