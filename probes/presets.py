"""Probe files for business systems, made from their vendors' public documentation, to begin from."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from core.findings import nearest
from core.yamlfile import parse_text, validate
from probes.plugins import kind_named

FOLDER = Path(__file__).parent / "presets"
_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_REFERENCE = re.compile(r"\$\{[^}]+\}")


class AnswerError(Exception):
    """An answer that cannot stand in a probe file; the text says why, without the answer."""


@dataclass(frozen=True)
class Variable:
    """What a preset leaves open: its name, the dotted key where it first stands, and what its comment says.

    A `secret` stays a reference, whoever answers.
    """

    name: str
    at: str
    secret: bool
    comment: str = ""


def names() -> tuple[str, ...]:
    """The presets as `vendor/object`, in the order of the alphabet."""
    return tuple(f"{file.parent.name}/{file.stem}" for file in sorted(FOLDER.glob("*/*.yaml")))


def chosen(name: str) -> tuple[str, ...]:
    """The preset `name`, or all of the vendor `name`. Raises LookupError with the nearest name when there is none."""
    found = tuple(each for each in names() if name in (each, each.partition("/")[0]))
    if not found:
        near = nearest(name, (*names(), *(each.partition("/")[0] for each in names())))
        hint = f"did you mean {near!r}?" if near else f"there are {', '.join(names())}"
        raise LookupError(f"no preset {name!r}; {hint}")
    return found


def text(name: str) -> str:
    """The probe file of a preset. Its comments say where each name comes from, and against what it was run.

    Raises LookupError with the nearest name when there is none.
    """
    if chosen(name) != (name,):
        raise LookupError(f"{name!r} has several presets: {', '.join(chosen(name))}")
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def own_name(text: str) -> str:
    """The name that a preset gives to its probe."""
    return str(_tree(text)["name"])


def variables(text: str) -> tuple[Variable, ...]:
    """What the probe file `text` leaves open, in its order. What its kind keeps to itself is a secret."""
    there = [match for match in _VARIABLE.finditer(text) if not _in_comment(text, match.start())]
    found = list(dict.fromkeys(match[1] for match in there))
    # Values as an address and as a name are taken by any key; those of a secret do not come out again.
    marks = {name: f"https://{name.lower().replace('_', '-')}.invalid" for name in found}
    parsed, _ = parse_text(Path("preset.yaml"), _VARIABLE.sub(lambda match: marks[match[1]], text))
    kind = kind_named(parsed.data["kind"]) if parsed else None
    probe, _ = validate(parsed, kind) if parsed and kind else (None, [])
    shown = probe.model_dump_json() if probe else ""
    places = dict(_places(parsed.data if parsed else {}, ""))
    return tuple(
        Variable(
            name,
            next((at for at, value in places.items() if marks[name] in value), ""),
            marks[name] not in shown,
            _comment(text, name),
        )
        for name in found
    )


def filled(text: str, answers: Mapping[str, str]) -> str:
    """The probe file with `answers`, by variable or by dotted key; its comments stay.

    Raises AnswerError for a secret in clear and for a key below a value.
    """
    asked = {variable.name: variable for variable in variables(text)}
    for variable in asked.values():
        said = answers.get(variable.name, answers.get(variable.at, ""))
        if variable.secret and said and not _REFERENCE.fullmatch(said):
            name = variable.name
            raise AnswerError(
                f"{name} is a secret: set {name} where tieout runs, and the file keeps ${{{name}}}"
            )
    tree = _tree(text)
    _replace(tree, lambda value: _VARIABLE.sub(lambda match: answers.get(match[1], match[0]), value))
    for key, value in answers.items():
        if key not in asked:
            _put(tree, key, value)
    written = io.StringIO()
    _yaml().dump(tree, written)
    return written.getvalue()


def _yaml() -> YAML:
    """Writes a file as it was read: no line is broken, lists stay indented."""
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _tree(text: str) -> Any:
    return _yaml().load(text)


def _in_comment(text: str, at: int) -> bool:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line.lstrip().startswith("#") or " # " in line


def _comment(text: str, name: str) -> str:
    """What stands behind the first variable of a line."""
    found = re.search(rf"^[^$\n]*\$\{{{name}\}}[^\n]*?\s# ([^\n]+)", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _places(node: Any, at: str) -> Iterator[tuple[str, str]]:
    """Every text of a document, with its dotted key."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _places(value, f"{at}.{key}" if at else str(key))
    elif isinstance(node, list):
        for value in node:
            yield from _places(value, at)
    elif isinstance(node, str):
        yield at, node


def _replace(node: Any, change: Callable[[str], str]) -> None:
    """Changes every text below `node`; one that stays as it is keeps its quotes."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        if isinstance(value, str):
            if change(value) != value:
                node[key] = change(value)
        else:
            _replace(value, change)


def _put(tree: Any, key: str, value: str) -> None:
    """Sets a dotted key; whether the kind has such a key, the check of the file says."""
    *branch, leaf = key.split(".")
    place = tree
    for part in branch:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise AnswerError(f"{key!r} is no key of the preset: {part!r} holds a value")
    place[leaf] = value
