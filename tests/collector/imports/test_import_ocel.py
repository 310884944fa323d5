"""OCEL 2.0 in its three shapes: what the tables mean, what does not fit together, what is held back."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from import_site import NOW, Site, facts, utc

from collector.imports import ImportFailedError, find_mapping, import_files, load_mappings, tail
from store.client import Store
from workflows.load import load_workflows

DATA = Path(__file__).parent / "data"
DEMO = Path(__file__).resolve().parents[3] / "examples" / "demo"

MAPPING = """
mapping: order_objects
workflow: orders
format: ocel2
match: ["log*"]
ocel2:
  currency: EUR
  objects:
    PO: {type: order, fields: [status, vendor]}
    order line: {type: line, fields: [price], amount: {multiply: [price, count]}}
    bill: {type: invoice, amount: {column: total}}
  ignore: [truck]
  link_targets: {billed by: invoice}
  event_amount: {Sent: line, Invoice: invoice}
  dims: {department: team, supplier: {object: order, field: vendor}}
  attributes: [answer]
  actor: clerk
"""

# Rows of the tables, in the columns of the standard's relational form.
LOG: dict[str, list[dict[str, str]]] = {
    "event_map_type": [{"ocel_type": "Sent", "ocel_type_map": "Sent"}, {"ocel_type": "Invoice", "ocel_type_map": "Bill"}],
    "object_map_type": [
        {"ocel_type": "PO", "ocel_type_map": "PO"}, {"ocel_type": "order line", "ocel_type_map": "Line"},
        {"ocel_type": "bill", "ocel_type_map": "Bill"}, {"ocel_type": "truck", "ocel_type_map": "Truck"},
    ],
    "event": [{"ocel_id": "e1", "ocel_type": "Sent"}, {"ocel_id": "e2", "ocel_type": "Invoice"}],
    "event_Sent": [{"ocel_id": "e1", "ocel_time": "2026-01-01T08:00:00Z", "team": "ICU", "answer": "yes", "clerk": "ann"}],
    "event_Bill": [{"ocel_id": "e2", "ocel_time": "2026-01-03T08:00:00Z", "team": "", "answer": "", "clerk": ""}],
    "object": [
        {"ocel_id": "a1", "ocel_type": "PO"}, {"ocel_id": "l1", "ocel_type": "order line"},
        {"ocel_id": "l2", "ocel_type": "order line"}, {"ocel_id": "i1", "ocel_type": "bill"},
        {"ocel_id": "t1", "ocel_type": "truck"},
    ],
    "object_PO": [
        {"ocel_id": "a1", "ocel_time": "1970-01-01T00:00:00Z", "ocel_changed_field": "", "status": "open", "vendor": "ACME"},
        {"ocel_id": "a1", "ocel_time": "2026-01-02T08:00:00Z", "ocel_changed_field": "status", "status": "sent", "vendor": ""},
        {"ocel_id": "a1", "ocel_time": "2026-01-02T08:00:00Z", "ocel_changed_field": "vendor", "status": "", "vendor": "Bolt"},
        {"ocel_id": "a1", "ocel_time": "2026-01-04T08:00:00Z", "ocel_changed_field": "status", "status": "", "vendor": ""},
    ],
    "object_Line": [
        {"ocel_id": "l1", "ocel_time": "1970-01-01T00:00:00Z", "ocel_changed_field": "", "price": "2.5", "count": "3"},
        {"ocel_id": "l2", "ocel_time": "1970-01-01T00:00:00Z", "ocel_changed_field": "", "price": "0.1", "count": "1"},
    ],
    "object_Bill": [{"ocel_id": "i1", "ocel_time": "1970-01-01T00:00:00Z", "ocel_changed_field": "", "total": "7.60"}],
    "object_Truck": [],
    "event_object": [
        {"ocel_event_id": "e1", "ocel_object_id": "a1", "ocel_qualifier": "order"},
        {"ocel_event_id": "e1", "ocel_object_id": "l1", "ocel_qualifier": "line"},
        {"ocel_event_id": "e1", "ocel_object_id": "l2", "ocel_qualifier": "line"},
        {"ocel_event_id": "e1", "ocel_object_id": "t1", "ocel_qualifier": "by"},
        {"ocel_event_id": "e2", "ocel_object_id": "a1", "ocel_qualifier": "order"},
        {"ocel_event_id": "e2", "ocel_object_id": "i1", "ocel_qualifier": "bill"},
    ],
    "object_object": [
        {"ocel_source_id": "a1", "ocel_target_id": "l1", "ocel_qualifier": "has"},
        {"ocel_source_id": "a1", "ocel_target_id": "i1", "ocel_qualifier": "billed by"},
        {"ocel_source_id": "a1", "ocel_target_id": "i9", "ocel_qualifier": "billed by"},
        {"ocel_source_id": "a1", "ocel_target_id": "t1", "ocel_qualifier": "came with"},
    ],
}  # fmt: skip
HEADERS = {
    "event": ["ocel_id", "ocel_type"], "object": ["ocel_id", "ocel_type"],
    "event_object": ["ocel_event_id", "ocel_object_id", "ocel_qualifier"],
    "object_object": ["ocel_source_id", "ocel_target_id", "ocel_qualifier"],
}  # fmt: skip

Log = dict[str, list[dict[str, str]]]


def changed(table: str, *rows: dict[str, str], without: int | None = None) -> Log:
    """The log with more rows in one table, or without one of its rows."""
    kept = [row for number, row in enumerate(LOG[table]) if number != without]
    return {**LOG, table: [*kept, *rows]}


def texts(log: Log) -> dict[str, bytes]:
    out = {}
    for table, rows in log.items():
        text = io.StringIO()
        names = list(dict.fromkeys(name for row in rows for name in row)) or HEADERS.get(
            table, ["ocel_id", "ocel_time"]
        )
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        out[f"{table}.csv"] = text.getvalue().encode()
    return out


def as_folder(site: Site, log: Log) -> Path:
    folder = site.folder / "files" / "log"
    folder.mkdir(exist_ok=True)
    for name, content in texts(log).items():
        (folder / name).write_bytes(content)
    return folder


def as_tar(site: Site, log: Log, name: str = "log.tar.gz") -> Path:
    path = site.folder / "files" / name
    with tarfile.open(path, "w:" + name.rsplit(".", 1)[-1].replace("tar", "")) as archive:
        for entry, content in texts(log).items():
            info = tarfile.TarInfo(f"deep/er/{entry}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def as_zip(site: Site, log: Log) -> Path:
    path = site.folder / "files" / "log.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in texts(log).items():
            archive.writestr(name, content)
    return path


def as_sqlite(site: Site, log: Log) -> Path:
    path = site.folder / "files" / "log.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        for table, rows in log.items():
            names = list(dict.fromkeys(name for row in rows for name in row)) or HEADERS.get(
                table, ["ocel_id", "ocel_time"]
            )
            columns = ", ".join(f'"{name}" TEXT' for name in names)
            database.execute(f'CREATE TABLE "{table}" ({columns})')
            marks = ", ".join("?" for _ in names)
            database.executemany(
                f'INSERT INTO "{table}" VALUES ({marks})',
                [[row.get(n) or None for n in names] for row in rows],
            )
    return path


def as_json(site: Site, log: Log) -> Path:
    """The same log in the standard's JSON form."""
    kinds = {row["ocel_type_map"]: row["ocel_type"] for row in log["event_map_type"]}
    known = {"ocel_id", "ocel_time", "ocel_changed_field"}

    def attributes(row: dict[str, str], **more: str) -> list[dict[str, Any]]:
        only = row.get("ocel_changed_field")
        return [
            {"name": name, "value": json.loads(value) if value.replace(".", "").isdigit() else value, **more}
            for name, value in row.items()
            if name not in known and value and (not only or name == only)
        ]

    def links(table: str, source: str, target: str, key: str) -> list[dict[str, str]]:
        return [
            {"objectId": row[target], "qualifier": row["ocel_qualifier"]}
            for row in log[table]
            if row[source] == key
        ]

    rows = {
        name: entries for name, entries in log.items() if name not in ("event_map_type", "object_map_type")
    }
    events = [
        {
            "id": row["ocel_id"], "type": kinds[table.removeprefix("event_")], "time": row["ocel_time"], "attributes": attributes(row),
            "relationships": links("event_object", "ocel_event_id", "ocel_object_id", row["ocel_id"]),
        }
        for table, entries in rows.items()
        if table.startswith("event_") and table != "event_object"
        for row in entries
    ]  # fmt: skip
    states = [
        row
        for table, entries in rows.items()
        if table.startswith("object_") and table != "object_object"
        for row in entries
    ]
    objects = [
        {
            "id": row["ocel_id"],
            "type": row["ocel_type"],
            "attributes": [
                value
                for state in states
                if state["ocel_id"] == row["ocel_id"]
                for value in attributes(state, time=state["ocel_time"])
            ],
            "relationships": links("object_object", "ocel_source_id", "ocel_target_id", row["ocel_id"]),
        }
        for row in log["object"]
    ]
    text = json.dumps(
        {"eventTypes": [], "objectTypes": [{"name": "PO"}], "events": events, "objects": objects}, indent=1
    )
    return site.file("log.json", text)


