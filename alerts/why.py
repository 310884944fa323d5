"""Answers to: what fires now, why was I told, why was I not told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.evaluate import Alert, Reading, Sample, State, Verdict, fingerprint, judge, labels_of
from alerts.rule import AlertConfig, Rule
from alerts.run import SQL, readings, states
from alerts.text import figure
from core.duration import format_duration
from store.client import Store
from store.sqlfile import read


@dataclass(frozen=True)
class Explanation:
    """One alert of a rule as it stands at a moment: its labels, its state, and each step that decided, in
    words.
    """

    labels: Mapping[str, str]
    fingerprint: str
    state: str
    steps: tuple[str, ...]


def current(store: Store) -> list[dict[str, Any]]:
    """The alerts that are pending or firing, the most urgent first; one dict each. Raises StoreError.

    Keys: rule, fingerprint, labels, state, reason, value (at the last change), active_since, changed_at, told
    (receiver, status and outcome of the last notification, empty when there is none).
    """
    return store.rows(read(SQL / "current.sql"))


def why(store: Store, name: str) -> list[dict[str, Any]]:
    """All that happened to an alert (by fingerprint) or to the alerts of a rule (by name), oldest first.

    Each row: at, fingerprint, labels, kind (`state` or `notification`), what, why, value, receiver, attempt.
    Raises StoreError.
    """
    return store.rows(read(SQL / "history.sql"), {"name": name})


def why_not(store: Store, config: AlertConfig, name: str, now: datetime) -> list[Explanation]:
    """Why the alerts of rule `name` do not fire, or were not told: one explanation a segment. Raises
    StoreError.

    `now` is the clock of the rule's figures. An empty list means that there is no such rule.
    """
    rule = config.rule(name)
    if rule is None:
        return []
    known = {mark: entry.alert for mark, entry in states(store).items() if entry.alert.rule == name}
    found = readings(store, [rule], now).get(name)
    samples = _samples(rule, found)
    if not samples:
        return [_blind(rule, config, known, found, now)]
    return [_explained(rule, config, known, sample, now) for sample in samples]


def _samples(rule: Rule, found: Reading | None) -> list[Sample]:
    return [
        sample
        for sample in (found.samples if found else ())
        if (not rule.segment or sample.segment == rule.segment)
        and (not rule.unit or sample.unit == rule.unit)
    ]


def _blind(
    rule: Rule, config: AlertConfig, known: Mapping[str, Alert], found: Reading | None, now: datetime
) -> Explanation:
    computed = f"{rule.kpi} was computed as of {found.as_of:%Y-%m-%d %H:%M:%S} UTC" if found else ""
    if not computed:
        step = f"{rule.kpi} has no figure of the last {format_duration(rule.max_age)} for {rule.workflow}"
    elif rule.fans_out:
        step = f"{computed} and has no segment of {rule.by}"
    else:
        step = f"{computed} without this figure"
    labels = labels_of(rule, None)
    alert = known.get(fingerprint(labels))
    steps = (step, f"the rule says `no_data: {rule.no_data}`", *_told(config, labels, alert, now))
    return Explanation(labels, fingerprint(labels), str(alert.state if alert else State.INACTIVE), steps)


def _explained(
    rule: Rule, config: AlertConfig, known: Mapping[str, Alert], sample: Sample, now: datetime
) -> Explanation:
    labels = labels_of(rule, sample)
    alert = known.get(fingerprint(labels))
    firing = alert is not None and alert.state is State.FIRING
    steps = [f"{rule.kpi} {rule.measure} is {_figure(sample)}", _verdict(rule, sample, firing)]
    if alert is not None and alert.state is State.PENDING and alert.active_since is not None:
        steps.append(f"it has held for {_span(now, alert)} of the {format_duration(rule.for_)} it must hold")
    steps += _told(config, labels, alert, now)
    return Explanation(
        labels, fingerprint(labels), str(alert.state if alert else State.INACTIVE), tuple(steps)
    )


def _span(now: datetime, alert: Alert) -> str:
    return format_duration(now - (alert.active_since or now))


def _figure(sample: Sample) -> str:
    interval = sample.interval
    if interval is None or interval[0] == interval[1]:
        return figure(sample.value, sample.unit)
    low, high = (figure(end, sample.unit) if abs(end) != float("inf") else "unknown" for end in interval)
    return f"between {low} and {high}"


def _verdict(rule: Rule, sample: Sample, firing: bool) -> str:
    words = {
        Verdict.TRUE: f"that is {rule.condition}",
        Verdict.FALSE: f"that is not {rule.condition}",
        Verdict.UNCERTAIN: f"that may be {rule.condition} or not; the rule says `unknown: {rule.unknown}`",
        Verdict.NO_VALUE: f"that is no value; the rule says `no_data: {rule.no_data}`",
    }
    verdict = judge(rule, sample, firing=firing)
    if firing and verdict is Verdict.TRUE and judge(rule, sample) is not Verdict.TRUE:
        return f"that is no longer {rule.condition}, but has not recovered"
    return words[verdict]


def _told(config: AlertConfig, labels: Mapping[str, str], alert: Alert | None, now: datetime) -> list[str]:
    """Whether a firing alert would reach anybody."""
    silence = config.silence_of(labels, now)
    receivers = sorted({name for route in config.routes_of(labels) for name in route.receivers})
    steps = [f"silenced until {silence.until:%Y-%m-%d %H:%M} UTC: {silence.reason}"] if silence else []
    if alert is not None and alert.quiet_since is not None:
        ended = f"{alert.quiet_since:%Y-%m-%d %H:%M:%S}"
        steps.append(f"the condition ended at {ended} UTC; it goes on for keep_firing_for")
    steps.append(f"goes to {', '.join(receivers)}" if receivers else "no route takes it, so nobody is told")
    return steps
