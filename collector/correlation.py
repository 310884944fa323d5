"""How telemetry tells which business objects it is about: the part `correlation:` of tieout.yaml.

The defaults follow OpenTelemetry's names and tieout's own; a site adds what its systems write. Besides what is
listed here, an object is named by `tieout.object.<type>` (a key or a list of keys), or by `tieout.entity.type`,
`tieout.entity.id` and `tieout.entity.role` together. All of these are read from the span or log record, from the
baggage it captured, from span events, from links and from the resource, so that a batch names as many objects as it carries.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from core.duration import Duration
from core.findings import Finding, nearest
from core.yamlfile import FileModel, Location, Parsed
from workflows.model import Name, Workflow

Attribute = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class ObjectAttribute(FileModel):
    """`attribute` holds the key, or a list of keys, of objects of `type`; `role` is what they are in the event."""

    type: Name
    attribute: Attribute
    role: str = ""


class AttemptAttribute(FileModel):
    """`attribute` counts deliveries; on the first one it is `first`."""

    attribute: Attribute
    first: Literal[0, 1] = 1


class Correlation(FileModel):
    """Names of attributes, the best first.

    `ids`: correlation ids; all that are found are kept, the first one is the event's. `objects`: attributes
    that name business objects. `baggage`: attributes that hold a captured W3C baggage header, whose members are
    read like attributes. `dims`: segments; a dimension `x` of a workflow is also read from `tieout.x`.
    `amount` is a decimal number as text, `currency` three letters. `attributes`: others that events keep.
    `watermark_lag`: how long after a span others with an earlier start may still come; a span with
    `tieout.heartbeat` true says that none will. `silence`: a source that says nothing for longer than this may not
    have been heard, so nobody concludes from a trace that is not there.
    """

    ids: tuple[Attribute, ...] = (
        "tieout.correlation_id",
        "messaging.message.conversation_id",
        "correlation_id",
        "correlation.id",
        "http.request.header.x-correlation-id",
        "http.request.header.x-request-id",
        "http.request.header.sap-message-id",
    )
    objects: tuple[ObjectAttribute, ...] = ()
    baggage: tuple[Attribute, ...] = (
        "http.request.header.baggage",
        "rpc.grpc.request.metadata.baggage",
    )
    dims: dict[Name, tuple[Attribute, ...]] = Field(
        default={"department": ("tieout.department",), "facility": ("tieout.facility",)}
    )
    amount: tuple[Attribute, ...] = ("tieout.amount",)
    currency: tuple[Attribute, ...] = ("tieout.currency",)
    attempts: tuple[AttemptAttribute, ...] = (
        AttemptAttribute(attribute="tieout.attempt"),
        AttemptAttribute(attribute="messaging.servicebus.message.delivery_count"),
        AttemptAttribute(attribute="http.request.resend_count", first=0),
    )
    actor: tuple[Attribute, ...] = ("tieout.actor", "user.id", "enduser.id")
    attributes: tuple[Attribute, ...] = ("error.type",)
    watermark_lag: Duration = timedelta(minutes=1)
    silence: Duration = timedelta(minutes=10)


def check(
    correlation: Correlation, parsed: Parsed, workflows: Iterable[Workflow], at: Location = ("correlation",)
) -> list[Finding]:
    """What is wrong with `correlation`, which stands at `at` in the file: object types that no workflow has."""
    known = sorted({name for workflow in workflows for name in workflow.objects})
    return [
        parsed.finding(
            (*at, "objects", index, "type"),
            f"unknown object type {mapped.type!r}",
            ", ".join(known),
            nearest(mapped.type, known),
        )
        for index, mapped in enumerate(correlation.objects)
        if mapped.type not in known
    ]
