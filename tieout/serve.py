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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn
from pydantic import SecretStr

from calendars.table import write_calendars
from collector.access import Access
from collector.app import http_app
from collector.connections import protocol
from collector.follow import follow
from collector.grpc_server import grpc_server
from collector.privacy import Policy, forbid_core_dumps, policy_of, set_policy
from collector.readiness import Readiness
from collector.reception import Reception
from collector.settings import needs_guarding
from collector.telemetry import retain
from core.address import reachable
from core.clock import Clock, SystemClock
from core.errors import CannotRunError, ConfigurationError
from core.memory import give_back_freed_memory
from dashboard.launch import Acts
from dashboard.launch import command as dashboard_command
from dashboard.launch import environment as dashboard_environment
from probes.listener import listening
from probes.mllp import MllpProbe
from reconcile.acts import Desk
from reconcile.service import DASHBOARD, LOCAL, Caller, service
from store.client import Store
from store.endpoint import endpoint
from store.failed_writes import looking
from store.folder import DataFolder, Running
from tieout.desk import audit_log, desk_of
from tieout.jobs import Runner, jobs_of
from tieout.notary import note_writer
from tieout.opening import HOME, prepare, server_store
from tieout.project import Project

log = logging.getLogger("tieout.serve")

ROLES = ("collector", "jobs", "dashboard")
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0
DRAIN_TIMEOUT_S = 10.0
# After draining only watchers of the gRPC health service are left, who would stay for ever.
GRPC_GRACE_S = 2.0


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
    give_back_freed_memory()
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
    acting = embedded or "jobs" in roles or "dashboard" in roles
    desk = _desk(project, store, stack) if acting else None
    audit = audit_log(project, store) if desk is not None else None
    if embedded:
        seen = partial(note_writer, audit, clock) if audit is not None else None
        app = endpoint(store, tokens["reader"], tokens["writer"], writer_seen=seen)
        stack.enter_context(_server(app, sockets["store"]))
        urls["store"] = _url(sockets["store"])
    if "collector" in roles:
        urls |= _collector(project, store, clock, sockets["otlp"], stack)
        urls |= _listeners(project, clock, stack)
    if desk is not None and (embedded or "dashboard" in roles):
        app = service(desk, {tokens["acts"]: Caller(LOCAL), tokens["dashboard"]: Caller(DASHBOARD)}, clock)
        stack.enter_context(_server(app, sockets["acts"]))
        urls["acts"] = _url(sockets["acts"])
    if "jobs" in roles:
        runner = Runner(store, project, clock, jobs_of(project, desk, audit))
        runner.start()
        stack.callback(runner.stop)
    if "dashboard" in roles:
        store_url = urls.get("store", project.settings.store.url)
        urls["dashboard"] = stack.enter_context(_dashboard(project, store_url, urls.get("acts", ""), tokens))
    if folder is not None:
        folder.publish(
            Running(
                pid=os.getpid(), store_url=urls["store"], urls=urls,
                reader_token=SecretStr(tokens["reader"]), writer_token=SecretStr(tokens["writer"]),
                acts_url=urls.get("acts", ""), acts_token=SecretStr(tokens["acts"]),
            )
        )  # fmt: skip
    return Started(store, urls, tokens)


def _desk(project: Project, store: Store, stack: ExitStack) -> Desk | None:
    """Where acts on exceptions are done; null, and said so, where no key for the audit log can be kept."""
    own = stack.enter_context(store.another())
    try:
        desk = desk_of(project, own)
    except CannotRunError as error:
        log.warning("exceptions can only be looked at here: %s", error)
        return None
    desk.finish()
    return desk


def _collector(
    project: Project, store: Store, clock: Clock, sock: socket.socket, stack: ExitStack
) -> dict[str, str]:
    """Telemetry in, over HTTP and gRPC. The end begins with draining: what has begun is answered, the rest refused."""
    settings, listen, root = project.settings.collector, project.settings.listen, project.root
    own = stack.enter_context(store.another())
    policy = _policy(project, own, clock)
    reception = Reception(
        own, limits=settings.limits.limits(), clock=clock, signals=settings.signals_served(),
        access=Access(settings.tokens_in(root)), policy=policy,
    )  # fmt: skip
    stack.callback(reception.close)
    readiness = Readiness(reception, own, free_floor_bytes=settings.free_floor_bytes, policy=policy)
    stack.callback(readiness.close)
    app = http_app(reception, readiness, cors_origins=settings.cors_origins)
    tls = settings.tls.for_http(root) if settings.tls else {}
    http = protocol(settings.limits.headers_timeout.total_seconds())
    stack.enter_context(_server(app, sock, http=http, **tls))
    scheme = "https" if settings.tls else "http"
    urls = {"otlp": f"{_url(sock, scheme)}/v1/traces"}
    if settings.grpc:
        files = settings.tls.for_grpc(root) if settings.tls else None
        server = grpc_server(reception, listen.otlp_grpc, tls=files, grace_s=GRPC_GRACE_S)
        port = stack.enter_context(server)
        urls["otlp_grpc"] = f"{scheme}://{listen.otlp_grpc.rsplit(':', 1)[0]}:{port}"
    stack.callback(reception.drain, DRAIN_TIMEOUT_S)
    return urls


