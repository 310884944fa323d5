"""Requests that are damaged where it hurts: field by field, as the schema says where the fields are."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from otlp_send import varint

Field = tuple[int, int, bytes]
HUGE = (1 << 64) - 1
_SIZES = {1: 8, 5: 4}


def fields_of(content: bytes) -> list[Field]:
    """Number, wire type and payload of the fields of a valid message."""
    found, at = [], 0
    while at < len(content):
        tag, at = _read_varint(content, at)
        kind = tag & 7
        if kind == 0:
            end = _read_varint(content, at)[1]
        elif kind == 2:
            size, at = _read_varint(content, at)
            end = at + size
        else:
            end = at + _SIZES[kind]
        found.append((tag >> 3, kind, content[at:end]))
        at = end
    return found


def _read_varint(content: bytes, at: int) -> tuple[int, int]:
    """The number that stands at `at`, and where it ends."""
    value = shift = 0
    while True:
        value |= (content[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not content[at - 1] & 0x80:
            return value, at


def written(fields: list[Field]) -> bytes:
    return b"".join(one(*field) for field in fields)


def one(number: int, kind: int, payload: bytes) -> bytes:
    size = varint(len(payload)) if kind == 2 else b""
    return varint(number << 3 | kind) + size + payload


def mutated(content: bytes, schema: Descriptor, chance: random.Random) -> bytes:
    """One field somewhere inside is not what it was."""
    fields = fields_of(content)
    if not fields:
        return content + chance.randbytes(3)
    place = chance.randrange(len(fields))
    number, kind, payload = fields[place]
    inner = _inner(schema, number)
    if inner is not None and kind == 2 and payload and chance.random() < 0.85:
        changed = one(number, 2, mutated(payload, inner, chance))
    else:
        changed = chance.choice(WIRE)(number, kind, payload, chance)
    return written(fields[:place]) + changed + written(fields[place + 1 :])


def _inner(schema: Descriptor, number: int) -> Descriptor | None:
    field = schema.fields_by_number.get(number)
    return field.message_type if field is not None else None


Mutation = Callable[[int, int, bytes, random.Random], bytes]
# ruff: noqa: ARG005 - all take the same
WIRE: tuple[Mutation, ...] = (
    lambda n, k, p, r: one(n, r.randrange(8), p),
    lambda n, k, p, r: one(r.choice([0, 1, 2, 3, 9, 15, 1000, 2000, (1 << 29) - 1]), k, p),
    lambda n, k, p, r: varint(n << 3 | 2) + varint(max(0, len(p) + r.choice([-1, 1, 7, 1 << 31, HUGE >> 1]))) + p,
    lambda n, k, p, r: one(n, k, p) * r.choice([0, 2, 3, 2000]),
    lambda n, k, p, r: one(n, 2, r.randbytes(r.randrange(20))),
    lambda n, k, p, r: one(n, 2, b""),
    lambda n, k, p, r: varint(n << 3) + varint(r.choice([0, 1, 99, 1 << 31, 1 << 63, HUGE])),
    lambda n, k, p, r: varint(n << 3) + b"\xff" * r.choice([9, 10, 11]) + b"\x01",
    lambda n, k, p, r: one(n, 2, b"\xff\xfe\xc0" + p),
    lambda n, k, p, r: one(n, k, p) + one(1, 2, nested_value(r.choice([10, 40, 60, 1000]))),
    lambda n, k, p, r: varint(n << 3 | 3) + p + varint(n << 3 | 4),
    lambda n, k, p, r: varint(n << 3 | 3) + p,
    lambda n, k, p, r: one(n, 1, r.randbytes(8)) + one(n, 5, r.randbytes(4)),
)  # fmt: skip


def nested_value(levels: int) -> bytes:
    """An attribute whose value is a list in a list, and so on."""
    value = one(1, 2, b"x")
    for _ in range(levels):
        value = one(5, 2, one(1, 2, value))
    return one(1, 2, b"deep") + one(2, 2, value)


def odd(message: Message, chance: random.Random) -> None:
    """Gives one field somewhere inside a value that a sender could set by mistake; it stays a valid message."""
    options = [field for field in message.DESCRIPTOR.fields if not field.name.endswith("strindex")]
    field = chance.choice(options)
    inside = [
        part
        for other, value in message.ListFields()
        if other.message_type is not None
        for part in (value if other.is_repeated else [value])
    ]
    if inside and chance.random() < 0.85:
        odd(chance.choice(inside), chance)
    elif field.message_type is not None:
        getattr(message, field.name).add() if field.is_repeated else getattr(
            message, field.name
        ).SetInParent()
    elif field.is_repeated:
        getattr(message, field.name).extend([_odd_value(field, chance)] * chance.choice([1, 3]))
    else:
        setattr(message, field.name, _odd_value(field, chance))


def _odd_value(field: FieldDescriptor, chance: random.Random) -> Any:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return chance.randbytes(chance.choice([0, 1, 7, 8, 9, 15, 16, 17, 32]))
    if field.type == FieldDescriptor.TYPE_STRING:
        return chance.choice(
            ["", "x" * 5000, "\x00\x1b", "\U0001f600\u202e", "'; DROP TABLE x --", '{"a":1}']
        )
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return chance.choice([0.0, -0.0, 1e308, 5e-324, float("inf"), float("-inf"), float("nan")])
    if field.type == FieldDescriptor.TYPE_BOOL:
        return chance.random() < 0.5
    signed = field.type not in (
        FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64,
        FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32,
    )  # fmt: skip
    wide = field.type in (
        FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_SFIXED64, FieldDescriptor.TYPE_SINT64,
    )  # fmt: skip
    most = (1 << (64 if wide else 32) - signed) - 1
    return chance.choice([0, 1, 7, 99, most, most // 2, -most - 1 if signed else 2])


def json_mutated(content: bytes, chance: random.Random) -> bytes:
    """One place of the document is not what it was, or is there twice."""
    text = json.dumps(_json_changed(json.loads(content), chance))
    for mark, by in TEXTS.items():
        text = text.replace(f'"{mark}"', by)
    return text.encode()


TEXTS = {
    "@deep": "[" * 3000 + "]" * 3000, "@huge": "1e999", "@long": "9" * 400, "@nan": "NaN",
    "@twice": '{"key": "a", "key": "b"}', "@surrogate": '"\\ud800"', "@open": "[",
}  # fmt: skip


def _json_changed(node: Any, chance: random.Random) -> Any:
    if isinstance(node, dict) and node and chance.random() < 0.85:
        key = chance.choice(list(node))
        if chance.random() < 0.1:
            return {
                **{k: v for k, v in node.items() if k != key},
                chance.choice(["", key.upper(), "x_y"]): node[key],
            }
        return {**node, key: _json_changed(node[key], chance)}
    if isinstance(node, list) and node and chance.random() < 0.85:
        place = chance.randrange(len(node))
        return [*node[:place], _json_changed(node[place], chance), *node[place + 1 :]]
    return chance.choice(
        [None, [], {}, "", "x", -1, 1.5, 1 << 64, True, [[]], [None], {"": {}}, [node] * 300, *TEXTS_MARKS]
    )


TEXTS_MARKS = tuple(TEXTS)
