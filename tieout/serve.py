"""`tieout up`: endpoint, collector, jobs and dashboard together, until a signal ends them in order."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from pydantic import SecretStr

from collector.app import receiver
from core.clock import Clock, SystemClock
from core.errors import CannotRunError, ConfigurationError
from dashboard.launch import command as dashboard_command
from dashboard.launch import environment as dashboard_environment
from store.client import Store
from store.endpoint import endpoint
from store.folder import DataFolder, Running
from tieout.jobs import Runner
from tieout.opening import HOME, prepare, server_store
from tieout.project import Project

log = logging.getLogger("tieout.serve")

ROLES = ("collector", "jobs", "dashboard")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Started:
    """What runs, for whoever started it: the store to use in this process and the URLs for people."""

    store: Store
    urls: dict[str, str]
    tokens: dict[str, str]


def serve(
    project: Project,
    *,
    roles: Sequence[str] = ROLES,
    clock: Clock | None = None,
    before: Callable[[Store], None] | None = None,
    ready: Callable[[Started], None] | None = None,
) -> None:
    """Runs `roles` until SIGTERM or SIGINT. `before` runs once the store is open and before anything listens.

    Raises CannotRunError (port taken, folder in use, disk), ConfigurationError (an address that needs guarding).
    """
    stop = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(_signals(stop))
        running = _start(project, roles, clock or SystemClock(), stack, before)
        if ready:
            ready(running)
        stop.wait()
        log.info("stopping")


def _start(
    project: Project,
    roles: Sequence[str],
    clock: Clock,
    stack: ExitStack,
    before: Callable[[Store], None] | None,
) -> Started:
    embedded = project.settings.store.url == "embedded"
    if embedded and "dashboard" in roles and len(roles) == 1:
        raise ConfigurationError(
            "an embedded store is opened by one process: `up --only dashboard` needs a server in store.url"
        )
    folder = _take_folder(project, clock, stack) if embedded else None
    sockets = _sockets(project, roles, embedded, stack)
    store = _open_store(project, clock, stack, folder)
    if before:
        before(store)
    tokens = _tokens(project)
    urls: dict[str, str] = {}
    if embedded:
        app = endpoint(store, tokens["reader"], tokens["writer"])
        stack.enter_context(_server(app, sockets["store"]))
        urls["store"] = _url(sockets["store"])
    if "collector" in roles:
        stack.enter_context(_server(receiver(store.another()), sockets["otlp"]))
        urls["otlp"] = _url(sockets["otlp"]) + "/v1/traces"
    if "jobs" in roles:
        runner = Runner(store, project, clock)
        runner.start()
        stack.callback(runner.stop)
    if "dashboard" in roles:
        store_url = urls.get("store", project.settings.store.url)
        urls["dashboard"] = stack.enter_context(_dashboard(project, store_url, tokens["reader"]))
    if folder is not None:
        folder.publish(
            Running(
                pid=os.getpid(), store_url=urls["store"], urls=urls,
                reader_token=SecretStr(tokens["reader"]), writer_token=SecretStr(tokens["writer"]),
            )
        )  # fmt: skip
    return Started(store, urls, tokens)


def _take_folder(project: Project, clock: Clock, stack: ExitStack) -> DataFolder:
    """The lock comes first: who starts a second one wants to hear of the first, not of its ports."""
    folder = stack.enter_context(DataFolder(project.data_folder))
    return folder.acquire(clock.now(), "tieout up")


def _open_store(project: Project, clock: Clock, stack: ExitStack, folder: DataFolder | None) -> Store:
    store = stack.enter_context(server_store(project) if folder is None else Store(folder.dsn))
    prepare(store, clock.now())
    if folder is not None:
        folder.opened(store)
    return store


def _tokens(project: Project) -> dict[str, str]:
    given = {"reader": project.settings.store.reader_token, "writer": project.settings.store.writer_token}
    return {
        role: token.get_secret_value() if token else secrets.token_urlsafe(32)
        for role, token in given.items()
    }


# --- sockets and servers


def _sockets(
    project: Project, roles: Sequence[str], embedded: bool, stack: ExitStack
) -> dict[str, socket.socket]:
    """Ports are taken before the store is opened, so a busy one ends the start at once."""
    listen = project.settings.listen
    wanted = {"store": listen.store} if embedded else {}
    if "collector" in roles:
        wanted["otlp"] = listen.otlp
    if "dashboard" in roles:
        _bind("listen.dashboard", listen.dashboard, insecure=listen.insecure).close()
    return {
        name: stack.enter_context(_bind(f"listen.{name}", address, insecure=listen.insecure))
        for name, address in wanted.items()
    }


def _bind(setting: str, address: str, *, insecure: bool) -> socket.socket:
    host, port = address.rsplit(":", 1)
    if host not in LOOPBACK and not insecure:
        raise ConfigurationError(
            f"{setting} is {address}: other machines could reach it without a password; use 127.0.0.1, or set "
            "listen.insecure: true when a proxy or the container's network guards it"
        )
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host.strip("[]"), int(port)))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise CannotRunError(
            f"{address} cannot be used ({error.strerror}): stop what listens there, or change {setting} in tieout.yaml"
        ) from None
    return sock


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def _server(app: Any, sock: socket.socket) -> Iterator[None]:
    """A uvicorn server in a thread; on the way out it finishes the requests it has."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, timeout_keep_alive=75,
        timeout_graceful_shutdown=int(STOP_TIMEOUT_S), lifespan="on",
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [sock]}, name=f"server {sock.getsockname()[1]}"
    )
    thread.start()
    deadline = time.monotonic() + START_TIMEOUT_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            server.should_exit = True
            raise CannotRunError(f"the server on port {sock.getsockname()[1]} did not start")
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(STOP_TIMEOUT_S + 5)


@contextmanager
def _dashboard(project: Project, store_url: str, token: str) -> Iterator[str]:
    """The dashboard as a child process that ends with this one."""
    host, port = project.settings.listen.dashboard.rsplit(":", 1)
    child = subprocess.Popen(  # noqa: S603 - our own interpreter with our own arguments
        [sys.executable, "-m", "tieout.child", *dashboard_command(int(port), host.strip("[]"))],
        env=dashboard_environment(store_url, token, project.root),
        cwd=HOME,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield f"http://{host}:{port}"
    finally:
        child.terminate()
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT ask for an orderly end; a second one ends at once."""

    def ask(number: int, _frame: object) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
