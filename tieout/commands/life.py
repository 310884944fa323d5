"""Life of the system: demo and up."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from core.clock import SystemClock
from core.duration import parse_duration
from core.errors import ConfigurationError
from store.client import Store
from tieout import demo as demonstration
from tieout.commands.data import print_import
from tieout.commands.options import JsonOption, ProjectOption, present
from tieout.output import message, print_json
from tieout.project import DEFAULT, open_project
from tieout.replay import Replay
from tieout.serve import ROLES, Started, serve
from tieout.summary import print_summary, summarise


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the command line."""
    app.command("demo")(demo)
    app.command("up")(up)


def demo(
    once: Annotated[bool, typer.Option("--once", help="Load, compute, print the summary, end.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Where the demo lives; kept between runs.")
    ] = None,
    replay: Annotated[
        str, typer.Option(help="Hold back this much of the end of the logs and send it live, like 90d.")
    ] = "",
    speed: Annotated[str, typer.Option(help="How much of the log passes in one second of replay.")] = "1d",
    otlp: Annotated[str, typer.Option(help="Address for OTLP over HTTP.")] = "",
    otlp_grpc: Annotated[str, typer.Option(help="Address for OTLP over gRPC.")] = "",
    store: Annotated[str, typer.Option(help="Address for ClickHouse's HTTP protocol.")] = "",
    dashboard: Annotated[str, typer.Option(help="Address of the dashboard.")] = "",
    json: JsonOption = False,
) -> None:
    """The shipped example: a real hospital's billing and a procurement process. Example: tieout demo --once"""
    if once:
        summary = demonstration.once(folder, present(), message)
        print_json(summary) if json else print_summary(summary)
        return
    held, pace = (parse_duration(replay) if replay else None), parse_duration(speed)
    addresses = {"otlp": otlp, "otlp_grpc": otlp_grpc, "store": store, "dashboard": dashboard}
    flags = {"listen": {key: value for key, value in addresses.items() if value}}
    place = folder or Path.home() / ".local" / "share" / "tieout" / ("demo-replay" if held else "demo")
    project = demonstration.demo_project(place, flags)
    log_to_stderr()
    began = time.monotonic()
    player = Replay(project, held, pace) if held else None

    def before(opened: Store) -> None:
        for result in demonstration.load(opened, project, present(), message, player):
            print_import(result)
        summary = summarise(opened, project, present())
        print_json(summary) if json else print_summary(summary)

    def ready(started: Started) -> None:
        message(f"\nready after {time.monotonic() - began:.0f} s; Ctrl-C ends it; the data stays in {place}")
        _print_urls(started)
        message(f"try: tieout explain NA --project {place}")
        if player:
            player.start(started.urls["otlp"], started.store, message)

    serve(project, before=before, ready=ready)
    if player:
        player.stop()


def up(
    project: ProjectOption = DEFAULT,
    only: Annotated[str, typer.Option(help=f"Roles to run, with commas: {', '.join(ROLES)}.")] = ",".join(
        ROLES
    ),
    json: JsonOption = False,
) -> None:
    """Runs the whole system in the project folder. Example: tieout up --project my-hospital"""
    roles = [role.strip() for role in only.split(",") if role.strip()]
    unknown = [role for role in roles if role not in ROLES]
    if unknown or not roles:
        raise ConfigurationError(f"unknown role {', '.join(unknown) or only!r}; there are {', '.join(ROLES)}")
    log_to_stderr()

    def ready(started: Started) -> None:
        if json:
            print_json({"urls": started.urls})
            sys.stdout.flush()
        _print_urls(started)

    serve(open_project(project), roles=roles, clock=SystemClock(), ready=ready)


def _print_urls(started: Started) -> None:
    names = {
        "dashboard": "dashboard", "otlp": "OTLP over HTTP", "otlp_grpc": "OTLP over gRPC",
        "store": "ClickHouse protocol", "acts": "acts on exceptions",
    }  # fmt: skip
    for role, url in started.urls.items():
        # A listener of a probe is called by its own name.
        message(f"  {names.get(role, role):<20} {url}")


def log_to_stderr() -> None:
    """One line an event, times in UTC."""
    logging.Formatter.converter = time.gmtime
    handlers: list[Any] = [logging.StreamHandler(sys.stderr)]
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)sZ %(levelname)s %(name)s %(message)s", handlers=handlers
    )
    for noisy in ("apscheduler", "httpx", "urllib3", "clickhouse_connect", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # Runs that are left out are rows of job_runs.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
