"""The how-to page is true: its examples load, its table of errors is complete."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from probes.formats.kinds import FORMATS
from probes.kinds import KINDS
from probes.load import load_probes
from probes.probe import BadLine
from tests.conftest import ROOT
from workflows.load import load_workflows

OWN, EDI, *OTHERS = [
    (ROOT / "docs" / "how-to" / name).read_text()
    for name in ("probes.md", "edi.md", "probe-kinds.md", "probe-servers.md", "tryton.md")
]
PAGE = "\n".join([OWN, EDI, *OTHERS])
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def references(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("AP_DATABASE_URL", "postgresql+psycopg://reader:pw@db.example:5432/ap")
    monkeypatch.setenv("TRYTON_URL", "https://tryton.example/hospital")
    monkeypatch.setenv("TRYTON_KEY", "k")
    (tmp_path / "secret").write_text("s")
    return tmp_path / "secret"


def test_every_example_loads_and_every_kind_has_one(tmp_path: Path, references: Path) -> None:
    workflows, _ = load_workflows()
    folder = tmp_path / "probes"
    folder.mkdir()
    for number, text in enumerate(EXAMPLES):
        (folder / f"{number}.yaml").write_text(text.replace("/run/secrets/warehouse", str(references)))
    loaded, findings = load_probes(folder, workflows)
    assert [finding.text() for finding in findings] == []
    assert {probe.kind for probe, _ in loaded.values()} == set(KINDS)


def test_every_error_code_is_explained() -> None:
    code = re.compile(
        r'(?:ProbeError|doubt|failed)\(\s*"([a-z_]+)"|code = "([a-z_]+)"|else "([a-z_]+_error)"'
    )
    texts = [path.read_text() for path in (ROOT / "probes").rglob("*.py")]
    used = {name for text in texts for found in code.findall(text) for name in found if name}
    told = "".join([*OWN.split("## When a run does not succeed")[1:], EDI, *OTHERS])
    explained = set(re.findall(r"`([a-z_]+)`", told))
    assert len(used) > 30
    assert used <= explained


def test_every_paginator_and_every_kind_of_login_is_named() -> None:
    schema = str(KINDS["rest"].model_json_schema()["$defs"])
    types = set(re.findall(r"'const': '(\w+)'", schema)) - set(KINDS)
    assert "json_cursor" in types
    assert all(f"`{name}`" in PAGE for name in types), types


def test_every_format_and_every_key_of_it_is_named() -> None:
    for name, model in FORMATS.items():
        assert f"`{name}`" in PAGE
        keys = set(model.model_fields) - {"type", "encoding"}
        assert all(
            f"`{key}`" in PAGE + EDI or f"`{key}:" in PAGE + EDI or f"{key}: " in EDI for key in keys
        ), name


def test_every_reason_for_setting_aside_is_explained() -> None:
    reasons = set(re.findall(r"\| `([a-z_]+)` \|", EDI.split("## X12")[0]))
    assert set(get_args(get_type_hints(BadLine)["reason"])) | {"number_twice"} == reasons
