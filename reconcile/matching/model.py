"""What a matching rule may say. The models are the reference: every key is documented here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from core.duration import BusinessTime, counted
from core.duration import Window as Allowance
from core.yamlfile import FileModel
from reconcile.matching.tables import Table
from workflows.model import ExceptionCode, Learn, Name, Normalisation, StepName

Method = Literal["group", "pair", "subset"]
Meaning = Literal["amount", "quantity", "price", "text"]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Share = Annotated[Decimal, Field(ge=0)]
SourceField = Annotated[str, StringConstraints(min_length=1, max_length=200)]

# Records of a rule that were written in another form are not read: they are another version.
_FORMAT = 4
# What every record has, whatever its system calls its fields.
OWN_FIELDS = ("@key", "@amount", "@currency")


class Drop(FileModel):
    """`drop: "-/ "` takes these characters out wherever they stand."""

    drop: Annotated[str, StringConstraints(min_length=1, max_length=20)]


class Through(FileModel):
    """`map: item_xref` replaces the value by what that table says on the day of the record."""

    map: Name


Change = Normalisation | Drop | Through


class Lookup(FileModel):
    """A number that a table says of the leg's field `of`, as the rule normalises it, on the day of the record."""

    of: Name
    table: Name


class Leg(FileModel):
    """One system's records. Either `type` (state, of `system` or of any) or `step` (events of the workflow).

    `fields`: what the rule calls a field → what the source calls it; `@key`, `@amount` and `@currency` are the
    record's own. `when`: only records with one of these values count, for example only posted ones. `many`:
    several records may make up this leg of one item. `date`: field with the business day; else the day the
    record was first there and counted. `dates`: how 03/04/2026 is meant there (`iso`: it is refused). `within`: how long after the
    first record of the item this leg may take, counted from its `date` where its leg has one; in business time
    (`3bd`, `8bh`) by `calendar` of the leg, else of the rule. `learn`: that time is learned from how long the leg took in
    matches, and `within` holds while there are too few.
    `sources` prove that a record is not there, one of them is enough; default: those of the workflow that store such
    records, where they are known, else all of them. `original`: field that names the record this one takes back. `lookup`: numbers that no record carries, such as the price of a contract, by name.
    `owner`: team that clears what is wrong with this leg, where `owners` of the rule names none for the code.
    `void_by`: steps of the workflow's item after which its earlier events of this leg count no longer.
    """

    type: Name | None = None
    system: str = ""
    step: StepName | None = None
    fields: dict[Name, SourceField] = Field(min_length=1)
    when: dict[Name, tuple[str, ...]] = Field(default_factory=dict)
    many: bool = False
    date: Name | None = None
    dates: Literal["iso", "dmy", "mdy"] = "iso"
    within: Allowance = timedelta(0)
    learn: Learn | None = None
    calendar: Name | None = None
    sources: tuple[str, ...] = ()
    original: Name | None = None
    lookup: dict[Name, Lookup] = Field(default_factory=dict)
    owner: str = ""
    void_by: tuple[StepName, ...] = ()

    @property
    def known(self) -> set[str]:
        """Fields a comparison may name: those of its records, and numbers that are looked up."""
        return {*self.fields, *self.lookup}

    @property
    def steps(self) -> tuple[str, ...]:
        """Steps whose events change what is in this leg."""
        return (self.step, *self.void_by) if self.step else ()

    @model_validator(mode="after")
    def _has_one_kind_of_record(self) -> Leg:
        if bool(self.type) == bool(self.step):
            raise ValueError("a leg has either 'type' (state of objects) or 'step' (events)")
        if self.type and self.void_by:
            raise ValueError("'void_by' takes events away; of state, 'when' says what counts")
        return self


class Number(FileModel):
    """How a number is made comparable. `unit`: fields whose values, joined by `|`, `factors` turns into the base
    unit; a number that is `per` unit is divided by the factor. `currency`: field with its currency, which
    `rates` turns into the rule's currency at the record's day.
    """

    unit: tuple[Name, ...] = ()
    factors: Name | None = None
    per: bool = False
    currency: Name | None = None
    rates: Name | None = None

    @model_validator(mode="after")
    def _has_tables(self) -> Number:
        if bool(self.unit) != bool(self.factors):
            raise ValueError("'unit' and 'factors' belong together")
        if self.rates and not self.currency:
            raise ValueError("'rates' needs 'currency', the field that names it")
        return self


