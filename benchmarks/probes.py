"""How fast probes read, beside the bare library reading the same source in the same run.

    python benchmarks/probes.py [--rows 1000000] [--kind NAME ...] [--url postgresql+psycopg://…]

A source of each kind holds the same invoices: number, supplier, status, amount, currency, day.

* `library`: what the kind is made of (SQLAlchemy, PyArrow, lxml, the json module, httpx), every record read and let go.
* `read`: the probe's own reading: text, limits, checks of size and depth, batches. The ratio is that of rows a processor second
  to the library's.
* `first run`: the whole run into an empty store: read, judged, hashed, every state stored durably.
* `unchanged`: a second run over the same source, which writes nothing; a file that is the same is not even read.
* `delivered again`: a file with the same records in other bytes, which is read and judged, and of which nothing is written.

`--rows 10000000 --kind parquet` shows that the memory of a run does not grow with its source. Each is a process of its own, so that memory is its own; `memory` is the most of it beyond what the process had before it read.
The REST source is a server in another process, whose work is not counted. A database other than SQLite is named by `--url`: the
table `tieout_benchmark` is made there and dropped again.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# After the sources were made, however fast that was: what is younger than a run is not read.
NOW = datetime.now(UTC) + timedelta(minutes=1)
COLUMNS = ("no", "supplier", "status", "total", "currency", "day")
TABLE = "tieout_benchmark"
PAGE = 1_000
BATCH = 20_000
STEPS = ("library", "read", "first run", "unchanged", "delivered again")
# pandas is imported by PyArrow with the first values of Python it sees.
LIBRARIES = ("httpx", "lxml.etree", "pandas", "pyarrow.csv", "pyarrow.parquet", "sqlalchemy")
# A blank line more makes these another file with the same records.
DELIVERED = {"csv": "invoices.csv", "json lines": "invoices.jsonl", "xml": "invoices.xml"}
WORKFLOW = """
workflow: payables
title: Payables
item: invoice
sources: [invoices]
objects: {invoice: {title: Invoice, key: [trim, upper]}}
steps: {invoice.paid: {title: Paid, select: [{name: Paid}]}}
expectations:
  - {name: once, title: Paid once, kind: once, item: invoice, step: invoice.paid, owner: treasury}
