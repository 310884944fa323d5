"""A source that was restored to an older state is noticed; only a person makes its gaps into facts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from probes.probe import ProbeFile
from probes.run import ProbeRun, run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.source import Invoices, count, states
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)
FULL = {
    "kind": "sql",
    "query": "SELECT * FROM invoices",
    "object": {"fields": ["status"], "valid_from": "changed"},
}
PARTS = {
    "kind": "sql", "query": "SELECT * FROM invoices WHERE changed >= :cursor AND changed < :window_end",
    "mode": "incremental", "incremental": {"cursor_path": "changed"},
    "object": {"fields": ["status"], "valid_from": "changed"},
}  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Invoices]:
    invoices = Invoices(tmp_path)
    for no in range(1, 5):
        invoices.put(no=str(no), status="open", changed=f"2026-11-20 0{no}:00:00")
    yield invoices
    invoices.close()


def backup(source: Invoices) -> Callable[[], None]:
    """A copy of the database as it is now, and the way to put it back."""
    copy = source.path.with_suffix(".backup")
    shutil.copy(source.path, copy)

    def restore() -> None:
        source.run(f"ATTACH '{copy}' AS old")
        source.run("DELETE FROM invoices")
        source.run("INSERT INTO invoices SELECT * FROM old.invoices")
        source.run("DETACH old")

    return restore


def outcome(done: ProbeRun) -> tuple[str, str, int]:
    return done.status, done.error_code, done.deleted


def test_a_full_reading_older_than_the_last_one_calls_nothing_gone(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = make_probe(url=source.url, **FULL)
    restore = backup(source)
    source.change("2", status="paid", changed="2026-11-20 09:00:00")
    source.put(no="5", status="open", changed="2026-11-20 10:00:00")
    run_probe(store, probe, workflow, NOW)
    restore()
    told = []
    for turn in (1, 2):
        done = run_probe(store, probe, workflow, NOW + turn * FIVE)
        assert outcome(done) == ("partial", "source_went_back", 0)
        told.append(done.error)
    assert "newest changed was 2026-11-20 10:00:00 and is 2026-11-20 04:00:00 UTC" in told[0]
    assert "nothing as new as 2026-11-20 10:00:00 UTC has come since" in told[1]
    assert "--believe" in told[1]
    assert count(store, "watermarks") == 1
    believed = run_probe(store, probe, workflow, NOW + 3 * FIVE, believe=True)
    assert outcome(believed) == ("ok", "", 1)
    assert run_probe(store, probe, workflow, NOW + 4 * FIVE).status == "ok"


@pytest.mark.parametrize("newest", [["3", "4"], ["4"]])
def test_the_newest_records_gone_together_are_suspicious_one_alone_is_a_deletion(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow, newest: list[str]
) -> None:
    probe = make_probe(url=source.url, **FULL)
    run_probe(store, probe, workflow, NOW)
    for no in newest:
        source.remove(no)
    done = run_probe(store, probe, workflow, NOW + FIVE)
    assert outcome(done) == (("partial", "source_went_back", 0) if len(newest) > 1 else ("ok", "", 1))


def test_ordinary_life_is_not_taken_for_a_restored_source(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = make_probe(url=source.url, max_absent_ratio=1, **FULL)
    run_probe(store, probe, workflow, NOW)
    source.remove("1")
    source.remove("2")
    assert outcome(run_probe(store, probe, workflow, NOW + FIVE)) == ("ok", "", 2)
    source.change("3", status="corrected", changed="2026-11-20 01:00:00")
    assert outcome(run_probe(store, probe, workflow, NOW + 2 * FIVE)) == ("ok", "", 0)
    source.run("DELETE FROM invoices")
    assert outcome(run_probe(store, probe, workflow, NOW + 3 * FIVE)) == ("ok", "", 2)
    source.put(no="1", status="back", changed="2026-11-19 01:00:00")
    assert outcome(run_probe(store, probe, workflow, NOW + 4 * FIVE)) == ("ok", "", 0)
    assert outcome(run_probe(store, probe, workflow, NOW + 5 * FIVE)) == ("ok", "", 0)


def test_a_cursor_beyond_the_newest_record_stays_and_is_told(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = make_probe(url=source.url, **PARTS)
    restore = backup(source)
    source.put(no="5", status="open", changed="2026-11-20 10:00:00")
    assert outcome(run_probe(store, probe, workflow, NOW)) == ("ok", "", 0)
    assert outcome(run_probe(store, probe, workflow, NOW + FIVE)) == ("ok", "", 0)
    restore()
    done = run_probe(store, probe, workflow, NOW + 2 * FIVE)
    assert outcome(done) == ("partial", "source_went_back", 0)
    assert (done.complete_through, done.cursor) == (None, "changed=2026-11-20T10:00:00.000000Z")
    believed = run_probe(store, probe, workflow, NOW + 3 * FIVE, believe=True)
    assert (believed.status, believed.cursor) == ("ok", "")
    done = run_probe(store, probe, workflow, NOW + 4 * FIVE)
    assert (done.status, done.read, done.cursor) == ("ok", 4, "changed=2026-11-20T04:00:00.000000Z")
    assert len(states(store, "5")) == 1


def test_without_an_overlap_nothing_is_concluded_from_silence(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    rule = {"cursor_path": "changed", "overlap": "0s"}
    probe = make_probe(url=source.url, **PARTS | {"incremental": rule})
    run_probe(store, probe, workflow, NOW)
    source.remove("4")
    assert outcome(run_probe(store, probe, workflow, NOW + FIVE)) == ("ok", "", 0)


def put(folder: Path, name: str, text: str, minute: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    moment = NOW.timestamp() - 3600 + 60 * minute
    os.utime(folder / name, (moment, moment))


def test_a_folder_whose_newest_file_is_gone_is_noticed(
    store: Store, make_probe: MakeProbe, workflow: Workflow, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    probe = make_probe(kind="files", folder=str(folder), glob="*.csv", format="csv")
    put(folder, "a.csv", "no\n1\n", 1)
    run_probe(store, probe, workflow, NOW)
    put(folder, "b.csv", "no\n1\n2\n", 2)
    run_probe(store, probe, workflow, NOW + FIVE)
    (folder / "b.csv").unlink()
    done = run_probe(store, probe, workflow, NOW + 2 * FIVE)
    assert outcome(done) == ("partial", "source_went_back", 0)
    assert "only older ones are there" in done.error
    believed = run_probe(store, probe, workflow, NOW + 3 * FIVE, believe=True)
    assert outcome(believed) == ("ok", "", 1)
    assert outcome(run_probe(store, probe, workflow, NOW + 4 * FIVE)) == ("ok", "", 0)


def test_a_restored_source_that_goes_on_is_believed_again(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = make_probe(url=source.url, **FULL)
    run_probe(store, probe, workflow, NOW)
    source.change("4", status="older", changed="2026-11-20 03:30:00")
    assert outcome(run_probe(store, probe, workflow, NOW + FIVE)) == ("partial", "source_went_back", 0)
    source.put(no="6", status="open", changed="2026-11-20 11:00:00")
    assert outcome(run_probe(store, probe, workflow, NOW + 2 * FIVE)) == ("ok", "", 0)


def test_so_much_that_is_gone_is_believed_when_a_person_says_so(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    keys: dict[str, Any] = FULL | {"object": {"fields": ["status"]}}
    probe = make_probe(url=source.url, **keys)
    run_probe(store, probe, workflow, NOW)
    source.run("DELETE FROM invoices")
    assert outcome(run_probe(store, probe, workflow, NOW + FIVE)) == ("partial", "too_many_absent", 0)
    assert outcome(run_probe(store, probe, workflow, NOW + 2 * FIVE, believe=True)) == ("ok", "", 4)


def test_what_a_torn_file_lacks_makes_its_source_no_older(
    store: Store, make_probe: MakeProbe, workflow: Workflow, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    probe = make_probe(
        kind="files", folder=str(folder), format="json", object={"fields": ["status"], "valid_from": "at"}
    )
    records = [f'{{"no": "{no}", "status": "open", "at": "2026-11-20T0{no}:00:00Z"}}' for no in range(1, 6)]

    def run(text: str, minutes: int) -> ProbeRun:
        (folder / "a.json").write_text(text)
        written = (NOW + timedelta(minutes=minutes)).timestamp()
        os.utime(folder / "a.json", (written, written))
        return run_probe(store, probe, workflow, NOW + timedelta(minutes=minutes + 2))

    whole = f"[{', '.join(records)}]"
    assert outcome(run(whole, 0)) == ("ok", "", 0)
    assert outcome(run(f"[{', '.join(records[:3])}", 5)) == ("partial", "not_whole", 0)
    assert outcome(run(f"[{', '.join(records[:3])}]", 10)) == ("partial", "source_went_back", 0)
    assert outcome(run(f"[{', '.join(records[:3])}", 15)) == ("partial", "source_went_back", 0)
    assert outcome(run(whole, 20)) == ("ok", "", 0)
