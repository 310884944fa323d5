"""What clients of the native protocol ask for over HTTP: ClickHouse's own compression, blocks with facts and marks.

clickhouse-go speaks so, and with it the Collector's exporter and most programs in Go.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import httpx
import pytest

from store.access import RefusedError
from store.client import Store
from store.frames import framed, unframed
from store.native import with_block_facts
from tests.store.serving import Served

Ask = Callable[..., httpx.Response]
TEXT = b"orders orders orders orders orders orders orders orders\n"
# The frame around TEXT that ch-go 0.73, the client's own library, makes by each method.
FRAMES = {
    "none": "fdd7a735b22a76a4660cee75a375c6500241000000380000006f7264657273206f7264657273206f7264657273206f72646572"
    "73206f7264657273206f7264657273206f7264657273206f72646572730a",
    "lz4": "5448e780bd0377adcc0481ab6dd6fdb28227000000380000007f6f72646572732007000a001c00002300c064657273206f7264657273"
    "0a",
    "zstd": "cdd831d36dd28763e9a3ce68597e580390250000003800000028b52ffd04007d0000406f7264657273200a015407032529a3a5aa81",
}
# One expression a kind of column; each over number, so that rows differ.
COLUMNS = (
    "number", "toInt8(number)", "number > 1", "toString(number)", "repeat('k', number * 100)",
    "toFixedString(toString(number), 3)", "toDate('2026-11-20') + number", "toDate32('1930-01-01') + number",
    "toDateTime64(number, 9, 'UTC')", "toDecimal32(number, 2)", "toDecimal64(number, 2)", "toDecimal128(number, 2)",
    "toDecimal256(number, 2)", "toUInt256(number)", "toFloat32(number)", "toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')",
    "toIPv4('10.0.0.1')", "toIPv6('::1')", "CAST(number % 2, 'Enum8(\\'a(b\\' = 0, \\'c, `d\\' = 1)')",
    "toIntervalDay(number)", "NULL", "toNullable(toString(number))", "CAST(NULL, 'Nullable(String)')", "[]", "range(number)",
    "arrayMap(n -> range(n), range(number))", "[toNullable(number)]", "(number, toString(number))",
    "CAST((number, toString(number)), 'Tuple(a UInt64, `b c` String)')", "map(toString(number), [number])",
    "CAST(map('k', toString(number)), 'Map(LowCardinality(String), String)')", "toLowCardinality(toString(number))",
    "CAST(if(number = 1, NULL, 'a'), 'LowCardinality(Nullable(String))')",
    "arrayMap(n -> toLowCardinality(toString(n)), range(number))", "arrayMap(n -> toLowCardinality('x'), range(0))",
    "CAST([(number, 'x')], 'Nested(a UInt64, b LowCardinality(String))')", "CAST((1., 2.), 'Point')",
    "CAST([[(1., 2.)]], 'Polygon')", "CAST(number, 'SimpleAggregateFunction(sum, UInt64)')",
)  # fmt: skip
FACTS = b"\x01\x00\x02\xff\xff\xff\xff\x00"


@pytest.mark.parametrize("method", FRAMES)
def test_a_frame_of_the_clients_library_is_read(method: str) -> None:
    frame = bytes.fromhex(FRAMES[method])
    assert unframed(io.BytesIO(frame * 3), len(TEXT) * 3).read() == TEXT * 3


@pytest.mark.parametrize("size", [0, 1, 56, (1 << 20) - 1, 1 << 20, 3_000_000])
def test_what_we_frame_is_read_again(size: int) -> None:
    content = (TEXT * (size // len(TEXT) + 1))[:size]
    frames, written = framed(io.BytesIO(content))
    assert len(frames.read()) == written
    frames.seek(0)
    assert unframed(frames, size).read() == content


@pytest.mark.parametrize("method", FRAMES)
def test_a_frame_is_refused_whichever_byte_of_it_is_wrong(method: str) -> None:
    frame = bytes.fromhex(FRAMES[method])
    for place in range(len(frame)):
        wrong = bytearray(frame)
        wrong[place] ^= 0x41
        with pytest.raises(RefusedError) as refused:
            unframed(io.BytesIO(bytes(wrong)), 1 << 20)
        assert refused.value.code in (40, 229, 271)
    for length in range(1, len(frame)):
        with pytest.raises(RefusedError) as refused:
            unframed(io.BytesIO(frame + frame[:length]), 1 << 20)
        assert refused.value.code in (40, 271)


def test_frames_cost_no_more_than_a_request_may(ask: Ask) -> None:
    frame = bytes.fromhex(FRAMES["zstd"])
    with pytest.raises(RefusedError) as refused:
        unframed(io.BytesIO(frame * 2), len(TEXT) * 2 - 1)
    assert refused.value.code == 229
    bomb, _ = framed(io.BytesIO(b"-" * (5 << 20)))
    answer = ask(bomb.read(), decompress="1")
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (413, "229")


def test_request_and_answer_may_be_in_frames(ask: Ask, store: Store) -> None:
    question, _ = framed(io.BytesIO(b"SELECT number FROM numbers(3) FORMAT CSV"))
    answer = ask(question.read(), decompress="1", compress="1")
    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers
    assert unframed(io.BytesIO(answer.content), 1000).read() == b"0\n1\n2\n"
    rows, _ = framed(io.BytesIO(b"7,seven\n"))
    insert = "INSERT INTO payments (id, name) FORMAT CSV"
    assert ask(rows.read(), write=True, query=insert, decompress="1", compress="1").content == b""
    assert store.rows("SELECT id, name FROM payments") == [{"id": 7, "name": "seven"}]


def test_a_refusal_is_in_frames_too_or_nobody_would_read_it(ask: Ask) -> None:
    answer = ask("SELECT * FROM nowhere", compress="1")
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (404, "60")
    assert unframed(io.BytesIO(answer.content), 1000).read().startswith(b"Code: 60. DB::Exception: ")


def data_of(single: bytes, kind: str) -> bytes:
    """The data of the only column in a plain block."""
    return single[single.index(kind.encode()) + len(kind) :]


def test_a_block_of_any_columns_gets_its_facts_and_a_mark_a_column(ask: Ask) -> None:
    """Made from the same columns asked one at a time, where the data of the one column ends with the block."""
    expected = FACTS + bytes([len(COLUMNS), 5])
    for place, column in enumerate(COLUMNS):
        single = ask(f"SELECT {column} AS c{place:02} FROM numbers(5) FORMAT Native").content
        kind = ask(f"SELECT toTypeName({column}) FROM numbers(1) FORMAT TSVRaw").text
        # In a block a long name of a type stands on one line.
        kind = " ".join(kind.split()).replace("( ", "(")
        data = data_of(single, kind)
        expected += single[2 : len(single) - len(data)] + b"\0" + data
    listed = ", ".join(f"{column} AS c{place:02}" for place, column in enumerate(COLUMNS))
    answer = ask(f"SELECT {listed} FROM numbers(5)", default_format="Native", client_protocol_version="54460")
    assert answer.status_code == 200
    assert answer.content == expected


def test_every_block_of_a_long_answer_is_framed(ask: Ask) -> None:
    sql = "SELECT number, toString(number) AS s FROM numbers(700000) FORMAT Native"
    plain = ask(sql).content
    marked = ask(sql, client_protocol_version="54460").content
    blocks = marked.count(FACTS)
    assert blocks > 1
    assert len(marked) == len(plain) + blocks * (len(FACTS) + 2)


def test_clients_of_an_older_protocol_and_other_formats_get_what_they_got(ask: Ask) -> None:
    plain = ask("SELECT 1 AS x FORMAT Native").content
    for version in ("0", "54405", "54453", "", "x", "²", "9" * 30):
        assert ask("SELECT 1 AS x FORMAT Native", client_protocol_version=version).content == plain
    assert ask("SELECT 1 FORMAT CSV", client_protocol_version="54460").content == b"1\n"
    assert ask("SELECT 1 AS x WHERE 0 FORMAT Native", client_protocol_version="54460").content == b""


def test_a_type_that_cannot_be_measured_is_refused_by_name(ask: Ask) -> None:
    answer = ask(
        "SELECT sumState(number) AS x FROM numbers(3) FORMAT Native", client_protocol_version="54460"
    )
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (501, "48")
    assert "AggregateFunction" in answer.text
    one = io.BytesIO(b"\x01\x00\x01x\x08Variant(")
    marked, size = with_block_facts(one, 13)
    assert (marked.read(), size) == (FACTS + b"\x01\x00\x01x\x08Variant(\0", 22), (
        "no rows, nothing to measure"
    )


def test_a_client_says_hello(served: Served, ask: Ask) -> None:
    """The first question of clickhouse-go, as it asks it."""
    answer = ask(
        "SELECT displayName(), version(), revision(), timezone()",
        database="default",
        default_format="Native",
        client_protocol_version="54460",
        compress="1",
    )
    block = unframed(io.BytesIO(answer.content), 10_000).read()
    assert block.startswith(FACTS + b"\x04\x01\x0ddisplayName()\x06String\0")
