"""One suite for the store, on the embedded handle and through the endpoint: nobody can tell which."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.client import Store
from store.errors import StoreError, StoreUnavailableError

NOON = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {
        "id": 1,
        "name": 'Ann\'s "A" \\ ;--',
        "amount": Decimal("12.345678"),
        "paid_at": NOON,
        "tags": ["a", "it's"],
        "dims": {"department": "ER"},
    },
    {"id": 2, "name": "漢字 \n\t\0", "amount": None, "paid_at": NOON, "tags": [], "dims": {}},
]


def test_rows_come_back_with_names_and_types(reader: Store) -> None:
    row = reader.one(
        "SELECT 1 AS a, 'x' AS b, toDecimal128('1.50', 2) AS c, [1, 2] AS d, map('k', 'v') AS e, NULL AS f"
    )
    assert row == {"a": 1, "b": "x", "c": Decimal("1.50"), "d": [1, 2], "e": {"k": "v"}, "f": None}


def test_times_come_back_aware_and_in_utc(reader: Store) -> None:
    assert reader.value("SELECT toDateTime64('2026-11-20 12:00:00.123456', 6, 'UTC')") == NOON
    assert reader.value("SELECT now()").tzinfo is not None
    assert reader.value("SELECT timezone()") == "UTC"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("String", 'it\'s "quoted" \\ back`tick {x:String} %s\n\t\r\0 — ünï'),
        ("String", ""),
        ("String", "'; DROP TABLE payments; --"),
        ("Nullable(String)", None),
        ("Nullable(String)", "NULL"),
        ("Nullable(String)", "\\N"),
        ("Nullable(Int32)", None),
        ("Int64", -(2**63)),
        ("UInt64", 2**64 - 1),
        ("Float64", 1.5),
        ("Bool", True),
        ("Decimal(38, 6)", Decimal("-12345678901234567890.123456")),
        ("Date", NOON.date()),
        ("Array(String)", ["a'b", "c\\", "", "d\ne"]),
        ("Array(Nullable(Int64))", [1, None]),
        ("Array(Array(String))", [["x"], []]),
        ("Tuple(String, Int64)", ("it's", 5)),
        ("Array(Tuple(String, String))", [("a", "b'"), ("c", "d")]),
        ("Map(String, String)", {"it's": 'a "value"', "b": "\\"}),
        ("Map(String, Array(Int64))", {"a": [1, 2]}),
    ],
)
def test_bound_parameters_arrive_as_they_were(reader: Store, kind: str, value: object) -> None:
    assert reader.value(f"SELECT {{x:{kind}}} AS x", {"x": value}) == value


def test_bound_times_keep_microseconds(reader: Store) -> None:
    assert reader.value("SELECT {x:DateTime64(6, 'UTC')}", {"x": "2026-11-20 12:00:00.123456"}) == NOON
    assert reader.value("SELECT {x:DateTime('UTC')}", {"x": NOON}) == NOON.replace(microsecond=0)
    assert reader.value("SELECT {x:Nullable(DateTime64(6, 'UTC'))}", {"x": None}) is None


def test_bound_identifiers_name_tables_and_columns(reader: Store, writer: Store) -> None:
    writer.insert("payments", ROWS)
    sql = "SELECT {c:Identifier} AS found FROM {t:Identifier} WHERE {t:Identifier}.id = 1"
    assert reader.value(sql, {"c": "name", "t": "payments"}) == ROWS[0]["name"]


def test_parameters_too_long_for_a_url_arrive(reader: Store) -> None:
    keys = [f"key-{number:06d}-é" for number in range(20_000)]
    assert reader.value("SELECT length({keys:Array(String)}) AS n", {"keys": keys}) == len(keys)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_text_survives_the_way_there_and_back(reader: Store, text: str) -> None:
    assert reader.one("SELECT {x:String} AS x, {xs:Array(String)} AS xs", {"x": text, "xs": [text]}) == {
        "x": text,
        "xs": [text],
    }


def test_rows_written_are_the_rows_read(writer: Store) -> None:
    writer.insert("payments", ROWS)
    assert writer.rows("SELECT * FROM payments ORDER BY id") == ROWS


def test_arrow_tables_go_in_and_come_out(writer: Store) -> None:
    given_table = pa.table({"id": pa.array([7, 8], pa.uint64()), "name": ["x", "y"]})
    writer.insert_arrow("payments", given_table)
    found = writer.table("SELECT id, name, amount, paid_at FROM payments ORDER BY id")
    assert found.column("name").to_pylist() == ["x", "y"]
    assert pa.types.is_string(found.schema.field("name").type)
    assert pa.types.is_decimal(found.schema.field("amount").type)
    assert str(found.schema.field("paid_at").type) == "timestamp[us, tz=UTC]"


def test_an_empty_arrow_result_keeps_its_columns(reader: Store) -> None:
    found = reader.table("SELECT id, name FROM payments WHERE 0")
    assert (found.num_rows, found.column_names) == (0, ["id", "name"])


def test_raw_bytes_go_in_by_format_and_come_out_by_format(writer: Store) -> None:
    writer.insert_raw("payments", b'{"id": 3, "name": "x;y"}\n{"id": 4, "name": "z"}\n', "JSONEachRow")
    assert writer.raw("SELECT id, name FROM payments ORDER BY id FORMAT CSV") == b'3,"x;y"\n4,"z"\n'
    answer = json.loads(writer.raw("SELECT count() AS n FROM payments", fmt="JSON"))
    assert int(answer["data"][0]["n"]) == 2


def test_the_same_token_writes_once_and_another_token_writes_again(writer: Store) -> None:
    for token in ("one", "one", "two"):
        writer.insert("payments", ROWS, settings={"insert_deduplication_token": token})
    assert writer.value("SELECT count() FROM payments") == 2 * len(ROWS)


def test_a_setting_holds_for_its_call_only(writer: Store) -> None:
    asked = writer.rows("SELECT getSetting('max_block_size') AS n", settings={"max_block_size": 17})
    assert asked == [{"n": 17}]
    assert writer.value("SELECT getSetting('max_block_size') AS n") != 17


def test_a_reader_cannot_write_or_change_the_schema(reader: Store) -> None:
    for statement in (
        "INSERT INTO payments (id) VALUES (1)",
        "INSERT INTO payments (id) SELECT 1",
        "TRUNCATE TABLE payments",
        "DROP TABLE payments",
        "CREATE TABLE other (a Int8) ENGINE = Memory",
        "ALTER TABLE payments DELETE WHERE 1",
    ):
        with pytest.raises(StoreError) as refused:
            reader.command(statement)
        assert refused.value.code == 164
    with pytest.raises(StoreError) as refused:
        reader.insert("payments", ROWS)
    assert refused.value.code == 164
    assert reader.value("SELECT count() FROM payments") == 0


@pytest.mark.parametrize(
    ("statement", "code", "says"),
    [
        ("SELECT * FROM no_such_table", 60, "no_such_table"),
        ("SELECT no_such_column FROM payments", 47, "no_such_column"),
        ("SELECT noSuchFunction(1)", 46, "noSuchFunction"),
        ("SELEC 1", 62, "Syntax error"),
        ("SELECT {x:String}", 456, "x"),
    ],
)
def test_errors_carry_the_engines_code_and_sentence(
    reader: Store, statement: str, code: int, says: str
) -> None:
    with pytest.raises(StoreError) as refused:
        reader.rows(statement)
    assert refused.value.code == code
    assert says in str(refused.value)


def test_errors_never_quote_rows_or_values(reader: Store, writer: Store) -> None:
    writer.insert("payments", [{"id": 1, "name": "MRN-CANARY-77"}])
    attempts: list[Callable[[], object]] = [
        lambda: reader.rows("SELECT toUInt8(name) FROM payments"),
        lambda: reader.rows("SELECT throwIf(id = 1, name) FROM payments"),
        lambda: reader.rows("SELECT toUInt8({x:String})", {"x": "MRN-CANARY-77"}),
        lambda: reader.rows("SELECT {x:UInt8}", {"x": "MRN-CANARY-77"}),
        lambda: reader.rows("SELECT nope({x:String})", {"x": "MRN-CANARY-77"}),
        lambda: reader.rows("SELECT parseTimeDelta(name) FROM payments"),
        lambda: writer.insert_raw("payments", b'{"id": "MRN-CANARY-77"}', "JSONEachRow"),
        lambda: writer.insert_raw("payments", b"(1, MRN-CANARY-77)", "Values"),
        lambda: writer.insert_raw("payments", b"MRN-CANARY-77", "CSV"),
    ]
    for attempt in attempts:
        with pytest.raises(StoreError) as refused:
            attempt()
        assert "CANARY" not in str(refused.value)
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__


def test_a_failed_query_leaves_nothing_for_the_next(reader: Store) -> None:
    """The engine keeps what a query wrote before it failed, and would put it before the next result."""
    for _ in range(3):
        with pytest.raises(StoreError):
            reader.rows(
                "SELECT number, throwIf(number = 300000) FROM numbers(400000) SETTINGS max_block_size = 1000"
            )
        assert reader.rows("SELECT 'mine' AS x") == [{"x": "mine"}]


def test_a_large_result_is_whole(reader: Store) -> None:
    rows = reader.table("SELECT number, repeat(toString(number % 10), 30) AS text FROM numbers(600000)")
    assert rows.num_rows == 600_000
    assert pa.compute.sum(rows.column("number")).as_py() == sum(range(600_000))
    native = reader.rows("SELECT number, toString(number) AS text FROM numbers(300000)")
    assert [native[0], native[-1]] == [{"number": 0, "text": "0"}, {"number": 299_999, "text": "299999"}]
    assert len(native) == 300_000


def test_a_large_insert_is_whole(writer: Store) -> None:
    count = 250_000
    data = pa.table({"id": pa.array(range(count), pa.uint64()), "name": ["n" * 20] * count})
    writer.insert_arrow("payments", data)
    assert writer.one("SELECT count() AS n, sum(id) AS s FROM payments") == {
        "n": count,
        "s": sum(range(count)),
    }


def test_parameters_of_two_facilities_never_mix(way: Callable[..., Store]) -> None:
    """Eight threads on four handles: each gets what it asked for, every time."""
    wrong: list[object] = []
    handles = [way(read_only=True) for _ in range(4)]

    def work(handle: Store, facility: str) -> None:
        for number in range(60):
            asked = {"facility": facility, "n": number}
            found = handle.one("SELECT {facility:String} AS facility, {n:UInt32} AS n", asked)
            if found != asked:
                wrong.append((asked, found))

    threads = [
        threading.Thread(target=work, args=(handles[index % 4], f"facility-{index % 2}-{index}"))
        for index in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for handle in handles:
        handle.close()
    assert wrong == []


def test_concurrent_inserts_all_arrive_once(way: Callable[..., Store], writer: Store) -> None:
    def work(first: int) -> None:
        with way() as own:
            for number in range(first, first + 10):
                own.insert("payments", [{"id": number, "name": "x"}])

    threads = [threading.Thread(target=work, args=(index * 10,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.one("SELECT count() AS n, uniqExact(id) AS u FROM payments") == {"n": 60, "u": 60}


def test_the_store_answers_a_ping_until_it_is_closed(way: Callable[..., Store]) -> None:
    handle = way()
    assert handle.ping()
    handle.close()


def test_a_driver_refusal_is_a_store_error(reader: Store) -> None:
    with pytest.raises(StoreError):
        reader.rows("SELECT 1", settings={"max_threads": 1})


def test_nobody_listening_is_said_so() -> None:
    with pytest.raises(StoreUnavailableError, match="check that it runs"):
        Store("http://127.0.0.1:9", token="x")
