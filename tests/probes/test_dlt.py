"""The dlt kind with dlt itself: its own SQL and REST sources on real servers, and resources of a site."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from probes.conformance import assert_conforms
from probes.doctor import diagnose
from probes.overview import list_probes
from probes.probe import ProbeFile, Window
from probes.run import dry_run, run_probe
from probes.systems import Systems
from store.client import Store
from tests.conftest import NOW, ROOT
from tests.probes.postgres import Postgres, running
from tests.probes.server import Api, serving
from tests.probes.source import rejects, states
from workflows.model import Workflow

pytestmark = pytest.mark.slow
MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)
SECRET = "MRN-4711-canary"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running() as found:
        yield found


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    with serving(made.app) as made.address:
        yield made


def test_dlts_sql_source_begins_where_the_last_run_ended(
    store: Store, server: Postgres, make_probe: MakeProbe, workflow: Workflow
) -> None:
    def write(sql: str) -> None:
        with server.engine().begin() as db:
            db.exec_driver_sql(sql)

    write("CREATE TABLE bills (no text, status text, total numeric(20, 4), changed timestamptz)")
    write(
        "INSERT INTO bills SELECT n, 'open', n + 0.25, timestamptz '2026-11-20 10:00:00' + n * interval '1 second' "
        "FROM generate_series(1, 1200) AS n"
    )
    keys: dict[str, Any] = {
        "kind": "dlt",
        "resource": "dlt.sources.sql_database:sql_table",
        "object": {
            "fields": ["status"],
            "valid_from": "changed",
            "amount": {"column": "total", "currency": "EUR"},
        },
    }
    arguments = {
        "credentials": server.url(),
        "table": "bills",
        "incremental": {"cursor_path": "changed", "initial_value": None},
    }
    rule = {"cursor_path": "changed", "overlap": "1m"}
    probe = make_probe(mode="incremental", incremental=rule, arguments=arguments, **keys)
    first = run_probe(store, probe, workflow, NOW)
    assert (first.status, first.read, first.changed) == ("ok", 1200, 1200)
    assert first.cursor == "changed=2026-11-20T10:20:00.000000Z"
    assert [(s["amount"], s["valid_from"].second) for s in states(store, "7")] == [(Decimal("7.25"), 7)]
    write("UPDATE bills SET status = 'paid', changed = '2026-11-20 10:30:00+00' WHERE no = '7'")
    second = run_probe(store, probe, workflow, NOW + FIVE)
    # What changed, and the minute before the cursor.
    assert (second.read, second.changed) == (62, 1)
    third = run_probe(store, probe, workflow, NOW + 2 * FIVE)
    assert (third.read, third.changed, rejects(store)) == (1, 0, [])
    whole = make_probe(arguments=arguments | {"incremental": None}, **keys)
    write("DELETE FROM bills WHERE no = '9'")
    done = run_probe(store, whole, workflow, NOW + 3 * FIVE)
    assert (done.status, done.read, done.changed) == ("ok", 1199, 1)
    assert [state["deleted"] for state in states(store, "9")] == [False, True]
    assert_conforms(whole, NOW)
    write(
        "INSERT INTO bills SELECT n, 'open', n, timestamptz '2026-11-20 11:00:00' FROM generate_series(2001, 52000) AS n"
    )
    parts = arguments | {"incremental": None, "chunk_size": 1000}
    given_up = make_probe(arguments=parts, **keys).read(Window(end=NOW))
    next(given_up)
    assert connections(server) == 2
    given_up.close()
    assert connections(server) == 1


def connections(server: Postgres) -> int:
    """How many there are, this one included."""
    with server.engine().connect() as db:
        text = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
        return int(db.exec_driver_sql(text).scalar_one())


def test_dlts_rest_source_is_read_as_the_probe_file_configures_it(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow
) -> None:
    def answer(request: Any) -> Any:
        page = int(request.query_params.get("page", 1))
        following = f"{api.url}/invoices?page={page + 1}" if page < 3 else None
        rows = [
            {"id": f"{page}-{n}", "state": "open", "buyer": {"name": "H"}, "on": "2026-11-0" + str(page)}
            for n in range(40)
        ]
        return {"items": rows, "next": following}

    api.answer = answer
    source: dict[str, Any] = {
        "client": {"base_url": api.url, "auth": {"type": "bearer", "token": SECRET}},
        "resources": [
            {
                "name": "invoices",
                "endpoint": {
                    "path": "invoices",
                    "paginator": {"type": "json_link", "next_url_path": "next"},
                    "data_selector": "items",
                },
            },
            "customers",
        ],
    }
    probe = make_probe(
        kind="dlt",
        resource="dlt.sources.rest_api:rest_api_source",
        select="invoices",
        arguments={"config": source},
        object={"key": "id", "fields": {"status": "state", "buyer": "buyer.name"}},
    )
    assert len(dry_run(store, probe, workflow, NOW, limit=5).records) == 5
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.read, done.changed, done.complete) == ("ok", 120, 120, True)
    assert states(store, "2-7")[0]["fields"] == {"status": "open", "buyer": "H"}
    assert api.asked[0].headers["authorization"] == f"Bearer {SECRET}"
    checks = diagnose(store, probe, workflow, NOW, Systems(), Path("x.yaml"))
    assert [check.name for check in checks if check.ok is False] == []
    told = next(check for check in checks if check.name == "name resolves")
    assert (told.ok, "makes its own requests" in told.found) == (None, True)
    [status] = list_probes(store, [probe], NOW)
    assert (status.guarded, status.place) == (False, probe.place)
    assert SECRET not in repr(probe) + probe.model_dump_json()


OURS = f'''
import dlt
import requests
from datetime import datetime, UTC

ROWS = [{{"no": str(n), "status": "open", "at": f"2026-11-20 10:{{n:02}}"}} for n in range(30)]

@dlt.resource
def since(at=dlt.sources.incremental("at", initial_value="2026-11-20 10:10")):
    yield [row for row in ROWS if row["at"] >= at.last_value]
    yield {{"no": "x", "at": None}}

@dlt.resource
def whole(token: str = dlt.secrets.value):
    yield ROWS

@dlt.resource
def changed(at=dlt.sources.incremental("at")):
    yield ROWS

@dlt.resource
def numbered(no=dlt.sources.incremental("no", initial_value=0)):
    for n in range(200):
        yield {{"no": n}}

@dlt.resource
def broken():
    yield ROWS
    raise RuntimeError("{SECRET}")

@dlt.resource
def odd():
    yield "{SECRET}"

@dlt.resource
def asked(url: str):
    yield requests.get(url, timeout=5).raise_for_status()

@dlt.source
def shop():
    return whole("{SECRET}"), broken

@dlt.source
def single():
    return dlt.resource(lambda: iter([]), name="nothing")

def plain():
    return ROWS

def answer():
    import missing_module

no_function = 1
'''


@pytest.fixture
def ours(tmp_path: Path, make_probe: MakeProbe, monkeypatch: pytest.MonkeyPatch) -> MakeProbe:
    # One process of tieout has one project; these have one each.
    monkeypatch.delitem(sys.modules, "our_shop", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "our_shop.py").write_text(OURS)

    def make(function: str, **keys: Any) -> ProbeFile:
        return make_probe(kind="dlt", folder=".", resource=f"our_shop:{function}", **keys)

    return make


def test_a_resource_of_a_site_is_given_the_text_it_compares(
    store: Store, ours: MakeProbe, workflow: Workflow
) -> None:
    rule = {"cursor_path": "at", "type": "text"}
    probe = ours("since", mode="incremental", incremental=rule, object={"fields": ["status"]})
    first = run_probe(store, probe, workflow, NOW)
    # dlt itself refuses a record without a cursor, until it is told otherwise.
    assert (first.status, first.error_code) == ("failed", "resource_failed")
    later = probe.model_copy(
        update={"incremental": probe.cursor_rule.model_copy(update={"initial_value": "2026-11-20 10:27"})}
    )
    done = run_probe(store, later, workflow, NOW + FIVE)
    assert (done.read, done.changed, done.cursor) == (4, 4, "at=2026-11-20 10:29")
    assert run_probe(store, later, workflow, NOW + 2 * FIVE).read == 2


@pytest.mark.parametrize(
    ("function", "keys", "code", "told"),
    [
        ("whole", {}, "bad_arguments", "needs token"),
        ("whole", {"arguments": {"tokken": SECRET}}, "bad_arguments", "unexpected keyword argument 'tokken'"),
        ("since", {}, "not_everything", "write mode: incremental"),
        (
            "whole",
            {"arguments": {"token": "t"}, "mode": "incremental"},
            "not_incremental",
            "write mode: full",
        ),
        ("changed", {"mode": "incremental"}, "cursor_type", "where they are text, it is text"),
        ("broken", {}, "resource_failed", "failed in RuntimeError at our_shop.py:29"),
        ("odd", {}, "no_records", "gives a str where a record should be"),
        ("asked", {"arguments": {"url": "{api}"}}, "auth_failed", "was refused with 403"),
        ("asked", {"arguments": {"url": "http://127.0.0.1:1/x"}}, "unreachable", "did not reach its source"),
        ("shop", {"select": "hole"}, "no_resource", "has no resource 'hole'; did you mean 'whole'?"),
        ("shop", {}, "no_resource", "write 'select'; it has whole, broken"),
        ("plain", {}, "no_resource", "is a list; a resource or source of dlt was looked for"),
        ("no_function", {}, "no_resource", "has no function 'no_function'"),
        ("answer", {}, "resource_failed", "ModuleNotFoundError"),
    ],
)
def test_what_goes_wrong_is_told_without_a_word_of_the_data(
    store: Store, ours: MakeProbe, workflow: Workflow, api: Api, caplog: pytest.LogCaptureFixture,
    function: str, keys: dict[str, Any], code: str, told: str,
) -> None:  # fmt: skip
    api.answer = lambda _: Response(SECRET, 403)
    if keys.get("arguments") == {"url": "{api}"}:
        keys = {"arguments": {"url": f"{api.url}/{SECRET}"}}
    if keys.get("mode"):
        keys = keys | {"incremental": {"cursor_path": "at", "initial_value": "2026-01-01T00:00:00Z"}}
    with caplog.at_level(logging.DEBUG):
        done = run_probe(store, ours(function, attempts=1, **keys), workflow, NOW)
    assert (done.status, done.error_code) == ("failed", code)
    assert told in done.error
    assert SECRET not in done.error + "".join(
        r.getMessage() for r in caplog.records if r.name != "urllib3.connectionpool"
    )


def test_a_source_with_one_resource_needs_no_choice_and_nothing_is_told_to_anybody(ours: MakeProbe) -> None:
    [batch] = ours("single").read(Window(end=NOW))
    assert batch.records.num_rows == 0
    from dlt.common.runtime import anon_tracker

    assert anon_tracker._ANON_TRACKER_ENDPOINT is None


AT_ONCE = """
import sys, threading
from datetime import UTC, datetime
from probes.dlt import DltProbe
from probes.probe import Window

keys = {"name": "x", "kind": "dlt", "title": "X", "workflow": "w", "system": "s", "folder": sys.argv[1],
        "resource": "our_shop:numbered", "object": {"type": "invoice", "key": "no"}, "mode": "incremental",
        "incremental": {"cursor_path": "no", "type": "number"}}
read = {}

def run(cursor):
    batches = DltProbe.model_validate(keys).read(Window(datetime.now(UTC), str(cursor)))
    read[cursor] = sum(batch.records.num_rows for batch in batches)

threads = [threading.Thread(target=run, args=(cursor,)) for cursor in (0, 50, 100, 150)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(read.items()))
"""


def test_runs_at_once_do_not_mix_their_cursors(ours: MakeProbe, tmp_path: Path) -> None:
    """In a process of its own, where nothing has been imported yet."""
    command = [sys.executable, "-c", AT_ONCE, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[(0, 200), (50, 150), (100, 100), (150, 50)]", done.stderr
