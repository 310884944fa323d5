"""What benchmarks/tieout.py matches: Parquet files written by the engine, the states and the rules made of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconcile.matching.model import MatchingRule, Ruling
from store import migrate
from store.client import Store
from workflows.model import Workflow

ROOT = Path(__file__).resolve().parent.parent
HAPPENED = datetime(2026, 3, 1, tzinfo=UTC)
LEARNT = datetime(2026, 3, 2, tzinfo=UTC)
ALL = 1 << 62
QUIET_LOOKS = 10

# A key has the same amount on both sides but for one in a hundred; one in a hundred is missing, another on each side.
LINES = """
SELECT concat('K', leftPad(toString(number), 9, '0')) AS key,
    toDecimal64(number % 100000, 2) / 100 + if({second:Bool} AND number % 100 = 7, 1, 0) AS amount
FROM numbers({rows:UInt64})
WHERE number % 100 != if({second:Bool}, 1, 2)
ORDER BY cityHash64(number, {second:Bool})
"""
# An order line has a receipt and an invoice; one in fifty has two receipts, one in a hundred is not invoiced, of another
# hundredth the price differs.
ORDERS = """
SELECT concat('PO', leftPad(toString(number), 9, '0')) AS key, '1' AS part,
    toDecimal64(1 + number % 50, 2) AS quantity, toDecimal64(number % 10000, 2) / 100 + if({kind:String} = 'invoice' AND number % 100 = 7, 1, 0) AS price
FROM numbers({rows:UInt64})
WHERE {kind:String} != 'invoice' OR number % 100 != 1
ORDER BY cityHash64(number, {kind:String})
"""
RECEIPTS = """
SELECT concat('PO', leftPad(toString(number), 9, '0')) AS key, toString(n) AS part,
    if(number % 50 != 3, toDecimal64(1 + number % 50, 2), toDecimal64(if(n = 1, 1, number % 50), 2)) AS quantity,
    CAST(NULL, 'Nullable(Decimal(18, 2))') AS price
FROM numbers({rows:UInt64})
ARRAY JOIN if(number % 50 = 3, [1, 2], [1]) AS n
ORDER BY cityHash64(number, n)
"""
# Of an account two bank lines and four lines of the ledger, no two of one amount; three of those make up one bank line.
ACCOUNTS = """
SELECT concat('A', leftPad(toString(number), 9, '0')) AS key, toString(n) AS part,
    toDecimal64([[900 + number % 70, 411], [300 + number % 70, 400, 200, 411]][if({second:Bool}, 2, 1)][n], 2) AS amount
FROM numbers({rows:UInt64})
ARRAY JOIN if({second:Bool}, [1, 2, 3, 4], [1, 2]) AS n
ORDER BY cityHash64(number, n)
"""
STATES = """
INSERT INTO snapshots
SELECT 'x', {kind:String}, concat({kind:String}, key), map('key', key), amount, 'USD', false, {happened:DateTime64(6, 'UTC')},
    {known:DateTime64(6, 'UTC')}, {known:DateTime64(6, 'UTC')}, toString({known:DateTime64(6, 'UTC')}), 'books', ''
FROM file({path:String}, 'Parquet')
LIMIT {most:UInt64}
"""
# The same of keys that follow each other, from the middle of all.
NEIGHBOURS = STATES.replace(
    "LIMIT {most:UInt64}",
    "WHERE key >= (SELECT arraySort(groupArraySample(1001, 1)(key))[501] FROM file({path:String}, 'Parquet')) ORDER BY key LIMIT {most:UInt64}",
)
LINE_STATES = """
INSERT INTO snapshots
SELECT 'x', {kind:String}, concat(key, '/', part), mapFilter((k, v) -> v != '', map('key', key, 'quantity', toString(quantity),
    'price', ifNull(toString(price), ''))), NULL, 'USD', false, {happened:DateTime64(6, 'UTC')}, {known:DateTime64(6, 'UTC')},
    {known:DateTime64(6, 'UTC')}, '', 'books', ''
FROM file({path:String}, 'Parquet')
"""
ACCOUNT_STATES = """
INSERT INTO snapshots
SELECT 'x', {kind:String}, concat(key, '/', part), map('key', key), amount, 'USD', false, {happened:DateTime64(6, 'UTC')},
    {known:DateTime64(6, 'UTC')}, {known:DateTime64(6, 'UTC')}, '', 'books', ''
