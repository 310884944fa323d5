"""`tieout up` with a privacy policy: nothing else comes through its receiver, and nobody sees a key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import pytest
from otlp_bodies import request, span
from privacy_corpus import files_with
from processes import ROOT, Up, tieout

from store.client import Store
from store.folder import running
from tieout.scaffold import create

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF = {"content-type": "application/x-protobuf"}
VARIABLE = "TIEOUT_TEST_PRIVACY_KEY"
KEY = "c04b7e9a15d3f826" * 4
POLICY = f"""
privacy:
  attributes: [service.name, "tieout.object.*"]
  tokens: ["tieout.object.*"]
  keys: [{{id: k1, secret: {{env: {VARIABLE}}}}}]
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    create(folder, ROOT / "examples" / "demo")
    return folder


def add(site: Path, text: str) -> None:
    file = site / "tieout.yaml"
    file.write_text(file.read_text() + text)


def stored(site: Path) -> list[dict[str, str]]:
    live = running(site / "data")
    assert live is not None
    with Store(live.store_url, token=live.reader_token.get_secret_value(), read_only=True) as store:
        return [row["a"] for row in store.rows("SELECT SpanAttributes AS a FROM otel_traces")]


@pytest.mark.slow
def test_both_transports_keep_what_the_policy_names_and_no_more(
    site: Path, up: Callable[..., Up], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    add(site, POLICY)
    system = up(site, "collector")
    bodies = [
        request(span({"tieout.object.order": "MRN-47110815", "note": "Wyvernmoor"})).SerializeToString()
        for _ in range(2)
    ]
    answer = httpx.post(
        system.url("otlp") + "/v1/traces", content=bodies[0], headers=PROTOBUF, trust_env=False
    )
    assert answer.status_code == 200
    with grpc.insecure_channel(f"127.0.0.1:{system.ports['otlp_grpc']}") as channel:
        assert channel.unary_unary(EXPORT)(bodies[1], timeout=30) == b""
    rows = stored(site)
    assert [list(row) for row in rows] == [["tieout.object.order"]] * 2
    assert len({row["tieout.object.order"] for row in rows}) == 1
    assert rows[0]["tieout.object.order"].startswith("k1:")
    limits = Path(f"/proc/{system.process.pid}/limits").read_text()
    assert "Max core file size        0                    0" in limits
    assert files_with(site, ["MRN-47110815", "Wyvernmoor", KEY]) == []
    system.process.terminate()
    _, said = system.process.communicate(timeout=60)
    assert KEY not in said
    assert "MRN-47110815" not in said


@pytest.mark.slow
def test_check_finds_a_missing_key_and_no_command_shows_one(site: Path) -> None:
    add(site, POLICY)
    missing = tieout("check", "--project", str(site))
    assert missing.code == 1
    assert f"privacy key 'k1': environment variable {VARIABLE} is missing" in missing.out
    found = tieout("check", "--project", str(site), **{VARIABLE: KEY})
    shown = tieout("config", "show", "--project", str(site), **{VARIABLE: KEY})
    assert (found.code, shown.code) == (0, 0)
    assert "privacy.attributes" in shown.out
    assert KEY not in found.out + found.err + shown.out + shown.err


def test_the_word_alone_does_not_mean_that_everything_is_kept(site: Path) -> None:
    add(site, "\nprivacy:\n")
    refused = tieout("up", "--project", str(site), "--only", "collector")
    assert refused.code == 2
    assert "privacy is empty" in refused.err
