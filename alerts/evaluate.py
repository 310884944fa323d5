"""The state machine: (rule, alerts before, newest figures, now) → transitions. Pure; it reads and writes
nothing.

An alert is inactive, pending (the condition holds, but not yet for the rule's `for`) or firing. Time is the
`now` passed in: the wall clock for a workflow that lives now, the business time of the figures for a log that
is replayed. Evaluating the same figures at the same `now` again gives no transition.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from alerts.rule import Rule


class State(StrEnum):
    """Where an alert stands."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


class Reason(StrEnum):
    """Why an alert changed."""

    BREACH = "breach"  # the whole interval is beyond the threshold
    UNKNOWN = "unknown"  # part of the interval is, and the rule says `unknown: alert`
    NO_DATA = "no_data"  # there is no figure, and the rule says `no_data: alert`
    HELD = "held"  # the condition held for the rule's `for`
    CLEARED = "cleared"  # the condition ended
    RECOVERING = "recovering"  # it ended, and `keep_firing_for` runs
    GONE = "gone"  # the segment is no longer in the figures
    DATA_BACK = "data_back"  # figures are there again
    RULE_CHANGED = "rule_changed"  # the rule now makes another alert of this segment
    RULE_REMOVED = "rule_removed"  # the rule is no longer in any file
    ACKNOWLEDGED = "acknowledged"  # somebody took it; it is not repeated


class Verdict(StrEnum):
    """What one look at a figure says about the condition."""

    TRUE = "true"
    FALSE = "false"
    UNCERTAIN = "uncertain"
    NO_VALUE = "no_value"


