"""How the columns of a source changed since it was last read completely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from probes.probe import ProbeError, ProbeFile
from probes.stage import Stage
from store.client import Store
from store.sqlfile import read

STATEMENTS = Path(__file__).parent / "statements"


@dataclass(frozen=True)
class ColumnChange:
    """A column that is there for the `first` reading, `appeared`, `vanished`, or was `retyped`.

    `before` and `after` are types: what the source declares, else what the values look like; empty: unknown.
    """

    name: str
    change: Literal["first", "appeared", "vanished", "retyped"]
    before: str = ""
    after: str = ""


def changes(known: Mapping[str, str], seen: Mapping[str, str], *, may_vanish: bool) -> list[ColumnChange]:
    """What is new in `seen` (type by column), beside `known`; an empty `known` is a first reading.

    `may_vanish`: everything was seen, so what is not there is gone. A column whose values once were mere
    text stays text: that they look like numbers in one reading says nothing.
    """
    found = [
        ColumnChange(name, "appeared" if known else "first", "", kind)
        for name, kind in sorted(seen.items())
        if name not in known
    ]
    for name, before in sorted(known.items()):
        after = seen.get(name, "")
        if name not in seen:
            found += [ColumnChange(name, "vanished", before, "")] if may_vanish else []
        elif after and not before:
            found.append(ColumnChange(name, "first", before, after))
        elif after and after != before and before != "text":
            found.append(ColumnChange(name, "retyped", before, after))
    return found


class Columns:
    """The columns of one reading, beside those that earlier readings had."""

    def __init__(self, store: Store, probe: ProbeFile, stage: Stage) -> None:
        self._store, self._probe, self._stage = store, probe, stage
        rows = store.rows(read(STATEMENTS / "columns.sql"), {"reading": stage.reading})
        self._filled = {row["name"]: str(row["looks_like"]) for row in rows}
        rows = store.rows(read(STATEMENTS / "columns_known.sql"), {"source": probe.name})
        self._known = {row["name"]: str(row["kind"]) for row in rows}

    def check(self, records: int) -> None:
        """Where records bring their own columns, one that was renamed would read as empty everywhere.

        Raises ProbeError when no record has a column any more that records cannot be without.
        """
        probe = self._probe
        if not probe.loose or probe.mode != "full" or not records:
            return
        gone = [name for name in probe.vital_columns if self._known.get(name) and name not in self._filled]
        if gone:
            raise ProbeError(
                "column_missing",
                f"no record of probe {probe.name} has {gone[0]!r} any more; nothing was stored: "
                "ask what became of it and correct the probe file",
            )

    def remember(self, run_id: str, known_at: datetime) -> None:
        """Writes what changed. Types are those the source declares, else what the values look like."""
        probe, declared = self._probe, self._stage.schema
        names = {**dict.fromkeys(self._filled, ""), **declared}
        seen = {name: kind or self._filled.get(name, "") for name, kind in names.items()}
        everything = not probe.loose or (probe.mode == "full" and self._stage.number > 0)
        found = changes(self._known, seen, may_vanish=everything and bool(declared))
        common = {"probe": probe.name, "run_id": run_id, "known_at": known_at}
        needed = set(probe.columns)
        rows = [common | asdict(change) | {"needed": change.name in needed} for change in found]
        self._store.insert("probe_columns", rows)
