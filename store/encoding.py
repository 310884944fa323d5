"""Compressed HTTP bodies: bounded decoding of requests, encoding of responses."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

import lz4.frame
import zstandard

from store.access import RefusedError
from store.engine import PIECE_BYTES, spool

UNKNOWN_COMPRESSION_METHOD, CANNOT_DECOMPRESS, QUERY_IS_TOO_LARGE = 89, 271, 229
# Best first: the cheapest to make and to read, since most clients are on this machine.
_OFFERED = ("lz4", "zstd", "gzip", "deflate")
_ZSTD_PIECE_BYTES = 4 << 10
# Smaller answers gain nothing.
_WORTH_BYTES = 1 << 10


def decoded(body: IO[bytes], encoding: str, limit: int) -> IO[bytes]:
    """`body` without its Content-Encoding, at its start. Stops at `limit` bytes: a bomb costs no more.

    Raises RefusedError for an unknown encoding, a body that is not so encoded, or one that is too large.
    """
    if encoding in ("", "identity"):
        return body
    pieces = _DECODERS.get(encoding)
    if pieces is None:
        offered = ", ".join(sorted(_DECODERS))
        raise RefusedError(
            UNKNOWN_COMPRESSION_METHOD, f"Unknown Content-Encoding; a body may be encoded as {offered}"
        )
    out, size = spool(), 0
    try:
        for piece in pieces(body):
            size += out.write(piece)
            if size > limit:
                raise RefusedError(QUERY_IS_TOO_LARGE, f"The decoded request is larger than {limit} bytes")
    except (OSError, EOFError, RuntimeError, ValueError, zlib.error, zstandard.ZstdError):
        raise RefusedError(CANNOT_DECOMPRESS, f"The request body is not valid {encoding}") from None
    out.seek(0)
    return out


def chosen(accepted: str, size: int) -> str:
    """The encoding for an answer of `size` bytes among those the client accepts; empty for none."""
    if size < _WORTH_BYTES:
        return ""
    names = {item.split(";")[0].strip().lower() for item in accepted.split(",")}
    return next((name for name in _OFFERED if name in names), "")


def encoded(body: IO[bytes], encoding: str) -> tuple[IO[bytes], int]:
    """`body` with a Content-Encoding, at its start, and its size in bytes."""
    encoder, out, size = _ENCODERS[encoding](), spool(), 0
    for piece in _read_all(body):
        size += out.write(encoder.compress(piece))
    size += out.write(encoder.flush())
    out.seek(0)
    return out, size


def _read_all(source: Any) -> Iterator[bytes]:
    while piece := source.read(PIECE_BYTES):
        yield piece


def _inflated(body: IO[bytes]) -> Iterator[bytes]:
    inflate = zlib.decompressobj()
    for piece in _read_all(body):
        rest = piece
        while rest:
            yield inflate.decompress(rest, PIECE_BYTES)
            rest = inflate.unconsumed_tail
    yield inflate.flush()
    if not inflate.eof:
        raise EOFError


def _unzstd(body: IO[bytes]) -> Iterator[bytes]:
    """Frame by frame. A reader would do the same, but takes a body that was cut off for a whole one."""
    frame: Any = None
    # One byte may stand for 32 thousand, and a piece is decoded at once.
    while piece := body.read(_ZSTD_PIECE_BYTES):
        while piece:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(piece)
            piece, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
    if frame is not None:
        raise EOFError


_DECODERS: dict[str, Callable[[IO[bytes]], Iterator[bytes]]] = {
    "gzip": lambda body: _read_all(gzip.GzipFile(fileobj=body, mode="rb")),
    "deflate": _inflated,
    "lz4": lambda body: _read_all(lz4.frame.LZ4FrameFile(body)),
    "zstd": _unzstd,
}


class _Lz4Encoder:
    """One LZ4 frame, with the interface of the other encoders."""

    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._start: bytes = self._frame.begin()

    def compress(self, piece: bytes) -> bytes:
        start, self._start = self._start, b""
        return bytes(start + self._frame.compress(piece))

    def flush(self) -> bytes:
        start, self._start = self._start, b""
        return bytes(start + self._frame.flush())


_ENCODERS: dict[str, Callable[[], Any]] = {
    "lz4": _Lz4Encoder,
    "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    "gzip": lambda: zlib.compressobj(level=3, wbits=31),
    "deflate": lambda: zlib.compressobj(level=3),
}
