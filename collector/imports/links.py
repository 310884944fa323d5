"""Staged links between objects as `object_links`."""

from __future__ import annotations

from collector.imports.context import Context
from collector.imports.reading import Staged
from collector.imports.result import Facts
from collector.imports.statements import over


def write_links(context: Context, file: Staged) -> None:
    """Writes the links of `file` that are not known, or not from so early on; the numbers go to its tally."""
    told = context.told(file)
    before = context.written("links")
    found = context.store.one(over("link_stats", "decided_links"), told)
    context.store.command(over("object_links", "decided_links"), told)
    new = context.written("links") - before
    held_back = int(found["held_back"])
    file.tally.links += Facts(new, int(found["counted"]) - held_back - new, held_back)
