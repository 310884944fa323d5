"""How long reconciling takes, beside a limit measured in the same run: one plain GROUP BY over the same rows.

    python benchmarks/reconcile.py [events ...]

Orders of the shipped procure-to-payment workflow are made up inside the engine: six events an order, its receipt,
invoice and payment with links and states; some orders stop half way, some are paid twice. Then everything is
reconciled, one percent of the orders gets news and is reconciled again, and verdicts are read.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from reconcile.run import reconcile
from store import migrate
from store.client import Store
from workflows.load import load_workflows

START = datetime(2026, 1, 1, tzinfo=UTC)
LEARNT = datetime(2026, 11, 1, tzinfo=UTC)
NEWS = LEARNT + timedelta(days=1)
EVENTS_AN_ORDER = 6
AT = "as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}"
ASKED = {"as_of": LEARNT, "known_at": NEWS + timedelta(days=1)}

# Each order starts half a minute after the one before; every eleventh stops half way, every fiftieth is paid twice.
EVENTS = """
INSERT INTO events (event_id, workflow, step, occurred_at, known_at, objects.type, objects.key, objects.role, amount,
    currency, outcome, attempt, dims, source)
SELECT
    concat({round:String}, toString(number), '.', toString(n)), 'procure_to_payment',
    ['po.created', 'po.approved', 'receipt.posted', 'invoice.received', 'invoice.match_evaluated', 'payment.sent', 'payment.sent'][n],
    addDays(addSeconds({start:DateTime64(6, 'UTC')}, number * 30), n + {delay:UInt8}), {known:DateTime64(6, 'UTC')},
    [['order'], ['order'], ['order', 'goods_receipt'], ['goods_receipt', 'invoice'], ['invoice'],
        ['order', 'goods_receipt', 'invoice', 'payment'], ['order', 'goods_receipt', 'invoice', 'payment']][n] AS types,
    arrayMap(type -> concat(type, toString(number)), types), arrayMap(type -> '', types),
    if(n >= 4, toDecimal128(number % 1000, 6), NULL), if(n >= 4, 'USD', ''), 'ok', 1,
    map('department', toString(number % 20)), 'procure_to_payment'
FROM numbers({orders:UInt64})
ARRAY JOIN {steps:Array(UInt8)} AS n
WHERE (number % 11 != 0 OR n <= 3 OR {round:String} != '') AND (n != 7 OR number % 50 = 0)
"""
LINKS = """
INSERT INTO object_links
SELECT 'procure_to_payment', link.1, concat(link.1, toString(number)), link.2, concat(link.2, toString(number)), link.3,
    addSeconds({start:DateTime64(6, 'UTC')}, number * 30), {known:DateTime64(6, 'UTC')}, 'procure_to_payment'
FROM numbers({orders:UInt64})
ARRAY JOIN [('goods_receipt', 'invoice', 'Invoice Receipt of Goods Receipt'), ('order', 'payment', 'order_pm'),
    ('invoice', 'payment', 'invoice_receipt_pm'), ('order', 'material', 'Materials of Purchase Order')] AS link
"""
STATES = """
INSERT INTO snapshots
SELECT 'erp', type, concat(type, toString(number)), map(), toDecimal128(number % 1000, 6), 'USD', false,
    addSeconds({start:DateTime64(6, 'UTC')}, number * 30), {known:DateTime64(6, 'UTC')}, {known:DateTime64(6, 'UTC')},
    toString(number), 'procure_to_payment', ''
FROM numbers({orders:UInt64})
ARRAY JOIN ['invoice', 'material'] AS type
"""


def main(sizes: list[int]) -> None:
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            measure(folder, size)


def measure(folder: str, events: int) -> None:
    workflows, _ = load_workflows()
    flow = workflows["procure_to_payment"]
    store = Store(f"chdb://{folder}")
    migrate.migrate(store, LEARNT)
    for owner in ("calendars", "reconcile"):
        migrate.replace_views(store, ROOT / owner / "views")
    orders = events // EVENTS_AN_ORDER
    fill(store, orders)
    rows = store.value("SELECT count() FROM event_objects")
    print(f"\n{events:,} events of {orders:,} orders, {rows:,} rows by object")
    print(f"  {'':<62} {'wall':>10} {'processor':>10} {'ratio':>10}")

    plain = timed(lambda: store.rows(
        "SELECT count() FROM (SELECT object_type, object_key, groupArray((occurred_at, step)) FROM event_objects "
        "GROUP BY object_type, object_key)"))  # fmt: skip
    show("plain GROUP BY item over all events", plain)
    full = timed(lambda: reconcile(store, [flow], LEARNT + timedelta(hours=1)))
    written = store.value("SELECT count() FROM expectations")
    show(f"full reconcile, {written:,} rows written", full, plain)
    show("again, nothing new", timed(lambda: reconcile(store, [flow], LEARNT + timedelta(hours=2))), plain)

    news(store, orders // 100)
    before = written
    step = timed(lambda: reconcile(store, [flow], NEWS + timedelta(hours=1)))
    written = store.value("SELECT count() FROM expectations")
    show(f"reconcile after news of 1 % of the orders, {written - before:,} rows", step, full)

    store.rows(f"SELECT count() FROM verdicts_at({AT})", ASKED)
    limit = timed(
        lambda: store.rows("SELECT expectation, count(), max(due_at) FROM expectations GROUP BY expectation")
    )
    show("plain GROUP BY rule over all expectations", limit)
    verdicts = timed(
        lambda: store.rows(
            f"SELECT expectation, state, count(), sum(amount) FROM verdicts_at({AT}) GROUP BY ALL", ASKED
        )
    )
    show("verdicts_at, counted by rule and state", verdicts, limit)
    exceptions = timed(
        lambda: store.rows(f"SELECT status, bucket, count() FROM exceptions_at({AT}) GROUP BY ALL", ASKED)
    )
    show("exceptions_at, counted by status and age", exceptions, limit)
    show(
        "items_at, counted by stage",
        timed(lambda: store.rows(f"SELECT stage, count() FROM items_at({AT}) GROUP BY stage", ASKED)),
        limit,
    )
    one = timed(lambda: store.rows(f"SELECT * FROM verdicts_of({AT}, items = ['order77'])", ASKED))
    show("verdicts_of one order", one, limit)
    print(f"  peak memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
    store.close()


def fill(store: Store, orders: int) -> None:
    given = {"orders": orders, "start": START, "known": LEARNT}
    store.command(EVENTS, {**given, "round": "", "delay": 0, "steps": [1, 2, 3, 4, 5, 6, 7]})
    store.command(LINKS, given)
    store.command(STATES, given)
    store.insert("watermarks", [
        {"source": "procure_to_payment", "complete_through": LEARNT, "heartbeat_at": LEARNT, "known_at": LEARNT, "run_id": ""}
    ])  # fmt: skip


def news(store: Store, orders: int) -> None:
    """A day later the payments of some orders become known (for most of them again, under another id)."""
    store.command(
        EVENTS, {"orders": orders, "start": START, "known": NEWS, "round": "b", "delay": 1, "steps": [6]}
    )


@dataclass(frozen=True)
class Cost:
    """What a piece of work took: time on the wall, and time of processors, which other programs disturb less."""

    wall_s: float
    cpu_s: float


def timed(work: Callable[[], object]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def show(what: str, cost: Cost, limit: Cost | None = None) -> None:
    ratio = f"{cost.cpu_s / limit.cpu_s:8.1f} x" if limit else ""
    print(f"  {what:<62} {cost.wall_s:8.3f} s {cost.cpu_s:8.3f} s {ratio}")


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [200_000, 1_000_000])
