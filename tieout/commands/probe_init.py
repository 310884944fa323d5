"""`tieout probe init`: asks what a new probe needs, tests it and writes its file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from core.errors import ConfigurationError
from core.findings import nearest
from probes import presets, starter
from probes.doctor import Check, diagnose
from probes.kinds import KINDS
from probes.load import load_probe
from probes.plugins import kind_named, names
from probes.probe import ProbeFile
from probes.systems import Systems
from tieout.commands.checks import end_by, print_checks
from tieout.commands.options import JsonOption, ProjectOption, present
from tieout.opening import store_of
from tieout.output import message, print_json
from tieout.project import DEFAULT, Project, open_project

_IN_CLEAR = "{key} holds a password in clear; write it as ${{NAME}} and set NAME where tieout runs"


def probe_init(
    kind: Annotated[
        str,
        typer.Argument(
            help=f"Kind of source: {', '.join(KINDS)}, or one that a package adds. With --preset: nothing, or NAME."
        ),
    ] = "",
    name: Annotated[str, typer.Argument(help="Name of the probe and of its file.")] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE of the file, like object.key=order_no.")
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="Begin from what is known of a business system: VENDOR/OBJECT, or VENDOR for all of it. "
            f"There are {', '.join(presets.names())}."
        ),
    ] = "",
    test: Annotated[bool, typer.Option(help="Read the first records before the file is written.")] = True,
    project: ProjectOption = DEFAULT,
    json: JsonOption = False,
) -> None:
    """Asks what a new probe needs, tests it and writes its file.

    Examples: tieout probe init sql erp_orders --set url='${ERP_URL}' --set query='SELECT * FROM orders'

    tieout probe init --preset node-red/flows
    """
    loaded = open_project(project)
    given = _given(settings or [])
    if preset:
        drafts = _of_preset(preset, name or kind, given)
    elif kind and name:
        drafts = [_of_kind(kind, name, given, loaded)]
    else:
        raise ConfigurationError("say KIND and NAME of the probe, or --preset; see tieout probe init --help")
    for draft in drafts:
        draft.file = project / "probes" / f"{draft.name}.yaml"
        if draft.name in loaded.probes or draft.file.exists():
            raise ConfigurationError(f"there is a probe {draft.name!r} already; nothing was changed")
    for draft in drafts:
        draft.checks = _tried(loaded, draft.file, draft.text, test=test)
    _tell(drafts, as_json=json, many=bool(preset))


@dataclass
class _Draft:
    """A probe file that is not written yet."""

    name: str
    text: str
    file: Path = Path()
    checks: list[Check] = field(default_factory=list)


def _of_kind(kind: str, name: str, given: dict[str, str], project: Project) -> _Draft:
    model = kind_named(kind)
    if model is None:
        near = nearest(kind, names())
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigurationError(f"no kind of probe {kind!r}; there are {', '.join(names())}{hint}")
    return _Draft(name, starter.text(kind, model, name, _answers(model, given, project)))


def _of_preset(preset: str, name: str, given: dict[str, str]) -> list[_Draft]:
    try:
        texts = [presets.text(each) for each in presets.chosen(preset)]
    except LookupError as error:
        raise ConfigurationError(str(error.args[0])) from None
    if name and len(texts) > 1:
        raise ConfigurationError(f"{preset} has several presets, which keep their names; leave out {name!r}")
    answers = given | _open(texts, given)
    wrong = starter.open_password(answers)
    if wrong:
        raise ConfigurationError(_IN_CLEAR.format(key=wrong))
    try:
        drafts = [presets.filled(text, answers | ({"name": name} if name else {})) for text in texts]
    except presets.AnswerError as error:
        raise ConfigurationError(str(error)) from None
    return [_Draft(presets.own_name(text), text) for text in drafts]


def _open(texts: Sequence[str], given: dict[str, str]) -> dict[str, str]:
    """What is asked of a person: everything a preset leaves open that is no secret and has no value yet.

    An empty answer leaves the reference, which somebody sets where tieout runs.
    """
    variables = {variable.name: variable for text in texts for variable in presets.variables(text)}
    asked = [v for v in variables.values() if not (v.secret or v.name in given or v.name in os.environ)]
    if asked and not sys.stdin.isatty():
        listed = [
            f"  --set {v.name}=…   {v.at}" + (f", like {v.comment}" if v.comment else "") for v in asked
        ]
        listed += [f"  set {v.name} where tieout runs   {v.at}" for v in variables.values() if v.secret]
        raise ConfigurationError(
            "\n".join(["there is no terminal to ask at; say the rest by flags:", *listed])
        )
    answers = {}
    for variable in asked:
        like = f", like {variable.comment}" if variable.comment else ""
        answers[variable.name] = typer.prompt(
            f"{variable.name} ({variable.at}{like}; empty: it is set where tieout runs)",
            default="",
            show_default=False,
        )
    return {name: answer for name, answer in answers.items() if answer}


def _tell(drafts: Sequence[_Draft], *, as_json: bool, many: bool) -> None:
    """Where the files are and what was found; ends the command with 1 when something is wrong."""
    if as_json:
        told = [{"probe": draft.name, "checks": draft.checks} for draft in drafts]
        print_json({"probes": told} if many else told[0])
    else:
        for draft in drafts:
            message(
                f"wrote {draft.file}; next: tieout probe run {draft.name} --dry-run"
                if draft.file.exists()
                else f"{draft.file} was not written; correct the answers, or write it untested with --no-test"
            )
            print_checks(draft.name, draft.checks, as_json=False)
    end_by(check for draft in drafts for check in draft.checks)


def _given(settings: Sequence[str]) -> dict[str, str]:
    """What was said by flags."""
    pairs = [setting.partition("=") for setting in settings]
    wrong = next((key for key, sign, _ in pairs if not sign), None)
    if wrong is not None:
        raise ConfigurationError(f"--set {wrong}: write --set KEY=VALUE")
    return {key: value for key, _, value in pairs}


def _answers(kind: type[ProbeFile], given: dict[str, str], project: Project) -> dict[str, str]:
    """What was given by flags, and the rest as a person at the terminal answers it."""
    answers = dict(given)
    if len(project.workflows) == 1:
        answers.setdefault("workflow", next(iter(project.workflows)))
    missing = [question for question in starter.questions(kind) if question.key not in answers]
    if not sys.stdin.isatty():
        if any(not question.optional for question in missing):
            listed = "\n".join(f"  --set {q.key}=…   {q.help}" for q in missing)
            raise ConfigurationError(f"there is no terminal to ask at; say the rest by flags:\n{listed}")
        missing = []
    for question in missing:
        hint = f", like {question.example}" if question.example else ""
        answers[question.key] = typer.prompt(
            f"{question.key} ({question.help}{hint})", default="", show_default=False
        )
    open_at = starter.open_password(answers)
    if open_at:
        raise ConfigurationError(_IN_CLEAR.format(key=open_at))
    answers = {key: value for key, value in answers.items() if value}
    twice = starter.doubled(answers)
    if twice:
        raise ConfigurationError(f"{twice} is said as a whole and in part; leave one of them out")
    common = [question for question in starter.questions(kind) if question in starter.COMMON]
    empty = [question.key for question in common if question.key not in answers]
    if empty:
        raise ConfigurationError(f"a probe needs {', '.join(empty)}; nothing was written")
    return answers


def _tried(project: Project, file: Path, text: str, *, test: bool) -> list[Check]:
    """Writes the file once it is right, and, with `test`, once records came. What fails leaves nothing behind."""
    file.parent.mkdir(exist_ok=True)
    draft = file.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    try:
        probe, _, findings = load_probe(draft, project.workflows)
        # Untested, a reference may be set later.
        wrong = [finding for finding in findings if test or not finding.unset]
        if wrong:
            listed = "\n".join(finding.text().replace(str(draft), str(file)) for finding in wrong)
            raise ConfigurationError(f"the answers do not make a probe, {file} was not written:\n{listed}")
        checks = []
        if test and probe:
            systems = Systems(project.settings.systems)
            with store_of(project, present(), "probe init", write=True) as store:
                checks = diagnose(store, probe, project.workflows[probe.workflow], present(), systems, file)
        if not any(check.ok is False for check in checks):
            draft.replace(file)
        return checks
    finally:
        draft.unlink(missing_ok=True)
