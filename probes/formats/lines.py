"""Lines of a text file, one at a time and none without end."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

from probes.formats.contract import Source
from probes.probe import ProbeError

MAX_LINE_CHARACTERS = 1_000_000
_CHECK_EVERY = 50_000


def lines(source: Source, encoding: str) -> Iterator[tuple[int, str]]:
    """Each line with its number, without its end. Raises ProbeError `too_large`, UnicodeError."""
    text = io.TextIOWrapper(source.file, encoding=without_mark(encoding), newline=None)
    number = 0
    try:
        while line := text.readline(MAX_LINE_CHARACTERS + 1):
            number += 1
            if number % _CHECK_EVERY == 0:
                source.check()
            if len(line) > MAX_LINE_CHARACTERS:
                raise too_large(source, f"line {number}", MAX_LINE_CHARACTERS)
            yield number, line.removesuffix("\n")
    finally:
        text.detach()


def without_mark(encoding: str) -> str:
    """`utf-8` also reads the byte order mark that many programs write in front."""
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def too_large(source: Source, what: str, limit: int) -> ProbeError:
    return ProbeError("too_large", f"{what} of file {source.name} is longer than {limit} characters")
