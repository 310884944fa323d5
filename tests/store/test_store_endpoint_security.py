"""What the endpoint must never do, whoever asks and however it is written."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.client import Store
from tests.store.serving import Served

Ask = Callable[..., httpx.Response]
REFUSALS = {"62", "164", "452", "497"}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.csv"
    file.write_text("CANARY,1\n")
    return file


@pytest.fixture
def web() -> Iterator[tuple[str, list[str]]]:
    """A web server nobody may call; gives its URL and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def handle(self) -> None:
            asked.append(self.client_address[0])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/x.csv", asked
    server.shutdown()
    thread.join()
    server.server_close()


def _refused(answer: httpx.Response) -> bool:
    return answer.headers.get("x-clickhouse-exception-code") in REFUSALS and "CANARY" not in answer.text


FILE_READS = [
    "SELECT file('{file}')",
    "SELECT FILE('{file}')",
    "SELECT `file`('{file}')",
    "SELECT \"file\"('{file}')",
    "SELECT /* */ file /* */ ('{file}')",
    "SELECT upper(concat('a', file('{file}')))",
    "SELECT arrayMap(x -> file(x), ['{file}'])",
    "SELECT * APPLY(file) FROM (SELECT '{file}' AS p)",
    "SELECT * APPLY file FROM (SELECT '{file}' AS p)",
    "SELECT * APPLY(x -> file(x)) FROM (SELECT '{file}' AS p)",
    "SELECT COLUMNS('p') APPLY(file) FROM (SELECT '{file}' AS p)",
    "SELECT (SELECT file('{file}'))",
    "WITH file('{file}') AS x SELECT x",
    "WITH (SELECT file('{file}')) AS x SELECT x",
    "SELECT 1 WHERE file('{file}') != ''",
    "SELECT 1 ORDER BY file('{file}')",
    "SELECT 1 LIMIT length(file('{file}'))",
    "SELECT 1 UNION ALL SELECT length(file('{file}'))",
    "SELECT {{x:String}} || file('{file}')",
    "SELECT * FROM file('{file}')",
    "SELECT * FROM file('{file}', CSV, 'a String')",
    "SELECT 1 IN file('{file}')",
    "SELECT 1 IN (SELECT * FROM file('{file}'))",
    "SELECT * FROM (SELECT * FROM file('{file}'))",
    "SELECT * FROM numbers(1) AS n JOIN file('{file}') AS f ON 1",
    "SELECT * FROM view(SELECT * FROM file('{file}'))",
    "DESCRIBE TABLE file('{file}')",
    "DESC file('{file}')",
    "DESCRIBE (SELECT * FROM file('{file}'))",
    "DESCRIBE (SELECT file('{file}'))",
    "DESCRIBE TABLE view(SELECT * FROM file('{file}'))",
    "EXPLAIN SELECT * FROM file('{file}')",
    "EXPLAIN SYNTAX SELECT * FROM file('{file}')",
    "EXPLAIN ESTIMATE SELECT * FROM file('{file}')",
    "SELECT * FROM (EXPLAIN SELECT * FROM file('{file}'))",
    "FROM file('{file}') SELECT *",
    "file('{file}')",
    "SELECT * FROM filesystem('{file}')",
    "SELECT * FROM fileCluster('default', '{file}')",
    "SELECT * FROM executable('cat {file}', CSV, 'a String')",
    "SELECT * FROM sqlite('{file}', 't')",
    "SELECT * FROM python(secret)",
    "SELECT * FROM merge('system', 'one')",
    "SELECT * FROM loop(system, one)",
    "SELECT * FROM remote('127.0.0.1', system, one)",
    "SELECT * FROM cluster('default', system, one)",
    "SELECT aiGenerate('{file}')",
]


def test_no_file_is_read(ask: Ask, secret: Path) -> None:
    for statement in FILE_READS:
        text = statement.format(file=secret)
        for write in (False, True):
            assert _refused(ask(text, write=write, param_x="x")), text
        assert _refused(ask(f"INSERT INTO payments (name) {text}", write=True, param_x="x")), text


