"""Lines of a text file, one at a time and none without end."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

from probes.formats.contract import Source
from probes.probe import ProbeError

MAX_LINE_CHARACTERS = 1_000_000
_BLOCK_CHARACTERS = 1_000_000


def lines(source: Source, encoding: str) -> Iterator[tuple[int, str]]:
    """Each line with its number, without its end. Raises ProbeError `too_large`, UnicodeError."""
    text = io.TextIOWrapper(source.file, encoding=without_mark(encoding), newline=None)
    number, rest = 0, ""
    try:
        while block := text.read(_BLOCK_CHARACTERS):
            source.check()
            *whole, rest = (rest + block).split("\n")
            for line in whole:
                number += 1
                if len(line) > MAX_LINE_CHARACTERS:
                    raise too_large(source, f"line {number}", MAX_LINE_CHARACTERS)
                yield number, line
            if len(rest) > MAX_LINE_CHARACTERS:
                raise too_large(source, f"line {number + 1}", MAX_LINE_CHARACTERS)
        if rest:
            yield number + 1, rest
    finally:
        text.detach()


def without_mark(encoding: str) -> str:
    """`utf-8` also reads the byte order mark that many programs write in front."""
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def too_large(source: Source, what: str, limit: int) -> ProbeError:
    return ProbeError("too_large", f"{what} of file {source.name} is longer than {limit} characters")
