"""An acknowledged request is there exactly once, whatever dies (cases 39, 115 and 117)."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from otlp_bodies import START_NS, post, request, span

PROGRAM = Path(__file__).parent / "receiver_process.py"
ROOT = Path(__file__).parents[2]
SENDERS = 6
DAY_NS = 86_400 * 1_000_000_000
Sent = dict[bytes, list[str]]


def start(action: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), action, str(folder)], stdout=subprocess.PIPE, text=True, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@contextmanager
def receiving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    process = start("serve", folder)
    try:
        assert process.stdout
        port = int(process.stdout.readline())
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
            yield process, client
    finally:
        process.kill()
        process.wait()


def held(folder: Path) -> dict[str, int]:
    """How often each span is stored."""
    output, _ = start("rows", folder).communicate(timeout=60)
    return {row[0]: int(row[1]) for row in csv.reader(output.splitlines())}


def new_body(count: int) -> tuple[bytes, list[str]]:
    """Spans of three days: an insert of them is three parts, between which a process can die."""
    spans = [span({"n": n}, start_time_unix_nano=START_NS + n % 3 * DAY_NS) for n in range(count)]
    return request(*spans).SerializeToString(), [made.span_id.hex() for made in spans]


def send_until_it_dies(client: httpx.Client, acked: Sent) -> tuple[bytes, list[str]]:
    """Sends fresh bodies one after the other; gives the one that was not answered."""
    while True:
        content, ids = new_body(20)
        try:
            response = post(client, content)
        except httpx.HTTPError:
            return content, ids
        assert response.status_code == 200
        acked[content] = ids


def send_from_many_until_it_dies(client: httpx.Client, acked: Sent) -> list[tuple[bytes, list[str]]]:
    """What each of some senders got no answer to."""
    with ThreadPoolExecutor(SENDERS) as pool:
        return list(pool.map(lambda _: send_until_it_dies(client, acked), range(SENDERS)))


@pytest.mark.slow
def test_case_117_killed_at_any_moment_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    acked: Sent = {}
    in_doubt: list[tuple[bytes, list[str]]] = []
    moments = random.Random(4)
    for _ in range(3):
        with receiving(tmp_path) as (process, client):
            send_again(client, in_doubt, acked)
            killer = threading.Timer(moments.uniform(0.2, 0.6), process.send_signal, [signal.SIGKILL])
            killer.start()
            in_doubt = send_from_many_until_it_dies(client, acked)
            killer.join()
    with receiving(tmp_path) as (_, client):
        send_again(client, in_doubt, acked)
        send_again(client, list(acked.items())[-5:], acked)
    ids = [one for ids in acked.values() for one in ids]
    assert held(tmp_path) == dict.fromkeys(ids, 1)
    assert len(ids) > 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "tmp"], (
        "the working folder stays clean"
    )


def send_again(client: httpx.Client, bodies: list[tuple[bytes, list[str]]], acked: Sent) -> None:
    """As a sender does that got no answer, in another order and so in other groups; put off, it tries again."""
    for content, ids in reversed(bodies):
        answer = post(client, content)
        for _ in range(20):
            if answer.status_code != 503:
                break
            assert answer.headers["retry-after"]
            time.sleep(0.5)
            answer = post(client, content)
        assert answer.status_code == 200
        acked[content] = ids


def test_case_39_told_to_end_the_receiver_finishes_what_it_has_begun(tmp_path: Path) -> None:
    with receiving(tmp_path) as (process, client):
        acked: Sent = {}
        stopper = threading.Timer(0.3, process.terminate)
        stopper.start()
        in_doubt = send_until_it_dies(client, acked)
        stopper.join()
        assert process.wait(timeout=20) in (0, -signal.SIGTERM)
    stored = held(tmp_path)
    acked_ids = [one for ids in acked.values() for one in ids]
    assert {one: stored.get(one) for one in acked_ids} == dict.fromkeys(acked_ids, 1)
    assert {stored.get(one, 0) for one in in_doubt[1]} in ({0}, {1})


@pytest.mark.slow
def test_requests_do_not_stay_behind_in_the_temporary_folder(tmp_path: Path) -> None:
    with receiving(tmp_path) as (_, client):
        assert post(client, request(span({"k": "MRN-4711"})).SerializeToString()).status_code == 200
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == []
