"""Where an INSERT is divided from its data, and what the engine's parser says a statement touches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.access import LIMITS, RefusedError, Role, asked_settings
from store.client import Store
from store.engine import Engine, EngineError, Handle, Ticket, Wishes
from store.statement import split_insert


@pytest.fixture(scope="module")
def parser(engine: Store) -> Iterator[Engine]:
    made = Engine(engine.folder)
    yield made
    made.close()


HEADS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", " ", "\n", "-- FORMAT CSV\n", "/* VALUES */ "]),
        st.sampled_from(["INSERT INTO ", "insert into ", "INSERT\n INTO TABLE ", "Insert /* x */ Into "]),
        st.sampled_from(
            ["t", "db.t", "values", "db.format", "`a b`", '"VALUES"', "{t:Identifier}", "`x`.`FORMAT y`"]
        ),
        st.sampled_from(["", " (a, b)", ' (`format`, "values")', " (values)", " (*)"]),
        st.sampled_from(["", " SETTINGS async_insert = 0", " SETTINGS x = ' FORMAT CSV'"]),
        st.sampled_from(
            [" FORMAT CSV", " format JSONEachRow", "\nFORMAT\n  Native", " FORMAT /* y */ RowBinary"]
        ),
    ),
)


@given(head=HEADS, gap=st.sampled_from(["\n", "\r\n", "  \n", " \t\r\n"]), data=st.binary(max_size=200))
def test_the_data_begins_behind_the_line_of_the_format(head: str, gap: str, data: bytes) -> None:
    text = (head + gap).encode() + data
    found = split_insert(text)
    assert found is not None
    assert (text[: found.head].decode(), text[found.data :]) == (head, data)


@given(head=HEADS, data=st.from_regex(rb"[^ \t\f\r\n][\x00-\xff]{0,50}", fullmatch=True))
def test_data_on_the_same_line_begins_behind_the_blanks(head: str, data: bytes) -> None:
    text = head.encode() + b"  " + data
    found = split_insert(text)
    assert found is not None
    assert text[found.data :] == data


@given(text=st.binary(max_size=300))
def test_any_bytes_are_divided_or_not_but_never_break(text: bytes) -> None:
    found = split_insert(text)
    assert found is None or 0 <= found.head <= found.data <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'INSERT INTO t FORMAT CSV'",
        "INSERT INTO t SELECT * FROM s FORMAT CSV",
        "INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x",
        "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        "INSERT INTO t (a) -- FORMAT CSV",
        "INSERT INTO t (FORMAT CSV",
        "INSERT INTO t FORMAT",
        "DELETE FROM t",
        "",
    ],
)
def test_other_statements_are_not_divided(text: str) -> None:
    assert split_insert(text.encode()) is None


def test_facts_name_everything_a_query_touches(parser: Engine) -> None:
    facts = parser.parse(
        "WITH c AS (SELECT * FROM `db`.`odd.name`) SELECT upper(a), * APPLY(toString) FROM c, {d:Identifier}.{t:Identifier} "
        "WHERE x IN (SELECT y FROM my_view(as_of = 1)) FORMAT JSON SETTINGS max_threads = 2, join_use_nulls = '1'"
    )
    assert facts.kind == "SelectWithUnionQuery"
    assert facts.format == "JSON"
    assert {("db", "odd.name"), ("c",), ("{d}", "{t}")} <= facts.tables
    assert {"upper", "tostring", "in"} <= facts.functions
    assert facts.table_functions == {"my_view"}
    assert dict(facts.settings) == {"max_threads": "2", "join_use_nulls": "1"}
    assert facts.trouble == ""


def test_facts_of_an_insert(parser: Engine) -> None:
    facts = parser.parse("insert into db.t (a, `b c`) settings async_insert=0 format CSV")
    assert (facts.kind, facts.target, facts.format, facts.carries_data) == (
        "InsertQuery",
        ("db", "t"),
        "CSV",
        True,
    )
    assert facts.text == "INSERT INTO db.t (a, `b c`) SETTINGS async_insert = 0 FORMAT CSV"
    assert not parser.parse("INSERT INTO t SELECT 1").carries_data


@pytest.mark.parametrize(
    "text",
    [
        "SELECT encrypt('aes-256-ofb', 'secret text', 'a key of thirty-two characters..')",
        "SELECT 0.1, 1e-300, 18446744073709551615, -1, (1, 2).1, [1, 2][1], INTERVAL 1 DAY, DATE '2020-01-01'",
        "SELECT 'a\\'b\\\\ \\n', $$it's$$, `odd name` FROM (SELECT 1 AS `odd name`)",
        "SELECT arrayMap((x, y) -> x + y, [1], [2]), CASE WHEN 1 THEN 'a' ELSE 'b' END, NOT 1, 1 IS NULL",
        "SELECT sum(number) OVER (PARTITION BY number % 2 ORDER BY number ROWS UNBOUNDED PRECEDING) FROM numbers(5)",
        "SELECT number % 3 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS HAVING count() > 1 ORDER BY k LIMIT 2 BY k",
        "SELECT * EXCEPT (b) REPLACE (a + 1 AS a) FROM (SELECT 1 AS a, 2 AS b)",
        "SELECT toDecimal128('1.5', 3)::Decimal(10, 1), 'x'::Nullable(String), map('a', 1)['a'], tuple('a' AS n).1",
    ],
)
def test_the_engines_own_writing_means_the_same(parser: Engine, store: Store, text: str) -> None:
    assert store.raw(parser.parse(text).text, fmt="TSVWithNamesAndTypes") == store.raw(
        text, fmt="TSVWithNamesAndTypes"
    )


def test_texts_are_parsed_once(parser: Engine) -> None:
    assert parser.parse("SELECT 'once'") is parser.parse("SELECT 'once'")


def test_a_refused_text_does_not_spoil_the_parser(parser: Engine) -> None:
    for _ in range(3):
        with pytest.raises(EngineError):
            parser.parse("SELECT (")
        with pytest.raises(RefusedError):
            parser.parse("SHOW PROCESSLIST")
    assert parser.parse("SELECT 42").text == "SELECT 42"


def test_a_handle_with_wishes_keeps_them_to_itself(parser: Engine) -> None:
    facts = parser.parse("SELECT getSetting('max_block_size'), currentDatabase()")

    def ask(**wishes: object) -> bytes:
        return parser.read(facts, "TSV", Wishes(Role.READER, **wishes), Ticket()).body.read()  # type: ignore[arg-type]

    plain = ask()
    assert ask(settings={"max_block_size": "33"}) == b"33\tdefault\n"
    assert ask(database="information_schema").endswith(b"\tinformation_schema\n")
    assert ask() == plain


def test_a_stopped_request_does_not_begin(parser: Engine) -> None:
    ticket = Ticket()
    parser.stop(ticket)
    with pytest.raises(EngineError) as stopped:
        parser.read(parser.parse("SELECT 1"), "TSV", Wishes(Role.READER), ticket)
    assert stopped.value.code == 394


def test_a_raw_handle_does_give_the_next_query_what_the_last_one_wrote(store: Store) -> None:
    """Why handles are thrown away after an error. When this fails, the engine was mended and they need not be."""
    handle = Handle(store.folder, {})
    with pytest.raises(EngineError):
        handle.query(
            "SELECT number, throwIf(number = 300000) FROM numbers(400000) SETTINGS max_block_size = 1000",
            "CSV",
        )
    assert handle.query("SELECT 'mine'", "CSV").bytes() != b'"mine"\n'
    handle.close()


def test_transport_settings_are_dropped_and_others_kept() -> None:
    asked = {
        "wait_end_of_query": "1",
        "session_id": "x",
        "join_use_nulls": "1",
        "output_format_json_quote_64bit_integers": "0",
    }
    kept = asked_settings(Role.READER, asked, LIMITS[Role.READER])
    assert kept == {"join_use_nulls": "1", "output_format_json_quote_64bit_integers": "0"}


def test_commands_beside_a_running_tieout_may_say_what_our_own_statements_say() -> None:
    """`tieout match run` and `backtest` run these through the endpoint."""
    root = Path(__file__).parents[2]
    named = {
        name
        for folder in ("reconcile", "kpis", "dashboard", "tieout")
        for file in (root / folder).rglob("*.sql")
        for settings in re.findall(r"^SETTINGS (.+)$", file.read_text(), re.MULTILINE)
        for name in re.findall(r"(\w+) = ", settings)
    }
    assert named
    for name in named:
        assert asked_settings(Role.WRITER, {name: "1"}, LIMITS[Role.WRITER]), name