SHAPES: list[Callable[[Site, Log], Path]] = [as_folder, as_tar, as_zip, as_sqlite, as_json]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_the_log_gives_the_same_facts(site: Site, shape: Callable[[Site, Log], Path]) -> None:
    result = site.run(MAPPING, shape(site, LOG))
    assert site.events("step", "occurred_at", "objects.type", "objects.key", "amount", "currency", "actor", "dims", "attributes") == [
        (
            "po.sent", utc("2026-01-01T08:00"), ["line", "line", "order"], ["l1", "l2", "A1"], Decimal("7.6"), "EUR", "ann",
            {"department": "ICU", "supplier": "ACME"}, {"answer": "yes"},
        ),
        (
            "po.billed", utc("2026-01-03T08:00"), ["invoice", "order"], ["i1", "A1"], Decimal("7.6"), "EUR", "",
            {"supplier": "Bolt"}, {},
        ),
    ]  # fmt: skip
    assert site.snapshots("object_type", "object_key", "fields", "amount", "valid_from") == [
        ("invoice", "i1", {}, Decimal("7.6"), utc("2026-01-03T08:00")),
        ("line", "l1", {"price": "2.5"}, Decimal("7.5"), utc("2026-01-01T08:00")),
        ("line", "l2", {"price": "0.1"}, Decimal("0.1"), utc("2026-01-01T08:00")),
        ("order", "A1", {"status": "open", "vendor": "ACME"}, None, utc("2026-01-01T08:00")),
        ("order", "A1", {"status": "sent", "vendor": "Bolt"}, None, utc("2026-01-02T08:00")),
    ]
    assert site.links("from_type", "from_key", "role", "to_type", "to_key", "valid_from") == [
        ("order", "A1", "billed by", "invoice", "i1", utc("2026-01-03T08:00")),
        ("order", "A1", "billed by", "invoice", "i9", utc("2026-01-01T08:00")),
        ("order", "A1", "has", "line", "l1", utc("2026-01-01T08:00")),
    ]
    empty = {} if shape is as_json else {"empty_changes": 1}
    assert (result.rejected, result.ignored) == ({}, {"ignored_objects": 1, **empty})
    assert (result.first_at, result.last_at) == (utc("2026-01-01T08:00"), utc("2026-01-03T08:00"))


