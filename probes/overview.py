"""What `tieout probe list` and the page of sources show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from probes.probe import ProbeFile
from probes.systems import Standing, SystemRule, standings
from store.client import Store
from store.sqlfile import read

OVERVIEW = Path(__file__).parent / "statements" / "overview.sql"
SET_ASIDE = Path(__file__).parent / "statements" / "still_aside.sql"


@dataclass(frozen=True)
class ProbeStatus:
    """A probe and how it does. Times in UTC. `status` is ok, partial, failed, skipped or never.

    `guarded`: whom it asks is judged here. `late`: no good run within two intervals. `complete_through`: the time up to which absences are proven.
    `system_state` is closed while the system is asked, open until `asked_again_at`, then half_open.
    `failed_tries_24h` of `tries_24h`: a success at the second try is a sign too. `changed_columns_7d`:
    columns that appeared, vanished or were retyped in the last seven days.
    """

    name: str
    kind: str
    title: str
    workflow: str
    system: str
    mode: str
    every_s: int
    place: str
    status: str
    late: bool
    guarded: bool = True
    system_state: str = "closed"
    asked_again_at: datetime | None = None
    started_at: datetime | None = None
    last_good: datetime | None = None
    complete_through: datetime | None = None
    next_at: datetime | None = None
    attempts: int = 0
    tries_24h: int = 0
    failed_tries_24h: int = 0
    changed_columns_7d: int = 0
    clock_ahead_s: float | None = None
    records_read: int = 0
    records_changed: int = 0
    records_rejected: int = 0
    error_code: str = ""
    error: str = ""


def list_probes(
    store: Store, probes: Iterable[ProbeFile], now: datetime, rules: Mapping[str, SystemRule] | None = None
) -> list[ProbeStatus]:
    """Each probe with its last run, by name. Raises StoreError."""
    by_name = {probe.name: probe for probe in probes}
    asked = {
        "probes": sorted(by_name),
        "since": now - timedelta(days=1),
        "last_week": now - timedelta(days=7),
    }
    found = {row["probe"]: row for row in store.rows(read(OVERVIEW), asked)}
    breakers = standings(store, rules or {}, {probe.system for probe in by_name.values()}, now)
    return [
        _status(by_name[name], found.get(name), breakers[by_name[name].system], now)
        for name in sorted(by_name)
    ]


def set_aside(store: Store, probe: ProbeFile) -> list[dict[str, Any]]:
    """Records of a probe that were set aside and not understood since, by reason. Raises StoreError."""
    return store.rows(read(SET_ASIDE), {"source": probe.name})


def _status(probe: ProbeFile, row: dict[str, Any] | None, system: Standing, now: datetime) -> ProbeStatus:
    last = row or {"status": "never"}
    keys = (
        "started_at", "last_good", "complete_through", "attempts", "tries_24h", "failed_tries_24h", "changed_columns_7d",
        "clock_ahead_s", "records_read", "records_changed", "records_rejected", "error_code", "error",
    )  # fmt: skip
    good = last.get("last_good")
    started = last.get("started_at")
    return ProbeStatus(
        name=probe.name,
        kind=probe.kind,
        title=probe.title,
        workflow=probe.workflow,
        system=probe.system,
        mode=probe.mode,
        every_s=int(probe.every.total_seconds()),
        place=probe.place,
        status=last["status"],
        guarded=probe.guarded,
        late=good is None or now - good > 2 * probe.every,
        system_state=system.state,
        asked_again_at=system.until if system.state != "closed" else None,
        next_at=started + probe.every if started else now,
        **{key: last[key] for key in keys if key in last},
    )