def test_values_are_values_not_calls(ask: Ask, secret: Path, store: Store) -> None:
    for value in (f"file('{secret}')", f"(SELECT file('{secret}'))", "now()"):
        answer = ask(f"INSERT INTO payments (name) VALUES ({value})", write=True)
        assert answer.status_code != 200
        again = ask(
            f"INSERT INTO payments (name) VALUES ({value})",
            write=True,
            input_format_values_interpret_expressions="1",
        )
        assert again.headers["x-clickhouse-exception-code"] == "452"
    assert store.value("SELECT count() FROM payments") == 0


def test_nothing_is_called_over_the_network(ask: Ask, web: tuple[str, list[str]]) -> None:
    url, asked = web
    host = url.removeprefix("http://").split("/")[0]
    for call in (
        f"url('{url}')",
        f"url('{url}', CSV, 'a String, b Int8')",
        f"urlCluster('default', '{url}', CSV, 'a String')",
        f"s3('{url}', CSV)",
        f"s3('{url}', 'k', 's', CSV, 'a String')",
        f"gcs('{url}', CSV, 'a String')",
        f"hdfs('hdfs://{host}/x', CSV, 'a String')",
        f"deltaLake('{url}')",
        f"iceberg('{url}')",
        f"mysql('{host}', 'd', 't', 'u', 'p')",
        f"postgresql('{host}', 'd', 't', 'u', 'p')",
        f"mongodb('{host}', 'd', 't', 'u', 'p', 'a Int8')",
        f"redis('{host}', 'k', 'k String, v String')",
        f"remote('{host}', system, one)",
        f"remoteSecure('{host}', system, one)",
        f"azureBlobStorage('{url}', 'c', 'b')",
        f"jdbc('{url}', 's', 't')",
        f"odbc('DSN=x;Server={host}', 's', 't')",
        f"ytsaurus('{url}', '/x', 't', 'a Int8')",
    ):
        for form in (
            f"SELECT * FROM {call}",
            f"DESCRIBE TABLE {call}",
            f"EXPLAIN SELECT * FROM {call}",
            f"SELECT 1 IN (SELECT 1 FROM {call})",
        ):
            assert _refused(ask(form)), form
            assert _refused(ask(form, write=True)), form
        assert _refused(ask(f"INSERT INTO FUNCTION {call} SELECT 1", write=True))
        assert _refused(ask(f"INSERT INTO TABLE FUNCTION {call} VALUES (1)", write=True))
    assert asked == []


def test_every_table_function_of_the_engine_is_refused_unless_named_safe(ask: Ask, store: Store) -> None:
    """So that one that comes with a new engine is refused until somebody looked at it."""
    safe = {"numbers", "numbers_mt", "zeros", "zeros_mt", "generate_series", "generateSeries"}
    safe |= {"values", "null", "view", "primes"}
    names = {row["name"] for row in store.rows("SELECT name FROM system.table_functions")}
    assert len(names) > 80
    for name in sorted(names - safe):
        for text in (
            f"SELECT * FROM {name}('x')",
            f"SELECT * FROM {name.upper()}('x')",
            f"DESCRIBE TABLE {name}('x')",
        ):
            answer = ask(text)
            assert _refused(answer) or answer.headers["x-clickhouse-exception-code"] == "46", (
                text,
                answer.text,
            )
    assert ask("SELECT count() FROM numbers(3)").text == "3\n"
    assert ask("SELECT * FROM values('a Int8', 1, 2)").text == "1\n2\n"
    assert ask("SELECT * FROM view(SELECT 1)").text == "1\n"


