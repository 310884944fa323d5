"""Parquet: typed columns become the text that stands for their value."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from import_site import Site, utc
from pyarrow import parquet

from collector.imports import ImportFailedError

LOG = """
mapping: orders
workflow: orders
format: parquet
match: ["*.parquet"]
events:
  activity: what
  time: {columns: [at], zone: Europe/Berlin}
  objects: [{type: order, column: order}]
  amount: {column: money, currency: EUR}
  attributes: [answer]
"""


def table(**columns: pa.Array) -> pa.Table:
    base = {
        "order": pa.array([7, 8], pa.int64()),
        "what": pa.array(["Sent", None]).dictionary_encode(),
        "at": pa.array([datetime(2026, 7, 1, 8, 0, 0, 5, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
        "money": pa.array([Decimal("12345678901234567890.123456"), None], pa.decimal128(38, 6)),
        "answer": pa.array([True, None]),
    }
    return pa.table({**base, **columns})


def write(site: Site, data: pa.Table, **more: object) -> object:
    path = site.folder / "files" / "orders.parquet"
    parquet.write_table(data, path, **more)
    return path


def test_decimals_stay_exact_and_times_keep_their_zone(site: Site) -> None:
    result = site.run(LOG, write(site, table()))  # type: ignore[arg-type]
    assert site.events("objects.key", "occurred_at", "amount", "attributes") == [
        (
            ["7"],
            datetime(2026, 7, 1, 8, 0, 0, 5, tzinfo=UTC),
            Decimal("12345678901234567890.123456"),
            {"answer": "true"},
        )
    ]
    assert site.rejects("line", "reason") == [(2, "ACTIVITY_EMPTY")]
    assert result.rows_read == 2


@pytest.mark.parametrize(
    ("times", "at"),
    [
        (pa.array([datetime(2026, 7, 1, 8)] * 2, pa.timestamp("ms")), "2026-07-01T06:00"),
        (pa.array([datetime(2026, 7, 1, 8)] * 2, pa.timestamp("ns")), "2026-07-01T06:00"),
        (
            pa.array([datetime(2026, 7, 1, 8, tzinfo=UTC)] * 2, pa.timestamp("s", "America/New_York")),
            "2026-07-01T08:00",
        ),
        (pa.array([date(2026, 7, 1)] * 2, pa.date32()), "2026-06-30T22:00"),
        (pa.array(["2026-07-01 08:00"] * 2), "2026-07-01T06:00"),
        (pa.array([b"2026-07-01 08:00"] * 2, pa.binary()), "2026-07-01T06:00"),
    ],
)
def test_times_of_all_types_are_read(site: Site, times: pa.Array, at: str) -> None:
    site.run(LOG, write(site, table(at=times)))  # type: ignore[arg-type]
    assert site.events("occurred_at") == [(utc(at),)]


def test_floats_become_the_shortest_decimal_that_is_the_same(site: Site) -> None:
    site.run(LOG, write(site, table(money=pa.array([69300.1, None]))))  # type: ignore[arg-type]
    assert site.events("amount") == [(Decimal("69300.1"),)]


def test_a_file_is_read_in_batches_with_numbers_that_run_on(site: Site) -> None:
    rows = pa.concat_tables([table()] * 1000)
    site.run(LOG + "  identity: [order]\n", write(site, rows, row_group_size=300))  # type: ignore[arg-type]
    assert [line for (line,) in site.rejects("line")] == list(range(2, 2001, 2))


def test_a_cut_file_is_refused(site: Site) -> None:
    path = write(site, table())
    data = path.read_bytes()  # type: ignore[attr-defined]
    with pytest.raises(ImportFailedError, match="is no complete Parquet file"):
        site.run(LOG, site.file("orders.parquet", data[:-10]))


def test_a_damaged_file_is_refused_and_nothing_is_imported(site: Site) -> None:
    path = write(site, pa.concat_tables([table()] * 5000), use_dictionary=False, row_group_size=1000)
    data = bytearray(path.read_bytes())  # type: ignore[attr-defined]
    middle = len(data) // 2
    data[middle : middle + 4000] = b"\xff" * 4000
    with pytest.raises(ImportFailedError, match="the file is damaged"):
        site.run(LOG, site.file("orders.parquet", bytes(data)))
    assert site.events("step") == []


def test_lists_in_a_column_that_would_be_read_are_refused(site: Site) -> None:
    nested = table(extra=pa.array([[1], [2]]))
    with pytest.raises(ImportFailedError, match="column 'extra' holds lists or records"):
        site.run(LOG, write(site, nested))  # type: ignore[arg-type]
    assert site.run(LOG + "  identity: [order]\n", write(site, nested)).events.new == 1  # type: ignore[arg-type]
