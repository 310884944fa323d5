"""Group commit: requests that wait at the same time are put on disk by one insert, each still exactly once.

Every stored row names its request and how many rows that request has (`request_id`, `request_items`), so the rows
themselves are the ledger: a request sent again is recognised however it was grouped, also after a crash, and one
that was stored in part is found and stored anew.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from collector.privacy import Policy
from collector.refusals import BusyError, PolicyError, RefusedError, UndecodableError, of_store
from collector.repair.common import Findings
from collector.scope_rows import Parts, receipt_mark, scope_rows
from collector.signals import Signal
from core.clock import Clock
from core.errors import TieoutError
from store.client import Store
from store.errors import BAD_DATA_CODES, TRANSIENT_CODES, StoreError
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"
# The view refused an item, or an attribute names two members of its `oneof`: both are repaired and sent again.
REPAIRABLE_CODES = frozenset({395, 36})
POISON_CODES = (BAD_DATA_CODES | REPAIRABLE_CODES) - TRANSIENT_CODES
# A group may be too much for an insert where each of its requests is not.
MEMORY_LIMIT_CODE = 241
# Senders give up on a request after minutes; one that comes again later is taken for a new one. So much before the end
# of each of the last stretches in which requests came is remembered: rows are dated by a clock that may have been set
# forward since, and senders wait for as long as nobody serves.
REMEMBERED = timedelta(hours=1)
STRETCHES = 8
MOST_REMEMBERED = 200_000
END_OF_TIME = datetime(2299, 1, 1, tzinfo=UTC)
# An insert under way when the process died may lack what follows from its rows; none takes longer than this.
LONGEST_INSERT = timedelta(minutes=10)
# What follows from so many rows is looked for at once, by which memory is bounded.
ROWS_COMPLETED_AT_ONCE = 250_000
# An insert of this size is nearly as cheap by the row as a larger one.
GROUP_ITEMS = 65_536
GROUP_BYTES = 32 << 20
# Of these, so much must wait for a second insert beside the first: at once they would halve the groups of both.
WORTH_ANOTHER = 0.5
# Planning an insert takes longer than this; so long a group may wait for those that came since the last one began.
GATHER_S = 0.025
# The engine waits for room before it removes anything, and nobody should wait with it.
REMOVAL_S, REMOVAL_LOOK_S = 2.0, 0.01
REMOVAL_FREE_BYTES = 64 << 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Receipt:
    """What became of a request that was taken: items set aside, a message, empty when all is well, items stored."""

    rejected: int = 0
    message: str = ""
    stored: int = 0


@dataclass(eq=False)
class Pending:
    """A request on its way to disk: its id, its body in protobuf, the number of rows it will have and those rows."""

    id: str
    body: bytes
    items: int
    advice: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    rows: Parts = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)
    repaired: bool = False
    taken: bool = False
    result: Receipt | RefusedError | None = None

    def outcome(self) -> Receipt:
        """Raises the refusal when it was refused."""
        if isinstance(self.result, Receipt):
            return self.result
        raise self.result or RefusedError("the request could not be processed")


def _portions(inserts: Iterable[Mapping[str, Any]]) -> Iterator[list[str]]:
    """Moments of the inserts, together as many as have few rows."""
    portion: list[str] = []
    rows = 0
    for insert in inserts:
        portion.append(f"{insert['known_at']:%Y-%m-%d %H:%M:%S.%f}")
        rows += insert["rows"]
        if rows >= ROWS_COMPLETED_AT_ONCE:
            yield portion
            portion, rows = [], 0
    if portion:
        yield portion


class Commits:
    """The way to disk of one signal. `store` is called by many threads; whoever comes first stores for all.

    Up to `writers` inserts run beside each other, on handles of `inserts` that know how the signal is decoded; `handles` are
    for everything else. `count` is told of every insert and every request repaired. With a `policy` only what it
    allows is stored.
    """

    def __init__(
        self,
        signal: Signal,
        handles: Handles,
        inserts: Handles,
        count: Callable[[str], None],
        *,
        writers: int,
        clock: Clock,
        policy: Policy | None = None,
    ) -> None:
        self._signal = signal
        self._table = signal.private_table if policy else signal.table
        self._policy = policy
        self._handles = handles
        self._inserts = inserts
        self._writers = writers
        self._clock = clock
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._queue: deque[Pending] = deque()
        self._pending: dict[str, Pending] = {}
        self._writing = 0
        self._expected = 0
        self._known: OrderedDict[str, Receipt] = OrderedDict()
        # Requests of which a part may be there, and a moment that none of their rows is older than.
        self._in_doubt: dict[str, datetime] = {}
        # By table, those of them that the engine has been told to remove.
        self._leaving: dict[str, set[str]] = {table: set() for table in signal.targets}
        self._count = count
        self._remember()

    def close(self) -> None:
        """Closes the handles for inserts; nobody may be storing."""
        self._inserts.close()

    def store(self, request: Pending) -> Receipt:
        """Returns when the request is on disk, or was before. Raises RefusedError."""
        request.rows = self._rows(request)
        with self._lock:
            if known := self._known.get(request.id):
                return known
            # The same body again while the first is on its way: both wait for one insert.
            mine = self._pending.setdefault(request.id, request)
            if mine is request:
                mine.news = threading.Condition(self._lock)
                self._queue.append(request)
                self._arrived.notify_all()
        while group := self._turn_of(mine):
            self._write_to_the_end(group)
        return mine.outcome()

    def _turn_of(self, mine: Pending) -> list[Pending]:
        """A group for this thread to write; empty when somebody has written `mine`."""
        with self._lock:
            while mine.result is None:
                if mine.taken or not self._may_write():
                    mine.news.wait()
                    continue
                self._writing += 1
                self._gather()
                if group := self._next_group():
                    self._call_next()
                    return group
                # While this thread gathered, another has taken all there was.
                self._writing -= 1
            return []

    def _call_next(self) -> None:
        """Wakes one of those who wait for their turn, if there is one. All of them would cost more than an insert."""
        if self._queue and self._may_write():
            self._queue[0].news.notify()

    def _may_write(self) -> bool:
        return not self._writing or (self._writing < self._writers and self._waiting(WORTH_ANOTHER))

    def _waiting(self, share: float) -> bool:
        """Whether such a share of a full group waits."""
        return (
            sum(one.items for one in self._queue) >= share * GROUP_ITEMS
            or sum(len(one.body) for one in self._queue) >= share * GROUP_BYTES
        )

    def _gather(self) -> None:
        """Waits a moment for those that came lately: senders that were answered together come again together."""
        self._arrived.wait_for(
            lambda: len(self._queue) >= self._expected or self._waiting(1),
            GATHER_S if self._expected > 1 else 0,
        )

    def _next_group(self) -> list[Pending]:
        group: list[Pending] = []
        items = size = 0
        while self._queue and (not group or (items < GROUP_ITEMS and size < GROUP_BYTES)):
            one = self._queue.popleft()
            one.taken = True
            group.append(one)
            items, size = items + one.items, size + len(one.body)
        return group

    def _write_to_the_end(self, group: list[Pending]) -> None:
        """Whatever happens, nobody is left waiting."""
        try:
            self._write(group)
        finally:
            with self._lock:
                self._writing -= 1
                # All of them may be there again for the next group: those answered now and those that came meanwhile.
                self._expected = len(group) + len(self._queue)
                for one in group:
                    one.result = one.result or RefusedError("the request could not be processed")
                    del self._pending[one.id]
                    if isinstance(one.result, Receipt):
                        self._know(one.id, one.result)
                    one.news.notify_all()
                self._call_next()

    def _write(self, group: Sequence[Pending]) -> None:
        """Gives every request of the group its result."""
        try:
            self._insert(group)
        except StoreError as error:
            if error.code in REPAIRABLE_CODES and not self._policy_holds():
                _refuse(group, PolicyError("the receiver's privacy policy is not the store's; send it again"))
            elif error.code in REPAIRABLE_CODES and not group[0].repaired:
                self._write_repaired(group)
            elif error.code in POISON_CODES or (error.code == MEMORY_LIMIT_CODE and len(group) > 1):
                self._write_halves(group, error)
            else:
                _refuse(group, of_store(error))
        except TieoutError as error:
            _refuse(group, of_store(error))
        else:
            for one in group:
                one.result = self._receipt(one)

    def _policy_holds(self) -> bool:
        """Whether the store's policy is ours; when it cannot say, it is not."""
        if self._policy is None:
            return True
        try:
            with self._handles.one() as store:
                return self._policy.holds_in(store)
        except TieoutError:
            return False

    def _write_repaired(self, group: Sequence[Pending]) -> None:
        for one in group:
            self._repair(one)
        if rest := [one for one in group if one.result is None]:
            self._write(rest)

    def _repair(self, one: Pending) -> None:
        """Nothing is left to store of some, and of others nothing can be read."""
        request = self._signal.request.FromString(one.body)
        try:
            found = self._signal.repair(request)
        except UndecodableError as refused:
            one.result = refused
            return
        self._count("repaired")
        one.repaired = True
        one.advice += found.advice
        one.rejected = found.rejected
        one.body = request.SerializeToString()
        one.items = self._signal.size(request)
        one.rows = self._rows(one)
        if not one.items:
            one.result = self._receipt(one)

    def _receipt(self, one: Pending) -> Receipt:
        message = Findings(one.rejected, one.advice).message(self._signal.items)
        return Receipt(one.rejected.total(), message, one.items)

    def _write_halves(self, group: Sequence[Pending], error: StoreError) -> None:
        """One of them is more or other than the engine can take: halving finds it, and the others are stored."""
        if len(group) == 1:
            _refuse(group, self._of_poison(group[0], error))
            return
        middle = len(group) // 2
        self._write(group[:middle])
        self._write(group[middle:])

    def _of_poison(self, one: Pending, error: StoreError) -> RefusedError:
        """What is still refused after the repair is damaged where the engine sees it and the library does not."""
        if error.code not in REPAIRABLE_CODES or not one.repaired:
            return of_store(error)
        if _misfits(self._signal.request.FromString(one.body)):
            return UndecodableError("the body is not a valid protobuf message")
        return RefusedError("the request was not stored; this is a defect of the receiver")

    def _insert(self, group: Sequence[Pending]) -> None:
        ids = {one.id for one in group}
        rows = [part for one in group for part in one.rows]
        if doubtful := [one for one in ids if one in self._in_doubt]:
            self._take_out(doubtful)
        # Until the insert has ended well, part of it may be there.
        self._doubt(ids)
        try:
            with self._inserts.one() as store:
                store.insert_raw(self._table, rows, "Protobuf")
        except TieoutError:
            # The clock that dates the rows may have been set back meanwhile.
            self._doubt(ids)
            raise
        for one in ids:
            del self._in_doubt[one]
        self._count("inserts")

    def _rows(self, one: Pending) -> Parts:
        mark = receipt_mark(one.id, one.items)
        return scope_rows(one.body, mark + self._policy.mark if self._policy else mark)

    def _take_out(self, ids: Collection[str]) -> None:
        """Raises BusyError when it cannot be done now."""
        try:
            with self._handles.one() as store:
                self._remove(store, ids)
        except StoreError as error:
            # Whatever that is, it is not the fault of what was sent.
            log.warning("part of a request cannot be removed: %s", error)
            raise BusyError("the store cannot take the request now; send it again") from None

    def _doubt(self, ids: Iterable[str]) -> None:
        since = self._clock.now() - REMEMBERED
        for one in ids:
            self._in_doubt[one] = min(since, self._in_doubt.get(one, since))

    def _remove(self, store: Store, ids: Collection[str]) -> None:
        """Raises BusyError when what is there of them does not go soon, as on a full disk."""
        since = min(self._in_doubt[one] for one in ids)
        for table in self._signal.targets:
            where = {"table": table, "since": since, "ids": sorted(ids)}
            left = partial(store.value, read(SQL / "rows_of_requests.sql"), where)
            leaving = self._leaving[table]
            if left() and not leaving.issuperset(ids):
                if not _has_room(store):
                    raise BusyError("the disk is nearly full; send it again")
                # The engine removes what is there now, never what is stored later, and also after it was restarted.
                store.command(read(SQL / "remove_requests.sql"), where, {"lightweight_deletes_sync": 0})
                leaving.update(ids)
            deadline = time.monotonic() + REMOVAL_S
            while left():
                if time.monotonic() > deadline:
                    raise BusyError("an earlier part of the request is still being removed; send it again")
                time.sleep(REMOVAL_LOOK_S)
            leaving.difference_update(ids)

    def _remember(self) -> None:
        """What came in lately is known; what is there in part was never acknowledged and is in doubt."""
        items: Counter[str] = Counter()
        stored: Counter[str] = Counter()
        oldest: dict[str, datetime] = {}
        with self._handles.one() as store:
            self._complete(store)
            for table in self._signal.targets:
                for since, until in self._stretches(store, table):
                    where = {"table": table, "since": since, "until": until, "most": MOST_REMEMBERED}
                    now = {"now": self._clock.now()}
                    for row in store.rows(read(SQL / "requests_stored.sql"), {**where, **now}):
                        one = row["request_id"]
                        items[one] = row["items"]
                        stored[one] += row["stored"]
                        # The rows of one insert may lie on both sides of where a stretch begins.
                        oldest[one] = min(since - LONGEST_INSERT, oldest.get(one, since))
                    if len(items) >= MOST_REMEMBERED:
                        break
        for one in reversed(items):
            if stored[one] < items[one]:
                self._in_doubt[one] = oldest[one]
            else:
                self._know(one, Receipt())

    def _complete(self, store: Store) -> None:
        """Writes what follows from rows of the signal, where the process died between the two."""
        if not (name := self._signal.completion):
            return
        for since, _ in self._stretches(store, self._signal.targets[0], 1, LONGEST_INSERT):
            lacking = store.rows(read(SQL / f"incomplete_{name}.sql"), {"since": since})
            for inserts in _portions(lacking):
                store.command(read(SQL / f"complete_{name}.sql"), {"inserts": inserts})

    def _stretches(
        self, store: Store, table: str, most: int = STRETCHES, length: timedelta = REMEMBERED
    ) -> Iterator[tuple[datetime, datetime]]:
        """From when to when rows came in, the last stretch first; that one has no end.

        The clock may have been set back since, and then rows seem to come from the future.
        """
        until, latest = END_OF_TIME, self._clock.now()
        for _ in range(most):
            newest = store.value(read(SQL / "newest_known_at.sql"), {"table": table, "until": until})
            if newest is None:
                return
            since = min(newest, latest) - length
            yield since, until
            until = latest = since

    def _know(self, one: str, receipt: Receipt) -> None:
        self._known[one] = replace(receipt, stored=0)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)


