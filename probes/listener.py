"""Takes HL7 v2 messages in over MLLP, and says AA for those that are on the disk.

One message at a time on a connection, as the protocol has it: a block between VT and FS CR, then its answer.
"""

from __future__ import annotations

import asyncio
import io
import logging
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from core.clock import Clock, SystemClock
from core.errors import CannotRunError, ConfigurationError
from probes.formats.contract import Source
from probes.formats.hl7v2 import header_of
from probes.mllp import MllpProbe
from probes.probe import ProbeError
from probes.spool import Entry, Spool, identity_of

START, END = b"\x0b", b"\x1c\r"
# How long stored messages wait for their probe at most.
SEAL_EVERY_S = 2.0
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What a sender is told, and why: A accepted, E the message is wrong, R not now, for reasons of our own."""

    code: str
    text: str = ""


class Taker:
    """Messages in, answers out. `spool` is where they are stored; safe between threads."""

    def __init__(self, probe: MllpProbe, spool: Spool, clock: Clock) -> None:
        self._probe, self._spool, self._clock = probe, spool, clock

    def take(self, content: bytes) -> bytes:
        """The acknowledgement of a message; empty when its sender wants none."""
        header = header_of(content, self._probe.format.encoding)
        answer = self._answer(content, header)
        return acknowledgement(answer, header, self._clock.now())

    def _answer(self, content: bytes, header: list[str]) -> Answer:
        if not header:
            return Answer("E", "this is no HL7 v2 message")
        if not _at(header, 10):
            return Answer("E", "MSH-10 is empty")
        try:
            entry = self._entry(content, header)
        except UnicodeError:
            return Answer("E", f"the message is not in {self._probe.format.encoding}")
        except ProbeError as error:
            return Answer(
                "E", "the message is too long" if error.code == "too_large" else "it cannot be read"
            )
        try:
            self._spool.put(entry)
        except OSError as error:
            # No fault of the message: its sender keeps it and tries again.
            log.error("probe %s: a message could not be stored (%s)", self._probe.name, type(error).__name__)
            return Answer("R", "the message could not be stored; send it again")
        return Answer("E", entry.refused) if entry.refused else Answer("A")

    def _entry(self, content: bytes, header: list[str]) -> Entry:
        columns = self._probe.columns
        batches = list(self._probe.format.read(Source(io.BytesIO(content), "of the message", columns)))
        identity = identity_of(_at(header, 3), _at(header, 4), _at(header, 10), content=content)
        wrong = [bad for batch in batches for bad in batch.bad_lines]
        if wrong:
            return Entry(identity, columns, refused=f"line {wrong[0].number}: {wrong[0].detail}")
        rows = [list(row.values()) for batch in batches for row in batch.records.to_pylist()]
        return Entry(identity, columns, rows)


def acknowledgement(answer: Answer, header: list[str], now: datetime) -> bytes:
    """The ACK for a message with this MSH (empty: none could be read), or nothing when none is wanted.

    With MSH-15 the sender asks for commit acknowledgements (CA, CE, CR), for some outcomes or none.
    """
    wanted = _at(header, 15).upper()
    if wanted == "NE" or (wanted == "ER" and answer.code == "A") or (wanted == "SU" and answer.code != "A"):
        return b""
    code = f"{'C' if wanted else 'A'}{answer.code}"
    sign = _at(header, 1) or "|"
    signs = _at(header, 2) or "^~\\&"
    trigger = _at(header, 9).split(signs[0])[1:2]
    stamp = now.strftime("%Y%m%d%H%M%S")
    kind = signs[0].join(["ACK", *trigger])
    head = ["MSH", signs, _at(header, 5), _at(header, 6), _at(header, 3), _at(header, 4), stamp, "", kind]
    head += [f"T{now.timestamp():.6f}".replace(".", ""), _at(header, 11) or "P", _at(header, 12) or "2.5"]
    said = ["MSA", code, _at(header, 10), answer.text]
    return f"{sign.join(head)}\r{sign.join(said).rstrip(sign)}\r".encode("utf-8", "replace")


def _at(header: list[str], field: int) -> str:
    return header[field] if field < len(header) else ""


@contextmanager
def listening(probe: MllpProbe, clock: Clock | None = None) -> Iterator[str]:
    """Takes messages in until the block ends; gives the address. Raises CannotRunError, ConfigurationError."""
    server = _Server(probe, clock or SystemClock())
    server.start()
    try:
        yield server.address
    finally:
        server.stop()


class _Server:
    def __init__(self, probe: MllpProbe, clock: Clock) -> None:
        self._probe, self._clock = probe, clock
        self._spool = Spool(probe.spool, clock, probe.keep)
        self._taker = Taker(probe, self._spool, clock)
        self._tls = _tls(probe)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._started = threading.Event()
        self._failed: OSError | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name=f"mllp {probe.name}", daemon=True)
        self.address = ""

    def start(self) -> None:
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S):
            raise CannotRunError(f"the listener of probe {self._probe.name} did not start")
        if self._failed is not None:
            self._spool.close()
            raise CannotRunError(
                f"{self._probe.listen} cannot be used ({self._failed.strerror}): stop what listens there, or change "
                f"'listen' of probe {self._probe.name}"
            )

    def stop(self) -> None:
        """Finishes the message each connection is at, and hands all of them to the probe."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(2 * STOP_TIMEOUT_S)
        self._spool.close()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            self._failed = error
        finally:
            self._started.set()
            self._loop.close()

    async def _serve(self) -> None:
        host, port = self._probe.listen.rsplit(":", 1)
        server = await asyncio.start_server(
            self._connected, host.strip("[]"), int(port), limit=self._probe.max_message_bytes, ssl=self._tls
        )
        found = server.sockets[0].getsockname()
        self.address = f"{host}:{found[1]}"
        self._started.set()
        while not self._stopping.is_set():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), SEAL_EVERY_S)
            await asyncio.to_thread(self._seal)
        server.close()
        if self._connections:
            _, late = await asyncio.wait(set(self._connections), timeout=STOP_TIMEOUT_S)
            for task in late:
                task.cancel()
        await asyncio.get_running_loop().shutdown_default_executor()

    def _seal(self) -> None:
        try:
            self._spool.seal()
        except OSError as error:
            log.error("probe %s: its spool cannot be written (%s)", self._probe.name, type(error).__name__)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= self._probe.max_connections:
            writer.close()
            return
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # who hangs up in the middle of a message has it still
        finally:
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                block = await self._next(reader)
            except asyncio.LimitOverrunError:
                await self._say(writer, self._refusal("the message is too long"))
                return
            if not block:
                return
            _, start, content = block.removesuffix(END).partition(START)
            if not start:
                await self._say(writer, self._refusal("a message begins with VT"))
                return
            answer = await asyncio.to_thread(self._taker.take, content)
            if answer:
                await self._say(writer, answer)

    async def _next(self, reader: asyncio.StreamReader) -> bytes:
        """The next block, or nothing when the sender is silent for too long or we are to stop."""
        block = asyncio.ensure_future(reader.readuntil(END))
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            idle = self._probe.idle.total_seconds()
            await asyncio.wait({block, stop}, timeout=idle, return_when=asyncio.FIRST_COMPLETED)
            return block.result() if block.done() else b""
        finally:
            block.cancel()
            stop.cancel()

    def _refusal(self, text: str) -> bytes:
        return acknowledgement(Answer("E", text), [], self._clock.now())

    async def _say(self, writer: asyncio.StreamWriter, answer: bytes) -> None:
        writer.write(START + answer + END)
        await asyncio.wait_for(writer.drain(), self._probe.timeouts.read.total_seconds())


def _tls(probe: MllpProbe) -> ssl.SSLContext | None:
    if probe.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(probe.tls.cert_file, probe.tls.key_file)
        if probe.tls.client_ca_file:
            context.load_verify_locations(probe.tls.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise ConfigurationError(
            f"tls of probe {probe.name}: the certificate cannot be used ({type(error).__name__})"
        ) from None
    return context
