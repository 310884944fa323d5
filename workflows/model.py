"""What a workflow file may say. The models are the reference: every key is documented here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from core.duration import BusinessTime, Duration, Window, counted
from core.yamlfile import FileModel

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
StepName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$", max_length=64)]
# How names of sources begin that are telemetry.
TELEMETRY = "otlp/"
Normalisation = Literal["trim", "upper", "lower", "strip_leading_zeros", "strip_punctuation"]
ExceptionCode = Literal[
    "MISSING", "ORPHAN", "LATE", "QTY_OVER", "QTY_UNDER", "PRICE", "AMOUNT", "TAX_FREIGHT", "UOM_FACTOR", "FX_RATE",
    "ROUNDING", "DATE_WINDOW", "STATUS_DIVERGED", "FIELD_DRIFT", "KEY_UNMAPPED", "KEY_AMBIGUOUS", "DUP_EVENT", "DUP_RECORD",
    "DUP_SUSPECT", "PARTIAL_OPEN", "REVERSAL_UNPAIRED", "UNPOSTED", "PERIOD_CLOSED", "POLICY_HOLD", "TRANSFORM_ERROR",
    "DELIVERY_FAILED", "ACK_MISSING", "COVERAGE_GAP", "OVERRIDE", "UNEXPLAINED", "NO_TRACE", "NOT_IN_STATE",
]  # fmt: skip


class ObjectType(FileModel):
    """A kind of business object: its title and how its keys are made comparable."""

    title: str
    key: tuple[Normalisation, ...] = ("trim",)


class Selector(FileModel):
    """Which occurrences are this step. All given parts must hold.

    `name`: activity of an imported row, name of a span, or event name of a log record. `system`: service name or
    mapped system. `where`: attributes that must have exactly these values. `signal`: of telemetry, spans (which
    may log what they do under the same name) or log records.
    """

    signal: Literal["span", "log"] = "span"
    name: str = ""
    system: str = ""
    where: dict[str, str] = Field(default_factory=dict)


class Carries(FileModel):
    """What a step brings into the state of a system: each object of type `item` that is there came by the step, and each
    that the step brought is there, `within` this time.

    `system`: only what this system says. `state`: sources that prove an object is not in the state; default: those of the
    workflow that are not telemetry. `owner`: team that clears what telemetry and state do not agree on.
    """

    item: Name
    owner: str
    within: Duration = timedelta(minutes=15)
    system: str = ""
    state: tuple[str, ...] = ()
    runbook: str = ""


class Step(FileModel):
    """A business step: what people call it, where it happens, which occurrences reach it.

    `failed` marks a failed try. `sources` prove completeness of this step (default: those of the workflow).
    `carries`: makes the two expectations `<step>_landed` and `<step>_traced` (dots are `_`), unless there is one of
    that name.
    """

    title: str
    select: tuple[Selector, ...] = Field(min_length=1)
    system: str = ""
    failed: bool = False
    sources: tuple[str, ...] = ()
    carries: Carries | None = None


class Expectation(FileModel):
    """Common part of all kinds.

    `item`: object type that is followed. `owner`: team that clears the exception. `code`: exception code.
    `runbook`: link or text for the person who clears it. `calendar`: what it is counted and aged by, instead of
    the calendar of its owner, of its segment or of the workflow.
    """

    name: Name
    title: str
    item: Name
    owner: str
    code: ExceptionCode
    runbook: str = ""
    calendar: Name | None = None


class Learn(FileModel):
    """A window learned from observed lags: at each midnight (UTC) the `quantile` of those that ended in the time `over`
    before and were known, but not below `floor` and not above `cap`. It holds for what opens on that day. With fewer
    lags than `least`, `within` of the expectation holds.

    The lag of an arrival is the smallest window by which it was in time, counted as `within` is: in whole seconds, in
    business days, or in whole seconds of working time. So are `floor` and `cap`.
    """

    quantile: Annotated[Decimal, Field(gt=0, le=1, decimal_places=6)] = Decimal("0.99")
    over: Duration = timedelta(days=30)
    least: Annotated[int, Field(ge=1)] = 200
    floor: Window = timedelta(0)
    cap: Window | None = None

    @model_validator(mode="after")
    def _is_in_order(self) -> Learn:
        (least, unit), (most, same) = (
            counted(self.floor),
            counted(self.floor if self.cap is None else self.cap),
        )
        if unit == same and most < least:
            raise ValueError("'floor' is above 'cap'")
        if not self.over:
            raise ValueError("'over' is a time to look back over, like 30d")
        return self

    def counted_otherwise(self, within: timedelta | BusinessTime) -> list[str]:
        """Which of `floor` and `cap` are in another unit than `within`."""
        limits = {"floor": self.floor, "cap": self.cap}
        return [name for name, limit in limits.items() if limit and counted(limit)[1] != counted(within)[1]]


class Sequence(Expectation):
    """After one of `after`, one of `expect` is due within `within`: a duration like `36h` or, by the calendar,
    business days like `3bd` or hours of working time like `8bh`. With `learn` the window is learned from observed
    lags, and `within` holds while there are too few.

    `void_by` ends it without fault, `write_off_by` ends it as written off, `reversed_by` takes an arrival back.
    `failed_by` are failed tries of the expected step. With `again_after`, a new opening after an arrival
    counts only once one of those steps has come; an empty list means never again. `clock` says what the latency means: `sync` between two
    systems (K16), `end_to_end` for the whole workflow (K17, K24), `step` otherwise (K18).
    """

    kind: Literal["sequence"]
    after: tuple[StepName, ...] = Field(min_length=1)
    expect: tuple[StepName, ...] = Field(min_length=1)
    within: Window
    learn: Learn | None = None
    void_by: tuple[StepName, ...] = ()
    write_off_by: tuple[StepName, ...] = ()
    reversed_by: tuple[StepName, ...] = ()
    failed_by: tuple[StepName, ...] = ()
    again_after: tuple[StepName, ...] | None = None
    clock: Literal["step", "sync", "end_to_end"] = "step"
    code: ExceptionCode = "MISSING"


class Precedence(Expectation):
    """`step` must not come unless one of `requires` came before: otherwise the item is an orphan."""

    kind: Literal["precedence"]
    step: StepName
    requires: tuple[StepName, ...] = Field(min_length=1)
    code: ExceptionCode = "ORPHAN"


class Once(Expectation):
    """`step` may come once per item; every further one is surplus until a step of `reset_by` comes between."""

    kind: Literal["once"]
    step: StepName
    reset_by: tuple[StepName, ...] = ()
    code: ExceptionCode = "DUP_RECORD"


class Link(FileModel):
    """A link from the object at hand to objects of type `to`, by the role it has in the source."""

    role: str
    to: Name


class Reference(Expectation):
    """The object that `link` points at must exist in the state of its system, `within` this time of the link."""

    kind: Literal["reference"]
    link: Link
    within: Window = timedelta(0)
    code: ExceptionCode = "KEY_UNMAPPED"


class Landed(Expectation):
    """What `step` brought is in the state (of `system`, or of any) `within` this time: a trace without an item otherwise.

    `sources` prove that it is not; default: those of the workflow that are not telemetry. `learn` as with sequences.
    """

    kind: Literal["landed"]
    step: StepName
    within: Duration = timedelta(minutes=15)
    learn: Learn | None = None
    system: str = ""
    sources: tuple[str, ...] = ()
    code: ExceptionCode = "NOT_IN_STATE"


class Traced(Expectation):
    """What appears in the state (of `system`, or of any) came by `step`, at the latest `within` this time after: an item
    without a trace otherwise. Nothing is concluded from a time in which the source of the step was not heard.
    """

    kind: Literal["traced"]
    step: StepName
    within: Duration = timedelta(minutes=15)
    system: str = ""
    code: ExceptionCode = "NO_TRACE"


class Leg(FileModel):
    """One side of a tie-out: the state amounts of the objects at the end of `links`, or the amounts of `step`."""

    links: tuple[Link, ...] = Field(default=(), max_length=3)
    step: StepName | None = None


class Tolerance(FileModel):
    """What may differ: up to `abs` money, or up to `pct` percent of the first leg, whichever is larger."""

    abs: Decimal = Decimal(0)
    pct: Decimal = Decimal(0)


class TieOut(Expectation):
    """The amounts of two legs must agree, `within` this time of the first of `after`.

    `legs` names exactly two, the expected one first.
    """

    kind: Literal["tie_out"]
    after: tuple[StepName, ...] = Field(min_length=1)
    within: Window = timedelta(0)
    legs: dict[Name, Leg] = Field(min_length=2, max_length=2)
    tolerance: Tolerance = Tolerance()
    code: ExceptionCode = "AMOUNT"


Rule = Annotated[
    Sequence | Precedence | Once | Reference | Landed | Traced | TieOut, Field(discriminator="kind")
]


class Owner(FileModel):
    """What is known of a team that clears exceptions: the `calendar` it works by."""

    calendar: Name


class CalendarBy(FileModel):
    """Calendars by segment, one a facility for example: the value that the item has in `dimension` → its calendar."""

    dimension: Name
    calendars: dict[str, Name] = Field(min_length=1)


class Workflow(FileModel):
    """One business process.

    `item` is the object type whose journey is the workflow. `as_of` says which time figures speak of by
    default: `now`, or `watermark` (the newest time its sources are complete through) for logs of the past.
    `sources` are the imports, probes and telemetry sources that prove completeness; any one is enough.
    `dimensions` are the segments figures can be cut by, beside `owner` and `expectation`.
    An expectation is counted and aged by its own `calendar`, else by that of its owner in `owners`, else by that of
    the item's segment in `calendar_by`, else by the one named here. Without any: every hour of every day, in UTC.
    """

    workflow: Name
    title: str
    description: str = ""
    item: Name
    as_of: Literal["now", "watermark"] = "now"
    sources: tuple[str, ...] = Field(min_length=1)
    dimensions: tuple[Name, ...] = ()
    calendar: Name | None = None
    calendar_by: CalendarBy | None = None
    owners: dict[str, Owner] = Field(default_factory=dict)
    objects: dict[Name, ObjectType]
    steps: dict[StepName, Step]
    expectations: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _with_what_steps_carry(self) -> Workflow:
        """Adds the expectations that `carries` of a step stands for."""
        there = {rule.name for rule in self.expectations}
        made = [rule for name, step in self.steps.items() for rule in _carried(name, step)]
        added = [rule for rule in made if rule.name not in there]
        return self.model_copy(update={"expectations": (*self.expectations, *added)}) if added else self

    @property
    def version(self) -> str:
        """Hash of everything the file says: another text, another rule version."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def calendar_of(self, rule: Rule) -> str:
        """The calendar of a rule or of its owner, whatever the item; empty when the item's segment decides."""
        owner = self.owners.get(rule.owner)
        return rule.calendar or (owner.calendar if owner else "")

    @property
    def calendars(self) -> tuple[str, ...]:
        """Names of all calendars it counts by, in order."""
        return tuple(sorted({name for _, name in calendar_references(self)}))

    @property
    def period_calendar(self) -> str:
        """The calendar whose fiscal periods are meant when nobody names one: its own, else the only one; empty without."""
        return self.calendar or (self.calendars[0] if len(self.calendars) == 1 else "")

    @property
    def learns(self) -> dict[str, Learn]:
        """How windows are learned, by the name of their expectation."""
        return {
            rule.name: rule.learn
            for rule in self.expectations
            if isinstance(rule, Sequence | Landed) and rule.learn is not None
        }

    @property
    def state_sources(self) -> tuple[str, ...]:
        """Sources that are not telemetry."""
        return tuple(source for source in self.sources if not source.startswith(TELEMETRY))

    def sources_of(self, steps: tuple[str, ...]) -> tuple[str, ...]:
        """Sources that prove completeness for any of `steps`."""
        found = [source for step in steps for source in (self.steps[step].sources or self.sources)]
        return tuple(dict.fromkeys(found))


def _carried(name: str, step: Step) -> tuple[Landed | Traced, ...]:
    """Both directions of what a step carries."""
    if step.carries is None:
        return ()
    carries = step.carries
    shared = {
        "item": carries.item, "owner": carries.owner, "runbook": carries.runbook, "step": name, "within": carries.within,
        "system": carries.system,
    }  # fmt: skip
    stem = name.replace(".", "_")
    landed = {"name": f"{stem}_landed", "title": f"{step.title}: what it brought is there", "kind": "landed"}
    traced = {"name": f"{stem}_traced", "title": f"{step.title}: what is there came by it", "kind": "traced"}
    return (
        Landed.model_validate({**shared, **landed, "sources": carries.state}),
        Traced.model_validate({**shared, **traced}),
    )


def calendar_references(workflow: Workflow) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every calendar a workflow names, with the place of the name."""
    if workflow.calendar:
        yield ("calendar",), workflow.calendar
    for segment, name in (workflow.calendar_by.calendars if workflow.calendar_by else {}).items():
        yield ("calendar_by", "calendars", segment), name
    for owner, known in workflow.owners.items():
        yield ("owners", owner, "calendar"), known.calendar
    for index, rule in enumerate(workflow.expectations):
        if rule.calendar:
            yield ("expectations", index, "calendar"), rule.calendar


def in_business_time(rule: Rule) -> bool:
    """Whether the window of a rule needs a calendar."""
    return isinstance(getattr(rule, "within", None), BusinessTime)


def step_references(rule: Rule) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every step a rule names, with the place of the name inside the rule."""
    for key in (
        "after",
        "expect",
        "void_by",
        "write_off_by",
        "reversed_by",
        "failed_by",
        "again_after",
        "requires",
        "reset_by",
    ):
        for index, step in enumerate(getattr(rule, key, None) or ()):
            yield (key, index), step
    if isinstance(rule, Precedence | Once | Landed | Traced):
        yield ("step",), rule.step
    if isinstance(rule, TieOut):
        for name, leg in rule.legs.items():
            if leg.step:
                yield ("legs", name, "step"), leg.step


def type_references(rule: Rule) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every object type a rule names, with the place of the name inside the rule."""
    yield ("item",), rule.item
    if isinstance(rule, Reference):
        yield ("link", "to"), rule.link.to
    if isinstance(rule, TieOut):
        for name, leg in rule.legs.items():
            for index, link in enumerate(leg.links):
                yield ("legs", name, "links", index, "to"), link.to
