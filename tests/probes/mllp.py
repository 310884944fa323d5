"""A listener to be killed (`python -m tests.probes.mllp FOLDER ADDRESS`), and a sender that nobody here wrote."""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hl7
from hl7.mllp import open_hl7_connection

from probes.listener import listening
from probes.mllp import MllpProbe

CHARGE = (
    "MSH|^~\\&|LAB|HOSP|TIEOUT|US|20261119083000||DFT^P03|{id}|P|2.5\r"
    "PID|1||4711||Canary^Jane\rPV1|1|I|||||||||||||||||V{id}\rFT1|1|||20261119|||C1||||{amount}|\r"
)


def probe_at(folder: Path, listen: str = "127.0.0.1:0", **keys: Any) -> MllpProbe:
    state = {"type": "invoice", "key": "PV1-19", "fields": {"code": "FT1-7"}}
    state |= {"amount": {"column": "FT1-11", "currency": "USD"}, "valid_from": "time(MSH-7)"}
    common = {
        "name": "charges",
        "kind": "mllp",
        "title": "C",
        "workflow": "payables",
        "system": "lab",
        "object": state,
    }
    return MllpProbe.model_validate(common | {"listen": listen, "spool": folder} | keys)


def message(number: int | str, amount: str = "10.50") -> str:
    return CHARGE.format(id=number, amount=amount)


async def _exchange(
    address: str, messages: Sequence[str | bytes], tls: ssl.SSLContext | None
) -> list[list[str]]:
    host, port = address.rsplit(":", 1)
    options: dict[str, Any] = {"ssl": tls, "server_hostname": "localhost"} if tls else {}
    reader, writer = await open_hl7_connection(host, int(port), limit=1 << 20, **options)
    answers = []
    try:
        for content in messages:
            if isinstance(content, bytes):
                writer.writeblock(content)
            else:
                writer.writemessage(hl7.parse(content))
            await writer.drain()
            answer = await asyncio.wait_for(reader.readmessage(), 20)
            msa = answer.segment("MSA")
            answers.append([str(field) for field in msa][1:])
    finally:
        writer.close()
    return answers


def send(address: str, *messages: str | bytes, tls: ssl.SSLContext | None = None) -> list[list[str]]:
    """The MSA of each answer: code, control id, text."""
    return asyncio.run(_exchange(address, messages, tls))


if __name__ == "__main__":
    with listening(probe_at(Path(sys.argv[1]), sys.argv[2])) as listens_at:
        sys.stdout.write(f"{listens_at}\n")
        sys.stdout.flush()
        time.sleep(600)
