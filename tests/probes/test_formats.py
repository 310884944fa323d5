"""Fixed width, JSON and XML: what is there is read, what is missing is said, what attacks is refused."""

from __future__ import annotations

import io
import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import probes.formats.json_records
import probes.formats.lines
import probes.formats.xml_records
from probes.formats.contract import Source
from probes.formats.xml_records import elements
from probes.load import load_probe
from probes.probe import ProbeError, ProbeFile
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.reading import format_of, told
from tests.probes.source import count, rejects, states
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
FIXED: dict[str, Any] = {
    "columns": {"no": "3-6", "total": {"at": "7-13", "decimals": 2}},
    "records": {"at": 1, "text": "D"},
    "others": [{"at": "1", "text": "H"}],
    "trailer": {"at": 1, "text": "T", "count": "3-6", "total": {"at": "7-13", "decimals": 2}, "of": "total"},
}
GOOD = "H 20261120\nD 00110000150\nD 0012-000050\nT 00020000100\n"


def test_fixed_width_values_stand_where_the_file_says_and_the_trailer_agrees() -> None:
    found = told("fixed", GOOD, ["total", "no"], **FIXED)
    assert found.rows == [{"total": "00001.50", "no": "0011"}, {"total": "-0000.50", "no": "0012"}]
    assert (found.lines, found.bad) == ([2, 3], [])


@pytest.mark.parametrize(
    ("change", "line", "detail"),
    [
        (("T 00020000100\n", ""), 3, "the file has no trailer: its end is missing"),
        (("T 0002", "T 0003"), 4, "the trailer counts 3 records, there are 2"),
        (("T 0002", "T x002"), 4, "the trailer counts an unreadable number of records, there are 2"),
        (("0100\n", "0101\n"), 4, "the trailer's total of total is not the sum of the records"),
        (("0100\n", "0100\nD 00130000000\n"), 5, "there are lines after the trailer"),
    ],
)
def test_a_trailer_that_does_not_agree_shows_that_the_file_is_not_whole(
    change: tuple[str, str], line: int, detail: str
) -> None:
    found = told("fixed", GOOD.replace(*change), ["no"], **FIXED)
    assert found.wrong("not_whole") == [(line, detail)]
    assert [row["no"] for row in found.rows] == ["0011", "0012"]


def test_lines_of_no_known_type_or_of_another_length_are_set_aside() -> None:
    found = told("fixed", GOOD.replace("T ", "? x\nD 0013\nT ", 1), ["no"], **FIXED, length=13)
    assert found.wrong("bad_line") == [
        (4, "the line is of no type that the probe file names"),
        (5, "the line has 6 characters instead of 13"),
    ]
    assert found.whole


def test_fixed_width_comes_from_mainframes_too() -> None:
    found = told("fixed", "0011für\n".encode("cp1140"), ["no", "name"], columns={"no": "1-4", "name": "5-9"}, encoding="cp1140")  # fmt: skip
    assert found.rows == [{"no": "0011", "name": "für"}]


ORDERS = '{"meta": {"n": [1, {"orders": "no"}]}, "result": {"orders": [%s], "n": 2}}'


def test_json_records_stand_at_a_path_and_numbers_stay_as_they_are_written() -> None:
    content = (
        ORDERS % '{"no": 12345678901234567890, "t": 12.50, "s": {"x": [1, "a"]}}, {"no": "2", "f": true}'
    )
    found = told("json", content, ["no", "t", "s.x", "f"], select="result.orders")
    assert found.rows == [
        {"no": "12345678901234567890", "t": "12.50", "s.x": '["1", "a"]', "f": None},
        {"no": "2", "t": None, "s.x": None, "f": "true"},
    ]
    assert found.bad == []


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_json_is_the_same_however_it_is_cut_into_pieces(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes.formats.json_records, "_CHUNK_BYTES", size)
    content = '\ufeff [ {"no": 1, "t": "für \\" ]"} ,\n {"no": 23456, "t": -1.5e3}, 7, {"no": null} ] '
    found = told("json", content, ["no", "t"])
    assert [row["no"] for row in found.rows] == ["1", "23456", None]
    assert found.wrong() == [(3, "it is not a JSON object")]


