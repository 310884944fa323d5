"""Evaluates rules over published figures and keeps their state in `alert_events`, across restarts.

A row is written only when an alert changes, so the newest row of an alert is its state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alerts.evaluate import Alert, Reading, Reason, Sample, State, Transition, evaluate, retire
from alerts.rule import Rule
from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_RECENT = timedelta(hours=1)


@dataclass(frozen=True)
class Stored:
    """An alert as the table has it, and when that row was written."""

    alert: Alert
    known_at: datetime


def evaluate_rules(
    store: Store, rules: Sequence[Rule], now: datetime, known_at: datetime | None = None
) -> list[Transition]:
    """Evaluates `rules` at `now`, writes what changed to `alert_events`, and returns it.

    `now` is the clock of the figures: the present, or the business time up to which a log of the past is
    complete; `for`, `keep_firing_for` and `max_age` are measured on it. `known_at` is the wall clock, by
    default the same. An alert that was already evaluated at a later business time is left alone, so that
    evaluating a stretch of the past again changes nothing. Raises StoreError.
    """
    written = known_at or now
    stored = states(store)
    newest = max((entry.known_at for entry in stored.values()), default=_EPOCH)
    before = _by_rule(entry.alert for entry in stored.values() if not _is_past(entry, now, written))
    ahead = {mark for mark, entry in stored.items() if _is_past(entry, now, written)}
    figures = readings(store, rules, now)
    changes = [
        change
        for rule in rules
        for change in evaluate(rule, before[rule.alert], figures.get(rule.alert), now)
        if change.alert.fingerprint not in ahead
    ]
    _write(store, changes, max(written, newest + _TICK))
    return changes


def retire_removed(
    store: Store, rules: Iterable[Rule], now: datetime, known_at: datetime | None = None
) -> list[Transition]:
    """Ends the alerts of rules that are in no file any more. Call it when the files were read. Raises
    StoreError.
    """
    names = {rule.alert for rule in rules}
    stored = states(store)
    newest = max((entry.known_at for entry in stored.values()), default=_EPOCH)
    orphans = [
        entry.alert for entry in stored.values() if entry.alert.active and entry.alert.rule not in names
    ]
    changes = [retire(alert, now, Reason.RULE_REMOVED) for alert in orphans]
    _write(store, changes, max(known_at or now, newest + _TICK))
    return changes


def acknowledge(store: Store, fingerprint: str, now: datetime) -> bool:
    """Notes that somebody took a firing alert: it is not told again until it ends. False when it does not
    fire.

    Who did it is for the audit log. Raises StoreError.
    """
    stored = states(store)
    entry = stored.get(fingerprint)
    if entry is None or entry.alert.state is not State.FIRING:
        return False
    newest = max(other.known_at for other in stored.values())
    row = _row(Transition(State.FIRING, entry.alert), max(now, newest + _TICK))
    store.insert("alert_events", [row | {"reason": str(Reason.ACKNOWLEDGED)}])
    return True


def states(store: Store) -> dict[str, Stored]:
    """Every alert that ever changed, by fingerprint, as it stands. Raises StoreError."""
    return {
        row["fingerprint"]: Stored(_alert(row), row["known_at"])
        for row in store.rows(read(SQL / "states.sql"))
    }


def readings(store: Store, rules: Sequence[Rule], now: datetime) -> dict[str, Reading]:
    """The newest figures for each rule, by the rule's name; a rule without an entry has none. Raises
    StoreError.
    """
    rows = _newest_rows(store, rules, now)
    moments = {(row["kpi"], row["workflow"]): row["as_of"] for row in rows}
    samples: dict[tuple[str, ...], list[Sample]] = defaultdict(list)
    for row in rows:
        samples[row["kpi"], row["workflow"], row["dimension"], row["measure"]].append(_sample(row))
    return {
        rule.alert: Reading(moments[figure], tuple(samples[*figure, rule.by, rule.measure]))
        for rule in rules
        if (figure := (rule.kpi, rule.workflow)) in moments
    }


def _newest_rows(store: Store, rules: Iterable[Rule], now: datetime) -> list[dict[str, Any]]:
    """The rows of the newest computation of every KPI the rules read.

    Looked for in the last hour first, where a KPI that is well is found; the long look back is for the others.
    """
    ages = {(rule.kpi, rule.workflow): rule.max_age for rule in sorted(rules, key=lambda rule: rule.max_age)}
    found: list[dict[str, Any]] = []
    for window in (_RECENT, None):
        if not ages:
            break
        rows = store.rows(
            read(SQL / "figures.sql"),
            {
                "kpis": sorted({kpi for kpi, _ in ages}),
                "workflows": sorted({workflow for _, workflow in ages}),
                "now": now,
                "since": max(_EPOCH, now - (window or max(ages.values()))),
            },
        )
        found += [row for row in rows if (row["kpi"], row["workflow"]) in ages]
        for row in found:
            ages.pop((row["kpi"], row["workflow"]), None)
    return found


def _is_past(entry: Stored, now: datetime, written: datetime) -> bool:
    """Whether `now` repeats business time that was evaluated already, while the wall clock went on.

    When the wall clock itself was set back, work goes on from the state there is.
    """
    return entry.alert.at is not None and now < entry.alert.at and written > entry.known_at


def _by_rule(alerts: Iterable[Alert]) -> Mapping[str, dict[str, Alert]]:
    known: dict[str, dict[str, Alert]] = defaultdict(dict)
    for alert in alerts:
        known[alert.rule][alert.fingerprint] = alert
    return known


def _sample(row: Mapping[str, Any]) -> Sample:
    return Sample(row["segment"], row["unit"], row["value"], row["low"], row["high"])


def _alert(row: Mapping[str, Any]) -> Alert:
    reason = Reason(row["reason"])
    return Alert(
        rule=row["rule"],
        labels=row["labels"],
        state=State(row["state"]),
        reason=reason,
        value=row["value"],
        active_since=row["active_since"],
        quiet_since=row["last_true_at"] if reason is Reason.RECOVERING else None,
        at=row["evaluated_at"],
        fingerprint=row["fingerprint"],
    )


def _write(store: Store, changes: Iterable[Transition], known_at: datetime) -> None:
    """One insert, so that the changes of an evaluation are there together or not at all."""
    store.insert("alert_events", [_row(change, known_at) for change in changes])


def _row(change: Transition, known_at: datetime) -> dict[str, Any]:
    alert = change.alert
    return {
        "rule": alert.rule,
        "fingerprint": alert.fingerprint,
        "labels": dict(alert.labels),
        "state": str(alert.state),
        "previous": str(change.previous),
        "reason": str(alert.reason),
        "value": alert.value,
        "active_since": alert.active_since,
        # The condition held until the first evaluation that no longer saw it.
        "last_true_at": alert.quiet_since or (alert.at if alert.active else None),
        "evaluated_at": alert.at,
        "known_at": known_at,
    }
