"""A real ERP end to end: what is done in Tryton is traced, its state is read two ways, and the verdicts are right.

Tryton runs beside the tests in an environment of its own; a driver of ours plays purchases over its RPC. The project
is the one of docs/how-to/tryton.md: examples/tryton and the presets, nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import builds
import psycopg
import pytest
from parties import ROOT, Party, Tieout, answers, free_ports, wait_until

from probes import presets
from tests.probes.postgres import Postgres, running

pytestmark = pytest.mark.slow
HOME = Path(sys.prefix) / "tryton"
SOURCES = ROOT / "tests" / "interop" / "tryton"
EXAMPLE = ROOT / "examples" / "tryton"
MODULES = ("purchase", "account_payment", "account_invoice_stock")
PASSWORD, KEY, READER = "administers-tryton", "reads-tryton-over-rest", "reads-tryton-by-sql"
CONFIGURATION = """
[database]
uri = {database}

[web]
listen = 127.0.0.1:{port}

[wsgi middleware]
keys = tryton_spans.BusinessKeys
otel = opentelemetry.instrumentation.wsgi.OpenTelemetryMiddleware
"""


def program(name: str) -> str:
    """A program of Tryton's own environment."""
    found = HOME / "bin" / name
    if not found.exists():
        pytest.fail("Tryton is missing; `python3 tieout/bootstrap.py test --all` brings it")
    return str(found)


class Tryton(Party):
    """Tryton's server on a database of its own, instrumented from outside."""

    def __init__(self, folder: Path, postgres: Postgres, traces: str) -> None:
        (self.port,) = free_ports(1)
        self.folder, self._postgres = folder, postgres
        self.url = f"http://127.0.0.1:{self.port}/tryton"
        folder.mkdir()
        (folder / "password").write_text(PASSWORD)
        database, reader = (
            postgres.url(*login).replace("+psycopg", "")
            for login in (("owner", "hunter2-secret", ""), ("reader", READER, "tryton"))
        )
        self.reader = postgres.url("reader", READER, "tryton")
        self.configuration = folder / "trytond.conf"
        self.configuration.write_text(CONFIGURATION.format(database=database, port=self.port))
        command = (program("opentelemetry-instrument"), program("trytond"), "-c", str(self.configuration))
        telemetry = {
            "OTEL_SERVICE_NAME": "tryton", "OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": traces, "OTEL_BSP_SCHEDULE_DELAY": "500",
            # Nothing is to be lost while tieout is down.
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "120", "OTEL_BSP_MAX_QUEUE_SIZE": "200000",
        }  # fmt: skip
        super().__init__(
            folder, (*command, "-d", "tryton"),
            {**telemetry, "TRYTON_SPANS_DATABASE": reader, "PYTHONPATH": str(EXAMPLE / "telemetry"), "PATH": f"{HOME / 'bin'}:{os.environ['PATH']}"},
        )  # fmt: skip

    def install(self) -> None:
        """The database with its modules, made once and kept, and a user that may only read."""
        owner, database = (
            self._postgres.url(database=name).replace("+psycopg", "") for name in ("postgres", "tryton")
        )
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("CREATE DATABASE tryton")
            connection.execute(f"CREATE ROLE reader LOGIN PASSWORD '{READER}' IN ROLE pg_read_all_data")
        pins = (SOURCES / "requirements.txt").read_bytes() + repr(MODULES).encode()
        kept = builds.cache() / f"tryton-{hashlib.sha256(pins).hexdigest()[:16]}.dump"
        if not kept.exists():
            self._initialise()
            kept.parent.mkdir(parents=True, exist_ok=True)
            made = kept.with_suffix(f".{os.getpid()}")
            subprocess.run(
                [self._postgres.program("pg_dump"), "-Fc", "-Z1", "-f", str(made), database], check=True
            )
            made.rename(kept)
        else:
            subprocess.run([self._postgres.program("pg_restore"), "-d", database, str(kept)], check=True)

    def _initialise(self) -> None:
        subprocess.run(
            [program("trytond-admin"), "-c", str(self.configuration), "-d", "tryton", "-u", *MODULES,
             "--activate-dependencies", "--email", "admin@hospital.example"],
            check=True, env={**self._environment, "TRYTONPASSFILE": str(self.folder / "password")},
        )  # fmt: skip

    def ready(self) -> bool:
        return answers(f"{self.url}/rest/model/purchase.purchase", 401)


