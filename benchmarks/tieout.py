"""How long matching two systems takes, beside peers on the same Parquet files in the same run.

    python benchmarks/tieout.py [--rows 5000000] [--changed 10000] [--only NAME]

Two files of `rows` records each: key and amount; one percent differ, one percent is missing on each side. Each candidate is
a process of its own, so that its memory is its own:

* `duckdb`: a bare full outer join that counts what agrees, differs and is missing; the limit the others are held against.
* `grouping`: the same counts by tieout's engine, which unites both sides and groups by key.
* `job`: the match job over stored states: reads, normalises, decides, writes every decision for every moment, durable.
* `incremental`: the same job after `changed` of the keys got news.
* `polars`, `datacompy polars`, `datacompy pandas`: a full join, and the comparison packages finance teams use.

Peers are in the dependency group `bench`; one that is not installed is left out and said so. Processor seconds are what
other programs on the machine disturb least.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.run import match
from store import migrate
from store.client import Store
from workflows.model import Workflow

HAPPENED = datetime(2026, 3, 1, tzinfo=UTC)
LEARNT = datetime(2026, 3, 2, tzinfo=UTC)
CANDIDATES = ("duckdb", "grouping", "polars", "datacompy polars", "datacompy pandas", "job")

# A key has the same amount on both sides but for one in a hundred; one in a hundred is missing, another on each side.
FILE = """
SELECT concat('K', leftPad(toString(number), 9, '0')) AS key,
    toDecimal64(number % 100000, 2) / 100 + if({second:Bool} AND number % 100 = 7, 1, 0) AS amount
FROM numbers({rows:UInt64})
WHERE number % 100 != if({second:Bool}, 1, 2)
ORDER BY cityHash64(number, {second:Bool})
"""
GROUPING = """
SELECT countIf(a = 1 AND b = 1 AND total = 0) AS agree, countIf(a = 1 AND b = 1 AND total != 0) AS differ, countIf(b = 0) AS missing,
    countIf(a = 0) AS surplus
FROM (
    SELECT key, countIf(side = 1) AS a, countIf(side = -1) AS b, sum(amount * side) AS total
    FROM (
        SELECT key, amount, 1 AS side FROM file({left:String}, 'Parquet')
        UNION ALL
        SELECT key, amount, -1 FROM file({right:String}, 'Parquet'))
    GROUP BY key)
"""
JOIN = """
SELECT count(*) FILTER (WHERE a.amount = b.amount) AS agree, count(*) FILTER (WHERE a.amount != b.amount) AS differ,
    count(*) FILTER (WHERE b.key IS NULL) AS missing, count(*) FILTER (WHERE a.key IS NULL) AS surplus
FROM read_parquet(?) AS a FULL OUTER JOIN read_parquet(?) AS b ON a.key = b.key
"""
STATES = """
INSERT INTO snapshots
SELECT 'x', {kind:String}, concat({prefix:String}, key), map('key', key), amount, 'USD', false, {happened:DateTime64(6, 'UTC')},
    {known:DateTime64(6, 'UTC')}, {known:DateTime64(6, 'UTC')}, toString({known:DateTime64(6, 'UTC')}), 'books', ''
FROM file({path:String}, 'Parquet')
LIMIT {most:UInt64}
"""
WORKFLOW = Workflow.model_validate(
    {
        "workflow": "cash", "title": "Cash", "item": "bank", "sources": ["books"],
        "objects": {"bank": {"title": "Bank"}, "ledger": {"title": "Ledger"}},
        "steps": {"paid": {"title": "Paid", "select": [{"name": "paid"}]}},
        "expectations": [{"name": "once", "kind": "once", "title": "Once", "item": "bank", "step": "paid", "owner": "x"}],
    }
)  # fmt: skip
RULE = MatchingRule.model_validate(
    {
        "rule": "bank", "title": "Bank and ledger", "workflow": "cash", "owner": "treasury",
        "legs": {leg: {"type": leg, "fields": {"key": "key", "amount": "@amount"}} for leg in ("bank", "ledger")},
        "keys": [{"fields": ["key"], "method": "pair"}], "numbers": {"amount": {}},
        "compare": {"amount": {"field": "amount", "means": "amount", "expected": "bank", "actual": "ledger"}},
    }
)  # fmt: skip


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    given.add_argument("--rows", type=int, default=5_000_000)
    given.add_argument("--changed", type=int, default=10_000)
    given.add_argument("--only", choices=CANDIDATES, action="append")
    given.add_argument("--as", dest="candidate", choices=CANDIDATES, help=argparse.SUPPRESS)
    given.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = given.parse_args()
    if chosen.candidate:
        print(json.dumps(RUN[chosen.candidate](chosen.folder, chosen.changed)))
        return
    with tempfile.TemporaryDirectory(prefix="tieout-bench-") as folder:
        compare(Path(folder), chosen.rows, chosen.changed, chosen.only or list(CANDIDATES))


def compare(folder: Path, rows: int, changed: int, candidates: list[str]) -> None:
    subprocess.run([sys.executable, "-c", MAKE, str(ROOT), str(folder), str(rows)], check=True)
    print(
        f"{rows:,} + {rows:,} records, {sum(f.stat().st_size for f in folder.glob('*.parquet')) / 1e6:,.0f} MB of Parquet\n"
    )
    print(f"{'':<46}{'wall':>10}{'processor':>12}{'x duckdb':>10}{'memory':>12}   found")
    limit = None
    for candidate in candidates:
        done = subprocess.run(
            [sys.executable, __file__, "--as", candidate, "--folder", str(folder), "--changed", str(changed)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            print(
                f"{candidate:<46}left out: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'ended'}"
            )
            continue
        for line in json.loads(done.stdout.splitlines()[-1]):
            limit = limit or (line["cpu_s"] if candidate == "duckdb" else None)
            ratio = f"{line['cpu_s'] / limit:8.1f}" if limit else ""
            print(
                f"{line['what']:<46}{line['wall_s']:>8.2f} s{line['cpu_s']:>10.2f} s{ratio:>10}{line['memory_mb']:>9,.0f} MB   {line['found']}"
            )


MAKE = """
import sys
sys.path.insert(0, sys.argv[1])
from benchmarks.tieout import make
make(sys.argv[2], int(sys.argv[3]))
"""


def make(folder: str, rows: int) -> None:
    """The two files, written by the engine."""
    with Store(f"chdb://{folder}/make") as store:
        for name, second in (("left", False), ("right", True)):
            body = store.raw(FILE, {"rows": rows, "second": second}, fmt="Parquet")
            (Path(folder) / f"{name}.parquet").write_bytes(body)


def measured(what: str, work: Callable[[], Any]) -> dict[str, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return {
        "what": what, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "found": found,
    }  # fmt: skip


def files(folder: Path) -> tuple[str, str]:
    return str(folder / "left.parquet"), str(folder / "right.parquet")


def run_duckdb(folder: Path, _: int) -> list[dict[str, Any]]:
    import duckdb

    connection = duckdb.connect()
    return [
        measured(
            "duckdb: bare full outer join",
            lambda: str(connection.execute(JOIN, list(files(folder))).fetchone()),
        )
    ]


def run_grouping(folder: Path, _: int) -> list[dict[str, Any]]:
    left, right = files(folder)
    with Store(f"chdb://{folder}/grouping") as store:
        return [
            measured(
                "tieout: union and group by key",
                lambda: str(tuple(store.one(GROUPING, {"left": left, "right": right}).values())),
            )
        ]


def run_polars(folder: Path, _: int) -> list[dict[str, Any]]:
    import polars as pl

    def work() -> str:
        left, right = (pl.scan_parquet(path) for path in files(folder))
        joined = left.join(right, on="key", how="full").select(
            (pl.col("amount") == pl.col("amount_right")).sum().alias("agree"),
            (pl.col("amount") != pl.col("amount_right")).sum().alias("differ"),
            pl.col("key_right").is_null().sum().alias("missing"),
            pl.col("key").is_null().sum().alias("surplus"),
        )
        return str(joined.collect().row(0))

    return [measured("polars: full join", work)]


def run_datacompy(folder: Path, package: str) -> list[dict[str, Any]]:
    import datacompy

    def work() -> str:
        if package == "polars":
            import polars as pl

            left, right = (pl.read_parquet(path) for path in files(folder))
            compared: Any = datacompy.PolarsCompare(left, right, join_columns=["key"])
        else:
            import pandas as pd

            left, right = (pd.read_parquet(path) for path in files(folder))
            compared = datacompy.PandasCompare(left, right, join_columns=["key"])
        differ = len(compared.intersect_rows) - compared.count_matching_rows()
        return str(
            (compared.count_matching_rows(), differ, len(compared.df1_unq_rows), len(compared.df2_unq_rows))
        )

    return [measured(f"datacompy on {package}", work)]


def run_job(folder: Path, changed: int) -> list[dict[str, Any]]:
    """Stored states of both files, then everything matched, then again after news of some keys."""
    left, right = files(folder)
    with Store(f"chdb://{folder}/job") as store:
        migrate.migrate(store, LEARNT)
        migrate.replace_views(store, ROOT / "reconcile" / "views")
        for kind, path in (("bank", left), ("ledger", right)):
            given = {"kind": kind, "prefix": kind, "path": path, "happened": HAPPENED, "most": 1 << 62}
            store.command(STATES, {**given, "known": LEARNT})
        rulings, flows = [Ruling(RULE, {})], {"cash": WORKFLOW}

        def run(now: datetime) -> str:
            (done,) = match(store, rulings, flows, now)
            return f"{done.decisions:,} decisions, {done.judged:,} judged one by one"

        lines = [
            measured("tieout: match job, all decisions stored", lambda: run(LEARNT + timedelta(hours=1)))
        ]
        news = LEARNT + timedelta(days=1)
        given = {"kind": "ledger", "prefix": "ledger", "path": right, "happened": HAPPENED, "most": changed}
        store.command(STATES, {**given, "known": news})
        lines.append(
            measured(
                f"tieout: match job after news of {changed:,} keys", lambda: run(news + timedelta(hours=1))
            )
        )
        lines.append(measured("tieout: match job, nothing new", lambda: run(news + timedelta(hours=2))))
    return lines


RUN: dict[str, Callable[[Path, int], list[dict[str, Any]]]] = {
    "duckdb": run_duckdb,
    "grouping": run_grouping,
    "polars": run_polars,
    "datacompy polars": lambda folder, _: run_datacompy(folder, "polars"),
    "datacompy pandas": lambda folder, _: run_datacompy(folder, "pandas"),
    "job": run_job,
}

if __name__ == "__main__":
    main()
