"""One picture of verdicts and exceptions, worked out once and read by every query of a publication.

A query that asks `verdicts_at` or `exceptions_at` for the as-of pair of the publication reads the kept table
instead. The rows are the same; that every KPI of a publication sees the same ones is a gain of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from kpis.kpi import PARAMETERS
from store.client import Store
from store.sqlfile import read, statements

VIEWS = Path(__file__).parent / "views"

_FOLDER = Path(__file__).parent
_SOURCES = {"verdicts_at": "keep_verdicts.sql", "exceptions_at": "keep_exceptions.sql"}
_VIEW = re.compile(r"CREATE OR REPLACE VIEW (\w+) AS\s+(.*)", re.DOTALL)
_STALE = timedelta(days=1)


@contextmanager
def kept(
    store: Store, workflows: Sequence[str], as_of: datetime, known_at: datetime, now: datetime, run_id: str
) -> Iterator[Mapping[str, str]]:
    """Tables with what `verdicts_at` and `exceptions_at` say for (as_of, known_at), by name of the view.

    They are dropped at the end; those of a run that was killed, by the next one a day later.
    """
    for row in store.rows(read(_FOLDER / "left_over.sql"), {"before": now - _STALE}):
        _drop(store, row["name"])
    mark = hashlib.sha256(f"{run_id} {as_of.isoformat()} {known_at.isoformat()}".encode()).hexdigest()[:12]
    # The name says when: the engine's own time of creation is not to be relied on for a table that is new.
    tables = {view: f"kpi_kept_{view}_{int(now.timestamp())}_{mark}" for view in _SOURCES}
    params = {"as_of": as_of, "known_at": known_at, "workflows": list(workflows)}
    try:
        for view, table in tables.items():
            _drop(store, table)
            store.command(read(_FOLDER / _SOURCES[view]), {**params, "table": table})
        yield tables
    finally:
        for table in tables.values():
            _drop(store, table)


def from_kept(sql: str, tables: Mapping[str, str]) -> str:
    """`sql` with calls of the kept views replaced by their tables, also inside the views of this folder.

    A call for another as-of pair stays as it is.
    """
    pattern = re.compile(rf"\b({'|'.join([*tables, *definitions()])})\s*\(")
    match = pattern.search(sql)
    while match:
        end, arguments = _arguments(sql, match.end())
        name = match.group(1)
        if name not in tables:
            text = f"(\n{from_kept(_filled(definitions()[name], arguments), tables)}\n)"
        elif arguments == _SAME_PAIR:
            text = f"`{tables[name]}`"
        else:
            text = sql[match.start() : end]
        sql = sql[: match.start()] + text + sql[end:]
        match = pattern.search(sql, match.start() + len(text))
    return sql


@cache
def definitions() -> dict[str, str]:
    """The queries of the views with parameters in this folder, by name."""
    texts = (
        statement for file in sorted(VIEWS.glob("*.sql")) for statement in statements(file.read_text("utf-8"))
    )
    views = [match.groups() for text in texts if (match := _VIEW.match(text))]
    return {name: body for name, body in views if "{" in body}


def _placeholder(name: str) -> str:
    return f"{{{name}:{PARAMETERS[name]}}}"


_SAME_PAIR = {name: _placeholder(name) for name in ("as_of", "known_at")}


def _arguments(sql: str, start: int) -> tuple[int, dict[str, str]]:
    """Where the call that opened before `start` ends, and its arguments `name = value` as text."""
    depth, quoted, pieces, begin = 1, False, [], start
    for position in range(start, len(sql)):
        letter = sql[position]
        if letter == "'":
            quoted = not quoted
        elif not quoted:
            depth += letter in "({"
            depth -= letter in ")}"
            if depth == 0 or (depth == 1 and letter == ","):
                pieces.append(sql[begin:position])
                begin = position + 1
            if depth == 0:
                pairs = (piece.split("=", 1) for piece in pieces if "=" in piece)
                return position + 1, {name.strip(): value.strip() for name, value in pairs}
    return len(sql), {}


def _filled(body: str, arguments: Mapping[str, str]) -> str:
    """The query of a view with its parameters replaced by the arguments of a call."""

    def argument(match: re.Match[str]) -> str:
        return arguments.get(match.group(1), match.group(0))

    return re.sub(r"\{(\w+):(?:[^{}'\"]|'[^']*')+\}", argument, body)


def _drop(store: Store, table: str) -> None:
    store.command("DROP TABLE IF EXISTS {table:Identifier}", {"table": table})
