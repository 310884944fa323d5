"""Attribute values as text, in the shape the Collector's ClickHouse exporter gives them.

Strings as they are, numbers as in JSON, bytes in base64, lists and maps as JSON with sorted keys.
"""

from __future__ import annotations

import base64
import json
import math
from decimal import Decimal

from opentelemetry.proto.common.v1.common_pb2 import AnyValue


def text(value: AnyValue) -> str:
    """The value as it is stored; empty when none was set."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    if kind == "double_value":
        return number(value.double_value)
    return _json(value) if kind in ("bool_value", "int_value", "array_value", "kvlist_value") else ""


def number(value: float) -> str:
    """A double the way JavaScript prints it: 1, 0.1, 1e+21, 1.5e-7, Infinity, NaN."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    digits = repr(value)
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return format(Decimal(digits), "f").removesuffix(".0")
    mantissa, exponent = digits.split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"


def _json(value: AnyValue) -> str:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return _quoted(value.string_value)
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind == "int_value":
        return str(value.int_value)
    if kind == "double_value":
        printed = number(value.double_value)
        return printed if math.isfinite(value.double_value) else f'"{printed}"'
    if kind == "bytes_value":
        return f'"{base64.b64encode(value.bytes_value).decode()}"'
    if kind == "array_value":
        return "[" + ",".join(_json(item) for item in value.array_value.values) + "]"
    if kind == "kvlist_value":
        pairs = {pair.key: _json(pair.value) for pair in value.kvlist_value.values}
        members = (f"{_quoted(key)}:{pairs[key]}" for key in sorted(pairs))
        return "{" + ",".join(members) + "}"
    return "null"


def _quoted(characters: str) -> str:
    """JSON text; like the engine and the exporter it escapes the two line ends that JavaScript knows beside JSON's."""
    return (
        json.dumps(characters, ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )
