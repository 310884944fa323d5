"""Columns made all at once say what each record says when it is asked alone."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.http import MAX_DEPTH, _json
from probes.paging import find
from probes.probe import ProbeError
from probes.texts import as_text, columns_of, record_batch, text_batch
from tests.probes.reading import told

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "1", "x", "a.b", "ü"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "a.b", "b.a", "a.b.c", ".", "0"]), inner, max_size=4)
    ),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(st.sampled_from(["a", "b", "a.b", "c"]), VALUES, max_size=4), max_size=5)
PATHS = [
    "a", "b", "a.b", "a.b.c", "a.", ".a", "a.0", "a.0.b", "b.a.b", "a[*].b", "a[*]", "a[b=1].a", "c.a[*].b", "0", "nowhere",
]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(RECORDS | st.lists(VALUES, max_size=5))
def test_columns_say_what_each_record_says_at_the_path(records: list[Any]) -> None:
    assert columns_of(records, PATHS) == [[find(record, path) for record in records] for path in PATHS]


WRITTEN = [
    None, "", "text", "ü", 7, -7, 2**70, 1.5, float("nan"), True, False, Decimal("12.50"), Decimal("1E+3"), b"\x01\xff",
    bytearray(b"a"), [1, "x"], {"a": Decimal("1.0")}, date(2026, 3, 1), time(7, 5), datetime(2026, 3, 1, 7, 5, tzinfo=UTC),
    datetime(2026, 3, 1, 7, 5, 0, 12),
]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(WRITTEN), max_size=6))
def test_a_column_is_text_value_for_value(values: list[Any]) -> None:
    [column] = text_batch(["x"], [[value] for value in values]).columns
    assert column.to_pylist() == [as_text(value) for value in values]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_told_apart_wherever_a_block_of_the_file_ends(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record may stand across blocks; blank lines count and are none; what is no object is set aside at its line."""
    monkeypatch.setattr("probes.formats.lines._BLOCK_CHARACTERS", 7)
    given_lines = [
        '{"no": 1.50}',
        "",
        "  ",
        '  {"no": "b"}\t',
        '{"no": 2} {}',
        "[1]",
        "{",
        '{"no": {"a": 1}}',
    ]
    for last in ("", end):
        found = told("json", end.join(given_lines) + last, ["no"], lines=True)
        assert [(line, row["no"]) for line, row in zip(found.lines, found.rows, strict=True)] == [
            (1, "1.50"), (4, "b"), (8, '{"a": "1"}'),
        ]  # fmt: skip
        assert found.wrong() == [(line, "it is not a JSON object") for line in (5, 6, 7)]


def test_xml_children_are_read_in_one_go_as_each_alone() -> None:
    """The first of several counts, also an empty one; names are found in any space of names; the tree is left behind."""
    record = (
        "<r><a> 1 </a><a>2</a><o:b xmlns:o='urn:o'>x</o:b><!-- no --><c/><c>3</c><d k='v'><e>deep</e></d></r>"
    )
    other = "<s><r><a>not here</a></r></s>"
    found = told(
        "xml",
        f"<all>{other}{record}{other}{record}<r/></all>",
        ["a", "b", "c", "d/@k", "d/e", "."],
        record="all/r",
    )
    first = {"a": "1", "b": "x", "c": None, "d/@k": "v", "d/e": "deep", ".": None}
    assert found.rows == [first, first, dict.fromkeys(first)]


def test_a_batch_of_nothing_has_its_columns() -> None:
    assert record_batch(["a", "b"], []).schema.names == ["a", "b"]


def test_how_deep_an_answer_nests_is_counted_exactly() -> None:
    for inner in ("1", '{"a": 1, "b": []}'):
        deep = MAX_DEPTH - (2 if inner != "1" else 0)
        fits = "[" * deep + inner + "]" * deep
        assert _json(fits.encode(), "it") == json.loads(fits, parse_int=str)
        with pytest.raises(ProbeError, match="nests values"):
            _json(f"[{fits}]".encode(), "it")
