"""How long matching systems takes, beside peers on the same Parquet files in the same run.

    python benchmarks/tieout.py [--rows 5000000] [--lines 10000000] [--groups 20000] [--changed 10000]
        [--volumes 1000000 2000000 4000000 10000000] [--only NAME]

Two files of `rows` records each: key and amount; one percent differ, one percent is missing on each side:

* `duckdb`: a bare full outer join that counts what agrees, differs and is missing; the limit the others are held against.
* `extracts`: what `tieout compare` does: the same counts with the money of each state and the keys that differ most.
* `polars`, `datacompy polars`, `datacompy pandas`: a full join, and the comparison packages finance teams use.
* `job`: the match job over stored states: reads, normalises, decides, writes every decision for every moment, durable.

Then other shapes, each held against the first line of its own kind:

* `3-way`: orders, receipts and invoices by line, `lines` in total; DuckDB joins the sums of the three files.
* `groups`: `groups` accounts in which several bank lines are several ledger lines; no peer looks for sums.
* `incremental`: the job after `changed` keys got news, where `volumes` records are stored; the median of five runs. Keys that
  lie anywhere are the worst there is; those of new documents mostly follow each other.

Each measurement is a process of its own that only opens what another one stored, so that its memory is its own. Peers are in
the dependency group `bench`; one that is not installed is left out and said so. Processor seconds are what other programs
on the machine disturb least.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.tieout_data import (
    LEARNT,
    NEIGHBOURS,
    PAIRS,
    STATES,
    SUMS,
    THREE_WAY,
    WORKFLOW,
    add_states,
    open_store,
    path_of,
    settle,
)
from reconcile.extracts.compare import Wanted, column
from reconcile.extracts.compare import compare as compare_extracts
from reconcile.matching.model import Ruling
from reconcile.matching.run import match
from store.client import Store

INCREMENTS = 5
# Rows of the three files for each order line.
LINES_AN_ORDER = 3.01

JOIN = """
SELECT count(*) FILTER (WHERE a.amount = b.amount) AS agree, count(*) FILTER (WHERE a.amount != b.amount) AS differ,
    count(*) FILTER (WHERE b.key IS NULL) AS missing, count(*) FILTER (WHERE a.key IS NULL) AS surplus
FROM read_parquet(?) AS a FULL OUTER JOIN read_parquet(?) AS b ON a.key = b.key
"""
THREE_WAY_JOIN = """
SELECT count(*) FILTER (WHERE r.quantity = i.quantity AND o.price = i.price) AS agree,
    count(*) FILTER (WHERE r.quantity != i.quantity OR o.price != i.price) AS differ, count(*) FILTER (WHERE i.key IS NULL) AS missing