@pytest.mark.slow
def test_one_shape_after_the_other_adds_nothing(site: Site) -> None:
    site.run(MAPPING, as_tar(site, LOG, "log.tar.xz"))
    before = facts(site.store, "order_objects")
    for shape in SHAPES:
        result = site.run(MAPPING, shape(site, LOG), now=NOW + timedelta(days=1))
        assert (result.new, result.events.known, result.links.known, result.snapshots.known) == (0, 2, 3, 5)
    assert facts(site.store, "order_objects") == before


MISFITS = [
    ("event", {"ocel_id": "e8", "ocel_type": "Sent"}, "EVENT_WITHOUT_TIME"),
    ("event_Sent", {"ocel_id": "e9", "ocel_time": "2026-01-01T08:00:00Z"}, "EVENT_UNDECLARED"),
    ("event_Sent", {"ocel_id": "e2", "ocel_time": "2026-01-01T08:00:00Z"}, "EVENT_UNDECLARED"),
    ("object", {"ocel_id": "s1", "ocel_type": "ship"}, "TYPE_UNMAPPED"),
    ("object", {"ocel_id": "a1", "ocel_type": "bill"}, "OBJECT_TYPE_CONFLICT"),
    ("object", {"ocel_id": "", "ocel_type": "PO"}, "KEY_EMPTY"),
    ("object_PO", {"ocel_id": "a9", "ocel_time": "1970-01-01T00:00:00Z"}, "OBJECT_UNDECLARED"),
    ("object_PO", {"ocel_id": "a1", "ocel_time": "then", "status": "x"}, "TIME_UNPARSABLE"),
    (
        "object_Bill",
        {"ocel_id": "i1", "ocel_time": "2026-01-05T08:00:00Z", "total": "much"},
        "AMOUNT_UNPARSABLE",
    ),
    (
        "event_object",
        {"ocel_event_id": "e9", "ocel_object_id": "a1", "ocel_qualifier": "q"},
        "EVENT_UNDECLARED",
    ),
    (
        "event_object",
        {"ocel_event_id": "e1", "ocel_object_id": "a9", "ocel_qualifier": "q"},
        "OBJECT_UNDECLARED",
    ),
    (
        "object_object",
        {"ocel_source_id": "a9", "ocel_target_id": "i1", "ocel_qualifier": "q"},
        "OBJECT_UNDECLARED",
    ),
    (
        "object_object",
        {"ocel_source_id": "a1", "ocel_target_id": "x9", "ocel_qualifier": "q"},
        "OBJECT_UNDECLARED",
    ),
]


