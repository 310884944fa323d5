"""Fixtures for imports: a project folder written by the test, on the test engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from import_site import Site

from store.client import Store


@pytest.fixture
def site(tmp_path: Path, store: Store) -> Site:
    return Site(tmp_path, store)
