"""A receiver with a privacy policy that is killed in the middle of requests leaves nothing in clear behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from otlp_bodies import request, span
from otlp_send import send
from privacy_corpus import IDENTIFIERS, KEY, KEY_ENV, TOKEN, files_with, filled, found_in, needles

from collector.signals import SIGNALS

PROGRAM = Path(__file__).parent / "receiver_process.py"
ROOT = Path(__file__).parents[2]
SENDERS = 4


def start(action: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), action, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), KEY_ENV: KEY},
    )  # fmt: skip


@contextmanager
def receiving(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    process = start("serve-private", folder)
    try:
        assert process.stdout
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def send_until_it_dies(port: int, seed: int) -> None:
    """Requests of all signals; large ones, so that the end comes in the middle of one."""
    choose = random.Random(seed)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
        for number in range(10_000):
            kind = choose.choice(SIGNALS)
            body = kind.request()
            for identifier in IDENTIFIERS.values():
                body.MergeFrom(filled(kind.request, identifier, set(), nested=number % 3 == 0))
            try:
                send(client, kind, body)
            except httpx.HTTPError:
                return


@pytest.mark.slow
def test_killed_in_the_middle_of_requests_it_leaves_no_identifier_and_no_key(tmp_path: Path) -> None:
    moments = random.Random(7)
    for _ in range(3):
        with receiving(tmp_path) as (process, port):
            killer = threading.Timer(moments.uniform(0.8, 1.6), process.send_signal, [signal.SIGKILL])
            killer.start()
            senders = [threading.Thread(target=send_until_it_dies, args=(port, n)) for n in range(SENDERS)]
            for one in senders:
                one.start()
            for one in [*senders, killer]:
                one.join()
        texts = [text for identifier in IDENTIFIERS.values() for text in needles(identifier)]
        assert files_with(tmp_path, [*texts, KEY]) == []
    with start("everything", tmp_path) as process:
        output, _ = process.communicate(timeout=120)
    held = output.decode("utf-8", "replace")
    assert f'"{TOKEN}":"k1:' in held, "there is something to search in"
    assert found_in(held) == []
    assert KEY not in held


@pytest.mark.slow
def test_what_was_answered_before_the_end_is_there(tmp_path: Path) -> None:
    with receiving(tmp_path) as (process, port):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
            sent = span({"kept.a": "kept value", TOKEN: "4711"})
            assert send(client, SIGNALS[0], request(sent)).status_code == 200
        process.kill()
    with start("everything", tmp_path) as process:
        output, _ = process.communicate(timeout=120)
    assert sent.span_id.hex() in output.decode()
    assert "kept value" in output.decode()


def test_the_process_leaves_no_core_dumps(tmp_path: Path) -> None:
    with receiving(tmp_path) as (process, _):
        limits = Path(f"/proc/{process.pid}/limits").read_text()
    [line] = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]
