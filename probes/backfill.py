"""Reads a time gone by, window after window. A window that is done is on record, so a backfill goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from core.clock import Clock
from core.errors import ConfigurationError
from probes.probe import ProbeFile
from probes.run import ProbeRun, run_window
from probes.systems import Systems
from store.client import Store
from store.sqlfile import read
from workflows.model import Workflow

STATEMENT = Path(__file__).parent / "statements" / "backfilled.sql"


@dataclass(frozen=True)
class Backfill:
    """How far a backfill has come, with what it did before it was stopped. Times in UTC, `end` not included.

    `stopped` is the run that did not come through, and why it goes no further.
    """

    probe: str
    start: datetime
    end: datetime
    done_to: datetime
    windows: int = 0
    read: int = 0
    changed: int = 0
    stopped: ProbeRun | None = None

    @property
    def share(self) -> float:
        """The part that is done, 0 to 1."""
        return (self.done_to - self.start) / (self.end - self.start)


def backfill(
    store: Store,
    probe: ProbeFile,
    workflow: Workflow,
    start: datetime,
    end: datetime,
    step: timedelta,
    clock: Clock,
    *,
    systems: Systems | None = None,
    again: bool = False,
    tell: Callable[[Backfill], None] = lambda _: None,
) -> Backfill:
    """Reads [start, end) in windows of `step`. Writes facts and no watermark, and leaves the cursor alone.

    The same start and end go on where they stopped, unless `again`. Stops at the first window that does not
    come through. Raises ConfigurationError when the probe cannot be asked for a window, StoreError.
    """
    _check(probe, start, end, step)
    progress = Backfill(probe.name, start, end, start) if again else so_far(store, probe, start, end)
    tell(progress)
    while progress.done_to < end:
        since, until = progress.done_to, min(progress.done_to + step, end)
        done = run_window(store, probe, workflow, since, until, clock, systems=systems)
        if not done.complete:
            return _with(progress, stopped=done)
        window = {"window_from": since, "window_to": until, "run_id": done.run_id, "known_at": clock.now()}
        counts = {"records": done.read, "changed": done.changed, "rejected": done.rejected}
        whole = {"probe": probe.name, "backfill_from": start, "backfill_to": end}
        store.insert("probe_backfills", [whole | window | counts])
        progress = _with(progress, until, done)
        tell(progress)
    return progress


def so_far(store: Store, probe: ProbeFile, start: datetime, end: datetime) -> Backfill:
    """What of this backfill is done. Raises StoreError."""
    row = store.one(read(STATEMENT), {"source": probe.name, "from": start, "to": end})
    if not row["windows"]:
        return Backfill(probe.name, start, end, start)
    done, changed = int(row["records_read"]), int(row["records_changed"])
    return Backfill(probe.name, start, end, row["done_to"], int(row["windows"]), done, changed)


def _with(
    progress: Backfill,
    until: datetime | None = None,
    done: ProbeRun | None = None,
    stopped: ProbeRun | None = None,
) -> Backfill:
    return Backfill(
        progress.probe, progress.start, progress.end, until or progress.done_to,
        progress.windows + (done is not None), progress.read + (done.read if done else 0),
        progress.changed + (done.changed if done else 0), stopped,
    )  # fmt: skip


def _check(probe: ProbeFile, start: datetime, end: datetime, step: timedelta) -> None:
    rule = probe.cursor_rule
    if rule is None or not rule.timed:
        raise ConfigurationError(
            f"probe {probe.name} does not read by time, so there is nothing to fill in: a full reading has everything"
        )
    if not probe.bounded:
        raise ConfigurationError(
            f"probe {probe.name} cannot be asked for an end: use :window_end in its query, or name incremental.end_param"
        )
    if not start < end or step <= timedelta(0):
        raise ConfigurationError(
            "a backfill goes from an earlier time to a later one, in steps of some length"
        )
