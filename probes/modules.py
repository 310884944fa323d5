"""Whether a function that a file names is there, found out without running any code."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from core.findings import nearest


def misnamed(module: str, name: str, folder: Path) -> str:
    """Why `name` of `module` cannot be had from `folder` or the installed packages, or an empty text."""
    spec = _found(module, folder)
    if spec is None:
        here = sorted(file.stem for file in folder.glob("*.py"))
        near = nearest(module, here)
        return f"there is no module {module!r}" + (f"; did you mean {near!r}?" if near else f" in {folder}")
    names = _names(Path(spec.origin or ""))
    if names is None or name in names:
        return ""
    near = nearest(name, names)
    return f"module {module} has no {name!r}" + (f"; did you mean {near!r}?" if near else "")


def _found(module: str, folder: Path) -> ModuleSpec | None:
    """Its place, package by package: a search by the import system would run the packages above it."""
    places: list[str] | None = [*sys.path, str(folder)]
    spec = None
    parts = module.split(".")
    for number in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:number]), places)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or ())
    return spec


def _names(file: Path) -> set[str] | None:
    """What a module defines at its top; None when only running it would tell."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    names = {name for statement in tree.body for name in _defined(statement)}
    return None if names & {"*", "__getattr__"} else names


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name).partition(".")[0] for alias in statement.names)
    else:
        # Assignments, and those within `if` and `try`.
        yield from (node.id for node in ast.walk(statement) if isinstance(node, ast.Name))
        yield from (node.name for node in ast.walk(statement) if isinstance(node, ast.FunctionDef))