class Window(FileModel):
    """`days: [-3, 5]`: the other record may be dated up to 3 days before and 5 days after the first leg's.

    `business_days` instead: of the rule's calendar. What is dated on a day that nobody works counts for the next one.
    """

    days: tuple[int, int] | None = None
    business_days: tuple[int, int] | None = None

    @property
    def bounds(self) -> tuple[int, int]:
        """Earliest and latest, in days of its kind."""
        return self.business_days or self.days or (0, 0)

    @property
    def unit(self) -> str:
        return "business days" if self.business_days else "days"

    @model_validator(mode="after")
    def _is_in_order(self) -> Window:
        if bool(self.days) == bool(self.business_days):
            raise ValueError("a window has either 'days' or 'business_days'")
        if self.bounds[0] > self.bounds[1]:
            raise ValueError("the window ends before it begins; write [earliest, latest]")
        return self


class Key(FileModel):
    """Records with the same `fields` belong together; the first key decides, later ones try what is left.

    `method`: `group` makes one item of all of them and compares sums; `pair` assigns them one to one;
    `subset` also finds several that add up to several.
    """

    fields: tuple[Name, ...] = Field(min_length=1)
    method: Method = "group"
    window: Window | None = None


def in_business_days(key: Key) -> bool:
    """Whether the window of a key needs a calendar."""
    return key.window is not None and key.window.business_days is not None


class Tier(FileModel):
    """A limit for expected values of at least `above`."""

    above: Share
    abs: Share = Decimal(0)
    pct: Share = Decimal(0)


class Limit(FileModel):
    """How far a value may be off on one side: the larger of `abs` and `pct` percent of the expected value, but at
    most `cap`. `tiers` replace `abs` and `pct` for larger values. `any`: this side is not checked.
    """

    abs: Share = Decimal(0)
    pct: Share = Decimal(0)
    cap: Share | None = None
    tiers: tuple[Tier, ...] = ()
    any: bool = False


class Comparison(FileModel):
    """What must agree: `field` of leg `expected` and of leg `actual`.

    `means`: `amount` and `quantity` are summed over a leg, `price` is weighted by quantity, `text` must be equal.
    `over` and `under` say how far the actual may lie above and below. While the actual leg may still grow, an
    `under` is not yet wrong.
    """

    field: Name
    means: Meaning
    expected: Name
    actual: Name
    over: Limit = Limit()
    under: Limit = Limit()


class Reversals(FileModel):
    """`self_cancelling`: equal and opposite amounts in one leg of one group cancel, without a reference."""

    self_cancelling: bool = True


class Budget(FileModel):
    """How far the search for several-to-several goes: in records and in steps, so that it is repeatable."""

    max_items: Annotated[int, Field(ge=2, le=200)] = 30
    max_nodes: Annotated[int, Field(ge=100, le=5_000_000)] = 50_000


class Outcome(FileModel):
    """`auto_clear: false` makes every match a suggestion. Ambiguity is always one."""

    auto_clear: bool = True


class ByHand(FileModel):
    """How large a difference, in the rule's currency, one person may accept who matches records by hand.

    `worker` and `approver` by role, an administrator as an approver; above it somebody else has to approve. A difference
    that is not known in money is always above it.
    """

    worker: Share = Decimal(0)
    approver: Share = Decimal(0)


