"""Telemetry that the Collector's ClickHouse exporter keeps in another database of the same store: followed, never changed.

Every release of the exporter has made other tables, also such with attributes as JSON; what comes into them comes into ours
from then on, by a materialised view, after all that is there already.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints

from collector.privacy import Privacy
from core.errors import ConfigurationError
from core.findings import Finding
from core.yamlfile import Parsed
from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"
TABLES = ("otel_traces", "otel_logs")
# A view that is not at the end of what was there before has a name of its own.
FOLLOWS, BEGINS = "follow", "follow_begun"

Database = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]

log = logging.getLogger(__name__)


def check(databases: Iterable[str], privacy: Privacy | None, parsed: Parsed) -> list[Finding]:
    """A privacy policy can't hold for what another program wrote."""
    if privacy is None or not tuple(databases):
        return []
    said = "telemetry_from takes spans as another program stored them, and privacy allows only some of them"
    return [parsed.finding(("telemetry_from",), said, "one of the two")]


def follow(store: Store, databases: Iterable[str]) -> list[str]:
    """Follows these databases and no others; gives the tables whose history was read.

    What is there already becomes known now. Ended halfway it goes on the next time, and takes nothing twice.
    Raises ConfigurationError when there is no such database, or none of the tables in it.
    """
    wanted = list(dict.fromkeys(databases))
    _leave(store, wanted)
    return [f"{database}.{table}" for database in wanted for table in _begin(store, database)]


def _leave(store: Store, wanted: list[str]) -> None:
    names = {
        f"{kind}/{database}/{table}" for kind in (FOLLOWS, BEGINS) for database in wanted for table in TABLES
    }
    for name in _views(store):
        if name not in names:
            store.command("DROP VIEW {view:Identifier}", {"view": name})


def _views(store: Store) -> set[str]:
    return {row["name"] for row in store.rows(read(SQL / "follow_views.sql"))}


def _begin(store: Store, database: str) -> list[str]:
    tables = {table: _columns(store, database, table) for table in TABLES}
    if not any(tables.values()):
        raise ConfigurationError(
            f"telemetry_from: database {database!r} has no table {' or '.join(TABLES)} that tieout may read"
        )
    begun = []
    for table, columns in tables.items():
        done, name = f"{FOLLOWS}/{database}/{table}", f"{BEGINS}/{database}/{table}"
        if columns and done not in _views(store):
            _fill(store, database, table, columns, name)
            store.command("RENAME TABLE {name:Identifier} TO {done:Identifier}", {"name": name, "done": done})
            begun.append(table)
    return begun


def _columns(store: Store, database: str, table: str) -> dict[str, str]:
    where = {"database": database, "table": table}
    return {row["name"]: row["type"] for row in store.rows(read(SQL / "follow_columns.sql"), where)}


def _fill(store: Store, database: str, table: str, columns: dict[str, str], name: str) -> None:
    """The view first, so that nothing comes in between; then what was there, hour by hour."""
    select = _select(table, columns)
    given = {"database": database, "view": name, "into": table}
    head = "CREATE MATERIALIZED VIEW IF NOT EXISTS {view:Identifier} TO {into:Identifier} AS\n"
    store.command(head + select, given)
    text = read(SQL / f"follow_history_{table}.sql").code.replace("{select}", select)
    hours: list[datetime] = [
        row["hour"] for row in store.rows(read(SQL / "follow_hours.sql"), {**given, "table": table})
    ]
    for number, hour in enumerate(hours, start=1):
        store.command(text, {**given, "hour": hour})
        log.info("%s.%s: hour %d of %d is read", database, table, number, len(hours))


def _select(table: str, columns: dict[str, str]) -> str:
    """The rows of such a table as ours are, by what its columns are."""
    as_json = columns["ResourceAttributes"].startswith("JSON")
    text, texts = ("attributes_of_json", "attributes_of_jsons") if as_json else ("identity", "identity")
    event_name = "EventName" if "EventName" in columns else "''"
    code = read(SQL / f"follow_{table}.sql").code
    return code.replace("{texts}", texts).replace("{text}", text).replace("{event_name}", event_name)
