"""Senders that do harm: bombs, hundreds of connections that never finish, a request that cannot be stored."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import zstandard
from fault_library import Faults
from fault_site import Site
from fault_traffic import traffic
from otlp_grpc import channel_to, refused
from otlp_send import JSON, PROTOBUF, field, send

from collector.signals import SIGNALS, TRACES

pytestmark = pytest.mark.slow
MB = 1 << 20
PLAIN = bytes(1024 * MB)
# A span whose attributes are a number: the engine alone finds that this is no request.
POISON = field(1, field(2, field(2, b"\x48\x01")))


def bombs() -> dict[str, tuple[str, bytes]]:
    """Some kilobytes to a megabyte each that stand for a gigabyte."""
    member = gzip.compress(PLAIN[: 32 * MB])
    return {
        "gzip": ("gzip", gzip.compress(PLAIN, 1)),
        "many members": ("gzip", member * 32),
        "zstd": ("zstd", zstandard.compress(PLAIN)),
        "many frames": ("zstd", zstandard.compress(PLAIN[: 32 * MB]) * 32),
    }


def test_bombs_are_refused_in_bounded_memory_while_good_senders_go_on(new_site: Callable[..., Site]) -> None:
    site, made = new_site(), bombs()
    with (
        traffic(site, seed=10) as senders,
        httpx.Client(base_url=site.url, trust_env=False, timeout=60) as client,
    ):
        senders.wait_for(10)
        usual = most = site.rss_bytes()
        for signal in SIGNALS:
            for name, (encoding, body) in made.items():
                headers = {"content-type": JSON if name == "gzip" else PROTOBUF, "content-encoding": encoding}
                answer = client.post(f"/v1/{signal.name}", content=body, headers=headers)
                assert answer.status_code == 413, f"{signal.name}, {name}"
                most = max(most, site.rss_bytes())
        senders.wait_for(10)
        senders.settle()
        senders.check()
    assert most - usual < 800 * MB


@contextmanager
def slow_connections(site: Site, count: int) -> Iterator[list[socket.socket]]:
    """Half of them stop in the headers, half in the body, over HTTP; some more are silent where gRPC is served."""
    head = b"POST /v1/traces HTTP/1.1\r\nhost: t\r\ncontent-type: application/x-protobuf\r\n"
    with ExitStack() as stack:
        made = []
        for number in range(count):
            port = site.ports["otlp_grpc" if number % 5 == 4 else "otlp"]
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            if number % 5 != 4:
                sock.sendall(head if number % 2 else head + b"content-length: 1000\r\n\r\n" + b"\x0a")
            made.append(sock)
        yield made


def test_a_hundred_connections_that_never_finish_do_not_keep_good_senders_waiting(
    new_site: Callable[..., Site],
) -> None:
    site = new_site()
    with traffic(site, seed=11) as senders:
        senders.wait_for(10)
        with slow_connections(site, 100) as slow:
            for _ in range(5):
                for sock in slow[1::10]:
                    sock.sendall(b"x")
                senders.wait_for(10)
        senders.settle()
        senders.check()


def test_a_request_that_cannot_be_stored_is_refused_alone_and_the_others_of_its_group_are_taken(
    new_site: Callable[..., Site], faults: Faults
) -> None:
    """Slow fsyncs let requests gather behind it."""
    site = new_site(environment=faults.environment)
    faults.set("sync_delay_us", 20_000)
    with (
        traffic(site, seed=12, each=2, of=[(TRACES, "protobuf"), (TRACES, "grpc")]) as senders,
        httpx.Client(base_url=site.url, trust_env=False, timeout=60) as client,
        channel_to(site.ports["otlp_grpc"]) as channel,
    ):
        for _ in range(3):
            senders.wait_for(3)
            began = time.monotonic()
            answer = send(client, TRACES, POISON)
            assert answer.status_code == 400
            assert refused(channel, POISON).code().value[0] == 3, "INVALID_ARGUMENT"
            assert time.monotonic() - began < 30
        faults.set("sync_delay_us", 0)
        senders.settle()
        senders.check()
    with site.store() as store:
        letters = store.rows("SELECT signal, reason, count() AS letters FROM dead_letters GROUP BY ALL")
        assert letters == [{"signal": "traces", "reason": "undecodable", "letters": 6}]
