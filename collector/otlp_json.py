"""OTLP in JSON → the protobuf message it stands for. Strict where a guess could lose or change data.

Follows the protobuf JSON mapping with OTLP's exceptions: ids in hex, field names in lowerCamelCase, unknown
fields ignored. Where the specification leaves room: the last of two equal keys counts; snake_case names and
names of enum values are taken and the sender is told; two members of one `oneof`, exponents in integers and
integers beyond 64 bits are refused.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from collector.refusals import UndecodableError

# Levels of messages that protobuf parsers accept; JSON gets the same limit.
MAX_LEVELS = 100
HEX_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id"})
# One byte is no valid id, so the span is set aside like one with a damaged id in protobuf.
DAMAGED_ID = b"\x00"
SNAKE_CASE = "field names in snake_case were read; the specification names lowerCamelCase only"
ENUM_NAMES = "names of enum values were read; the specification names their numbers only"

M = TypeVar("M", bound=Message)
_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)$")
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, (1 << 32) - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, (1 << 64) - 1),
}


def parse(body: bytes, kind: type[M]) -> tuple[M, Counter[str]]:
    """The message in `body`, and advice for the sender. Raises UndecodableError, which names the field."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise UndecodableError("the body is not valid JSON") from None
    message, advice = kind(), Counter[str]()
    _fill(message, document, 1, advice)
    return message, advice


@dataclass(frozen=True)
class _Field:
    descriptor: FieldDescriptor
    snake: bool
    oneof: str


@cache
def _fields(descriptor: Descriptor) -> dict[str, _Field]:
    """Fields by both spellings."""
    table = {}
    for field in descriptor.fields:
        oneof = field.containing_oneof.name if field.containing_oneof else ""
        table[field.name] = _Field(field, field.name != field.json_name, oneof)
        table[field.json_name] = _Field(field, False, oneof)
    return table


def _fill(message: Message, document: Any, level: int, advice: Counter[str]) -> None:
    if not isinstance(document, dict):
        raise UndecodableError(f"{message.DESCRIPTOR.name} must be a JSON object")
    if level > MAX_LEVELS:
        raise UndecodableError(f"values are nested deeper than {MAX_LEVELS} messages")
    table, seen = _fields(message.DESCRIPTOR), set()
    for key, value in document.items():
        field = table.get(key)
        if field is None or value is None:
            continue
        name = field.oneof or field.descriptor.name
        if name in seen:
            raise UndecodableError(f"{message.DESCRIPTOR.name}.{name} is given twice")
        seen.add(name)
        if field.snake:
            advice[SNAKE_CASE] += 1
        _put(message, field.descriptor, value, level, advice)


def _put(message: Message, field: FieldDescriptor, value: Any, level: int, advice: Counter[str]) -> None:
    if field.message_type is None:
        if field.is_repeated:
            getattr(message, field.name).extend(_scalar(field, item, advice) for item in _list(field, value))
        else:
            setattr(message, field.name, _scalar(field, value, advice))
    elif field.is_repeated:
        container = getattr(message, field.name)
        for item in _list(field, value):
            _fill(container.add(), item, level + 1, advice)
    else:
        child = getattr(message, field.name)
        child.SetInParent()
        _fill(child, value, level + 1, advice)


def _list(field: FieldDescriptor, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise UndecodableError(f"{field.json_name} must be a JSON array")
    return value


def _scalar(field: FieldDescriptor, value: Any, advice: Counter[str]) -> Any:
    if field.type == FieldDescriptor.TYPE_ENUM:
        return _enum(field, value, advice)
    return _READERS[field.cpp_type](field, value)


def _integer(field: FieldDescriptor, value: Any) -> int:
    exact = isinstance(value, float) and value.is_integer() and abs(value) <= 2**53
    if exact or (isinstance(value, str) and len(value) <= 20 and _INTEGER.match(value)):
        value = int(value)
    low, high = _RANGES[field.cpp_type]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise UndecodableError(f"{field.json_name} must be an integer from {low} to {high}")
    return value


def _double(field: FieldDescriptor, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        if isinstance(value, str) and value == value.strip() and "_" not in value:
            if value in ("NaN", "Infinity", "-Infinity"):
                return float(value)
            if value[-1:].isdigit() or value.endswith("."):
                return float(value)
    except ValueError:
        pass
    raise UndecodableError(f"{field.json_name} must be a number")


def _bool(field: FieldDescriptor, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UndecodableError(f"{field.json_name} must be true or false")
    return value


def _string(field: FieldDescriptor, value: Any) -> str | bytes:
    if not isinstance(value, str):
        raise UndecodableError(f"{field.json_name} must be a string")
    if field.type != FieldDescriptor.TYPE_BYTES:
        return value
    return _id(value) if field.name in HEX_FIELDS else _base64(field, value)


def _id(value: str) -> bytes:
    try:
        return binascii.unhexlify(value)
    except (binascii.Error, ValueError):
        return DAMAGED_ID


def _base64(field: FieldDescriptor, value: str) -> bytes:
    """Both alphabets, with or without padding."""
    try:
        plain = value.rstrip("=").translate(str.maketrans("-_", "+/"))
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise UndecodableError(f"{field.json_name} must be base64") from None


def _enum(field: FieldDescriptor, value: Any, advice: Counter[str]) -> int:
    if not isinstance(value, str):
        return _integer(field, value)
    names = field.enum_type.values_by_name if field.enum_type else {}
    named = names.get(value)
    if named is None:
        raise UndecodableError(f"{field.json_name} must be the number of an enum value")
    advice[ENUM_NAMES] += 1
    return int(named.number)


_RANGES[FieldDescriptor.CPPTYPE_ENUM] = _RANGES[FieldDescriptor.CPPTYPE_INT32]
_READERS: dict[int, Callable[[FieldDescriptor, Any], Any]] = {
    FieldDescriptor.CPPTYPE_INT32: _integer,
    FieldDescriptor.CPPTYPE_INT64: _integer,
    FieldDescriptor.CPPTYPE_UINT32: _integer,
    FieldDescriptor.CPPTYPE_UINT64: _integer,
    FieldDescriptor.CPPTYPE_DOUBLE: _double,
    FieldDescriptor.CPPTYPE_FLOAT: _double,
    FieldDescriptor.CPPTYPE_BOOL: _bool,
    FieldDescriptor.CPPTYPE_STRING: _string,
}
