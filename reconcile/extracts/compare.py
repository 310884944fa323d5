"""Compares two extracts key by key: what agrees, what differs, what only one of them has, and the money of each.

One pass over both files in the engine, by union and grouping; rows never come into Python.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

from core.errors import ConfigurationError
from core.findings import nearest
from store.client import Store
from store.errors import StoreError
from store.sqlfile import read
from workflows.model import Normalisation

SQL = Path(__file__).parent / "sql"

# What the engine calls the formats, by how names of files end; it unpacks .gz and .zst by itself.
FORMATS = {
    ".csv": "CSVWithNames", ".tsv": "TSVWithNames", ".parquet": "Parquet", ".jsonl": "JSONEachRow", ".ndjson": "JSONEachRow",
}  # fmt: skip
PACKED = frozenset({".gz", ".zst"})
DELIMITED = frozenset({"CSVWithNames", "TSVWithNames"})
SETTINGS = {
    # Everything that is asked of a key is cheaper than to ask who needs it.
    "short_circuit_function_evaluation": "disable",
    # So much memory may grouping take before it goes to the disk.
    "max_bytes_before_external_group_by": 2 << 30,
    # A line may lack columns at its end, as programs leave out empty ones.
    "input_format_csv_allow_variable_number_of_columns": 1,
}
SIDES = ("left", "right")
# What holds of a key, in the order of `states.sql`.
STATES = (
    "no key", "only right", "only left", "amount unreadable", "amount differs", "fields differ", "agree within tolerance",
    "agree by sum", "agree",
)  # fmt: skip
RULES = get_args(Normalisation)
PLACES = 12
# Whether a difference is more than may be, by amount or by share of the left side.
BEYOND = (
    "abs(toDecimal128(difference, 12)) > greatest({tolerance:Decimal(38, 12)}, "
    "toDecimal128(abs(left_amount), 12) * {share:Decimal(18, 8)})"
)
# Types of amounts that are summed as they are; all others are read as text, as people would write them.
_EXACT = re.compile(r"(?P<nullable>Nullable\()?(Decimal|U?Int)")
_COLUMN = re.compile(r"(?P<left>[^=:]+)(=(?P<right>[^=:]+))?(:(?P<rules>.+))?")


@dataclass(frozen=True)
class Column:
    """A column under its name in either file. `rules` make values comparable, as those of object keys do."""

    left: str
    right: str
    rules: tuple[str, ...] = ()

    def of(self, side: str) -> str:
        return self.left if side == "left" else self.right


@dataclass(frozen=True)
class Wanted:
    """What is compared: by which key, which amount of which currency, which other fields, and what is still the same."""

    key: tuple[Column, ...]
    amount: Column | None = None
    currency: Column | None = None
    fields: tuple[Column, ...] = ()
    tolerance: Decimal = Decimal(0)
    percent: Decimal = Decimal(0)
    delimiter: str = ","

    def columns(self) -> tuple[Column, ...]:
        return (*self.key, *(one for one in (self.amount, self.currency) if one), *self.fields)


@dataclass(frozen=True)
class Compared:
    """`states`: a row for each state and currency with counts and money; `agree` when there is nothing else."""

    states: Sequence[Mapping[str, Any]]
    agree: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "agree", all(row["state"].startswith("agree") for row in self.states))


def column(text: str) -> Column:
    """A column as people write it: `NAME`, `NAME=NAME IN THE SECOND FILE`, either with `:rule,rule`.

    Raises ConfigurationError.
    """
    said = _COLUMN.fullmatch(text)
    if said is None:
        raise ConfigurationError(f"{text!r} is not a column; write NAME, NAME=OTHER or NAME=OTHER:trim,upper")
    rules = tuple(said["rules"].split(",")) if said["rules"] else ()
    for rule in rules:
        if rule not in RULES and not rule.startswith("drop:"):
            near = nearest(rule, RULES)
            raise ConfigurationError(
                f"{text!r}: {rule!r} makes no values comparable; allowed: {', '.join(RULES)}, drop:TEXT"
                + (f"; did you mean {near!r}?" if near else "")
            )
    return Column(said["left"], said["right"] or said["left"], rules)


def compare(
    store: Store,
    left: Path,
    right: Path,
    wanted: Wanted,
    *,
    largest: int = 5,
    differences: Path | None = None,
) -> Compared:
    """Compares the files with the engine of `store`, which stays as it is.

    With `differences`, a file of that name gets every key that does not agree. Money is exact, to twelve places. Raises
    ConfigurationError for what a file lacks, StoreError when it can't be read.
    """
    if differences:
        _format(differences)
        if differences.resolve() in (left.resolve(), right.resolve()):
            raise ConfigurationError(f"{differences} is one of the files that are compared; write elsewhere")
    settings = {**SETTINGS, "format_csv_delimiter": wanted.delimiter}
    params: dict[str, Any] = {
        "tolerance": str(wanted.tolerance), "share": str(wanted.percent / 100), "most": largest, "names": list(STATES),
    }  # fmt: skip
    paths = dict(zip(SIDES, (left, right), strict=True))
    types = {side: _types(store, path, wanted.delimiter) for side, path in paths.items()}
    selects = {side: _extract(side, path, types[side], wanted, params) for side, path in paths.items()}
    states = _states(wanted, types, selects, params)
    rows = store.rows(_summary(wanted, states), params, settings)
    if differences:
        _write(store, states, params, settings, differences)
    return Compared([_row(row, wanted) for row in rows])


def _format(path: Path) -> str:
    endings = [ending.lower() for ending in path.suffixes]
    ending = next((one for one in reversed(endings) if one not in PACKED), "")
    if ending not in FORMATS:
        raise ConfigurationError(
            f"{path}: which format it has is told by how its name ends: {', '.join(FORMATS)}, also with {' or '.join(sorted(PACKED))}"
        )
    return FORMATS[ending]


def _types(store: Store, path: Path, delimiter: str) -> dict[str, str]:
    """Types of the columns of a file, by name. Those of a CSV file are text: a key 00012 is not the number 12."""
    fmt = _format(path)
    if not path.is_file():
        raise ConfigurationError(f"{path}: there is no such file")
    given = {"path": str(path.resolve()), "format": fmt}
    try:
        if fmt not in DELIMITED:
            return {row["name"]: row["type"] for row in store.rows(read(SQL / "columns.sql"), given)}
        header = str(store.value(read(SQL / "header.sql"), given) or "")
    except StoreError:
        raise ConfigurationError(f"{path}: the engine cannot read it as {fmt}") from None
    between = "\t" if fmt == "TSVWithNames" else delimiter
    names = next(csv.reader([header.removeprefix("\ufeff")], delimiter=between), [])
    if len(names) == 1 and (other := next((one for one in ";\t|," if one in header), "")):
        raise ConfigurationError(f"{path}: it has one column only; is its delimiter {other!r}?")
    return dict.fromkeys(names, "String")


def _structure(types: Mapping[str, str]) -> str:
    return (
        ", ".join(f"`{name.replace('`', '``')}` {kind}" for name, kind in types.items()) or "nothing String"
    )


def _extract(side: str, path: Path, types: Mapping[str, str], wanted: Wanted, params: dict[str, Any]) -> str:
    """The query for one file with columns of `types`; adds what it binds to `params`."""
    params |= {
        f"{side}_path": str(path.resolve()),
        f"{side}_format": _format(path),
        f"{side}_columns": _structure(types),
    }

    def value(column: Column) -> str:
        name = column.of(side)
        if name not in types:
            near = nearest(name, types)
            raise ConfigurationError(
                f"{path} has no column {name!r}; it has {', '.join(sorted(types))}"
                + (f"; did you mean {near!r}?" if near else "")
            )
        bound = f"{side}_{len(params)}"
        params[bound] = name
        return f"{{{bound}:Identifier}}"

    def text(column: Column) -> str:
        found = value(column)
        plain = found if types[column.of(side)] == "String" else f"ifNull(toString({found}), '')"
        if not column.rules:
            return plain
        bound = f"{side}_{len(params)}"
        params[bound] = list(column.rules)
        return f"normalise_key({plain}, {{{bound}:Array(String)}})"

    def money(column: Column) -> str:
        found = value(column)
        if _EXACT.match(types[column.of(side)]):
            return found
        return f"toDecimal128OrNull(trimBoth(toString({found})), {PLACES})"

    keys = [text(one) for one in wanted.key]
    key = keys[0] if len(keys) == 1 else _joined(keys)
    code = read(SQL / "extract.sql").code
    for name, expression in {
        "key": key,
        "amount": money(wanted.amount) if wanted.amount else "toDecimal32(0, 0)",
        "currency": text(wanted.currency) if wanted.currency else "0",
        "fields": f"[{', '.join(text(one) for one in wanted.fields)}]" if wanted.fields else "0",
        "side": str(1 + SIDES.index(side)),
        "path": f"{{{side}_path:String}}",
        "format": f"{{{side}_format:String}}",
        "columns": f"{{{side}_columns:String}}",
    }.items():
        code = code.replace(f"{{{name}}}", expression)
    return code


def _joined(keys: Iterable[str]) -> str:
    """The parts of a key as one text, between them a sign that no data has; empty when all of them are."""
    parts = ", ".join(keys)
    return f"if(arrayAll(part -> part = '', [{parts}]), '', arrayStringConcat([{parts}], '\\x1f'))"


def _states(
    wanted: Wanted, types: Mapping[str, Mapping[str, str]], selects: Mapping[str, str], params: dict[str, Any]
) -> str:
    unlike = []
    for number, one in enumerate(wanted.fields, start=1):
        params[f"field_{number}"] = one.left
        left, right = (f"arraySort(groupUniqArrayIf(fields[{number}], side = {side}))" for side in (1, 2))
        unlike.append(
            f"if({left} = {right} OR left_records = 0 OR right_records = 0, '', {{field_{number}:String}})"
        )
    code = read(SQL / "states.sql").code
    for name, expression in {
        "currency": "currency" if wanted.currency else "''",
        "by": "key, currency" if wanted.currency else "key",
        "unlike": f"arrayFilter(name -> name != '', [{', '.join(unlike)}])"
        if unlike
        else "emptyArrayString()",
        "beyond": BEYOND if wanted.tolerance or wanted.percent else "difference != 0",
        "unreadable": "countIf(isNull(amount))" if _may_be_unreadable(wanted.amount, types) else "0",
        **selects,
    }.items():
        code = code.replace(f"{{{name}}}", expression)
    return code


def _may_be_unreadable(amount: Column | None, types: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether an amount may be missing or no number; what can't be is not counted for every key."""
    if amount is None:
        return False
    exact = [_EXACT.match(types[side][amount.of(side)]) for side in SIDES]
    return any(one is None or one["nullable"] for one in exact)


