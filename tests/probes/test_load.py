"""A mistake in a probe file is a finding with line, column, what is allowed and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from probes.kinds import KINDS
from probes.load import load_probes
from workflows.model import Workflow

GOOD = """\
name: ap_invoices
kind: sql
title: Invoices
workflow: payables
system: ap
every: 5m
url: sqlite:////tmp/ap.db
query: SELECT no, status FROM invoices
object:
  type: invoice
  key: no
  fields: [status]
"""


def findings_of(tmp_path: Path, workflow: Workflow, text: str) -> list[str]:
    (tmp_path / "p.yaml").write_text(text)
    _, findings = load_probes(tmp_path, {"payables": workflow})
    return [finding.text().removeprefix(f"{tmp_path}/") for finding in findings]


def test_a_good_file_loads(tmp_path: Path, workflow: Workflow) -> None:
    (tmp_path / "p.yaml").write_text(GOOD)
    loaded, findings = load_probes(tmp_path, {"payables": workflow})
    assert not findings
    probe, parsed = loaded["ap_invoices"]
    assert (probe.kind, probe.columns) == ("sql", ("no", "status"))
    assert parsed.file == tmp_path / "p.yaml"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("kind: sql", "kind: sqll"), f"p.yaml:2:1: unknown kind of probe 'sqll'; allowed: {', '.join(sorted(KINDS))}; did you mean 'sql'?"),
        (("kind: sql\n", ""), f"p.yaml:1:1: key 'kind' is missing; allowed: {', '.join(sorted(KINDS))}"),
        (("workflow: payables", "workflow: payable"), "p.yaml:4:1: unknown workflow 'payable'; allowed: payables; did you mean 'payables'?"),
        (("type: invoice", "type: invoce"), "p.yaml:10:3: unknown object type 'invoce'; allowed: invoice, line, order; did you mean 'invoice'?"),
        (("every: 5m", "every: 5x"), "p.yaml:6:1: every: a duration is written like 90s, 15m, 2h, 3d or 1d 12h"),
        (("every: 5m", "evry: 5m"), "p.yaml:6:1: unknown key 'evry'; allowed: "),
        (("sqlite:////tmp/ap.db", "nonsense"), "p.yaml:7:1: url: not a database URL; write dialect://user:password@host:port/database"),
        (("sqlite:////tmp/ap.db", "dbase://h/d"), "p.yaml:7:1: url: unknown database dialect; known are postgresql"),
        (("SELECT no", "DELETE FROM invoices; SELECT no"), "p.yaml:8:1: a probe only reads: its query begins with SELECT or WITH"),
        (("FROM invoices", "FROM invoices WHERE t >= :curser"), "p.yaml:8:1: unknown parameter :curser in the query; allowed: :cursor, :window_end; did you mean 'cursor'?"),
        (("every: 5m", "timezone: Mars/Base"), "p.yaml:6:1: timezone: not a time zone; write one like Europe/Rome"),
        (("every: 5m", "mode: incremental"), "p.yaml:1:1: 'mode: incremental' and the key 'incremental' go together"),
        (("every: 5m", "mode: incremental\nincremental: {cursor_path: t}"), "p.yaml:9:1: the query of an incremental probe must use :cursor"),
        (("every: 5m", "query_file: q.sql"), "p.yaml:1:1: a sql probe has either 'query' or 'query_file'"),
        (("fields: [status]", "amount: {column: t}"), "p.yaml:12:3: object.amount: an amount has either 'currency' (three letters) or 'currency_column'"),
        (("every: 5m", "links: [{role: po, to: ordr, column: po}]"), "p.yaml:6:20: unknown object type 'ordr'; allowed: invoice, line, order; did you mean 'order'?"),
        (("every: 5m", "events: [{step: invoice.payd, time: t}]"), "p.yaml:6:11: unknown step 'invoice.payd'; allowed: invoice.paid, invoice.received, invoice.refused; did you mean 'invoice.paid'?"),
        (("every: 5m", "complete: {by: column}"), "p.yaml:6:1: complete: 'by: column' and 'column' go together"),
        (("query: SELECT no, status FROM invoices", "query_file: none.sql"), "p.yaml:8:1: query file 'none.sql' cannot be read"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_its_cure(
    tmp_path: Path, workflow: Workflow, change: tuple[str, str], expected: str
) -> None:
    assert change[0] in GOOD
    assert any(text.startswith(expected) for text in findings_of(tmp_path, workflow, GOOD.replace(*change)))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{cursor_path: t, overlap: 5}", "'overlap' of a time is a duration such as 10m"),
        ("{cursor_path: t, type: number, overlap: 5m}", "'overlap' of a number is a number"),
        ("{cursor_path: t, type: text, overlap: 5m}", "a text cursor cannot be moved back"),
        ("{cursor_path: t, initial_value: soon}", "'initial_value' of a time is written like"),
        ("{cursor_path: t, type: number, initial_value: x}", "'initial_value' of a number is a number"),
    ],
)
def test_a_cursor_rule_that_cannot_work_is_refused(
    tmp_path: Path, workflow: Workflow, rule: str, expected: str
) -> None:
    text = GOOD.replace("every: 5m", f"mode: incremental\nincremental: {rule}")
    text = text.replace("FROM invoices", "FROM invoices WHERE t >= :cursor")
    assert any(expected in finding for finding in findings_of(tmp_path, workflow, text))


REST = """\
name: r
kind: rest
title: R
workflow: payables
system: ap
object: {type: invoice, key: no}
client: {base_url: http://host/api}
"""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("http://host", "ftp://host"), "client.base_url: base_url begins with https:// or http:// and names a host"),
        (("http://host", "http://me:secret-pass@host"), "base_url holds no user or password; write them under client.auth"),
        (("http://host/api", "http://host/api, auth: {type: bearr, token: t}"), "'oauth2_client_credentials', 'oauth2_jwt_assertion', 'oauth2_password', 'oauth2_refresh_token', 'session'; did you mean 'bearer'?"),
        (("http://host/api", "http://host/api, tls: {ca_file: none.pem}"), "file 'none.pem' is not there"),
        (("http://host/api", "http://host/api, tls: {key_file: k.pem}"), "'key_file' belongs to a 'cert_file'"),
    ],
)  # fmt: skip
def test_a_rest_file_is_checked(
    tmp_path: Path, workflow: Workflow, change: tuple[str, str], expected: str
) -> None:
    assert not findings_of(tmp_path, workflow, REST)
    texts = findings_of(tmp_path, workflow, REST.replace(*change))
    assert any(expected in text for text in texts)
    assert "secret-pass" not in "".join(texts)


FILES = """\
name: f
kind: files
title: F
workflow: payables
system: ap
object: {type: invoice, key: no}
folder: drop
format: csv
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("glob: ../*.csv", "glob: a pattern of names inside the folder"),
        ("glob: /etc/*", "glob: a pattern of names inside the folder"),
        ("encoding: klingon", "encoding: unknown encoding"),
        ("sheet: One", "'sheet' belongs to 'format: excel'"),
        ("delimiter: ';;'", "delimiter: String should have at most 1 character"),
    ],
)
def test_a_files_file_is_checked(tmp_path: Path, workflow: Workflow, line: str, expected: str) -> None:
    assert not findings_of(tmp_path, workflow, FILES)
    assert any(expected in text for text in findings_of(tmp_path, workflow, f"{FILES}{line}\n"))


