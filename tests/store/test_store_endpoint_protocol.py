"""The endpoint answers as ClickHouse's server does: ways to ask, formats, headers, encodings, errors."""

from __future__ import annotations

import gzip
import io
import json
import logging
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import httpx
import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from store.access import Limits, Role
from store.client import Store
from store.endpoint import endpoint
from tests.store.serving import READER, WRITER, Served, serving

Ask = Callable[..., httpx.Response]


def test_ping_needs_no_token(served: Served) -> None:
    for path in ("/ping", "/replicas_status", "/"):
        answer = httpx.get(served.url + path)
        assert (answer.status_code, answer.text) == (200, "Ok.\n")


def test_an_unknown_path_is_not_found(served: Served) -> None:
    answer = served.client().post("/play", content="SELECT 1")
    assert answer.status_code == 404
    assert "/ping" in answer.text


def test_a_query_may_stand_in_the_url_the_body_or_both(served: Served) -> None:
    with served.client() as client:
        assert client.get("/", params={"query": "SELECT 1"}).text == "1\n"
        assert client.get("/?query=SELECT%201").text == "1\n"
        assert client.post("/", content="SELECT 2").text == "2\n"
        assert client.post("/", params={"query": "SELECT 3"}).text == "3\n"
        assert (
            client.post("/", params={"query": "SELECT 1 +"}, content="3 AS four FORMAT TSVWithNames").text
            == "four\n4\n"
        )
        # curl sends this content type unasked; it is a query all the same.
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert client.post("/", content="SELECT 5 -- a=b&c", headers=form).text == "5\n"


def test_a_form_carries_query_and_parameters(served: Served) -> None:
    with served.client() as client:
        fields = {
            "query": (None, "SELECT {x:String} || {y:String}"),
            "param_x": (None, "a'b"),
            "param_y": (None, "c"),
        }
        assert client.post("/", files=fields).text == "a\\'bc\n"
        upload = {"query": (None, "SELECT 1"), "ext": ("ext", b"1\n")}
        refused = client.post("/", files=upload)
        assert (refused.status_code, refused.headers["x-clickhouse-exception-code"]) == (501, "48")


def test_headers_are_those_of_the_server(ask: Ask) -> None:
    answer = ask("SELECT number FROM numbers(3)", query_id="my-query.1")
    summary = json.loads(answer.headers["x-clickhouse-summary"])
    assert answer.headers["x-clickhouse-query-id"] == "my-query.1"
    assert answer.headers["x-clickhouse-format"] == "TabSeparated"
    assert answer.headers["x-clickhouse-timezone"] == "UTC"
    assert answer.headers["x-clickhouse-server-display-name"] == "tieout"
    assert answer.headers["content-type"] == "text/tab-separated-values; charset=UTF-8"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert (summary["result_rows"], summary["read_rows"], summary["written_rows"]) == ("3", "3", "0")


def test_a_query_id_that_could_break_a_header_or_a_log_is_replaced(ask: Ask) -> None:
    for bad in ("a\r\nX-Evil: 1", "x" * 200, "é"):
        answer = ask("SELECT 1", query_id=bad)
        assert answer.status_code == 200
        assert bad not in answer.headers["x-clickhouse-query-id"]
        assert "x-evil" not in answer.headers


def test_a_statement_without_rows_names_no_format(ask: Ask) -> None:
    answer = ask("INSERT INTO payments (id) VALUES (1)", write=True)
    assert (answer.status_code, answer.content) == (200, b"")
    assert "x-clickhouse-format" not in answer.headers
    assert json.loads(answer.headers["x-clickhouse-summary"])["written_rows"] == "1"
    selected = ask("INSERT INTO payments (id) SELECT number FROM numbers(5)", write=True)
    assert json.loads(selected.headers["x-clickhouse-summary"])["written_rows"] == "5"


