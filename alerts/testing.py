"""Tests of rules, written in YAML beside them: figures over time in, exactly the alerts expected out.

tests: - name: An old exception is told after ten minutes every: 5m series: - {kpi: K04, measure: oldest,
workflow: hospital_billing, by: owner, segment: coding, unit: days, values: {0m: 10, 15m: 45, 1h: absent}}
expect: - {at: 20m, firing: []} - {at: 25m, firing: [{alert: OldException, segment: coding}]}

A value stands until the next one. `{low: 90, high: 120}` is a figure with unknown items, `unknown` a figure
without a value, `absent` a segment that is no longer there, and `stops` means that the KPI is no longer
computed at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from alerts.evaluate import Alert, Reading, Sample, State, evaluate
from alerts.load import TEST_SUFFIX
from alerts.rule import AlertConfig, LabelName, Moment, PositiveDuration, Rule, Threshold
from alerts.text import texts_of
from core.duration import Duration, format_duration
from core.findings import Finding
from core.yamlfile import FileModel, Location, Parsed, load

_START = datetime(2026, 1, 1, tzinfo=UTC)


class Interval(FileModel):
    """A figure of which only two ends are known; an end left out is open."""

    value: Threshold | None = None
    low: Threshold | None = None
    high: Threshold | None = None


Point = Annotated[
    Threshold | Interval | Literal["unknown", "absent", "stops"], Field(union_mode="left_to_right")
]


class Series(FileModel):
    """The figures of one segment over time; `values` by time since the start of the test."""

    kpi: str
    measure: str
    workflow: str
    by: str = ""
    segment: str = ""
    unit: str = ""
    values: dict[Duration, Point] = Field(min_length=1)


class Expected(FileModel):
    """An alert that must be there. Only what is given is compared; `value` is the figure that changed it
    last.
    """

    alert: str
    segment: str = ""
    unit: str | None = None
    severity: str | None = None
    owner: str | None = None
    signal: str = ""
    value: float | None = None
    summary: str | None = None
    labels: dict[LabelName, str] = Field(default_factory=dict)


class Moments(FileModel):
    """What must be so `at` this time since the start: exactly these alerts fire, exactly these are pending.

    An empty list says that there is none; a list left out says nothing.
    """

    at: Duration
    firing: tuple[Expected, ...] | None = None
    pending: tuple[Expected, ...] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Moments:
        if self.firing is None and self.pending is None:
            raise ValueError("say which alerts are 'firing' or 'pending'; an empty list says none")
        return self


class Case(FileModel):
    """One test. Rules are evaluated `every` so often; `rules` names them, by default those that read a
    series.
    """

    name: str
    start: Moment = _START
    every: PositiveDuration = timedelta(minutes=1)
    rules: tuple[str, ...] = ()
    series: tuple[Series, ...] = ()
    expect: tuple[Moments, ...] = Field(min_length=1)


class CaseFile(FileModel):
    """A file `alerts/*_test.yaml`."""

    tests: tuple[Case, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Outcome:
    """How one test went. `failures` name the line of the expectation that was not met."""

    file: str
    name: str
    failures: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return not self.failures


@dataclass(frozen=True)
class TestReport:
    """All tests of a folder, mistakes in the files themselves, and rules that no test looks at."""

    __test__ = False

    outcomes: tuple[Outcome, ...]
    findings: tuple[Finding, ...]
    untested: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.findings and all(outcome.passed for outcome in self.outcomes)


def run_tests(folder: Path, config: AlertConfig) -> TestReport:
    """Runs every `*_test.yaml` of `folder` against the rules of `config`. Nothing is read or written
    besides.
    """
    outcomes: list[Outcome] = []
    findings: list[Finding] = []
    tested: set[str] = set()
    for path in sorted(folder.glob(f"*{TEST_SUFFIX}.y*ml")):
        file, parsed, problems = load(path, CaseFile)
        if file is None or parsed is None or problems:
            findings += problems
            continue
        for index, case in enumerate(file.tests):
            rules, mistakes = _rules_of(case, ("tests", index), parsed, config)
            findings += mistakes
            tested |= {rule.alert for rule in rules}
            outcomes.append(Outcome(str(path), case.name, tuple(_run(case, ("tests", index), parsed, rules))))
    untested = sorted({rule.alert for rule in config.rules} - tested)
    return TestReport(tuple(outcomes), tuple(findings), tuple(untested))


def _rules_of(
    case: Case, at: Location, parsed: Parsed, config: AlertConfig
) -> tuple[list[Rule], list[Finding]]:
    names = {rule.alert: rule for rule in config.rules}
    unknown = [
        parsed.finding((*at, "rules", index), f"unknown alert {name!r}", ", ".join(sorted(names)))
        for index, name in enumerate(case.rules)
        if name not in names
    ]
    if case.rules:
        return [names[name] for name in case.rules if name in names], unknown
    given = {(series.kpi, series.measure, series.workflow, series.by) for series in case.series}
    rules = [rule for rule in config.rules if (rule.kpi, rule.measure, rule.workflow, rule.by) in given]
    if not rules:
        unknown.append(
            parsed.finding((*at, "series"), "no rule reads any of these series", "name them in 'rules'")
        )
    return rules, unknown


def _run(case: Case, at: Location, parsed: Parsed, rules: Sequence[Rule]) -> list[Finding]:
    alerts: dict[str, dict[str, Alert]] = defaultdict(dict)
    checks = defaultdict(list)
    for index, moment in enumerate(case.expect):
        checks[moment.at].append((index, moment))
    failures = []
    for since in _steps(case.every, checks):
        for rule in rules:
            for change in evaluate(rule, alerts[rule.alert], _reading(case, rule, since), case.start + since):
                alerts[rule.alert][change.alert.fingerprint] = change.alert
        present = [alert for known in alerts.values() for alert in known.values()]
        for index, moment in checks.get(since, []):
            failures += _compare(moment, (*at, "expect", index), parsed, present, rules)
    return failures


def _steps(every: timedelta, checks: Iterable[timedelta]) -> list[timedelta]:
    """Every evaluation up to the last check, and the checks themselves."""
    last = max(checks)
    return sorted({*checks, *(every * number for number in range(last // every + 1))})


def _reading(case: Case, rule: Rule, since: timedelta) -> Reading | None:
    """The figures as they were last computed: now, or when they stopped."""
    all_series = [one for one in case.series if (one.kpi, one.workflow) == (rule.kpi, rule.workflow)]
    stops = [time for one in all_series for time in _stopped(one, since)]
    moment = min(stops, default=since)
    points = [(one, _point(one, moment, before=bool(stops))) for one in all_series]
    if all(point is None for _, point in points):
        return None
    samples = [
        _sample(one, point)
        for one, point in points
        if point not in (None, "absent") and (one.by, one.measure) == (rule.by, rule.measure)
    ]
    return Reading(case.start + moment, tuple(samples))


def _stopped(series: Series, since: timedelta) -> list[timedelta]:
    times = [time for time in series.values if time <= since]
    return [max(times)] if times and series.values[max(times)] == "stops" else []


def _point(series: Series, moment: timedelta, *, before: bool) -> float | Interval | str | None:
    times = [time for time in series.values if (time < moment if before else time <= moment)]
    return series.values[max(times)] if times else None


def _sample(series: Series, point: float | Interval | str | None) -> Sample:
    if isinstance(point, Interval):
        return Sample(series.segment, series.unit, point.value, point.low, point.high)
    return Sample(series.segment, series.unit, point if isinstance(point, float) else None)


def _compare(
    moment: Moments, at: Location, parsed: Parsed, alerts: Sequence[Alert], rules: Sequence[Rule]
) -> list[Finding]:
    out = []
    by_name = {rule.alert: rule for rule in rules}
    for state, expected in ((State.FIRING, moment.firing), (State.PENDING, moment.pending)):
        if expected is None:
            continue
        rest = [alert for alert in alerts if alert.state is state]
        for index, want in enumerate(expected):
            found = next((alert for alert in rest if _is(want, alert, by_name)), None)
            if found is None:
                message = f"{_after(moment)}: {want.alert}{_marks(want.segment)} is not {state} as expected"
                out.append(parsed.finding((*at, str(state), index), message, _present(rest, by_name)))
            else:
                rest.remove(found)
        out += [
            parsed.finding(
                (*at, str(state)), f"{_after(moment)}: {_named(alert)} is {state}, which is not expected"
            )
            for alert in rest
        ]
    return out


def _is(want: Expected, alert: Alert, rules: Mapping[str, Rule]) -> bool:
    labels = alert.labels
    asked = {"segment": want.segment, "signal": want.signal, **want.labels}
    given = {"unit": want.unit, "severity": want.severity, "owner": want.owner}
    asked |= {name: value for name, value in given.items() if value is not None}
    return (
        alert.rule == want.alert
        and all(labels.get(name, "") == value for name, value in asked.items())
        and (want.value is None or want.value == alert.value)
        and (
            want.summary is None
            or want.summary == texts_of(rules[alert.rule], labels, alert.value)["summary"]
        )
    )


def _present(alerts: Iterable[Alert], rules: Mapping[str, Rule]) -> str:
    """What is there instead, with what could differ."""
    parts = []
    for alert in alerts:
        summary = texts_of(rules[alert.rule], alert.labels, alert.value)["summary"]
        parts.append(f"{_named(alert)} value {alert.value} “{summary}”")
    return "; ".join(parts)


def _named(alert: Alert) -> str:
    return f"{alert.rule}{_marks(alert.labels.get('segment', ''))}"


def _marks(segment: str) -> str:
    return f" ({segment})" if segment else ""


def _after(moment: Moments) -> str:
    return f"after {format_duration(moment.at)}"