def test_json_lines_lose_one_line_and_not_the_file() -> None:
    found = told("json", '{"no": 1}\n\n{"no": 2\n[3]\n{"no": 4}\n', ["no"], lines=True)
    assert ([row["no"] for row in found.rows], found.lines) == (["1", "4"], [1, 5])
    assert found.wrong("bad_line") == [(3, "it is not a JSON object"), (4, "it is not a JSON object")]


@pytest.mark.parametrize(
    "content", ['[{"no": 1}, {"no": ', '[{"no": 1}', '[{"no": 1}, {"no" 2}]', '[{"no": 1};']
)
def test_json_that_breaks_off_keeps_what_was_readable_and_is_not_whole(content: str) -> None:
    found = told("json", content, ["no"])
    assert found.rows == [{"no": "1"}]
    assert found.wrong("not_whole") == [(2, "the file ends here, or is not JSON from here on")]


@pytest.mark.parametrize(
    ("content", "keys", "code"),
    [
        ("", {}, "bad_file"),
        ("<a/>", {}, "no_records"),
        ('{"no": 1}', {}, "no_records"),
        ('{"a": {"b": [], "c": {}}}', {"select": "a.c"}, "no_records"),
        ('{"a": {"b": []}}', {"select": "a.c"}, "no_records"),
        ("[" * 100_000, {}, "bad_file"),
        ('[{"no": "' + "x" * 2000 + '"}]', {"max_record_characters": 1000}, "too_large"),
    ],
)
def test_json_without_a_list_or_beyond_the_limits_is_refused(
    content: str, keys: dict[str, Any], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes.formats.json_records, "_CHUNK_BYTES", 500)
    with pytest.raises(ProbeError) as refused:
        told("json", content, ["no"], **keys)
    assert refused.value.code == code
    assert "x" * 50 not in str(refused.value)


XML = """<?xml version="1.0"?>
<o:Orders xmlns:o="urn:orders" xmlns="urn:other"><Head><Date>2026-11-20</Date></Head>
<o:Order id="1"><Total currency="EUR"> 12.50 </Total><Lines><Line>a</Line></Lines></o:Order>
<Order id="x"/>
<o:Order id="2"><Total>3</Total></o:Order></o:Orders>"""


def test_xml_records_are_elements_at_a_path_and_columns_are_paths_inside_them() -> None:
    columns = ["@id", "Total", "Total/@currency", "Lines/Line", "../Head/Date"]
    found = told("xml", XML, columns, record="Orders/Order")
    assert [list(row.values()) for row in found.rows] == [
        ["1", "12.50", "EUR", "a", "2026-11-20"],
        ["x", None, None, None, "2026-11-20"],
        ["2", "3", None, None, "2026-11-20"],
    ]
    assert (found.lines, found.bad) == ([3, 4, 5], [])


def test_xml_names_with_a_prefix_are_those_of_that_namespace() -> None:
    spaces = {"s": "urn:orders", "": "urn:other"}
    found = told("xml", XML, ["@id", "Total"], record="s:Orders/s:Order", namespaces=spaces)
    assert found.rows == [{"@id": "1", "Total": "12.50"}, {"@id": "2", "Total": "3"}]


def test_xml_that_breaks_off_keeps_what_was_readable_and_is_not_whole() -> None:
    found = told("xml", XML[:-40], ["@id"], record="Orders/Order")
    assert [row["@id"] for row in found.rows] == ["1", "x"]
    assert [bad.reason for bad in found.bad] == ["not_whole"]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "declaration",
    [
        f'<!DOCTYPE a [<!ENTITY l0 "lol">{LAUGHS}]>',
        '<!DOCTYPE a [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd">',
    ],
)
def test_a_document_type_is_refused_before_anything_is_expanded_or_fetched(declaration: str) -> None:
    with pytest.raises(ProbeError) as refused:
        told("xml", f"{declaration}<a><b>&l9;</b></a>", ["."], record="a/b")
    assert refused.value.code == "dtd_refused"


