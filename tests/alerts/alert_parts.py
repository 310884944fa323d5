"""What the alert tests build rules, figures and rows from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from alerts.evaluate import Alert, Reading, Sample, Transition, evaluate
from alerts.rule import Rule
from store.client import Store

T0 = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def make_rule(**keys: Any) -> Rule:
    """A rule over K03 above 100, changed by `keys` (written as in the file)."""
    base: dict[str, Any] = {
        "alert": "TooMuch",
        "kpi": "K03",
        "measure": "open",
        "workflow": "hospital_billing",
        "no_data": "keep",
        "severity": "ticket",
        "annotations": {"summary": "{value} open exceptions of {segment}"},
    }
    if not {"above", "below", "equals"} & set(keys):
        base["above"] = 100
    return Rule.model_validate(base | keys)


def total(value: float | None, low: float | None = None, high: float | None = None) -> Sample:
    return Sample("total", "count", value, low, high)


def reading(at: datetime, *samples: Sample) -> Reading:
    return Reading(at, samples)


class Watch:
    """Evaluates one rule step by step and keeps its alerts, as the store would."""

    def __init__(self, rule: Rule, start: datetime = T0) -> None:
        self.rule = rule
        self.now = start
        self.alerts: dict[str, Alert] = {}

    def see(self, *samples: Sample | float | None, after: float = 0, blind: bool = False) -> list[Transition]:
        """Moves the clock by `after` minutes and evaluates these figures; `blind` means there are none."""
        self.now += after * MINUTE
        figures = tuple(sample if isinstance(sample, Sample) else total(sample) for sample in samples)
        changes = evaluate(self.rule, self.alerts, None if blind else Reading(self.now, figures), self.now)
        for change in changes:
            self.alerts[change.alert.fingerprint] = change.alert
        return changes

    def state(self) -> str:
        """The state of the only alert there is."""
        active = [alert for alert in self.alerts.values() if alert.active]
        assert len(active) <= 1
        return str(active[0].state) if active else "inactive"


def kpi_row(as_of: datetime, value: float | None, **keys: Any) -> dict[str, Any]:
    """A row of `kpi_values`."""
    return {
        "kpi": "K03",
        "version": "v1",
        "workflow": "hospital_billing",
        "dimension": "",
        "segment": "total",
        "measure": "open",
        "unit": "count",
        "value": value,
        "low": None,
        "high": None,
        "n": 1,
        "window_start": as_of - timedelta(days=30),
        "as_of": as_of,
        "known_at": as_of,
        "published_at": as_of,
        "run_id": "r",
    } | keys


def publish(store: Store, as_of: datetime, value: float | None, **keys: Any) -> None:
    store.insert("kpi_values", [kpi_row(as_of, value, **keys)])


def publish_segments(
    store: Store, as_of: datetime, dimension: str, values: Mapping[str, float], **keys: Any
) -> None:
    """One computation: the total, and one row a segment."""
    rows = [kpi_row(as_of, sum(values.values()), **keys)]
    rows += [
        kpi_row(as_of, value, dimension=dimension, segment=name, **keys) for name, value in values.items()
    ]
    store.insert("kpi_values", rows)


def events(store: Store) -> list[dict[str, Any]]:
    return store.rows("SELECT * FROM alert_events ORDER BY known_at, fingerprint")


def told(store: Store) -> list[tuple[str, str, int, str]]:
    """Rows of `notifications` in the order of their life: status, outcome, attempt, code."""
    rows = store.rows(
        "SELECT status, outcome, attempt, error_code FROM notifications ORDER BY at, attempt, "
        "transform(outcome, ['planned', 'sending'], [1, 2], 3), status, notification_id"
    )
    return [(row["status"], row["outcome"], row["attempt"], row["error_code"]) for row in rows]


def reasons(changes: Iterable[Transition]) -> list[str]:
    return [f"{change.previous}>{change.alert.state}:{change.alert.reason}" for change in changes]
