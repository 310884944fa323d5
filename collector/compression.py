"""Unpacks a request body; what comes out is bounded while it comes out."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import zstandard

from collector.refusals import TooLargeError, UncompressibleError

CHUNK_BYTES = 1 << 20
# A block of four bytes may stand for 128 KiB.
ZSTD_SLICE_BYTES = 256
ZSTD_WINDOW_BYTES = 1 << 27
_GZIP, _ZLIB = 31, 15

Grow = Callable[[int], None]


def decompress(body: bytes, encoding: str, limit: int, grow: Grow | None = None) -> bytes:
    """`body` without its Content-Encoding, at most `limit` bytes; `grow` is told of every piece as it comes.

    Raises UncompressibleError for an unknown encoding or damaged data, TooLargeError beyond the limit.
    """
    name, grow = encoding.strip().lower(), grow or _ignore
    if name in ("", "identity"):
        pieces: Iterator[bytes] = iter((body,))
        grow = _ignore  # it was counted when it was received
    elif name == "gzip":
        pieces = _members(body, _GZIP)
    elif name == "deflate":
        pieces = _members(body, _ZLIB)
    elif name == "zstd":
        pieces = _frames(body)
    else:
        raise UncompressibleError(f"content encoding {_printable(name)} is not supported; use gzip or zstd")
    out = bytearray()
    for piece in pieces:
        if len(out) + len(piece) > limit:
            raise TooLargeError(f"the request is larger than {limit} bytes after decompression")
        grow(len(piece))
        out += piece
    return bytes(out)


def _members(body: bytes, window: int) -> Iterator[bytes]:
    """All members of a gzip body (they may be concatenated), or the one zlib stream of a deflate body."""
    if not body:
        raise UncompressibleError("the body is empty although it is declared compressed")
    while body:
        member = zlib.decompressobj(window)
        try:
            while not member.eof:
                piece = member.decompress(body, CHUNK_BYTES)
                body = member.unconsumed_tail
                if not piece and not body and not member.eof:
                    raise UncompressibleError("the compressed body ends too early")
                yield piece
        except zlib.error:
            raise UncompressibleError("the body does not unpack with its content encoding") from None
        body = member.unused_data
        if body and window == _ZLIB:
            raise UncompressibleError("there are bytes after the compressed body")


def _frames(body: bytes) -> Iterator[bytes]:
    """All frames of a zstd body, fed in slices that cannot unpack to more than some megabytes each."""
    if not body:
        raise UncompressibleError("the body is empty although it is declared compressed")
    # The window is bounded, or a small body could make us set aside gigabytes.
    unpacker = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    frame, at = unpacker.decompressobj(), 0
    try:
        while at < len(body):
            piece = body[at : at + ZSTD_SLICE_BYTES]
            yield frame.decompress(piece)
            at += len(piece) - len(frame.unused_data)
            if frame.eof and at < len(body):
                frame = unpacker.decompressobj()
    except zstandard.ZstdError:
        raise UncompressibleError("the body does not unpack with its content encoding") from None
    if not frame.eof:
        raise UncompressibleError("the compressed body ends too early")


def _ignore(_: int) -> None:
    """Room that nobody counts."""


def _printable(name: str) -> str:
    """A header value fit for a message: short, without control characters."""
    return repr(name[:40])
