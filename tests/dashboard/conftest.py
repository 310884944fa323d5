"""The dashboard in-process on the test's store: `open_page` runs one page of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import company
import pytest
import streamlit as st
from opened_pages import APP, OpenPage, emptied
from streamlit.testing.v1 import AppTest

from core.clock import ManualClock
from dashboard import data
from dashboard.names import PROJECT, TOKEN, URL
from store.client import Store


@pytest.fixture(scope="module")
def filled(engine: Store) -> Iterator[Store]:
    """The engine with the company in it, for all tests of a module: they only look."""
    company.fill(engine)
    data.forget()
    yield engine
    emptied(engine)
    data.forget()


@pytest.fixture
def open_page(engine: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> OpenPage:
    """Runs a page by its name (empty for the first one) with URL parameters, against the engine.

    What was read stays cached from test to test; whoever writes calls `data.forget`.
    """
    monkeypatch.setenv(URL, engine.dsn)
    monkeypatch.delenv(TOKEN, raising=False)
    monkeypatch.setenv(PROJECT, str(tmp_path))
    monkeypatch.setattr(data, "clock", clock)

    def run(name: str = "", /, **parameters: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=60)
        app.query_params.update(parameters)
        if name:
            app.switch_page(f"app_pages/{name}.py")
        return app.run()

    return run


@pytest.fixture(scope="session", autouse=True)
def handles(engine: Store) -> Iterator[None]:
    """Closes the dashboard's own handle before the engine goes."""
    yield
    patch = pytest.MonkeyPatch()
    with patch.context() as environment:
        environment.setenv(URL, engine.dsn)
        environment.delenv(TOKEN, raising=False)
        data.store().close()
    st.cache_resource.clear()
