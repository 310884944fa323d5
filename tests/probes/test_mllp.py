"""The MLLP listener, talked to by the hl7 library: what it acknowledges is stored, and nothing else is."""

from __future__ import annotations

import errno
import gc
import json
import os
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trustme

import probes.listener
import probes.spool
from core.clock import ManualClock
from core.errors import CannotRunError
from probes.listener import Answer, acknowledgement, listening
from probes.load import load_probe
from probes.probe import ProbeFile
from probes.run import run_probe
from probes.spool import Entry, Spool
from store.client import Store
from tests.conftest import NOW
from tests.probes.mllp import message, probe_at, send
from tests.probes.source import count, rejects, states
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mllp" / "charges"


@pytest.fixture(autouse=True)
def _sealed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes.listener, "SEAL_EVERY_S", 0.05)


def stored(folder: Path) -> list[dict[str, Any]]:
    """Every message on disk, in the order of coming."""
    files = sorted(folder.glob("*.*"), key=lambda path: path.name)
    return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]


def test_a_message_that_is_acknowledged_is_on_the_disk_with_nothing_but_the_named_columns(
    folder: Path,
) -> None:
    with listening(probe_at(folder)) as address:
        assert send(address, message(1), message(2, "7")) == [["AA", "1"], ["AA", "2"]]
        found = stored(folder)
    assert [entry["columns"] for entry in found] == [["PV1-19", "time(MSH-7)", "FT1-7", "FT1-11"]] * 2
    assert [entry["rows"] for entry in found] == [
        [["V1", "2026-11-19 08:30:00", "C1", "10.50"]],
        [["V2", "2026-11-19 08:30:00", "C1", "7"]],
    ]
    assert all(b"Canary" not in path.read_bytes() for path in folder.iterdir())


def test_messages_become_states_and_the_watermark_follows_the_last_one(
    store: Store, workflow: Workflow, folder: Path
) -> None:
    probe = probe_at(folder)
    early = run_probe(store, probe, workflow, NOW)
    assert (early.status, early.complete_through, count(store, "watermarks")) == ("ok", None, 0)
    with listening(probe) as address:
        send(address, message(1), message(2))
    for path in folder.iterdir():
        os.utime(path, ((NOW - timedelta(minutes=1)).timestamp(),) * 2)
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.read, done.changed, done.complete_through) == (
        "ok",
        2,
        2,
        NOW - timedelta(minutes=1),
    )
    first, _ = states(store)
    assert (first["object_key"], first["amount"], first["fields"]) == ("V1", Decimal("10.5"), {"code": "C1"})
    assert first["valid_from"] == datetime(2026, 11, 19, 8, 30, tzinfo=UTC)
    assert run_probe(store, probe, workflow, NOW + timedelta(minutes=5)).read == 0


def test_a_message_sent_again_is_acknowledged_again_and_stored_once_also_after_a_restart(
    folder: Path,
) -> None:
    for _ in range(2):
        with listening(probe_at(folder)) as address:
            assert send(address, message(1), message(1)) == [["AA", "1"]] * 2
    with listening(probe_at(folder)) as address:
        send(address, message(1, "99"))  # the same control id, another message
    assert [entry["rows"][0][3] for entry in stored(folder)] == ["10.50", "99"]


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"GET / HTTP/1.1", ["AE", "", "this is no HL7 v2 message"]),
        (message(1).replace("|1|P|", "||P|").encode(), ["AE", "", "MSH-10 is empty"]),
        (
            message(1).replace("Canary", "Can\xe4ry").encode("latin-1"),
            ["AE", "1", "the message is not in utf-8"],
        ),
        ((message(1) + "and so on\r").encode(), ["AE", "1", "line 5: the line is no segment of a message"]),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(
    folder: Path, content: bytes, answer: list[str]
) -> None:
    with listening(probe_at(folder)) as address:
        assert send(address, content, message(2)) == [answer, ["AA", "2"]]


def test_a_refused_message_is_set_aside_once(store: Store, workflow: Workflow, folder: Path) -> None:
    probe = probe_at(folder, max_rejected_ratio=1)
    broken = (message(1) + "and so on\r").encode()
    with listening(probe) as address:
        send(address, broken, broken, message(2))
    done = run_probe(store, probe, workflow, NOW + timedelta(days=9999))
    assert (done.read, done.rejected, done.changed) == (2, 1, 1)
    assert rejects(store) == [("bad_line", "line 5: the line is no segment of a message")]


