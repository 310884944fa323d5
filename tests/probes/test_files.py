"""The files kind: a folder into which somebody else writes."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import probes.formats.excel
from probes.formats.delimited import Delimited
from probes.load import load_probe
from probes.probe import ProbeFile, Window
from probes.run import ProbeRun, run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.source import count, rejects, states
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)
HOUR = timedelta(hours=1)


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


def files(make_probe: MakeProbe, **keys: Any) -> ProbeFile:
    keys.setdefault("object", {"fields": ["status"]})
    return make_probe(**{"kind": "files", "folder": "drop", "glob": "*.csv", "format": "csv"} | keys)


def deliver(path: Path, content: str | bytes, at: datetime = NOW - HOUR) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (at.timestamp(), at.timestamp()))


def told(store: Store) -> list[tuple[str, str, bool]]:
    return [(s["object_key"], s["fields"].get("status", ""), s["deleted"]) for s in states(store)]


def rows_of(probe: ProbeFile) -> list[dict[str, Any]]:
    return [row for batch in probe.read(Window(end=NOW)) for row in batch.records.to_pylist()]


def test_in_full_mode_the_newest_file_is_the_state(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    probe = files(make_probe)
    deliver(drop / "a.csv", "no,status\n1,open\n2,open\n", NOW - 2 * HOUR)
    first = run_probe(store, probe, workflow, NOW)
    assert (first.read, first.changed, first.complete_through) == (2, 2, NOW - 2 * HOUR)
    deliver(drop / "b.csv", "no,status\n2,paid\n3,open\n", NOW - HOUR)
    second = run_probe(store, probe, workflow, NOW + FIVE)
    assert (second.read, second.changed, second.deleted, second.complete_through) == (2, 3, 1, NOW - HOUR)
    assert told(store) == [
        ("1", "open", False), ("2", "open", False), ("1", "", True), ("2", "paid", False), ("3", "open", False),
    ]  # fmt: skip


def test_a_state_from_a_file_holds_from_the_time_the_file_was_written(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    """As of the watermark, which is the file's own time, the object is there."""
    deliver(drop / "a.csv", "no,status\n1,open\n")
    done = run_probe(store, files(make_probe), workflow, NOW)
    [state] = states(store)
    assert (state["valid_from"], state["captured_at"], done.complete_through) == (NOW - HOUR, NOW, NOW - HOUR)


