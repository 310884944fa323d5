"""How a site works its exceptions: `exceptions.yaml` of the project folder. Every key is documented here."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from core.duration import BusinessTime, Duration, Window
from core.findings import Finding, nearest, unknown_name
from core.yamlfile import FileModel, Location, Parsed, load
from reconcile.life import ActRefusedError
from store.client import Store
from store.sqlfile import read
from workflows.model import ExceptionCode, Name, Workflow

FILE = "exceptions.yaml"
SQL = Path(__file__).parent / "sql"

ReasonCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$", max_length=40)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=120)]

# What every site has unless it says `shipped_reasons: false`.
SHIPPED_REASONS: Mapping[str, str] = {
    "TIMING": "Right, but in another period: it will arrive or has arrived later",
    "CUTOFF": "Posted on the other side of a cut-off",
    "DUPLICATE": "The same business fact was sent or entered twice",
    "PRICE": "Price or rate differs from what was agreed",
    "QUANTITY": "Quantity differs from what was ordered or received",
    "FX": "Exchange rate or rounding",
    "FEE": "Fee, discount or withholding that one side does not show",
    "MAPPING": "A code, account or unit is mapped wrongly",
    "MASTER_DATA": "Master data is missing or wrong in one system",
    "INTERFACE": "A message was lost, refused or changed on its way",
    "MANUAL_ENTRY": "Entered by hand, wrongly or not at all",
    "SOURCE_LATE": "The source system delivered late",
    "CANCELLED": "Called off, and one system has not heard of it",
    "CORRECTED": "The wrong one of the two was put right by hand",
    "RECOVERED": "Money paid or charged too much has come back",
    "DISPUTED": "The other party disagrees; it is being settled",
    "IMMATERIAL": "Too small to be worth the work",
    "OTHER": "None of these; the note says what",
}


class Fits(FileModel):
    """Which exceptions a rule is for. All given parts must hold; what is left out fits everything.

    `workflow`, `expectation`, `code` and `owner` are those of the workflow file. `at_least` is money at stake, in
    `currency`; an exception without a known amount does not reach it.
    """

    name: Name
    workflow: Name | None = None
    expectation: Name | None = None
    code: ExceptionCode | None = None
    owner: str | None = None
    at_least: Decimal | None = None
    currency: str | None = None

    @model_validator(mode="after")
    def _money_has_a_currency(self) -> Fits:
        if self.at_least is not None and not self.currency:
            raise ValueError("`at_least` needs a `currency`: money of two currencies cannot be compared")
        return self

    @property
    def test(self) -> tuple[Any, ...]:
        """The conditions in the order in which SQL takes them; empty and null fit everything."""
        texts = (self.workflow, self.expectation, self.code, self.owner, self.currency)
        return (*(text or "" for text in texts), self.at_least)


class ServiceLevel(Fits):
    """How soon: taken on within `acknowledge`, over within `resolve`, waivers not counted. `severity` is what it is then called.

    In business time (`8bh`, `3bd`) the clock goes by `calendar`, else by that of the exception.
    """

    severity: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=32)]
    acknowledge: Window | None = None
    resolve: Window | None = None
    calendar: Name | None = None

    @property
    def in_business_time(self) -> bool:
        """Whether it needs a calendar."""
        return isinstance(self.acknowledge, BusinessTime) or isinstance(self.resolve, BusinessTime)


class Assignment(Fits):
    """Who gets an exception that nobody has, as soon as it is found."""

    to: Annotated[str, StringConstraints(min_length=1, max_length=128)]


class Growth(FileModel):
    """What may be added before an acknowledgement or waiver lapses: `pct` percent or `abs` money, whichever is more."""

    pct: Decimal = Field(default=Decimal(0), ge=0)
    abs: Decimal = Field(default=Decimal(0), ge=0)


class PolicyFile(FileModel):
    """`exceptions.yaml`. Of `service_levels` and of `assign` the first rule that fits holds.

    `reasons`: codes with titles, beside the shipped ones. `acknowledge_for`: how long an acknowledgement holds when
    nobody says; `waive_at_most`: how far off the end of a waiver may be.
    """

    shipped_reasons: bool = True
    reasons: dict[ReasonCode, Title] = Field(default_factory=dict)
    acknowledge_for: Duration = timedelta(days=7)
    waive_at_most: Duration = timedelta(days=92)
    growth: Growth = Growth()
    service_levels: tuple[ServiceLevel, ...] = ()
    assign: tuple[Assignment, ...] = ()


@dataclass(frozen=True)
class Policy:
    """The checked file, or its defaults where a site has none."""

    file: PolicyFile = field(default_factory=PolicyFile)

    @property
    def reasons(self) -> dict[str, str]:
        """Reason codes with their titles; a site's own title of a shipped code wins."""
        return {**(SHIPPED_REASONS if self.file.shipped_reasons else {}), **self.file.reasons}

    @property
    def levels_version(self) -> str:
        """Hash of the service levels: other rules, another version."""
        text = "\n".join(level.model_dump_json() for level in self.file.service_levels)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def check_reason(self, code: str) -> None:
        """Raises ActRefusedError, with the nearest code, for one that is not in the catalogue."""
        if code in self.reasons:
            return
        near = nearest(code, self.reasons)
        hint = f"did you mean {near!r}?" if near else f"there are {', '.join(self.reasons)}"
        raise ActRefusedError(
            "reason", f"unknown reason code {code!r}; {hint} `tieout exceptions reasons` lists them"
        )


