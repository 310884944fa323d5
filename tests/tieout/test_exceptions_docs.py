"""The how-to page on exceptions is true: its examples load, its table is the state machine, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from processes import ROOT
from typer.testing import CliRunner

from reconcile.life import MOVES, Action, Role, Status
from tieout.cli import app
from tieout.project import load_project
from tieout.scaffold import create

PAGE = (ROOT / "docs" / "how-to" / "exceptions.md").read_text()
EXAMPLES = re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
NAMES = {
    "assign": Action.ASSIGNED, "comment": Action.COMMENTED, "acknowledge": Action.ACKNOWLEDGED, "explain": Action.EXPLAINED,
    "ask for a waiver": Action.WAIVER_REQUESTED, "approve the waiver": Action.WAIVED,
    "refuse the waiver": Action.WAIVER_REFUSED, "resolve": Action.RESOLVED, "reopen": Action.REOPENED,
}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "text"), EXAMPLES, ids=[f"{n} {file}" for n, (file, _) in enumerate(EXAMPLES)]
)
def test_every_example_is_without_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str
) -> None:
    monkeypatch.setenv("CY_TOKEN", "a-token-that-is-long-enough")
    project = tmp_path / "site"
    create(project, ROOT / "examples" / "demo")
    before = (project / file).read_text() if file == "tieout.yaml" else ""
    (project / file).write_text(before + text)
    _, findings = load_project(project)
    assert [finding.text() for finding in findings] == []


def test_the_table_of_what_is_allowed_is_the_state_machine() -> None:
    rows = re.findall(r"^\| ([a-z ]+) \| ([a-z, ]+) \| ([a-z ]+) \| (\w+)", PAGE, re.MULTILINE)
    told = {}
    for name, states, becomes, role in rows:
        if name not in NAMES:
            continue
        found = [
            state for state in Status if state.replace("_", " ") in states.replace("by hand", "").split(", ")
        ]
        if states.startswith("anything"):
            found = [state for state in Status if states == "anything" or state is not Status.RESOLVED]
        if "resolved by hand" in states:
            found.append(Status.RESOLVED)
        to = None if becomes == "as it was" else Status(becomes.replace(" ", "_"))
        # Who asked may take a waiver back; the table of the code says worker, and asks who.
        least = Role.WORKER if name == "refuse the waiver" else Role(role)
        told |= {(NAMES[name], state): (to, least) for state in found}
    assert told == {key: (move.to, move.role) for key, move in MOVES.items() if key[0] is not Action.LAPSED}


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"^tieout (exceptions|audit) (\w+)", PAGE, re.MULTILINE)))
)
def test_every_command_exists(command: tuple[str, str]) -> None:
    assert CliRunner().invoke(app, [*command, "--help"]).exit_code == 0
