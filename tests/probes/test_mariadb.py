"""The sql kind against MariaDB: what holds for this server alone; the rest is in test_databases."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
import trustme

from probes.conformance import assert_conforms
from probes.doctor import diagnose
from probes.load import load_probe
from probes.probe import ProbeError, ProbeFile, Window
from probes.run import dry_run, run_probe
from probes.systems import Systems
from store.client import Store
from tests.conftest import NOW
from tests.probes.mariadb import AFAR, PASSWORD, Mariadb, running
from workflows.model import Workflow

pytestmark = pytest.mark.slow
MakeProbe = Callable[..., ProbeFile]


@pytest.fixture(scope="module")
def server() -> Iterator[Mariadb]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def database(server: Mariadb) -> sa.Engine:
    engine = server.engine()
    write(
        engine,
        "CREATE TABLE typed (no varchar(9), status varchar(9), total decimal(20, 4), changed timestamp(6) NULL, "
        "entered datetime, paid date, ok boolean, cleared bit(1), key16 binary(2), tags json, ratio double, "
        "lasts time, big bigint unsigned, note text) DEFAULT CHARSET utf8mb4",
    )
    return engine


def write(database: sa.Engine, sql: str) -> None:
    with database.begin() as db:
        db.exec_driver_sql(sql)


def probe_of(make_probe: MakeProbe, server: Mariadb, query: str, **keys: Any) -> ProbeFile:
    keys.setdefault("object", {})
    keys.setdefault("url", server.url())
    return make_probe(kind="sql", query=query, **keys)


def test_every_type_of_a_row_arrives_exactly(
    server: Mariadb, database: sa.Engine, make_probe: MakeProbe
) -> None:
    write(
        database,
        "INSERT INTO typed VALUES ('1', 'ü\u00a0😀', 1234567890123456.7890, '2026-07-01 10:00:00', "
        "'2026-07-01 10:00:00', '2026-07-02', true, b'1', x'0AFF', '[\"a\", \"b\"]', 1.5, '-25:00:01', "
        "18446744073709551615, 'long')",
    )
    write(
        database,
        "INSERT INTO typed (no, status, changed, entered, paid, cleared) VALUES "
        "('2', '', '0000-00-00', '0000-00-00', '0000-00-00', b'0'), (NULL, 'x', NULL, NULL, '2026-02-00', NULL)",
    )
    kept = "status total changed entered paid ok cleared key16 tags ratio lasts big note"
    probe = probe_of(make_probe, server, "SELECT * FROM typed", object={"fields": kept.split()})
    [batch] = probe.read(Window(end=NOW))
    first, zeros, nulls = batch.records.to_pylist()
    assert first == {
        "no": "1",
        "status": "ü\u00a0😀",
        "total": "1234567890123456.7890",
        "changed": "2026-07-01 10:00:00.000000+00:00",
        "entered": "2026-07-01 10:00:00",
        "paid": "2026-07-02",
        "ok": "1",
        "cleared": "1",
        "key16": "0aff",
        "tags": '["a", "b"]',
        "ratio": "1.5",
        "lasts": "-25:00:01",
        "big": "18446744073709551615",
        "note": "long",
    }
    # A date of zeros stands for no date; one with a part missing is told as it is.
    assert [zeros[name] for name in ("status", "changed", "entered", "paid", "cleared")] == [
        "", None, None, None, "0",
    ]  # fmt: skip
    assert (nulls["no"], nulls["cleared"], nulls["paid"]) == (None, None, "2026-02-00")
    assert (batch.schema["total"], batch.schema["changed"]) == ("newdecimal", "timestamp")


def test_a_large_table_is_streamed_and_may_be_left_in_the_middle(
    store: Store, server: Mariadb, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    query = "SELECT seq AS no, repeat('x', 200) AS filler FROM seq_1_to_20000000"
    probe = probe_of(make_probe, server, query, object={"fields": ["filler"]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with closing(probe.read(Window(end=NOW))) as reading:
            assert next(reading).records.num_rows == 20_000
        assert len(dry_run(store, probe, workflow, NOW, limit=5).records) == 5
    # All of it would be 4 GB. Nothing of it is wanted any more.
    asked = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%%repeat%%' AND id <> connection_id()"
    end = time.monotonic() + 20
    with database.connect() as db:
        while db.exec_driver_sql(asked).scalar() and time.monotonic() < end:
            time.sleep(0.05)
        assert db.exec_driver_sql(asked).scalar() == 0


def test_the_kind_keeps_the_contract_on_it(
    server: Mariadb, database: sa.Engine, make_probe: MakeProbe
) -> None:
    write(database, "CREATE OR REPLACE TABLE moved (no varchar(9), changed timestamp(6) NULL)")
    write(
        database,
        "INSERT INTO moved VALUES ('1', '2026-11-18 10:00:00'), ('2', '2026-11-19 10:00:00'), ('3', '2026-11-20 09:00:00')",
    )
    query = "SELECT * FROM moved WHERE changed >= :cursor AND changed < :window_end"
    rule = {"cursor_path": "changed", "overlap": "0s"}
    assert_conforms(probe_of(make_probe, server, query, mode="incremental", incremental=rule), NOW)


def test_a_table_without_transactions_cannot_be_written_either(
    store: Store, server: Mariadb, database: sa.Engine, make_probe: MakeProbe, workflow: Workflow
) -> None:
    write(database, "CREATE OR REPLACE TABLE invoices (no varchar(9)) ENGINE = MyISAM")
    write(database, "INSERT INTO invoices VALUES ('1')")
    server.add_wipe()
    queries = {
        "SELECT wipe() AS no": "not_read_only",
        "SELECT no FROM invoices FOR UPDATE": "not_read_only",
        "SELECT no FROM invoices WHERE no > TIMESTAMP'MRN-4711-canary'": "query_failed",
    }
    for query, code in queries.items():
        done = run_probe(store, probe_of(make_probe, server, query), workflow, NOW)
        assert (done.status, done.error_code, "canary" in done.error) == ("failed", code, False)
    assert "(error 1525)" in done.error
    with database.connect() as db:
        assert db.exec_driver_sql("SELECT count(*) FROM invoices").scalar() == 1


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"query": "SELECT 1 AS no INTO OUTFILE '/tmp/x'"}, "OUTFILE writes a file"),
        ({"query": "SELECT no FROM t LOCK IN SHARE MODE"}, "LOCK IN SHARE MODE writes a file or locks rows"),
        ({"url": "mysql://me:pw@127.0.0.1/shop"}, "write mysql+pymysql://"),
        ({"url": "mysql+pymysql://me:pw@db/shop?ssl_check_hostname=false"}, "ssl_check_hostname of the url would leave"),
        ({"url": "mysql+pymysql://me:pw@db/shop?ssl_disabled=true"}, "or write insecure: true"),
        ({"url": "postgresql+psycopg://me:pw@db/shop?sslmode=require"}, "sslmode of the url would leave"),
        ({"url": "mysql+pymysql://me:pw@db/shop?ssl_ca=x.pem", "insecure": "true"}, "leave it out, or ssl_ca"),
    ],
)  # fmt: skip
def test_what_disturbs_the_server_or_leaves_it_unchecked_is_a_mistake_of_the_file(
    server: Mariadb, workflow: Workflow, tmp_path: Path, keys: dict[str, str], told: str
) -> None:
    said = {"url": server.url(), "query": "SELECT 1 AS no"} | keys
    lines = ["name: x", "kind: sql", "title: X", "workflow: payables", "system: ap"]
    lines += [f"{key}: {value}" if key == "insecure" else f'{key}: "{value}"' for key, value in said.items()]
    (tmp_path / "x.yaml").write_text("\n".join([*lines, "object: {type: invoice, key: no}"]))
    _, _, findings = load_probe(tmp_path / "x.yaml", {"payables": workflow})
    assert [told in finding.text() for finding in findings] == [True]


def test_the_certificate_of_another_machine_is_checked(
    store: Store, server: Mariadb, make_probe: MakeProbe, workflow: Workflow, tmp_path: Path
) -> None:
    query = "SELECT variable_value AS no FROM information_schema.session_status WHERE variable_name = 'Ssl_version'"
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    own, other = f"?ssl_ca={server.folder}/ca.pem", f"?ssl_ca={tmp_path}/other.pem"

    def spoken(host: str, options: str = "", **keys: Any) -> str:
        """The TLS of the session; empty for none."""
        probe = probe_of(make_probe, server, query, url=f"{server.url(host=host)}{options}", **keys)
        [batch] = probe.read(Window(end=NOW))
        return str(batch.records.to_pylist()[0]["no"])

    assert spoken(AFAR, own).startswith("TLS")
    assert spoken("127.0.0.1", own).startswith("TLS")
    assert spoken(AFAR, insecure=True) == spoken("127.0.0.1")
    for host, options, code, says in [
        (AFAR, "", "tls_refused", "?ssl_ca=/etc/ssl/authority.pem"),
        (AFAR, other, "tls_refused", "no known authority"),
        ("127.0.0.1", other, "tls_refused", "no known authority"),
        ("127.0.1", own, "tls_refused", "a certificate of another host"),
        (AFAR, "?ssl_ca=/nowhere.pem", "bad_certificate", "check ssl_ca"),
    ]:
        with pytest.raises(ProbeError) as told:
            spoken(host, options)
        assert (told.value.code, PASSWORD in str(told.value), says in str(told.value)) == (code, False, True)

    probe = probe_of(make_probe, server, query, url=server.url(host=AFAR))
    wrong = [c for c in diagnose(store, probe, workflow, NOW, Systems(), Path("x.yaml")) if c.ok is False]
    assert [(c.name, "?ssl_ca=" in c.found) for c in wrong] == [("certificate", True)]

    server.stop()
    server.start(tls=False)
    try:
        with pytest.raises(ProbeError, match="speaks no TLS; switch it on there, or write insecure: true"):
            spoken(AFAR, own)
        assert spoken(AFAR, insecure=True) == ""
    finally:
        server.stop()
        server.start()


def test_a_password_may_have_any_letters(server: Mariadb, database: sa.Engine, make_probe: MakeProbe) -> None:
    write(database, "CREATE OR REPLACE USER writer@localhost IDENTIFIED BY 'Zażółć@€:/'")
    url = server.url(user="writer", password=quote("Zażółć@€:/", safe=""), database="")
    [batch] = probe_of(make_probe, server, "SELECT 'in' AS no", url=url).read(Window(end=NOW))
    assert batch.records.to_pylist() == [{"no": "in"}]
