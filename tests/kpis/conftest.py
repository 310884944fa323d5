from __future__ import annotations

import pytest
from kpi_world import World

from store.client import Store


@pytest.fixture
def world(store: Store) -> World:
    return World(store)