def test_a_name_may_be_used_once(tmp_path: Path, workflow: Workflow) -> None:
    (tmp_path / "a.yaml").write_text(FILES)
    (tmp_path / "b.yaml").write_text(FILES)
    loaded, findings = load_probes(tmp_path, {"payables": workflow})
    assert list(loaded) == ["f"]
    assert [finding.message for finding in findings] == ["probe 'f' is defined twice"]


def test_a_file_that_is_not_a_mapping_is_named(tmp_path: Path, workflow: Workflow) -> None:
    assert findings_of(tmp_path, workflow, "- a\n- b\n") == [
        "p.yaml:1:1: a probe file holds a mapping of keys to values"
    ]


def test_a_variable_that_is_not_set_is_one_mistake(tmp_path: Path, workflow: Workflow) -> None:
    text = GOOD.replace("sqlite:////tmp/ap.db", "${NOT_SET_ANYWHERE}")
    assert findings_of(tmp_path, workflow, text) == [
        "p.yaml:7:1: environment variable NOT_SET_ANYWHERE is not set; allowed: ${NOT_SET_ANYWHERE:-default}"
    ]


def test_the_query_may_stand_in_a_file_beside_the_probe(tmp_path: Path, workflow: Workflow) -> None:
    (tmp_path / "q.sql").write_text("-- all of them\nSELECT no, status FROM invoices\n")
    (tmp_path / "p.yaml").write_text(
        GOOD.replace("query: SELECT no, status FROM invoices", "query_file: q.sql")
    )
    loaded, findings = load_probes(tmp_path, {"payables": workflow})
    assert not findings
    assert "SELECT no" in loaded["ap_invoices"][0].query  # type: ignore[attr-defined]


def test_folders_are_relative_to_the_probe_file(tmp_path: Path, workflow: Workflow) -> None:
    (tmp_path / "p.yaml").write_text(FILES)
    loaded, _ = load_probes(tmp_path, {"payables": workflow})
    assert loaded["f"][0].folder == tmp_path / "drop"  # type: ignore[attr-defined]
