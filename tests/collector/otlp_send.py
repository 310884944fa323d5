"""Sends requests of any signal and reads the answers."""

from __future__ import annotations

from typing import Any

import httpx
from google.protobuf import json_format
from google.protobuf.message import Message

from collector.signals import Signal

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


def send(
    client: httpx.Client, signal: Signal, content: bytes | Message, media_type: str = PROTOBUF
) -> httpx.Response:
    """Posts a body, or a message as protobuf, to the path of the signal."""
    body = content.SerializeToString() if isinstance(content, Message) else content
    return client.post(f"/v1/{signal.name}", content=body, headers={"content-type": media_type})


def outcome(signal: Signal, response: httpx.Response) -> tuple[int, str]:
    """Items set aside and the message of an answer to a request that was taken."""
    assert response.status_code == 200, response.content
    assert response.headers["content-type"] in (JSON, PROTOBUF)
    answer: Any = signal.response()
    if response.headers["content-type"] == JSON:
        json_format.Parse(response.content, answer)
    else:
        answer.MergeFromString(response.content)
    found = answer.partial_success
    return getattr(found, signal.rejected_field), found.error_message


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field on the wire, for contents below 16 KB."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def exact(value: Any) -> Any:
    """Doubles as hexadecimal text, so that every bit is compared and NaN equals itself."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, list | tuple):
        return [exact(item) for item in value]
    return {key: exact(item) for key, item in value.items()} if isinstance(value, dict) else value
