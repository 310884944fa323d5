"""A real receiver on a real port, on the test engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from otlp_grpc import Receiver, channel_to
from otlp_serving import running
from starlette.applications import Starlette

from collector.app import receiver
from collector.grpc_server import TlsFiles, grpc_server
from collector.reception import Reception
from store.client import Store


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