"""


def invoice(number: int) -> tuple[str, str, str, str, str, str]:
    """The invoice of this number, as text."""
    day = f"2026-{1 + number % 12:02}-{1 + number % 28:02}"
    return (
        f"INV-{number:09}", f"Supplier {number % 5000}", "paid" if number % 3 else "open", f"{number % 100_000}.{number % 100:02}",
        "EUR", day,
    )  # fmt: skip


# --- the sources


def make_csv(folder: Path, rows: int, _: str) -> dict[str, Any]:
    with (folder / "invoices.csv").open("w") as file:
        file.write(",".join(COLUMNS) + "\n")
        file.writelines(",".join(invoice(number)) + "\n" for number in range(rows))
    return files("csv", "*.csv")


def make_parquet(folder: Path, rows: int, _: str) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetWriter(
        folder / "invoices.parquet", pa.schema([(name, pa.string()) for name in COLUMNS])
    ) as file:
        for start in range(0, rows, 100_000):
            part = [invoice(number) for number in range(start, min(rows, start + 100_000))]
            file.write_table(pa.table(dict(zip(COLUMNS, map(list, zip(*part, strict=True)), strict=True))))
    return files("parquet", "*.parquet")


def make_json(folder: Path, rows: int, _: str) -> dict[str, Any]:
    with (folder / "invoices.jsonl").open("w") as file:
        file.writelines(
            json.dumps(dict(zip(COLUMNS, invoice(number), strict=True))) + "\n" for number in range(rows)
        )
    return files({"type": "json", "lines": True}, "*.jsonl")


def make_xml(folder: Path, rows: int, _: str) -> dict[str, Any]:
    with (folder / "invoices.xml").open("w") as file:
        file.write("<invoices>")
        for number in range(rows):
            fields = "".join(
                f"<{name}>{value}</{name}>" for name, value in zip(COLUMNS, invoice(number), strict=True)
            )
            file.write(f"<invoice>{fields}</invoice>\n")
        file.write("</invoices>")
    return files({"type": "xml", "record": "invoices/invoice"}, "*.xml")


def make_sql(folder: Path, rows: int, url: str) -> dict[str, Any]:
    import sqlalchemy as sa

    url = url or f"sqlite:///{folder}/invoices.db"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP TABLE IF EXISTS {TABLE}"))
        connection.execute(
            sa.text(f"CREATE TABLE {TABLE} ({', '.join(f'{name} VARCHAR(40)' for name in COLUMNS)})")
        )
        insert = sa.text(f"INSERT INTO {TABLE} VALUES ({', '.join(f':{name}' for name in COLUMNS)})")
        for start in range(0, rows, BATCH):
            part = range(start, min(rows, start + BATCH))
            connection.execute(insert, [dict(zip(COLUMNS, invoice(number), strict=True)) for number in part])
    engine.dispose()
    return {"kind": "sql", "url": url, "query": f"SELECT * FROM {TABLE}"}


def make_rest(folder: Path, rows: int, _: str) -> dict[str, Any]:  # noqa: ARG001 - the server makes the rows
    return {
        "kind": "rest", "client": {"base_url": "SERVER"}, "endpoint": {"path": "invoices"}, "data_selector": "items",
        "paginator": {"type": "offset", "limit": PAGE, "total_path": "total"},
    }  # fmt: skip


def files(fmt: Any, glob: str) -> dict[str, Any]:
    return {"kind": "files", "folder": ".", "glob": glob, "format": fmt, "settle": "0s"}


@contextmanager
def serving(rows: int) -> Iterator[str]:
    """The REST source, in another process."""
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(rows)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()


def serve(rows: int) -> None:
    """Pages of invoices over HTTP/1.1 with a connection that is kept; prints its URL first."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Pages(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            start = int(parse_qs(urlsplit(self.path).query).get("offset", ["0"])[0])
            part = range(start, min(rows, start + PAGE))
            items = [dict(zip(COLUMNS, invoice(number), strict=True)) for number in part]
            body = json.dumps({"total": rows, "items": items}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


# --- the bare libraries; each gives the number of records


def bare_csv(folder: Path, _: dict[str, Any]) -> int:
    import pyarrow as pa
    from pyarrow import csv

    texts = csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()))
    with csv.open_csv(folder / "invoices.csv", convert_options=texts) as reader:
        return sum(batch.num_rows for batch in reader)


def bare_parquet(folder: Path, _: dict[str, Any]) -> int:
    import pyarrow.parquet as pq

    return sum(batch.num_rows for batch in pq.ParquetFile(folder / "invoices.parquet").iter_batches())


def bare_json(folder: Path, _: dict[str, Any]) -> int:
    with (folder / "invoices.jsonl").open() as file:
        return sum(len(json.loads(line)) > 0 for line in file)


def bare_xml(folder: Path, _: dict[str, Any]) -> int:
    from lxml import etree

    count = 0
    for _event, element in etree.iterparse(folder / "invoices.xml", tag="invoice"):
        count += len({child.tag: child.text for child in element}) > 0
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
    return count


def bare_sql(_: Path, made: dict[str, Any]) -> int:
    import sqlalchemy as sa

    engine = sa.create_engine(made["url"])
    with engine.connect().execution_options(stream_results=True, max_row_buffer=BATCH) as connection:
        result = connection.execute(sa.text(made["query"]))
        return sum(len(part) for part in result.partitions(BATCH))


def bare_rest(_: Path, made: dict[str, Any]) -> int:
    import httpx

    count, total = 0, 1
    with httpx.Client(base_url=made["client"]["base_url"], trust_env=False) as client:
        while count < total:
            page = client.get("/invoices", params={"offset": count, "limit": PAGE}).json()
            count, total = count + len(page["items"]), page["total"]
    return count


KINDS: dict[str, tuple[Callable[[Path, int, str], dict[str, Any]], Callable[[Path, dict[str, Any]], int]]] = {
    "csv": (make_csv, bare_csv),
    "parquet": (make_parquet, bare_parquet),
    "json lines": (make_json, bare_json),
    "xml": (make_xml, bare_xml),
    "sql": (make_sql, bare_sql),
    "rest": (make_rest, bare_rest),
}


