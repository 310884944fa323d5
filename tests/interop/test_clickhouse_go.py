"""The official client for Go, over HTTP, reads and writes the embedded store with every compression it has."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import builds
import pytest
from parties import WRITER, Tieout

from tests.store.test_store_endpoint_native import COLUMNS

# Without what this client cannot take apart, whoever sends it.
READABLE = [column for column in COLUMNS if column not in ("NULL", "[]") and "`b c`" not in column]


def asked(tieout: Tieout, compression: str, *queries: str) -> list[dict[str, Any]]:
    """What the program printed for each query."""
    address = f"http://writer:{WRITER}@127.0.0.1:{tieout.store_port}/default?compress={compression}"
    done = subprocess.run(
        [builds.clickhouse_go(), address], input="\n".join(queries), capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_go_programs_read_write_and_are_told_what_is_wrong(tieout: Tieout) -> None:
    each = [f"SELECT {column} AS c FROM numbers(5)" for column in READABLE]
    together = ", ".join(f"{column} AS c{place}" for place, column in enumerate(READABLE))
    for compression in ("none", "lz4", "zstd", "gzip", "deflate"):
        *single, whole, long, refused, inserted, stored = asked(
            tieout,
            compression,
            *each,
            f"SELECT {together}, 'end' AS last FROM numbers(5)",
            "SELECT number AS n, toString(number) AS s FROM numbers(100000)",
            "SELECT * FROM nowhere",
            "INSERT INTO probe_runs (records_read, run_id)",
            f"SELECT count(), uniqExact(run_id), max(records_read), '{compression}' FROM probe_runs",
        )
        errors = [answer["error"] for answer in (*single, whole, long, inserted, stored) if answer["error"]]
        assert errors == []
        columns = [[row[0] for row in answer["rows"]] for answer in single]
        assert whole["rows"] == [[*row, '"end"'] for row in zip(*columns, strict=True)]
        assert columns[:4] == [
            ["0", "1", "2", "3", "4"],
            ["0", "1", "2", "3", "4"],
            ["0", "0", "1", "1", "1"],
            ['"0"', '"1"', '"2"', '"3"', '"4"'],
        ]
        assert long["rows"][-1] == ["99999", '"99999"']
        assert len(long["rows"]) == 100_000
        assert "UNKNOWN_TABLE" in refused["error"]
        assert stored["rows"][0][1:3] == ["50000", "49999"]
