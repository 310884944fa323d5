"""Requests with an identifier in every field of text or bytes, and the search for what is left of them."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_bodies import START_NS, any_value

from collector.privacy import Privacy
from store.client import Store

# The 18 kinds of 45 CFR 164.514(b)(2), as programs write them.
IDENTIFIERS = {
    "name": "Roswitha Oyelaran-Quist",
    "place": "12 Wyvernmoor Lane, Upper Quillby 62704-Q",
    "date": "born 1951-07-23T04:11:59Z",
    "telephone": "+1 (555) 010-4711 x99 tel",
    "fax": "fax:+1-555-010-8822",
    "mail": "roswitha.quist@mail.wyvern.example",
    "social_security": "SSN 078-05-1120",
    "medical_record": "MRN-0047110815",
    "health_plan": "HPBN 1EG4-TE5-MK73",
    "account": "ACCT-9988776655-KX",
    "license": "LIC D1234567-WY",
    "vehicle": "VIN 1HGCM82633A004352",
    "device": "PUMP/SN-77-123456",
    "url": "https://portal.wyvern.example/p/4711?insured=oyelaran",
    "address": "http://203.0.113.77:8443/records",
    "biometric": "FINGERPRINT:q9zx-whorl-77",
    "photograph": "data:image/jpeg;base64,zQk7/wyvernface==",
    "other": "SUBJ#xk42-WYVERN-7",
}
KEY_ENV = "TIEOUT_TEST_PRIVACY_KEY"
KEY = "a3f1c59e7b2d4860" * 4
TOKEN, URL, STATEMENT, TEXT = "app.patient", "app.link", "app.statement", "app.note"
PRIVACY = Privacy.model_validate(
    {
        "attributes": ["service.name", "kept.*", TOKEN, URL, STATEMENT, TEXT],
        "names": ["step", "orders.*"], "tokens": [TOKEN], "urls": [URL], "statements": [STATEMENT], "texts": [TEXT],
        "keys": [{"id": "k1", "secret": {"env": KEY_ENV}}],
    }
)  # fmt: skip
IDS = ("trace_id", "span_id", "parent_span_id")


def needles(text: str) -> list[str]:
    """What must not be found: the text, its telling words, and both in the ways that bytes are written."""
    words = [word for word in re.split(r"[\s:/?=,]+", text) if len(word) > 4 and re.search(r"[g-zG-Z]", word)]
    words = [word for word in words if word not in ("https", "image", "jpeg;base64", "records")]
    return [text, *words, text.encode().hex(), base64.b64encode(text.encode()).decode().rstrip("=")[:-1]]


def statement(identifier: str) -> str:
    quoted = identifier.replace("'", "''")
    return f"SELECT a FROM t WHERE b = '{quoted}' /* {quoted} */ AND c = \"{quoted}\" -- {quoted}"


def note(identifier: str) -> str:
    return f"ValueError: could not find '{identifier}' or {identifier} in the list"


def attributes(identifier: str, *, nested: bool) -> list[KeyValue]:
    """The identifier where a policy drops it, and where it changes it."""
    values: list[Any] = [identifier, identifier.encode()]
    if nested:
        values += [[identifier], [identifier, 1], {identifier: [identifier]}, {"a": {"b": identifier}}]
    pairs = [KeyValue(key=f"dropped.{n}", value=any_value(value)) for n, value in enumerate(values)]
    pairs.append(KeyValue(key=identifier, value=any_value(identifier)))
    pairs.append(KeyValue(key=f"kept.{identifier}", value=any_value("x")))
    if nested:
        pairs.append(KeyValue(key=TOKEN, value=any_value([identifier, identifier + " 2"])))
    else:
        pairs.append(KeyValue(key=TOKEN, value=any_value(identifier)))
    pairs.append(
        KeyValue(key=URL, value=any_value(f"https://{'a:b@'}orders.example/{identifier}?q={identifier}"))
    )
    pairs.append(KeyValue(key=STATEMENT, value=any_value(statement(identifier))))
    pairs.append(KeyValue(key=TEXT, value=any_value(note(identifier))))
    return pairs


def filled(kind: type[Message], identifier: str, seen: set[str], *, nested: bool, wrong_ids: str = "") -> Any:
    """A request of `kind` with the identifier in every text; `seen` is told of the fields filled.

    `nested`: values and lists that need repair as well. `wrong_ids`: also where ids of spans and traces stand,
    `all` of them, or the `others` than those of spans, which are set aside with such ids.
    """
    made = kind()
    variants = _variants(kind.DESCRIPTOR, identifier, seen, nested, wrong_ids)
    for one in variants:
        made.MergeFrom(kind.FromString(one.SerializeToString()))
    return made


def _variants(of: Descriptor, identifier: str, seen: set[str], nested: bool, wrong_ids: str) -> list[Any]:
    """A message for each member of its `oneof`s; at least one."""
    from google.protobuf.message_factory import GetMessageClass

    kind = GetMessageClass(of)
    if of is AnyValue.DESCRIPTOR:
        seen.update({f"{of.full_name}.string_value", f"{of.full_name}.bytes_value"})
        values = [identifier, identifier.encode()] + (
            [[identifier], {identifier: identifier}] if nested else []
        )
        return [any_value(value) for value in values]
    members = [field for oneof in of.oneofs if len(oneof.fields) > 1 for field in oneof.fields]
    found = []
    for chosen in members or [None]:
        made = kind()
        for field in of.fields:
            if field not in members or field is chosen:
                _fill(made, field, identifier, seen, nested, wrong_ids)
        found.append(made)
    return found


def _fill(
    made: Any, field: FieldDescriptor, identifier: str, seen: set[str], nested: bool, wrong_ids: str
) -> None:
    name, repeated = field.name, field.is_repeated
    if field.message_type is KeyValue.DESCRIPTOR:
        seen.update({"opentelemetry.proto.common.v1.KeyValue.key"})
        _variants(AnyValue.DESCRIPTOR, identifier, seen, nested, wrong_ids)
        getattr(made, name).extend(attributes(identifier, nested=nested))
    elif field.message_type is not None:
        inner = _variants(field.message_type, identifier, seen, nested, wrong_ids)
        if repeated:
            getattr(made, name).extend(inner)
        else:
            getattr(made, name).CopyFrom(inner[len(identifier) % len(inner)])
            getattr(made, name).SetInParent()
    elif field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        seen.add(field.full_name)
        text = identifier if field.type == FieldDescriptor.TYPE_STRING else identifier.encode()
        if name in IDS and not _wrong(field, wrong_ids):
            text = os.urandom(16 if name == "trace_id" else 8)
        (getattr(made, name).append if repeated else lambda value: setattr(made, name, value))(text)
    elif name in ("time_unix_nano", "start_time_unix_nano", "end_time_unix_nano"):
        setattr(made, name, START_NS)
    elif name == "kind":
        made.kind = 780_511


def _wrong(field: FieldDescriptor, wrong_ids: str) -> bool:
    of_spans = field.containing_type is Span.DESCRIPTOR
    return wrong_ids == "all" or (wrong_ids == "others" and not of_spans)


def texts_of(of: Descriptor, known: set[str] | None = None) -> set[str]:
    """Every field of text or bytes that can be reached from a message."""
    found: set[str] = set()
    known = set() if known is None else known
    known.add(of.full_name)
    for field in of.fields:
        if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            found.add(field.full_name)
        elif field.message_type is not None and field.message_type.full_name not in known:
            found |= texts_of(field.message_type, known)
    return found


def everything(store: Store) -> str:
    """All rows of all tables, also those of the engine's own that keep texts."""
    tables = store.rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree%'"
    )
    parts = [
        store.raw("SELECT * FROM {t:Identifier}", {"t": row["name"]}, fmt="JSONEachRow") for row in tables
    ]
    return b"\n".join(parts).decode("utf-8", "replace")


def found_in(text: str, *, but: tuple[str, ...] = ()) -> list[str]:
    """The needles of all identifiers that are in a text."""
    return [
        needle
        for identifier in IDENTIFIERS.values()
        for needle in needles(identifier)
        if needle in text and needle not in but
    ]


def files_with(folder: Path, texts: list[str]) -> list[str]:
    """Files under the folder that hold one of the texts."""
    return sorted(
        {str(path) for path, content in _files(folder) for text in texts if text.encode() in content}
    )


def _files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            try:
                yield path, path.read_bytes()
            except FileNotFoundError:
                continue
