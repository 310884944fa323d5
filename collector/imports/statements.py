"""The SQL of imports: fixed texts put together by name; what a mapping says comes in as parameters only."""

from __future__ import annotations

from pathlib import Path

from store.sqlfile import read

SQL = Path(__file__).parent / "sql"

_WITH_COMMON = frozenset({"decided_events", "decided_states"})


def statement(name: str) -> str:
    """One statement that needs no other."""
    return read(SQL / f"{name}.sql").text


def over(name: str, decided: str, written: str = "") -> str:
    """The statement `name` on what `decided` makes of the staged rows, and `written` of that."""
    steps = [_common()] if decided in _WITH_COMMON else []
    steps.append(f"decided AS (\n{statement(decided)}\n)")
    if written:
        steps.append(f"written AS (\n{statement(written)}\n)")
    return "WITH\n" + ",\n".join(steps) + "\n" + statement(name)


def shared(name: str) -> str:
    """A statement with common table expressions of its own that uses the shared expressions."""
    return statement(name).replace("\nWITH\n", f"\nWITH\n{_common()},\n", 1)


def _common() -> str:
    return statement("common")
