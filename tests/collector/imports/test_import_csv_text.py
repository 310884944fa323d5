"""How text is cut into rows: against the standard library, which knows no types and no nulls either."""

from __future__ import annotations

import csv
import io
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.imports import ImportFailedError, csv_file
from collector.imports.csv_file import Text
from collector.imports.mapping import CsvOptions
from collector.imports.rows import Bad, Cut, Item, Rows

PLAIN = CsvOptions()


def read(data: bytes, options: CsvOptions = PLAIN, needed: frozenset[str] | None = None) -> list[Item]:
    return list(Text(lambda: nullcontext(io.BytesIO(data)), "f.csv", options).rows(needed, "rows"))


def rows(items: list[Item]) -> dict[int, dict[str, str]]:
    """Rows by number; an empty value is the same as none."""
    found = {}
    for item in items:
        if isinstance(item, Rows):
            found |= dict(
                zip(item.lines.to_pylist(), (dict(row) for row in item.fields.to_pylist()), strict=True)
            )
    return found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a,b\nNA,null\n", {2: {"a": "NA", "b": "null"}}),
        (b"a,b\r\n1,2\r\n", {2: {"a": "1", "b": "2"}}),
        (b"\xef\xbb\xbfa,b\n1,2\n", {2: {"a": "1", "b": "2"}}),
        (b'a,b\n"x\ny","say ""hi"""\n3,4\n', {2: {"a": "x\ny", "b": 'say "hi"'}, 3: {"a": "3", "b": "4"}}),
        (b"a,b\n", {}),
        (b"a\nx\ny\n", {2: {"a": "x"}, 3: {"a": "y"}}),
    ],
)
def test_every_value_is_the_text_that_stands_there(data: bytes, expected: dict[int, dict[str, str]]) -> None:
    items = read(data)
    assert rows(items) == expected
    assert all(isinstance(item, Rows) for item in items)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16"])
def test_text_in_another_encoding_with_another_delimiter(encoding: str) -> None:
    data = "größe;preis\nü;1,5\n".encode(encoding)
    assert rows(read(data, CsvOptions(delimiter=";", encoding=encoding))) == {
        2: {"größe": "ü", "preis": "1,5"}
    }


def test_broken_records_keep_the_numbers_of_the_others_right_across_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csv_file, "BLOCK_BYTES", 64)
    lines = [f"{number},x" if number % 7 else f"{number}" for number in range(2, 200)]
    items = read(("a,b\n" + "\n".join(lines) + "\n").encode())
    assert rows(items) == {number: {"a": str(number), "b": "x"} for number in range(2, 200) if number % 7}
    assert [item.line for item in items if isinstance(item, Bad)] == [
        number for number in range(2, 200) if number % 7 == 0
    ]


def test_only_needed_columns_are_read() -> None:
    assert rows(read(b"a,b,c\n1,2,3\n", needed=frozenset({"b", "z"}))) == {2: {"b": "2"}}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the first line holds no column names"),
        (b"\n1,2\n", "the first line holds no column names"),
        (b"a,b,a\n1,2,3\n", "column 'a' stands twice"),
        ("größe\n1\n".encode("latin-1"), "no column names in utf-8"),
    ],
)
def test_without_good_column_names_nothing_can_be_read(data: bytes, message: str) -> None:
    with pytest.raises(ImportFailedError, match=message):
        read(data)


def test_a_quote_that_is_never_closed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (b'a,b\n1,2\n3,"4\n5,6\n', b'a,b\n1,2\n"3,4\n5,6\n', b'a,b\n1,2\n3,"4'):
        with pytest.raises(ImportFailedError, match=r"f\.csv: a quote in record 3 is never closed"):
            read(text)
    monkeypatch.setattr(csv_file, "BLOCK_BYTES", 64)
    with pytest.raises(ImportFailedError, match="a quote that is never closed, after record 2"):
        read(b'a,b\n1,2\n3,"4\n' + b"5,6\n" * 100)


def test_a_lone_quote_inside_a_value_is_a_character() -> None:
    assert rows(read(b'a,b\n1,5" pipe\n2,x\n')) == {2: {"a": "1", "b": '5" pipe'}, 3: {"a": "2", "b": "x"}}


@pytest.mark.parametrize(("ending", "line"), [("3", 3), ("3,4", 3), ("3,4,5", 3)])
def test_a_last_line_without_line_break_may_be_cut(ending: str, line: int) -> None:
    assert read(f"a,b\n1,2\n{ending}".encode())[-1] == Cut("f.csv", line)


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters='\n",; '), max_size=8)


@given(st.lists(st.tuples(CELL.filter(lambda text: text.strip("\n") != ""), CELL), min_size=1, max_size=20))
def test_any_table_is_read_as_the_standard_library_wrote_it(table: list[tuple[str, str]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("a", "b"), *table])
    expected = {nr: {k: v for k, v in (("a", a), ("b", b)) if v} for nr, (a, b) in enumerate(table, start=2)}
    assert rows(read(out.getvalue().encode())) == expected