def test_xml_that_is_nested_or_wide_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(etree.XMLSyntaxError):
        told("xml", "<a>" * 100_000, ["."], record="a/b")
    monkeypatch.setattr(probes.formats.xml_records, "MAX_RECORD_BYTES", 100_000)
    for content in ("<a><b>" + "<c/>" * 40_000 + "</b></a>", "<a>" + "<c/>" * 40_000 + "<b/></a>"):
        with pytest.raises(ProbeError) as refused:
            told("xml", content, ["."], record="a/b")
        assert refused.value.code == "too_large"
    assert len(told("xml", "<a>" + "<b/>" * 40_000 + "</a>", ["."], record="a/b").rows) == 40_000


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes.formats.lines, "MAX_LINE_CHARACTERS", 1000)
    for kind, keys in (("fixed", {"columns": {"no": "1-4"}}), ("json", {"lines": True})):
        with pytest.raises(ProbeError) as refused:
            told(kind, "x" * 5000, ["no"], **keys)
        assert refused.value.code == "too_large"


class _Endless(io.RawIOBase):
    """The text of `head`, then `item` again and again, `times` times: a file that nobody has to hold."""

    def __init__(self, head: bytes, item: bytes, times: int) -> None:
        self._parts = iter([head, *([item * 1000] * (times // 1000))])
        self._left = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and (part := next(self._parts, b"")):
            self._left += part
        given, self._left = self._left[:size], self._left[size:]
        return given


def test_memory_does_not_grow_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes.formats.json_records, "BATCH_ROWS", 1000)
    head, item = b'[{"no": "0"}', b', {"no": "17", "more": "' + b"x" * 200 + b'"}'

    def peak(times: int) -> int:
        source = Source(_Endless(head, item, times), "a", ("no",))  # type: ignore[arg-type]
        tracemalloc.start()
        number = sum(batch.records.num_rows for batch in format_of("json").read(source))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert number == times + 1
        return used

    assert peak(25_000) < 1.2 * peak(10_000)


@pytest.mark.parametrize(
    ("path", "item"),
    [
        ("a/b", b"<b><c>1</c></b>"),
        ("a/b", b"<b><c>1</c></b><x><y/></x>"),
        ("a/p/b", b"<p><q/><b><c>1</c></b></p>"),
    ],
)
def test_an_xml_tree_keeps_what_is_before_the_records_and_no_record_that_was_read(
    path: str, item: bytes
) -> None:
    """The parser takes 32 KiB at a time, and so much of the tree may lie ahead."""
    content = b"<a><head/>" + item * 20_000 + b"</a>"
    kept = []
    for element in elements(Source(io.BytesIO(content), "a", ()), path, {}):
        root = element.getroottree().getroot()
        assert root[0].tag == "head"
        kept.append(len(root))
    assert len(kept) == 20_000
    assert max(kept) < 2600


def test_an_element_of_the_same_name_elsewhere_is_no_record() -> None:
    content = "<a><b>1</b><c><b>no</b></c><b>2<b>no</b></b></a>"
    assert [row["."] for row in told("xml", content, ["."], record="a/b").rows] == ["1", "2"]
    assert told("xml", "<x><b>no</b></x>", ["."], record="a/b").rows == []
    with pytest.raises(ProbeError, match="document type"):
        told("xml", "<!DOCTYPE x><x><b>no</b></x>", ["."], record="a/c")


def test_a_run_out_of_time_stops_inside_a_file() -> None:
    def stop() -> None:
        raise ProbeError("timeout", "too long")

    content = b'[{"no": "0"}' + b', {"no": "17"}' * 200_000 + b"]"
    with pytest.raises(ProbeError) as stopped:
        list(format_of("json").read(Source(io.BytesIO(content), "a", ("no",), stop)))
    assert stopped.value.code == "timeout"


@pytest.fixture
def drop(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


def test_a_file_that_is_not_whole_is_kept_and_proves_nothing_until_it_comes_again(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    def deliver(name: str, content: str, hours: int) -> None:
        (drop / name).write_text(content)
        os.utime(drop / name, ((NOW - timedelta(hours=hours)).timestamp(),) * 2)

    state = {"amount": {"column": "total", "currency": "EUR"}}
    probe = make_probe(
        kind="files", folder="drop", format={"type": "fixed"} | FIXED, mode="incremental", object=state
    )
    deliver("1.txt", GOOD, 3)
    deliver("2.txt", GOOD.replace("T 0002", "T 0003").replace("D 00", "D 01"), 2)
    first = run_probe(store, probe, workflow, NOW)
    assert (first.status, first.complete, first.error_code, first.read) == ("partial", False, "not_whole", 4)
    assert "file 2.txt" in first.error
    assert "the trailer counts 3 records, there are 2; get it again" in first.error
    assert rejects(store) == [("not_whole", "the trailer counts 3 records, there are 2")]
    assert [(row["object_key"], row["amount"]) for row in states(store)] == [
        ("11", Decimal("1.5")), ("12", Decimal("-0.5")), ("111", Decimal("1.5")), ("112", Decimal("-0.5")),
    ]  # fmt: skip
    again = run_probe(store, probe, workflow, NOW + timedelta(minutes=5))
    assert (again.complete, again.read, again.changed) == (False, 2, 0)
    assert (count(store, "watermarks"), count(store, "import_rejects")) == (0, 1)
    deliver("2.txt", GOOD.replace("D 00", "D 01"), 1)
    last = run_probe(store, probe, workflow, NOW + timedelta(minutes=10))
    assert (last.status, last.complete_through) == ("ok", NOW - timedelta(hours=1))


def test_a_state_that_is_not_whole_makes_nothing_absent(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    probe = make_probe(kind="files", folder="drop", format={"type": "fixed"} | FIXED)
    (drop / "1.txt").write_text(GOOD)
    os.utime(drop / "1.txt", ((NOW - timedelta(hours=2)).timestamp(),) * 2)
    assert run_probe(store, probe, workflow, NOW).changed == 2
    (drop / "2.txt").write_text(GOOD.replace("D 0012-000050\n", ""))
    os.utime(drop / "2.txt", ((NOW - timedelta(hours=1)).timestamp(),) * 2)
    for minutes in (5, 10):
        done = run_probe(store, probe, workflow, NOW + timedelta(minutes=minutes))
        assert (done.error_code, done.read, done.deleted, done.complete_through) == ("not_whole", 1, 0, None)


def test_a_torn_file_does_not_hide_that_too_many_records_were_set_aside(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    """Files whose records could not be understood are read again; what is wrong may be the probe file."""
    probe = make_probe(kind="files", folder="drop", format={"type": "fixed"} | FIXED, mode="incremental")
    (drop / "1.txt").write_text("? x\n" + GOOD)
    (drop / "2.txt").write_text(GOOD.replace("T 0002", "T 0003"))
    for path in drop.iterdir():
        os.utime(path, ((NOW - timedelta(hours=1)).timestamp(),) * 2)
    for minutes in (0, 5):
        done = run_probe(store, probe, workflow, NOW + timedelta(minutes=minutes))
        assert (done.error_code, done.read, done.rejected) == ("not_whole", 5, 1)


def test_a_column_the_format_cannot_have_is_a_mistake_in_the_probe_file(
    tmp_path: Path, workflow: Workflow
) -> None:
    common = {
        "name": "p",
        "kind": "files",
        "title": "P",
        "workflow": "payables",
        "system": "ap",
        "folder": "d",
    }
    mapping = common | {
        "object": {"type": "invoice", "key": "number"},
        "format": {"type": "fixed", "columns": {"numbr": 5}},
    }
    (tmp_path / "p.yaml").write_text(json.dumps(mapping, indent=1))
    _, _, findings = load_probe(tmp_path / "p.yaml", {"payables": workflow})
    [finding] = findings
    assert finding.text().endswith(
        "p.yaml:10:3: column 'number': it is not among the columns of 'format'; did you mean 'numbr'?"
    )
