"""How a record becomes the state of an object, with its links and the steps it proves: what a probe file says of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from core.yamlfile import FileModel
from probes.texts import as_text
from workflows.model import Name, StepName


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str | int | bool) else value


def _texts(value: Any) -> Any:
    """YAML reads `when: {status: 3}` as a number; sources give text."""
    return tuple(as_text(item) for item in _one_or_many(value)) if value is not None else value


def _by_name(value: Any) -> Any:
    """`[status, supplier]` is short for `{status: status, supplier: supplier}`."""
    return {name: name for name in value} if isinstance(value, list | tuple) else value


Columns = Annotated[tuple[str, ...], BeforeValidator(_one_or_many), Field(min_length=1)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts), Field(min_length=1)]
Fields = Annotated[dict[str, str], BeforeValidator(_by_name)]


class Amount(FileModel):
    """Money of the object: its column, its currency as a constant or as a column, the decimal mark."""

    column: str
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = ""
    currency_column: str = ""
    decimal: Literal[".", ","] = "."

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        if bool(self.currency) == bool(self.currency_column):
            raise ValueError("an amount has either 'currency' (three letters) or 'currency_column'")
        return self


class ObjectState(FileModel):
    """How a record becomes the state of one object.

    `key` is a column, or several that are joined by `/`. `valid_from` is the column with the business time
    from which the state holds; without it, the time of reading. `fields` is the allow-list: columns, or
    `name: column`; nothing else is stored. `deleted` is a column that is empty, 0, f, false, n or no while
    the object lives.
    """

    type: Name
    key: Columns
    valid_from: str = ""
    fields: Fields = Field(default_factory=dict)
    amount: Amount | None = None
    deleted: str = ""


class LinkRule(FileModel):
    """The record refers to an object of type `to` by `column` (several columns are joined by `/`).

    With `split`, one column holds several keys: text between the keys, or `json` for a JSON list.
    `inverse` makes the link point from that object to this one: a line names its order, the order has lines.
    """

    role: str
    to: Name
    column: Columns
    split: str = ""
    inverse: bool = False

    @model_validator(mode="after")
    def _split_one(self) -> Self:
        if self.split and len(self.column) > 1:
            raise ValueError("'split' works on one column, and this link has several")
        return self


class EventRule(FileModel):
    """The record proves that `step` was reached at the time in column `time`.

    `when` names columns and the value or values they must have; without it, a time is enough.
    """

    step: StepName
    time: str
    when: dict[str, Texts] = Field(default_factory=dict)
