"""The audit log: whatever is done to its rows behind its back is found."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretBytes

from core.errors import ConfigurationError
from store import audit
from store.audit import AuditLog, Entry, Verified
from store.client import Store
from store.endpoint import endpoint
from tests.store.serving import READER, WRITER, serving

KEY = SecretBytes(b"0123456789abcdef0123456789abcdef")
OTHER = SecretBytes(b"fedcba9876543210fedcba9876543210")
AT = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)
ROWS = 9


@pytest.fixture
def log(store: Store) -> AuditLog:
    """Nine rows, written in batches of three."""
    made = AuditLog(store, {"k1": KEY})
    for batch in range(3):
        made.append([entry(3 * batch + number) for number in range(3)], f"b{batch}")
    return made


def entry(number: int) -> Entry:
    content = {"note": f"Ünïcode \\ \" ' {number}\n", "amount": "1.50"}
    return Entry(AT + timedelta(seconds=number), "ana", "act", f"x{number}", content)


def found(done: Verified) -> list[tuple[int, str]]:
    return [(one.seq, one.what) for one in done.breaks]


def rows_of(store: Store) -> list[dict[str, Any]]:
    return store.rows("SELECT * FROM audit_log ORDER BY seq")


def rewritten(store: Store, rows: list[dict[str, Any]]) -> None:
    """Puts other rows in the place of those that are there."""
    store.command("TRUNCATE TABLE audit_log")
    store.insert("audit_log", rows)


def test_what_nobody_touched_holds(store: Store, log: AuditLog) -> None:
    told: list[tuple[int, int]] = []
    done = log.verify(log.head().anchor(), lambda rows, of: told.append((rows, of)))
    assert (done.rows, done.head.seq, done.breaks) == (ROWS, ROWS, ())
    assert told[-1] == (ROWS, ROWS)
    assert AuditLog(store, {"k1": KEY}).verify().breaks == ()


def test_an_empty_log_holds(store: Store) -> None:
    done = AuditLog(store, {"k1": KEY}).verify()
    assert (done.rows, done.head.seq, done.breaks) == (0, 0, ())


@pytest.mark.parametrize(
    ("column", "value"),
    [("content", "{}"), ("actor", "bo"), ("at", AT), ("kind", "sign_in"), ("subject", "x9"), ("batch", "b9"),
     ("mac", "0" * 64), ("previous", "0" * 64)],
)  # fmt: skip
@pytest.mark.parametrize("place", [1, 5, ROWS])
def test_a_row_that_was_changed_is_found(
    store: Store, log: AuditLog, column: str, value: Any, place: int
) -> None:
    rows = rows_of(store)
    if rows[place - 1][column] == value:
        value = AT + timedelta(days=1)
    rows[place - 1][column] = value
    rewritten(store, rows)
    breaks = found(log.verify())
    assert [seq for seq, _ in breaks][:1] == [place]
    assert {what for _, what in breaks} <= {"altered", "moved"}


@pytest.mark.parametrize(("first", "last"), [(1, 1), (4, 4), (3, 7)])
def test_rows_that_were_taken_out_are_found(store: Store, log: AuditLog, first: int, last: int) -> None:
    rewritten(store, [row for row in rows_of(store) if not first <= row["seq"] <= last])
    assert found(log.verify()) == [(first, "removed")]


def test_rows_taken_out_whose_gap_was_closed_are_found(store: Store, log: AuditLog) -> None:
    rows = [row for row in rows_of(store) if row["seq"] != 4]
    rewritten(store, [{**row, "seq": number} for number, row in enumerate(rows, start=1)])
    assert found(log.verify())[0] == (4, "moved")


@pytest.mark.parametrize("place", [1, 5, ROWS, ROWS + 1])
def test_a_row_that_was_put_in_is_found(store: Store, log: AuditLog, place: int) -> None:
    made_up = {**rows_of(store)[2], "seq": place, "actor": "mallory"}
    store.insert("audit_log", [made_up])
    breaks = found(log.verify())
    assert {seq for seq, _ in breaks} == {place}


def test_the_same_row_twice_is_found(store: Store, log: AuditLog) -> None:
    store.insert("audit_log", [rows_of(store)[4]])
    assert found(log.verify()) == [(5, "inserted")]


def test_rows_that_changed_places_are_found(store: Store, log: AuditLog) -> None:
    rows = rows_of(store)
    rows[4]["seq"], rows[5]["seq"] = rows[5]["seq"], rows[4]["seq"]
    rewritten(store, rows)
    assert found(log.verify()) == [(5, "moved"), (6, "moved")]


def test_an_end_that_was_taken_away_is_found_against_an_anchor(store: Store, log: AuditLog) -> None:
    anchor = log.head().anchor()
    rewritten(store, rows_of(store)[:-2])
    assert log.verify().breaks == ()
    (only,) = log.verify(anchor).breaks
    assert (only.seq, only.what) == (ROWS - 1, "truncated")
    assert "the log ends with row 7" in only.text


def test_a_log_written_anew_with_the_key_is_found_against_an_anchor(store: Store, log: AuditLog) -> None:
    anchor = log.head().anchor()
    store.command("TRUNCATE TABLE audit_log")
    log.append([entry(number + 100) for number in range(ROWS + 1)], "anew")
    assert log.verify().breaks == ()
    assert found(log.verify(anchor)) == [(ROWS, "altered")]


def test_pages_join_without_a_seam(store: Store, log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PAGE", 2)
    assert log.verify(log.head().anchor()).rows == ROWS
    store.insert(
        "audit_log", [{**rows_of(store)[3], "actor": "mallory"}, {**rows_of(store)[3], "seq": 2**63}]
    )
    assert {seq for seq, _ in found(log.verify())} == {4, 10, 2**63}


def test_a_new_key_goes_on_where_the_old_one_ended(store: Store, log: AuditLog) -> None:
    both = AuditLog(store, {"k2": OTHER, "k1": KEY})
    both.append([entry(50)], "new")
    assert both.verify().breaks == ()
    assert found(log.verify()) == [(ROWS + 1, "unknown_key")]
    assert found(AuditLog(store, {"k1": OTHER, "k2": OTHER}).verify())[0] == (1, "altered")


def test_of_several_processes_each_has_its_rows_in_the_chain_once(store: Store, log: AuditLog) -> None:
    def write(number: int) -> None:
        own = AuditLog(store.another(), {"k1": KEY})
        for turn in range(5):
            own.append([entry(number), entry(turn)], f"p{number}-{turn}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = log.verify()
    assert (done.rows, done.breaks) == (ROWS + 30, ())


@pytest.mark.parametrize("text", ["", "x", "5", "5:abc", "5:" + "g" * 64, "-1:" + "a" * 64])
def test_what_is_no_anchor_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="an anchor is written like"):
        audit.parse_anchor(text)


def test_a_log_needs_a_key(store: Store) -> None:
    with pytest.raises(ConfigurationError, match=r"audit\.keys"):
        AuditLog(store, {})


def asked(url: str, token: str) -> int:
    """The status of the answer to a question asked with this token."""
    return httpx.post(url, content="SELECT 1", headers={"Authorization": f"Bearer {token}"}).status_code


def test_who_uses_the_writing_token_of_the_endpoint_is_told(engine: Store) -> None:
    told: list[str] = []
    with serving(endpoint(engine, READER, WRITER, writer_seen=told.append)) as running:
        assert [asked(running.url, token) for token in (READER, WRITER, WRITER, "guessed")] == [
            200,
            200,
            200,
            403,
        ]
    assert told == ["127.0.0.1"]


def test_a_writer_who_cannot_be_written_down_does_not_write(engine: Store) -> None:
    def refuse(_host: str) -> None:
        raise audit.ChainBusyError("busy")

    with serving(endpoint(engine, READER, WRITER, writer_seen=refuse)) as running:
        assert asked(running.url, WRITER) == 500
        assert asked(running.url, READER) == 200
