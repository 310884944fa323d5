"""XES 2.0 (IEEE 1849), plain or gzipped: one row an event, read as a stream.

Attributes of an event keep their key, those of its trace get `case:` before it, nested ones are joined
by `/`. For each classifier of the log there is a column `classifier:<name>`, its values joined by `+`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

from lxml import etree

from collector.imports.errors import ImportFailedError
from collector.imports.rows import Item, from_dicts
from collector.imports.source import Source

_VALUES = frozenset({"string", "date", "int", "float", "boolean", "id"})
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


class _Log:
    """Where the parser is: in the log, in a trace, in an event; what is read is let go at once."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.count = 0
        self._classifiers: dict[str, list[str]] = {}
        self._trace: dict[str, str] = {}
        self._inside: list[str] = []

    def start(self, element: etree._Element) -> None:
        name = etree.QName(element).localname
        if not self._inside:
            if element.getroottree().docinfo.internalDTD is not None:
                raise ImportFailedError(
                    self.file, "holds a document type, which XES never needs", "remove it"
                )
            if name != "log":
                raise ImportFailedError(self.file, f"is no XES log but {name!r}", "choose another mapping")
        self._inside.append(name)

    def end(self, element: etree._Element) -> Iterator[dict[str, str]]:
        name = self._inside.pop()
        parent = self._inside[-1] if self._inside else ""
        if name == "event":
            self.count += 1
            yield self._event(element)
        elif parent == "trace" and name in (*_VALUES, "list", "container"):
            self._trace.update(_values(element, "case:"))
        elif name == "trace":
            self._trace = {}
        elif name == "classifier" and parent == "log":
            self._classifiers[element.get("name", "")] = _keys(element.get("keys", ""))
        if parent in ("log", "trace"):
            _let_go(element)

    def _event(self, element: etree._Element) -> dict[str, str]:
        own: dict[str, str] = {}
        for child in element:
            own.update(_values(child, ""))
        for name, keys in self._classifiers.items():
            values = [own.get(key, "") for key in keys]
            own[f"classifier:{name}"] = "+".join(values) if any(values) else ""
        return self._trace | own


def _values(element: etree._Element, prefix: str, depth: int = 0) -> dict[str, str]:
    """The value of an attribute and of those nested in it, by path."""
    path = prefix + element.get("key", "")
    out = {path: element.get("value", "")} if etree.QName(element).localname in _VALUES else {}
    if depth < _NESTING:
        for place, child in enumerate(_children(element)):
            counted = f"{path}/{place}/" if _is_list(element) else f"{path}/"
            out.update(_values(child, counted, depth + 1))
    return out


def _is_list(element: etree._Element) -> bool:
    return etree.QName(element).localname == "list"


def _children(element: etree._Element) -> Iterator[etree._Element]:
    """Nested attributes; those of a list stand in an element `values`."""
    for child in element:
        if etree.QName(child).localname == "values":
            yield from child
        else:
            yield child


def _keys(text: str) -> list[str]:
    """Keys of a classifier: parted by blanks, in apostrophes when they hold one."""
    return [quoted or plain for quoted, plain in re.findall(r"'([^']*)'|(\S+)", text)]


def _let_go(element: etree._Element) -> None:
    """Frees the element and its elders, so that memory does not grow with the log."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            del parent[0]
