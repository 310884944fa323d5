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
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import builds
import psycopg
import pytest
from parties import ROOT, Party, Tieout, answers, wait_until

from probes import presets
from tests.ports import free_ports
from tests.probes.postgres import Postgres, running

pytestmark = pytest.mark.slow
HOME = Path(sys.prefix) / "tryton"
SOURCES = ROOT / "tests" / "interop" / "tryton"
EXAMPLE = ROOT / "examples" / "tryton"
RULES = (
    "confirmation_kept", "order_receipt", "receipt_invoice", "invoice_payment", "end_to_end", "payment_block",
    "received_lines", "billed_lines", "payments",
)  # fmt: skip
SCENARIOS = (
    "plain", "over_receipt", "cancelled_line", "returned", "overpaid", "blocked", "not_received",
)  # fmt: skip
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
        self._log = tryton.folder / "driver.txt"
        command = [program("python"), str(SOURCES / "driver.py"), f"{tryton.url}/rpc/", PASSWORD, KEY]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            documents = json.loads(line)
            self.played |= {documents.pop("name"): documents}

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        """Waits until all have been played."""
        code = self._process.wait(180)
        self._reader.join(30)
        assert code == 0, self._log.read_text()[-3000:]


@dataclass
class World:
    """What runs, and what was played."""

    tryton: Tryton
    tieout: Tieout
    project: Path
    sources: Mapping[str, str]
    played: Mapping[str, Mapping[str, Any]]

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.tieout.store() as store:
            return store.rows(sql, parameters)

    def verdicts(self, name: str) -> dict[str, tuple[str, str]]:
        """State of each item of an expectation or matching rule as of now, and the code of its exception."""
        return {row["item_key"]: (row["state"], row["code"]) for row in self._judged(name)}

    def money(self, name: str, item: str) -> tuple[Decimal, Decimal]:
        """What was expected of an item and what there is."""
        [row] = [row for row in self._judged(name) if row["item_key"] == item]
        return row["expected"], row["actual"]

    def _judged(self, name: str) -> list[dict[str, Any]]:
        return self.rows(
            "SELECT item_key, state, if(failing, code, '') AS code, expected, actual "
            "FROM verdicts_at(as_of = {now:DateTime64(6, 'UTC')}, known_at = {now:DateTime64(6, 'UTC')}) "
            "WHERE expectation = {name:String}", now=datetime.now(UTC), name=name,
        )  # fmt: skip

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
    """Everything has been played, with tieout started late and killed in the middle of it."""
    folder = tmp_path_factory.mktemp("tryton")
    with ExitStack() as stack:
        postgres = stack.enter_context(running())
        project = write_project(folder / "site")
        tieout = Tieout(project, "collector,jobs")
        tryton = Tryton(folder / "tryton", postgres, tieout.traces_url)
        sources = {"TRYTON_URL": tryton.url, "TRYTON_KEY": KEY, "TRYTON_DATABASE_URL": tryton.reader}
        tieout.set(**sources)
        tryton.install()
        stack.callback(tieout.end)
        stack.callback(tryton.end)
        tryton.start()
        driver = Driver(tryton)
        stack.callback(driver.kill)
        made = World(tryton, tieout, project, sources, driver.played)
        wait_until(lambda: "set_up" in driver.played, tryton.said, 180)
        tieout.start()
        wait_until(lambda: "cancelled_line" in driver.played, tryton.said, 180)
        made.restart()
        driver.end()
        wait_until(lambda: made.rows("SELECT 1 FROM events WHERE step = 'payment.blocked'"), tieout.said, 180)
        made.settle()
        yield made


def orders(world: World, *names: str) -> list[str]:
    return [world.played[name]["order"] for name in names or SCENARIOS]


