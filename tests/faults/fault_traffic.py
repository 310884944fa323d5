"""Senders that never give up: what is not answered, or put off, is sent again later, in other company."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import fault_bodies
import grpc
import httpx
from fault_bodies import Body
from fault_site import Site
from otlp_grpc import channel_to, export, retry_after_s
from otlp_send import JSON, PROTOBUF

from collector.signals import Signal

METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
# A sender that waited as long as senders do would make a test of minutes.
PAUSE_S = 0.02
# While nobody answers, senders try again what they have rather than make more of it.
MOST_OPEN = 60
QUICKLY = {
    "initial_reconnect_backoff_ms": 100,
    "min_reconnect_backoff_ms": 100,
    "max_reconnect_backoff_ms": 200,
}


@dataclass(frozen=True)
class Answer:
    """What came back: acknowledged, put off, nothing, or `refused` for good; `code` as HTTP or gRPC say it."""

    what: str
    code: str = ""
    wait_s: int | None = None
    took_s: float = 0.0


class Line:
    """One sender's own connections."""

    def __init__(self, site: Site, timeout_s: float = 60) -> None:
        self._site, self._timeout_s = site, timeout_s

    def __enter__(self) -> Line:
        self._http = httpx.Client(base_url=self._site.url, trust_env=False, timeout=self._timeout_s)
        self._channel_context = channel_to(self._site.ports["otlp_grpc"], **QUICKLY)
        self._channel = self._channel_context.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._channel_context.__exit__(None, None, None)

    def send(self, signal: Signal, way: str, content: bytes, **headers: str) -> Answer:
        began = time.monotonic()
        answer = self._grpc(signal, content) if way == "grpc" else self._post(signal, way, content, headers)
        return Answer(answer.what, answer.code, answer.wait_s, time.monotonic() - began)

    def _post(self, signal: Signal, way: str, content: bytes, headers: dict[str, str]) -> Answer:
        named = {"content-type": JSON if way == "json" else PROTOBUF}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            response = self._http.post(f"/v1/{signal.name}", content=content, headers=named)
        except httpx.HTTPError:
            return Answer("nothing")
        if response.status_code == 200:
            return Answer("acknowledged", "200")
        if response.status_code == 503:
            return Answer("put off", "503", int(response.headers["retry-after"]))
        return Answer("refused", str(response.status_code))

    def _grpc(self, signal: Signal, content: bytes) -> Answer:
        try:
            export(self._channel, content, METHODS[signal.name], timeout=self._timeout_s)
        except grpc.RpcError as error:
            return self._of_error(error)
        return Answer("acknowledged", "OK")

    @staticmethod
    def _of_error(error: grpc.RpcError) -> Answer:
        code = error.code()
        if code is grpc.StatusCode.UNAVAILABLE and any(
            key == "grpc-status-details-bin" for key, _ in error.trailing_metadata() or ()
        ):
            return Answer("put off", code.name, retry_after_s(error))
        # What the library itself says when nobody answers.
        gone = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)
        return Answer("nothing" if code in gone else "refused", code.name)


@dataclass
class Ledger:
    """What became of every body, as the senders know it. Safe between threads."""

    acked: list[Body] = field(default_factory=list)
    open: list[Body] = field(default_factory=list)
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    waits: set[int | None] = field(default_factory=set)
    slowest_s: float = 0.0
    fastest_ack_s: float = float("inf")
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take_open(self, chance: random.Random) -> Body | None:
        with self.lock:
            return self.open.pop(chance.randrange(len(self.open))) if self.open else None

    def note(self, body: Body, answer: Answer) -> None:
        with self.lock:
            self.answers[answer.what, answer.code] += 1
            self.slowest_s = max(self.slowest_s, answer.took_s)
            if answer.what == "acknowledged":
                self.fastest_ack_s = min(self.fastest_ack_s, answer.took_s)
                self.acked.append(body)
                return
            if answer.what == "put off":
                self.waits.add(answer.wait_s)
            self.open.append(body)

    @property
    def acknowledged(self) -> int:
        return len(self.acked)

    def count(self, what: str) -> int:
        """Answers of this kind."""
        with self.lock:
            return sum(times for (kind, _), times in self.answers.items() if kind == what)


