"""Damaged requests of all signals over all transports: never an error of ours, never an end, the same answer everywhere."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import grpc
import httpx
import pytest
from fault_bodies import MAKERS
from fault_fuzz import json_mutated, mutated, odd
from fault_site import Site
from fault_traffic import METHODS
from otlp_bodies import START_NS, status_of
from otlp_grpc import channel_to, export
from otlp_grpc import status_of as grpc_status_of
from otlp_random import as_json
from otlp_send import JSON, PROTOBUF, outcome, send, varint

from collector.signals import LOGS, SIGNALS, Signal
from store.client import Store

pytestmark = pytest.mark.slow
HTTP_OF = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 413,
    grpc.StatusCode.UNAVAILABLE: 503,
}
# HTTP status, items set aside, message.
Said = tuple[int, int, str]


class Desk:
    """One sender's connections, which give the whole answer."""

    def __init__(self, client: httpx.Client, channel: grpc.Channel) -> None:
        self._client, self._channel = client, channel

    def post(self, signal: Signal, content: bytes, media_type: str = PROTOBUF) -> Said:
        response = send(self._client, signal, content, media_type)
        if response.status_code == 200:
            return 200, *outcome(signal, response)
        return response.status_code, 0, status_of(response).message

    def call(self, signal: Signal, content: bytes) -> Said:
        answer: Any = signal.response()
        try:
            answer.MergeFromString(export(self._channel, content, METHODS[signal.name]))
        except grpc.RpcError as error:
            return HTTP_OF[error.code()], 0, grpc_status_of(error).message
        found = answer.partial_success
        return 200, getattr(found, signal.rejected_field), found.error_message


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    return new_site()


def valid(signal: Signal, chance: random.Random) -> Any:
    """A small request with something of everything."""
    items = [
        ({"n": n, "list": ["a"], "map": {"k": [1, None]}}, START_NS + chance.randrange(99)) for n in range(5)
    ]
    return MAKERS[signal.name](items)


def numbered(content: bytes, number: int) -> bytes:
    """The same request in other bytes: an unknown field of its own, which nobody keeps."""
    return varint(1500 << 3) + varint(number) + content


def rows_by_request(store: Store, signal: Signal) -> dict[tuple[str, str], list[int]]:
    """By table and request what is there, but for its id and when it came: the time of a record without one, too."""
    time = "REPLACE (if(Timestamp > known_at - 600, 0, Timestamp) AS Timestamp)" if signal is LOGS else ""
    return {
        (table, row["request_id"]): row["hashes"]
        for table in signal.targets
        for row in store.rows(
            "SELECT request_id, arraySort(groupArray(hash)) AS hashes FROM ("
            f"SELECT request_id, cityHash64(tuple(* EXCEPT (known_at, request_id) {time})) AS hash FROM {table}"
            ") GROUP BY request_id"
        )
    }


def check_rows(store: Store, signal: Signal, same: dict[int, tuple[bytes, ...]]) -> None:
    """Each of these bodies has become the same rows."""
    found = rows_by_request(store, signal)
    for seed, bodies in same.items():
        ids = [hashlib.sha256(body).hexdigest()[:32] for body in bodies]
        rows = [[found.get((table, one), []) for table in signal.targets] for one in ids]
        assert all(some == rows[0] for some in rows), f"seed {seed}"
    assert found


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_case_119_damaged_requests_are_answered_alike_and_never_with_an_error_of_ours(
    site: Site, signal: Signal, rounds: Callable[[int], int]
) -> None:
    seen: Counter[int] = Counter()
    with (
        httpx.Client(base_url=site.url, trust_env=False, timeout=60) as client,
        channel_to(site.ports["otlp_grpc"]) as channel,
        site.store() as store,
    ):
        desk = Desk(client, channel)
        sent: dict[int, tuple[bytes, ...]] = {}
        for seed in range(rounds(25)):
            chance = random.Random(seed)
            content = valid(signal, chance).SerializeToString()
            for _ in range(chance.choice([1, 1, 2])):
                try:
                    content = mutated(content, signal.request.DESCRIPTOR, chance)
                except (IndexError, KeyError):
                    break  # a second change needs a message that can still be read
            bodies = numbered(content, 1), numbered(content, 2)
            said = desk.post(signal, bodies[0])
            assert said[0] in (200, 400, 413), f"seed {seed}"
            assert desk.call(signal, bodies[1]) == said, f"seed {seed}"
            sent[seed] = bodies
            seen[said[0]] += 1
        check_rows(store, signal, sent)
        assert min(seen[200], seen[400]) > 5, "some were taken and some refused"
        assert desk.post(signal, valid(signal, random.Random(0)).SerializeToString())[:2] == (200, 0)


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_case_119_odd_values_are_answered_and_stored_alike_in_protobuf_json_and_over_grpc(
    site: Site, signal: Signal, rounds: Callable[[int], int]
) -> None:
    with (
        httpx.Client(base_url=site.url, trust_env=False, timeout=60) as client,
        channel_to(site.ports["otlp_grpc"]) as channel,
        site.store() as store,
    ):
        desk = Desk(client, channel)
        sent: dict[int, tuple[bytes, ...]] = {}
        for seed in range(rounds(25)):
            chance = random.Random(seed)
            message = valid(signal, chance)
            for _ in range(4):
                odd(message, chance)
            content = message.SerializeToString()
            bodies = numbered(content, 1), numbered(content, 2), as_json(message)
            said = desk.post(signal, bodies[0])
            assert said[0] in (200, 400), f"seed {seed}"
            assert desk.call(signal, bodies[1]) == said, f"seed {seed}"
            # A refusal of JSON names the field, which protobuf cannot.
            assert desk.post(signal, bodies[2], JSON)[:2] == said[:2], f"seed {seed}"
            sent[seed] = bodies
        check_rows(store, signal, sent)


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_damaged_json_is_taken_or_refused_and_never_an_error_of_ours(
    site: Site, signal: Signal, rounds: Callable[[int], int]
) -> None:
    seen: Counter[int] = Counter()
    with httpx.Client(base_url=site.url, trust_env=False, timeout=60) as client:
        for seed in range(rounds(60)):
            chance = random.Random(seed)
            content = json_mutated(as_json(valid(signal, chance)), chance)
            response = send(client, signal, content, JSON)
            assert response.status_code in (200, 400), f"seed {seed}"
            seen[response.status_code] += 1
    assert min(seen[200], seen[400]) > 5, "some were taken and some refused"
    assert site.alive()