def test_what_does_not_fit_together_is_set_aside_and_the_rest_comes_in(site: Site) -> None:
    log = dict(LOG)
    for table, row, _ in MISFITS:
        log[table] = [*log[table], row]
    result = site.run(MAPPING, as_folder(site, log))
    expected = sorted(
        (f"log/{table}.csv", log[table].index(row) + 2, reason) for table, row, reason in MISFITS
    )
    assert site.rejects("file", "line", "reason") == expected
    assert sum(result.rejected.values()) == len(MISFITS)
    assert (result.events.new, result.links.new, result.snapshots.new) == (2, 3, 5)
    assert all(site.rejects("detail")[number][0] for number in range(len(MISFITS)))


def test_an_event_without_object_or_time_is_set_aside(site: Site) -> None:
    log = {
        **LOG,
        "event": [
            *LOG["event"],
            {"ocel_id": "e3", "ocel_type": "Sent"},
            {"ocel_id": "e4", "ocel_type": "Sent"},
        ],
        "event_Sent": [
            *LOG["event_Sent"],
            {"ocel_id": "e3", "ocel_time": ""},
            {"ocel_id": "e4", "ocel_time": "2026-01-09"},
        ],
    }
    site.run(MAPPING, as_folder(site, log))
    assert site.rejects("line", "reason", "fields['ocel_id']") == [
        (3, "TIME_EMPTY", "e3"),
        (4, "KEY_EMPTY", "e4"),
    ]


def test_an_object_nothing_is_said_of_exists_all_the_same(site: Site) -> None:
    site.run(MAPPING, as_folder(site, changed("object", {"ocel_id": "a2", "ocel_type": "PO"})))
    assert ("A2", {}, datetime(1970, 1, 1, tzinfo=UTC)) in site.snapshots(
        "object_key", "fields", "valid_from"
    )


def test_an_object_first_described_later_exists_from_its_first_event(site: Site) -> None:
    log = {**changed("object_Bill", without=0)}
    log["object_Bill"] = [
        {"ocel_id": "i1", "ocel_time": "2026-01-08T08:00:00Z", "ocel_changed_field": "total", "total": "9"}
    ]
    site.run(MAPPING, as_folder(site, log))
    assert site.snapshots("object_key", "amount", "valid_from")[:2] == [
        ("i1", None, utc("2026-01-03T08:00")), ("i1", Decimal(9), utc("2026-01-08T08:00")),
    ]  # fmt: skip
    assert site.events("step", "amount")[-1] == ("po.billed", None)


def test_first_values_never_hold_later_than_the_first_change(site: Site) -> None:
    early = {
        "ocel_id": "a1",
        "ocel_time": "2025-12-01T08:00:00Z",
        "ocel_changed_field": "status",
        "status": "draft",
    }
    site.run(MAPPING, as_folder(site, changed("object_PO", early)))
    states = [
        row[1:]
        for row in site.snapshots("object_key", "fields['status']", "fields['vendor']", "valid_from")
        if row[0] == "A1"
    ]
    assert states == [("draft", "ACME", utc("2025-12-01T08:00")), ("sent", "Bolt", utc("2026-01-02T08:00"))]
    assert site.rejects("reason") == []


def test_a_change_may_carry_its_value_in_a_column_of_its_own(site: Site) -> None:
    row = {
        "ocel_id": "a1",
        "ocel_time": "2026-01-06T08:00:00Z",
        "ocel_changed_field": "status",
        "status": "",
        "new_value": "done",
    }
    site.run(MAPPING, as_folder(site, changed("object_PO", row)))
    assert site.snapshots("object_key", "fields['status']", "valid_from")[-1] == (
        "A1",
        "done",
        utc("2026-01-06T08:00"),
    )