@dataclass(frozen=True)
class Sample:
    """One figure: its segment (for rules without `by` of no matter), unit, value and interval; None means
    unknown.
    """

    segment: str
    unit: str
    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Lower and upper end. A missing end beside a known one is open: the value lies somewhere beyond
        it.
        """
        value, low, high = (_number(number) for number in (self.value, self.low, self.high))
        if value is None and low is None and high is None:
            return None
        below = low if low is not None else value if value is not None else -math.inf
        above = high if high is not None else value if value is not None else math.inf
        return below, above


@dataclass(frozen=True)
class Reading:
    """The newest figures for one rule: the business time they speak of, and one sample a segment."""

    as_of: datetime
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Alert:
    """One alert as it stands.

    `active_since`: when the condition began to hold, None while inactive. `quiet_since`: when it ended, while
    `keep_firing_for` runs. `value`: the figure of the last change. `at`: the evaluation that changed it last.
    """

    rule: str
    labels: Mapping[str, str]
    state: State = State.INACTIVE
    reason: Reason = Reason.CLEARED
    value: float | None = None
    active_since: datetime | None = None
    quiet_since: datetime | None = None
    at: datetime | None = None
    fingerprint: str = field(default="")

    def __post_init__(self) -> None:
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", fingerprint(self.labels))

    @property
    def active(self) -> bool:
        return self.state is not State.INACTIVE


@dataclass(frozen=True)
class Transition:
    """A change: the alert as it is now, and the state it came from."""

    previous: State
    alert: Alert

    @property
    def fired(self) -> bool:
        return self.previous is not State.FIRING and self.alert.state is State.FIRING

    @property
    def resolved(self) -> bool:
        return self.previous is State.FIRING and self.alert.state is not State.FIRING


def fingerprint(labels: Mapping[str, str]) -> str:
    """Identity of an alert: 16 hexadecimal digits made of its labels, in any order."""
    text = json.dumps(sorted(labels.items()))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def labels_of(rule: Rule, sample: Sample | None) -> dict[str, str]:
    """The labels of the alert of one segment; without a sample, of the alert that the rule has no data at
    all.
    """
    segment = sample.segment if sample and rule.by else rule.segment
    owner = rule.owner or (segment if rule.by == "owner" else "")
    own = {
        "alertname": rule.alert,
        "severity": rule.severity,
        "workflow": rule.workflow,
        "kpi": rule.kpi,
        "measure": rule.measure,
        "dimension": rule.by,
        "segment": segment,
        "unit": sample.unit if sample else rule.unit,
        "owner": owner,
        "signal": "" if sample else "no_data",
    }
    return {**rule.labels, **{name: value for name, value in own.items() if value}}


def judge(rule: Rule, sample: Sample, *, firing: bool = False) -> Verdict:
    """Whether the condition holds; for a firing alert, whether it has not yet recovered."""
    interval = sample.interval
    if interval is None:
        return Verdict.NO_VALUE
    low, high = interval
    if rule.above is not None:
        if firing and rule.recover_below is not None:
            return _certainly(low >= rule.recover_below, high < rule.recover_below)
        return _certainly(low > rule.above, high <= rule.above)
    if rule.below is not None:
        if firing and rule.recover_above is not None:
            return _certainly(high <= rule.recover_above, low > rule.recover_above)
        return _certainly(high < rule.below, low >= rule.below)
    target = rule.threshold
    return _certainly(low == high == target, target < low or target > high)


def evaluate(
    rule: Rule, before: Mapping[str, Alert], reading: Reading | None, now: datetime
) -> list[Transition]:
    """What changes for the alerts of one rule.

    `before`: the rule's alerts by fingerprint, as the last evaluation left them. `reading`: the newest
    figures not later than `now`, or None when there are none.
    """
    samples = _relevant(rule, reading)
    fresh = reading is not None and now - reading.as_of <= rule.max_age
    if not fresh or not (samples or rule.fans_out):
        looks = _without_data(rule, before)
    else:
        looks = _with_data(rule, before, samples)
    return _changed(rule, looks, now)


def retire(alert: Alert, now: datetime, reason: Reason) -> Transition:
    """The end of an active alert whose rule no longer stands behind it."""
    return Transition(alert.state, _ended(alert, None, reason, now))


@dataclass(frozen=True)
class _Look:
    """One alert, the figure seen for it, and what that asks for: True (holds), False (ended), None (keep)."""

    alert: Alert
    holds: bool | None
    reason: Reason
    value: float | None = None
    at_once: bool = False


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _certainly(holds: bool, ended: bool) -> Verdict:
    return Verdict.TRUE if holds else Verdict.FALSE if ended else Verdict.UNCERTAIN


def _relevant(rule: Rule, reading: Reading | None) -> list[Sample]:
    return [
        sample
        for sample in (reading.samples if reading else ())
        if (not rule.segment or sample.segment == rule.segment)
        and (not rule.unit or sample.unit == rule.unit)
    ]


def _asks(behaviour: str) -> bool | None:
    return {"alert": True, "ok": False}.get(behaviour)


def _without_data(rule: Rule, before: Mapping[str, Alert]) -> Iterator[_Look]:
    """No figures: one alert says so for the whole rule; those of segments stay as they are, or end with
    `ok`.
    """
    blind = labels_of(rule, None)
    mark = fingerprint(blind)
    alert = before.get(mark) or Alert(rule.alert, blind)
    yield _Look(
        alert,
        rule.no_data == "alert",
        Reason.NO_DATA if rule.no_data == "alert" else Reason.CLEARED,
    )
    for known in before.values():
        if not known.active or known.fingerprint == mark:
            continue
        if "signal" in known.labels:
            yield _Look(known, False, Reason.RULE_CHANGED, at_once=True)
        elif rule.no_data == "ok":
            yield _Look(known, False, Reason.NO_DATA)


def _with_data(rule: Rule, before: Mapping[str, Alert], samples: Iterable[Sample]) -> Iterator[_Look]:
    seen = set()
    for sample in samples:
        labels = labels_of(rule, sample)
        alert = before.get(fingerprint(labels)) or Alert(rule.alert, labels)
        seen.add(alert.fingerprint)
        yield _look(rule, alert, sample)
    for known in before.values():
        if known.active and known.fingerprint not in seen:
            yield _missing(rule, known)


def _look(rule: Rule, alert: Alert, sample: Sample) -> _Look:
    verdict = judge(rule, sample, firing=alert.state is State.FIRING)
    value = _shown(rule, sample)
    if verdict is Verdict.TRUE:
        return _Look(alert, True, Reason.BREACH, value)
    if verdict is Verdict.FALSE:
        return _Look(alert, False, Reason.CLEARED, value)
    unknown = verdict is Verdict.UNCERTAIN
    behaviour = rule.unknown if unknown else rule.no_data
    return _Look(alert, _asks(behaviour), Reason.UNKNOWN if unknown else Reason.NO_DATA, value)


def _shown(rule: Rule, sample: Sample) -> float | None:
    """The number to show: the value, else the end of the interval that is nearest to the threshold's safe
    side.
    """
    value = _number(sample.value)
    if value is not None or sample.interval is None:
        return value
    end = sample.interval[0 if rule.above is not None else 1]
    return end if math.isfinite(end) else None


def _missing(rule: Rule, alert: Alert) -> _Look:
    """An active alert without a figure, although the KPI was computed."""
    if "signal" in alert.labels:
        return _Look(alert, False, Reason.DATA_BACK, at_once=True)
    sample = Sample(alert.labels.get("segment", ""), alert.labels.get("unit", ""), None)
    if fingerprint(labels_of(rule, sample)) != alert.fingerprint:
        return _Look(alert, False, Reason.RULE_CHANGED, at_once=True)
    # Nothing is there to be above a threshold; but nothing is just what can be below one.
    holds = False if rule.above is not None else _asks(rule.no_data)
    return _Look(alert, holds, Reason.GONE)


def _changed(rule: Rule, looks: Iterable[_Look], now: datetime) -> list[Transition]:
    changes = []
    for look in looks:
        after = _next(rule, look, now)
        before = look.alert
        if (after.state, after.active_since, after.quiet_since) != (
            before.state,
            before.active_since,
            before.quiet_since,
        ):
            changes.append(Transition(before.state, after))
    return changes


def _next(rule: Rule, look: _Look, now: datetime) -> Alert:
    if look.holds is None:
        return look.alert
    alert = _not_in_the_future(look.alert, now)
    return _holding(rule, alert, look, now) if look.holds else _ending(rule, alert, look, now)


def _not_in_the_future(alert: Alert, now: datetime) -> Alert:
    """A clock that was set back restarts a wait; it never makes one endless."""
    since, quiet = alert.active_since, alert.quiet_since
    return replace(
        alert, active_since=min(since, now) if since else None, quiet_since=min(quiet, now) if quiet else None
    )


def _holding(rule: Rule, alert: Alert, look: _Look, now: datetime) -> Alert:
    since = alert.active_since if alert.active and alert.active_since else now
    fires = alert.state is State.FIRING or now - since >= rule.for_
    reason = Reason.HELD if fires and alert.state is State.PENDING else look.reason
    return replace(
        alert,
        state=State.FIRING if fires else State.PENDING,
        reason=reason,
        value=look.value,
        active_since=since,
        quiet_since=None,
        at=now,
    )


def _ending(rule: Rule, alert: Alert, look: _Look, now: datetime) -> Alert:
    if not alert.active:
        return alert
    quiet = alert.quiet_since or now
    if alert.state is State.FIRING and now - quiet < rule.keep_firing_for and not look.at_once:
        return replace(alert, reason=Reason.RECOVERING, value=look.value, quiet_since=quiet, at=now)
    return _ended(alert, look.value, look.reason, now)


def _ended(alert: Alert, value: float | None, reason: Reason, now: datetime) -> Alert:
    return replace(
        alert, state=State.INACTIVE, reason=reason, value=value, active_since=None, quiet_since=None, at=now
    )