def _has_room(store: Store) -> bool:
    """Whether rows may be removed: on a full disk the engine can leave parts and orders behind that it cannot read."""
    try:
        free = store.value(read(SQL / "free_space.sql"))
    except StoreError:
        return True  # a server that does not tell this user
    return free is None or int(free) >= REMOVAL_FREE_BYTES


def _refuse(group: Iterable[Pending], refused: RefusedError) -> None:
    for one in group:
        one.result = refused


def _misfits(message: Message) -> bool:
    """Whether a field somewhere inside has a known number and is of another type than that field."""
    unknown = UnknownFieldSet(message)
    known = message.DESCRIPTOR.fields_by_number
    if any(unknown[n].field_number in known for n in range(len(unknown))):
        return True
    return any(
        _misfits(part)
        for field, value in message.ListFields()
        if field.message_type is not None
        for part in (value if field.is_repeated else [value])
    )


class Handles:
    """Handles of their own, with `settings`, for calls that run beside each other; kept for the next one."""

    def __init__(self, store: Store, settings: Mapping[str, Any] | None = None) -> None:
        self._store = store
        self._settings = settings
        self._free: queue.SimpleQueue[Store] = queue.SimpleQueue()

    @contextmanager
    def one(self) -> Iterator[Store]:
        try:
            store = self._free.get_nowait()
        except queue.Empty:
            store = self._store.another(settings=self._settings)
        try:
            yield store
        finally:
            self._free.put(store)

    def close(self) -> None:
        """Nobody may be using one."""
        while not self._free.empty():
            self._free.get().close()