class MatchingRule(FileModel):
    """One matching rule; its name is the name of its file.

    `workflow` it belongs to. `compare`: what must agree; without any, that each leg is there is enough.
    `currency` money is compared in. `normalise`: changes by field, in order. `numbers`:
    fields that are numbers. `tax_freight`: numbers that explain a difference. `rounding`: a rest up to this is
    rounding. `calendar`: by which business days, working hours and ages are counted. `header`: key fields by which
    items are rolled up. `reversals`, `budget`, `outcome`, `by_hand`. `owner`, and
    `owners` by exception code. `age_by`: `due` or `record`, the day of the oldest record.
    """

    rule: Name
    title: str
    workflow: Name
    currency: Currency = "USD"
    calendar: Name | None = None
    legs: dict[Name, Leg] = Field(min_length=2, max_length=8)
    normalise: dict[Name, tuple[Change, ...]] = Field(default_factory=dict)
    keys: tuple[Key, ...] = Field(min_length=1, max_length=5)
    numbers: dict[Name, Number] = Field(default_factory=dict)
    compare: dict[Name, Comparison] = Field(default_factory=dict)
    tax_freight: tuple[Name, ...] = ()
    rounding: Share = Decimal(0)
    header: tuple[Name, ...] = ()
    reversals: Reversals = Reversals()
    budget: Budget = Budget()
    outcome: Outcome = Outcome()
    by_hand: ByHand = ByHand()
    owner: str
    owners: dict[ExceptionCode, str] = Field(default_factory=dict)
    age_by: Literal["due", "record"] = "due"
    runbook: str = ""

    @property
    def clocks(self) -> tuple[tuple[int, str, str, int, str], ...]:
        """What is counted other than in fixed time of the clock: the window of a key (0), or the time a leg may take (its
        number, from 1), by which calendar, in which unit, how much of it, and as what it is learned. Empty when the rule has none.
        """
        windows = (
            [(0, self.calendar or "", "bd", 0, "")] if any(in_business_days(key) for key in self.keys) else []
        )
        by_calendar = any(isinstance(leg.within, BusinessTime) for leg in self.legs.values())
        if not (windows or by_calendar or self.learns):
            return ()
        return (*windows, *(self._clock(number, name) for number, name in enumerate(self.legs, start=1)))

    def _clock(self, number: int, name: str) -> tuple[int, str, str, int, str]:
        leg = self.legs[name]
        amount, unit = counted(leg.within)
        calendar = "" if unit == "s" else leg.calendar or self.calendar or ""
        return number, calendar, unit, amount, self.learned_as(name) if leg.learn else ""

    @property
    def learns(self) -> dict[str, Learn]:
        """How the windows of legs are learned, by the name of the leg."""
        return {name: leg.learn for name, leg in self.legs.items() if leg.learn is not None}

    def learned_as(self, leg: str) -> str:
        """The name under which the window of a leg stands in `learned_windows`; no expectation of a workflow is called so."""
        return f"{self.rule}.{leg}"

    @property
    def calendars(self) -> tuple[str, ...]:
        """Names of the calendars it counts or ages by, in order."""
        return tuple(sorted({self.calendar or "", *(calendar for _, calendar, *_ in self.clocks)} - {""}))

    @cached_property
    def number_names(self) -> tuple[str, ...]:
        """Numbers in the order records keep them."""
        return tuple(self.numbers)

    @cached_property
    def text_names(self) -> tuple[str, ...]:
        """Texts in the order records keep them: those compared, then those that make the header."""
        compared = [one.field for one in self.compare.values() if one.means == "text"]
        return tuple(dict.fromkeys([*compared, *self.header]))

    @cached_property
    def leg_names(self) -> tuple[str, ...]:
        return tuple(self.legs)

    def owner_of(self, code: str, leg: str = "") -> str:
        """The team that clears exceptions of this code: by the code, else of the leg it is about, else of the rule."""
        of_leg = self.legs[leg].owner if leg else ""
        return self.owners.get(code, of_leg or self.owner)  # type: ignore[call-overload, no-any-return]

    def owner_of_absence(self, leg: str) -> str:
        """The team that clears a leg which is not there: without the first leg, the others are orphans."""
        return self.owner_of("ORPHAN" if leg == self.leg_names[0] else "MISSING", leg)


@dataclass(frozen=True)
class Ruling:
    """A checked rule with the tables and the versions of the calendars it reads; what decides is all of them.

    `dimensions`: segments of its workflow, which its decisions carry.
    """

    rule: MatchingRule
    tables: Mapping[str, Table]
    calendars: Mapping[str, str] = field(default_factory=dict)
    dimensions: tuple[str, ...] = ()

    @cached_property
    def version(self) -> str:
        """Hash of the rule and of the content of its tables and calendars: another rate, another version, and so is another
        source that proves a record missing.

        Who may decide by hand changes nothing that the rule decides.
        """
        tables = sorted((name, table.version) for name, table in self.tables.items())
        rule = self.rule.model_dump_json(exclude={"by_hand"})
        told = repr((_FORMAT, rule, tables, sorted(self.calendars.items()), self.dimensions))
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def tables_of(rule: MatchingRule) -> Iterator[tuple[tuple[str | int, ...], str, bool]]:
    """Every table a rule names: its place in the rule, its name, and whether it must hold numbers."""
    for name, changes in rule.normalise.items():
        for index, change in enumerate(changes):
            if isinstance(change, Through):
                yield ("normalise", name, index), change.map, False
    for name, leg in rule.legs.items():
        for told, lookup in leg.lookup.items():
            yield ("legs", name, "lookup", told, "table"), lookup.table, True
    for name, number in rule.numbers.items():
        if number.factors:
            yield ("numbers", name, "factors"), number.factors, True
        if number.rates:
            yield ("numbers", name, "rates"), number.rates, True
