"""Both ways to one store: the embedded handle, and the endpoint on a real port."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from pydantic import SecretStr

from store.client import Store
from store.endpoint import endpoint
from tests.store.serving import READER, WRITER, Served, serving

PAYMENTS = """
CREATE TABLE payments (
    id UInt64,
    name String,
    amount Nullable(Decimal(38, 6)),
    paid_at DateTime64(6, 'UTC'),
    tags Array(String),
    dims Map(LowCardinality(String), String)
) ENGINE = MergeTree ORDER BY id
SETTINGS non_replicated_deduplication_window = 100
"""


@pytest.fixture(scope="session")
def payments(engine: Store) -> Iterator[str]:
    """A table that is there for these tests only."""
    engine.command(PAYMENTS)
    yield "payments"
    engine.command("DROP TABLE payments")


@pytest.fixture(scope="session")
def served(engine: Store, payments: str) -> Iterator[Served]:
    with serving(endpoint(engine, SecretStr(READER), WRITER)) as running:
        yield running


@pytest.fixture(params=["embedded", "http"])
def way(request: pytest.FixtureRequest, store: Store, served: Served) -> Callable[..., Store]:
    """Opens a store by one of the two ways in; the caller closes it."""

    def opened(*, read_only: bool = False) -> Store:
        if request.param == "embedded":
            return store.another(read_only=read_only)
        return Store(served.url, token=served.reader if read_only else served.writer, read_only=read_only)

    return opened


@pytest.fixture
def reader(way: Callable[..., Store]) -> Iterator[Store]:
    with way(read_only=True) as opened:
        yield opened


@pytest.fixture
def writer(way: Callable[..., Store]) -> Iterator[Store]:
    with way() as opened:
        yield opened


@pytest.fixture
def ask(served: Served, store: Store) -> Iterator[Callable[..., httpx.Response]]:
    """Sends a statement to the endpoint by POST, as the reader unless told otherwise."""
    clients = {token: served.client(token) for token in (served.reader, served.writer)}

    def send(statement: str | bytes, *, write: bool = False, **params: str) -> httpx.Response:
        return clients[served.writer if write else served.reader].post("/", content=statement, params=params)

    yield send
    for client in clients.values():
        client.close()


@pytest.fixture
def scratch(engine: Store) -> Iterator[Store]:
    """A handle whose current database is empty, on the shared engine."""
    engine.command("CREATE DATABASE scratch")
    with engine.another() as handle:
        handle.command("USE scratch")
        yield handle
    engine.command("DROP DATABASE scratch")
