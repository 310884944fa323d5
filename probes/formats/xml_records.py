"""XML: every element at one path is a record. No DTD, no entities, nothing fetched; read as it comes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar, Literal

from lxml import etree
from pydantic import AfterValidator, Field

from probes.formats.contract import Format, Row, Source, gathered
from probes.probe import BadLine, Batch, ProbeError

# Elements of one record, and elements of the file that are in no record: what is kept at a time is bounded.
MAX_ELEMENTS = 100_000
_STEP = re.compile(r"^(?:\.\.|\.|@?(?:[\w.-]+:)?[\w.-]+)$")
_CHECK_EVERY = 10_000
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
        values = [getter(column, self.namespaces) for column in source.columns]
        number = 0
        try:
            for element in elements(source, self.record, self.namespaces):
                number += 1
                line = element.sourceline
                yield Row(line if isinstance(line, int) else number, [value(element) for value in values])
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
    ends = {len(wanted), len(above.split("/"))} if above else {len(wanted)}
    open_tags: list[bool] = []
    beside, inside, count = 0, 0, 0
    for event, element in etree.iterparse(
        source.file, events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False
    ):
        depth = len(open_tags)
        if event == "start":
            if not depth:
                _no_dtd(source, element)
            fits = depth < len(wanted) and (not depth or open_tags[-1]) and wanted[depth](element)
            open_tags.append(fits or (depth >= len(wanted) and open_tags[len(wanted) - 1]))
            in_record = depth >= len(wanted) and open_tags[-1]
            inside, beside = (inside + 1, beside) if in_record else (0, beside + 1)
            if max(inside, beside) > MAX_ELEMENTS:
                raise ProbeError(
                    "too_large", f"a record of file {source.name} has over {MAX_ELEMENTS} elements"
                )
            continue
        is_record = open_tags.pop() and depth in ends
        if is_record:
            count += 1
            beside = beside - 1 if depth == len(wanted) else 0
            if count % _CHECK_EVERY == 0:
                source.check()
            yield element
            _forget(element)


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
    names = steps if attribute else [*steps, last]
    where = "/".join(step if step in (".", "..") else _qualified(step, namespaces, "{*}") for step in names)

    def value(element: etree._Element) -> str | None:
        found = _at(element, where)
        if found is None:
            return None
        text = found.get(attribute) if attribute else found.text
        return text.strip() or None if text else None

    return value


def _at(element: etree._Element, where: str) -> etree._Element | None:
    """lxml's paths do not climb above the element they begin at."""
    found: etree._Element | None = element
    while found is not None and (where == ".." or where.startswith("../")):
        found, where = found.getparent(), where[3:]
    if found is None or where in ("", "."):
        return found
    return found.find(where)


def _qualified(step: str, namespaces: dict[str, str], anywhere: str) -> str:
    prefix, _, name = step.rpartition(":")
    if prefix:
        return f"{{{namespaces[prefix]}}}{name}"
    return f"{{{namespaces['']}}}{name}" if "" in namespaces else f"{anywhere}{name}"


def _tag(step: str, namespaces: dict[str, str]) -> Callable[[etree._Element], bool]:
    wanted = _qualified(step, namespaces, "{*}")
    if not wanted.startswith("{*}"):
        return lambda element: element.tag == wanted
    name = wanted.removeprefix("{*}")
    return lambda element: etree.QName(element).localname == name


def _no_dtd(source: Source, root: etree._Element) -> None:
    if root.getroottree().docinfo.internalDTD is not None:
        raise ProbeError(
            "dtd_refused", f"file {source.name} has a document type declaration; ask for it without one"
        )


def _forget(element: etree._Element) -> None:
    """Empties a record that was read, and takes the one before it out of the tree."""
    element.clear()
    before, parent = element.getprevious(), element.getparent()
    if before is not None and parent is not None and before.tag == element.tag:
        parent.remove(before)
