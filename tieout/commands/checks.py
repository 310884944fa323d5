"""How what was looked at is shown: one line a question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import typer

from probes.doctor import Check
from tieout.output import out, print_json


def print_checks(name: str, checks: Sequence[Check], *, as_json: bool) -> None:
    """One line a check, or one JSON document."""
    if as_json:
        print_json({"probe": name, "checks": checks})
    else:
        sign = {True: "✓", False: "✗", None: "–"}
        for check in checks:
            out.print(f"{sign[check.ok]} {check.name}: {check.found}", markup=False, soft_wrap=True)
            if check.then and not check.ok:
                out.print(f"    → {check.then}", markup=False, soft_wrap=True)


def end_by(checks: Iterable[Check]) -> None:
    """Ends the command with 1 when one of them failed."""
    if any(check.ok is False for check in checks):
        raise typer.Exit(1)