FROM read_parquet(?) AS o
FULL OUTER JOIN (SELECT key, sum(quantity) AS quantity FROM read_parquet(?) GROUP BY key) AS r ON r.key = o.key
FULL OUTER JOIN (SELECT key, sum(quantity) AS quantity, any_value(price) AS price FROM read_parquet(?) GROUP BY key) AS i ON i.key = o.key
"""


@dataclass(frozen=True)
class Chosen:
    """What one run compares."""

    rows: int
    lines: int
    groups: int
    volumes: tuple[int, ...]
    changed: int


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    given.add_argument("--rows", type=int, default=5_000_000)
    given.add_argument("--lines", type=int, default=10_000_000)
    given.add_argument("--groups", type=int, default=20_000)
    given.add_argument(
        "--volumes", type=int, nargs="+", default=[1_000_000, 2_000_000, 4_000_000, 10_000_000]
    )
    given.add_argument("--changed", type=int, default=10_000)
    given.add_argument("--only", choices=CANDIDATES, action="append")
    given.add_argument("--as", dest="process", help=argparse.SUPPRESS)
    given.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    said = given.parse_args()
    chosen = Chosen(said.rows, said.lines, said.groups, tuple(said.volumes), said.changed)
    if said.process:
        print(json.dumps(PROCESSES[said.process](said.folder, chosen)))
        return
    wanted = said.only or list(CANDIDATES)
    print(f"{'':<50}{'wall':>10}{'processor':>12}{'ratio':>8}{'memory':>12}   found")
    if set(wanted) & set(_PAIRED):
        compare("pairs", chosen.rows, [name for name in _PAIRED if name in wanted], chosen)
    if "3-way" in wanted:
        compare("3-way", int(chosen.lines / LINES_AN_ORDER), ["duckdb 3-way", "job 3-way"], chosen)
    if "groups" in wanted:
        compare("groups", chosen.groups, ["job groups"], chosen)
    if "incremental" in wanted:
        curve(chosen)


def compare(what: str, rows: int, processes: Iterable[str], chosen: Chosen) -> None:
    """One set of files and everything that reads them; ratios are to the first."""
    with tempfile.TemporaryDirectory(prefix="tieout-bench-") as name:
        folder = Path(name)
        prepare(folder, what, rows)
        size = sum(file.stat().st_size for file in folder.glob("*.parquet")) / 1e6
        print(f"\n{what}: {rows:,} keys, {size:,.0f} MB of Parquet")
        limit = None
        for process in processes:
            for line in run(process, folder, chosen):
                limit = limit or line["cpu_s"]
                show(line, limit)


def curve(chosen: Chosen) -> None:
    """What news cost, over what is stored; ratios are to the smallest store."""
    print(f"\nincremental: {chosen.changed:,} changed keys")
    limit = None
    for volume in chosen.volumes:
        with tempfile.TemporaryDirectory(prefix="tieout-bench-") as name:
            folder = Path(name)
            prepare(folder, "pairs", volume // 2)
            run("job", folder, chosen)
            for line in run("incremental", folder, chosen):
                limit = limit or line["cpu_s"]
                show({**line, "what": f"{line['what']}, of {volume:,}"}, limit)


def prepare(folder: Path, what: str, rows: int) -> None:
    """Files and states, each made by a process that ends with it."""
    for call in (
        f"write_files(Path({str(folder)!r}), {what!r}, {rows})",
        f"store_states(Path({str(folder)!r}), {what!r})",
    ):
        text = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path\n"
        subprocess.run(
            [sys.executable, "-c", f"{text}from benchmarks.tieout_data import *\n{call}"], check=True
        )


def run(process: str, folder: Path, chosen: Chosen) -> list[dict[str, Any]]:
    """What a process of its own measured; nothing, and why, when it could not."""
    done = subprocess.run(
        [sys.executable, __file__, "--as", process, "--folder", str(folder), "--changed", str(chosen.changed)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(f"{process:<50}left out: {(done.stderr.strip().splitlines() or ['ended'])[-1]}")
        return []
    measured_there: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return measured_there


def show(line: dict[str, Any], limit: float) -> None:
    print(
        f"{line['what']:<50}{line['wall_s']:>8.2f} s{line['cpu_s']:>10.2f} s{line['cpu_s'] / limit:>8.1f}"
        f"{line['memory_mb']:>9,.0f} MB   {line['found']}",
        flush=True,
    )


def measured(what: str, work: Callable[[], Any]) -> dict[str, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return {
        "what": what, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "found": found,
    }  # fmt: skip


def in_duckdb(what: str, sql: str, folder: Path, *names: str) -> list[dict[str, Any]]:
    import duckdb

    paths = [str(path_of(folder, name)) for name in names]
    return [measured(what, lambda: str(duckdb.connect().execute(sql, paths).fetchone()))]


def extracts(folder: Path, _: Chosen) -> list[dict[str, Any]]:
    wanted = Wanted((column("key"),), amount=column("amount"))

    def work() -> str:
        with Store(f"chdb://{folder}/extracts") as store:
            compared = compare_extracts(store, path_of(folder, "bank"), path_of(folder, "ledger"), wanted)
        counts = {row["state"]: row["keys"] for row in compared.states}
        return str(tuple(counts[name] for name in ("agree", "amount differs", "only left", "only right")))

    return [measured("tieout: compare two extracts", work)]


def in_polars(folder: Path, _: Chosen) -> list[dict[str, Any]]:
    import polars as pl

    def work() -> str:
        left, right = (pl.scan_parquet(path_of(folder, name)) for name in ("bank", "ledger"))
        joined = left.join(right, on="key", how="full").select(
            (pl.col("amount") == pl.col("amount_right")).sum().alias("agree"),
            (pl.col("amount") != pl.col("amount_right")).sum().alias("differ"),
            pl.col("key_right").is_null().sum().alias("missing"),
            pl.col("key").is_null().sum().alias("surplus"),
        )
        return str(joined.collect().row(0))

    return [measured("polars: full join", work)]


def in_datacompy(folder: Path, package: str) -> list[dict[str, Any]]:
    import datacompy

    paths = [path_of(folder, name) for name in ("bank", "ledger")]

    def work() -> str:
        if package == "polars":
            import polars as pl

            left, right = (pl.read_parquet(path) for path in paths)
            compared: Any = datacompy.PolarsCompare(left, right, join_columns=["key"])
        else:
            import pandas as pd

            left, right = (pd.read_parquet(path) for path in paths)
            compared = datacompy.PandasCompare(left, right, join_columns=["key"])
        differ = len(compared.intersect_rows) - compared.count_matching_rows()
        return str(
            (compared.count_matching_rows(), differ, len(compared.df1_unq_rows), len(compared.df2_unq_rows))
        )

    return [measured(f"datacompy on {package}", work)]


def job(folder: Path, what: str, ruling: Ruling) -> list[dict[str, Any]]:
    """Everything that is stored matched for the first time."""
    with open_store(folder) as store:
        return [measured(what, lambda: matched(store, ruling, LEARNT + timedelta(hours=1)))]


def matched(store: Store, ruling: Ruling, now: datetime) -> str:
    (done,) = match(store, [ruling], {"cash": WORKFLOW}, now)
    return f"{done.decisions:,} decisions, {done.judged:,} keys judged one by one"


def incremental(folder: Path, chosen: Chosen) -> list[dict[str, Any]]:
    """News of some keys, several times, after everything was matched: keys far apart, then keys that follow each other."""
    days = iter(range(1, 1000))

    def once(store: Store, which: str, sql: str) -> dict[str, Any]:
        news = LEARNT + timedelta(days=next(days))
        add_states(store, folder, sql, "ledger", news, chosen.changed)
        settle(store)
        return measured(
            f"tieout: match job, {which}", lambda: matched(store, PAIRS, news + timedelta(hours=1))
        )

    medians = []
    with open_store(folder) as store:
        for which, sql in (("any keys", STATES), ("keys in a row", NEIGHBOURS)):
            lines = [once(store, which, sql) for _ in range(INCREMENTS)]
            middle = {name: statistics.median(line[name] for line in lines) for name in ("wall_s", "cpu_s")}
            medians.append({**lines[-1], **middle})
    return medians


PROCESSES: dict[str, Callable[[Path, Chosen], list[dict[str, Any]]]] = {
    "duckdb": lambda folder, _: in_duckdb("duckdb: bare full outer join", JOIN, folder, "bank", "ledger"),
    "extracts": extracts,
    "polars": in_polars,
    "datacompy polars": lambda folder, _: in_datacompy(folder, "polars"),
    "datacompy pandas": lambda folder, _: in_datacompy(folder, "pandas"),
    "job": lambda folder, _: job(folder, "tieout: match job, all decisions stored", PAIRS),
    "duckdb 3-way": lambda folder, _: in_duckdb(
        "duckdb: join of three sums", THREE_WAY_JOIN, folder, "order", "receipt", "invoice"
    ),
    "job 3-way": lambda folder, _: job(folder, "tieout: match job, order, receipt and invoice", THREE_WAY),
    "job groups": lambda folder, _: job(folder, "tieout: match job, several to several", SUMS),
    "incremental": incremental,
}
_PAIRED = ("duckdb", "extracts", "polars", "datacompy polars", "datacompy pandas", "job")
CANDIDATES = (*_PAIRED, "3-way", "groups", "incremental")

if __name__ == "__main__":
    main()
