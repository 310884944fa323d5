"""Reads a YAML file into a frozen pydantic model; every mistake becomes a finding with line and column."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from core.findings import Finding, nearest

MAX_FILE_BYTES = 1_000_000
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_SECRET_FILE = re.compile(r"^\$\{file:([^}]+)\}$")

Location = tuple[int | str, ...]


class FileModel(BaseModel):
    """Base of everything a site writes in YAML: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


M = TypeVar("M", bound=FileModel)


@dataclass(frozen=True)
class Parsed:
    """A YAML document as plain data, with the position of every node."""

    file: Path
    data: Any
    positions: dict[Location, tuple[int, int]] = field(default_factory=dict)

    def at(self, location: Location) -> tuple[int, int]:
        """1-based (line, column) of the node at `location`, or of its nearest known parent."""
        for length in range(len(location), -1, -1):
            found = self.positions.get(location[:length])
            if found:
                return found
        return (1, 1)

    def finding(self, location: Location, message: str, allowed: str = "", near: str = "") -> Finding:
        line, column = self.at(location)
        return Finding(str(self.file), line, column, message, allowed, near)


def parse(file: Path) -> tuple[Parsed | None, list[Finding]]:
    """The document in `file`, or findings that say why it cannot be read."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            return None, [Finding(str(file), 1, 1, f"file is larger than {MAX_FILE_BYTES} bytes")]
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, [Finding(str(file), 1, 1, f"cannot be read: {type(error).__name__}")]
    return parse_text(file, text)


def parse_text(file: Path, text: str, column_offset: int = 0) -> tuple[Parsed | None, list[Finding]]:
    """The YAML document `text` that stands in `file`, each of its lines shifted right by `column_offset`."""
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = False
    try:
        node = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        # The reader quotes the values of a key that is there twice; one may be a secret.
        problem = (error.problem or "not valid YAML").split("\n")[0].split(" with value ")[0]
        return None, [Finding(str(file), line, column + column_offset, f"not valid YAML: {problem}")]
    except YAMLError:
        return None, [Finding(str(file), 1, 1, "not valid YAML")]
    except TypeError:
        # The reader looks keys up, which it cannot with one that holds a list.
        return None, [
            Finding(str(file), 1, 1, "not valid YAML: a key is a list or a mapping; keys are texts")
        ]
    positions: dict[Location, tuple[int, int]] = {(): (1, 1)}
    findings: list[Finding] = []
    data = _plain(node, (), positions, file, findings)
    if column_offset:
        positions = {at: (line, column + column_offset) for at, (line, column) in positions.items()}
    return Parsed(file, data, positions), findings


def load(file: Path, model: type[M]) -> tuple[M | None, Parsed | None, list[Finding]]:
    """The checked model in `file`, its parsed form for later checks, and what is wrong with it."""
    parsed, findings = parse(file)
    if parsed is None:
        return None, None, findings
    checked, problems = validate(parsed, model)
    return checked, parsed, [*findings, *problems]


def validate(parsed: Parsed, model: type[M]) -> tuple[M | None, list[Finding]]:
    """The document as `model`, or what is wrong with it."""
    if not isinstance(parsed.data, dict):
        return None, [Finding(str(parsed.file), 1, 1, "the file must hold a mapping of keys to values")]
    try:
        return model.model_validate(parsed.data), []
    except ValidationError as error:
        return None, _explain(error, parsed, model)


def _plain(
    node: Any, at: Location, positions: dict[Location, tuple[int, int]], file: Path, out: list[Finding]
) -> Any:
    if isinstance(node, CommentedMap):
        result = {}
        for key, value in node.items():
            line, column = node.lc.key(key)
            positions[(*at, key)] = (line + 1, column + 1)
            result[key] = _plain(value, (*at, key), positions, file, out)
        return result
    if isinstance(node, CommentedSeq):
        items = []
        for index, value in enumerate(node):
            line, column = node.lc.item(index)
            positions[(*at, index)] = (line + 1, column + 1)
            items.append(_plain(value, (*at, index), positions, file, out))
        return items
    if isinstance(node, str):
        return _substitute(str(node), at, positions, file, out)
    return node


def _substitute(
    text: str, at: Location, positions: dict[Location, tuple[int, int]], file: Path, out: list[Finding]
) -> str:
    """Replaces `${NAME}`, `${NAME:-default}` and a whole value `${file:/path}`."""
    line, column = positions.get(at, (1, 1))
    secret = _SECRET_FILE.match(text)
    if secret:
        try:
            return Path(secret.group(1)).read_text(encoding="utf-8").strip()
        except OSError:
            out.append(
                Finding(str(file), line, column, f"file {secret.group(1)!r} cannot be read", unset=True)
            )
            return text

    def value(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        found = os.environ.get(name, default)
        if found is None:
            out.append(
                Finding(
                    str(file),
                    line,
                    column,
                    f"environment variable {name} is not set",
                    f"${{{name}:-default}}",
                    unset=True,
                )
            )
            return match.group(0)
        return found

    return _VARIABLE.sub(value, text)


def _explain(error: ValidationError, parsed: Parsed, model: type[BaseModel]) -> list[Finding]:
    findings = []
    problems = error.errors(include_url=False, include_input=False)
    places = [problem["loc"] for problem in problems]
    for problem in problems:
        location = tuple(part for part in problem["loc"])
        # A list whose every item is wrong is also called too short; its items say what matters.
        if problem["type"] == "too_short" and any(
            place[:-1][: len(location)] == location for place in places
        ):
            continue
        where = _known_part(location, parsed)
        if problem["type"] == "extra_forbidden":
            fields = sorted(_fields_at(model, location[:-1]))
            key = str(location[-1])
            findings.append(
                parsed.finding(where, f"unknown key {key!r}", ", ".join(fields), nearest(key, fields))
            )
        elif problem["type"] == "missing":
            findings.append(parsed.finding(where, f"key {str(location[-1])!r} is missing"))
        else:
            context = problem.get("ctx") or {}
            allowed = str(context.get("expected", "") or context.get("expected_tags", ""))
            tag = str(context.get("tag", ""))
            message = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
            value = _value_at(parsed.data, where)
            given = tag or (value if isinstance(value, str) else "")
            near = nearest(given, re.findall(r"'([^']+)'", allowed)) if given else ""
            name = ".".join(str(part) for part in location)
            findings.append(parsed.finding(where, f"{name}: {message}" if name else message, allowed, near))
    return findings


def _known_part(location: Location, parsed: Parsed) -> Location:
    """Pydantic adds tags of unions to a location; keeps only the parts that exist in the document."""
    kept: Location = ()
    for part in location:
        if (*kept, part) in parsed.positions:
            kept = (*kept, part)
    return kept


def _value_at(data: Any, location: Location) -> Any:
    for part in location:
        data = data[part]
    return data


def _fields_at(model: type[BaseModel], location: Location) -> set[str]:
    """Names allowed at `location`: walks the model's JSON schema, following tags of unions."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    nodes = [schema]
    for part in location:
        following: list[dict[str, Any]] = []
        for node in (resolved for item in nodes for resolved in _resolve(item, definitions)):
            following += _children(node, part, definitions)
        nodes = following or nodes
    return {
        name for item in nodes for node in _resolve(item, definitions) for name in node.get("properties", {})
    }


def _children(node: dict[str, Any], part: int | str, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    if isinstance(part, int):
        return [node["items"]] if isinstance(node.get("items"), dict) else []
    if part in node.get("properties", {}):
        return [node["properties"][part]]
    if isinstance(node.get("additionalProperties"), dict):
        return [node["additionalProperties"]]
    if "patternProperties" in node:
        return [*node["patternProperties"].values()]
    mapping = node.get("discriminator", {}).get("mapping", {})
    if part in mapping:
        return [definitions[mapping[part].rsplit("/", 1)[1]]]
    return []


def _resolve(node: dict[str, Any], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in node:
        return _resolve(definitions[node["$ref"].rsplit("/", 1)[1]], definitions)
    options = [*node.get("anyOf", []), *node.get("oneOf", []), *node.get("allOf", [])]
    if options:
        return [node, *(resolved for option in options for resolved in _resolve(option, definitions))]
    return [node]
