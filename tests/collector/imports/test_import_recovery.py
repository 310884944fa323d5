"""Imports that die, at any point, and what the next one makes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from import_site import LOG, NOW, Site, facts

from collector.imports import ImportProgress, import_files, recover
from collector.imports import context as limits
from collector.imports.staging import new_import_id
from store.client import Store
from store.endpoint import endpoint
from tests.store.serving import READER, WRITER, serving

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
HEAD = "order,what,at,answer"


def rows(count: int) -> list[str]:
    return [
        f"o{number},Sent,2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z," for number in range(count)
    ]


def process(site: Site, path: Path) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        str(HERE / "import_process.py"),
        str(site.folder / "store"),
        str(site.folder),
        str(path),
    ]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}", "TMPDIR": str(site.folder)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def killed_at(site: Site, path: Path, phase: str, done: int) -> None:
    """Runs the import and kills it when it says it is that far."""
    with process(site, path) as running:
        assert running.stdout
        for line in running.stdout:
            said = json.loads(line)
            if said.get("phase") == phase and said["done"] >= done:
                running.kill()
                break
        else:
            pytest.fail("the import ended before it could be killed")


def finished(site: Site, path: Path) -> list[dict[str, Any]]:
    with process(site, path) as running:
        assert running.stdout
        said = [json.loads(line) for line in running.stdout]
    assert running.returncode == 0
    return [line for line in said if "phase" not in line]


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "done"), [("writing", 1_000), ("reading", 1), ("writing", 4_000)])
def test_an_import_that_was_killed_is_completed_by_the_next_and_nothing_is_there_twice(
    site: Site, phase: str, done: int
) -> None:
    site.mapping(LOG + "  complete_through: last_event\n")
    path = site.csv("orders.csv", HEAD, *rows(6_000), "o1,Sent,never,")
    killed_at(site, path, phase, done)
    result, counts, distinct = finished(site, path)
    assert counts == {
        "events": 6_000, "event_objects": 6_000, "import_rejects": 1, "import_rows": 0, "watermarks": 1, "imports": 1,
    }  # fmt: skip
    assert distinct == {"distinct": 6_000}
    assert result["events"]["new"] + result["events"]["known"] == 6_000
    assert (result["events"]["known"] > 0) == (phase == "writing")


class PowerCutError(Exception):
    """Ends an import in the middle."""


def cut_at(phase: str, done: int) -> Any:
    def watch(progress: ImportProgress) -> None:
        if progress.phase == phase and progress.done >= done:
            raise PowerCutError

    return watch


@pytest.mark.parametrize(("phase", "done"), [("reading", 1), ("writing", 20), ("writing", 80)])
def test_an_import_that_failed_in_the_middle_can_simply_be_run_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, phase: str, done: int
) -> None:
    monkeypatch.setattr(limits, "CHUNK_ROWS", 20)
    path, mapping = site.csv("orders.csv", HEAD, *rows(100)), site.mapping(LOG)
    with pytest.raises(PowerCutError):
        site.run(mapping, path, progress=cut_at(phase, done))
    result = site.run(mapping, path, now=NOW + timedelta(days=1))
    assert result.events.new + result.events.known == 100
    assert site.store.value("SELECT uniqExact(event_id) FROM events") == len(site.events("step")) == 100
    assert site.store.value("SELECT count() FROM import_rows") == 0


def test_a_death_between_an_event_and_its_index_leaves_neither_a_hole_nor_a_double(site: Site) -> None:
    path, mapping = site.csv("orders.csv", HEAD, *rows(50)), site.mapping(LOG)
    site.run(mapping, path)
    before = facts(site.store, "orders")
    # The store as such a death leaves it: an import's rows, events without index, and index without events.
    left_over = left_over_by(dead_process())
    site.store.insert(
        "import_rows", [{"import_id": left_over, "part": "rows", "line": 1, "file": "orders.csv"}]
    )
    site.store.command("DELETE FROM event_objects WHERE object_key IN ('O1', 'O2', 'O3')")
    site.store.command("DELETE FROM events WHERE has(objects.key, 'O7') OR has(objects.key, 'O8')")
    assert recover(site.store) == [left_over]
    assert recover(site.store) == []
    result = site.run(mapping, path)
    assert (result.events.new, result.events.known) == (2, 48)
    assert facts(site.store, "orders") == before


def left_over_by(pid: int) -> str:
    """The name of an import at NOW in another process of this machine."""
    stamp, number, host, _, token = new_import_id(NOW, 0).split("-")
    return f"{stamp}-{number}-{host}-{pid}-{token}"


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_imports_that_run_elsewhere_are_left_alone(site: Site) -> None:
    stamp, number, _, pid, token = new_import_id(NOW, 0).split("-")
    running = [left_over_by(os.getppid()), f"{stamp}-{number}-0ther0ne-{pid}-{token}", "whatever"]
    for import_id in running:
        site.store.insert("import_rows", [{"import_id": import_id, "part": "rows", "line": 1, "file": "x"}])
    assert recover(site.store) == []
    assert site.store.value("SELECT count() FROM import_rows") == 3


def test_an_import_works_the_same_through_the_endpoint_of_a_running_store(site: Site, engine: Store) -> None:
    path, mapping = site.csv("orders.csv", HEAD, *rows(50), "o1,Sent,never,"), site.mapping(LOG)
    with serving(endpoint(engine, READER, WRITER)) as running, Store(running.url, token=WRITER) as remote:
        first = import_files(remote, mapping, site.workflows["orders"], [path], NOW)
    second = site.run(mapping, path, now=NOW + timedelta(days=1))
    assert (first.events.new, second.events.new, second.events.known) == (50, 0, 50)
    assert len(site.rejects("line")) == 1
