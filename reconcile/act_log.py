"""Where acts of people are kept: chained into the audit log first, then stored in the table of their kind.

One set at a time, between threads and between processes; what a process that died left half done is made whole by
the next one, whatever kind of act that is.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from store.audit import AuditLog, ChainBusyError, Entry, Head
from store.client import Store
from store.sqlfile import read

log = logging.getLogger(__name__)

SQL = Path(__file__).parent / "sql"
TRIES = 20

Answer = TypeVar("Answer")


class KeptAct(Protocol):
    """What every act has: an id; rows with the same one are one act."""

    @property
    def act_id(self) -> str: ...


A = TypeVar("A", bound=KeptAct)


@dataclass(frozen=True)
class Kind(Generic[A]):
    """A kind of act: its name in the audit log, the table it is stored in, and its shapes in both.

    `read` makes an act of what stands in the log; it raises KeyError, TypeError, ValueError or ArithmeticError for
    something that none was made of.
    """

    name: str
    table: str
    entry: Callable[[A], Entry]
    row: Callable[[A], dict[str, Any]]
    read: Callable[[Mapping[str, Any]], A]


class ActLog:
    """The one writer of acts. Safe between threads."""

    def __init__(self, store: Store, audit: AuditLog, kinds: Iterable[Kind[Any]]) -> None:
        self._store = store
        self._audit = audit
        self._kinds = {kind.name: kind for kind in kinds}
        self._lock = threading.RLock()
        self._whole_up_to = ""

    def finish(self) -> None:
        """Ends what a process that died left half done. Raises StoreError."""
        with self._lock:
            self._make_whole(self._audit.head())

    def note(self, entry: Entry, batch: str) -> None:
        """Writes down something beside acts. Raises ChainBusyError, StoreError."""
        with self._lock:
            self._audit.append([entry], batch)

    def keep(self, kind: Kind[A], decide: Callable[[], tuple[Answer, Sequence[A]]]) -> Answer:
        """Asks `decide` what is to be done and keeps those acts; gives its answer.

        Where somebody else acted in between, it is asked again. Raises ChainBusyError, StoreError and what it raises.
        """
        with self._lock:
            for _ in range(TRIES):
                head = self._audit.head()
                self._make_whole(head)
                answer, acts = decide()
                if not acts:
                    return answer
                chained = self._audit.append_after(head, [kind.entry(act) for act in acts], _batch_of(acts))
                if chained is None:
                    continue
                self._write(kind, acts, f"acts {chained.batch}")
                self._whole_up_to = chained.mac
                return answer
        raise ChainBusyError(
            f"others acted at the same time, {TRIES} times in a row; nothing was changed; try again"
        )

    def _write(self, kind: Kind[A], acts: Sequence[A], token: str) -> None:
        self._store.insert(kind.table, [kind.row(act) for act in acts], {"insert_deduplication_token": token})

    def _make_whole(self, head: Head) -> None:
        """Stores what the newest rows of the audit log say was done and is not there: its writer died in between."""
        kind = self._kinds.get(head.kind)
        if kind is None or head.mac == self._whole_up_to:
            return
        try:
            acts = [kind.read(row["content"]) for row in self._audit.batch(head.batch)]
        except (KeyError, TypeError, ValueError, ArithmeticError):
            # Not written by us: nothing can be made whole, and acts go on. What it is, verifying says.
            log.error("row %d of the audit log is no act: run `tieout audit verify`", head.seq)
            acts = []
        # Its writer may live and be about to write: the same token lets one of the two in. Where the engine
        # remembers a token whose rows are gone, the second one counts.
        for token in (f"acts {head.batch}", f"acts again {head.batch}"):
            if missing := self._missing(kind, acts):
                self._write(kind, missing, token)
        self._whole_up_to = head.mac

    def _missing(self, kind: Kind[A], acts: Sequence[A]) -> list[A]:
        asked = {"table": kind.table, "act_ids": [act.act_id for act in acts]}
        there = {row["act_id"] for row in self._store.rows(read(SQL / "acts_stored.sql"), asked)}
        return [act for act in acts if act.act_id not in there]


def _batch_of(acts: Sequence[KeptAct]) -> str:
    """Names the rows written together: the same acts, the same name."""
    return hashlib.sha256(" ".join(act.act_id for act in acts).encode()).hexdigest()[:32]
