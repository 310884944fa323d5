"""Two extracts held against each other, without a project."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import ConfigurationError
from reconcile.extracts.compare import Column, Wanted, column, compare
from store import migrate
from store.client import Store
from tieout.commands.options import JsonOption
from tieout.output import message, out, print_json, print_table

FileArgument = Annotated[Path, typer.Argument(help="A CSV, TSV, Parquet or JSON lines file; also packed.")]


def register(app: typer.Typer) -> None:
    """Adds the command of this module to the command line."""
    app.command("compare")(compare_extracts)


def compare_extracts(
    left: FileArgument,
    right: FileArgument,
    key: Annotated[
        list[str],
        typer.Option(
            "--key",
            "-k",
            help="Column of the key: NAME, NAME=OTHER in the second file, NAME:trim,upper; several make one key.",
        ),
    ],
    amount: Annotated[str, typer.Option("--amount", "-a", help="Column of the money, or a quantity.")] = "",
    currency: Annotated[str, typer.Option("--currency", help="Column of the currency.")] = "",
    field: Annotated[
        list[str] | None, typer.Option("--field", "-f", help="Another column to compare.")
    ] = None,
    tolerance: Annotated[str, typer.Option("--tolerance", help="Amounts may differ by so much.")] = "0",
    percent: Annotated[
        str, typer.Option("--percent", help="Or by so much of the first file's amount.")
    ] = "0",
    delimiter: Annotated[str, typer.Option("--delimiter", help="What stands between columns of CSV.")] = ",",
    differences: Annotated[
        Path | None,
        typer.Option(
            "--differences", help="Write every key that does not agree to this file, CSV or Parquet."
        ),
    ] = None,
    largest: Annotated[
        int, typer.Option("--largest", min=0, max=1000, help="Keys to show of each state.")
    ] = 5,
    json: JsonOption = False,
) -> None:
    """Whether two extracts agree. Example: tieout compare bank.csv ledger.parquet --key ref=reference --amount amount

    Exit code 1 when they do not.
    """
    wanted = Wanted(
        key=tuple(column(one) for one in key), amount=_one(amount), currency=_one(currency),
        fields=tuple(column(one) for one in field or ()), tolerance=_number("--tolerance", tolerance),
        percent=_number("--percent", percent), delimiter=_delimiter(delimiter),
    )  # fmt: skip
    with (
        tempfile.TemporaryDirectory(prefix="tieout-compare-") as folder,
        Store(f"chdb://{folder}/store") as store,
    ):
        migrate.replace_views(store, migrate.FUNCTIONS)
        compared = compare(store, left, right, wanted, largest=largest, differences=differences)
    if json:
        print_json({"agree": compared.agree, "states": compared.states})
    else:
        _print(left, right, compared.states)
        if differences:
            message(f"every key that does not agree is in {differences}")
    raise typer.Exit(0 if compared.agree else 1)


def _print(left: Path, right: Path, states: Sequence[Mapping[str, Any]]) -> None:
    rows = [{name: value for name, value in row.items() if name != "largest"} for row in states]
    print_table([*rows, *_totals(rows)], title=f"left is {left.name}, right is {right.name}")
    for row in states:
        if row["largest"]:
            out.print()
            title = " ".join(filter(None, (row["state"], row.get("currency"))))
            shown = [{**one, "fields": ", ".join(one["fields"])} for one in row["largest"]]
            print_table(shown, title=f"{title}: {len(shown)} of {row['keys']:,}")


def _totals(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each currency comes to."""
    totals = []
    for currency in sorted({row.get("currency", "") for row in rows}):
        ours = [row for row in rows if row.get("currency", "") == currency]
        numbers = [name for name in ours[0] if name not in ("state", "currency")]
        total = {name: sum(row[name] for row in ours) for name in numbers}
        totals.append({"state": "total", "currency": currency, **total})
    return totals


def _one(text: str) -> Column | None:
    return column(text) if text else None


def _number(option: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal(-1)
    if not number.is_finite() or number < 0:
        raise ConfigurationError(f"{option}: {text!r} is not a number from 0 on, like 0.01")
    return number


def _delimiter(text: str) -> str:
    if len(text) != 1:
        raise ConfigurationError(f"--delimiter: {text!r} is not one character, like ';'")
    return text