KINDS = [
    "DROP TABLE payments",
    "DROP TABLE IF EXISTS payments SYNC",
    "DROP DATABASE default",
    "TRUNCATE TABLE payments",
    "DETACH TABLE payments",
    "ATTACH TABLE x (a Int8) ENGINE = Memory",
    "RENAME TABLE payments TO other",
    "EXCHANGE TABLES payments AND schema_migrations",
    "ALTER TABLE payments DELETE WHERE 1",
    "ALTER TABLE payments ADD COLUMN x Int8",
    "ALTER TABLE payments FREEZE",
    "ALTER TABLE payments DETACH PARTITION tuple()",
    "ALTER TABLE payments DROP PARTITION tuple(), DELETE WHERE 1",
    "ALTER TABLE payments FETCH PARTITION tuple() FROM '/x'",
    "ALTER TABLE payments ATTACH PARTITION tuple() FROM schema_migrations",
    "ALTER TABLE payments MOVE PARTITION tuple() TO DISK 'x'",
    "ALTER TABLE system.parts DROP PARTITION tuple()",
    "DELETE FROM system.parts WHERE 1",
    "DELETE FROM payments WHERE name IN (SELECT file('/etc/passwd'))",
    "UPDATE payments SET name = '' WHERE 1",
    "CREATE TABLE x (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE x (a Int8)",
    "CREATE TABLE x ENGINE = Memory AS SELECT 1",
    "CREATE VIEW x AS SELECT 1",
    "CREATE OR REPLACE VIEW payments AS SELECT 1",
    "CREATE MATERIALIZED VIEW x ENGINE = Memory AS SELECT * FROM payments",
    "CREATE DICTIONARY x (a Int8) PRIMARY KEY a SOURCE(FILE(path '/x')) LAYOUT(FLAT()) LIFETIME(0)",
    "CREATE FUNCTION x AS (a) -> a",
    "CREATE DATABASE x",
    "CREATE USER x",
    "CREATE NAMED COLLECTION x AS a = 1",
    "GRANT ALL ON *.* TO default",
    "OPTIMIZE TABLE payments FINAL",
    "CHECK TABLE payments",
    "KILL QUERY WHERE 1",
    "KILL QUERY WHERE 1 SYNC",
    "KILL MUTATION WHERE 1",
    "SYSTEM FLUSH LOGS",
    "SYSTEM SHUTDOWN",
    "SYSTEM STOP MERGES",
    "SYSTEM RELOAD CONFIG",
    "SET readonly = 0",
    "SET max_execution_time = 0",
    "SET param_x = 1",
    "USE system",
    "BACKUP TABLE payments TO File('/nowhere/x')",
    "RESTORE TABLE payments FROM File('/nowhere/x')",
    "SHOW PROCESSLIST",
    "SHOW GRANTS",
    "SHOW USERS",
    "BEGIN TRANSACTION",
    "EXECUTE AS default SELECT 1",
    "SELECT 1 PARALLEL WITH SELECT 2",
    "DROP TABLE payments PARALLEL WITH SELECT 1",
    "EXPLAIN TABLE OVERRIDE mysql('127.0.0.1:1', 'd', 't', 'u', 'p') COLUMNS (x Int8)",
    "EXPLAIN CURRENT TRANSACTION",
    "EXPLAIN AST DROP TABLE payments",
    "EXPLAIN AST SELECT 1 INTO OUTFILE '{out}'",
    "1 + 1",
    "SELECT 1 INTO OUTFILE '{out}'",
    "SELECT 1 INTO OUTFILE '{out}' AND STDOUT",
    "SELECT 1 INTO OUTFILE '{out}' TRUNCATE FORMAT CSV",
    "SELECT 1 UNION ALL SELECT 2 INTO OUTFILE '{out}'",
    "SHOW TABLES INTO OUTFILE '{out}'",
    "DESCRIBE TABLE payments INTO OUTFILE '{out}'",
    "EXISTS TABLE payments INTO OUTFILE '{out}'",
    "INSERT INTO payments FROM INFILE '{out}' FORMAT CSV",
    "INSERT INTO payments (name) FROM INFILE '/etc/passwd' FORMAT LineAsString",
    "INSERT INTO FUNCTION file('{out}', 'CSV', 'a Int8') SELECT 1",
    "INSERT INTO FUNCTION file('{out}', 'CSV', 'a Int8') VALUES (1)",
    "INSERT INTO system.settings (name) VALUES ('x')",
    "INSERT INTO system.query_log SELECT 1",
    "INSERT INTO payments SELECT * FROM input('id UInt64') FORMAT CSV",
]


