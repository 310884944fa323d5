"""Probe files for business systems, made from their vendors' public documentation, to begin from."""

from __future__ import annotations

from pathlib import Path

from core.findings import nearest

FOLDER = Path(__file__).parent / "presets"


def names() -> tuple[str, ...]:
    """The presets as `vendor/object`, in the order of the alphabet."""
    return tuple(f"{file.parent.name}/{file.stem}" for file in sorted(FOLDER.glob("*/*.yaml")))


def text(name: str) -> str:
    """The probe file of a preset. Its comments say where each name comes from, and against what it was run.

    Raises LookupError with the nearest name when there is none.
    """
    if name not in names():
        near = nearest(name, names())
        hint = f"did you mean {near!r}?" if near else f"there are {', '.join(names())}"
        raise LookupError(f"no preset {name!r}; {hint}")
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
