"""Values, attributes and times for random export requests of all signals, and the JSON of a request."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import strategies as st
from otlp_bodies import START_NS, pairs

M = TypeVar("M", bound=Message)


def is_mixed(items: list[Any]) -> bool:
    return any(not isinstance(item, str) for item in items)


texts = st.text(st.characters(codec="utf-8"), max_size=6)
scalars = st.one_of(
    texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.binary(max_size=5),
    st.sampled_from([0, "", b"", 0.0, -0.0, 1e21, 1e-7, 123456789.125]),
)  # fmt: skip
# Escapes in JSON text are free, so lists of strings keep to characters without any.
plain = st.text("ab/é<>&{}", max_size=4)
values = st.recursive(
    scalars | st.lists(plain, max_size=3),
    lambda inner: st.lists(inner, max_size=3).filter(is_mixed) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
attributes = st.dictionaries(texts, values, max_size=4)
times = st.integers(START_NS, START_NS + 10**12)
trace_ids = st.binary(min_size=16, max_size=16) | st.sampled_from([b"", b"abc", bytes(16)])
span_ids = st.binary(min_size=8, max_size=8)


def unlike_any_other(request: M, groups: str) -> M:
    """The same request with a mark: an equal body would be taken for a repetition of an earlier example."""
    made = type(request)()
    made.CopyFrom(request)
    for group in getattr(made, groups):
        group.resource.attributes.extend(pairs({"run": uuid.uuid4().hex}))
    return made


def as_json(request: Message) -> bytes:
    """Proto3 JSON as OTLP bends it: ids in hex."""

    def fix(node: Any, key: str = "") -> Any:
        if isinstance(node, dict):
            return {name: fix(value, name) for name, value in node.items()}
        if isinstance(node, list):
            return [fix(item) for item in node]
        return base64.b64decode(node).hex() if key in ("traceId", "spanId", "parentSpanId") else node

    plain_json = json_format.MessageToDict(request, use_integers_for_enums=True)
    return json.dumps(fix(plain_json)).encode()
