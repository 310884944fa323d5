"""A real receiver on a real port, on the test engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from otlp_grpc import Receiver, channel_to
from starlette.applications import Starlette

from collector.app import receiver
from collector.connections import protocol
from collector.grpc_server import TlsFiles, grpc_server
from collector.intake import Limits
from collector.reception import Reception
from store.client import Store


@contextmanager
def running(app: Starlette, **options: Any) -> Iterator[str]:
    """Serves `app` on a free port of the loopback address, as `tieout up` does; gives its URL."""
    options.setdefault("http", protocol(Limits.headers_timeout_s))
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="warning", access_log=False, ws="none", **options
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"{'https' if config.is_ssl else 'http'}://127.0.0.1:{port}"
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
def serve(store: Store) -> Iterator[Callable[..., httpx.Client]]:
    """Serves an app of the test's own making; it ends with the test."""
    with ExitStack() as stack:

        def client(app: Starlette, sender: Mapping[str, Any] | None = None, **options: Any) -> httpx.Client:
            url = stack.enter_context(running(app, **options))
            own: dict[str, Any] = {"trust_env": False, "timeout": 30, **(sender or {})}
            return stack.enter_context(httpx.Client(base_url=url, **own))

        yield client


@pytest.fixture
def receive(store: Store) -> Iterator[Callable[..., Receiver]]:
    """Serves a reception over gRPC until the test ends."""
    with ExitStack() as stack:

        def start(
            reception: Reception | None = None, *, tls: TlsFiles | None = None, **options: Any
        ) -> Receiver:
            reception = reception or Reception(store, **options)
            stack.callback(reception.close)
            port = stack.enter_context(grpc_server(reception, "127.0.0.1:0", tls=tls, grace_s=5))
            return Receiver(reception, port, stack.enter_context(channel_to(port)))

        yield start
