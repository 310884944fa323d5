"""The rest kind against Datasette: a program nobody here wrote, serving JSON pages over SQLite."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from probes.probe import ProbeFile
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW
from tests.ports import free_port
from tests.probes.source import Invoices, states
from workflows.model import Workflow

pytestmark = pytest.mark.slow
MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)
VERSION = "0.65.5"


def program() -> str:
    """Datasette has an environment of its own, inside ours, because it pins other packages."""
    home = Path(sys.prefix) / "datasette"
    found = shutil.which("datasette", path=f"{home / 'bin'}") or shutil.which("datasette")
    if not found:
        install = f"{home / 'bin' / 'pip'} install datasette=={VERSION}"
        pytest.fail(f"Datasette is missing; run: {sys.executable} -m venv {home} && {install}")
    return found


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Invoices]:
    invoices = Invoices(tmp_path)
    for number in range(1, 251):
        invoices.put(
            no=f"N{number}", status="open", total=f"{number}.10", changed=f"2026-11-{1 + number % 19:02}"
        )
    yield invoices
    invoices.close()


@pytest.fixture
def address(source: Invoices) -> Iterator[str]:
    port = free_port()
    command = [program(), "serve", str(source.path), "-h", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/-/versions.json")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def wait_for(url: str) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            httpx.get(url).raise_for_status()
            return
        except httpx.HTTPError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def of_datasette(make_probe: MakeProbe, address: str, shape: str, **keys: Any) -> ProbeFile:
    paginator = {
        "objects": {"type": "json_link", "next_url_path": "next_url"},
        "array": {"type": "header_link"},
    }[shape]
    params = {"_shape": shape, "_size": 100, "_sort": "no"}
    amount = {"column": "total", "currency": "EUR"}
    return make_probe(
        kind="rest",
        client={"base_url": address},
        endpoint={"path": "ap/invoices.json", "params": params},
        paginator=paginator,
        data_selector="rows" if shape == "objects" else "",
        object={"fields": ["status"], "valid_from": "changed", "amount": amount},
        **keys,
    )


@pytest.mark.parametrize("shape", ["objects", "array"])
def test_all_pages_are_read_and_only_changes_are_written(
    store: Store, source: Invoices, address: str, make_probe: MakeProbe, workflow: Workflow, shape: str
) -> None:
    probe = of_datasette(make_probe, address, shape)
    first = run_probe(store, probe, workflow, NOW)
    assert (first.status, first.read, first.changed) == ("ok", 250, 250)
    assert sum(state["amount"] for state in states(store)) == sum(n for n in range(1, 251)) + 25
    source.change("N7", status="paid")
    source.remove("N8")
    second = run_probe(store, probe, workflow, NOW + FIVE)
    assert (second.read, second.changed, second.deleted) == (249, 2, 1)


def test_an_incremental_run_filters_at_the_source(
    store: Store, source: Invoices, address: str, make_probe: MakeProbe, workflow: Workflow
) -> None:
    rule = {"cursor_path": "changed", "param": "changed__gte", "format": "date", "overlap": "0s"}
    probe = of_datasette(make_probe, address, "objects", mode="incremental", incremental=rule)
    first = run_probe(store, probe, workflow, NOW)
    assert (first.read, first.cursor) == (250, "changed=2026-11-19T00:00:00.000000Z")
    source.change("N1", status="paid", changed="2026-11-20")
    second = run_probe(store, probe, workflow, NOW + FIVE)
    assert (second.read, second.changed) == (14, 1)


def test_its_own_error_answers_are_failures(
    store: Store, address: str, make_probe: MakeProbe, workflow: Workflow
) -> None:
    missing = make_probe(kind="rest", client={"base_url": address}, endpoint={"path": "ap/nowhere.json"})
    done = run_probe(store, missing, workflow, NOW)
    assert (done.status, done.error_code) == ("failed", "not_found")
