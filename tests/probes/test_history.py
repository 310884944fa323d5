"""Whatever happens between and during runs, the snapshots are the history of the source as it was seen."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes.probe import ProbeFile
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW, ROOT
from tests.probes.source import Invoices
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)
FACTS = ("snapshots", "object_links", "events", "import_rejects")


class Killed(BaseException):
    """Nothing of ours catches it: what follows does not happen, as after SIGKILL."""


class Dying(Store):
    """A real handle on the real store whose process is killed before its n-th call."""

    calls_left = 0

    def _spend(self) -> None:
        if self.calls_left <= 0:
            raise Killed
        self.calls_left -= 1

    def command(self, *args: Any, **kwargs: Any) -> int:
        self._spend()
        return super().command(*args, **kwargs)

    def insert(self, *args: Any, **kwargs: Any) -> None:
        self._spend()
        super().insert(*args, **kwargs)

    def insert_arrow(self, *args: Any, **kwargs: Any) -> None:
        self._spend()
        super().insert_arrow(*args, **kwargs)

    def rows(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        self._spend()
        return super().rows(*args, **kwargs)


@pytest.fixture(scope="module")
def dying(engine: Store) -> Iterator[Dying]:
    store = Dying(engine.dsn)
    yield store
    store.close()


def facts(store: Store) -> list[tuple[Any, ...]]:
    """Every fact without the stamps of the run that wrote it."""
    found: list[tuple[Any, ...]] = []
    for table in FACTS:
        rows = store.rows(f"SELECT * EXCEPT (known_at) FROM {table} ORDER BY ALL")
        stamps = {"run_id", "import_id", "source_ref", "captured_at"}
        found += sorted((table, str({k: v for k, v in row.items() if k not in stamps})) for row in rows)
    return found


def empty(store: Store) -> None:
    for table in (*FACTS, "event_objects", "probe_runs", "probe_rows", "probe_states", "watermarks"):
        store.command("TRUNCATE TABLE {table:Identifier}", {"table": table})


def full_probe(make_probe: MakeProbe, source: Invoices) -> ProbeFile:
    return make_probe(
        kind="sql",
        url=source.url,
        query="SELECT * FROM invoices",
        object={"fields": ["status"], "valid_from": "changed", "deleted": "gone"},
        links=[{"role": "of", "to": "order", "column": "po"}],
        events=[{"step": "invoice.paid", "time": "paid"}],
        max_absent_ratio=1,
        max_rejected_ratio=1,
    )


def test_a_run_killed_before_any_statement_is_repeated_without_a_trace(
    store: Store, dying: Dying, make_probe: MakeProbe, workflow: Workflow, tmp_path: Path
) -> None:
    """Killed before its first call, then before its second, and so on until one run comes through."""
    source = Invoices(tmp_path)
    probe = full_probe(make_probe, source)
    first = {"status": "open", "changed": "2026-11-01", "po": "P1"}

    def story(kill_ats: Iterable[int]) -> int:
        empty(store)
        source.run("DELETE FROM invoices")
        for no in ("1", "2", ""):
            source.put(no=no, **first)
        run_probe(store, probe, workflow, NOW)
        source.change("1", status="paid", paid="2026-11-03", po="P2", changed="2026-11-03")
        source.remove("2")
        source.put(no="3", status="open", changed="never")
        source.put(no="4", **first)
        return next(kill_at for kill_at in kill_ats if not killed(kill_at))

    def killed(calls: int) -> bool:
        dying.calls_left = calls
        try:
            run_probe(dying, probe, workflow, NOW + FIVE)
        except Killed:
            return True
        return False

    story([10_000])
    expected = facts(store)
    assert len(expected) == 5 + 4 + 1 + 2
    assert story(range(10_000)) > 15
    assert facts(store) == expected
    source.close()


operations = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from("123"), st.sampled_from("abc")),
        st.tuples(st.just("remove"), st.sampled_from("123"), st.just("")),
        st.tuples(st.just("run"), st.just(""), st.just("")),
        st.tuples(st.just("fail"), st.just(""), st.just("")),
        st.tuples(st.just("kill"), st.just(""), st.sampled_from(["2", "5", "9", "14", "18"])),
    ),
    max_size=9,
)


class Seen:
    """What the snapshots must be, worked out one dict at a time. A state is a status, or None for a deleted row."""

    def __init__(self) -> None:
        self.now: dict[str, str | None] = {}
        self.last: dict[str, str | None] = {}
        self.history: dict[str, list[str | None]] = {}

    def run(self) -> None:
        gone = {key: None for key, status in self.last.items() if status is not None and key not in self.now}
        for key, status in {**self.now, **gone}.items():
            if key not in self.last or self.last[key] != status:
                self.history.setdefault(key, []).append(status)
            self.last[key] = status


@pytest.mark.parametrize("examples", [3, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_snapshots_are_the_history_of_the_source_after_any_interleaving_of_runs(
    store: Store,
    dying: Dying,
    make_probe: MakeProbe,
    workflow: Workflow,
    tmp_path: Path,
    mode: str,
    examples: int,
) -> None:
    source = Invoices(tmp_path)
    common: dict[str, Any] = {"kind": "sql", "url": source.url, "max_absent_ratio": 1}
    if mode == "full":
        probe = make_probe(query="SELECT * FROM invoices", object={"fields": ["status"]}, **common)
    else:
        probe = make_probe(
            query="SELECT * FROM invoices WHERE changed >= :cursor",
            mode="incremental",
            incremental={"cursor_path": "changed", "overlap": "7m"},
            object={"fields": ["status"], "deleted": "gone"},
            **common,
        )

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(story=operations)
    def check(story: list[tuple[str, str, str]]) -> None:
        empty(store)
        source.run("DELETE FROM invoices")
        play(story)

    def play(story: list[tuple[str, str, str]]) -> None:
        seen = Seen()
        for turn, (what, key, value) in enumerate([*story, ("run", "", ""), ("run", "", "")]):
            now = NOW + turn * FIVE
            if what == "set":
                write(seen, key, value, now)
            elif what == "remove" and seen.now.get(key) is not None:
                remove(seen, key, now)
            elif what == "run":
                assert run_probe(store, probe, workflow, now).status == "ok"
                seen.run()
            elif what == "fail":
                source.run("ALTER TABLE invoices RENAME TO away")
                assert run_probe(store, probe, workflow, now).status == "failed"
                source.run("ALTER TABLE away RENAME TO invoices")
            elif what == "kill":
                dying.calls_left = int(value)
                with suppress(Killed):
                    run_probe(dying, probe, workflow, now)
                run_probe(store, probe, workflow, now)
                seen.run()
        assert told() == seen.history

    def write(seen: Seen, key: str, status: str, now: datetime) -> None:
        source.run(f"DELETE FROM invoices WHERE no = '{key}'")
        source.put(no=key, status=status, changed=stamp(now), gone=0)
        seen.now[key] = status

    def remove(seen: Seen, key: str, now: datetime) -> None:
        """A full reading sees the absence; for an incremental one the source keeps a deleted row."""
        if mode == "full":
            source.remove(key)
            del seen.now[key]
        else:
            source.change(key, gone=1, status="", changed=stamp(now))
            seen.now[key] = None

    def stamp(now: datetime) -> str:
        return now.strftime("%Y-%m-%d %H:%M:%S.%f")

    def told() -> dict[str, list[str | None]]:
        rows = store.rows(
            "SELECT object_key, fields['status'] AS status, deleted FROM snapshots "
            "ORDER BY captured_at, valid_from"
        )
        found: dict[str, list[str | None]] = {}
        for row in rows:
            found.setdefault(row["object_key"], []).append(None if row["deleted"] else row["status"])
        return found

    check()
    source.close()


CHILD = textwrap.dedent(
    """
    import json, sys
    from datetime import UTC, datetime, timedelta
    from pathlib import Path
    from probes.load import load_probe
    from probes.run import run_probe
    from store import migrate
    from store.client import Store
    from workflows.load import load_workflows

    folder = Path(sys.argv[1])
    now = datetime(2026, 11, 20, tzinfo=UTC)
    workflows, _ = load_workflows(folder / "workflows")
    probe, _, findings = load_probe(folder / "p.yaml", workflows)
    assert not findings, findings
    with Store(f"chdb://{folder / 'data'}") as store:
        migrate.migrate(store, now)
        print("ready", flush=True)
        done = run_probe(store, probe, workflows["payables"], now)
        rows = store.rows("SELECT count() AS all, uniqExact(object_key) AS keys FROM snapshots")[0]
        links = store.rows("SELECT count() AS all, uniqExact(from_key) AS keys FROM object_links")[0]
        print(json.dumps({"status": done.status, "states": rows, "links": links}), flush=True)
    """
)


@pytest.mark.slow
def test_kill_minus_nine_while_a_large_source_is_read_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Real SIGKILLs at different moments of a real run, then one run that comes through."""
    from tests.probes.conftest import WORKFLOW

    total = 60_000
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "payables.yaml").write_text(WORKFLOW)
    (tmp_path / "child.py").write_text(CHILD)
    with sqlite3.connect(tmp_path / "ap.db") as db:
        db.execute("CREATE TABLE invoices (no TEXT, status TEXT, po TEXT)")
        db.executemany(
            "INSERT INTO invoices VALUES (?, 'open', ?)", ((f"N{i}", f"P{i}") for i in range(total))
        )
    (tmp_path / "p.yaml").write_text(
        "{name: ap_invoices, kind: sql, title: T, workflow: payables, system: ap, "
        f"url: 'sqlite:///{tmp_path / 'ap.db'}', query: SELECT * FROM invoices, "
        "object: {type: invoice, key: no, fields: [status]}, "
        "links: [{role: of, to: order, column: po}]}"
    )
    command = [sys.executable, str(tmp_path / "child.py"), str(tmp_path)]
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    for wait_s in (0.1, 0.4, 0.7, 1.0, 1.3, 1.7):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        try:
            child.wait(wait_s)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
        child.communicate()
    out = subprocess.run(command, env=environment, capture_output=True, check=True).stdout.decode()
    everything = f'{{"all": {total}, "keys": {total}}}'
    assert out.splitlines()[-1] == f'{{"status": "ok", "states": {everything}, "links": {everything}}}'
