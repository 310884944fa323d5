"""Telemetry tables in another database of the store are followed, whichever release of the exporter made them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.follow import follow
from core.errors import ConfigurationError
from store.client import Store
from store.sqlfile import statements
from tieout.project import load_project

GENERATIONS = Path(__file__).parent / "generations"
TABLES = ("otel_traces", "otel_logs")
SPANS = "SELECT * EXCEPT (known_at, request_id, request_items) FROM otel_traces ORDER BY Timestamp, SpanId"
LOGS = "SELECT Body, EventName, LogAttributes, ResourceAttributes FROM otel_logs ORDER BY Body"
NAMES = {"traces_released": "released", "traces_next": "next", "json": "json"}


@pytest.fixture
def other(store: Store) -> Iterator[Store]:
    """A store that follows nothing any more afterwards."""
    yield store
    follow(store, [])
    for database in NAMES.values():
        store.command("DROP DATABASE IF EXISTS {name:Identifier}", {"name": database})


def run(store: Store, file: str, database: str) -> None:
    for text in statements((GENERATIONS / file).read_text()):
        store.command(text.replace(" otel_", f" {database}.otel_"))


def made(store: Store, generation: str) -> str:
    """A database with tables of this generation and rows in them."""
    database = NAMES[generation]
    store.command("CREATE DATABASE {name:Identifier}", {"name": database})
    run(store, f"{generation}.sql", database)
    run(store, f"rows_{generation}.sql", database)
    return database


def one_more(store: Store, generation: str) -> None:
    *_, record = statements((GENERATIONS / f"rows_{generation}.sql").read_text())
    store.command(record.replace(" otel_", f" {NAMES[generation]}.otel_").replace("NEWER", "NEWEST"))


def rows(store: Store) -> list[list[dict[str, Any]]]:
    return [store.rows(query) for query in (SPANS, LOGS)]


def test_every_generation_becomes_the_same_rows_once(other: Store) -> None:
    found = {}
    for generation in NAMES:
        database = made(other, generation)
        before = other.rows("SELECT count() FROM {d:Identifier}.otel_traces", {"d": database})
        assert follow(other, [database]) == [f"{database}.{table}" for table in TABLES]
        one_more(other, generation)
        assert follow(other, [database]) == []
        found[generation] = rows(other)
        # As after an end halfway: what is there already is not taken again.
        for table in TABLES:
            names = {"done": f"follow/{database}/{table}", "begun": f"follow_begun/{database}/{table}"}
            other.command("RENAME TABLE {done:Identifier} TO {begun:Identifier}", names)
        assert follow(other, [database]) == [f"{database}.{table}" for table in TABLES]
        assert rows(other) == found[generation]
        assert other.rows("SELECT count() FROM {d:Identifier}.otel_traces", {"d": database}) == before
        for table in TABLES:
            other.command("TRUNCATE TABLE {table:Identifier}", {"table": table})
    spans, logs = found["traces_next"]
    assert found["json"] == [spans, logs]
    assert found["traces_released"][0] == spans
    assert [row["Body"] for row in found["traces_released"][1]] == [row["Body"] for row in logs]
    assert [row["Body"] for row in logs] == ["order NEWER acknowledged", "order NEWEST acknowledged"]
    assert [span["SpanAttributes"]["tieout.object.order"] for span in spans] == ["4711", "4720", "4730"]
    assert spans[0]["Links.Attributes"] == [{"tieout.object.order": '["4713","4714"]'}]


def test_what_is_no_longer_named_is_no_longer_followed(other: Store) -> None:
    database = made(other, "json")
    follow(other, [database])
    follow(other, [])
    one_more(other, "json")
    assert len(rows(other)[1]) == 1
    # Named again: what came meanwhile is taken.
    follow(other, [database])
    assert len(rows(other)[1]) == 2


def test_a_database_without_such_tables_is_a_mistake(other: Store) -> None:
    with pytest.raises(ConfigurationError, match="'nowhere' has no table otel_traces or otel_logs"):
        follow(other, ["nowhere"])


def test_what_another_program_stored_cannot_keep_a_privacy_policy(tmp_path: Path) -> None:
    (tmp_path / "tieout.yaml").write_text(
        "title: t\nprivacy: {attributes: [http.route], keys: [{id: k1, secret: {env: KEY}}]}\ntelemetry_from: [otel]\n"
    )
    said = [finding.text() for finding in load_project(tmp_path)[1] if "telemetry_from" in finding.text()]
    assert len(said) == 1
    assert "tieout.yaml:3:" in said[0]
