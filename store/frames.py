"""ClickHouse's own compression of a stream, `compress=1` and `decompress=1`: frames with a checksum of their own."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

import lz4.block
import zstandard
from clickhouse_cityhash.cityhash import CityHash128

from store.access import RefusedError
from store.engine import PIECE_BYTES, spool

CHECKSUM_DOESNT_MATCH, CANNOT_DECOMPRESS, QUERY_IS_TOO_LARGE = 40, 271, 229
# After the checksum: method, size with this header, size before compression.
_HEADER = struct.Struct("<BII")
_CHECKSUM = struct.Struct("<QQ")
_PLAIN, _LZ4, _ZSTD = 0x02, 0x82, 0x90
# No LZ4 block grows more; one that claims it would only make us reserve memory.
_MOST_LZ4_GROWTH = 255


def unframed(body: IO[bytes], limit: int) -> IO[bytes]:
    """What the frames of `body` hold, at its start. Stops at `limit` bytes.

    Raises RefusedError for a wrong checksum, an unknown method, a cut frame, or content that is too large.
    """
    out, size = spool(), 0
    while first := body.read(_CHECKSUM.size + _HEADER.size):
        size += out.write(_content(first, body, limit - size))
    out.seek(0)
    return out


def framed(body: IO[bytes]) -> tuple[IO[bytes], int]:
    """`body` in LZ4 frames, at its start, and its size in bytes."""
    out, size = spool(), 0
    for piece in _pieces(body):
        packed = lz4.block.compress(piece, store_size=False)
        covered = _HEADER.pack(_LZ4, _HEADER.size + len(packed), len(piece)) + packed
        size += out.write(_checksum(covered) + covered)
    out.seek(0)
    return out, size


def _content(first: bytes, body: IO[bytes], room: int) -> bytes:
    if len(first) < _CHECKSUM.size + _HEADER.size:
        raise _broken()
    checksum, header = first[: _CHECKSUM.size], first[_CHECKSUM.size :]
    method, packed_size, size = _HEADER.unpack(header)
    if size > room:
        raise RefusedError(QUERY_IS_TOO_LARGE, "The decompressed request is larger than a request may be")
    packed = body.read(max(0, packed_size - _HEADER.size))
    if packed_size != _HEADER.size + len(packed):
        raise _broken()
    if _checksum(header + packed) != checksum:
        raise RefusedError(CHECKSUM_DOESNT_MATCH, "A compressed block of the request has a wrong checksum")
    try:
        content = _unpacked(method, packed, size)
    except (RuntimeError, ValueError, MemoryError, zstandard.ZstdError):
        raise _broken() from None
    if len(content) != size:
        raise _broken()
    return content


def _unpacked(method: int, packed: bytes, size: int) -> bytes:
    if method == _PLAIN:
        return packed
    if method == _LZ4 and size <= len(packed) * _MOST_LZ4_GROWTH:
        return bytes(lz4.block.decompress(packed, uncompressed_size=size))
    if method == _ZSTD and zstandard.frame_content_size(packed) in (-1, size):
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
    raise _broken()


def _broken() -> RefusedError:
    return RefusedError(
        CANNOT_DECOMPRESS, "The request is not made of whole blocks compressed by LZ4 or ZSTD"
    )


def _checksum(covered: bytes) -> bytes:
    number = CityHash128(covered)
    return _CHECKSUM.pack(number >> 64, number & 0xFFFF_FFFF_FFFF_FFFF)


def _pieces(body: IO[bytes]) -> Iterator[bytes]:
    while piece := body.read(PIECE_BYTES):
        yield piece