def test_only_reading_and_inserting_is_served(ask: Ask, store: Store, tmp_path: Path) -> None:
    store.insert("payments", [{"id": 1, "name": "kept"}])
    out = tmp_path / "out"
    for statement in KINDS:
        for write in (False, True):
            assert _refused(ask(statement.format(out=out), write=write)), statement
        assert not out.exists()
    assert store.rows("SELECT id, name FROM payments") == [{"id": 1, "name": "kept"}]


MULTIPLE = [
    "SELECT 1; DROP TABLE payments",
    "SELECT 1;;DROP TABLE payments",
    "SELECT 1 -- x\n;\nDROP TABLE payments",
    "SELECT ';' /* ; */; DROP TABLE payments",
    "SELECT $$;$$; DROP TABLE payments",
    "SELECT 1 FORMAT CSV; DROP TABLE payments",
    "SELECT 1 SETTINGS max_threads = 1; DROP TABLE payments",
    "EXISTS TABLE payments; DROP TABLE payments",
    "DESCRIBE TABLE payments; DROP TABLE payments",
    "INSERT INTO payments (id) SELECT 1; DROP TABLE payments",
    "INSERT INTO payments (id) FORMAT CSV;\nDROP TABLE payments",
    "SELECT 1; SELECT 2",
    "SELECT 1; SET readonly = 0",
    "SELECT 1\\G; DROP TABLE payments",
]


def test_a_request_is_one_statement(ask: Ask, store: Store) -> None:
    for statement in MULTIPLE:
        for write in (False, True):
            assert ask(statement, write=write).headers.get("x-clickhouse-exception-code"), statement
        assert store.value("EXISTS TABLE payments") == 1
    assert ask("SELECT 1;").text == "1\n"
    assert ask("SELECT 1; -- the end\n").text == "1\n"


def test_rows_go_out_again_for_a_writer_only(ask: Ask, store: Store) -> None:
    for statement, left in (
        ("DELETE FROM payments WHERE id = {n:UInt64}", [2]),
        ("DELETE FROM {t:Identifier} WHERE id = {n:UInt64} SETTINGS lightweight_deletes_sync = 1", None),
        ("ALTER TABLE payments DROP PARTITION tuple()", []),
    ):
        store.command("TRUNCATE TABLE payments")
        store.insert("payments", [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
        assert ask(statement, param_n="1", param_t="payments").headers["x-clickhouse-exception-code"] == "164"
        assert store.value("SELECT count() FROM payments") == 2
        done = ask(statement, write=True, param_n="1", param_t="payments")
        if left is None:
            assert done.headers["x-clickhouse-exception-code"] in ("62", "452")
        else:
            assert (done.status_code, done.content) == (200, b"")
            assert [row["id"] for row in store.rows("SELECT id FROM payments ORDER BY id")] == left


def test_what_follows_values_is_never_run(ask: Ask, store: Store) -> None:
    """Behind VALUES everything is data, and the engine reads data up to the semicolon."""
    ask("INSERT INTO payments (id) VALUES (1); DROP TABLE payments", write=True)
    ask("INSERT INTO payments (id) FORMAT Values (2); DROP TABLE payments", write=True)
    assert store.value("SELECT sum(id) FROM payments") == 3


HOSTILE = st.sampled_from(
    [
        ["SELECT", "file", "(", "'/etc/passwd'", ")"],
        ["SELECT", "*", "FROM", "url", "(", "'http://127.0.0.1:9/'", ")"],
        ["SELECT", "*", "APPLY", "(", "file", ")", "FROM", "(", "SELECT", "'/etc/passwd'", "AS", "p", ")"],
        ["DROP", "TABLE", "payments"],
        ["KILL", "QUERY", "WHERE", "1"],
        ["SELECT", "*", "FROM", "system", ".", "processes"],
        ["SELECT", "1", "INTO", "OUTFILE", "'/nowhere/x'"],
        ["DESCRIBE", "TABLE", "file", "(", "'/etc/passwd'", ")"],
        ["SET", "readonly", "=", "0"],
    ]
)
BLANKS = st.sampled_from([" ", "\n", "\t", "  ", "/* x */", " -- y\n", "/*;*/", " #! z\n", "\f", "\r\n"])


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), words=HOSTILE, write=st.booleans())
def test_no_way_of_writing_it_helps(ask: Ask, data: st.DataObject, words: list[str], write: bool) -> None:
    parts = []
    for word in words:
        keyword = re.fullmatch(r"[A-Z]+", word)
        parts.append(data.draw(BLANKS))
        parts.append(data.draw(st.sampled_from([word, word.lower(), word.title()])) if keyword else word)
    text = "".join(parts) + data.draw(st.sampled_from(["", ";", " ", "\n", " -- end"]))
    assert _refused(ask(text, write=write)), text


