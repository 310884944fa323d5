"""OCEL 2.0 as JSON, plain or gzipped, read element by element; numbers keep the digits the file has."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import IO, Any

from collector.imports.errors import ImportFailedError
from collector.imports.rows import Batches, Item
from collector.imports.source import Source

_CHUNK = 1 << 20
_MAX_ELEMENT = 64 << 20
_START = "1970-01-01T00:00:00Z"

# Numbers stay text: an amount must not become a binary fraction on its way.
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


def read(source: Source, needed: frozenset[str]) -> Iterator[Item]:
    """The parts of the log, as `collector.imports.ocel` names them; events and objects are numbered from 1.

    Raises ImportFailedError when the text breaks off or is no OCEL 2.0 JSON.
    """
    batches = Batches(source.name, needed)
    with source.open() as stream:
        for key, line, element in _elements(stream, source.name):
            for part, row in _event(element) if key == "events" else _object(element):
                yield from batches.add(part, line, row)
    yield from batches.rest()


def _event(event: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    own = {"ocel_id": _text(event.get("id")), "ocel_type": _text(event.get("type"))}
    values = {_text(entry.get("name")): _text(entry.get("value")) for entry in event.get("attributes") or ()}
    yield "event", own
    yield "event_row", {**values, **own, "ocel_time": _text(event.get("time"))}
    for link in event.get("relationships") or ():
        yield (
            "event_object",
            {
                "ocel_event_id": own["ocel_id"],
                "ocel_object_id": _text(link.get("objectId")),
                "ocel_qualifier": _text(link.get("qualifier")),
            },
        )


def _object(thing: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    own = {"ocel_id": _text(thing.get("id")), "ocel_type": _text(thing.get("type"))}
    yield "object", own
    moments: dict[str, dict[str, str]] = {}
    for entry in thing.get("attributes") or ():
        at = _text(entry.get("time")) or _START
        moments.setdefault(at, {})[_text(entry.get("name"))] = _text(entry.get("value"))
    for at, values in moments.items():
        yield "object_row", {**values, **own, "ocel_time": at}
    for link in thing.get("relationships") or ():
        yield (
            "object_object",
            {
                "ocel_source_id": own["ocel_id"],
                "ocel_target_id": _text(link.get("objectId")),
                "ocel_qualifier": _text(link.get("qualifier")),
            },
        )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _elements(stream: IO[bytes], file: str) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Each element of the arrays `events` and `objects`, with its number in the array."""
    text = _Scanner(stream, file)
    text.expect("{")
    while (mark := text.peek()) != "}":
        if mark == ",":
            text.expect(",")
        key = text.value("the key of a part")
        text.expect(":")
        if key not in ("events", "objects"):
            text.value(f"the part {key!r}")
            continue
        text.expect("[")
        line = 0
        while (mark := text.peek()) != "]":
            if mark == ",":
                text.expect(",")
            line += 1
            element = text.value(f"record {line} of {key}")
            if not isinstance(element, dict):
                raise ImportFailedError(file, f"record {line} of {key!r} is no object", "correct it")
            yield key, line, element
        text.expect("]")


class _Scanner:
    """JSON text by the value, a chunk of the file in memory at a time."""

    def __init__(self, stream: IO[bytes], file: str) -> None:
        self._stream, self._file = stream, file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")(errors="strict")
        self._text, self._at, self._end = "", 0, False

    def peek(self) -> str:
        """The next character that is no white space."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            self._more("the end of the log")

    def expect(self, mark: str) -> None:
        if self.peek() != mark:
            raise ImportFailedError(self._file, f"is no OCEL 2.0 JSON, {mark!r} was expected", "check it")
        self._at += 1

    def value(self, what: str) -> Any:
        """The next value; `what` it is, for the error when it breaks off."""
        self.peek()
        while True:
            try:
                value, self._at = _DECODER.raw_decode(self._text, self._at)
            except (json.JSONDecodeError, RecursionError):
                self._more(what)
            else:
                return value

    def _more(self, what: str) -> None:
        """Reads on; the part of the text that is done is let go."""
        if self._end or len(self._text) - self._at > _MAX_ELEMENT:
            raise ImportFailedError(self._file, f"breaks off or is not JSON at {what}")
        # As much again as is there: a large value must not be tried again for each small chunk.
        raw = self._stream.read(max(_CHUNK, len(self._text) - self._at))
        self._end = not raw
        try:
            fresh = self._decode.decode(raw, final=self._end)
        except UnicodeDecodeError:
            raise ImportFailedError(self._file, f"is not UTF-8 text at {what}") from None
        self._text, self._at = self._text[self._at :] + fresh, 0