def test_numbers_in_json_keep_their_digits(site: Site) -> None:
    path = as_json(site, LOG)
    path.write_text(path.read_text().replace("7.6", "12345678901234567890.123456"))
    site.run(MAPPING, path)
    assert ("i1", Decimal("12345678901234567890.123456")) in site.snapshots("object_key", "amount")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "breaks off or is not JSON at the end of the log"),
        ("[]", "is no OCEL 2.0 JSON"),
        ('{"events": [{"id": "e1"}', "breaks off or is not JSON"),
        ('{"events": [1]}', "record 1 of 'events' is no object"),
        ('{"events": [{"id": "e1", "time": "2026-', "breaks off or is not JSON at record 1 of events"),
    ],
)
def test_json_that_breaks_off_is_refused_with_its_place(site: Site, text: str, message: str) -> None:
    with pytest.raises(ImportFailedError, match=message):
        site.run(MAPPING, site.file("log.json", text))
    assert site.events("step") == []


def test_a_missing_table_and_a_foreign_file_are_named(site: Site) -> None:
    log = {name: rows for name, rows in LOG.items() if name != "object_object"}
    with pytest.raises(ImportFailedError, match=r"log\.zip: the table object_object is missing"):
        site.run(MAPPING, as_zip(site, log))
    with pytest.raises(ImportFailedError, match=r"log\.sqlite: is no readable SQLite database"):
        site.run(
            MAPPING, site.file("log.sqlite", b"not a database at all, but long enough to be looked at" * 10)
        )
    with pytest.raises(ImportFailedError, match=r"is no OCEL 2\.0 log"):
        site.run(MAPPING, site.file("log.xml", "<x/>"))


@pytest.mark.parametrize("name", ["log.tar", "log.tar.gz", "log.tar.xz", "log.zip"])
def test_an_archive_that_breaks_off_is_refused(site: Site, name: str) -> None:
    path = as_zip(site, LOG) if name == "log.zip" else as_tar(site, LOG, name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImportFailedError, match=r"damaged|ends in the middle|is missing"):
        site.run(MAPPING, path)
    assert site.events("step") == []


def test_what_lies_after_until_is_held_back_and_the_tail_gives_exactly_that(site: Site) -> None:
    mapping, path = site.mapping(MAPPING + "  complete_through: last_event\n"), as_zip(site, LOG)
    until = utc("2026-01-02T08:00")
    result = site.run(mapping, path, until=until)
    assert (result.events.held_back, result.links.held_back, result.snapshots.held_back) == (1, 1, 2)
    assert result.watermark == utc("2026-01-01T08:00")
    rest = tail(site.store, mapping, site.workflows["orders"], [path], until, NOW)
    assert rest.events.select(["activity", "occurred_at", "amount"]).to_pylist() == [
        {"activity": "Invoice", "occurred_at": utc("2026-01-03T08:00"), "amount": Decimal("7.600000")}
    ]
    assert rest.links.column("to_key").to_pylist() == ["i1"]
    assert rest.snapshots.select(["object_key", "valid_from"]).to_pylist() == [
        {"object_key": "A1", "valid_from": until}, {"object_key": "i1", "valid_from": utc("2026-01-03T08:00")},
    ]  # fmt: skip
    later = site.run(mapping, path, now=NOW + timedelta(days=1))
    assert (later.events.new, later.links.new, later.snapshots.new) == (1, 1, 2)


def test_logs_that_pm4py_wrote_as_json_and_as_sqlite_give_the_same_facts(store: Store) -> None:
    workflows, _ = load_workflows()
    mappings, _ = load_mappings(DEMO / "mappings", workflows)
    mapping, _ = mappings["procure_to_payment"]
    assert find_mapping(DEMO / "data" / "ocel2_procure_to_payment.tar.xz", mappings) == mapping
    workflow = workflows[mapping.workflow]
    first = import_files(store, mapping, workflow, [DATA / "pm4py_p2p.json"], NOW)
    assert (first.events.new, first.links.new, first.snapshots.new, first.rejected) == (60, 95, 75, {})
    changed = store.rows(
        "SELECT valid_from, fields FROM snapshots WHERE object_key = 'purchase_order:2' ORDER BY valid_from"
    )
    assert [row["fields"]["ReleaseStatusEKKOFRGZU"] for row in changed] == ["Fully Approved", "Blocked"]
    assert changed[1]["valid_from"] == utc("2022-04-09T12:00")
    second = import_files(store, mapping, workflow, [DATA / "pm4py_p2p.sqlite"], NOW + timedelta(days=1))
    assert (second.new, second.events.known, second.links.known, second.snapshots.known) == (0, 60, 95, 75)
