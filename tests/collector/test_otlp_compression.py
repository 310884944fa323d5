"""Bodies that come compressed. Numbers are those of the checklist."""

from __future__ import annotations

import gzip
import resource
import time
import zlib
from collections.abc import Callable

import httpx
import pytest
import zstandard
from google.rpc import code_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_bodies import body, post, request, span, status_of
from starlette.applications import Starlette

from collector.app import receiver
from collector.compression import decompress
from collector.intake import Limits
from collector.refusals import TooLargeError, UncompressibleError
from store.client import Store

Serve = Callable[[Starlette], httpx.Client]
MIB = 1 << 20


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    "zstd": lambda content: zstandard.ZstdCompressor().compress(content),
    "identity": bytes,
    "": bytes,
}


@pytest.mark.parametrize("encoding", PACK)
def test_case_15_to_19_known_encodings_in_both_media_types(
    otlp: httpx.Client, store: Store, encoding: str
) -> None:
    protobuf = post(otlp, PACK[encoding](body(2)), content_encoding=encoding)
    json = post(otlp, PACK[encoding](b'{"resourceSpans": []}'), "application/json", content_encoding=encoding)
    assert (protobuf.status_code, json.status_code) == (200, 200)
    assert store.value("SELECT count() FROM otel_traces") == 2


GZIPPED = gzip.compress(b"a" * 1000)
REFUSED = {
    "case_17_raw_deflate": ("deflate", raw_deflate(b"abc")),
    "case_20_br": ("br", b"abc"),
    "case_20_unknown": ("nosuchcompression", b"abc"),
    "case_21_twice": ("gzip, gzip", gzip.compress(GZIPPED)),
    "case_22_not_compressed": ("gzip", b'{"resourceSpans": []}'),
    "case_23_truncated": ("gzip", GZIPPED[:-5]),
    "case_23_truncated_zstd": ("zstd", zstandard.ZstdCompressor().compress(b"abc" * 100)[:-2]),
    "case_25_trailing_garbage": ("gzip", GZIPPED + b"garbage"),
    "case_25_trailing_garbage_zlib": ("deflate", zlib.compress(b"abc") + b"garbage"),
    "case_25_trailing_garbage_zstd": ("zstd", zstandard.ZstdCompressor().compress(b"abc") + b"garbage"),
    "case_26_empty": ("gzip", b""),
    "case_26_empty_zstd": ("zstd", b""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_case_17_to_26_what_does_not_unpack_is_400_in_the_encoding_of_the_request(
    otlp: httpx.Client, store: Store, case: str
) -> None:
    encoding, content = REFUSED[case]
    for media_type in ("application/json", "application/x-protobuf"):
        response = post(otlp, content, media_type, content_encoding=encoding)
        assert (response.status_code, response.headers["content-type"]) == (400, media_type)
        assert status_of(response).code == code_pb2.INVALID_ARGUMENT
    if "20" in case:
        assert encoding in status_of(response).message
    assert {row["reason"] for row in store.rows("SELECT reason FROM dead_letters")} == {"content_encoding"}


def test_case_24_all_members_of_a_gzip_body_are_read(otlp: httpx.Client, store: Store) -> None:
    """Two valid messages one after the other are one message (case 52)."""
    assert (
        post(otlp, gzip.compress(body(2)) + gzip.compress(body(3)), content_encoding="gzip").status_code
        == 200
    )
    assert store.value("SELECT count() FROM otel_traces") == 5


def test_case_27_a_bomb_is_stopped_at_the_limit() -> None:
    bomb = gzip.compress(b"\0" * (512 * MIB), compresslevel=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    with pytest.raises(TooLargeError):
        decompress(bomb, "gzip", 32 * MIB)
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mib < 80
    assert time.perf_counter() - begun < 5


def test_case_27_a_zstd_bomb_is_stopped_at_the_limit() -> None:
    bomb = zstandard.ZstdCompressor().compress(b"\0" * (512 * MIB))
    assert len(bomb) < 64_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TooLargeError):
        decompress(bomb, "zstd", 32 * MIB)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 80


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "deflate", "identity"])
def test_case_28_the_limit_holds_after_decompression(store: Store, serve: Serve, encoding: str) -> None:
    content = request(span({"k": "v" * 5_000})).SerializeToString()
    exact = serve(receiver(store, limits=Limits(body_bytes=len(content))))
    assert post(exact, PACK[encoding](content), content_encoding=encoding).status_code == 200
    one_less = serve(receiver(store, limits=Limits(body_bytes=len(content) - 1)))
    refused = post(one_less, PACK[encoding](content), content_encoding=encoding)
    assert (refused.status_code, status_of(refused).code) == (413, code_pb2.RESOURCE_EXHAUSTED)


def test_case_29_responses_are_not_compressed_unasked(otlp: httpx.Client) -> None:
    for accepted in ("gzip", "identity"):
        response = post(otlp, b"{}", "application/json", accept_encoding=accepted)
        assert "content-encoding" not in response.headers


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    encoding=st.sampled_from(["gzip", "zstd"]),
    cut=st.integers(min_value=1, max_value=20),
)
def test_members_and_frames_add_up_and_a_cut_is_always_noticed(
    parts: list[bytes], encoding: str, cut: int
) -> None:
    packed = b"".join(PACK[encoding](part) for part in parts)
    grown: list[int] = []
    assert decompress(packed, encoding, 2_000, grown.append) == b"".join(parts)
    assert sum(grown) == sum(map(len, parts))
    last = len(PACK[encoding](parts[-1]))
    with pytest.raises(UncompressibleError):
        decompress(packed[: -min(cut, last - 1)], encoding, 2_000)
