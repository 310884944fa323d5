"""What requests of all signals have in common: attributes, groups in deprecated fields, what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer as Repeated
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from collector.refusals import UndecodableError
from collector.value_text import text

# The first second that a 32-bit time cannot hold, in nanoseconds: 2106-02-07T06:28:16Z.
END_OF_TIME_NS = (1 << 32) * 1_000_000_000
MESSAGE_BYTES = 1_000
# Where items stood in a resource before there were scopes; the same shape, so nothing has to be lost.
DEPRECATED_FIELD = 1000

REPEATED_KEY = "of attributes with the same key the last one was kept"
STRING_INDEX = "string indices outside of profiles were read as absent"

M = TypeVar("M", bound=Message)


@dataclass
class Findings:
    """Items taken out, by reason, and what the sender should know about the rest."""

    rejected: Counter[str] = field(default_factory=Counter)
    advice: Counter[str] = field(default_factory=Counter)

    def message(self, items: str) -> str:
        """For the sender, in English, with reasons and counts; empty when there is nothing to say."""
        parts = []
        if self.rejected:
            reasons = "; ".join(f"{reason} ({count})" for reason, count in self.rejected.most_common())
            parts.append(f"{self.rejected.total()} {items} were not stored: {reasons}")
        parts += [f"{advice} ({count})" for advice, count in self.advice.most_common()]
        return ". ".join(parts)[:MESSAGE_BYTES]


def adopt_deprecated(group: Message, scopes: Repeated[M], kind: type[M], name: str, found: Findings) -> None:
    """Moves what stands in the deprecated field of a resource group to its `scopes`, and tells the sender.

    `name` is that of the field. Raises UndecodableError when its content is not a message.
    """
    unknown = UnknownFieldSet(group)
    old = [unknown[n].data for n in range(len(unknown)) if unknown[n].field_number == DEPRECATED_FIELD]
    if not old:
        return
    group.DiscardUnknownFields()
    for data in old:
        try:
            scopes.append(kind.FromString(data))
        except (DecodeError, TypeError):
            raise UndecodableError(f"{name} is not valid protobuf") from None
    found.advice[f"the deprecated field {name} was read; it will go away"] += len(old)


def keep_only(items: Repeated[M], why_rejected: Callable[[M], str], found: Findings) -> None:
    """Takes out of `items` those that have a reason against them, and counts them by it."""
    reasons = [why_rejected(item) for item in items]
    found.rejected.update(filter(None, reasons))
    if not any(reasons):
        return
    kept = [
        type(item).FromString(item.SerializeToString())
        for item, why in zip(items, reasons, strict=True)
        if not why
    ]
    del items[:]
    items.extend(kept)


def clean(attributes: Repeated[KeyValue], found: Findings, *, lists: bool = True) -> None:
    """Makes attributes readable for the engine. `lists`: whether it reads lists of strings at this place."""
    last = {pair.key: pair for pair in attributes}
    if len(last) < len(attributes):
        found.advice[REPEATED_KEY] += len(attributes) - len(last)
        kept = [KeyValue(key=pair.key, value=pair.value) for pair in last.values()]
        del attributes[:]
        attributes.extend(kept)
    for pair in attributes:
        if pair.key_strindex:
            found.advice[STRING_INDEX] += 1
        simplify(pair.value, found, lists=lists)


def simplify(value: AnyValue, found: Findings, *, lists: bool = True) -> None:
    """Makes one value readable for the engine."""
    kind = value.WhichOneof("value")
    if kind == "string_value_strindex":
        found.advice[STRING_INDEX] += 1
        value.Clear()
    elif kind == "array_value" and lists and _strings(value.array_value.values):
        return
    elif kind in ("array_value", "kvlist_value"):
        value.string_value = text(value)


def _strings(values: Iterable[AnyValue]) -> bool:
    return all(value.WhichOneof("value") == "string_value" for value in values)