def test_a_message_that_cannot_be_stored_is_not_acknowledged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full for one write, in the middle of it."""
    with listening(probe_at(folder)) as address:
        assert send(address, message(1)) == [["AA", "1"]]
        real = os.fsync

        def full(_: int) -> None:
            monkeypatch.setattr(os, "fsync", real)
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        refused = ["AR", "2", "the message could not be stored; send it again"]
        assert send(address, message(2), message(2), message(3)) == [refused, ["AA", "2"], ["AA", "3"]]
    assert [entry["rows"][0][0] for entry in stored(folder)] == ["V1", "V2", "V3"]


def test_a_message_too_long_or_without_its_frame_ends_the_connection(folder: Path) -> None:
    with listening(probe_at(folder, max_message_bytes=2000)) as address:
        assert send(address, message("x" * 5000)) == [["AE", "", "the message is too long"]]
        host, port = address.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(message(1).encode() + b"\x1c\r")
            assert b"MSA|AE||a message begins with VT" in raw.makefile("rb").read()
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(b"\x0b" + message(1).encode()[:-9])  # hangs up in the middle
        assert send(address, message(2)) == [["AA", "2"]]
    assert [entry["rows"][0][0] for entry in stored(folder)] == ["V2"]


def test_more_connections_than_allowed_and_silent_ones_are_let_go(folder: Path) -> None:
    with listening(probe_at(folder, max_connections=1, idle=timedelta(milliseconds=200))) as address:
        host, port = address.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as first:
            with socket.create_connection((host, int(port))) as second:
                assert second.makefile("rb").read() == b""
            assert first.makefile("rb").read() == b""
        assert send(address, message(1)) == [["AA", "1"]]


@pytest.mark.parametrize(
    ("wanted", "code", "said"),
    [("", "A", "AA"), ("AL", "A", "CA"), ("AL", "R", "CR"), ("NE", "E", ""), ("ER", "A", ""), ("ER", "E", "CE"), ("SU", "E", ""), ("SU", "A", "CA")],
)  # fmt: skip
def test_a_sender_says_which_acknowledgements_it_wants(wanted: str, code: str, said: str) -> None:
    header = [
        "MSH",
        "|",
        "^~\\&",
        "LAB",
        "HOSP",
        "TIEOUT",
        "US",
        "2026",
        "",
        "ADT^A01",
        "77",
        "T",
        "2.3",
        "",
        "",
        wanted,
    ]
    answer = acknowledgement(Answer(code), header, NOW).decode()
    if not said:
        assert answer == ""
        return
    head, msa, _ = answer.split("\r")
    assert head.split("|")[2:6] == ["TIEOUT", "US", "LAB", "HOSP"]
    assert head.split("|")[8] == "ACK^A01"
    assert head.split("|")[10:] == ["T", "2.3"]
    assert msa == f"MSA|{said}|77"


def test_over_tls_only_senders_of_our_authority_are_heard(folder: Path, tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    server = authority.issue_cert("localhost")
    server.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    pem = tmp_path / "server.pem"
    tls = {"cert_file": pem, "key_file": pem, "client_ca_file": tmp_path / "ca.pem"}
    with listening(probe_at(folder, tls=tls)) as address:
        assert send(address, message(1), tls=_client(authority, authority)) == [["AA", "1"]]
        for client in (_client(authority, other), _client(authority, None), None):
            with pytest.raises((OSError, EOFError)):
                send(address, message(2), tls=client)
    assert len(stored(folder)) == 1


def _client(trusted: trustme.CA, authority: trustme.CA | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    trusted.configure_trust(context)
    if authority:
        authority.issue_cert("sender").configure_cert(context)
    return context


def test_a_port_in_use_and_a_folder_that_cannot_be_written_are_named(folder: Path) -> None:
    with listening(probe_at(folder)) as address:
        other = listening(probe_at(folder / "b", address))
        with pytest.raises(CannotRunError, match=f"{address} cannot be used"):
            other.__enter__()
    (folder.parent / "file").write_text("")
    with pytest.raises(CannotRunError, match="cannot be used: Not a directory"):
        listening(probe_at(folder.parent / "file" / "x")).__enter__()


def test_half_a_line_of_a_killed_listener_is_forgotten_and_what_is_whole_is_kept(folder: Path) -> None:
    spool = Spool(folder, ManualClock(NOW), timedelta(days=30))
    assert spool.put(Entry("a", ["no"], [["1"]]))
    [part] = folder.glob("*.part")
    part.write_bytes(part.read_bytes() + b'{"id":"b","rows":[["2"')
    (folder / "20261120T110000000000-1.part").write_bytes(b'{"id":')
    with pytest.raises(CannotRunError, match="used by another listener"):
        Spool(folder, ManualClock(NOW), timedelta(days=30))
    del spool  # as a kill does: the lock goes with its process, and nothing is closed in order
    gc.collect()
    again = Spool(folder, ManualClock(NOW + timedelta(seconds=1)), timedelta(days=30))
    assert [entry["id"] for entry in stored(folder)] == ["a"]
    assert [path.suffix for path in folder.iterdir()] == [".jsonl"]
    assert (again.put(Entry("a", ["no"], [["1"]])), again.put(Entry("b", ["no"], [["2"]]))) == (False, True)


def test_what_was_read_long_ago_is_removed(folder: Path) -> None:
    clock = ManualClock(NOW)
    spool = Spool(folder, clock, timedelta(days=30))
    spool.put(Entry("a", ["no"], [["1"]]))
    spool.seal()
    [path] = folder.iterdir()
    os.utime(path, (NOW.timestamp(),) * 2)
    for days, left in ((29, 1), (2, 0)):
        clock.move(timedelta(days=days))
        spool.seal()
        assert len(list(folder.iterdir())) == left


PROBE = {
    "name": "adt", "kind": "mllp", "title": "A", "workflow": "payables", "system": "emr",
    "object": {"type": "invoice", "key": "PV1-19"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"listen": "0.0.0.0:2575"}, "other machines could write to 0.0.0.0:2575"),
        ({"listen": "2575"}, "an address is written like"),
        ({"mode": "full"}, "messages say what changed"),
        ({"tls": {"cert_file": "no.pem", "key_file": "no.pem"}}, "file 'no.pem' is not there"),
        ({"format": {"level": "ft1"}}, "format.level"),
        ({"object": {"type": "invoice", "key": "PID.3"}}, "column 'PID.3': a column is written like PID-3"),
    ],
)  # fmt: skip
def test_a_probe_file_of_a_listener_is_checked(
    tmp_path: Path, workflow: Workflow, keys: dict[str, Any], expected: str
) -> None:
    def found(content: dict[str, Any]) -> list[str]:
        (tmp_path / "p.yaml").write_text(json.dumps(content, indent=1))
        return [finding.text() for finding in load_probe(tmp_path / "p.yaml", {"payables": workflow})[2]]

    assert found(PROBE) == []
    assert any(expected in text for text in found(PROBE | keys))
