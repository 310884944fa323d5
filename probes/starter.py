"""The text of a new probe file, with comments that say what goes where."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from probes.probe import ProbeFile, Question

# What every probe is asked, in the order of the file.
COMMON = (
    Question("workflow", "workflow whose objects it reads"),
    Question("system", "short name of the system; its limits stand under systems in tieout.yaml", "erp"),
    Question("object.type", "object type of the workflow that a record becomes", "order"),
    Question("object.key", "column with the key of a record", "order_no"),
)
_PASSWORD = re.compile(r"://[^/@\s:]*:(?!\$\{)[^/@\s]+@")


def questions(kind: type[ProbeFile]) -> tuple[Question, ...]:
    """What a person is asked to begin a probe of `kind`: what it says itself, else the keys it must have, without
    what is clear for the kind."""
    own = kind.questions or tuple(
        Question(name, f"{name} of the kind", "")
        for name, info in kind.model_fields.items()
        if info.is_required() and name not in ProbeFile.model_fields
    )
    return tuple(asked for asked in (*COMMON[:2], *own, *COMMON[2:]) if asked.key not in kind.begun)


def doubled(answers: Mapping[str, str]) -> str:
    """A key that is answered as a whole and in part, such as `client` and `client.base_url`; empty when there is none."""
    return next((key for key in answers if any(other.startswith(f"{key}.") for other in answers)), "")


def open_password(answers: Mapping[str, str]) -> str:
    """The key whose answer is an address with a password in clear; empty when there is none."""
    return next((key for key, value in answers.items() if _PASSWORD.search(value)), "")


def text(kind: str, model: type[ProbeFile], name: str, answers: Mapping[str, str]) -> str:
    """The probe file. `answers` by dotted key; what is left out stands there as a comment."""
    answers = {**model.begun, **answers}
    own = [question for question in questions(model) if question not in COMMON]
    said = {question.key: question.help for question in own}
    rest = {key: value for key, value in answers.items() if not _common(key)}
    lines = [
        f"# Shows what it reads: tieout probe run {name} --dry-run. Finds what is wrong: tieout probe doctor {name}",
        f"name: {name:<24} # also the name of the source: put it into `sources` of the workflow",
        f"kind: {kind}",
        f"title: {_scalar(answers.get('title', name))}",
        f"workflow: {_scalar(answers['workflow'])}",
        f"system: {_scalar(answers['system']):<22} # its limits stand under `systems` in tieout.yaml",
        f"every: {answers.get('every', '5m'):<23} # how often it is read",
        "",
        *_nested(rest, said),
        "",
        "object:",
        f"  type: {_scalar(answers['object.type']):<22} # an object type of the workflow; its key rules apply",
        f"  key: {_columns(answers['object.key']):<23} # a column, or several: [company, order_no]",
        *_optional(
            "valid_from",
            answers.get("object.valid_from", ""),
            "changed_at",
            "from when the state holds; without it, the time of reading",
        ),
        *_optional(
            "fields",
            _list(answers.get("object.fields", "")),
            "[status, supplier]",
            "columns that are kept; nothing else is",
        ),
        "  # amount: {column: total, currency: EUR}",
        "",
        "# links:                     # objects that the record names",
        "#   - {role: receipt of order, to: order, column: order_no}",
        "# events:                    # steps of the workflow that the record proves",
        "#   - {step: payment.sent, time: paid_at, when: {status: [paid]}}",
        "# mode: incremental          # only what changed: see docs/how-to/probes.md",
    ]
    return "\n".join(lines) + "\n"


def _common(key: str) -> bool:
    return key.split(".", 1)[0] in ProbeFile.model_fields


def _nested(answers: Mapping[str, str], said: Mapping[str, str]) -> list[str]:
    """Dotted keys as nested YAML, those a question was about first."""
    tree: dict[str, Any] = {}
    for key in [*(key for key in said if key in answers), *(key for key in answers if key not in said)]:
        *branch, leaf = key.split(".")
        place = tree
        for name in branch:
            place = place.setdefault(name, {})
        place[leaf] = (said.get(key, ""), answers[key])
    return list(_lines(tree, ""))


def _lines(tree: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, inner in tree.items():
        if isinstance(inner, dict):
            yield f"{indent}{name}:"
            yield from _lines(inner, f"{indent}  ")
        else:
            comment, value = inner
            yield from [f"{indent}# {comment}"] if comment else []
            yield from _entry(indent, name, value)


def _entry(indent: str, leaf: str, value: str) -> list[str]:
    if leaf in ("query", "body") or "\n" in value:
        return [f"{indent}{leaf}: |", *(f"{indent}  {line}" for line in value.splitlines())]
    return [f"{indent}{leaf}: {_scalar(value)}"]


def _optional(key: str, value: str, example: str, comment: str) -> list[str]:
    return [f"  {key + ': ' + value:<27} # {comment}" if value else f"  # {key}: {example}  # {comment}"]


def _columns(value: str) -> str:
    return _list(value) if "," in value else _scalar(value)


def _list(value: str) -> str:
    names = [name.strip() for name in value.split(",") if name.strip()]
    return f"[{', '.join(map(_scalar, names))}]" if names else ""


def _scalar(value: str) -> str:
    """Text that YAML reads back as it is: plain where that is safe, else in quotes; `[a, b]` stays a list and
    `{a: b}` a mapping."""
    plain = re.fullmatch(r"[A-Za-z_./$][\w./$*{}:@?=&+-]*", value) and not re.search(r":$|: | #", value)
    word = value.lower() in ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "~")
    number = re.fullmatch(r"\d+", value)
    return (
        value
        if (plain and not word) or number or re.fullmatch(r"\[.*\]|\{.*\}", value)
        else json.dumps(value, ensure_ascii=False)
    )