class Traffic:
    """Senders of all signals over all ways, on threads of their own, until `settle`."""

    def __init__(
        self,
        site: Site,
        seed: int,
        *,
        each: int = 1,
        make: Callable[..., Body] = fault_bodies.new_body,
        items: int = 12,
        padding: int = 0,
        of: Sequence[tuple[Signal, fault_bodies.Way]] = (),
    ) -> None:
        """`each`: senders of each signal over each way. `of`: only these."""
        self.site = site
        self.ledger = Ledger()
        self._make, self._items, self._padding = make, items, padding
        self._fresh = True
        self._settling = threading.Event()
        self._given_up = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(signal, way, random.Random(f"{seed} {number} {turn}")))
            for turn in range(each)
            for number, (signal, way) in enumerate(of or fault_bodies.combinations())
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_for(self, more: int, what: str = "acknowledgements") -> None:
        """Until so many more bodies were acknowledged."""
        target = self.ledger.acknowledged + more
        self.site.wait_until(lambda: self.ledger.acknowledged >= target, what)

    def settle(self, timeout_s: float = 60) -> None:
        """No new bodies; ends when all that there are were acknowledged."""
        self._settling.set()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        left = [thread for thread in self._threads if thread.is_alive()]
        self.give_up()
        assert not left, f"{len(self.ledger.open)} bodies were not taken in time: {self.ledger.answers}"

    def give_up(self) -> None:
        """Ends the senders; what is open stays open."""
        self._given_up.set()
        for thread in self._threads:
            thread.join()

    def send_again(self, bodies: Sequence[Body], chance: random.Random) -> None:
        """All of them once more, several at a time and in another order, as when their answers had been lost."""
        again = Traffic(self.site, 0)
        again.ledger.open = chance.sample(list(bodies), len(bodies))
        again._settling.set()
        again.start()
        again.settle()
        self.ledger.answers.update(again.ledger.answers)

    def check(self) -> None:
        """The oracle, and that a fresh request of every kind is taken."""
        chance = random.Random(1)
        with Line(self.site) as line:
            for signal, way in fault_bodies.combinations():
                body = fault_bodies.new_body(signal, way, chance)
                answer = line.send(signal, way, body.content)
                for _ in range(20):
                    # What was put off before is still being cleared away.
                    if answer.what not in ("put off", "nothing"):
                        break
                    time.sleep(0.2)
                    answer = line.send(signal, way, body.content)
                assert answer.what == "acknowledged", f"a fresh request: {answer}, {self.site.said()}"
                self.ledger.acked.append(body)
        with self.site.store() as store:
            fault_bodies.check(store, self.ledger.acked, self.ledger.open)
        assert self.ledger.count("refused") == 0, self.ledger.answers

    def _send(self, signal: Signal, way: fault_bodies.Way, chance: random.Random) -> None:
        with Line(self.site) as line:
            while not self._given_up.is_set():
                body = self._next(signal, way, chance)
                if body is None:
                    if self._settling.is_set():
                        return
                    continue
                answer = line.send(body.signal, body.way, body.content)
                self.ledger.note(body, answer)
                if answer.what != "acknowledged":
                    self._given_up.wait(PAUSE_S)

    def _next(self, signal: Signal, way: fault_bodies.Way, chance: random.Random) -> Body | None:
        """An open one of anybody rather than a fresh one, half of the time."""
        if self._settling.is_set() or len(self.ledger.open) > MOST_OPEN or chance.random() < 0.5:
            body = self.ledger.take_open(chance)
            if body is not None or self._settling.is_set():
                return body
        return self._make(signal, way, chance, self._items, self._padding)


@contextmanager
def traffic(site: Site, seed: int, **options: object) -> Iterator[Traffic]:
    """Traffic that ends with the block, whatever happens in it."""
    made = Traffic(site, seed, **options)  # type: ignore[arg-type]
    made.start()
    try:
        yield made
    finally:
        made.give_up()