# --- what is measured


def measured(folder: Path, made: dict[str, Any], kind: str, step: str) -> dict[str, Any]:
    """One step in this process: rows, processor and wall seconds, and MB of memory beyond the start."""
    work = steps(folder, made, kind, step)[step]
    before = memory_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    rows = work()
    return {
        "rows": rows, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu,
        "memory_mb": memory_mb() - before,
    }  # fmt: skip


def steps(folder: Path, made: dict[str, Any], kind: str, step: str) -> dict[str, Callable[[], int]]:
    """The steps by name; what they need is imported and opened before they begin.

    Only what writes opens the store: its threads have work of their own, which is not that of a library.
    """
    for library in LIBRARIES:
        import_module(library)
    from core.clock import SystemClock
    from probes.load import load_probe
    from probes.probe import Window
    from probes.run import run_probe
    from store import migrate
    from store.client import Store
    from workflows.load import load_workflows

    (folder / "workflows").mkdir(exist_ok=True)
    (folder / "workflows" / "payables.yaml").write_text(WORKFLOW)
    workflow = load_workflows(folder / "workflows")[0]["payables"]
    said = {
        "name": "invoices", "title": "Invoices", "workflow": "payables", "system": "ap", "timeouts": {"total": "2h"}, **made,
        "object": {
            "type": "invoice", "key": "no", "fields": ["supplier", "status", "day"],
            "amount": {"column": "total", "currency_column": "currency"},
        },
    }  # fmt: skip
    file = folder / "invoices.yaml"
    file.write_text(json.dumps(said))
    probe, _, findings = load_probe(file, {"payables": workflow})
    assert probe, [finding.text() for finding in findings]
    store = Store(f"chdb://{folder}/store") if step not in ("library", "read") else None
    if store:
        migrate.migrate(store, NOW)

    def run(later: timedelta) -> int:
        assert store
        done = run_probe(store, probe, workflow, NOW + later, clock=SystemClock())
        assert done.status == "ok", done
        assert done.changed == (0 if later else done.read), done
        return done.read

    def again() -> int:
        with (folder / DELIVERED[kind]).open("a") as file:
            file.write("\n")
        return run(timedelta(minutes=10))

    return {
        "library": lambda: KINDS[kind][1](folder, made),
        "read": lambda: sum(batch.records.num_rows for batch in probe.read(Window(end=NOW))),
        "first run": lambda: run(timedelta(0)),
        "unchanged": lambda: run(timedelta(minutes=5)),
        "delivered again": again,
    }


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare(kind: str, rows: int, url: str) -> None:
    """One kind: a line for each step."""
    with tempfile.TemporaryDirectory(prefix="tieout-bench-") as name, serving(rows) as server:
        folder = Path(name)
        made = KINDS[kind][0](folder, rows, url)
        if kind == "rest":
            made["client"] = {"base_url": server}
        library = 0.0
        for step in STEPS if kind in DELIVERED else STEPS[:-1]:
            order = [
                sys.executable,
                __file__,
                "--step",
                step,
                "--kind",
                kind,
                "--folder",
                name,
                "--made",
                json.dumps(made),
            ]
            done = subprocess.run(order, stdout=subprocess.PIPE, text=True, check=True)
            line = json.loads(done.stdout.splitlines()[-1])
            # A file that is the same is not read again.
            assert line["rows"] in ((rows,) if step != "unchanged" else (rows, 0)), line
            rate = rows / line["cpu_s"]
            library = library or rate
            print(
                f"{kind:<12}{step:<16}{rate:>14,.0f}{rows / line['wall_s']:>14,.0f}{rate / library:>9.2f}{line['memory_mb']:>10,.0f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--url", default="", help="SQLAlchemy URL of the database for the kind sql")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--made", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve)
    elif given.step:
        print(json.dumps(measured(given.folder, given.made, given.kind[0], given.step)))
    else:
        print(f"{given.rows:,} rows         rows a cpu s  rows a second    ratio memory MB")
        for kind in given.kind or KINDS:
            compare(kind, given.rows, given.url)


if __name__ == "__main__":
    main()
