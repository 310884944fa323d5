"""Reads a source in as many tries as its probe allows, and waits between them."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime

import stamina
import stamina.instrumentation
from stamina.instrumentation import RetryDetails

from core.clock import Clock
from probes.probe import ProbeError, ProbeFile, Window
from probes.stage import Stage

# A source that wants to be left alone for longer is asked again by the schedule, not by this run.
LONGEST_WAIT_S = 120.0
_LOG = logging.getLogger(__name__)


def _tell_of_retry(details: RetryDetails) -> None:
    """stamina by itself logs a name and nothing else."""
    _LOG.warning("%s (next attempt in %.0f s)", details.caused_by, details.wait_for)


stamina.instrumentation.set_on_retry_hooks([_tell_of_retry])


@dataclass(frozen=True)
class Attempt:
    """One try: when it began (UTC), how long it took, what it read, and the error code it ended with."""

    number: int
    started_at: datetime
    seconds: float
    records: int
    code: str


class Reader:
    """Reads with as many tries as the probe allows; a source read by pages goes on where a try stopped.

    `clock_ahead_s` is by how many seconds the clock of the source was ahead of ours, when it showed one.
    """

    def __init__(self, stage: Stage, probe: ProbeFile, window: Window, clock: Clock) -> None:
        self.stage, self.probe, self.window, self._clock = stage, probe, window, clock
        self.attempts: list[Attempt] = []
        self.clock_ahead_s: float | None = None

    def read_all(self) -> None:
        """Raises the ProbeError of the last try. A try that got further begins a new count."""
        stopped: ProbeError | None = None
        while True:
            before = self.window.position
            try:
                return self._stretch(stopped)
            except ProbeError as error:
                if self._wait(error) is False or self.window.position == before:
                    raise
                stopped = error

    def _stretch(self, stopped: ProbeError | None) -> None:
        # The try that ended the stretch before counts here as the first, so that its wait is kept.
        ended = [stopped] if stopped else []
        for attempt in stamina.retry_context(
            on=self._wait, attempts=self.probe.attempts, timeout=None, wait_initial=1.0, wait_max=30.0
        ):
            with attempt:
                if ended:
                    raise ended.pop()
                self._try()

    def _wait(self, error: Exception) -> bool | float:
        if not isinstance(error, ProbeError) or not error.retryable:
            return False
        if error.retry_after is None:
            return True
        return error.retry_after if error.retry_after <= min(LONGEST_WAIT_S, self.window.left()) else False

    def _try(self) -> None:
        began, clock = self._clock.now(), self.window.monotonic
        since = clock()
        if not self.window.position:
            self.stage.clear()
        before = self.stage.number
        code = "unexpected"
        try:
            self._read()
            code = ""
        except ProbeError as error:
            code = error.code
            raise
        finally:
            number, records = len(self.attempts) + 1, self.stage.number - before
            self.attempts.append(Attempt(number, began, clock() - since, records, code))

    def _read(self) -> None:
        # Closed at once when a dry run has enough: a source is not kept waiting in a transaction.
        with closing(self.probe.read(self.window)) as batches:
            for batch in batches:
                if batch.source_time is not None:
                    self.clock_ahead_s = (batch.source_time - self._clock.now()).total_seconds()
                self.stage.add(batch)
                self.window = replace(self.window, position=batch.position)
                if self.stage.full:
                    break
        self.stage.flush()