def test_what_others_ask_cannot_be_seen(ask: Ask, store: Store) -> None:
    allowed = {
        "one",
        "tables",
        "columns",
        "databases",
        "settings",
        "functions",
        "formats",
        "numbers",
        "parts",
    }
    others = [row["name"] for row in store.rows("SELECT name FROM system.tables WHERE database = 'system'")]
    refused = {
        name for name in others if _refused(ask("SELECT 1 FROM system.{t:Identifier} LIMIT 0", param_t=name))
    }
    assert {
        "processes",
        "user_processes",
        "session_query_ids",
        "named_collections",
        "errors",
        "users",
    } <= refused
    assert not refused & allowed
    for text in (
        "SELECT query FROM system.processes",
        "SELECT query FROM `system`.`processes`",
        'SELECT query FROM "system"."processes"',
        "SELECT system.processes.query FROM system.processes",
        "SELECT (SELECT groupArray(query) FROM system.processes)",
        "SELECT 1 IN (SELECT query FROM system.processes)",
        "SELECT 'x' IN system.processes",
        "WITH p AS (SELECT * FROM system.processes) SELECT * FROM p",
        "SELECT * FROM view(SELECT * FROM system.processes)",
        "SELECT * FROM numbers(1) JOIN system.processes ON 1",
        "DESCRIBE TABLE system.processes",
        "SELECT * FROM merge('system', '^processes$')",
        "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT * FROM system.processes))",
        "INSERT INTO payments (name) SELECT query FROM system.processes",
    ):
        assert _refused(ask(text, write=True)), text
    for params in (
        {"param_d": "system", "param_t": "processes"},
        {"param_d": "SYSTEM", "param_t": "processes"},
    ):
        assert _refused(ask("SELECT * FROM {d:Identifier}.{t:Identifier}", **params))
    assert ask("SELECT * FROM {t:Identifier}", param_t="system.processes").status_code != 200
    assert _refused(ask("SELECT * FROM processes", database="system"))
    assert _refused(ask("SELECT * FROM {t:Identifier} SETTINGS param_t = 'processes'"))


DOORS = [
    ("readonly", "0"),
    ("readonly", "2"),
    ("allow_ddl", "1"),
    ("allow_introspection_functions", "1"),
    ("implicit_select", "1"),
    ("dialect", "prql"),
    ("enable_json_ast_dialect", "1"),
    ("output_format_schema", "/nowhere/x"),
    ("input_format_record_errors_file_path", "/nowhere/x"),
    ("format_schema", "/etc/passwd:x"),
    ("format_schema_source", "query"),
    ("format_template_resultset", "/etc/passwd"),
    ("max_query_size", "0"),
    ("max_memory_usage_for_user", "0"),
    ("max_bytes_before_external_sort", "1"),
    ("result_overflow_mode", "break"),
    ("timeout_overflow_mode", "break"),
    ("log_queries_min_type", "1"),
    ("send_logs_level", "trace"),
    ("additional_table_filters", "{}"),
    ("user_scripts_path", "/"),
    ("no_such_setting", "1"),
    ("bad name", "1"),
    ("x'; DROP TABLE payments; --", "1"),
    ("readonly=0, max_threads", "1"),
]


