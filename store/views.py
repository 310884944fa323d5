"""Views that read views, written as one: the engine plans a view anew at every level that reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from store.sqlfile import statements

_CREATE = re.compile(r"CREATE OR REPLACE VIEW (\w+) AS\s+")
# What stands in the brackets of a call of a view: bound parameters, or literals without brackets in them.
_ARGUMENTS = r"\(((?:[^()]|\([^()]*\))*)\)"
_ARGUMENT = re.compile(r"(\w+)\s*=\s*(\{[^}]*\}|\[\]|'(?:[^'\\]|\\.|'')*')")


@cache
def bodies(folder: Path) -> Mapping[str, str]:
    """The views in `folder` by name, without their CREATE."""
    found = {}
    for path in sorted(folder.glob("*.sql")):
        for statement in statements(path.read_text(encoding="utf-8")):
            if match := _CREATE.match(statement):
                found[match[1]] = statement[match.end() :]
    return found


def flattened(text: str, views: Mapping[str, str]) -> str:
    """The same statement on the texts of the `views` it calls."""

    def body(call: re.Match[str]) -> str:
        inner = flattened(views[call[1]], views)
        for name, value in _ARGUMENT.findall(call[2]):
            for parameter, kind in set(re.findall(rf"(\{{{name}:([^{{}}]*)\}})", inner)):
                inner = inner.replace(parameter, _given(value, kind))
        return f"({inner})"

    return re.sub(rf"\b({'|'.join(views)}){_ARGUMENTS}", body, text) if views else text


def _given(value: str, kind: str) -> str:
    if value.startswith("{"):
        return value
    quoted = kind.strip().replace("'", "\\'")
    return f"CAST({value}, '{quoted}')"
