"""The files kind on OpenSSH's SFTP server and on S3 as moto answers for it: every format, and what goes wrong."""

from __future__ import annotations

import io
import os
import pwd
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3fs
import trustme

import probes.folders.remote
from probes.conformance import assert_conforms
from probes.doctor import diagnose
from probes.formats.kinds import FORMATS
from probes.probe import ProbeFile, Window
from probes.run import run_probe
from probes.systems import Systems
from store.client import Store
from tests.probes.far import Moto, Sshd
from tests.probes.samples import samples, x12_sample
from tests.probes.server import Api, serving
from tests.probes.source import states
from tests.probes.test_bank import BAI2, GOOD
from workflows.model import Workflow

pytestmark = pytest.mark.slow
MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)


def _excel() -> bytes:
    book, content = openpyxl.Workbook(), io.BytesIO()
    for row in (["no", "status"], ["1", "open"], ["2", "paid"]):
        book.active.append(row)
    book.save(content)
    return content.getvalue()


def _parquet() -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table({"no": ["1", "2"], "status": ["open", "paid"]}), content)
    return content.getvalue()


# Format, its keys, the columns that are read, and a file.
CASES: list[tuple[str, dict[str, Any], tuple[str, str], bytes]] = [
    ("csv", {}, ("no", "status"), b"no,status\n1,open\n2,paid\n"),
    ("json", {}, ("no", "status"), b'[{"no": 1, "status": "open"}, {"no": 2, "status": "paid"}]'),
    ("xml", {"record": "a/b"}, ("no", "status"), b"<a><b><no>1</no><status>open</status></b></a>"),
    ("fixed", {"columns": {"no": "1-2", "status": "3-6"}}, ("no", "status"), b" 1open\n 2paid\n"),
    ("excel", {}, ("no", "status"), _excel()),
    ("parquet", {}, ("no", "status"), _parquet()),
    ("bai2", {}, ("bank_reference", "amount"), BAI2.encode()),
    ("camt053", {}, ("NtryRef", "amount"), GOOD.encode()),
    ("x12", {}, ("CLP01", "CLP02"), x12_sample("_835/_5010/Example1.txt")),
    ("hl7v2", {}, ("MSH-10", "MSH-3"), next(iter(samples("hl7v2_messages").values()))),
]


class Place:
    """A folder on a server: how the probe names it, and how a test puts files there."""

    def __init__(self, server: dict[str, Any], folder: str, put: Callable[[str, bytes], None]) -> None:
        self.server, self.folder, self.put = server, folder, put

    def probe(self, make_probe: MakeProbe, **keys: Any) -> ProbeFile:
        keys = {"server": self.server, "folder": self.folder, "format": "csv", "glob": "*.csv"} | keys
        return make_probe(kind="files", **{"object": {"fields": ["status"]}} | keys)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    made = Sshd(tmp_path_factory.mktemp("sshd") / "server")
    try:
        made.start()
        yield made
    finally:
        made.end()


def of_sshd(sshd: Sshd, **keys: Any) -> dict[str, Any]:
    return {
        "type": "sftp", "host": "127.0.0.1", "port": sshd.port, "username": pwd.getpwuid(os.geteuid()).pw_name,
        "private_key": (sshd.folder / "user").read_text(), "host_keys": [sshd.key("ed25519")],
    } | keys  # fmt: skip


def of_moto(moto: Moto, **keys: Any) -> dict[str, Any]:
    return {"type": "s3", "bucket": "exports", "endpoint": moto.url, **Moto.KEYS} | keys


@pytest.fixture
def bucket(moto: Moto) -> s3fs.S3FileSystem:
    moto.forgets_keys(1_000_000)
    client = {"region_name": "us-east-1"}
    system = s3fs.S3FileSystem(
        key=Moto.KEYS["access_key"], secret=Moto.KEYS["secret_key"], endpoint_url=moto.url, client_kwargs=client,
        skip_instance_cache=True, use_listings_cache=False,
    )  # fmt: skip
    if system.exists("exports"):
        system.rm("exports", recursive=True)
    system.call_s3("create_bucket", Bucket="exports")
    return system


@pytest.fixture
def places(sshd: Sshd, moto: Moto, bucket: s3fs.S3FileSystem, tmp_path: Path) -> dict[str, Place]:
    drop = tmp_path / "drop"
    drop.mkdir()

    def deliver(name: str, content: bytes) -> None:
        (drop / name).parent.mkdir(exist_ok=True)
        (drop / name).write_bytes(content)

    def upload(name: str, content: bytes) -> None:
        bucket.pipe_file(f"exports/bank/{name}", content)

    return {
        "sftp": Place(of_sshd(sshd), str(drop), deliver),
        "s3": Place(of_moto(moto), "bank", upload),
    }


@pytest.fixture
def now() -> datetime:
    """What is written in this test has rested by then."""
    return datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize("at", ["sftp", "s3"])
