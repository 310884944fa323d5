"""The unmodified ClickHouse client works on the endpoint as it does on a server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from store.client import Store
from store.errors import StoreError, StoreUnavailableError
from tests.store.serving import Served


@pytest.fixture(params=[True, False, "lz4", "zstd", "gzip"], ids=lambda value: f"compress={value}")
def client(request: pytest.FixtureRequest, served: Served, store: Store) -> Iterator[Client]:
    """Made as its manual says, with the writer's token as password."""
    made = clickhouse_connect.get_client(
        host=served.host, port=served.port, user="writer", password=served.writer, compress=request.param
    )
    yield made
    made.close()


def test_rows_inserted_come_back(client: Client) -> None:
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    rows = [[number, f"name {number}", at] for number in range(20_000)]
    summary = client.insert("payments", rows, column_names=["id", "name", "paid_at"])
    assert summary.written_rows == 20_000
    found = client.query("SELECT id, name, paid_at FROM payments ORDER BY id", tz_mode="aware")
    assert [list(row) for row in found.result_rows] == rows
    assert found.column_names == ("id", "name", "paid_at")


def test_parameters_are_bound_by_the_server(client: Client) -> None:
    found = client.query(
        "SELECT {s:String} AS s, {a:Array(String)} AS a, {n:Nullable(Int8)} AS n, id FROM {t:Identifier}",
        parameters={"s": "it's \\ \n", "a": ["a'b", "c"], "n": None, "t": "payments"},
    )
    assert found.result_rows == []
    assert client.query("SELECT {s:String} AS s", parameters={"s": "it's \\ \n\t"}).first_row == (
        "it's \\ \n\t",
    )
    long = ["k" * 50] * 5000
    assert client.query("SELECT length({a:Array(String)})", parameters={"a": long}).first_row == (5000,)


def test_streams_frames_and_raw_bytes_work(client: Client) -> None:
    sql = "SELECT number AS n, toString(number) AS s FROM numbers(200000)"
    with client.query_row_block_stream(sql) as blocks:
        assert sum(len(block) for block in blocks) == 200_000
    assert client.query_arrow(sql).num_rows == 200_000
    assert client.query_df(sql)["n"].sum() == sum(range(200_000))
    assert client.raw_query("SELECT 1 AS a", fmt="JSONEachRow") == b'{"a":1}\n'
    with client.raw_stream(sql, fmt="CSV") as stream:
        assert stream.read().count(b"\n") == 200_000
    client.insert_arrow("payments", pa.table({"id": pa.array([1, 2], pa.uint64()), "name": ["x", "y"]}))
    client.raw_insert("payments", ["id", "name"], b"3,z\n", fmt="CSV")
    client.insert_df("payments", client.query_df("SELECT toUInt64(9) AS id, 'df' AS name"))
    assert client.command("SELECT count() FROM payments") == 4


def test_columns_of_an_empty_result_are_told(client: Client) -> None:
    found = client.query("SELECT id, name FROM payments LIMIT 0")
    assert found.column_names == ("id", "name")
    assert [kind.name for kind in found.column_types] == ["UInt64", "String"]


def test_settings_of_a_call_hold_for_the_call(client: Client) -> None:
    sql = "SELECT getSetting('max_block_size')"
    assert client.query(sql, settings={"max_block_size": 21}).first_row == (21,)
    assert client.query(sql).first_row != (21,)
    with pytest.raises(DatabaseError) as refused:
        client.query(sql, settings={"max_memory_usage": 10**15})
    assert refused.value.code == 452


def test_errors_have_code_name_and_text(client: Client) -> None:
    with pytest.raises(DatabaseError) as refused:
        client.query("SELECT * FROM nowhere")
    assert (refused.value.code, refused.value.name) == (60, "UNKNOWN_TABLE")
    assert "nowhere" in str(refused.value)
    with pytest.raises(DatabaseError) as refused:
        client.command("DROP TABLE payments")
    assert refused.value.code == 164
    assert client.ping()


def test_a_reader_connects_reads_and_cannot_insert(served: Served, store: Store) -> None:
    client = clickhouse_connect.get_client(
        host=served.host, port=served.port, user="reader", password=served.reader
    )
    assert client.query("SELECT count() FROM payments").first_row == (0,)
    assert client.server_version == store.value("SELECT version()")
    assert client.command("EXISTS TABLE payments") == 1
    with pytest.raises(DatabaseError) as refused:
        client.insert("payments", [[1]], column_names=["id"])
    assert refused.value.code == 164
    client.close()


def test_a_wrong_password_is_refused(served: Served) -> None:
    with pytest.raises(DatabaseError) as refused:
        clickhouse_connect.get_client(host=served.host, port=served.port, user="reader", password="no")
    assert refused.value.code == 516


def test_many_threads_may_share_one_client(served: Served, store: Store) -> None:
    client = clickhouse_connect.get_client(
        host=served.host,
        port=served.port,
        user="reader",
        password=served.reader,
        autogenerate_session_id=False,
    )

    def ask(number: int) -> int:
        return int(client.query("SELECT {n:UInt32} AS n", parameters={"n": number}).first_row[0])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(100))) == list(range(100))
    client.close()


def test_a_store_takes_a_token_or_credentials_in_the_url(served: Served, store: Store) -> None:
    address = f"{served.host}:{served.port}"
    for opened in (
        Store(served.url, token=served.reader, read_only=True),
        Store(f"http://reader:{served.reader}@{address}", read_only=True),
        Store(f"http://reader:{served.reader}@{address}", token="of another store", read_only=True),
        Store(f"http://reader@{address}", password=served.reader, read_only=True),
        Store(f"http://reader:{served.reader}@{address}/default", read_only=True),
    ):
        with opened, opened.another() as second:
            assert second.value("SELECT currentDatabase()") == "default"


def test_a_store_says_when_its_credentials_are_refused(served: Served) -> None:
    for opening in (
        lambda: Store(served.url, token="wrong"),
        lambda: Store(served.url),
        lambda: Store(f"http://writer:{served.reader}@{served.host}:{served.port}"),
    ):
        with pytest.raises(StoreUnavailableError, match="user, password or token"):
            opening()


def test_what_goes_to_this_machine_goes_through_no_proxy(
    served: Served, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Store(served.url, token=served.reader, read_only=True) as opened:
        assert opened.value("SELECT 1") == 1


def test_https_in_the_url_is_https_on_any_port(served: Served) -> None:
    """A client that fell back to plain HTTP would send the token in clear, and succeed here."""
    with pytest.raises((StoreUnavailableError, StoreError)):
        Store(f"https://{served.host}:{served.port}", token=served.reader)