FROM file({path:String}, 'Parquet')
"""
KINDS = ("bank", "ledger", "order", "receipt", "invoice")
WORKFLOW = Workflow.model_validate(
    {
        "workflow": "cash", "title": "Cash", "item": "bank", "sources": ["books"], "objects": {kind: {"title": kind} for kind in KINDS},
        "steps": {"paid": {"title": "Paid", "select": [{"name": "paid"}]}},
        "expectations": [{"name": "once", "kind": "once", "title": "Once", "item": "bank", "step": "paid", "owner": "x"}],
    }
)  # fmt: skip


def rule(**said: Any) -> Ruling:
    base = {"rule": "bank", "title": "Bank and ledger", "workflow": "cash", "owner": "treasury"}
    return Ruling(MatchingRule.model_validate({**base, **said}), {})


def _money(method: str) -> Ruling:
    return rule(
        legs={
            leg: {"type": leg, "fields": {"key": "key", "amount": "@amount"}} for leg in ("bank", "ledger")
        },
        keys=[{"fields": ["key"], "method": method}],
        numbers={"amount": {}},
        compare={"amount": {"field": "amount", "means": "amount", "expected": "bank", "actual": "ledger"}},
    )


PAIRS, SUMS = _money("pair"), _money("subset")
THREE_WAY = rule(
    legs={
        "order": {"type": "order", "fields": {"key": "key", "quantity": "quantity", "price": "price"}},
        "receipt": {"type": "receipt", "fields": {"key": "key", "quantity": "quantity"}, "many": True},
        "invoice": {"type": "invoice", "fields": {"key": "key", "quantity": "quantity", "price": "price"}, "many": True},
    },
    keys=[{"fields": ["key"]}],
    numbers={"quantity": {}, "price": {}},
    compare={
        "quantity": {"field": "quantity", "means": "quantity", "expected": "receipt", "actual": "invoice"},
        "price": {"field": "price", "means": "price", "expected": "order", "actual": "invoice"},
    },
)  # fmt: skip


def write_files(folder: Path, what: str, rows: int) -> None:
    """The Parquet files of `what`: pairs of `rows` keys, 3-way of `rows` order lines, groups of `rows` accounts."""
    written: dict[str, tuple[str, Mapping[str, Any]]] = {
        "pairs": {"bank": (LINES, {"second": False}), "ledger": (LINES, {"second": True})},
        "3-way": {"order": (ORDERS, {"kind": "order"}), "receipt": (RECEIPTS, {}), "invoice": (ORDERS, {"kind": "invoice"})},
        "groups": {"bank": (ACCOUNTS, {"second": False}), "ledger": (ACCOUNTS, {"second": True})},
    }[what]  # fmt: skip
    with Store(f"chdb://{folder}/files") as store:
        for name, (sql, given) in written.items():
            body = store.raw(sql, {**given, "rows": rows}, fmt="Parquet")
            path_of(folder, name).write_bytes(body)


def store_states(folder: Path, what: str) -> None:
    """The states that the files of `what` speak of, in a store of their own with the full schema."""
    sql = {"pairs": STATES, "3-way": LINE_STATES, "groups": ACCOUNT_STATES}[what]
    with open_store(folder) as store:
        migrate.migrate(store, LEARNT)
        migrate.replace_views(store, ROOT / "reconcile" / "views")
        for kind in KINDS:
            if path_of(folder, kind).exists():
                add_states(store, folder, sql, kind, LEARNT, ALL)
        settle(store)


def add_states(store: Store, folder: Path, sql: str, kind: str, known: datetime, most: int) -> None:
    """States of the first `most` rows of a file, learnt at `known`."""
    given = {"kind": kind, "path": str(path_of(folder, kind)), "happened": HAPPENED, "known": known}
    store.command(sql, {**given, "most": most} if "{most" in sql else given)


def settle(store: Store) -> None:
    """Waits until the engine has merged what was written before, which would be measured with what comes after it."""
    quiet = 0
    while quiet < QUIET_LOOKS:
        quiet = 0 if store.value("SELECT count() FROM system.merges") else quiet + 1
        time.sleep(0.2)


def path_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.parquet"


def open_store(folder: Path) -> Store:
    return Store(f"chdb://{folder}/store")
