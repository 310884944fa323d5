"""What is written into the audit log beside acts: rules that came into force, figures that were published.

And whether what the log says of the tables is what they hold.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from core.clock import Clock
from reconcile.life import MACHINE
from store.audit import AuditLog, Break, Entry
from store.client import Store
from store.sqlfile import read
from tieout.pipeline import SQL


def note_activations(store: Store, audit: AuditLog, now: datetime) -> int:
    """Writes down rules that came into force since the last time; gives how many. Raises StoreError."""
    rows = store.rows(read(SQL / "activations_to_note.sql"))
    entries = [
        Entry(
            now, MACHINE, "activation", row["subject"],
            {"version": row["version"], "since": _as_stored(row["since"]), "sha256": row["digest"]},
        )
        for row in rows
    ]  # fmt: skip
    if entries:
        audit.append(entries, uuid.uuid4().hex)
    return len(entries)


def note_publication(store: Store, audit: AuditLog, job: str, run_id: str, now: datetime) -> None:
    """Writes down what a run published, with a digest of the figures. Raises StoreError."""
    found = store.one(read(SQL / "publication.sql"), {"run_id": run_id})
    if found["figures"]:
        content = {"job": job, "figures": found["figures"], "digest": found["digest"]}
        audit.append([Entry(now, MACHINE, "publication", run_id, content)], run_id)


def note_writer(audit: AuditLog, clock: Clock, host: str) -> None:
    """Writes down that the store's writing token was used from `host`. Raises StoreError, ChainBusyError."""
    content = {"role": "writer", "channel": "store", "from": host}
    audit.append([Entry(clock.now(), "writer", "sign_in", "store", content)], uuid.uuid4().hex)


def tables_as_chained(store: Store) -> list[Break]:
    """Where acts and published figures are not what the audit log says of them. Raises StoreError."""
    acts = store.rows(read(SQL / "acts_not_as_chained.sql"))
    matches = store.rows(read(SQL / "match_acts_not_as_chained.sql"))
    runs = store.rows(read(SQL / "publications_not_as_chained.sql"))
    words = {
        "altered": "was changed", "removed": "was taken out", "inserted": "was put in past the log",
    }  # fmt: skip
    return sorted(
        [
            *(Break(row["place"], row["what"], f"act {row['act_id']} {words[row['what']]}") for row in [*acts, *matches]),
            *(Break(row["place"], row["what"], f"a figure of run {row['run_id']} {words[row['what']]}") for row in runs),
        ],
        key=lambda found: (found.seq, found.text),
    )  # fmt: skip


def _as_stored(moment: datetime) -> str:
    """A time as the engine writes it, to be found again by it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
