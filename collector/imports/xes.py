"""XES 2.0 (IEEE 1849), plain or gzipped: one row an event, read as a stream.

Attributes of an event keep their key, those of its trace get `case:` before it, nested ones are joined
by `/`. For each classifier of the log there is a column `classifier:<name>`, its values joined by `+`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import IO

from lxml import etree

from collector.imports.errors import ImportFailedError
from collector.imports.rows import Item, from_dicts
from collector.imports.source import Source

_VALUES = frozenset({"string", "date", "int", "float", "boolean", "id"})
_PARTS = ("{*}log", "{*}trace", "{*}event", "{*}classifier")
_NESTING = 16


def read(source: Source, needed: frozenset[str] | None) -> Iterator[Item]:
    """The events of `source`, numbered from 1; only `needed` columns, all when None.

    Raises ImportFailedError when it is no well-formed XES, or holds a document type (which XES never needs).
    """
    with source.open() as stream:
        yield from from_dicts("rows", source.name, _events(stream, source.name), needed)


def _events(stream: IO[bytes], file: str) -> Iterator[dict[str, str]]:
    log = _Log(file)
    try:
        for action, element in etree.iterparse(
            stream,
            events=("start", "end"),
            tag=_PARTS,
            load_dtd=False,
            no_network=True,
            resolve_entities=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        ):
            if action == "start":
                log.start(element)
            else:
                yield from log.end(element)
    except etree.XMLSyntaxError as error:
        line = getattr(error, "lineno", 0) or 0
        what = f"the XML breaks off or is not well formed at line {line}, after event {log.count}"
        raise ImportFailedError(file, what) from None
    if not log.begun:
        raise ImportFailedError(file, "is no XES log", "choose another mapping")


class _Log:
    """Where the parser is; what is read is let go at once, so that memory does not grow with the log."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.count = 0
        self.begun = False
        self._classifiers: dict[str, list[str]] = {}
        self._trace: dict[str, str] | None = None

    def start(self, element: etree._Element) -> None:
        """Refuses what is no plain log before anything of it is used."""
        if self.begun:
            self._trace = self._trace if _name(element) == "event" else None
            return
        if element.getroottree().docinfo.internalDTD is not None:
            raise ImportFailedError(self.file, "holds a document type, which XES never needs", "remove it")
        if _name(element) != "log" or element.getparent() is not None:
            raise ImportFailedError(self.file, "is no XES log", "choose another mapping")
        self.begun = True

    def end(self, element: etree._Element) -> Iterator[dict[str, str]]:
        """Gives the event that ended, if one did."""
        name = _name(element)
        if name == "event":
            self.count += 1
            yield self._event(element)
            _let_go(element)
        elif name == "trace":
            self._trace = None
            _let_go(element)
        elif name == "classifier":
            self._classifiers[element.get("name", "")] = _keys(element.get("keys", ""))

    def _event(self, element: etree._Element) -> dict[str, str]:
        if self._trace is None:
            # The standard puts the attributes of a trace before its first event.
            self._trace = {}
            parent = element.getparent()
            if parent is not None and _name(parent) == "trace":
                for child in parent:
                    _collect(child, "case:", self._trace)
        own = dict(self._trace)
        for child in element:
            _collect(child, "", own)
        for name, keys in self._classifiers.items():
            values = [own.get(key, "") for key in keys]
            own[f"classifier:{name}"] = "+".join(values) if any(values) else ""
        return own


def _collect(element: etree._Element, prefix: str, into: dict[str, str], depth: int = 0) -> None:
    """Adds the value of an attribute and those of the attributes nested in it, by path."""
    kind, path = _name(element), prefix + element.get("key", "")
    if kind in _VALUES:
        into[path] = element.get("value", "")
    elif kind not in ("list", "container"):
        return
    if len(element) and depth < _NESTING:
        for place, child in enumerate(_children(element)):
            _collect(child, f"{path}/{place}/" if kind == "list" else f"{path}/", into, depth + 1)


def _children(element: etree._Element) -> Iterator[etree._Element]:
    """Nested attributes; those of a list stand in an element `values`."""
    for child in element:
        if _name(child) == "values":
            yield from child
        else:
            yield child


@cache
def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


def _name(element: etree._Element) -> str:
    """The name without its namespace; an entity or the like has none."""
    return _local(element.tag) if isinstance(element.tag, str) else ""


def _keys(text: str) -> list[str]:
    """Keys of a classifier: parted by blanks, in apostrophes when they hold one."""
    return [quoted or plain for quoted, plain in re.findall(r"'([^']*)'|(\S+)", text)]


def _let_go(element: etree._Element) -> None:
    """Frees the element and its elders."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            del parent[0]
