"""Every mistake a person can make in a YAML file is a finding at its own line and column."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError, field_validator

from core.yamlfile import MAX_FILE_BYTES, FileModel, load, parse, parse_text, validate


class Mail(FileModel):
    kind: Literal["mail"]
    address: str


class Hook(FileModel):
    kind: Literal["webhook"]
    url: str
    tries: int = 3


class Rule(FileModel):
    name: str
    level: Literal["low", "high"] = "low"

    @field_validator("name")
    @classmethod
    def _no_blank(cls, name: str) -> str:
        if " " in name:
            raise ValueError("a name has no blank")
        return name


class Plan(FileModel):
    title: str
    limit: int = 1
    rules: list[Rule] = Field(default_factory=list, min_length=0)
    named: dict[str, Rule] = Field(default_factory=dict)
    ways: list[Annotated[Mail | Hook, Field(discriminator="kind")]] = Field(default_factory=list)
    note: str | None = None


def findings(tmp_path: Path, text: str) -> list[str]:
    """What is wrong with `text`, without the name of the file."""
    file = tmp_path / "plan.yaml"
    file.write_text(text, encoding="utf-8")
    _, _, found = load(file, Plan)
    return [finding.text().removeprefix(f"{file}:") for finding in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title: T\nlimti: 3\n", ["2:1: unknown key 'limti'; allowed: limit, named, note, rules, title, ways; did you mean 'limit'?"]),
        ("limit: 3\n", ["1:1: key 'title' is missing"]),
        ("title: T\nrules:\n  - name: a\n  - level: low\n", ["4:5: key 'name' is missing"]),
        ("title: T\nnamed:\n  one: {name: a}\n  two: {level: high}\n", ["4:3: key 'name' is missing"]),
        ("title: T\nlimit: many\n", ["2:1: limit: Input should be a valid integer, unable to parse string as an integer"]),
        ("title: T\nrules:\n  - name: a\n    lvl: high\n", ["4:5: unknown key 'lvl'; allowed: level, name; did you mean 'level'?"]),
        ("title: T\nnamed:\n  one:\n    naem: a\n    name: a\n", ["4:5: unknown key 'naem'; allowed: level, name; did you mean 'name'?"]),
        (
            "title: T\nrules: [{name: a, level: hihg}]\n",
            ["2:19: rules.0.level: Input should be 'low' or 'high'; allowed: 'low' or 'high'; did you mean 'high'?"],
        ),
        ("title: T\nrules: [{name: a b}]\n", ["2:10: rules.0.name: a name has no blank"]),
        ("title: T\nways:\n  - kind: mail\n    adress: x\n    address: x\n", ["4:5: unknown key 'adress'; allowed: address, kind; did you mean 'address'?"]),
        ("title: T\nways:\n  - kind: webhook\n", ["3:5: key 'url' is missing"]),
        ("title: T\nways:\n  - kind: webhook\n    url: u\n    tries: x\n", [
            "5:5: ways.0.webhook.tries: Input should be a valid integer, unable to parse string as an integer"]),
        ("title: T\nrules: nothing\n", ["2:1: rules: Input should be a valid list"]),
        ("- a\n- b\n", ["1:1: the file must hold a mapping of keys to values"]),
        ("", ["1:1: the file must hold a mapping of keys to values"]),
    ],
)  # fmt: skip
def test_a_wrong_document_is_a_finding_at_its_place(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert findings(tmp_path, text) == expected


def test_an_unknown_tag_of_a_union_is_named_with_the_known_ones(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, "title: T\nways:\n  - kind: webhok\n    url: u\n")
    assert found.startswith("3:5: ways.0: ")
    assert found.endswith("allowed: 'mail', 'webhook'; did you mean 'webhook'?")
    (found,) = findings(tmp_path, "title: T\nways:\n  - url: u\n")
    assert found == "3:5: ways.0: Unable to extract tag using discriminator 'kind'"


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    found = findings(tmp_path, "titel: T\nlimit: x\nrules:\n  - level: no\n")
    assert [line.split(": ")[0] for line in found] == ["1:1", "2:1", "4:5", "4:5", "1:1"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title: T\nlimit: 1\nlimit: 2\n", "3:1: not valid YAML: found duplicate key \"limit\""),
        ("title: [a, b\nlimit: 2\n", "2:6: not valid YAML: expected ',' or ']', but got ':'"),
        ("title: T\n  limit: 2\n", "2:8: not valid YAML: mapping values are not allowed here"),
        ("title: 'T\n", "2:1: not valid YAML: found unexpected end of stream"),
        ("title: *nobody\n", "1:8: not valid YAML: found undefined alias 'nobody'"),
        ("title: T\n\tlimit: 1\n", "2:1: not valid YAML: found character '\\t' that cannot start any token"),
        ("title: T\n<<: 5\n", "2:5: not valid YAML: expected a mapping or list of mappings for merging, but found scalar"),
        ("title: T\n---\nlimit: 2\n", "2:1: not valid YAML: but found another document"),
        ("title: T\n1: x\n", "2:1: 1: Keys should be strings"),
        ("title: !!python/object:os.system x\n", "1:1: title: Input should be a valid string"),
        ("title: 2026-01-01\n", "1:1: title: Input should be a valid string"),
    ],
)  # fmt: skip
def test_bad_yaml_is_a_finding_where_the_reader_stopped(tmp_path: Path, text: str, expected: str) -> None:
    assert findings(tmp_path, text) == [expected]


def test_a_variable_of_the_environment_is_put_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_TEST_TITLE", "from outside")
    file = tmp_path / "plan.yaml"
    file.write_text(
        "title: ${TIEOUT_TEST_TITLE} and ${TIEOUT_TEST_ABSENT:-the rest}\nnote: ${TIEOUT_TEST_ABSENT:-}\n"
    )
    plan, _, found = load(file, Plan)
    assert found == []
    assert plan is not None
    assert (plan.title, plan.note) == ("from outside and the rest", "")


def test_a_missing_variable_is_a_finding_that_shows_the_default_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIEOUT_TEST_ABSENT", raising=False)
    assert findings(tmp_path, "limit: 1\ntitle: a ${TIEOUT_TEST_ABSENT}\n") == [
        "2:1: environment variable TIEOUT_TEST_ABSENT is not set; allowed: ${TIEOUT_TEST_ABSENT:-default}"
    ]


def test_a_secret_is_read_from_its_file_and_a_missing_file_is_a_finding(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    file = tmp_path / "plan.yaml"
    file.write_text(f"title: ${{file:{secret}}}\n")
    plan, _, found = load(file, Plan)
    assert plan is not None
    assert (plan.title, found) == ("s3cret", [])
    assert findings(tmp_path, "title: ${file:/nowhere/token}\n") == [
        "1:1: file '/nowhere/token' cannot be read"
    ]


def test_a_value_never_stands_in_a_finding(tmp_path: Path) -> None:
    found = findings(tmp_path, "title: [MRN-4711]\nlimit: MRN-4711\nrules: MRN-4711\n")
    found += findings(tmp_path, "title: MRN-4711\ntitle: MRN-4712\n")
    assert len(found) == 4
    assert not any("MRN" in line for line in found)


def test_a_file_that_is_not_there_too_large_or_not_text_is_a_finding(tmp_path: Path) -> None:
    absent = tmp_path / "absent.yaml"
    assert [finding.message for finding in parse(absent)[1]] == ["cannot be read: FileNotFoundError"]
    large = tmp_path / "large.yaml"
    large.write_bytes(b"a" * (MAX_FILE_BYTES + 1))
    assert [finding.message for finding in parse(large)[1]] == [f"file is larger than {MAX_FILE_BYTES} bytes"]
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert [finding.message for finding in parse(binary)[1]] == ["cannot be read: UnicodeDecodeError"]


def test_a_document_inside_a_file_is_placed_where_it_stands() -> None:
    parsed, found = parse_text(Path("query.sql"), "title: T\nlimit: x\n", column_offset=3)
    assert (parsed is not None, found) == (True, [])
    assert parsed is not None
    _, problems = validate(parsed, Plan)
    assert [(finding.line, finding.column) for finding in problems] == [(2, 4)]
    _, broken = parse_text(Path("query.sql"), "a: [\n", column_offset=3)
    assert broken[0].column > 3


def test_a_loaded_model_cannot_be_changed(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("title: T\n")
    plan, parsed, _ = load(file, Plan)
    assert plan is not None
    assert parsed is not None
    with pytest.raises(ValidationError):
        plan.title = "U"  # type: ignore[misc]


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_at_all_makes_the_reader_fail(tmp_path: Path, text: str) -> None:
    """Whatever stands in the file: a model or a finding, never an exception."""
    file = tmp_path / "any.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    model, _, found = load(file, Plan)
    assert (model is None) == bool(found)
    assert all(finding.line >= 1 and finding.column >= 1 for finding in found)


YAML_WORDS = st.sampled_from(["title", "limit", "rules", "named", "ways", "note", "kind", "mail", "name", "1", "x", "[]", "{}", "null", "~", "? a"])  # fmt: skip


@given(
    st.lists(
        st.tuples(st.integers(0, 3), YAML_WORDS, st.sampled_from([":", ": ", "- ", " "]), YAML_WORDS),
        max_size=8,
    )
)
@example([(0, "? a", ": ", "[]")])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_document_makes_the_reader_fail(tmp_path: Path, lines: list[tuple[int, str, str, str]]) -> None:
    file = tmp_path / "any.yaml"
    file.write_text("".join(f"{'  ' * indent}{key}{mark}{value}\n" for indent, key, mark, value in lines))
    model, _, found = load(file, Plan)
    assert (model is None) == bool(found)
