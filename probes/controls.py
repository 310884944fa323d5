"""What a source says of all it gave (how many records, what they sum up to), held against what was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from core.yamlfile import FileModel


def _number(value: Any) -> Any:
    """YAML reads 12.30 as a float; a control is exact."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Number = Annotated[Decimal, BeforeValidator(_number)]


class Control(FileModel):
    """One control: `measure: count` of records, or `measure: sum` of `column`, must be what the source says.

    `equals` is a number known beforehand; each kind adds a way to ask the source. `tolerance`: so much off
    is still right. A run that misses a control proves no absence.
    """

    measure: Literal["count", "sum"] = "count"
    column: str = ""
    equals: Number | None = None
    tolerance: Number = Field(default=Decimal(0), ge=0)

    @model_validator(mode="after")
    def _column_fits(self) -> Self:
        if (self.measure == "sum") != bool(self.column):
            raise ValueError("'measure: sum' and 'column' go together")
        return self

    def one_of(self, name: str, given: bool) -> Self:
        """For the kinds: the number stands in the file, or the source is asked for it by `name`."""
        if given == (self.equals is not None):
            raise ValueError(f"a control has either 'equals' or {name!r}")
        return self

    @property
    def title(self) -> str:
        return f"sum of {self.column}" if self.column else "count of records"


@dataclass(frozen=True)
class Said:
    """What the source says: number of the control in the probe file (0 is the first) and the value as text.

    `origin` is the file it speaks of, empty for the whole reading; `value` is empty when it should have
    said something and did not.
    """

    control: int
    value: str
    origin: str = ""


@dataclass(frozen=True)
class Measured:
    """What was read: records, and the sum of the column; None when a value of it is no number."""

    records: int
    total: Decimal | None


@dataclass(frozen=True)
class Miss:
    """A control that did not come out, in words."""

    code: Literal["control_missed", "control_unsaid"]
    text: str


def expected(controls: Sequence[Control], said: Iterable[Said]) -> list[Said]:
    """What must come out: numbers of the file, what the source said, and that it said nothing."""
    known = [
        Said(number, str(control.equals))
        for number, control in enumerate(controls)
        if control.equals is not None
    ]
    known += said
    silent = set(range(len(controls))) - {one.control for one in known}
    return [*known, *(Said(number, "") for number in sorted(silent))]


def missed(
    controls: Sequence[Control],
    wanted: Iterable[Said],
    measured: Mapping[tuple[int, str], Measured],
    decimal_mark: str,
) -> list[Miss]:
    """The controls that did not come out."""
    return [
        miss
        for said in wanted
        if (miss := _miss(controls[said.control], said, measured, decimal_mark)) is not None
    ]


def _miss(
    control: Control, said: Said, measured: Mapping[tuple[int, str], Measured], decimal_mark: str
) -> Miss | None:
    of = f" of file {said.origin}" if said.origin else ""
    should = number(said.value, decimal_mark)
    if should is None:
        return Miss("control_unsaid", f"the source does not say the {control.title}{of}")
    found = measured.get((said.control, said.origin), Measured(0, Decimal(0)))
    read = Decimal(found.records) if control.measure == "count" else found.total
    if read is None:
        return Miss("control_missed", f"column {control.column}{of} holds values that are no numbers")
    if abs(read - should) <= control.tolerance:
        return None
    return Miss("control_missed", f"the source says a {control.title}{of} of {should:f}, {read:f} was read")


def number(text: str, decimal_mark: str = ".") -> Decimal | None:
    """The number people and machines write; None when it is none."""
    plain = text.strip()
    if decimal_mark == ",":
        plain = plain.replace(".", "").replace(",", ".")
    if plain.endswith("-"):
        plain = f"-{plain[:-1]}"
    try:
        value = Decimal(plain)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None