def test_settings_that_open_doors_are_refused(ask: Ask, store: Store) -> None:
    for name, value in DOORS:
        pair = f"{name} = '{value}'"
        for write in (False, True):
            for answer in (
                ask("SELECT 1", write=write, **{name: value}),
                ask(f"SELECT 1 SETTINGS {pair}", write=write),
                ask(f"SELECT * FROM (SELECT 1 SETTINGS {pair})", write=write),
                ask(f"SELECT 1 SETTINGS {name} = DEFAULT", write=write),
            ):
                assert _refused(answer), (pair, answer.text)
        assert _refused(ask(f"INSERT INTO payments (id) SETTINGS {pair} FORMAT CSV\n1\n", write=True)), pair
    assert store.value("SELECT count() FROM payments") == 0


def test_limits_are_not_lifted_inside_a_query(ask: Ask) -> None:
    for name in ("max_execution_time", "max_memory_usage", "max_result_bytes", "max_threads"):
        for write in (False, True):
            assert _refused(ask(f"SELECT * FROM (SELECT 1 SETTINGS {name} = 1000000000000)", write=write))
            assert _refused(ask(f"SELECT * FROM (SELECT 1 SETTINGS {name} = DEFAULT)", write=write))
            assert _refused(
                ask(f"INSERT INTO payments (id) SELECT 1 SETTINGS {name} = 1000000000000", write=True)
            )


def test_values_of_settings_and_parameters_are_only_values(ask: Ask) -> None:
    evil = "UTC', readonly = 0, max_execution_time = '0"
    assert ask("SELECT 1", session_timezone=evil).status_code != 200
    assert (
        ask("SELECT {x:String}", param_x="'; DROP TABLE payments; --").text
        == "\\'; DROP TABLE payments; --\n"
    )
    assert (
        ask("INSERT INTO {t:Identifier} (id) FORMAT CSV\n1\n", write=True, param_t="payments").status_code
        == 200
    )
    hostile = ask(
        "INSERT INTO {t:Identifier} (id) FORMAT CSV\n1\n", write=True, param_t="payments SELECT 1; --"
    )
    assert hostile.headers["x-clickhouse-exception-code"] == "60"
    named = ask("INSERT INTO payments (id) FORMAT CSV\n1\n", write=True, **{"param_x = '1', readonly": "0"})
    assert named.headers["x-clickhouse-exception-code"] == "115"


def test_get_only_reads_whatever_the_token(served: Served, store: Store) -> None:
    with served.client(served.writer) as client:
        answer = client.get("/", params={"query": "INSERT INTO payments (id) VALUES (1)"})
        assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (403, "164")
        assert client.get("/", params={"query": "SELECT count() FROM payments"}).text == "0\n"
    assert store.value("SELECT count() FROM payments") == 0


def test_a_reader_never_gets_rows_of_anothers_failed_query(served: Served) -> None:
    """Many failing and many good queries on the few handles of the endpoint."""
    wrong: list[str] = []

    def fail() -> None:
        with served.client() as client:
            for _ in range(8):
                client.post(
                    "/", content="SELECT 'CANARY', throwIf(number = 200000) FROM numbers(300000) FORMAT CSV"
                )

    def ask() -> None:
        with served.client() as client:
            wrong.extend(
                text for _ in range(60) if (text := client.post("/", content="SELECT 1").text) != "1\n"
            )

    threads = [threading.Thread(target=work) for work in (fail, fail, ask, ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
