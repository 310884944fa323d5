"""One run of a probe: read, judge, write what changed, record the run. Twice the same writes nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.clock import Clock, ManualClock, SystemClock
from core.errors import TieoutError
from probes.probe import ProbeError, ProbeFile
from probes.reader import Reader
from probes.systems import SystemRestsError, Systems
from probes.work import STATEMENTS, ProbeRun, Work, record
from store.client import Store
from store.errors import StoreUnavailableError
from store.sqlfile import read
from workflows.model import Workflow

__all__ = ["DryRun", "ProbeBusyError", "ProbeRun", "dry_run", "repair", "run_probe", "run_window"]

_running: set[tuple[str, str]] = set()
_running_lock = threading.Lock()


class ProbeBusyError(TieoutError):
    """The probe is running already; wait for that run to end."""

    retryable = True


@dataclass(frozen=True)
class DryRun:
    """What a run would do with the first records: each as it would be stored, and what would change.

    `empty_columns` are those the probe file names and no record has. `cursor`: where the run would go on.
    """

    probe: str
    place: str
    records: list[dict[str, Any]]
    more: bool
    columns: list[dict[str, Any]]
    empty_columns: list[str]
    cursor: str = ""
    clock_ahead_s: float | None = None


def run_probe(
    store: Store,
    probe: ProbeFile,
    workflow: Workflow,
    now: datetime,
    *,
    clock: Clock | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    systems: Systems | None = None,
    asked: bool = False,
    believe: bool = False,
) -> ProbeRun:
    """Reads the source once and writes what is new. A source that cannot be read makes a failed run.

    `now` is when the source is read, for all it says; `clock` tells when facts are stored (default: `now`).
    `systems` is shared by all runs of a process; a system that rests makes a skipped run, unless `asked`: a
    person wants it. `believe`: a person knows that so much is gone, or that the source was restored. Raises
    ProbeBusyError, and StoreUnavailableError when the store itself is gone.
    """
    with _alone(store, probe.name):
        run = Work(
            store, probe, workflow, now, clock or ManualClock(now), monotonic, probe.name, believe=believe
        )

        def work() -> ProbeRun:
            done = run.work()
            # Before the run is on record: killed in between, the next one finds the correction again.
            if run.corrected:
                _judge_again(run)
            return done

        return _recorded(run, systems or Systems(), work, asked=asked)


def repair(store: Store, probe: ProbeFile, workflow: Workflow, clock: Clock) -> ProbeRun:
    """Judges the records that were set aside by the mapping as it is now; asks the source for nothing.

    The run that comes after a correction of the probe file does so by itself. What is understood becomes a
    fact of the time it was read, and displaces nothing newer. Raises ProbeBusyError, StoreError.
    """
    with _alone(store, probe.name):
        now = clock.now()
        return _judge_again(Work(store, probe, workflow, now, clock, time.monotonic, probe.name))


def _judge_again(run: Work) -> ProbeRun:
    reading = f"{run.probe.name} (repair)"
    again = Work(
        run.store, run.probe, run.workflow, run.now, run.clock, run.monotonic, reading, purpose="repair"
    )
    try:
        done = again.judge_again()
    finally:
        again.stage.drop()
    record(run.store, done, [])
    return done


def run_window(
    store: Store,
    probe: ProbeFile,
    workflow: Workflow,
    since: datetime,
    until: datetime,
    clock: Clock,
    *,
    systems: Systems | None = None,
) -> ProbeRun:
    """Reads the changes of [since, until) once more. Nothing newer is displaced, no watermark or cursor moves.

    Raises ProbeBusyError, StoreUnavailableError.
    """
    reading = f"{probe.name} (backfill)"
    with _alone(store, reading):
        now = clock.now()
        run = Work(store, probe, workflow, now, clock, time.monotonic, reading, purpose="backfill")
        return _recorded(run, systems or Systems(), lambda: run.work_on(since, until), asked=True)


def _recorded(run: Work, systems: Systems, work: Callable[[], ProbeRun], *, asked: bool) -> ProbeRun:
    """Does the work in its place among the runs of its system; whatever happens becomes a record."""
    probe = run.probe
    wait_s = probe.timeouts.total.total_seconds()
    try:
        with systems.place(run.store, probe.system, run.now, wait_s, asked=asked) as place:
            run.place = place
            done = work()
    except StoreUnavailableError:
        raise
    except SystemRestsError as error:
        done = run.failed(error.code, str(error), status="skipped")
    except ProbeError as error:
        done = run.failed(error.code, str(error), unserved=error.unserved)
    except TieoutError as error:
        done = run.failed(getattr(error, "code", None), str(error))
    except Exception as error:
        # A bug, or a driver that throws something of its own: its text may quote rows, its type does not.
        done = run.failed("unexpected", f"probe {probe.name} stopped by {type(error).__name__}; report this")
    run.stage.drop()
    record(run.store, done, run.attempts)
    return done


def dry_run(
    store: Store,
    probe: ProbeFile,
    workflow: Workflow,
    now: datetime,
    *,
    limit: int = 20,
    systems: Systems | None = None,
) -> DryRun:
    """The first `limit` records as they would be stored. Writes no fact. Raises ProbeError, StoreError."""
    reading = f"{probe.name} (dry run)"
    wait_s = probe.timeouts.total.total_seconds()
    with (
        _alone(store, reading),
        (systems or Systems()).place(store, probe.system, now, wait_s, asked=True) as place,
    ):
        run = Work(store, probe, workflow, now, ManualClock(now), time.monotonic, reading, limit, place)
        try:
            window = run.window()
            reader = Reader(run.stage, probe, window, SystemClock())
            reader.read_all()
            run.judge()
            rows = store.rows(read(STATEMENTS / "would.sql"), run.names())
            columns = store.rows(read(STATEMENTS / "columns.sql"), run.names())
            filled = {column["name"] for column in columns}
            empty = [name for name in probe.columns if name not in filled] if rows else []
            return DryRun(
                probe.name, probe.place, rows, run.stage.full, columns, empty, window.cursor,
                reader.clock_ahead_s,
            )  # fmt: skip
        finally:
            run.stage.drop()


@contextmanager
def _alone(store: Store, reading: str) -> Iterator[None]:
    """Two runs of one probe would each find the other's changes missing and write them twice."""
    name = (store.dsn, reading)
    with _running_lock:
        if name in _running:
            raise ProbeBusyError(f"probe {reading} is running already; wait for that run to end")
        _running.add(name)
    try:
        yield
    finally:
        with _running_lock:
            _running.discard(name)
