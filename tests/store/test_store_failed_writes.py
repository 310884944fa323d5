"""A disk that does not take what the engine writes: nothing counts as stored, and nothing stored is lost."""

from __future__ import annotations

import json
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from store.client import Store
from store.errors import StoreError
from store.failed_writes import FAILED_WRITES, DiskWriteError
from tests.store.serving import Served

ROWS = "INSERT INTO written SELECT {block:UInt64} * 20000 + number, cityHash64(number) FROM numbers(20000)"
ALL = "SELECT groupUniqArray(intDiv(id, 20000)) AS blocks, count() AS n, sum(id) AS total FROM written"
# Of the parts of an insert, the two columns do not fit and all else does.
TOO_SMALL = 4096


@pytest.fixture
def table(store: Store) -> Iterator[Store]:
    store.command(
        "CREATE TABLE written (id UInt64, value UInt64) ENGINE = MergeTree ORDER BY value "
        "SETTINGS fsync_after_insert = 1, old_parts_lifetime = 480"
    )
    yield store
    store.look_after_writes()
    store.command("DROP TABLE written SYNC")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Writes beyond `size` fail in this process, as on a full disk. Python ignores the signal that comes with it."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def blocks(store: Store) -> list[int]:
    """The whole blocks in the table; every value is read."""
    row = store.one(ALL)
    found = sorted(row["blocks"])
    assert row["n"] == 20000 * len(found)
    assert row["total"] == sum(sum(range(block * 20000, (block + 1) * 20000)) for block in found)
    return found


def test_a_part_that_has_the_name_of_an_earlier_one_is_read_as_what_it_is(table: Store) -> None:
    """Tables that are attached anew begin to count again: what was remembered of a name does not hold any more."""
    table.command("ALTER TABLE written MODIFY SETTING old_parts_lifetime = 0")
    told = []
    for block in (1, 2):
        table.command(
            "INSERT INTO written SELECT {block:UInt64}, {block:UInt64} FROM numbers(9)", {"block": block}
        )
        name = table.value("SELECT name FROM system.parts WHERE table = 'written' AND active")
        told.append((name, table.value("SELECT count() FROM written WHERE id = 2")))
        table.command("TRUNCATE TABLE written")
        table.command("DETACH TABLE written SYNC")
        table.command("ATTACH TABLE written")
    assert told == [("all_1_1_0", 0), ("all_1_1_0", 9)]


def test_an_insert_that_the_disk_does_not_take_is_refused_and_leaves_nothing(table: Store) -> None:
    table.command(ROWS, {"block": 0})
    with files_of_at_most(TOO_SMALL), pytest.raises(DiskWriteError, match="make room"):
        table.command(ROWS, {"block": 1})
    table.command(ROWS, {"block": 2})
    assert blocks(table) == [0, 2]
    table.command(ROWS, {"block": 1})
    assert blocks(table) == [0, 1, 2]


@pytest.mark.parametrize("way", ["rows", "bytes"])
def test_every_way_of_writing_tells(table: Store, way: str) -> None:
    """What is sent is smaller than the limit, since it passes through a file of its own; what is stored is not."""
    rows = [{"id": n, "value": n} for n in range(100)]
    body = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    write: Callable[[], None] = {
        "rows": lambda: table.insert("written", rows),
        "bytes": lambda: table.insert_raw("written", body, "JSONEachRow"),
    }[way]
    table.command("ALTER TABLE written ADD COLUMN noise String DEFAULT randomPrintableASCII(200)")
    with files_of_at_most(TOO_SMALL), pytest.raises(DiskWriteError):
        write()
    write()
    assert table.value("SELECT (count(), sum(id), sum(length(noise))) FROM written") == (100, 4950, 20000)


def test_a_merge_that_the_disk_does_not_take_loses_nothing(table: Store) -> None:
    for block in range(4):
        table.command(ROWS, {"block": block})
    with files_of_at_most(TOO_SMALL), pytest.raises(DiskWriteError):
        table.command("OPTIMIZE TABLE written FINAL")
    table.look_after_writes()
    assert blocks(table) == [0, 1, 2, 3]
    table.command("OPTIMIZE TABLE written FINAL")
    assert blocks(table) == [0, 1, 2, 3]


def test_while_the_disk_stays_broken_nothing_is_taken(table: Store) -> None:
    table.command(ROWS, {"block": 0})
    for _ in range(3):
        with files_of_at_most(TOO_SMALL), pytest.raises(DiskWriteError):
            table.command(ROWS, {"block": 1})
    table.command(ROWS, {"block": 1})
    assert blocks(table) == [0, 1]


def test_a_writer_over_http_is_told_and_can_write_again(table: Store, served: Served) -> None:
    with Store(served.url, token=served.writer) as remote:
        remote.command(ROWS, {"block": 0})
        with files_of_at_most(TOO_SMALL), pytest.raises(StoreError) as refused:
            remote.command(ROWS, {"block": 1})
        assert refused.value.code == 75
        assert refused.value.retryable
        table.look_after_writes()
        remote.command(ROWS, {"block": 2})
        assert blocks(remote) == [0, 2]


def test_nobody_sees_a_table_go_while_it_is_attached_anew(table: Store) -> None:
    table.command(ROWS, {"block": 0})
    stop = threading.Event()
    wrong: list[BaseException] = []

    def reading() -> None:
        with table.another() as other:
            while not stop.is_set():
                try:
                    assert 0 in blocks(other)
                except (AssertionError, StoreError) as error:
                    # A short part may be met before it is known; a table that is not there may not.
                    if not (isinstance(error, StoreError) and error.code in (33, 246)):
                        wrong.append(error)

    reader = threading.Thread(target=reading)
    reader.start()
    for block in range(1, 9):
        with files_of_at_most(TOO_SMALL), pytest.raises(DiskWriteError):
            table.command(ROWS, {"block": block})
        table.look_after_writes()
    stop.set()
    reader.join()
    assert not wrong
    assert not FAILED_WRITES.damaged
    assert blocks(table) == [0]
