"""Workflows to begin from that need tables and tolerances of the site: process, matching rules, tests and a calendar."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.findings import nearest
from workflows.load import load_workflows

FOLDER = Path(__file__).parent / "catalogue"


@dataclass(frozen=True)
class Entry:
    """One workflow of the catalogue; `files` by their place in a project folder."""

    name: str
    title: str
    description: str
    files: dict[Path, Path]


def entries() -> dict[str, Entry]:
    """Everything in the catalogue, by name in the order of the alphabet."""
    return {folder.name: _entry(folder) for folder in sorted(FOLDER.iterdir()) if folder.is_dir()}


def entry(name: str) -> Entry:
    """One workflow of the catalogue. Raises LookupError with the nearest name when there is none."""
    known = entries()
    if name not in known:
        near = nearest(name, known)
        hint = f"did you mean {near!r}?" if near else f"there are {', '.join(known)}"
        raise LookupError(f"no workflow {name!r} in the catalogue; {hint}")
    return known[name]


def add(chosen: Entry, project: Path) -> tuple[list[Path], list[Path]]:
    """Writes its files into the folder of a project: those written, and those that were there and were left alone."""
    written, kept = [], []
    for place, source in chosen.files.items():
        target = project / place
        if target.exists():
            kept.append(target)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        written.append(target)
    return written, kept


def _entry(folder: Path) -> Entry:
    flow = load_workflows(folder / "workflows")[0][folder.name]
    files = {file.relative_to(folder): file for file in sorted(folder.rglob("*")) if file.is_file()}
    return Entry(folder.name, flow.title, flow.description, files)
