"""What open exceptions have in common: the hop that failed first, the deployed version, or a segment that fails more than others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"
MOST_SEGMENTS = 50
# How spans say that they failed.
FAILED = frozenset({"Error", "STATUS_CODE_ERROR"})


@dataclass(frozen=True)
class Hop:
    """A span that failed by itself: `service` and operation, the deployed `version`, the kind of `error`; all empty when unknown."""

    service: str
    name: str
    version: str = ""
    error: str = ""

    def __str__(self) -> str:
        where = f"{self.service}{f' {self.version}' if self.version else ''}: {self.name}"
        return f"{where} ({self.error})" if self.error else where


@dataclass(frozen=True)
class SameHop:
    """Open exceptions whose items failed first at `hop`; None for those whose traces show no failure, or that have none.

    `amounts` is what is at stake by currency (XXX: none), `since` and `last_at` when the first and the last began, UTC,
    `examples` ids of the oldest.
    """

    hop: Hop | None
    exceptions: int
    items: int
    expectations: Sequence[str]
    amounts: Mapping[str, Decimal]
    since: datetime
    last_at: datetime
    examples: Sequence[str]


@dataclass(frozen=True)
class Segment:
    """A value of a dimension under which more fails than expected.

    `expected` is how many of its `due` would fail if they failed as often as the rules they fall under, `excess` how many more do,
    `times` the ratio of the two, and `deviations` how many standard deviations of chance that is.
    """

    dimension: str
    value: str
    due: int
    failing: int
    expected: float
    excess: float
    times: float
    deviations: float


def by_hop(store: Store, workflow: str, as_of: datetime, known_at: datetime) -> list[SameHop]:
    """Open exceptions as of (V, K) grouped by first failing hop, the largest group first, those without a hop last."""
    where = {"workflow": workflow, "as_of": as_of, "known_at": known_at}
    return [_same_hop(row) for row in store.rows(read(SQL / "causes_by_hop.sql"), where)]


def by_segment(store: Store, workflow: str, as_of: datetime, known_at: datetime) -> list[Segment]:
    """Segments as of (V, K) that fail more than their rules let expect, by how many more; none where it may be chance."""
    where = {"workflow": workflow, "as_of": as_of, "known_at": known_at, "most": MOST_SEGMENTS}
    return [Segment(**row) for row in store.rows(read(SQL / "causes_by_segment.sql"), where)]


def first_failing_hop(spans: Sequence[Mapping[str, Any]], since: datetime | None = None) -> Hop | None:
    """The failed span without a failed span below it that began first; one at or after `since` goes before all others.

    Rows as `spans.sql` gives them. The same is said for all exceptions at once in `causes_by_hop.sql`.
    """
    failed = [span for span in spans if span["status"] in FAILED]
    callers = {(span["trace_id"], span["parent_span_id"]) for span in failed}
    own = [span for span in failed if (span["trace_id"], span["span_id"]) not in callers]
    if not own:
        return None
    first = min(own, key=lambda span: (since is not None and span["at"] < since, span["at"], span["span_id"]))
    return Hop(first["service"], first["name"], first["version"], first["error"])


def _same_hop(row: dict[str, Any]) -> SameHop:
    hop = Hop(*(row.pop(part) for part in ("service", "name", "version", "error")))
    return SameHop(hop=hop if hop.service or hop.name else None, **row)