class Driver:
    """Plays the scenarios; `played` has the documents of those that are over."""

    def __init__(self, tryton: Tryton) -> None:
        self.played: dict[str, dict[str, Any]] = {}
        self._process = subprocess.Popen(
            [program("python"), str(SOURCES / "driver.py"), f"{tryton.url}/rpc/", PASSWORD, KEY],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            documents = json.loads(line)
            self.played[documents.pop("name")] = documents

    def end(self) -> None:
        """Waits until all have been played."""
        code = self._process.wait(180)
        self._reader.join(30)
        assert self._process.stderr
        assert code == 0, self._process.stderr.read()[-3000:]


@dataclass
class World:
    """What runs, and what was played."""

    tryton: Tryton
    tieout: Tieout
    project: Path
    played: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.tieout.store() as store:
            return store.rows(sql, parameters)

    def verdicts(self, name: str) -> dict[str, tuple[str, str]]:
        """State and code of each item of an expectation or matching rule, as of now."""
        now = datetime.now(UTC)
        found = self.rows(
            "SELECT item_key, state, if(failing, code, '') AS code FROM verdicts_at(as_of = {now:DateTime64(6, 'UTC')}, "
            "known_at = {now:DateTime64(6, 'UTC')}) WHERE expectation = {name:String} AND (due OR state = 'NOT_DUE')",
            now=now, name=name,
        )  # fmt: skip
        return {row["item_key"]: (row["state"], row["code"]) for row in found}

    def restart(self) -> None:
        """Kills tieout and starts it again, which makes every probe read."""
        self.tieout.kill()
        self.tieout.start()

    def settle(self) -> None:
        """Starts tieout again and waits until every probe has read everything and the jobs have seen it."""
        since = datetime.now(UTC)
        self.restart()

        def done() -> bool:
            read = self.rows(
                "SELECT uniqExact(probe) AS probes, max(finished_at) AS last FROM probe_runs "
                "WHERE status = 'ok' AND started_at > {since:DateTime64(6, 'UTC')}", since=since,
            )[0]  # fmt: skip
            seen = self.rows(
                "SELECT uniqExact(job) AS jobs FROM job_runs WHERE status = 'ok' AND job IN ('derive', 'reconcile', 'match') "
                "AND started_at > {since:DateTime64(6, 'UTC')}", since=read["last"],
            )[0]  # fmt: skip
            return bool(read["probes"] == 16 and seen["jobs"] == 3)

        wait_until(done, self.tieout.said, 120)


def write_project(folder: Path) -> Path:
    """The project as the how-to makes it."""
    shutil.copytree(EXAMPLE, folder)
    for name in presets.names():
        vendor, _, kind = name.partition("/")
        if vendor == "tryton":
            (folder / "probes" / f"tryton_{kind}.yaml").write_text(presets.text(name))
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything has been played, with tieout killed in the middle of it."""
    folder = tmp_path_factory.mktemp("tryton")
    with ExitStack() as stack:
        postgres = stack.enter_context(running())
        project = write_project(folder / "site")
        tieout = Tieout(project, "collector,jobs")
        tryton = Tryton(folder / "tryton", postgres, tieout.traces_url)
        tieout.set(TRYTON_URL=tryton.url, TRYTON_KEY=KEY, TRYTON_DATABASE_URL=tryton.reader)
        tryton.install()
        import time; t0 = time.monotonic()
        def lap(w): print(w, round(time.monotonic() - t0, 1), file=sys.__stderr__, flush=True)
        for party in (tieout, tryton):
            stack.callback(party.end)
            party.start()
        made = World(tryton, tieout, project)
        lap("started")
        driver = Driver(tryton)
        wait_until(lambda: len(driver.played) >= 4, tryton.said, 180)
        lap("half"); made.restart(); lap("restarted")
        driver.end()
        lap("driven"); made.played = driver.played
        wait_until(lambda: made.rows("SELECT 1 FROM events WHERE step = 'payment.blocked'"), tieout.said, 120)
        lap("spans"); made.settle(); lap("settled")
        yield made


def test_every_scenario_has_the_right_verdicts(world: World) -> None:
    played = world.played
    print(json.dumps(played))
    for name in (
        "confirmation_kept",
        "order_receipt",
        "receipt_invoice",
        "invoice_payment",
        "payment_block",
        "end_to_end",
        "received_lines",
        "billed_lines",
        "payments",
    ):
        print(name, world.verdicts(name))
    assert False