def test_every_scenario_has_the_right_verdicts(world: World) -> None:
    """What is not named here agrees."""
    told = {name: world.verdicts(name) for name in RULES}
    back, credit = world.played["returned"]["back"], world.played["returned"]["credit"]
    good = ("MATCHED", "")
    over, missing, later = ("MISMATCH", "QTY_OVER"), ("MISSING", "MISSING"), ("NOT_DUE", "")

    def lines(*names: str) -> list[str]:
        return [line for name in names for line in world.played[name]["lines"]]

    [late] = orders(world, "not_received")
    [stuck] = orders(world, "blocked")
    invoices = [documents["invoice"] for documents in world.played.values() if "invoice" in documents]
    unpaid = world.played["blocked"]["invoice"]
    assert told["confirmation_kept"] == dict.fromkeys([*orders(world), back], good)
    assert told["order_receipt"] == dict.fromkeys([*orders(world), back], good) | {late: missing}
    assert told["receipt_invoice"] == dict.fromkeys({*orders(world), back} - {late}, good)
    assert told["invoice_payment"] == dict.fromkeys(invoices, good) | {unpaid: missing, credit: later}
    assert told["end_to_end"] == (
        dict.fromkeys(orders(world), good) | {stuck: missing, late: missing, back: later}
    )
    assert told["payment_block"] == {unpaid: ("MISSING", "POLICY_HOLD")}
    # The line that was given up is expected nowhere.
    cancelled = {world.played["cancelled_line"]["cancelled"]}
    bought = set(lines(*SCENARIOS)) - cancelled
    [over_line], [late_line] = lines("over_receipt"), lines("not_received")
    assert told["received_lines"] == dict.fromkeys(bought, good) | {over_line: over, late_line: missing}
    returned = world.played["returned"]["back_lines"]
    assert told["billed_lines"] == (
        dict.fromkeys([*bought, *returned], good) | {over_line: over, late_line: missing}
    )
    twice = world.played["overpaid"]["invoice"]
    assert told["payments"] == (
        dict.fromkeys(invoices, good) | {twice: ("MISMATCH", "AMOUNT"), unpaid: missing, credit: later}
    )
    assert world.money("billed_lines", over_line) == (Decimal(50), Decimal(60))
    assert world.money("payments", twice) == (Decimal(50), Decimal(100))


def test_both_readings_agree_on_every_object(world: World) -> None:
    newest = "(SELECT * FROM snapshots ORDER BY known_at DESC LIMIT 1 BY system, object_type, object_key)"
    differ = world.rows(
        f"SELECT object_type, object_key, groupArray((system, fields, amount, currency, deleted)) AS said FROM {newest} "
        "GROUP BY object_type, object_key HAVING uniqExact(system) != 2 OR uniqExact((fields, amount, currency, deleted)) != 1"
    )
    assert differ == []
    found = world.rows(
        f"SELECT object_type, uniqExact(object_key) AS objects FROM {newest} GROUP BY object_type"
    )
    assert {row["object_type"]: row["objects"] for row in found} == {
        "order": 8, "order_line": 9, "goods_receipt": 6, "goods_return": 1, "receipt_line": 6, "invoice": 7,
        "invoice_line": 7, "payment": 6,
    }  # fmt: skip
    assert world.rows("SELECT reason, detail FROM import_rejects") == []


def test_spans_and_states_of_an_order_meet(world: World) -> None:
    [order] = orders(world, "plain")
    said = subprocess.run(
        [sys.executable, "-m", "tieout", "explain", order, "--project", str(world.project), "--json"],
        env={**os.environ, **world.sources}, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    [story] = json.loads(said.stdout)["stories"]
    steps = list(dict.fromkeys(entry["step"] for entry in story["timeline"] if entry["kind"] == "event"))
    assert steps == [
        "po.approved", "receipt.posted", "invoice.received", "invoice.paid", "po.confirm_called", "po.kept", "payment.free",
    ]  # fmt: skip
    newest = {state["system"]: (state["fields"]["state"], state["amount"]) for state in story["states"]}
    assert newest == dict.fromkeys(("tryton", "tryton_db"), ("processing", "50"))
    [called] = [entry for entry in story["timeline"] if entry["step"] == "po.confirm_called"]
    top, *inner = story["spans"]
    assert (top["name"], top["service"], top["trace_id"]) == (
        "purchase.purchase.confirm", "tryton", called["trace_id"],
    )  # fmt: skip
    assert {"SELECT", "UPDATE"} <= {span["name"] for span in inner}
    assert {finding["state"] for finding in story["findings"]} == {"MATCHED"}


def test_a_kill_and_another_reading_change_nothing(world: World) -> None:
    def held() -> dict[str, Any]:
        tables = ("snapshots", "events", "object_links", "expectations", "matches", "import_rejects")
        return {table: world.rows(f"SELECT count() AS found FROM {table}") for table in tables}

    before, judged = held(), {name: world.verdicts(name) for name in RULES}
    world.settle()
    assert held() == before
    assert {name: world.verdicts(name) for name in RULES} == judged
    [spans] = world.rows(
        "SELECT count() AS found, uniqExact(TraceId, SpanId) AS different, countIf(SpanName = 'purchase.purchase.confirm') AS confirmed "
        "FROM otel_traces"
    )
    assert (spans["found"], spans["confirmed"]) == (spans["different"], len(SCENARIOS) + 1)
