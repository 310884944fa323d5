"""From the wire and from a database to findings: what telemetry tells of and a system does not hold, and the reverse."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from otlp_bodies import post, request, span

from collector.correlation import Correlation
from collector.derive import derive_events
from kpis.load import SHIPPED, load_kpis
from kpis.run import compute
from probes.load import load_probe
from probes.run import run_probe
from reconcile.explain import explain
from reconcile.run import reconcile
from store.client import Store
from tests.probes.source import Invoices
from workflows.load import load_workflows

WORKFLOW = """
workflow: payables
title: Payables
item: invoice
sources: [ap_invoices, otlp/ap]
objects:
  invoice: {title: Invoice, key: [trim, upper, strip_leading_zeros]}
steps:
  invoice.posted: {title: Posted, select: [{name: post invoice}], carries: {item: invoice, owner: integration}}
  invoice.paid: {title: Paid, select: [{name: pay}]}
expectations:
  - {name: once, title: Paid once, kind: once, item: invoice, step: invoice.paid, owner: treasury}
"""
PROBE = {
    "name": "ap_invoices", "title": "Invoices", "workflow": "payables", "system": "ap", "kind": "sql",
    "query": "SELECT * FROM invoices", "object": {"type": "invoice", "key": "no", "amount": {"column": "total", "currency_column": "cur"}},
}  # fmt: skip
AT = "as_of = {at:DateTime64(6, 'UTC')}, known_at = {at:DateTime64(6, 'UTC')}"


def test_traces_and_states_that_miss_each_other_are_exceptions(
    otlp: httpx.Client, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "payables.yaml").write_text(WORKFLOW)
    flows, findings = load_workflows(tmp_path)
    assert not findings
    flow, books = flows["payables"], Invoices(tmp_path)
    file = tmp_path / "ap_invoices.yaml"
    file.write_text(json.dumps({**PROBE, "url": books.url}))
    probe, _, findings = load_probe(file, flows)
    assert probe is not None, findings
    base = datetime.now(UTC).replace(microsecond=0)

    def later(minutes: float) -> datetime:
        return base + timedelta(minutes=minutes)

    def started(minutes: float) -> dict[str, int]:
        start = int(later(minutes).timestamp()) * 10**9
        return {"start_time_unix_nano": start, "end_time_unix_nano": start + 1_000}

    books.put(no="OLD", total=5, cur="EUR")
    run_probe(store, probe, flow, later(-60))
    beats = [span({"tieout.heartbeat": True}, name="beat", **started(5 * n)) for n in range(-20, 10)]
    carried = [
        span({"tieout.object.invoice": key}, name="post invoice", **started(-1)) for key in ("00a", "LOST")
    ]
    answer = post(otlp, request(*beats, *carried, service="ap").SerializeToString())
    assert answer.status_code == 200
    derive_events(store, [flow], Correlation(), later(1))
    reconcile(store, [flow], later(2))

    books.put(no="A", total=10, cur="EUR")
    books.put(no="BY HAND", total=20, cur="EUR")
    run_probe(store, probe, flow, later(5))
    derive_events(store, [flow], Correlation(), later(40))
    run_probe(store, probe, flow, later(40))
    reconcile(store, [flow], later(41))

    heard = store.rows(
        "SELECT source, heard_from, max(heard_through) AS through FROM telemetry_heard GROUP BY ALL"
    )
    assert [(row["source"], row["heard_from"]) for row in heard] == [("otlp/ap", later(-100))]
    assert heard[0]["through"] == later(40)

    now = later(41)
    found = store.rows(f"SELECT * FROM exceptions_at({AT}) ORDER BY code", {"at": now})
    assert [(row["code"], row["item_key"], row["expectation"], row["amount"]) for row in found] == [
        ("NOT_IN_STATE", "LOST", "invoice_posted_landed", None),
        ("NO_TRACE", "BY HAND", "invoice_posted_traced", 20),
    ]
    assert found[0]["trace_id"] == carried[1].trace_id.hex()
    verdicts = store.rows(f"SELECT item_key, kind, state FROM verdicts_at({AT}) ORDER BY ALL", {"at": now})
    assert [tuple(row.values()) for row in verdicts] == [
        ("A", "landed", "MATCHED"), ("A", "traced", "MATCHED"), ("BY HAND", "traced", "ORPHAN"),
        ("LOST", "landed", "MISSING"), ("OLD", "traced", "UNKNOWN"),
    ]  # fmt: skip

    story = explain(store, flows, "payables", "invoice", "LOST", now, now)
    assert "1 open exception, owner integration" in story.headline
    assert [one["name"] for one in story.spans] == ["post invoice"]

    kpis, _ = load_kpis([SHIPPED])
    figures = {
        (row["measure"], row["unit"]): (row["value"], row["low"], row["high"])
        for name in ("K08", "K73")
        for row in compute(store, kpis[name], "payables", "", now, now, later(-1000))
    }
    assert figures["missing", "count"][0] == 1
    assert figures["gap_rate", "ratio"][0] == 0.5
    # Of three in the books one has a trace, one has none, of one nobody can say.
    assert figures["traced", "ratio"] == (None, 1 / 3, 2 / 3)
    assert figures["orphan_rate", "ratio"] == (None, 1 / 3, 2 / 3)