def test_a_file_in_which_nearly_everything_is_gone_is_not_believed_however_often_it_is_read(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    probe = files(make_probe)
    deliver(drop / "a.csv", "no,status\n1,open\n2,open\n", NOW - 2 * HOUR)
    run_probe(store, probe, workflow, NOW)
    deliver(drop / "b.csv", "no,status\n", NOW - HOUR)
    for turn in (1, 2):
        done = run_probe(store, probe, workflow, NOW + turn * FIVE)
        assert (done.status, done.complete, done.error_code) == ("partial", False, "too_many_absent")
    assert count(store, "watermarks") == 1


@pytest.mark.parametrize("mode", [{"mode": "full"}, {"mode": "full", "take": "all"}, {"mode": "incremental"}])
def test_an_unchanged_file_is_not_read_again_and_still_proves_what_it_proved(
    store: Store,
    make_probe: MakeProbe,
    workflow: Workflow,
    drop: Path,
    mode: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probe = files(make_probe, **mode)
    deliver(drop / "a.csv", "no,status\n1,open\n")
    run_probe(store, probe, workflow, NOW)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("an unchanged file was opened"))
    done = run_probe(store, probe, workflow, NOW + FIVE)
    assert (done.status, done.complete, done.read, done.changed, done.deleted) == ("ok", True, 0, 0, 0)
    assert done.complete_through == NOW - HOUR
    assert count(store, "watermarks") == 2


def test_the_same_content_delivered_again_is_not_taken_in_again_but_proves_a_later_time(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    probe = files(make_probe)
    deliver(drop / "a.csv", "no,status\n1,open\n", NOW - 2 * HOUR)
    run_probe(store, probe, workflow, NOW)
    deliver(drop / "a.csv", "no,status\n1,open\n", NOW - HOUR)
    for turn in (1, 2):
        done = run_probe(store, probe, workflow, NOW + turn * FIVE)
        assert (done.read, done.complete_through) == (0, NOW - HOUR)
    assert count(store, "probe_files") == 2


def test_in_incremental_mode_every_file_is_read_once_and_absence_says_nothing(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    probe = files(make_probe, mode="incremental")
    deliver(drop / "1.csv", "no,status\n1,open\n2,open\n", NOW - 3 * HOUR)
    deliver(drop / "2.csv", "no,status\n1,paid\n", NOW - 2 * HOUR)
    first = run_probe(store, probe, workflow, NOW)
    assert (first.read, first.changed, first.complete_through) == (3, 3, NOW - 2 * HOUR)
    deliver(drop / "3.csv", "no,status\n3,open\n", NOW - HOUR)
    second = run_probe(store, probe, workflow, NOW + FIVE)
    assert (second.read, second.changed, second.deleted, second.complete_through) == (1, 1, 0, NOW - HOUR)
    (drop / "1.csv").unlink()
    assert run_probe(store, probe, workflow, NOW + 2 * FIVE).changed == 0
    assert [(key, status) for key, status, _ in told(store)] == [
        ("1", "open"), ("2", "open"), ("1", "paid"), ("3", "open"),
    ]  # fmt: skip


def test_a_file_that_was_written_anew_is_read_again(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    probe = files(make_probe, mode="incremental")
    deliver(drop / "1.csv", "no,status\n1,open\n", NOW - 2 * HOUR)
    run_probe(store, probe, workflow, NOW)
    deliver(drop / "1.csv", "no,status\n1,paid\n", NOW - HOUR)
    assert run_probe(store, probe, workflow, NOW + FIVE).changed == 1


def test_all_files_together_are_the_state_complete_through_the_oldest(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    probe = files(make_probe, take="all")
    deliver(drop / "north.csv", "no,status\n1,open\n2,open\n", NOW - 3 * HOUR)
    deliver(drop / "south.csv", "no,status\n3,open\n", NOW - 2 * HOUR)
    assert run_probe(store, probe, workflow, NOW).complete_through == NOW - 3 * HOUR
    deliver(drop / "north.csv", "no,status\n1,open\n", NOW - HOUR)
    done = run_probe(store, probe, workflow, NOW + FIVE)
    assert (done.read, done.changed, done.deleted, done.complete_through) == (2, 1, 1, NOW - 2 * HOUR)


@pytest.mark.parametrize(
    ("mode", "status", "complete", "through", "keys"),
    [
        ({"mode": "full"}, "ok", True, NOW - HOUR, ["1"]),
        ({"mode": "full", "take": "all"}, "partial", False, None, []),
        ({"mode": "incremental"}, "ok", True, NOW - HOUR, ["1"]),
    ],
)
def test_a_file_that_is_still_being_written_is_left_alone(
    store: Store,
    make_probe: MakeProbe,
    workflow: Workflow,
    drop: Path,
    mode: dict[str, str],
    status: str,
    complete: bool,
    through: datetime | None,
    keys: list[str],
) -> None:
    """Judged against now: younger than `settle`, or from the future by somebody else's clock."""
    probe = files(make_probe, settle="2m", max_absent_ratio=1, **mode)
    deliver(drop / "a.csv", "no,status\n1,open\n", NOW - HOUR)
    deliver(drop / "b.csv", "no,status\n2,op", NOW - timedelta(seconds=119))
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.complete, done.complete_through) == (status, complete, through)
    assert [key for key, _, _ in told(store)] == keys
    deliver(drop / "b.csv", "no,status\n2,open\n", NOW - timedelta(seconds=119))
    assert run_probe(store, probe, workflow, NOW + timedelta(seconds=1)).complete


def test_a_file_that_changes_while_it_is_read_is_read_again(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(drop / "a.csv", "no,status\n1,open\n")
    probe = files(make_probe)
    writes = [lambda: deliver(drop / "a.csv", "no,status\n1,open\n2,open\n", NOW - HOUR + FIVE)]
    real = Delimited.read

    def disturbed(self: Delimited, *args: Any) -> Any:
        for batch in real(self, *args):
            yield batch
            while writes:
                writes.pop()()

    monkeypatch.setattr(Delimited, "read", disturbed)
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.attempts, done.read) == ("ok", 2, 2)


def failure(store: Store, probe: ProbeFile, workflow: Workflow) -> ProbeRun:
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.complete) == ("failed", False)
    assert count(store, "watermarks") == count(store, "snapshots") == count(store, "probe_files") == 0
    return done


@pytest.mark.parametrize(
    ("content", "code", "text"),
    [
        (None, "no_file", "no file in folder"),
        ("", "bad_file", "file a.csv is not a readable csv file"),
        ("no,state\n1,open\n", "column_missing", "file a.csv has no column 'status'; did you mean 'state'?"),
        (b"no,status\n1,\xff\xfecanary\n", "bad_file", "file a.csv is not a readable csv file"),
    ],
)
def test_a_full_state_without_a_readable_file_is_a_failure_and_not_an_empty_state(
    store: Store,
    make_probe: MakeProbe,
    workflow: Workflow,
    drop: Path,
    content: str | bytes | None,
    code: str,
    text: str,
) -> None:
    if content is not None:
        deliver(drop / "a.csv", content)
    done = failure(store, files(make_probe), workflow)
    assert done.error_code == code
    assert text in done.error
    assert "canary" not in done.error


def test_a_folder_that_is_not_there_is_named(store: Store, make_probe: MakeProbe, workflow: Workflow) -> None:
    done = failure(store, files(make_probe, folder="nowhere"), workflow)
    assert (done.error_code, done.attempts) == ("unreadable", 3)
    assert "nowhere cannot be read: No such file or directory" in done.error


def test_an_empty_drop_folder_is_no_failure_and_proves_nothing(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    done = run_probe(store, files(make_probe, mode="incremental"), workflow, NOW)
    assert (done.status, done.complete_through, count(store, "watermarks")) == ("ok", None, 0)


def test_lines_that_are_not_records_are_set_aside_with_their_number(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    probe = files(make_probe, max_rejected_ratio=1)
    deliver(drop / "a.csv", 'no,status\n1,open\n2\n3,"two\nlines"\n4,a,b\n,keyless\n')
    for turn in (0, 1):
        done = run_probe(store, probe, workflow, NOW + turn * FIVE)
        assert done.status == ("partial" if turn == 0 else "ok")  # the second time the file is known
    assert told(store) == [("1", "open", False), ("3", "two\nlines", False)]
    assert sorted(rejects(store)) == [
        ("bad_line", "line has 1 columns, the header has 2"),
        ("bad_line", "line has 3 columns, the header has 2"),
        ("no_key", "column no is empty"),
    ]
    rows = store.rows(
        "SELECT file, length(file_sha256) AS hash, line FROM import_rejects WHERE reason = 'no_key'"
    )
    assert rows == [{"file": "a.csv", "hash": 64, "line": 3}]


def test_an_object_that_may_stand_on_a_broken_line_is_not_called_gone(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    probe = files(make_probe, max_rejected_ratio=1)
    deliver(drop / "a.csv", "no,status\n1,open\n2,open\n", NOW - 3 * HOUR)
    run_probe(store, probe, workflow, NOW)
    deliver(drop / "b.csv", "no,status\n1,open\n2,open,stray\n", NOW - 2 * HOUR)
    assert run_probe(store, probe, workflow, NOW + FIVE).deleted == 0
    deliver(drop / "c.csv", "no,status\n1,open\n", NOW - HOUR)
    assert run_probe(store, probe, workflow, NOW + 2 * FIVE).deleted == 1


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        ("no;status\n1;für\n".encode("cp1252"), {"delimiter": ";", "encoding": "cp1252"}),
        ("\ufeffno,status\r\n1,für\r\n".encode(), {}),
        ("no\tstatus\n1\tfür\n".encode(), {"delimiter": "\t"}),
        ('status,other,no\n"für",x,1\n'.encode(), {}),
    ],
)
def test_csv_comes_in_many_dialects(
    make_probe: MakeProbe, drop: Path, content: bytes, keys: dict[str, str]
) -> None:
    deliver(drop / "a.csv", content)
    assert rows_of(files(make_probe, **keys)) == [{"no": "1", "status": "für"}]


def test_a_large_csv_comes_in_bounded_batches(make_probe: MakeProbe, drop: Path) -> None:
    deliver(drop / "a.csv", "no,status\n" + "".join(f"{n},{'x' * 90}\n" for n in range(200_000)))
    batches = list(files(make_probe).read(Window(end=NOW)))
    assert len(batches) > 2
    assert [batch.first_line for batch in batches[:2]] == [1, batches[0].records.num_rows + 1]
    assert sum(batch.records.num_rows for batch in batches) == 200_000


def test_parquet_of_every_type_arrives_exactly(make_probe: MakeProbe, drop: Path) -> None:
    moment = datetime(2026, 7, 1, 10, 0, 0, 250_000, tzinfo=UTC)
    columns = {
        "no": pa.array([17, 18], pa.int64()),
        "total": pa.array([Decimal("1234567890.1200"), None], pa.decimal128(20, 4)),
        "aware": pa.array([moment, None], pa.timestamp("ns", tz="Europe/Rome")),
        "naive": pa.array([moment.replace(tzinfo=None), None], pa.timestamp("us")),
        "day": pa.array([date(2026, 7, 1), None]),
        "flag": pa.array([True, None]),
        "kind": pa.array(["a", None]).dictionary_encode(),
        "price": pa.array([0.1, None]),
        "tags": pa.array([["x", "y"], None]),
        "unused": pa.array(["patient name", "z"]),
    }
    pq.write_table(pa.table(columns), drop / "a.parquet")
    os.utime(drop / "a.parquet", ((NOW - HOUR).timestamp(),) * 2)
    names = [name for name in columns if name not in ("no", "unused")]
    found = rows_of(files(make_probe, format="parquet", glob="*.parquet", object={"fields": names}))
    assert found == [
        {
            "no": "17",
            "total": "1234567890.1200",
            "aware": "2026-07-01T10:00:00.250000Z",
            "naive": "2026-07-01 10:00:00.250000",
            "day": "2026-07-01",
            "flag": "true",
            "kind": "a",
            "price": "0.1",
            "tags": '["x", "y"]',
        },
        {"no": "18"} | dict.fromkeys(names),
    ]


def workbook(path: Path, *rows: list[Any], sheet: str = "") -> None:
    book = openpyxl.Workbook()
    page = book.create_sheet(sheet) if sheet else book.active
    assert page is not None
    for row in rows:
        page.append(row)
    book.save(path)
    os.utime(path, ((NOW - HOUR).timestamp(),) * 2)


def test_excel_gives_keys_without_a_fraction_money_and_dates(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    workbook(
        drop / "a.xlsx",
        ["no", "status", "total", "when", "note"],
        [10023, "open", 12.3, datetime(2026, 7, 1, 10, 30), None],
        [],
        ["10024", "paid", -5, date(2026, 7, 2), "text"],
    )
    state = {
        "fields": ["status", "note"],
        "valid_from": "when",
        "amount": {"column": "total", "currency": "EUR"},
    }
    done = run_probe(store, files(make_probe, format="excel", glob="*.xlsx", object=state), workflow, NOW)
    assert (done.status, done.read) == ("ok", 2)
    first, second = states(store)
    assert (first["object_key"], first["amount"], first["fields"]) == (
        "10023",
        Decimal("12.3"),
        {"status": "open"},
    )
    assert first["valid_from"] == datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
    assert (second["object_key"], second["amount"], second["valid_from"].day) == ("10024", Decimal(-5), 2)


def test_a_sheet_is_chosen_by_name_and_a_wrong_name_is_answered_with_the_right_one(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    workbook(drop / "a.xlsx", ["no", "status"], ["1", "open"], sheet="Invoices")
    right = files(make_probe, format="excel", glob="*.xlsx", sheet="Invoices")
    assert rows_of(right) == [{"no": "1", "status": "open"}]
    wrong = files(make_probe, format="excel", glob="*.xlsx", sheet="Invoice")
    done = failure(store, wrong, workflow)
    assert done.error == "file a.xlsx has no sheet 'Invoice'; did you mean 'Invoices'?"


@pytest.mark.parametrize("content", [b"not a workbook", b"PK\x03\x04 broken", b""])
@pytest.mark.parametrize("kind", ["excel", "parquet"])
def test_a_file_of_another_format_is_named_and_not_quoted(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path, content: bytes, kind: str
) -> None:
    deliver(drop / "a.bin", content)
    done = failure(store, files(make_probe, format=kind, glob="*.bin"), workflow)
    assert done.error_code == "bad_file"
    assert f"file a.bin is not a readable {kind} file" in done.error


def test_a_workbook_that_unpacks_to_far_more_than_it_weighs_is_refused(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes.formats.excel, "MAX_UNPACKED_BYTES", 5_000_000)
    with zipfile.ZipFile(drop / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("xl/workbook.xml", b" " * 6_000_000)
    os.utime(drop / "a.xlsx", ((NOW - HOUR).timestamp(),) * 2)
    done = failure(store, files(make_probe, format="excel", glob="*.xlsx"), workflow)
    assert done.error_code == "too_large"


def test_a_file_larger_than_allowed_is_refused(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    deliver(drop / "a.csv", "no,status\n" + "1,open\n" * 100)
    assert failure(store, files(make_probe, max_bytes=100), workflow).error_code == "too_large"


def test_links_out_of_the_folder_are_not_followed(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    deliver(outside / "secret.csv", "no,status\n666,secret\n")
    (drop / "linked.csv").symlink_to(outside / "secret.csv")
    (drop / "sub").symlink_to(outside, target_is_directory=True)
    deliver(drop / "a.csv", "no,status\n1,open\n")
    run_probe(store, files(make_probe, glob="**/*.csv", take="all"), workflow, NOW)
    assert told(store) == [("1", "open", False)]


def test_files_in_folders_below_are_found_when_the_pattern_says_so(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    (drop / "2026").mkdir()
    deliver(drop / "2026" / "a.csv", "no,status\n1,open\n")
    run_probe(store, files(make_probe, glob="**/*.csv"), workflow, NOW)
    assert store.value("SELECT file FROM probe_files") == "2026/a.csv"


def test_a_run_that_fails_at_the_second_file_takes_neither(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    probe = files(make_probe, mode="incremental")
    deliver(drop / "1.csv", "no,status\n1,open\n")
    deliver(drop / "2.csv", "number\n1\n")
    failure(store, probe, workflow)
    deliver(drop / "2.csv", "no,status\n2,open\n")
    done = run_probe(store, probe, workflow, NOW + FIVE)
    assert (done.status, done.read, done.changed) == ("ok", 2, 2)


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0N1RyHz8fUz8sOc1nJpb9nJZf3vQ7k1XcQ0o5E5d2A"


@pytest.mark.parametrize(
    ("server", "place", "text"),
    [
        ("{type: ftp}", "8:1", "did you mean 'sftp'"),
        ("{type: sftp, host: h, username: u, password: p}", "8:1", "host_keys"),
        ("{type: sftp, host: h, username: u, password: p, host_keys: []}", "8:57", "at least 1"),
        (
            f"{{type: sftp, host: h, username: u, host_keys: [{KEY}]}}",
            "8:1",
            "either 'password' or 'private_key'",
        ),
        (
            "{type: sftp, host: h, username: u, password: p, host_keys: [SHA256:abc]}",
            "8:57",
            "as ssh-keyscan prints",
        ),
        (
            f"{{type: sftp, host: h, username: u, password: p, host_keys: [{KEY[:-8]}]}}",
            "8:57",
            "no whole key",
        ),
        (
            f"{{type: sftp, hosts: h, username: u, password: p, host_keys: [{KEY}]}}",
            "8:22",
            "did you mean 'host'",
        ),
        ("{type: s3, bucket: Exports, anonymous: true}", "8:20", "pattern"),
        ("{type: s3, bucket: exports}", "8:1", "'access_key' and 'secret_key', or 'anonymous: true'"),
        ("{type: s3, bucket: exports, access_key: k, anonymous: true}", "8:1", "go together"),
        (
            "{type: s3, bucket: exports, anonymous: true, endpoint: s3.example}",
            "8:54",
            "begins with https://",
        ),
        (
            "{type: s3, bucket: exports, anonymous: true, tls: {ca_file: no.pem}}",
            "8:60",
            "'no.pem' is not there",
        ),
    ],
)
def test_a_mistake_in_a_server_is_found_at_its_place(
    tmp_path: Path, workflow: Workflow, server: str, place: str, text: str
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        "name: own\nkind: files\ntitle: T\nworkflow: payables\nsystem: ap\nfolder: out\nformat: csv\n"
        f"server: {server}\nobject: {{type: invoice, key: no}}\n"
    )
    _, _, findings = load_probe(file, {"payables": workflow})
    told = "\n".join(finding.text() for finding in findings)
    assert f"own.yaml:{place}" in told
    assert text in told
