"""What all probes of one system share: how many read at once, how fast they ask, and when they leave it alone.

The circuit breaker is derived from the records of runs, so every process sees the same, also after a restart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from core.duration import Duration
from core.yamlfile import FileModel
from probes.network import Networks
from probes.probe import ProbeError
from store.client import Store
from store.sqlfile import read

STATEMENT = Path(__file__).parent / "statements" / "system_failures.sql"
# Failures that are older say nothing of a system any more.
MEMORY = timedelta(days=7)


class Breaker(FileModel):
    """After `failures` runs in a row that the system did not serve, it is left alone for `pause`; then one
    run tries it."""

    failures: int = Field(default=3, ge=1)
    pause: Duration = timedelta(minutes=5)


class SystemRule(FileModel):
    """How gently a system is treated, under `systems:` of tieout.yaml by the `system` of its probes.

    `concurrency`: runs at once. `requests_per_s`: pages and queries a second, of all runs together; without
    it, as fast as the system answers. `networks`: private addresses its probes may reach. `hosts`: the only
    hosts its probes may name, `*.erp.example` among them; without it, any.
    """

    concurrency: int = Field(default=4, ge=1, le=64)
    requests_per_s: float | None = Field(default=None, gt=0)
    breaker: Breaker = Breaker()
    networks: Networks = ()
    hosts: tuple[str, ...] = ()

    def allows(self, host: str) -> bool:
        """Whether a probe of the system may name `host`."""
        name = host.lower().rstrip(".")
        return not self.hosts or any(fnmatchcase(name, pattern.lower()) for pattern in self.hosts)


@dataclass(frozen=True)
class Standing:
    """Whether a system is asked. `closed`: yes; `open`: not before `until` (UTC); `half_open`: one run tries.

    `failures` in a row are counted over all its probes, `code` and `probe` are of the last one.
    """

    system: str
    state: Literal["closed", "open", "half_open"] = "closed"
    failures: int = 0
    until: datetime | None = None
    code: str = ""
    probe: str = ""

    def text(self) -> str:
        """For people, when it is not closed."""
        until = self.until.strftime("%Y-%m-%d %H:%M:%S UTC") if self.until else "its trial run ends"
        return (
            f"system {self.system} did not serve the last {self.failures} runs "
            f"(last: {self.code} in probe {self.probe}); it is left alone until {until}"
        )


def standing(system: str, rule: SystemRule, row: Mapping[str, Any], now: datetime) -> Standing:
    """The breaker of a system, from its failures since it last served."""
    failures = int(row.get("failures", 0))
    if failures < rule.breaker.failures:
        return Standing(system, failures=failures)
    until = row["last_failed_at"] + rule.breaker.pause
    state: Literal["open", "half_open"] = "open" if now < until else "half_open"
    return Standing(system, state, failures, until, row["last_code"], row["last_probe"])


def standings(
    store: Store, rules: Mapping[str, SystemRule], systems: set[str], now: datetime
) -> dict[str, Standing]:
    """The breaker of each of `systems`. Raises StoreError."""
    rows = store.rows(read(STATEMENT), {"systems": sorted(systems), "since": now - MEMORY})
    found = {row["system_name"]: row for row in rows}
    return {
        system: standing(system, rules.get(system, SystemRule()), found.get(system, {}), now)
        for system in systems
    }


class SystemRestsError(ProbeError):
    """The run was left out: its system is left alone, or another run is trying it."""

    def __init__(self, text: str) -> None:
        super().__init__("system_rests", text)


class Place:
    """A run's right to ask its system: `turn` waits until the next request may go out."""

    def __init__(self, shared: _Shared, rule: SystemRule) -> None:
        self._shared, self.rule = shared, rule

    def turn(self, give_up_at: float) -> None:
        """Raises ProbeError when the turn would come after `give_up_at` (on the monotonic clock)."""
        self._shared.turn(self.rule.requests_per_s, give_up_at)


class Systems:
    """The systems of one process. `rules` by name; a system without one is treated by the defaults."""

    def __init__(
        self,
        rules: Mapping[str, SystemRule] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rules = dict(rules or {})
        self._monotonic, self._pause = monotonic, pause
        self._lock = threading.Lock()
        self._shared: dict[str, _Shared] = {}

    def rule(self, system: str) -> SystemRule:
        return self.rules.get(system, SystemRule())

    @contextmanager
    def place(
        self, store: Store, system: str, now: datetime, wait_s: float, *, asked: bool = False
    ) -> Iterator[Place]:
        """A place among the runs of `system`, for the length of the block.

        `asked`: a person wants it, so the breaker does not hold it back. Raises SystemRestsError while the
        system is left alone, and ProbeError when no place came free within `wait_s` seconds.
        """
        rule, shared = self.rule(system), self._of(system)
        found = standings(store, self.rules, {system}, now)[system]
        if found.state == "open" and not asked:
            raise SystemRestsError(found.text())
        trial = found.state == "half_open" and not asked
        if trial and not shared.trial.acquire(blocking=False):
            raise SystemRestsError(f"system {system} is being tried by another run; this one is left out")
        try:
            with shared.among(rule.concurrency, wait_s, system):
                yield Place(shared, rule)
        finally:
            if trial:
                shared.trial.release()

    def _of(self, system: str) -> _Shared:
        with self._lock:
            if system not in self._shared:
                places = threading.Semaphore(self.rule(system).concurrency)
                self._shared[system] = _Shared(places, self._monotonic, self._pause)
            return self._shared[system]


class _Shared:
    def __init__(
        self, places: threading.Semaphore, monotonic: Callable[[], float], pause: Callable[[float], None]
    ) -> None:
        self.trial = threading.Lock()
        self._places = places
        self._monotonic, self._pause = monotonic, pause
        self._lock = threading.Lock()
        self._next_turn = 0.0

    @contextmanager
    def among(self, concurrency: int, wait_s: float, system: str) -> Iterator[None]:
        if not self._places.acquire(timeout=wait_s):
            raise ProbeError(
                "system_busy",
                f"{concurrency} other runs kept system {system} busy for {wait_s:.0f} s; run its probes less "
                f"often, or allow more in systems.{system}.concurrency",
            )
        try:
            yield
        finally:
            self._places.release()

    def turn(self, per_s: float | None, give_up_at: float) -> None:
        """Turns are given out in the order they are asked for, one every 1/`per_s` seconds."""
        if per_s is None:
            return
        with self._lock:
            now = self._monotonic()
            at = max(self._next_turn, now)
            if at > give_up_at:
                raise ProbeError(
                    "timeout",
                    "requests_per_s leaves no turn within timeouts.total; read less at a time or allow more",
                )
            self._next_turn = at + 1 / per_s
        if at > now:
            self._pause(at - now)
