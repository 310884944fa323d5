"""What an alert file may say. The models are the reference: every key is documented here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from alerts.notify.email import EmailReceiver
from alerts.notify.webhook import WebhookReceiver
from core.duration import Duration
from core.yamlfile import FileModel

AlertName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=100)]
LabelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Severity = Literal["page", "ticket", "info"]
Behaviour = Literal["ok", "alert", "keep"]
Receiver = Annotated[WebhookReceiver | EmailReceiver, Field(discriminator="kind")]

# Labels tieout sets itself; a rule cannot set them again.
OWN_LABELS = (
    "alertname", "severity", "workflow", "kpi", "measure", "dimension", "segment", "unit", "owner", "signal",
)  # fmt: skip


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("a threshold is a finite number")
    return value


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("this duration must be longer than nothing")
    return value


def _moment(value: Any) -> datetime:
    """An aware time in UTC from a YAML timestamp or text."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or (isinstance(value, date) and value.tzinfo is None):
        raise ValueError("a time is written with its zone, like 2026-11-20T08:00:00Z")
    # YAML readers hand over subclasses of datetime; a plain one compares and prints like any other.
    return datetime.combine(value.date(), value.time(), tzinfo=value.tzinfo).astimezone(UTC)


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Threshold = Annotated[float, AfterValidator(_finite)]
PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Matchers = dict[LabelName, Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]]


class Annotations(FileModel):
    """What people read. `{value}`, `{segment}` and the other names of `alerts.text.FIELDS` are filled in.

    `summary`: one line. `description`: what it means. `runbook`: what to do; `runbook_url`: where that is
    written.
    """

    summary: str = Field(min_length=1, max_length=300)
    description: str = Field(default="", max_length=2000)
    runbook: str = Field(default="", max_length=2000)
    runbook_url: Annotated[str, StringConstraints(pattern=r"^(https?://\S+)?$", max_length=500)] = ""


class Rule(FileModel):
    """One alert: a figure of a KPI compared with a threshold.

    `alert`: its name, unique in the project. `kpi`, `measure`, `workflow`: the figure. With `by`, every
    segment of that dimension is an alert of its own; `segment` names a single one. `unit` picks one where a
    figure has several (amounts in several currencies), otherwise each unit is an alert of its own.

    Exactly one of `above`, `below`, `equals` is the condition. A figure with unknown items is an interval;
    the condition holds only when it holds for the whole interval. `unknown` says what an interval across the
    threshold means: `keep` the state as it is, `ok`, or `alert`. `recover_below` (with `above`) and
    `recover_above` (with `below`) are where a firing alert ends, when that is not the threshold itself.

    `for`: how long the condition must hold before the alert fires. `keep_firing_for`: how long it goes on
    after the condition ended. `no_data`: what it means when the figure is not there: never computed, older
    than `max_age`, or without a value because nothing was due.

    `severity`: `page` wakes somebody, `ticket` is work for office hours, `info` is for reading. `owner`: team
    that clears it; for alerts by owner it is the segment. `labels`: more labels for routes and silences.
    """

    alert: AlertName
    kpi: str
    measure: str
    workflow: str
    by: str = ""
    segment: str = ""
    unit: str = ""
    above: Threshold | None = None
    below: Threshold | None = None
    equals: Threshold | None = None
    recover_below: Threshold | None = None
    recover_above: Threshold | None = None
    for_: Duration = Field(default=timedelta(0), alias="for")
    keep_firing_for: Duration = timedelta(0)
    no_data: Behaviour
    unknown: Behaviour = "keep"
    max_age: PositiveDuration = timedelta(days=1)
    severity: Severity
    owner: str = ""
    labels: dict[LabelName, str] = Field(default_factory=dict)
    annotations: Annotations

    @model_validator(mode="after")
    def _condition_is_clear(self) -> Rule:
        if sum(value is not None for value in (self.above, self.below, self.equals)) != 1:
            raise ValueError("a rule has exactly one of 'above', 'below' and 'equals'")
        if self.recover_below is not None and (self.above is None or self.recover_below > self.above):
            raise ValueError("'recover_below' goes with 'above' and is not higher than it")
        if self.recover_above is not None and (self.below is None or self.recover_above < self.below):
            raise ValueError("'recover_above' goes with 'below' and is not lower than it")
        if self.segment and not self.by:
            raise ValueError("'segment' needs 'by': the dimension it is a segment of")
        taken = sorted(set(self.labels) & set(OWN_LABELS))
        if taken:
            raise ValueError(f"label {taken[0]!r} is set by tieout itself")
        return self

    @property
    def threshold(self) -> float:
        """The number the figure is compared with."""
        return next(value for value in (self.above, self.below, self.equals) if value is not None)

    @property
    def condition(self) -> str:
        """The comparison in words, for example `above 100`."""
        return f"{self.comparison} {self.threshold:g}"

    @property
    def comparison(self) -> str:
        return "above" if self.above is not None else "below" if self.below is not None else "equals"

    @property
    def fans_out(self) -> bool:
        """Whether the segments, and so the alerts, come from the data."""
        return bool(self.by) and not self.segment