def load_policy(
    root: Path, workflows: Mapping[str, Workflow], calendars: Collection[str] | None = None
) -> tuple[Policy, list[Finding]]:
    """The policy of the project in `root`, its defaults without a file, and every mistake in the file.

    With `calendars`, those it names must be among these.
    """
    file = root / FILE
    if not file.exists():
        return Policy(), []
    model, parsed, findings = load(file, PolicyFile)
    if model is None or parsed is None:
        return Policy(), findings
    policy = Policy(model)
    if not policy.reasons:
        findings.append(
            parsed.finding((), "there is no reason code: `reasons` is empty and `shipped_reasons` is false")
        )
    for part, rules in (("service_levels", model.service_levels), ("assign", model.assign)):
        findings += _rule_findings(rules, parsed, (part,), workflows)
    for index, level in enumerate(model.service_levels):
        if level.acknowledge is None and level.resolve is None:
            findings.append(
                parsed.finding(("service_levels", index), "a service level needs `acknowledge` or `resolve`")
            )
        findings += _calendar_findings(level, parsed, ("service_levels", index), workflows, calendars)
    return policy, findings


def _rule_findings(
    rules: Iterable[Fits], parsed: Parsed, at: Location, workflows: Mapping[str, Workflow]
) -> list[Finding]:
    findings, names = [], set()
    for index, rule in enumerate(rules):
        here = (*at, index)
        if rule.name in names:
            findings.append(
                parsed.finding((*here, "name"), f"a rule named {rule.name!r} stands above already")
            )
        names.add(rule.name)
        if rule.workflow is not None and rule.workflow not in workflows:
            findings.append(_unknown(parsed, (*here, "workflow"), "workflow", rule.workflow, workflows))
            continue
        flows = [workflows[rule.workflow]] if rule.workflow else list(workflows.values())
        known = [expectation for flow in flows for expectation in flow.expectations]
        for key, value, there in (
            ("expectation", rule.expectation, {one.name for one in known}), ("owner", rule.owner, {one.owner for one in known}),
        ):  # fmt: skip
            if value is not None and value not in there:
                findings.append(_unknown(parsed, (*here, key), key, value, there))
    return findings


def _calendar_findings(
    level: ServiceLevel,
    parsed: Parsed,
    at: Location,
    workflows: Mapping[str, Workflow],
    calendars: Collection[str] | None,
) -> list[Finding]:
    if level.calendar:
        if not level.in_business_time:
            message = (
                "`calendar` is for business time like 3bd or 8bh; these durations are those of the clock"
            )
            return [parsed.finding((*at, "calendar"), message)]
        if calendars is not None and level.calendar not in calendars:
            return [_unknown(parsed, (*at, "calendar"), "calendar", level.calendar, calendars)]
        return []
    if not level.in_business_time:
        return []
    without = (
        f"{rule.name!r} of workflow {flow.workflow!r}"
        for flow in workflows.values()
        for rule in flow.expectations
        if level.workflow in (None, flow.workflow)
        and level.expectation in (None, rule.name)
        and level.owner in (None, rule.owner)
        and not (flow.calendar_of(rule) or flow.calendar)
    )
    if (first := next(without, None)) is None:
        return []
    key = "acknowledge" if isinstance(level.acknowledge, BusinessTime) else "resolve"
    message = f"business time needs a calendar, and expectation {first} has none"
    return [
        parsed.finding((*at, key), message, "'calendar' of this service level, or one in the workflow file")
    ]


def _unknown(parsed: Parsed, at: Location, what: str, name: str, known: Iterable[str]) -> Finding:
    line, column = parsed.at(at)
    return unknown_name(parsed.file, line, column, what, name, known)


def activate_levels(store: Store, policy: Policy, now: datetime) -> bool:
    """Makes the service levels of `policy` those in force from `now` on; false when they are already."""
    known = store.one(read(SQL / "active_levels.sql"))
    if known.get("version", "") == policy.levels_version or (not known and not policy.file.service_levels):
        return False
    # The first rules hold for everything; later ones from now on.
    since = now if known else datetime(1970, 1, 1, tzinfo=UTC)
    store.insert("service_levels", _level_rows(policy, since))
    return True


def _level_rows(policy: Policy, since: datetime) -> list[dict[str, Any]]:
    """One row a rule; where there is none any more, one that fits nothing says so."""
    base = {"version": policy.levels_version, "activated_at": since}
    rows = []
    for position, level in enumerate(policy.file.service_levels, start=1):
        workflow, expectation, code, owner, currency, at_least = level.test
        rows.append(
            {
                **base, "position": position, "name": level.name, "workflow": workflow, "expectation": expectation,
                "code": code, "owner": owner, "currency": currency, "at_least": at_least, "severity": level.severity,
                "calendar": level.calendar or "", **_clock("acknowledge", level.acknowledge),
                **_clock("resolve", level.resolve),
            }
        )  # fmt: skip
    return rows or [
        {
            **base, "position": 0, "name": "", "workflow": "", "expectation": "", "code": "", "owner": "",
            "currency": "", "at_least": None, "severity": "", "calendar": "", **_clock("acknowledge", None),
            **_clock("resolve", None),
        }
    ]  # fmt: skip


def _clock(name: str, length: timedelta | BusinessTime | None) -> dict[str, Any]:
    """The columns of one clock: seconds, or so many of a unit of business time."""
    business = length if isinstance(length, BusinessTime) else None
    return {
        f"{name}_s": int(length.total_seconds()) if isinstance(length, timedelta) else 0,
        f"{name}_unit": business.unit if business else "", f"{name}_count": business.count if business else 0,
    }  # fmt: skip