@pytest.mark.parametrize(
    ("fmt", "kind"),
    [
        ("Native", "application/octet-stream"),
        ("RowBinary", "application/octet-stream"),
        ("JSON", "application/json; charset=UTF-8"),
        ("JSONCompact", "application/json; charset=UTF-8"),
        ("JSONEachRow", "application/x-ndjson; charset=UTF-8"),
        ("CSVWithNames", "text/csv; charset=UTF-8"),
        ("TabSeparatedWithNamesAndTypes", "text/tab-separated-values; charset=UTF-8"),
        ("Parquet", "application/octet-stream"),
        ("ArrowStream", "application/octet-stream"),
        ("PrettyCompact", "text/plain; charset=UTF-8"),
        ("XML", "application/xml; charset=UTF-8"),
    ],
)
def test_formats_are_named_in_the_query_the_url_or_a_header(served: Served, fmt: str, kind: str) -> None:
    with served.client() as client:
        named = client.post("/", content=f"SELECT 1 AS a FORMAT {fmt}")
        in_url = client.post("/", content="SELECT 1 AS a", params={"default_format": fmt})
        in_header = client.post("/", content="SELECT 1 AS a", headers={"X-ClickHouse-Format": fmt})
    for answer in (named, in_url, in_header):
        assert (answer.headers["x-clickhouse-format"], answer.headers["content-type"]) == (fmt, kind)
    if fmt not in ("JSON", "JSONCompact", "XML"):  # these tell how long they took
        assert named.content == in_url.content == in_header.content


def test_binary_formats_can_be_read(ask: Ask) -> None:
    query = "SELECT number AS n, toString(number) AS s FROM numbers(1000)"
    expected = {"n": list(range(1000)), "s": [str(n) for n in range(1000)]}
    assert pq.read_table(io.BytesIO(ask(f"{query} FORMAT Parquet").content)).to_pydict() == expected
    assert pa.ipc.open_stream(ask(f"{query} FORMAT ArrowStream").content).read_all().to_pydict() == expected
    assert pa.ipc.open_file(ask(f"{query} FORMAT Arrow").content).read_all().to_pydict() == expected


def test_a_format_the_engine_does_not_know_is_not_found(ask: Ask) -> None:
    for answer in (ask("SELECT 1 FORMAT Nope"), ask("SELECT 1", default_format="DataFrame")):
        assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (404, "73")


def test_settings_in_the_url_hold_for_one_request(ask: Ask) -> None:
    shaped = ask("SELECT 1 AS a FORMAT JSONEachRow", output_format_json_array_of_rows="1")
    assert shaped.json() == [{"a": 1}]
    assert ask("SELECT getSetting('max_block_size')", max_block_size="17").text == "17\n"
    assert ask("SELECT getSetting('max_block_size')").text != "17\n"
    assert (
        ask("SELECT toString(toDateTime(0))", session_timezone="Asia/Tokyo").text == "1970-01-01 09:00:00\n"
    )
    assert ask("SELECT toString(toDateTime(0))").text == "1970-01-01 00:00:00\n"


def test_settings_in_the_query_work_for_a_reader(ask: Ask) -> None:
    assert ask("SELECT getSetting('max_block_size') SETTINGS max_block_size = 19").text == "19\n"


def test_a_default_database_is_used(ask: Ask, scratch: Store) -> None:
    scratch.command("CREATE TABLE only_here (a UInt8) ENGINE = Memory")
    assert ask("SELECT currentDatabase(), count() FROM only_here", database="scratch").text == "scratch\t0\n"
    assert ask("SELECT currentDatabase()").text == "default\n"
    missing = ask("SELECT 1", database="no_such_database")
    assert (missing.status_code, missing.headers["x-clickhouse-exception-code"]) == (404, "81")


def test_sessions_are_taken_and_hold_nothing(ask: Ask) -> None:
    assert (
        ask("SELECT 1", session_id="abc", session_timeout="60", wait_end_of_query="1", quota_key="q").text
        == "1\n"
    )


