"""A real receiver on a real port, on the test engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from collector.app import receiver
from store.client import Store


@contextmanager
def running(app: Starlette) -> Iterator[str]:
    """Serves `app` on a free port of the loopback address; gives its URL."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def otlp_url(engine: Store) -> Iterator[str]:
    """A receiver with the default limits."""
    with running(receiver(engine)) as url:
        yield url


@pytest.fixture
def otlp(otlp_url: str, store: Store) -> Iterator[httpx.Client]:
    """A client of the default receiver; the store is empty at the start."""
    with httpx.Client(base_url=otlp_url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def serve(store: Store) -> Iterator[Callable[[Starlette], httpx.Client]]:
    """Serves an app of the test's own making; it ends with the test."""
    with ExitStack() as stack:

        def client(app: Starlette) -> httpx.Client:
            url = stack.enter_context(running(app))
            return stack.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=30))

        yield client
