"""The shipped billing log, against a recount in plain Python."""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from import_site import NOW, facts

from collector.imports import find_mapping, import_files, load_mappings
from store.client import Store
from workflows.load import load_workflows

DEMO = Path(__file__).resolve().parents[3] / "examples" / "demo"
LOG = DEMO / "data" / "hospital_billing.csv.gz"

STEPS = {
    "NEW": "case.opened", "CHANGE DIAGN": "diagnosis.changed", "FIN": "case.closed", "RELEASE": "case.released",
    "CODE OK": "coding.final", "CODE NOK": "coding.failed", "CODE ERROR": "coding.failed", "BILLED": "bill.dropped",
    "STORNO": "bill.cancelled", "REJECT": "bill.rejected", "REOPEN": "case.reopened", "DELETE": "case.deleted",
    "SET STATUS": "status.set", "JOIN-PAT": "patients.merged", "MANUAL": "case.edited", "CHANGE END": "end.changed",
}  # fmt: skip


def step_of(row: dict[str, str]) -> str:
    if row["activity"] == "FIN" and row["state"] == "Empty":
        return "case.closed_empty"
    if row["activity"] == "SET STATUS" and row["state"] == "Unbillable":
        return "case.unbillable"
    return STEPS.get(row["activity"], "unmapped")


def test_the_store_holds_what_the_file_says_and_holds_it_once(store: Store) -> None:
    workflows, _ = load_workflows()
    mappings, _ = load_mappings(DEMO / "mappings", workflows)
    mapping = find_mapping(LOG, mappings)
    workflow = workflows[mapping.workflow]
    with gzip.open(LOG, "rt", encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))

    result = import_files(store, mapping, workflow, [LOG], NOW)
    assert (result.rows_read, result.events.new, result.rejected, result.unmapped) == (49_951, 49_951, {}, {})

    steps = store.rows("SELECT step, count() AS n FROM events GROUP BY step")
    assert {row["step"]: row["n"] for row in steps} == Counter(step_of(row) for row in rows)
    cases = store.rows("SELECT object_key, count() AS n FROM event_objects GROUP BY object_key")
    assert {row["object_key"]: row["n"] for row in cases} == Counter(row["case_id"] for row in rows)
    assert len(cases) == 10_000
    assert store.value("SELECT uniqExact(object_key) FROM event_objects WHERE step = 'bill.dropped'") == 6_962
    assert store.value("SELECT count() FROM event_objects WHERE object_key = 'NA'") > 0

    stored = store.rows("SELECT * FROM events ORDER BY toUInt64(splitByChar(':', source_ref)[-1])")
    for line, (row, event) in enumerate(zip(rows, stored, strict=True), start=2):
        assert event["source_ref"] == f"{LOG.name}:{line}"
        assert event["occurred_at"] == datetime.strptime(row["timestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(
            tzinfo=UTC
        )
        assert event["actor"] == row["resource"]
        kept = ("state", "closecode", "msgcode", "msgtype", "version")
        assert event["attributes"] == {name: row[name] for name in kept if row[name]}
        dims = {"department": row["speciality"], "case_type": row["casetype"]}
        assert event["dims"] == {name: value for name, value in dims.items() if value}

    repeated = defaultdict(int)
    for row in rows:
        repeated[row["case_id"], row["activity"], row["timestamp"]] += 1
    assert sum(count - 1 for count in repeated.values()) == 98
    assert (result.first_at, result.last_at) == (
        min(e["occurred_at"] for e in stored),
        max(e["occurred_at"] for e in stored),
    )
    assert result.watermark == result.last_at

    before = facts(store, mapping.mapping)
    again = import_files(store, mapping, workflow, [LOG], NOW + timedelta(days=1))
    assert (again.new, again.events.known, again.watermark) == (0, 49_951, None)
    assert facts(store, mapping.mapping) == before