def _summary(wanted: Wanted, states: str) -> str:
    code = read(SQL / "summary.sql").code
    for name, expression in {
        "currency": "currency" if wanted.currency else "''",
        "by": "place, currency" if wanted.currency else "place",
        "unlike": ", unlike" if wanted.fields else "",
        "fields": "one.7" if wanted.fields else "emptyArrayString()",
        "states": states,
    }.items():
        code = code.replace(f"{{{name}}}", expression)
    return code


def _write(
    store: Store, states: str, params: Mapping[str, Any], settings: Mapping[str, Any], into: Path
) -> None:
    fmt = _format(into)
    given = {**params, "into": str(into.resolve()), "into_format": fmt, "quoted": fmt != "Parquet"}
    text = read(SQL / "differences.sql").code.replace("{states}", states)
    store.command(text, given, {**settings, "format_csv_delimiter": ",", "engine_file_truncate_on_insert": 1})


def _row(row: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """A row of the summary as people read it: without money where none is compared."""
    told = {
        "state": row["state"],
        "currency": row["currency"],
        "keys": row["keys"],
        "left_rows": row["left_rows"],
        "right_rows": row["right_rows"],
    }
    if not wanted.currency:
        del told["currency"]
    if wanted.amount:
        told |= {
            "left": row["left_money"],
            "right": row["right_money"],
            "difference": row["difference_money"],
            "unreadable": row["unreadable_amounts"],
        }
    names = ("key", "left_rows", "right_rows", "left", "right", "fields")
    told["largest"] = [dict(zip(names, one, strict=True)) for one in row["largest"]]
    if not wanted.amount:
        for one in told["largest"]:
            del one["left"], one["right"]
    return told
