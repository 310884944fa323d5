"""Two extracts compared: every state, and the same as plain Python says of random files."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import ConfigurationError
from reconcile.extracts.compare import Column, Wanted, column, compare
from store.client import Store

NAMES = ["ref", "money", "who"]
BY_REF = Wanted((Column("ref", "ref"),), amount=Column("money", "money"), fields=(Column("who", "who"),))
Rows = list[tuple[str, str, str]]


def written(path: Path, rows: Iterable[Iterable[str]], names: Iterable[str] = NAMES) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def packed(file: Path) -> Path:
    into = file.with_name(f"{file.name}.gz")
    into.write_bytes(gzip.compress(file.read_bytes()))
    return into


def states(store: Store, folder: Path, left: Rows, right: Rows, wanted: Wanted) -> dict[str, dict[str, Any]]:
    files = (written(folder / "left.csv", left), written(folder / "right.csv", right))
    return {row["state"]: row for row in compare(store, *files, wanted).states}


def test_every_state_and_the_differences_as_a_file(store: Store, tmp_path: Path) -> None:
    left = [
        ("001", "1.50", "a"), ("002", "2", "b"), ("3", "x", "c"), ("", "5", ""), ("=1", "7", "d"), ("7", "1", "e"), ("7", "2", "e"),
        ("8", "100", "f"), ("9", "100", "g"),
    ]  # fmt: skip
    right = [
        ("001", "1.50", "a"),
        ("002", "2.00", "B"),
        ("3", "3", "c"),
        ("10", "1", "z"),
        ("7", "3", "e"),
        ("8", "101", "f"),
        ("9", "102", "g"),
    ]
    files = written(tmp_path / "left.csv", left), packed(written(tmp_path / "right.csv", right))
    wanted = Wanted(BY_REF.key, amount=BY_REF.amount, fields=BY_REF.fields, percent=Decimal(1))
    into = tmp_path / "differences.csv"
    compared = compare(store, *files, wanted, differences=into)
    found = {row["state"]: (row["keys"], row["left"], row["right"]) for row in compared.states}
    assert found == {
        "agree": (1, Decimal("1.5"), Decimal("1.5")),
        "agree by sum": (1, 3, 3),
        "agree within tolerance": (1, 100, 101),
        "amount differs": (1, 100, 102),
        "amount unreadable": (1, 0, 3),
        "fields differ": (1, 2, 2),
        "no key": (1, 5, 0),
        "only left": (1, 7, 0),
        "only right": (1, 0, 1),
    }
    assert not compared.agree
    with into.open(newline="") as file:
        told = {row["key"]: row["state"] for row in csv.DictReader(file)}
    assert told == {
        "002": "fields differ", "3": "amount unreadable", "": "no key", "'=1": "only left", "10": "only right", "9": "amount differs",
    }  # fmt: skip


def test_names_formats_and_types_of_the_two_may_differ(store: Store, tmp_path: Path) -> None:
    left = written(
        tmp_path / "left.csv", [(" po-1 ", "EUR", "10.25"), ("po-2", "USD", "3")], ["Order", "Cur", "Net"]
    )
    rows = {"po": ["PO1", "PO2"], "cur": ["EUR", "EUR"], "net": [10.25, 3.0]}
    pq.write_table(pa.table(rows), right := tmp_path / "right.parquet")
    wanted = Wanted(
        (column("Order=po:upper,strip_punctuation"),), amount=column("Net=net"), currency=column("Cur=cur")
    )
    found = [
        (row["state"], row["currency"], row["difference"])
        for row in compare(store, left, right, wanted).states
    ]
    assert found == [("agree", "EUR", 0), ("only left", "USD", -3), ("only right", "EUR", 3)]


@pytest.mark.parametrize(
    "kind", [pa.decimal128(18, 2), pa.decimal128(38, 12), pa.int64(), pa.float64()], ids=str
)
@pytest.mark.parametrize("missing", [True, False], ids=["some missing", "none missing"])
def test_amounts_that_are_numbers_say_what_their_text_says(
    store: Store, tmp_path: Path, kind: pa.DataType, missing: bool
) -> None:
    left = [("1", "7"), ("2", "8"), ("2", "9"), ("3", "" if missing else "4"), ("5", "1")]
    right = [("1", "7"), ("2", "17"), ("3", "4"), ("4", "" if missing else "6"), ("5", "3")]
    wanted = Wanted((column("ref"),), amount=column("money"))
    texts, numbers = [], []
    for name, rows in (("left", left), ("right", right)):
        texts.append(written(tmp_path / f"{name}.csv", rows, NAMES[:2]))
        money = pa.array([Decimal(text) if text else None for _, text in rows], pa.decimal128(38, 12))
        schema = pa.schema([pa.field("ref", pa.string()), pa.field("money", kind, nullable=missing)])
        table = pa.table([pa.array([ref for ref, _ in rows]), money.cast(kind)], schema=schema)
        pq.write_table(table, numbers_of := tmp_path / f"{name}.parquet")
        numbers.append(numbers_of)
    said = compare(store, *texts, wanted).states
    assert compare(store, *numbers, wanted).states == said
    assert {row["state"]: row["unreadable"] for row in said}.get("amount unreadable", 0) == missing


def test_amounts_that_cannot_be_read_are_counted_in_every_state(store: Store, tmp_path: Path) -> None:
    found = states(
        store, tmp_path, [("1", "x", "a"), ("2", "3", "a")], [("2", "", "a"), ("3", "4", "a")], BY_REF
    )
    assert {name: row["unreadable"] for name, row in found.items()} == {
        "only left": 1, "amount unreadable": 1, "only right": 0,
    }  # fmt: skip


def test_parts_of_a_key_are_told_apart(store: Store, tmp_path: Path) -> None:
    left = written(tmp_path / "left.csv", [("a / b", "c")], ["one", "two"])
    right = written(tmp_path / "right.csv", [("a", "b / c")], ["one", "two"])
    wanted = Wanted((column("one"), column("two")))
    into = tmp_path / "differences.csv"
    found = compare(store, left, right, wanted, differences=into).states
    assert [(row["state"], row["largest"][0]["key"]) for row in found] == [
        ("only left", "a / b / c"), ("only right", "a / b / c"),
    ]  # fmt: skip
    assert into.read_text().count('"a / b / c"') == 2
    with pytest.raises(ConfigurationError, match="one of the files that are compared"):
        compare(store, left, right, wanted, differences=left)


@pytest.mark.parametrize(
    ("left", "key", "says"),
    [
        ("left.csv", "reff", "has no column 'reff'; it has money, ref, who; did you mean 'ref'?"),
        ("left.xlsx", "ref", r"told by how its name ends: \.csv"),
        ("nowhere.csv", "ref", "there is no such file"),
        ("semicolons.csv", "ref", "it has one column only; is its delimiter ';'?"),
        ("broken.parquet", "ref", "the engine cannot read it as Parquet"),
    ],
)
def test_what_cannot_be_compared_is_said(
    store: Store, tmp_path: Path, left: str, key: str, says: str
) -> None:
    right = written(tmp_path / "left.csv", [("1", "2", "3")])
    (tmp_path / "semicolons.csv").write_text("ref;money\n1;2\n")
    (tmp_path / "broken.parquet").write_text("no Parquet: 4711")
    with pytest.raises(ConfigurationError, match=says) as error:
        compare(store, tmp_path / left, right, Wanted((column(key),)))
    assert "4711" not in str(error.value)


@pytest.mark.parametrize("text", ["", "a=b=c", "a:trimm"])
def test_a_column_that_is_none_is_said(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is not a column|did you mean .trim."):
        column(text)


def by_hand(left: Rows, right: Rows, tolerance: Decimal) -> dict[str, tuple[int, Decimal, Decimal]]:
    """Keys and money of each state, worked out record by record."""
    found: dict[str, tuple[int, Decimal, Decimal]] = {}
    for key in {row[0] for row in left + right}:
        ours, theirs = ([row for row in side if row[0] == key] for side in (left, right))
        amounts = [[number(row[1]) for row in side] for side in (ours, theirs)]
        sums = [sum((one for one in side if one is not None), Decimal(0)) for side in amounts]
        state = state_of(
            key, ours, theirs, None in amounts[0] + amounts[1], abs(sums[1] - sums[0]), tolerance
        )
        keys, left_sum, right_sum = found.get(state, (0, Decimal(0), Decimal(0)))
        found[state] = (keys + 1, left_sum + sums[0], right_sum + sums[1])
    return found


def state_of(
    key: str, ours: Rows, theirs: Rows, unreadable: bool, difference: Decimal, tolerance: Decimal
) -> str:
    if not key:
        return "no key"
    if not ours or not theirs:
        return "only left" if ours else "only right"
    if unreadable:
        return "amount unreadable"
    if difference > tolerance:
        return "amount differs"
    if {row[2] for row in ours} != {row[2] for row in theirs}:
        return "fields differ"
    if difference:
        return "agree within tolerance"
    return "agree" if len(ours) == len(theirs) == 1 else "agree by sum"


def number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


records = st.lists(
    st.tuples(
        st.sampled_from(["", "1", "01", "a", "A", 'ä,"b']),
        st.sampled_from(["0", "1", "-1", "1.01", "0.000001", "x", ""]),
        st.sampled_from("ab"),
    ),
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(left=records, right=records, tolerance=st.sampled_from([Decimal(0), Decimal("0.01"), Decimal(1)]))
def test_states_are_those_worked_out_record_by_record(
    store: Store, tmp_path: Path, left: Rows, right: Rows, tolerance: Decimal
) -> None:
    wanted = Wanted(BY_REF.key, BY_REF.amount, fields=BY_REF.fields, tolerance=tolerance)
    found = states(store, tmp_path, left, right, wanted)
    assert {name: (row["keys"], row["left"], row["right"]) for name, row in found.items()} == by_hand(
        left, right, tolerance
    )
    turned = states(store, tmp_path, left[::-1], right[::-1], wanted)
    assert turned == found
