"""The part `privacy:` of tieout.yaml: every mistake has a place and a cure, and keys stay where they are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.privacy import Privacy, check, policy_of
from core.errors import ConfigurationError
from core.findings import Finding
from core.yamlfile import FileModel, load

KEY = "5e2a91c7d4b8f036" * 4
OTHER = "1f3d5b7a9c8e6042" * 4
KEYS = "  keys: [{id: k1, secret: {env: TIEOUT_TEST_KEY}}]\n"
Findings = Callable[[str], list[Finding]]


class Document(FileModel):
    privacy: Privacy | None = None


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIEOUT_TEST_KEY", KEY)
    (tmp_path / "key").write_text(f"{OTHER}\n")


@pytest.fixture
def findings(tmp_path: Path) -> Findings:
    """What is wrong with a file written like this."""

    def look(text: str) -> list[Finding]:
        file = tmp_path / "tieout.yaml"
        file.write_text(text)
        model, parsed, found = load(file, Document)
        if model is None or parsed is None:
            return found
        return [*found, *check(model.privacy, parsed, tmp_path)]

    return look


def test_without_the_part_there_is_nothing_to_check(findings: Findings) -> None:
    assert findings("{}\n") == []


def test_a_complete_part_has_no_mistakes(findings: Findings) -> None:
    text = """\
privacy:
  attributes: [service.name, "tieout.*", "http.*.status", url.full]
  names: ["orders.*", "GET /orders/{id}"]
  tokens: ["tieout.object.*", "*.object.patient", "http.request.*"]
  urls: [url.full]
  statements: []
  texts: []
  bodies: mask
  keys:
    - {id: k2, secret: {file: key}}
    - {id: k1, secret: {env: TIEOUT_TEST_KEY}}
"""
    assert findings(text) == []


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("privacy:\n", 1, "privacy is empty; leave it out to keep everything"),
        ("privacy: {}\n", 1, "there is no key"),
        ("privacy:\n  attributes: [a]\n", 1, "there is no key"),
        (f"privacy:\n{KEYS}  attributes: [app.patient]\n  tokens: [app.patiend]\n", 4, "tokens: 'app.patiend' is not among"),
        (f"privacy:\n{KEYS}  urls: [url.full]\n", 3, "urls: 'url.full' is not among the attributes that are kept; allowed: none is kept"),
        (f"privacy:\n{KEYS}  attributes: ['a.*']\n  texts: ['b.*']\n", 4, "texts: 'b.*' is not among"),
        (f"privacy:\n{KEYS}  attributes: ['a**']\n", 3, "one * stands for"),
        (f"privacy:\n{KEYS}  attributes: ['']\n", 3, "attributes.0"),
        (f"privacy:\n{KEYS}  bodies: hide\n", 3, "'keep', 'mask' or 'drop'"),
        (f"privacy:\n{KEYS}  attribute: [a]\n", 3, "unknown key 'attribute'"),
        ("privacy:\n  keys: [{id: k1, secret: {env: NOT_THERE}}]\n", 2, "'k1': environment variable NOT_THERE is missing"),
        ("privacy:\n  keys: [{id: k1, secret: {file: no.key}}]\n", 2, "'k1': file 'no.key' is missing"),
        ("privacy:\n  keys: [{id: k1, secret: {}}]\n", 2, "either `env` or `file`"),
        ("privacy:\n  keys: [{id: k1, secret: {env: A, file: b}}]\n", 2, "either `env` or `file`"),
        ("privacy:\n  keys: [{id: 'k:1', secret: {env: TIEOUT_TEST_KEY}}]\n", 2, "id"),
        (
            "privacy:\n  keys:\n    - {id: k1, secret: {env: TIEOUT_TEST_KEY}}\n    - {id: k1, secret: {file: key}}\n",
            4, "key 'k1' is there twice",
        ),
        (
            "privacy:\n  keys:\n    - {id: k1, secret: {env: TIEOUT_TEST_KEY}}\n    - {id: k2, secret: {env: TIEOUT_TEST_KEY}}\n",
            4, "key 'k2' is the same as 'k1'",
        ),
    ],
)  # fmt: skip
def test_a_mistake_has_a_place_and_a_cure(findings: Findings, text: str, line: int, says: str) -> None:
    found = findings(text)
    assert [finding for finding in found if finding.line == line and says in finding.text()], [
        finding.text() for finding in found
    ]
    assert KEY not in "".join(finding.text() for finding in found)


@pytest.mark.parametrize("weak", ["", "short", "a" * 64, "abcabcabcabcabcabcabcabcabcabcabcabc", "0" * 31])
def test_a_key_that_can_be_guessed_is_refused(
    findings: Findings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weak: str
) -> None:
    monkeypatch.setenv("TIEOUT_TEST_KEY", weak)
    [finding] = findings(f"privacy:\n{KEYS}")
    assert "holds less than 32 bytes, or repeats a few of them" in finding.message
    with pytest.raises(ConfigurationError, match="privacy key 'k1'"):
        policy_of(
            Privacy.model_validate({"keys": [{"id": "k1", "secret": {"env": "TIEOUT_TEST_KEY"}}]}), tmp_path
        )


def test_a_policy_without_a_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no key"):
        policy_of(Privacy(attributes=("a",)), tmp_path)


def test_policies_are_the_same_when_their_rules_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = {"id": "k1", "secret": {"env": "TIEOUT_TEST_KEY"}}
    other = {"id": "k2", "secret": {"file": "key"}}
    same = [{"attributes": ["a", "b"], "keys": [key]}, {"attributes": ["b", "a", "a"], "keys": [key]}]
    different = [
        {"attributes": ["a"], "keys": [key]}, {"attributes": ["a", "b"], "names": ["a"], "keys": [key]},
        {"attributes": ["a", "b"], "bodies": "mask", "keys": [key]}, {"attributes": ["a", "b"], "keys": [other, key]},
    ]  # fmt: skip
    ids = [policy_of(Privacy.model_validate(one), tmp_path).id for one in (*same, *different)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 5
    monkeypatch.setenv("TIEOUT_TEST_KEY", OTHER)
    assert policy_of(Privacy.model_validate(same[0]), tmp_path).id == ids[0], "the id says nothing of a key"


def test_the_example_of_the_page_has_no_mistakes(findings: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "privacy.md").read_text()
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    monkeypatch.setenv("TIEOUT_PRIVACY_KEY", KEY)
    assert findings(example) == []
    assert {f"`{name}`" for name in Privacy.model_fields} == set(
        re.findall(r"^\| (`\w+`) \|", page, re.MULTILINE)
    )
    defaults = [
        name for kind in ("urls", "statements", "texts") for name in Privacy.model_fields[kind].default
    ]
    assert [name for name in defaults if f"`{name}`" not in page] == []
