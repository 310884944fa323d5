"""What commands print: one JSON document or a table on standard output; progress and messages on standard error."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, SecretStr
from rich.console import Console
from rich.table import Table

# Into a file or a pipe there is no width to keep to.
out = Console(soft_wrap=False, highlight=False, width=None if sys.stdout.isatty() else 180)
err = Console(stderr=True, highlight=False)


def print_json(data: Any) -> None:
    """Writes one JSON document: decimals as text, times in ISO 8601 with zone."""
    sys.stdout.buffer.write(
        orjson.dumps(data, default=_plain, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    )
    sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()


def print_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None, title: str | None = None
) -> None:
    """Writes rows as a table; says so when there are none."""
    if not rows:
        out.print(f"{title + ': ' if title else ''}none")
        return
    names = list(columns or rows[0])
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for name in names:
        numeric = all(isinstance(row.get(name), int | float | Decimal | None) for row in rows)
        zone = " (UTC)" if any(isinstance(row.get(name), datetime) for row in rows) else ""
        table.add_column(
            name.replace("_", " ") + zone, justify="right" if numeric else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in names))
    out.print(table)


def message(text: str) -> None:
    """A line for the person at the terminal."""
    err.print(text, markup=False, soft_wrap=True)


def print_findings(findings: Iterable[Any], *, as_json: bool) -> None:
    """Findings, one a line as `file:line:column: …`, or as JSON."""
    listed = list(findings)
    if as_json:
        print_json({"findings": listed})
        return
    for finding in listed:
        out.print(finding.text(), markup=False, soft_wrap=True)


def _cell(value: Any) -> str:
    """Text as it is, never as markup: keys and titles come from other systems."""
    if value is None:
        return "—"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value).replace("[", "\\[")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value.normalize() if value else value, "f")
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, SecretStr):
        return "**********"
    if isinstance(value, Path | datetime):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)
