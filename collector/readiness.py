"""Whether the receiver can take requests, and why not; asked by load balancers and by people."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from collector.privacy import Policy
from collector.reception import Reception
from core.errors import TieoutError
from store.client import Store
from store.errors import StoreError
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"
# Merges need room for the parts they rewrite; below this, inserts soon fail.
FREE_FLOOR_BYTES = 1 << 30
ANSWER_S = 2.0


@dataclass(frozen=True)
class Reason:
    """Why requests are not taken: a code from a fixed list, and a sentence for people."""

    code: str
    message: str


Check = Callable[[], Reason | None]


@dataclass(frozen=True)
class _Answer:
    """What the store says of itself: free bytes where it tells, and whether our privacy policy is in force."""

    free: int | None
    policy_holds: bool


class Readiness:
    """Asks everything a request needs. `more` are checks of what other parts know, such as a backlog in doubt."""

    def __init__(
        self,
        reception: Reception,
        store: Store,
        *,
        free_floor_bytes: int = FREE_FLOOR_BYTES,
        policy: Policy | None = None,
        more: Iterable[Check] = (),
    ) -> None:
        self._reception = reception
        self._store = store
        self._floor = free_floor_bytes
        self._policy = policy
        self._checks: list[Check] = [self._draining, self._full, self._files, self._answers, *more]
        self._one_at_a_time = threading.Lock()
        self._handle: Store | None = None
        self._asked: Future[_Answer] | None = None
        self._asker = ThreadPoolExecutor(1, thread_name_prefix="otlp-readiness")

    def reasons(self) -> list[Reason]:
        """Why the receiver is not ready; empty when it is. Takes at most `ANSWER_S` for the store."""
        with self._one_at_a_time:
            return [reason for check in self._checks if (reason := check())]

    def close(self) -> None:
        """Gives the handle back."""
        self._asker.shutdown(wait=True)
        if self._handle:
            self._handle.close()

    def _draining(self) -> Reason | None:
        return Reason("draining", "the receiver is about to end") if self._reception.draining else None

    def _full(self) -> Reason | None:
        if self._reception.intake.capacity.full:
            return Reason("queue_full", "as many requests or bytes are in flight as there is room for")
        return None

    def _files(self) -> Reason | None:
        if self._store.files_short:
            return Reason(
                "disk_write", "the disk refused a write; nothing is taken until the tables are mended"
            )
        return None

    def _answers(self) -> Reason | None:
        # A question that was not answered is not asked a second time beside itself.
        self._asked = self._asked or self._asker.submit(self._ask)
        try:
            answer = self._asked.result(ANSWER_S)
        except TimeoutError:
            return Reason("store", f"the store did not answer within {ANSWER_S:g} seconds")
        except TieoutError:
            self._asked = None
            return Reason("store", "the store does not answer")
        self._asked = None
        if answer.free is not None and answer.free < self._floor:
            return Reason(
                "disk", f"{answer.free} bytes are free where the store writes; {self._floor} are needed"
            )
        if not answer.policy_holds:
            return Reason(
                "policy",
                "another receiver gave the store another privacy policy; start all with the same settings",
            )
        return None

    def _ask(self) -> _Answer:
        """A handle of its own does not wait behind an insert."""
        self._handle = self._handle or self._store.another()
        holds = self._policy is None or self._policy.holds_in(self._handle)
        try:
            free = self._handle.value(read(SQL / "free_space.sql"))
        except StoreError as error:
            if error.retryable:
                raise
            # It answers, and what it refuses is only this question: servers do not tell every user.
            return _Answer(None, holds)
        return _Answer(None if free is None else int(free), holds)
