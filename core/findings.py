"""A mistake in a file a person wrote, with its place and its cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, order=True)
class Finding:
    """One mistake: where (1-based line and column), what is wrong, what is allowed, the nearest valid name.

    `unset` when the file is right and only something that it names, a variable or a file, is not there for this process.
    """

    file: str
    line: int
    column: int
    message: str
    allowed: str = ""
    nearest: str = ""
    unset: bool = field(default=False, compare=False)

    def text(self) -> str:
        """`file:line:column: what is wrong; allowed: …; did you mean …?` on one line."""
        parts = [f"{self.file}:{self.line}:{self.column}: {self.message}"]
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        if self.nearest:
            parts.append(f"did you mean {self.nearest!r}?")
        return "; ".join(parts)


def nearest(name: str, candidates: Iterable[str]) -> str:
    """The candidate most like `name`, or an empty string when none is close."""
    lowered = {candidate.lower(): candidate for candidate in candidates}
    hits = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    return lowered[hits[0]] if hits else ""


def unknown_name(
    file: Path | str, line: int, column: int, what: str, name: str, known: Iterable[str]
) -> Finding:
    """A finding for a name that should be one of `known`."""
    names = sorted(set(known))
    return Finding(
        file=str(file),
        line=line,
        column=column,
        message=f"unknown {what} {name!r}",
        allowed=", ".join(names) or "none is declared",
        nearest=nearest(name, names),
    )