@pytest.mark.parametrize(
    ("statement", "status", "code", "name"),
    [
        ("SELECT * FROM nowhere", 404, 60, "UNKNOWN_TABLE"),
        ("SELEC", 400, 62, "SYNTAX_ERROR"),
        ("", 400, 62, "SYNTAX_ERROR"),
        ("  -- nothing\n", 400, 62, "SYNTAX_ERROR"),
        ("SELECT toUInt8('x')", 400, 6, "CANNOT_PARSE_TEXT"),
        ("SELECT throwIf(1)", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT {x:UInt8}", 400, 456, "UNKNOWN_QUERY_PARAMETER"),
    ],
)
def test_errors_look_like_the_servers(ask: Ask, statement: str, status: int, code: int, name: str) -> None:
    answer = ask(statement)
    assert answer.status_code == status
    assert answer.headers["x-clickhouse-exception-code"] == str(code)
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert answer.text.endswith(f"({name})\n")


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("encoding", ENCODERS)
def test_encoded_requests_are_decoded(served: Served, store: Store, encoding: str) -> None:
    lines = b"".join(b"%d,name\n" % number for number in range(5000))
    whole = ENCODERS[encoding](b"INSERT INTO payments (id, name) FORMAT CSV\n" + lines)
    in_parts = b"".join(ENCODERS[encoding](part) for part in (lines[:1000], lines[1000:]))
    with served.client(served.writer) as client:
        assert client.post("/", content=whole, headers={"Content-Encoding": encoding}).status_code == 200
        assert store.value("SELECT count() FROM payments") == 5000
        if encoding != "deflate":  # the others may be made of several members
            query = {"query": "INSERT INTO payments (id, name) FORMAT CSV", "insert_deduplication_token": "2"}
            answer = client.post("/", params=query, content=in_parts, headers={"Content-Encoding": encoding})
            assert answer.status_code == 200
            assert store.value("SELECT count() FROM payments") == 10_000


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_broken_or_cut_encoding_is_the_clients_fault(served: Served, store: Store, encoding: str) -> None:
    good = ENCODERS[encoding](b"INSERT INTO payments (id) FORMAT CSV\n" + b"1\n" * 50_000)
    with served.client(served.writer) as client:
        for body in (b"this is not encoded at all", good[: len(good) // 2]):
            answer = client.post("/", content=body, headers={"Content-Encoding": encoding})
            assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (400, "271")
    assert store.value("SELECT count() FROM payments") == 0


def test_an_unknown_encoding_is_named_with_those_that_work(served: Served) -> None:
    answer = served.client().post("/", content=b"x", headers={"Content-Encoding": "snappy"})
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (415, "89")
    assert "gzip, lz4, zstd" in answer.text


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4"])
def test_answers_are_encoded_when_asked(served: Served, encoding: str) -> None:
    query = {"query": "SELECT number FROM numbers(100000)", "enable_http_compression": "1"}
    expected = "".join(f"{number}\n" for number in range(100_000)).encode()
    with (
        served.client() as client,
        client.stream(
            "POST", "/", params=query, headers={"Accept-Encoding": f"br;q=1.0, {encoding}"}
        ) as answer,
    ):
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == encoding
    assert len(raw) < len(expected)
    decoders = {
        "gzip": gzip.decompress,
        "deflate": zlib.decompress,
        "lz4": lz4.frame.decompress,
        "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    }
    assert decoders[encoding](raw) == expected


def test_answers_are_plain_when_not_asked_or_not_worth_it(served: Served) -> None:
    with served.client() as client:
        unasked = client.post(
            "/", content="SELECT number FROM numbers(100000)", headers={"Accept-Encoding": "gzip"}
        )
        small = client.post(
            "/",
            content="SELECT 1",
            params={"enable_http_compression": "1"},
            headers={"Accept-Encoding": "gzip"},
        )
    assert "content-encoding" not in unasked.headers
    assert "content-encoding" not in small.headers


def test_inserts_take_data_from_url_body_or_both(ask: Ask, served: Served, store: Store) -> None:
    head = "INSERT INTO payments (id, name) FORMAT JSONEachRow"
    with served.client(served.writer) as client:
        assert client.post("/", params={"query": head}, content=b'{"id": 1, "name": "a"}').status_code == 200
        assert client.post("/", content=head.encode() + b'\n{"id": 2, "name": "b"}').status_code == 200
        assert client.post("/", content=head.encode() + b' {"id": 3, "name": "c"}').status_code == 200
        assert client.post("/", params={"query": f'{head} {{"id": 4, "name": "d"}}'}).status_code == 200
        assert (
            client.post(
                "/", params={"query": "INSERT INTO payments (id, name)"}, content="VALUES (5,'e')"
            ).status_code
            == 200
        )
        crlf = b"INSERT INTO payments (id, name) FORMAT CSV\r\n6,f\r\n"
        assert client.post("/", content=crlf).status_code == 200
    assert ask("SELECT groupConcat(name) FROM (SELECT name FROM payments ORDER BY id)").text == "abcdef\n"


def test_binary_data_passes_untouched(served: Served, store: Store) -> None:
    name = bytes(range(256))
    row = (9).to_bytes(8, "little") + b"\x80\x02" + name
    with served.client(served.writer) as client:
        sent = client.post("/", content=b"INSERT INTO payments (id, name) FORMAT RowBinary\n" + row)
    assert sent.status_code == 200
    assert store.value("SELECT hex(name) FROM payments WHERE id = 9") == name.hex().upper()


def test_an_insert_with_comments_strings_and_odd_names_is_divided_where_it_should(
    scratch: Store, served: Served
) -> None:
    scratch.command("CREATE TABLE `format` (`values` String, `select` String) ENGINE = Memory")
    statement = (
        '/* FORMAT CSV */ INSERT -- VALUES\n INTO scratch.format (`values`, "select") '
        "SETTINGS format_csv_delimiter = ';' FORMAT CSV\nFORMAT;VALUES\n"
    )
    with served.client(served.writer) as client:
        assert client.post("/", content=statement).text == ""
    assert scratch.rows("SELECT * FROM format") == [{"values": "FORMAT", "select": "VALUES"}]


def test_a_failing_insert_names_the_error_but_no_data(served: Served, store: Store) -> None:
    with served.client(served.writer) as client:
        answer = client.post("/", content='INSERT INTO payments FORMAT JSONEachRow\n{"id": "MRN-CANARY-1"}')
        missing = client.post("/", content="INSERT INTO nowhere FORMAT CSV\nMRN-CANARY-1\n")
        column = client.post("/", content="INSERT INTO payments (nope) FORMAT CSV\nMRN-CANARY-1\n")
    assert answer.status_code == 400
    assert (missing.status_code, "nowhere" in missing.text) == (404, True)
    assert "nope" in column.text
    assert "CANARY" not in answer.text + missing.text + column.text
    assert store.value("SELECT count() FROM payments") == 0


def test_a_result_larger_than_memory_keeps_comes_through_a_file(ask: Ask) -> None:
    answer = ask("SELECT number, randomPrintableASCII(100, number) FROM numbers(200000) FORMAT RowBinary")
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content) == 200_000 * 109


@pytest.mark.parametrize("fmt", ["CSV", "TabSeparated", "JSONEachRow", "RowBinary", "JSONCompactEachRow"])
def test_formats_made_in_pieces_are_whole(ask: Ask, store: Store, fmt: str) -> None:
    """Long, empty, and with totals, which stand behind the rows where a format has them."""
    for query in (
        "SELECT number, toString(number) AS s FROM numbers(150000)",
        "SELECT number FROM numbers(5) WHERE 0",
        "SELECT number % 2 AS k, count() FROM numbers(9) GROUP BY k WITH TOTALS ORDER BY k",
    ):
        assert ask(f"{query} FORMAT {fmt}").content == store.raw(query, fmt=fmt)


def test_statements_about_tables_work(ask: Ask) -> None:
    assert ask("EXISTS TABLE payments").text == "1\n"
    assert ask("DESCRIBE TABLE payments").text.startswith("id\tUInt64")
    assert ask("DESCRIBE (SELECT 1 AS a, 'x' AS b)").text == "a\tUInt8\t\t\t\t\t\nb\tString\t\t\t\t\t\n"
    assert "CREATE TABLE default.payments" in ask("SHOW CREATE TABLE payments FORMAT TSVRaw").text
    assert "payments" in ask("SHOW TABLES").text
    assert ask("EXPLAIN SYNTAX SELECT 1").status_code == 200
    assert ask("EXPLAIN QUERY TREE SELECT id FROM payments").status_code == 200
    assert ask("SELECT name FROM system.columns WHERE table = 'payments' LIMIT 1").text == "id\n"


def test_the_token_is_taken_in_every_way_clients_send_it(served: Served) -> None:
    ways: list[dict[str, object]] = [
        {"auth": ("reader", served.reader)},
        {"auth": ("default", served.reader)},
        {"auth": ("", served.reader)},
        {"headers": {"X-ClickHouse-User": "reader", "X-ClickHouse-Key": served.reader}},
        {"headers": {"X-ClickHouse-Key": served.reader}},
        {"headers": {"Authorization": f"Bearer {served.reader}"}},
        {"headers": {"Authorization": f"bearer {served.reader}"}},
        {"params": {"user": "reader", "password": served.reader}},
        {"params": {"password": served.reader}},
    ]
    for way in ways:
        assert httpx.post(served.url, content="SELECT 1", **way).text == "1\n"  # type: ignore[arg-type]


def test_no_token_is_401_and_a_wrong_one_403(served: Served) -> None:
    none = httpx.post(served.url, content="SELECT 1")
    assert (none.status_code, none.headers["x-clickhouse-exception-code"]) == (401, "516")
    assert none.headers["www-authenticate"].startswith("Basic ")
    wrong: list[dict[str, object]] = [
        {"auth": ("reader", "no")},
        {"auth": ("writer", served.reader)},
        {"auth": ("root", served.writer)},
        {"headers": {"Authorization": "Bearer no"}},
        {"headers": {"Authorization": f"Bearer {served.reader}x"}},
        {"headers": {"Authorization": "Basic !!!"}, "params": {"password": "no"}},
        {"params": {"password": served.reader[:-1]}},
    ]
    for way in wrong:
        answer = httpx.post(served.url, content="SELECT 1", **way)  # type: ignore[arg-type]
        assert answer.headers["x-clickhouse-exception-code"] == "516"
        assert answer.status_code == 403 or "Basic !!!" in str(way)
        assert "AUTHENTICATION_FAILED" in answer.text


def test_unusable_tokens_are_refused_at_the_start(engine: Store) -> None:
    from core.errors import ConfigurationError

    for reader, writer in (("", "x"), ("x", ""), ("same", "same")):
        with pytest.raises(ConfigurationError):
            endpoint(engine, reader, writer)


SMALL = Limits(
    execution_s=1.5,
    memory_bytes=100 << 20,
    result_bytes=1 << 20,
    body_bytes=64 << 10,
    threads=1,
    concurrent=2,
)


@pytest.fixture
def small(engine: Store, payments: str) -> object:
    """An endpoint with narrow limits for both roles."""
    app = endpoint(engine, READER, WRITER, limits={Role.READER: SMALL, Role.WRITER: SMALL})
    with serving(app) as running:
        yield running


def test_limits_hold_and_can_be_lowered_but_not_raised(small: Served) -> None:
    with small.client() as client:
        forever = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
        assert client.post("/", content=forever).headers["x-clickhouse-exception-code"] == "159"
        assert client.post("/", content=forever).status_code == 408
        hungry = client.post("/", content="SELECT length(range(materialize(30000000)))")
        assert hungry.headers["x-clickhouse-exception-code"] == "241"
        long = client.post("/", content="SELECT number FROM numbers(1000000)")
        assert long.headers["x-clickhouse-exception-code"] == "396"
        for fmt in ("Native", "RowBinary", "JSON", "SQLInsert"):
            # A constant column counts for little in the engine, and is long when written.
            endless = client.post("/", content=f"SELECT repeat('x', 100000) FROM numbers(5000) FORMAT {fmt}")
            assert endless.headers["x-clickhouse-exception-code"] in ("241", "396")
        for name, more, less in (
            ("max_execution_time", "10", "1"),
            ("max_memory_usage", "10000000000", "50000000"),
            ("max_result_bytes", "10000000", "1000"),
            ("max_threads", "2", "1"),
        ):
            for value in (more, "0", "-1", "x", "inf", "nan"):
                refused = client.post("/", content="SELECT 1", params={name: value})
                assert refused.headers["x-clickhouse-exception-code"] == "452"
                in_query = client.post("/", content=f"SELECT 1 SETTINGS {name} = '{value}'")
                assert in_query.headers["x-clickhouse-exception-code"] == "452"
            assert client.post("/", content="SELECT 1", params={name: less}).text == "1\n"


def test_bodies_larger_than_the_limit_are_refused_as_sent_and_as_decoded(small: Served) -> None:
    bomb = gzip.compress(b"INSERT INTO payments (id) FORMAT CSV\n" + b"1\n" * 10_000_000)
    assert len(bomb) < SMALL.body_bytes
    with small.client(small.writer) as client:
        decoded = client.post("/", content=bomb, headers={"Content-Encoding": "gzip"})
        sent = client.post("/", content=b"INSERT INTO payments (id) FORMAT CSV\n" + b"1\n" * 100_000)
    for answer in (decoded, sent):
        assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (413, "229")


def test_a_query_of_many_bytes_is_refused_with_advice(ask: Ask) -> None:
    answer = ask("SELECT '" + "x" * 300_000 + "'")
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (413, "229")
    assert "parameters" in answer.text


def test_a_query_nested_too_deep_is_refused(ask: Ask) -> None:
    answer = ask("SELECT " + "(" * 5000 + "1" + ")" * 5000)
    assert answer.status_code == 400
    assert ask("SELECT " + "(SELECT " * 60 + "1" + ")" * 60).text == "1\n"


def test_a_client_that_leaves_stops_its_query(served: Served, store: Store) -> None:
    with _asking(served, "left-alone"):
        _until(lambda: _running(store, "left-alone") == 1)
    _until(lambda: _running(store, "left-alone") == 0)


def test_one_long_query_does_not_hold_up_others(served: Served, store: Store, ask: Ask) -> None:
    with _asking(served, "for-ever"):
        _until(lambda: _running(store, "for-ever") == 1)
        assert ask("SELECT 1").text == "1\n"
        assert _running(store, "for-ever") == 1


def test_a_full_house_says_so_and_asks_to_try_again(engine: Store) -> None:
    limits = {role: Limits(30, 1 << 30, 1 << 20, 1 << 20, 1, 1) for role in Role}
    with serving(endpoint(engine, READER, WRITER, limits=limits)) as crowded, ExitStack() as crowd:
        for number in range(64):
            crowd.enter_context(_asking(crowded, f"one of many {number}"))
        with crowded.client() as client:
            answers: list[httpx.Response] = []

            def full() -> bool:
                answers.append(client.post("/", content="SELECT 1", timeout=1))
                return answers[-1].status_code == 503

            with suppress(httpx.ReadTimeout):
                _until(full)
            _until(full)
        assert (answers[-1].headers["x-clickhouse-exception-code"], answers[-1].headers["retry-after"]) == (
            "202",
            "1",
        )


def test_shutting_down_stops_what_runs(engine: Store, payments: str) -> None:
    with ExitStack() as clients:
        with serving(endpoint(engine, READER, WRITER)) as closing:
            clients.enter_context(_asking(closing, "shut-down"))
            _until(lambda: _running(engine, "shut-down") == 1)
        assert _running(engine, "shut-down") == 0


def test_nothing_secret_or_personal_is_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        httpx.post(
            served.url,
            content="SELECT {who:String}, toUInt8('MRN-CANARY-3')",
            params={"password": served.reader, "param_who": "MRN-CANARY-4", "user": "reader"},
        )
        httpx.get(served.url + "/nowhere", params={"password": "secret-canary"})
    # The client's own log of what it sent is not the server's.
    server = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    )
    assert "store.endpoint" in {record.name for record in caplog.records}
    assert "CANARY" not in server
    assert "canary" not in server
    assert served.reader not in server


@contextmanager
def _asking(served: Served, name: str) -> Iterator[None]:
    """Has asked for something that takes for ever; leaves without waiting for the answer."""
    body = f"SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number, '{name}') = 1"
    head = (
        f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.reader}\r\nContent-Length: {len(body)}"
    )
    with socket.create_connection((served.host, served.port)) as client:
        client.sendall(f"{head}\r\n\r\n{body}".encode())
        yield


def _running(store: Store, name: str) -> int:
    """How many queries with this name run. It is bound in halves, so that this one is not among them."""
    halves = {"first": name[:4], "rest": name[4:]}
    sql = "SELECT count() FROM system.processes WHERE position(query, {first:String} || {rest:String}) > 0"
    return int(store.value(sql, halves))


def _until(true: Callable[[], object]) -> None:
    """Waits for what another process or thread does, at most 20 seconds."""
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "it did not happen"
