"""Receivers for the tests of this folder."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import trustme
from alert_receivers import Certificates, Desk, Postbox, posting, serving, treated
from starlette.applications import Starlette
from starlette.routing import Route


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    with serving(Starlette(routes=[Route("/hook", desk.answer, methods=["POST", "GET"])])) as desk.port:
        yield desk


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    ca.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(
        folder / "server.pem"
    )
    return Certificates(str(folder / "ca.pem"), str(folder / "server.pem"))


@pytest.fixture
def secure_desk(certificates: Certificates) -> Iterator[Desk]:
    desk = Desk(scheme="https")
    app = Starlette(routes=[Route("/hook", desk.answer, methods=["POST"])])
    with serving(app, ssl_certfile=certificates.cert_file) as desk.port:
        yield desk


@pytest.fixture
def raw_server() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """Starts a server that treats each connection as the given function says; returns its port."""
    stop = threading.Event()
    listeners: list[socket.socket] = []

    def start(treat: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def accept() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    threading.Thread(target=treated, args=(connection, treat), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    stop.set()
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    with posting() as box:
        yield box