def test_a_day_of_files(
    store: Store, make_probe: MakeProbe, workflow: Workflow, places: dict[str, Place], at: str, now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """New, unchanged, changed, growing and gone: the same verdicts as for a folder of this machine."""
    place = places[at]
    probe = place.probe(make_probe, take="all", glob="**/*.csv")
    place.put("a.csv", b"no,status\n1,open\n2,open\n")
    place.put("deep/b.csv", b"no,status\n3,open\n")
    place.put("c.txt", b"not meant")
    assert_conforms(probe, now)
    first = run_probe(store, probe, workflow, now)
    assert (first.status, first.read, first.changed, first.error) == ("ok", 3, 3, "")

    unread = probes.folders.remote.RemoteFolder.open
    monkeypatch.setattr(
        probes.folders.remote.RemoteFolder, "open", lambda *_: pytest.fail("an unchanged file was fetched")
    )
    again = run_probe(store, probe, workflow, now + FIVE)
    assert (again.status, again.read, again.changed, again.complete) == ("ok", 0, 0, True)
    monkeypatch.setattr(probes.folders.remote.RemoteFolder, "open", unread)

    place.put("a.csv", b"no,status\n1,paid!\n")
    changed = run_probe(store, probe, workflow, now + 2 * FIVE)
    assert (changed.read, changed.changed, changed.deleted) == (2, 2, 1)
    assert [s["fields"].get("status") for s in states(store, "1")] == ["open", "paid!"]

    place.put("deep/b.csv", b"no,sta")
    growing = run_probe(store, probe, workflow, datetime.now(UTC))
    assert (growing.status, growing.error_code, growing.deleted) == ("partial", "still_growing", 0)

    empty = place.probe(make_probe, name="empty", glob="*.nothing")
    assert run_probe(store, empty, workflow, now).error_code == "no_file"
    large = place.probe(make_probe, name="large", glob="a.csv", max_bytes=5)
    assert run_probe(store, large, workflow, now).error_code == "too_large"


def test_every_format_is_read_there_as_it_is_here(
    make_probe: MakeProbe, places: dict[str, Place], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Range by range, as a large file is; small ones are held in memory."""
    monkeypatch.setattr(probes.folders.remote, "HELD_BYTES", 0)
    assert {kind for kind, *_ in CASES} == set(FORMATS)
    for kind, keys, (key, field), content in CASES:
        layout = {"format": {"type": kind} | keys, "object": {"key": key, "fields": {"status": field}}}
        found = []
        for place in places.values():
            place.put(f"{kind}/file", content)
            probe = place.probe(make_probe, glob=f"{kind}/*", **layout)
            found.append([row for b in probe.read(Window(end=now)) for row in b.records.to_pylist()])
        local = make_probe(kind="files", folder=places["sftp"].folder, glob=f"{kind}/*", **layout)
        here = [row for b in local.read(Window(end=now)) for row in b.records.to_pylist()]
        assert here
        assert found == [here, here], kind


def failed(
    store: Store, probe: ProbeFile, workflow: Workflow, now: datetime, systems: Systems | None = None
) -> tuple[str, str]:
    done = run_probe(store, probe, workflow, now, systems=systems)
    assert (done.status, done.changed) == ("failed", 0)
    return done.error_code, done.error


def test_with_a_key_that_is_not_written_down_nothing_is_sent(
    store: Store,
    make_probe: MakeProbe,
    workflow: Workflow,
    places: dict[str, Place],
    sshd: Sshd,
    now: datetime,
) -> None:
    place = places["sftp"]
    place.put("a.csv", b"no,status\n1,open\n")
    sshd.forget()
    for keys in (["other"], ["other", "rsa"]):
        wrong = of_sshd(sshd, host_keys=[sshd.key(name) for name in keys])
        probe = Place(wrong, place.folder, place.put).probe(make_probe)
        if "rsa" not in keys:
            code, text = failed(store, probe, workflow, now)
            assert (code, "which is not in server.host_keys; nothing was sent" in text) == (
                "wrong_host_key",
                True,
            )
    assert "userauth" not in sshd.everything()
    # The second key is the server's own: the algorithms are agreed on so that it shows that one.
    only_rsa = Place(of_sshd(sshd, host_keys=[f"[127.0.0.1]:22 {sshd.key('rsa')}"]), place.folder, place.put)
    assert run_probe(store, only_rsa.probe(make_probe), workflow, now).changed == 1


SFTP_FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"username": "nobody-of-that-name"}, "auth_failed", "refuses user nobody-of-that-name"),
    ({"private_key": "other"}, "auth_failed", "check server.username and its password or key"),
    ({"private_key": "", "password": "s3cret"}, "auth_failed", "refuses user"),
    ({"private_key": "-----BEGIN x"}, "auth_failed", "is no key of type Ed25519"),
    ({"port": 1}, "unreachable", "no connection"),
    ({"host": "no-such-host.invalid"}, "name_unknown", "is not known"),
    ({"host": "localhost"}, "private_address", "networks:"),
    ({"host": "localhost", "networks": ["127.0.0.0/8", "::1/128"]}, "", ""),
    ({"host": "169.254.169.254"}, "forbidden_address", "link-local"),
    ({"folder": "/no/such/folder"}, "unreadable", "is not there; check folder"),
    ({"folder": "/no/such/folder", "port": "moto"}, "cut_off", "check that an SFTP server listens there"),
]


def test_what_goes_wrong_with_sftp_is_named(
    store: Store, make_probe: MakeProbe, workflow: Workflow, places: dict[str, Place], sshd: Sshd, moto: Moto,
    now: datetime,
) -> None:  # fmt: skip
    place = places["sftp"]
    place.put("a.csv", b"no,status\n1,open\n")
    for keys, code, text in SFTP_FAULTS:
        own = {name: value for name, value in keys.items() if name != "folder"}
        if own.get("private_key") == "other":
            own["private_key"] = (sshd.folder / "other").read_text()
        if own.get("port") == "moto":
            own["port"] = moto.port
        server = {name: value for name, value in (of_sshd(sshd) | own).items() if value != ""}
        timeouts = {"connect": "2s", "read": "5s"}
        there = Place(server, keys.get("folder", place.folder), place.put)
        probe = there.probe(make_probe, timeouts=timeouts, attempts=1)
        done = run_probe(store, probe, workflow, now, asked=True)
        assert (done.error_code, text in done.error) == (code, True), done.error
        assert "s3cret" not in done.error


S3_FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"bucket": "elsewhere"}, "no_bucket", "check server.bucket"),
    ({"endpoint": "http://127.0.0.1:1"}, "unreachable", "no connection"),
    ({"endpoint": "http://no-such-host.invalid"}, "name_unknown", "is not known"),
    ({"endpoint": "http://localhost:{port}"}, "private_address", "networks:"),
    ({"endpoint": "http://localhost:{port}", "networks": ["127.0.0.0/8", "::1/128"]}, "", ""),
    ({"endpoint": "http://169.254.169.254"}, "forbidden_address", "link-local"),
    ({"access_key": "unknown"}, "auth_failed", "check the keys"),
]


def test_what_goes_wrong_with_s3_is_named(
    store: Store,
    make_probe: MakeProbe,
    workflow: Workflow,
    places: dict[str, Place],
    moto: Moto,
    now: datetime,
) -> None:
    place = places["s3"]
    place.put("a.csv", b"no,status\n1,open\n")
    for keys, code, text in S3_FAULTS:
        own = {name: v.format(port=moto.port) if name == "endpoint" else v for name, v in keys.items()}
        if "access_key" in keys:
            moto.forgets_keys(0)
        probe = Place(of_moto(moto, **own), "bank", place.put).probe(make_probe, attempts=1)
        done = run_probe(store, probe, workflow, now, asked=True)
        assert (done.error_code, text in done.error) == (code, True), done.error
        assert Moto.KEYS["secret_key"] not in done.error


def test_certificates_are_checked(
    store: Store, make_probe: MakeProbe, workflow: Workflow, now: datetime, tmp_path: Path
) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain = tmp_path / "chain.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    (tmp_path / "key.pem").write_bytes(certificate.private_key_pem.bytes())
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    api = Api()
    with serving(api.app, ssl_certfile=str(chain), ssl_keyfile=str(tmp_path / "key.pem")) as address:
        server = {"type": "s3", "bucket": "exports", "endpoint": f"https://{address}", **Moto.KEYS}
        doubted = Place(server, "bank", lambda *_: None).probe(make_probe, attempts=1)
        assert failed(store, doubted, workflow, now)[0] == "tls_refused"
        assert not api.asked
        trusted = Place(server | {"tls": {"ca_file": "ca.pem"}}, "", lambda *_: None)
        assert failed(store, trusted.probe(make_probe, attempts=1), workflow, now)[0] != "tls_refused"
        assert api.asked


def test_a_server_that_goes_away_fails_the_run_and_the_doctor_says_so(
    store: Store,
    make_probe: MakeProbe,
    workflow: Workflow,
    places: dict[str, Place],
    sshd: Sshd,
    now: datetime,
) -> None:
    place = places["sftp"]
    place.put("a.csv", b"no,status\n1,open\n")
    probe = place.probe(make_probe)
    checks = {c.name: c.ok for c in diagnose(store, probe, workflow, now, Systems(), Path("probes/x.yaml"))}
    assert [checks[n] for n in ("name resolves", "connects", "authenticates", "reads", "columns")] == [
        True
    ] * 5
    sshd.kill()
    try:
        assert failed(store, probe, workflow, now)[0] == "unreachable"
        checks = {
            c.name: c.ok for c in diagnose(store, probe, workflow, now, Systems(), Path("probes/x.yaml"))
        }
        assert checks["connects"] is False
    finally:
        sshd.start()
    assert run_probe(store, probe, workflow, now).changed == 1