def _listeners(project: Project, clock: Clock, stack: ExitStack) -> dict[str, str]:
    """Messages in over MLLP, one listener for each probe of that kind."""
    probes = [probe for probe in project.probes.values() if isinstance(probe, MllpProbe)]
    return {
        f"mllp {probe.name}": f"mllp://{stack.enter_context(listening(probe, clock))}" for probe in probes
    }


def _policy(project: Project, store: Store, clock: Clock) -> Policy | None:
    """What may be kept of telemetry, told to the store; None when all of it may."""
    if project.settings.privacy is None:
        return None
    forbid_core_dumps()
    policy = policy_of(project.settings.privacy, project.root, project.workflows.values())
    set_policy(store, policy, clock.now())
    return policy


def _take_folder(project: Project, clock: Clock, stack: ExitStack) -> DataFolder:
    """The lock comes first: who starts a second one wants to hear of the first, not of its ports."""
    folder = stack.enter_context(DataFolder(project.data_folder))
    return folder.acquire(clock.now(), "tieout up")


def _open_store(project: Project, clock: Clock, stack: ExitStack, folder: DataFolder | None) -> Store:
    store = stack.enter_context(server_store(project) if folder is None else Store(folder.dsn))
    prepare(store, clock.now())
    for table in retain(store, project.settings.retention):
        log.info("how long %s keeps its rows is changed", table)
    for table in follow(store, project.settings.telemetry_from):
        log.info("what comes into %s is followed from now on", table)
    if folder is not None:
        folder.opened(store)
        stack.enter_context(looking(stack.enter_context(store.another()).look_after_writes))
    write_calendars(store, project.calendars.values(), clock.now())
    return store


def _tokens(project: Project) -> dict[str, str]:
    store = project.settings.store
    given = {"reader": store.reader_token, "writer": store.writer_token, "acts": None, "dashboard": None}
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
    if embedded or "dashboard" in roles:
        wanted["acts"] = listen.acts
    if "collector" in roles:
        wanted["otlp"] = listen.otlp
    guarded = project.settings.collector.guarded
    for name, address in wanted.items():
        _guard(f"listen.{name}", address, listen.insecure or (name == "otlp" and guarded))
    taken = {name: stack.enter_context(_bind(f"listen.{name}", address)) for name, address in wanted.items()}
    # The others take their ports themselves.
    if "collector" in roles and project.settings.collector.grpc:
        _guard("listen.otlp_grpc", listen.otlp_grpc, listen.insecure or guarded)
        _bind("listen.otlp_grpc", listen.otlp_grpc).close()
    if "dashboard" in roles:
        _guard("listen.dashboard", listen.dashboard, listen.insecure)
        _bind("listen.dashboard", listen.dashboard).close()
    return taken


def _guard(setting: str, address: str, guarded: bool) -> None:
    """Raises ConfigurationError for an address that other machines reach and nothing guards."""
    if not reachable(address) or guarded:
        return
    if setting.startswith("listen.otlp"):
        raise ConfigurationError(f"{setting}: {needs_guarding(address)}")
    raise ConfigurationError(
        f"{setting} is {address}: other machines could reach it without a password; use 127.0.0.1, or set "
        "listen.insecure: true when a proxy or the container's network guards it"
    )


def _bind(setting: str, address: str) -> socket.socket:
    host, port = address.rsplit(":", 1)
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


def _url(sock: socket.socket, scheme: str = "http") -> str:
    host, port = sock.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def _server(app: Any, sock: socket.socket, **options: Any) -> Iterator[None]:
    """A uvicorn server in a thread, with `options` of its own; on the way out it finishes the requests it has."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, timeout_keep_alive=75,
        timeout_graceful_shutdown=int(STOP_TIMEOUT_S), lifespan="on", ws="none", **options,
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
def _dashboard(project: Project, store_url: str, acts_url: str, tokens: Mapping[str, str]) -> Iterator[str]:
    """The dashboard as a child process that ends with this one."""
    host, port = project.settings.listen.dashboard.rsplit(":", 1)
    child = subprocess.Popen(  # noqa: S603 - our own interpreter with our own arguments
        [sys.executable, "-m", "tieout.child", *dashboard_command(int(port), host.strip("[]"))],
        env=dashboard_environment(
            store_url,
            tokens["reader"],
            project.root,
            acts=_acts_of_dashboard(project, acts_url, tokens["dashboard"]),
        ),
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


def _acts_of_dashboard(project: Project, url: str, token: str) -> Acts | None:
    """How people act on the dashboard; null when it only shows."""
    access = project.settings.access.dashboard
    if access is None or not url:
        return None
    return Acts(url, token, user=access.user or "", header=access.header or "", sign_in=access.sign_in)


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
