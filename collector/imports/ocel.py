"""OCEL 2.0 in its three shapes (JSON, SQLite, the tables as CSV), read into the same parts.

`event` (declared events), `event_row` (their time and attributes), `object` (declared objects), `object_row`
(their attributes, at a time), `event_object` and `object_object` (links); columns as in the SQLite schema.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

from collector.imports import ocel_json
from collector.imports.csv_file import Text
from collector.imports.errors import ImportFailedError
from collector.imports.mapping import CsvOptions
from collector.imports.rows import Item, Rows, from_dicts
from collector.imports.source import Opener, Source

COLUMNS = frozenset(
    {
        "ocel_id", "ocel_type", "ocel_time", "ocel_changed_field", "new_value",
        "ocel_event_id", "ocel_object_id", "ocel_source_id", "ocel_target_id", "ocel_qualifier",
    }
)  # fmt: skip
_PLAIN = ("event", "object", "event_object", "object_object")
_SQLITE = (".sqlite", ".sqlite3", ".db")
_JSON = (".json", ".jsonocel", ".json.gz", ".jsonocel.gz")

# A type of events or objects, and the ending of the name of its table.
TypeTable = tuple[str, str]


def read(source: Source, needed: frozenset[str]) -> Iterator[Item]:
    """The parts of the log in `source`; only `needed` attributes.

    Raises ImportFailedError when it cannot be read to its end, or is none of the three shapes.
    """
    name = source.name.lower()
    if source.is_archive:
        yield from _tables(source, needed | COLUMNS)
    elif name.endswith(_SQLITE):
        yield from _database(source, needed | COLUMNS)
    elif name.endswith(_JSON):
        yield from ocel_json.read(source, needed | COLUMNS)
    else:
        endings = ", ".join((*_JSON, *_SQLITE, ".zip", ".tar.gz", ".tar.xz"))
        raise ImportFailedError(
            source.name, "is no OCEL 2.0 log", f"it ends in {endings}, or is a folder of tables"
        )


def _plan(
    source: Source, types: Callable[[str], list[TypeTable]]
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Which table is which part: name of the table, part, what all of its rows have in common."""
    for table in _PLAIN:
        yield table, table, {}
    for kind in ("event", "object"):
        for name, ending in types(f"{kind}_map_type"):
            if not name or not ending:
                raise ImportFailedError(
                    source.name, f"the table {kind}_map_type has an empty value", "correct it"
                )
            yield f"{kind}_{ending}".lower(), f"{kind}_row", {"ocel_type": name}


def _type_tables(rows: list[dict[str, str]]) -> list[TypeTable]:
    return [(row.get("ocel_type", ""), row.get("ocel_type_map", "")) for row in rows]


def _missing(source: Source, table: str) -> ImportFailedError:
    return ImportFailedError(source.name, f"the table {table} is missing", "add it, empty if need be")


def _tables(source: Source, needed: frozenset[str]) -> Iterator[Item]:
    with source.members() as members:
        texts = {
            name.lower().removesuffix(".csv"): _text(source, name, opener) for name, opener in members.items()
        }

        def types(table: str) -> list[TypeTable]:
            if table not in texts:
                raise _missing(source, table)
            batches = (item for item in texts[table].rows(None, table) if isinstance(item, Rows))
            return _type_tables([dict(row) for batch in batches for row in batch.fields.to_pylist()])

        for table, part, constant in _plan(source, types):
            if table not in texts:
                raise _missing(source, table)
            yield from texts[table].rows(needed, part, constant)


def _text(source: Source, name: str, opener: Opener) -> Text:
    return Text(opener, f"{source.name}/{name}", CsvOptions())


def _database(source: Source, needed: frozenset[str]) -> Iterator[Item]:
    try:
        with closing(sqlite3.connect(f"{source.path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA query_only = ON")
            found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = {str(name).lower(): str(name) for (name,) in found}

            def rows(table: str, constant: dict[str, str]) -> Iterator[dict[str, str]]:
                if table not in tables:
                    raise _missing(source, table)
                return _rows(database, tables[table], constant)

            for table, part, constant in _plan(source, lambda table: _type_tables(list(rows(table, {})))):
                yield from from_dicts(part, f"{source.name}/{table}", rows(table, constant), needed)
            source.count(source.size)
    except sqlite3.Error as error:
        raise ImportFailedError(
            source.name, f"is no readable SQLite database ({type(error).__name__})"
        ) from None


def _rows(database: sqlite3.Connection, table: str, constant: dict[str, str]) -> Iterator[dict[str, str]]:
    quoted = '"' + table.replace('"', '""') + '"'
    found = database.execute(f"SELECT * FROM {quoted}")  # noqa: S608 - a table of this very file, quoted
    names = [column[0] for column in found.description]
    for row in found:
        yield {name: _value(value) for name, value in zip(names, row, strict=True)} | constant


def _value(value: object) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
