"""A time gone by is read in windows; what is known since stays what holds, and a stop costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.clock import ManualClock
from core.errors import ConfigurationError
from probes.backfill import Backfill, backfill, so_far
from probes.overview import list_probes
from probes.probe import ProbeFile
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.server import Api, serving
from tests.probes.source import Invoices, count
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
DAY = timedelta(days=1)
PARTS = {
    "kind": "sql", "query": "SELECT * FROM invoices WHERE changed >= :cursor AND changed < :window_end",
    "mode": "incremental", "object": {"fields": ["status"], "valid_from": "changed"},
    "incremental": {"cursor_path": "changed", "initial_value": "2026-11-19"},
    "links": [{"role": "of", "to": "order", "column": "po"}],
}  # fmt: skip
START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 5, tzinfo=UTC)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Invoices]:
    """A history of changes: an object may stand there several times."""
    invoices = Invoices(tmp_path)
    for day in range(1, 6):
        invoices.put(no=str(day), status="old", changed=f"2026-11-0{day} 10:00:00", po=f"P{day}")
    invoices.put(no="1", status="new", changed="2026-11-19 10:00:00")
    yield invoices
    invoices.close()


@pytest.fixture
def probe(make_probe: MakeProbe, source: Invoices) -> ProbeFile:
    return make_probe(url=source.url, **PARTS)


def newest(store: Store) -> dict[str, Any]:
    rows = store.rows(
        "SELECT object_key, argMax(fields['status'], (captured_at, valid_from)) AS status FROM snapshots GROUP BY object_key"
    )
    return {row["object_key"]: row["status"] for row in rows}


def test_every_window_is_read_once_and_displaces_nothing_newer(
    store: Store, probe: ProbeFile, workflow: Workflow
) -> None:
    run_probe(store, probe, workflow, NOW)
    before = (count(store, "watermarks"), list_probes(store, [probe], NOW)[0])
    assert newest(store) == {"1": "new"}
    told: list[Backfill] = []
    done = backfill(store, probe, workflow, START, END, DAY, ManualClock(NOW + DAY), tell=told.append)
    assert (done.share, done.windows, done.read, done.stopped) == (1, 4, 4, None)
    assert [step.share for step in told] == [0, 0.25, 0.5, 0.75, 1]
    assert newest(store) == {"1": "new", "2": "old", "3": "old", "4": "old"}
    assert (
        store.value("SELECT count() FROM snapshots WHERE object_key = '1' AND fields['status'] = 'old'") == 1
    )
    assert count(store, "object_links") == 4
    assert (count(store, "watermarks"), list_probes(store, [probe], NOW)[0]) != ()
    assert (count(store, "watermarks"), list_probes(store, [probe], NOW)[0].started_at) == (
        before[0],
        before[1].started_at,
    )
    following = run_probe(store, probe, workflow, NOW + 2 * DAY)
    assert (following.read, following.changed, following.cursor) == (
        1,
        0,
        "changed=2026-11-19T10:00:00.000000Z",
    )


def test_the_same_backfill_again_does_nothing_and_told_to_it_reads_and_writes_nothing_twice(
    store: Store, probe: ProbeFile, workflow: Workflow
) -> None:
    clock = ManualClock(NOW)
    backfill(store, probe, workflow, START, END, DAY, clock)
    snapshots = count(store, "snapshots")
    assert backfill(store, probe, workflow, START, END, DAY, clock).windows == 4
    assert count(store, "probe_runs") == 4
    clock.move(DAY)
    again = backfill(store, probe, workflow, START, END, 2 * DAY, clock, again=True)
    assert (again.windows, again.read, again.changed) == (2, 4, 0)
    assert (count(store, "snapshots"), count(store, "object_links")) == (snapshots, 4)


class Killed(BaseException):
    """The process ends here."""


class Dying(Store):
    """The same engine, through a handle that dies before its nth statement."""

    def __init__(self, live: Store) -> None:
        self.__dict__ = live.__dict__.copy()
        self.left = 10_000

    def _turn(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def command(self, *args: Any, **more: Any) -> int:
        self._turn()
        return super().command(*args, **more)

    def insert(self, *args: Any, **more: Any) -> None:
        self._turn()
        super().insert(*args, **more)


def test_killed_anywhere_it_goes_on_and_nothing_is_missing_or_there_twice(
    store: Store, probe: ProbeFile, workflow: Workflow
) -> None:
    two_days = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC))
    dying, clock = Dying(store), ManualClock(NOW)
    kills = 0
    for left in range(1, 100, 2):
        dying.left = left
        try:
            done = backfill(dying, probe, workflow, *two_days, DAY, clock)
        except Killed:
            kills += 1
            clock.move(timedelta(minutes=1))
            continue
        break
    assert kills > 3
    assert (done.windows, done.read, so_far(store, probe, *two_days).share) == (2, 2, 1)
    facts = store.rows(
        "SELECT object_key, valid_from, row_hash, count() AS n FROM snapshots GROUP BY ALL ORDER BY object_key"
    )
    assert [(row["object_key"], row["n"]) for row in facts] == [("1", 1), ("2", 1)]
    assert count(store, "object_links") == 2


def test_it_stops_at_a_window_that_does_not_come_and_goes_on_from_there(
    store: Store, workflow: Workflow, make_probe: MakeProbe
) -> None:
    api, down = Api(), {"2026-11-03T00:00:00.000Z"}

    def answer(request: Any) -> Any:
        since = request.query_params["since"]
        return {} if since in down else [{"no": since, "at": since}]

    api.answer = answer
    with serving(api.app) as address:
        probe = make_probe(
            kind="rest", client={"base_url": f"http://{address}"}, mode="incremental",
            incremental={"cursor_path": "at", "param": "since", "end_param": "until"},
        )  # fmt: skip
        stopped = backfill(store, probe, workflow, START, END, DAY, ManualClock(NOW))
        assert stopped.stopped is not None
        assert (stopped.share, stopped.stopped.error_code) == (0.5, "no_records")
        down.clear()
        done = backfill(store, probe, workflow, START, END, DAY, ManualClock(NOW))
    assert (done.share, done.read) == (1, 4)
    assert [q["until"][:10] for q in api.queries()] == [f"2026-11-0{day}" for day in (2, 3, 4, 4, 5)]


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"query": "SELECT * FROM invoices", "mode": "full", "incremental": None}, "does not read by time"),
        ({"query": "SELECT * FROM invoices WHERE changed >= :cursor"}, "use :window_end"),
    ],
)
def test_a_probe_that_cannot_be_asked_for_a_window_is_told_apart(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow, keys: Any, says: str
) -> None:
    probe = make_probe(url=source.url, **PARTS | keys)
    with pytest.raises(ConfigurationError, match=says):
        backfill(store, probe, workflow, START, END, DAY, ManualClock(NOW))


def test_a_time_that_runs_backwards_is_refused(store: Store, probe: ProbeFile, workflow: Workflow) -> None:
    with pytest.raises(ConfigurationError, match="earlier time to a later one"):
        backfill(store, probe, workflow, END, START, DAY, ManualClock(NOW))
