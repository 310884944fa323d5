"""Reading `.sql` files: header, text, parameters, statements."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigurationError
from store import sqlfile


def _file(tmp_path: Path, text: str) -> sqlfile.SqlFile:
    file = tmp_path / "query.sql"
    file.write_text(text, encoding="utf-8")
    return sqlfile.read(file)


def test_leading_comments_are_a_header_with_lines(tmp_path: Path) -> None:
    found = _file(
        tmp_path, "-- title: Open invoices\n-- unit: count\n-- of:\n--   - a\n--   - b\n\nSELECT 1\n-- end\n"
    )
    assert found.name == "query"
    assert found.header == {"title": "Open invoices", "unit": "count", "of": ["a", "b"]}
    assert found.header_lines == {"title": 1, "unit": 2, "of": 3}
    assert found.text == "SELECT 1\n-- end"


def test_plain_comments_are_no_header(tmp_path: Path) -> None:
    found = _file(tmp_path, "-- Counts what is open.\n-- Of everybody.\nSELECT 1\n")
    assert (found.header, found.text) == ({}, "SELECT 1")


def test_a_header_that_is_not_yaml_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"query\.sql: its header is not YAML"):
        _file(tmp_path, "-- title: [unclosed\nSELECT 1\n")


def test_parameters_are_found_with_their_types_in_order(tmp_path: Path) -> None:
    text = (
        "SELECT {b:String}, {a:Array(Tuple(String, UInt8))}, {t:Identifier}, {b:String}, "
        "{at:DateTime64(6, 'UTC')}, {n: Nullable(Int8)}, {'a': 1}, '{no}', map('{x', 1)"
    )
    assert _file(tmp_path, text).parameters == {
        "b": "String",
        "a": "Array(Tuple(String, UInt8))",
        "t": "Identifier",
        "at": "DateTime64(6, 'UTC')",
        "n": "Nullable(Int8)",
    }


def test_a_folder_is_read_by_name_with_what_lies_below(tmp_path: Path) -> None:
    for name in ("b.sql", "a.sql", "deep/c.sql", "not.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("SELECT 1")
    assert [file.name for file in sqlfile.folder(tmp_path)] == ["a", "b", "c"]


def test_statements_end_with_a_semicolon_at_the_end_of_a_line() -> None:
    text = "-- first\nSELECT ';' AS a,\n  'b;c';\n\n-- second; still\nSELECT 2;  \nSELECT 3"
    assert sqlfile.statements(text) == ["SELECT ';' AS a,\n  'b;c'", "SELECT 2", "SELECT 3"]
    assert sqlfile.statements("-- nothing\n\n;\n") == []


@given(
    st.lists(
        st.from_regex(r"SELECT [0-9]{1,5}( AS [a-z]{1,8})?(,\n  '[a-z;]*x')?", fullmatch=True), max_size=6
    )
)
def test_a_script_gives_back_its_statements(parts: list[str]) -> None:
    assert sqlfile.statements("".join(f"-- comment\n{part};\n" for part in parts)) == parts


def test_the_code_of_a_query_has_no_comment_lines_and_its_text_keeps_them(tmp_path: Path) -> None:
    query = _file(tmp_path, "-- title: x\nSELECT 1 -- one;\n  -- why;\n    AS a\n")
    assert "-- why;" in query.text
    assert query.code == "SELECT 1 -- one;\n    AS a"
