"""XML: every element at one path is a record. No DTD, no entities, nothing fetched; read as it comes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from lxml import etree
from pydantic import AfterValidator, Field

from probes.formats.contract import Format, Row, Source, gathered
from probes.probe import BadLine, Batch, ProbeError

# What may stand between the ends of two records: so much of the tree is kept at a time, and what is before the first.
MAX_RECORD_BYTES = 64_000_000
_UNREAD = object()
_STEP = re.compile(r"^(?:\.\.|\.|@?(?:[\w.-]+:)?[\w.-]+)$")
Getter = Callable[[etree._Element], str | None]


def _path_checked(path: str) -> str:
    steps = path.split("/")
    if not all(_STEP.match(step) for step in steps) or any(step.startswith("@") for step in steps[:-1]):
        raise ValueError("a path is written like Order/Line, Order/Line/@id or ../Header/Date")
    return path


class XmlRecords(Format):
    """`format: {type: xml, record: Orders/Order}`: the path from the top element (which is the first name).

    A column is a path inside the record: `Total`, `Total/@currency`, `@id`, `../Header/Date`, `.` for its own
    text. With `namespaces: {o: "urn:…"}`, names are written with their prefix (`o:Order`); without,
    they are found in whatever namespace.
    """

    errors: ClassVar = (etree.XMLSyntaxError, UnicodeError)
    loose: ClassVar = True

    type: Literal["xml"]
    record: Annotated[str, AfterValidator(_path_checked)]
    namespaces: dict[str, str] = Field(default_factory=dict)

    def misnamed(self, column: str) -> str:
        try:
            _path_checked(column)
            getter(column, self.namespaces)
        except (ValueError, KeyError, SyntaxError):
            return "it is no path inside the record, or its prefix is not in 'namespaces'"
        return ""

    def read(self, source: Source) -> Iterator[Batch]:
        return gathered(source, self._items(source))

    def _items(self, source: Source) -> Iterator[Row | BadLine]:
        values = _row_getter(source.columns, self.namespaces)
        number = 0
        try:
            for element in elements(source, self.record, self.namespaces):
                number += 1
                line = element.sourceline
                yield Row(line if isinstance(line, int) else number, values(element))
        except etree.XMLSyntaxError as error:
            if not number:
                raise
            yield BadLine(
                error.lineno or number, "the file ends here, or is not XML from here on", "not_whole"
            )


def elements(
    source: Source, path: str, namespaces: dict[str, str], above: str = ""
) -> Iterator[etree._Element]:
    """The elements at `path`, each with everything in it, forgotten when the next one is asked for.

    What stands beside and above them is kept. With `above`, a beginning of `path`, the elements there come
    too, each after those inside it. Raises ProbeError for a DTD and for more than fits.
    """
    wanted = [_tag(step, namespaces) for step in path.split("/")]
    ends = {len(wanted): wanted}
    if above:
        ends[len(above.split("/"))] = wanted[: len(above.split("/"))]
    bounded = _Bounded(source)
    parser = etree.iterparse(
        bounded, events=("start", "end"), tag=[wanted[0], *(tags[-1] for tags in ends.values())],
        resolve_entities=False, no_network=True, load_dtd=False,
    )  # fmt: skip
    last: dict[int, etree._Element] = {}
    begun, stood, tag = False, 0, ""
    parent: etree._Element | None = None
    for event, element in parser:
        if not begun:
            _no_dtd(source, element)
            begun = True
        if event == "start":
            continue
        # Beside a record, what is called the same is one too.
        beside = parent is not None and element.getparent() is parent and element.tag == tag
        depth = stood if beside else 1 + sum(1 for _ in element.iterancestors())
        if beside or (depth in ends and _stands_at(element, ends[depth])):
            bounded.begin_anew()
            yield element
            parent, tag, stood = element.getparent(), str(element.tag), depth
            _forget(element, last.get(depth))
            last[depth] = element
    if not begun and parser.root is not None:
        _no_dtd(source, parser.root)


class _Bounded:
    """The file, as long as records come: what is held of it at a time is bounded."""

    def __init__(self, source: Source) -> None:
        self._source, self._bytes = source, 0

    def read(self, size: int = -1) -> bytes:
        self._source.check()
        block = self._source.file.read(size)
        self._bytes += len(block)
        if self._bytes > MAX_RECORD_BYTES:
            raise ProbeError(
                "too_large", f"a record of file {self._source.name} is larger than {MAX_RECORD_BYTES} bytes"
            )
        return block

    def begin_anew(self) -> None:
        self._bytes = 0


def _stands_at(element: etree._Element, tags: list[str]) -> bool:
    """Whether the names from the top down to the element are these."""
    found: etree._Element | None = element
    for tag in reversed(tags):
        if found is None or not _is_called(found.tag, tag):
            return False
        found = found.getparent()
    return True


def is_path(column: str) -> bool:
    """Whether a name is a path inside a record, without prefixes."""
    try:
        _path_checked(column)
    except ValueError:
        return False
    return ":" not in column


def getter(path: str, namespaces: dict[str, str]) -> Getter:
    """Reads the text at `path` below an element; raises KeyError for an unknown prefix."""
    *steps, last = path.split("/")
    # A name without a prefix is in the default namespace, an attribute without one is in none.
    prefixed = {prefix: uri for prefix, uri in namespaces.items() if prefix}
    attribute = _qualified(last[1:], prefixed, "") if last.startswith("@") else ""
    names = [name for name in (steps if attribute else [*steps, last]) if name != "."]
    up = next((at for at, name in enumerate(names) if name != ".."), len(names))
    down = "/".join(name if name == ".." else _qualified(name, namespaces, "{*}") for name in names[up:])
    below = _child if len(names) == up + 1 else _descendant

    def value(element: etree._Element) -> str | None:
        found: etree._Element | None = element
        # lxml's paths do not climb above the element they begin at.
        for _ in range(up):
            found = found.getparent() if found is not None else None
        if found is not None and down:
            found = below(found, down)
        if found is None:
            return None
        return _text(found.get(attribute) if attribute else found.text)

    return value


def _row_getter(
    columns: Sequence[str], namespaces: dict[str, str]
) -> Callable[[etree._Element], list[str | None]]:
    """Reads all columns of an element. Its children, which most columns are, are gone through once."""
    children = {
        at: _qualified(column, namespaces, "{*}")
        for at, column in enumerate(columns)
        if "/" not in column and "@" not in column and column not in (".", "..")
    }
    others = [(at, getter(column, namespaces)) for at, column in enumerate(columns) if at not in children]
    places = _Places(children)

    def values(element: etree._Element) -> list[str | None]:
        found: list[Any] = [_UNREAD] * len(columns)
        for child in element:
            for at in places[child.tag]:
                if found[at] is _UNREAD:
                    found[at] = child.text
        for at, value in others:
            found[at] = value(element)
        return [text.strip() or None if text and text is not _UNREAD else None for text in found]

    return values


class _Places(dict[Any, list[int]]):
    """Which columns a tag is for, found out once for each tag."""

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self._names = names

    def __missing__(self, tag: Any) -> list[int]:
        self[tag] = [at for at, name in self._names.items() if _is_called(tag, name)]
        return self[tag]


def _is_called(tag: Any, name: str) -> bool:
    """Comments and processing instructions have no name."""
    if not isinstance(tag, str):
        return False
    return tag == name or (name[:3] == "{*}" and etree.QName(tag).localname == name[3:])


def _text(text: str | None) -> str | None:
    return text.strip() or None if text else None


def _child(element: etree._Element, name: str) -> etree._Element | None:
    return next(element.iterchildren(name), None)


def _descendant(element: etree._Element, path: str) -> etree._Element | None:
    return element.find(path)


def _qualified(step: str, namespaces: dict[str, str], anywhere: str) -> str:
    prefix, _, name = step.rpartition(":")
    if prefix:
        return f"{{{namespaces[prefix]}}}{name}"
    return f"{{{namespaces['']}}}{name}" if "" in namespaces else f"{anywhere}{name}"


def _tag(step: str, namespaces: dict[str, str]) -> str:
    return _qualified(step, namespaces, "{*}")


def _no_dtd(source: Source, root: etree._Element) -> None:
    if root.getroottree().docinfo.internalDTD is not None:
        raise ProbeError(
            "dtd_refused", f"file {source.name} has a document type declaration; ask for it without one"
        )


def _forget(element: etree._Element, last: etree._Element | None) -> None:
    """Empties a record that was read, and takes out of the tree the one before it and what is between them."""
    element.clear()
    if last is not None and element.getprevious() is last:
        last.getparent().remove(last)  # type: ignore[union-attr]
        return
    parent, before = element.getparent(), last.getparent() if last is not None else None
    if parent is None or before is None:
        return
    if before is parent:
        for sibling in list(element.itersiblings(preceding=True)):
            parent.remove(sibling)
            if sibling is last:
                break
    elif (outer := before.getparent()) is not None:
        outer.remove(before)
