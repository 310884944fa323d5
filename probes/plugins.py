"""Kinds of probes that a site's own packages add, by entry point of the group `tieout.probes`.

A package names its kinds in pyproject.toml: `[project.entry-points."tieout.probes"]`, `ledger = "our_ledger:LedgerProbe"`.
"""

from __future__ import annotations

import inspect
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_args

from core.errors import ConfigurationError
from probes.kinds import KINDS
from probes.probe import ProbeFile

GROUP = "tieout.probes"


class KindError(ConfigurationError):
    """A package says it has a kind of probe, and what it has cannot be used as one. Ask who wrote it."""


def names() -> list[str]:
    """Every kind there is, those of packages behind our own."""
    return [*KINDS, *sorted(set(_added()) - set(KINDS))]


def kind_named(name: str) -> type[ProbeFile] | None:
    """The kind called `name`, None when nobody has it. A package cannot replace a kind of ours. Raises KindError."""
    if name in KINDS:
        return KINDS[name]
    found = _added().get(name)
    return None if found is None else _loaded(name, found)


def _added() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _loaded(name: str, entry: EntryPoint) -> type[ProbeFile]:
    package = entry.dist.name if entry.dist else entry.module
    start = f"kind {name!r} of package {package} cannot be used"
    try:
        kind: Any = entry.load()
    except Exception as error:
        # Anything may go wrong in the code of others; its text may be of any kind, its type says enough.
        raise KindError(f"{start}: {entry.value} does not load ({type(error).__name__})") from None
    if not (inspect.isclass(kind) and issubclass(kind, ProbeFile)):
        raise KindError(f"{start}: {entry.value} is no probes.probe.ProbeFile")
    if inspect.isabstract(kind):
        missing = ", ".join(sorted(kind.__abstractmethods__))
        raise KindError(f"{start}: {entry.value} lacks {missing}")
    if get_args(kind.model_fields["kind"].annotation) != (name,):
        raise KindError(f'{start}: write kind: Literal["{name}"] in {entry.value}')
    return kind
