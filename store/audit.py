"""The audit log: rows chained by a keyed hash, so that a row changed, taken out or put in is noticed.

The hash of a row covers all of it and the hash of the row before. What is missing at the end shows only against
an anchor: place and hash of a row, written down somewhere else.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretBytes

from core.errors import ConfigurationError, TieoutError
from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"
# Rows read at once when the chain is verified.
PAGE = 20_000
# How often an append is tried while other processes append too.
TRIES = 20
_ANCHOR = re.compile(r"(\d{1,19}):([0-9a-f]{64})")
_SIGNED = ("seq", "at", "actor", "kind", "subject", "batch", "content", "key_id", "previous")


class ChainBusyError(TieoutError):
    """Other processes kept appending to the audit log. Try again."""

    retryable = True


@dataclass(frozen=True)
class Entry:
    """What is written down: who did what to which subject, with the facts of it. Times are UTC."""

    at: datetime
    actor: str
    kind: str
    subject: str
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Head:
    """The newest row: its place (0 for none), its hash, its kind and the batch it was written with."""

    seq: int = 0
    mac: str = ""
    kind: str = ""
    batch: str = ""

    def anchor(self) -> str:
        """Place and hash as one word, to be kept elsewhere."""
        return f"{self.seq}:{self.mac}"


@dataclass(frozen=True)
class Break:
    """One place where the chain does not hold. `what`: altered, removed, inserted, moved, truncated, unknown_key."""

    seq: int
    what: str
    text: str


@dataclass(frozen=True)
class Verified:
    """What verifying found: the rows looked at, the newest one, and every break in order of place."""

    rows: int
    head: Head
    breaks: tuple[Break, ...]


class AuditLog:
    """One handle to the chain. `keys` by name, the newest first; rows are written with that one.

    Several processes may append: the engine lets one row a place in, and who comes second tries the next place.
    """

    def __init__(self, store: Store, keys: Mapping[str, SecretBytes]) -> None:
        if not keys:
            raise ConfigurationError("the audit log needs a key: name one in audit.keys of tieout.yaml")
        self._store = store
        self._keys = {name: key.get_secret_value() for name, key in keys.items()}

    def head(self) -> Head:
        """The newest row. Raises StoreError."""
        return Head(**self._store.one(read(SQL / "audit_head.sql")))

    def batch(self, name: str) -> list[dict[str, Any]]:
        """Rows of one batch with `content` as data: seq, at, actor, kind, subject, content."""
        rows = self._store.rows(read(SQL / "audit_batch.sql"), {"batch": name})
        return [{**row, "content": json.loads(row["content"])} for row in rows]

    def append(self, entries: Sequence[Entry], batch: str) -> Head:
        """Chains `entries` after the newest row, all or none. Raises ChainBusyError, StoreError."""
        for _ in range(TRIES):
            if added := self.append_after(self.head(), entries, batch):
                return added
        raise ChainBusyError(f"the audit log was busy {TRIES} times in a row; try again")

    def append_after(self, head: Head, entries: Sequence[Entry], batch: str) -> Head | None:
        """Chains `entries` after `head`; null, with nothing written, when that is no longer the newest row."""
        rows = self._chained(head, entries, batch)
        # Of two inserts with one token the engine takes the first; both writers then look whose row is there.
        self._store.insert("audit_log", rows, {"insert_deduplication_token": f"audit {head.seq} {head.mac}"})
        first = [row["mac"] for row in self._store.rows(read(SQL / "audit_row.sql"), {"seq": head.seq + 1})]
        if first != [rows[0]["mac"]]:
            return None
        return Head(rows[-1]["seq"], rows[-1]["mac"], rows[-1]["kind"], batch)

    def verify(self, anchor: str = "", tell: Callable[[int, int], None] | None = None) -> Verified:
        """Looks at every row. `anchor` is what `Head.anchor` gave earlier; `tell` hears (rows done, all rows).

        Raises ConfigurationError for something that is no anchor, StoreError.
        """
        anchored = parse_anchor(anchor) if anchor else Head()
        size = int(self._store.value(read(SQL / "audit_size.sql")))
        checker = _Checker(self._keys, anchored)
        done = 0
        for page in self._pages():
            checker.take(page)
            done += len(page)
            if tell:
                tell(done, size)
        return Verified(done, checker.newest, tuple(checker.all_breaks()))

    def _pages(self) -> Iterator[list[dict[str, Any]]]:
        after = 0
        while page := self._store.rows(read(SQL / "audit_page.sql"), {"after": after, "most": PAGE}):
            yield sorted(page, key=lambda row: (row["seq"], row["mac"]))
            after = max(int(row["seq"]) for row in page)

    def _chained(self, head: Head, entries: Sequence[Entry], batch: str) -> list[dict[str, Any]]:
        key_id, key = next(iter(self._keys.items()))
        rows, previous = [], head.mac
        for seq, entry in enumerate(entries, start=head.seq + 1):
            row = {
                "seq": seq, "at": entry.at, "actor": entry.actor, "kind": entry.kind, "subject": entry.subject,
                "batch": batch, "content": _json(entry.content), "key_id": key_id, "previous": previous,
            }  # fmt: skip
            previous = _mac(key, row)
            rows.append({**row, "mac": previous})
        return rows


def parse_anchor(text: str) -> Head:
    """The row an anchor stands for. Raises ConfigurationError."""
    match = _ANCHOR.fullmatch(text.strip())
    if not match:
        raise ConfigurationError(
            "an anchor is written like 1204:6b1f… (64 digits), as `tieout audit anchor` prints it"
        )
    return Head(int(match[1]), match[2])


class _Checker:
    """Walks along the chain, page by page, and keeps what does not hold."""

    def __init__(self, keys: Mapping[str, bytes], anchored: Head) -> None:
        self._keys = keys
        self._anchored = anchored
        self._anchor_seen = anchored.seq == 0
        self._breaks: list[Break] = []
        self._sound = True
        self.newest = Head()

    def take(self, page: Sequence[Mapping[str, Any]]) -> None:
        for row in page:
            self._look_at(row)

    def all_breaks(self) -> list[Break]:
        """What was found, with what only the end can tell."""
        if self._anchor_seen:
            return self._breaks
        seq = self._anchored.seq
        if seq > self.newest.seq:
            text = f"the anchor names row {seq}, but the log ends with row {self.newest.seq}: its end was taken away"
            return [*self._breaks, Break(self.newest.seq + 1, "truncated", text)]
        text = f"row {seq} is not the one that the anchor names: the log was written anew"
        return [*self._breaks, Break(seq, "altered", text)]

    def _look_at(self, row: Mapping[str, Any]) -> None:
        seq, trouble = int(row["seq"]), self._trouble(row)
        if trouble:
            self._breaks.append(trouble)
        if seq == self.newest.seq:
            self._second_at(seq, row, trouble)
            return
        if seq > self.newest.seq + 1:
            first, last = self.newest.seq + 1, seq - 1
            gone = f"row {first} is" if first == last else f"rows {first} to {last} are"
            self._breaks.append(Break(first, "removed", f"{gone} not there"))
        # After a row that is wrong, what follows it cannot fit; that is said once.
        elif not trouble and self._sound and row["previous"] != self.newest.mac:
            self._breaks.append(Break(seq, "altered", f"row {seq} does not follow the row before it"))
        self._pass(row, sound=not trouble)

    def _second_at(self, seq: int, row: Mapping[str, Any], trouble: Break | None) -> None:
        """A row at a place that is taken: one of the two was put in."""
        if not trouble:
            self._breaks.append(Break(seq, "inserted", f"two rows stand at place {seq}"))
            if not self._sound:
                self._pass(row, sound=True)

    def _pass(self, row: Mapping[str, Any], *, sound: bool) -> None:
        self.newest = Head(int(row["seq"]), row["mac"], row["kind"], row["batch"])
        self._sound = sound
        if (self.newest.seq, self.newest.mac) == (self._anchored.seq, self._anchored.mac):
            self._anchor_seen = True

    def _trouble(self, row: Mapping[str, Any]) -> Break | None:
        """What is wrong with a row by itself."""
        seq = int(row["seq"])
        key = self._keys.get(row["key_id"])
        if key is None:
            return Break(
                seq,
                "unknown_key",
                f"row {seq} was written with key {row['key_id'][:40]!r}, which is not in audit.keys",
            )
        if hmac.compare_digest(_mac(key, row), row["mac"]):
            return None
        if row["previous"] == self.newest.mac and seq == self.newest.seq + 1:
            return Break(seq, "altered", f"row {seq} was changed")
        if seq == self.newest.seq:
            return Break(seq, "inserted", f"a row was put in at place {seq}")
        return Break(seq, "moved", f"row {seq} was written for another place, or changed")


def _mac(key: bytes, row: Mapping[str, Any]) -> str:
    signed = [_micros(row[name]) if name == "at" else row[name] for name in _SIGNED]
    return hmac.new(key, json.dumps(signed, separators=(",", ":")).encode(), hashlib.sha256).hexdigest()


def _micros(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), sort_keys=True, ensure_ascii=False, default=str)
