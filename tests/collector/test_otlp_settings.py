"""The part `collector:` of tieout.yaml: every mistake has a place and a cure, and secrets stay where they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from collector.access import Rate
from collector.intake import Limits
from collector.settings import CollectorSettings, check
from core.errors import ConfigurationError
from core.findings import Finding
from core.yamlfile import FileModel, load

SECRET = "a-secret-that-nobody-knows"
OPEN = {"otlp": ("0.0.0.0:4318", True)}


class Document(FileModel):
    collector: CollectorSettings = CollectorSettings()


@pytest.fixture
def findings(tmp_path: Path) -> Callable[..., list[Finding]]:
    """What is wrong with a `collector:` part written like this."""

    def look(text: str, listen: dict[str, Any] | None = None) -> list[Finding]:
        file = tmp_path / "tieout.yaml"
        file.write_text(f"collector:\n{text}")
        model, parsed, found = load(file, Document)
        if model is None or parsed is None:
            return found
        return [*found, *check(model.collector, parsed, tmp_path, listen or {})]

    return look


Findings = Callable[..., list[Finding]]


def texts(found: list[Finding]) -> str:
    return "\n".join(finding.text() for finding in found)


def test_the_defaults_are_those_of_the_limits() -> None:
    assert CollectorSettings().limits.limits() == Limits()
    assert CollectorSettings().guarded is False


def test_a_complete_part_has_no_mistakes(
    findings: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    own = authority.issue_cert("otlp.example.com")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "token").write_text(f"{SECRET}\n")
    monkeypatch.setenv("BILLING_TOKEN", SECRET + "2")
    found = findings(
        """\
  grpc: true
  signals: [traces]
  tls: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem}
  tokens:
    - {name: billing, env: BILLING_TOKEN, tenant: north, rate: {per_second: 50, burst: 100}}
    - {name: lab, file: token, signals: [traces], rate: {per_second: 5000, of: items}}
  cors_origins: ["https://*.example.com", "http://localhost:3000"]
  limits: {body_bytes: 1000000, read_timeout: 30s}
""",
        OPEN,
    )
    assert found == []


def test_tokens_are_read_where_they_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\n")
    monkeypatch.setenv("BILLING_TOKEN", SECRET)
    settings = CollectorSettings.model_validate(
        {
            "tokens": [
                {"name": "billing", "env": "BILLING_TOKEN", "tenant": "north"},
                {"name": "lab", "file": "token", "signals": ["traces"], "rate": {"per_second": 0.5}},
            ]
        }
    )
    billing, lab = settings.tokens_in(tmp_path)
    assert (billing.name, billing.tenant, billing.rate, billing.signals) == ("billing", "north", None, None)
    assert (lab.rate, lab.signals) == (Rate(0.5, 1.0), frozenset({"traces"}))
    assert billing.secret.get_secret_value() == lab.secret.get_secret_value() == SECRET
    assert SECRET not in repr(settings) + repr(billing) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  tokens: [{name: a}]", "3:12 needs either `env` or `file`"),
        ("  tokens: [{name: a, env: A, file: b}]", "either `env` or `file`"),
        ("  tokens: [{name: a, secret: abc}]", "unknown key 'secret'"),
        (
            "  tokens: [{name: a, env: NOT_SET}]",
            "environment variable NOT_SET is missing or holds less than 16",
        ),
        ("  tokens: [{name: a, file: none}]", "file 'none' is missing or holds less than 16"),
        ("  tokens: [{name: a, env: SHORT}]", "less than 16 characters"),
        ("  tokens: [{name: a, env: LONG}, {name: b, env: LONG}]", "token 'b' is the same as 'a'"),
        ("  tokens: [{name: a, env: LONG}, {name: a, env: LONG2}]", "token 'a' is there twice"),
        ("  tokens: [{name: a, env: LONG, signals: [traced]}]", "a signal is one of traces"),
        ("  tokens: [{name: a, env: LONG, rate: {per_second: 0}}]", "greater than 0"),
        ("  signals: []", "at least 1"),
        ("  tls: {cert_file: cert.pem, key_file: key.pem}", "cannot be read, or do not belong together"),
        ("  tls: {cert_file: cert.pem}", "key 'key_file' is missing"),
        ("  cors_origins: ['*']", "an origin is written like"),
        ("  cors_origins: ['https://example.com/path']", "an origin is written like"),
        ("  limits: {body_bytes: 300000000}", "memory_bytes must be at least body_bytes"),
        ("  limits: {read_timeout: 5 parsecs}", "a duration is written like"),
    ],
)
def test_every_mistake_is_said(
    findings: Findings, text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONG", SECRET)
    monkeypatch.setenv("LONG2", SECRET + "2")
    monkeypatch.setenv("SHORT", "short")
    found = findings(text)
    assert len(found) >= 1
    assert said.removeprefix("3:12 ") in texts(found)
    assert all(finding.line == 2 for finding in found), "each stands where it is written"
    assert SECRET not in texts(found)


def test_certificate_and_key_of_different_pairs_are_found(findings: Findings, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("a.test").cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.issue_cert("b.test").private_key_pem.write_to_path(tmp_path / "key.pem")
    assert "do not belong together" in texts(findings("  tls: {cert_file: cert.pem, key_file: key.pem}"))


def test_case_114_an_address_that_others_reach_needs_tls_and_known_senders(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONG", SECRET)
    open_to_all = texts(findings("  tokens: [{name: a, env: LONG}]", OPEN))
    assert "other machines could reach 0.0.0.0:4318: set collector.tls" in open_to_all
    assert findings("  grpc: false", {"otlp": ("127.0.0.1:4318", False)}) == []
    tls = {"cert_file": "c", "key_file": "k"}
    token = {"name": "a", "env": "LONG"}

    def guarded(**part: Any) -> bool:
        return CollectorSettings.model_validate(part).guarded

    assert not guarded(tls=tls)
    assert not guarded(tokens=[token])
    assert guarded(tls=tls, tokens=[token])
    assert guarded(tls={**tls, "client_ca_file": "ca"})


def test_a_key_that_is_gone_at_the_start_is_said(tmp_path: Path) -> None:
    settings = CollectorSettings.model_validate({"tls": {"cert_file": "c", "key_file": "k"}})
    assert settings.tls
    with pytest.raises(ConfigurationError, match="cannot be read"):
        settings.tls.for_grpc(tmp_path)


def test_the_example_of_the_page_has_no_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "telemetry.md").read_text()
    example = page.split("```yaml\n")[1].split("```")[0]
    monkeypatch.setenv("BILLING_OTLP_TOKEN", SECRET)
    authority = trustme.CA()
    own = authority.issue_cert("otlp.example.com")
    (tmp_path / "tls").mkdir()
    own.cert_chain_pems[0].write_to_path(tmp_path / "tls" / "cert.pem")
    own.private_key_pem.write_to_path(tmp_path / "tls" / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "tls" / "senders.pem")
    (tmp_path / "tieout.yaml").write_text(f"title: x\n{example}")
    model, parsed, found = load(tmp_path / "tieout.yaml", Page)
    assert found == []
    assert model is not None
    assert parsed is not None
    assert check(model.collector, parsed, tmp_path, OPEN) == []
    assert model.collector.limits.limits() == Limits()
    assert model.collector.free_floor_bytes == CollectorSettings().free_floor_bytes
    for name in CollectorSettings.model_fields:
        assert name in page, f"{name} is explained"


class Page(Document):
    title: str
    listen: dict[str, str]
