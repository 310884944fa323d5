"""The stage: each reading has its own part of it, written in pieces and worked on in slices."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from pydantic import SecretStr

from probes import stage
from probes.probe import Batch, ProbeFile, Window
from probes.run import ProbeRun, run_probe
from probes.stage import Stage
from probes.texts import iso
from store.client import Store
from store.endpoint import endpoint
from tests.conftest import NOW
from tests.probes.source import Invoices, count, rejects, states
from tests.store.serving import READER, WRITER, serving
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
DAY = timedelta(days=1)
FULL = {
    "kind": "sql", "query": "SELECT * FROM invoices",
    "object": {"fields": ["status"], "valid_from": "changed", "deleted": "gone"},
    "links": [{"role": "of", "to": "order", "column": "po"}], "events": [{"step": "invoice.paid", "time": "paid"}],
    "max_absent_ratio": 1, "max_rejected_ratio": 1,
}  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Invoices]:
    invoices = Invoices(tmp_path)
    yield invoices
    invoices.close()


def readings(store: Store) -> list[str]:
    found = store.rows("SELECT DISTINCT reading FROM probe_rows ORDER BY reading")
    return [row["reading"] for row in found]


def test_two_processes_that_run_one_probe_on_one_server_do_not_meet(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One has read half when the other begins, reads something newer, and ends. A handle by another way is another process."""
    monkeypatch.setattr(stage, "WAITING_ROWS", 1)
    probe = make_probe(url=source.url, **FULL)
    halfway, go_on = Event(), Event()
    real = type(probe).read

    def slow(self: ProbeFile, window: Window) -> Generator[Batch]:
        for batch in real(self, window):
            yield Batch(batch.records.slice(0, 1))
            halfway.set()
            assert go_on.wait(20)
            yield Batch(batch.records.slice(1))

    kept = {name: getattr(probe, name) for name in type(probe).model_fields}
    slow_probe = type("Slow", (type(probe),), {"read": slow})(**kept)
    for no in ("1", "2", "3"):
        source.put(no=no, status="open", changed="2026-11-01")
    done: list[ProbeRun] = []
    with serving(endpoint(store, SecretStr(READER), WRITER)) as served:
        other = Store(served.url, token=served.writer)
        first = Thread(target=lambda: done.append(run_probe(store, slow_probe, workflow, NOW)))
        first.start()
        assert halfway.wait(20)
        assert len(readings(store)) == 1
        source.change("3", status="paid", changed="2026-11-02")
        source.put(no="4", status="open", changed="2026-11-01")
        done.append(run_probe(other, probe, workflow, NOW + timedelta(minutes=1)))
        other.close()
        go_on.set()
        first.join(20)
    assert [(one.status, one.read, one.rejected, one.deleted) for one in done] == [
        ("ok", 4, 0, 0),
        # What it read is older than what is stored, and so proves nothing gone.
        ("partial", 3, 0, 0),
    ]
    assert done[1].error_code == "source_went_back"
    assert {row["object_key"] for row in states(store)} == {"1", "2", "3", "4"}
    assert count(store, "probe_rows") == count(store, "probe_states") == 0


def test_what_a_killed_run_left_goes_when_nobody_can_be_at_work_on_it(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = make_probe(url=source.url, **FULL)
    source.put(no="1", status="open", changed="2026-11-01")
    [batch] = probe.read(Window(NOW))

    def left(label: str, ago: timedelta) -> str:
        part = Stage(store, probe, label, "run", NOW - ago)
        part.add(batch)
        part.flush()
        return part.reading

    young, old = left("ap_invoices", DAY), left("ap_invoices", 3 * DAY)
    others = [left("ap_invoices (dry run)", 3 * DAY), left("ap", 3 * DAY)]
    store.command("INSERT INTO probe_rows (reading, number) VALUES ('ap_invoices', 1)")  # of an older version
    assert old in readings(store)
    assert run_probe(store, probe, workflow, NOW).status == "ok"
    assert readings(store) == sorted([young, *others])
    assert iso(NOW - DAY) in young
    with serving(endpoint(store, SecretStr(READER), WRITER)) as served:
        server = Store(served.url, token=served.writer)
        stage.recover(server)  # others may be at work in it
        server.close()
    assert len(readings(store)) == 3
    stage.recover(store)
    assert readings(store) == []


def test_in_slices_and_pieces_the_facts_are_the_same(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = make_probe(url=source.url, **FULL)

    def story() -> list[Any]:
        for table in ("snapshots", "object_links", "events", "import_rejects", "probe_runs", "watermarks"):
            store.command("TRUNCATE TABLE {table:Identifier}", {"table": table})
        source.run("DELETE FROM invoices")
        for no in range(1, 9):
            source.put(no=str(no), status="open", changed="2026-11-01", po=f"P{no}")
        told = [run_probe(store, probe, workflow, NOW)]
        source.remove("1")
        source.remove("2")
        source.change("3", status="paid", paid="2026-11-03", changed="2026-11-03", po="P1")
        source.put(no="3", status="late", changed="2026-11-02")  # an earlier state that comes late
        source.put(no="4", status="both", changed="2026-11-01")  # the same key and time twice
        source.put(no="5", status="open", changed="never")
        source.put(no="", status="nobody")
        told.append(run_probe(store, probe, workflow, NOW + DAY))
        source.put(no="1", status="open", changed="2026-11-01", po="P1")  # there again
        told.append(run_probe(store, probe, workflow, NOW + 2 * DAY))
        counts = [(one.status, one.read, one.changed, one.deleted, one.rejected) for one in told]
        links = store.rows("SELECT from_key, to_key, valid_from FROM object_links ORDER BY ALL")
        events = store.rows("SELECT event_id, occurred_at FROM events ORDER BY ALL")
        return [counts, states(store), links, events, rejects(store)]

    whole = story()
    assert [row[2:4] for row in whole[0]] == [(8, 0), (5, 2), (1, 0)]
    monkeypatch.setattr(stage, "SLICE_ROWS", 4)
    monkeypatch.setattr(stage, "WAITING_ROWS", 3)
    assert story() == whole
