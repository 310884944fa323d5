"""A site of one workflow, as a person would write it: mapping files, files to import, and what the store then holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

from collector.imports import ImportResult, Mapping, import_files, load_mappings
from store.client import Store
from workflows.load import load_workflows
from workflows.model import Workflow

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

WORKFLOW = """
workflow: orders
title: Orders
item: order
sources: [orders, order_states, order_objects]
dimensions: [department, supplier]
objects:
  order: {title: Order, key: [trim, upper, strip_leading_zeros]}
  invoice: {title: Invoice}
  line: {title: Order line}
steps:
  po.sent: {title: Sent, select: [{name: Sent}]}
  po.refused: {title: Refused, failed: true, select: [{name: Answer, where: {answer: "no"}}]}
  po.confirmed: {title: Confirmed, select: [{name: Answer}]}
  po.billed: {title: Billed, select: [{name: Bill, system: erp}, {name: Invoice}]}
expectations:
  - {name: answer, title: Answered, kind: sequence, item: order, after: [po.sent], expect: [po.confirmed], within: 1d, owner: buying}
"""

LOG = """
mapping: orders
workflow: orders
format: csv
match: ["orders*.csv", "orders*.csv.gz"]
events:
  activity: what
  time: at
  objects: [{type: order, column: order, role: subject}]
  attributes: [answer]
"""


class Site:
    """One project folder and one store."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        for name in ("workflows", "mappings", "files"):
            (folder / name).mkdir()
        (folder / "workflows" / "orders.yaml").write_text(WORKFLOW, encoding="utf-8")
        workflows, findings = load_workflows(folder / "workflows")
        assert not findings
        self.workflows: dict[str, Workflow] = workflows

    def findings(self, text: str) -> list[str]:
        """What is wrong with a mapping file of this text, without the path."""
        (self.folder / "mappings" / "m.yaml").write_text(dedent(text), encoding="utf-8")
        _, findings = load_mappings(self.folder / "mappings", self.workflows)
        return [finding.text().rsplit("m.yaml:", 1)[-1] for finding in findings]

    def mapping(self, text: str) -> Mapping:
        """The mapping of this text, which must be right."""
        found = self.findings(text)
        assert not found, found
        mappings, _ = load_mappings(self.folder / "mappings", self.workflows)
        (found,) = mappings.values()
        return found[0]

    def file(self, name: str, content: str | bytes) -> Path:
        """A file to import."""
        path = self.folder / "files" / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def csv(self, name: str, *lines: str) -> Path:
        """A file of these lines."""
        return self.file(name, "".join(f"{line}\n" for line in lines))

    def run(self, mapping: Mapping | str, *paths: Path, now: datetime = NOW, **more: Any) -> ImportResult:
        """Imports the files."""
        mapping = self.mapping(mapping) if isinstance(mapping, str) else mapping
        return import_files(self.store, mapping, self.workflows[mapping.workflow], paths, now, **more)

    def events(self, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of all events, in business order."""
        return self._all("events", columns, "occurred_at, event_id")

    def snapshots(self, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of all snapshots, by key and time."""
        return self._all("snapshots", columns, "object_type, object_key, valid_from, known_at")

    def links(self, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of all links."""
        return self._all("object_links", columns, "from_type, from_key, role, to_type, to_key, valid_from")

    def rejects(self, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of all rows set aside, by place."""
        return self._all("import_rejects", columns, "file, line, reason")

    def _all(self, table: str, columns: Sequence[str], order: str) -> list[tuple[Any, ...]]:
        rows = self.store.rows(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}")
        return [tuple(row.values()) for row in rows]


def facts(store: Store, source: str) -> dict[str, list[dict[str, Any]]]:
    """All that is stored of a source, in an order of its own, without the times and ids of the import itself."""
    queries = {
        "events": "SELECT * EXCEPT (known_at, source_ref) FROM events WHERE source = {source:String} ORDER BY event_id",
        "event_objects": "SELECT * EXCEPT (known_at) FROM event_objects WHERE source = {source:String} ORDER BY ALL",
        "links": "SELECT * EXCEPT (known_at, valid_from), min(valid_from) FROM object_links "
        "WHERE source = {source:String} GROUP BY ALL ORDER BY ALL",
        "snapshots": "SELECT * EXCEPT (known_at, captured_at, run_id) FROM snapshots WHERE source = {source:String} ORDER BY ALL",
        "watermark": "SELECT max(complete_through) AS through FROM watermarks WHERE source = {source:String}",
    }
    return {name: store.rows(query, {"source": source}) for name, query in queries.items()}


def utc(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
