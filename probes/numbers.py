"""Control numbers: what senders count their interchanges, groups and statements by, kept to find gaps and repeats."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from probes.stage import Stage
from store.client import Store
from store.sqlfile import read

STATEMENTS = Path(__file__).parent / "statements"


def keep(store: Store, stage: Stage, names: dict[str, Any], known_at: datetime) -> int:
    """Stores the numbers of a reading; returns how many of its places have a number that is used elsewhere too.

    Each such place is written to `import_rejects` once.
    """
    if not stage.counted:
        return 0
    common = {"probe": names["source"], "run_id": names["run_id"], "known_at": known_at}
    store.insert(
        "control_numbers",
        [
            common
            | {
                "series": counted.series,
                "number": counted.number,
                "last": counted.last if counted.consecutive else 0,
                "file": origin.name,
                "file_sha256": origin.fingerprint.rsplit(":", 1)[-1],
                "line": counted.line,
            }
            for origin, counted in stage.counted
        ],
    )
    params = names | {"known_at": known_at}
    store.command(read(STATEMENTS / "numbers_twice.sql"), params)
    return int(store.value(read(STATEMENTS / "numbers_told.sql"), params))


def missing(store: Store, names: Mapping[str, Any], excused: tuple[int, ...]) -> str:
    """What is missing in series that leave no number out, as a clause for people; empty when nothing is."""
    rows = store.rows(read(STATEMENTS / "numbers_missing.sql"), {**names, "excused": list(excused)})
    if not rows:
        return ""
    first = rows[0]
    span = sorted({int(first["first_missing"]), int(first["last_missing"])})
    more = sum(int(row["gaps"]) for row in rows) - 1
    return (
        f"control number {' to '.join(map(str, span))} of {first['series']} never came"
        f"{f', and {more} more gaps' if more else ''}"
    )