class Group(FileModel):
    """Rules that are evaluated together, `every` so often."""

    name: LabelName
    every: PositiveDuration = timedelta(minutes=1)
    rules: tuple[Rule, ...] = Field(min_length=1)


class Route(FileModel):
    """Where alerts go: the first route whose `match` fits, and further ones while `continue` is set.

    `match`: labels with the value, or the list of values, they must have. Alerts with the same `group_by`
    labels travel in one message. A firing alert is told again every `repeat_interval`.
    """

    receivers: tuple[str, ...] = Field(min_length=1)
    match: Matchers = Field(default_factory=dict)
    group_by: tuple[LabelName, ...] = ("alertname", "workflow")
    repeat_interval: PositiveDuration = timedelta(hours=4)
    continue_: bool = Field(default=False, alias="continue")


class Silence(FileModel):
    """Nobody is told of alerts that fit `match` from `from` until `until`; they fire all the same.

    An alert still firing at the end is told then. The end of an alert that was told before is always told.
    """

    match: Matchers = Field(min_length=1)
    from_: Moment = Field(alias="from")
    until: Moment
    reason: str = Field(min_length=1)
    by: str = ""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Silence:
        if self.until <= self.from_:
            raise ValueError("'until' must be later than 'from'")
        return self


class AlertFile(FileModel):
    """One file of the folder `alerts/`. Files add up."""

    groups: tuple[Group, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    routes: tuple[Route, ...] = ()
    silences: tuple[Silence, ...] = ()


@dataclass(frozen=True)
class AlertConfig:
    """All alert files of a project together. Routes keep the order of file names, then of lines."""

    groups: tuple[Group, ...] = ()
    receivers: Mapping[str, WebhookReceiver | EmailReceiver] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    silences: tuple[Silence, ...] = ()

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rule for group in self.groups for rule in group.rules)

    def rules_of(self, workflow: str) -> tuple[Rule, ...]:
        """The rules over figures of one workflow, which share its clock."""
        return tuple(rule for rule in self.rules if rule.workflow == workflow)

    def due(self, since: datetime | None, now: datetime) -> tuple[Rule, ...]:
        """The rules of groups whose turn came after `since` and not later than `now`; all of them without
        `since`.

        Turns lie on multiples of `every`, so that they do not depend on when the program was started.
        """
        return tuple(
            rule
            for group in self.groups
            if since is None or _turn(since, group) < _turn(now, group)
            for rule in group.rules
        )

    def rule(self, name: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.alert == name), None)

    def routes_of(self, labels: Mapping[str, str]) -> Iterator[Route]:
        """The routes an alert with these labels takes."""
        for route in self.routes:
            if matches(route.match, labels):
                yield route
                if not route.continue_:
                    return

    def silence_of(self, labels: Mapping[str, str], now: datetime) -> Silence | None:
        """The silence that keeps an alert with these labels quiet at `now`, if there is one."""
        return next((s for s in self.silences if s.from_ <= now < s.until and matches(s.match, labels)), None)


def _turn(at: datetime, group: Group) -> float:
    return at.timestamp() // group.every.total_seconds()


def matches(match: Mapping[str, tuple[str, ...]], labels: Mapping[str, str]) -> bool:
    """Whether every matcher holds. A label that an alert does not have counts as empty."""
    return all(labels.get(name, "") in values for name, values in match.items())
