"""What a notifier gets and gives: a message in, nothing or a DeliveryError out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from core.errors import TieoutError

# Alertmanager writes this for "has not ended".
NOT_ENDED = "0001-01-01T00:00:00Z"


class DeliveryError(TieoutError):
    """A message did not arrive. `code` is short and holds no address and no content.

    `retryable`: whether the same message may arrive later (no answer, overload) or never will (refused, wrong
    set-up).
    """

    def __init__(self, code: str, *, retryable: bool) -> None:
        self.code = code
        self.retryable = retryable
        super().__init__(f"the notification was not delivered: {code}")


@dataclass(frozen=True)
class Notice:
    """One alert as it is told: `firing` or `resolved`, with its labels, its texts and its times (RFC 3339,
    UTC).
    """

    id: str
    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: str
    ends_at: str
    generator_url: str
    fingerprint: str

    def as_alertmanager(self) -> dict[str, Any]:
        """The alert in the form of Alertmanager's webhook, version 4."""
        return {
            "status": self.status,
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "startsAt": self.starts_at,
            "endsAt": self.ends_at,
            "generatorURL": self.generator_url,
            "fingerprint": self.fingerprint,
        }


@dataclass(frozen=True)
class Message:
    """Alerts that travel together to one receiver. `id` and `at` are the same when the same message is sent
    again.
    """

    id: str
    at: datetime
    receiver: str
    group_key: str
    group_labels: Mapping[str, str]
    external_url: str
    reason: str
    notices: tuple[Notice, ...]

    @property
    def status(self) -> str:
        """`firing` while one of the alerts is."""
        return "firing" if any(notice.status == "firing" for notice in self.notices) else "resolved"

    def as_alertmanager(self) -> dict[str, Any]:
        """The message in the form of Alertmanager's webhook, version 4."""
        return {
            "version": "4",
            "groupKey": self.group_key,
            "truncatedAlerts": 0,
            "status": self.status,
            "receiver": self.receiver,
            "notification_reason": self.reason,
            "groupLabels": dict(self.group_labels),
            "commonLabels": common([notice.labels for notice in self.notices]),
            "commonAnnotations": common([notice.annotations for notice in self.notices]),
            "externalURL": self.external_url,
            "alerts": [notice.as_alertmanager() for notice in self.notices],
        }


class Notifier(Protocol):
    """Sends one message within a bounded time. Raises DeliveryError when it did not arrive."""

    def send(self, message: Message) -> None: ...


def readable(path: str) -> str:
    """`path`, for a setting that must name a file that can be read. Raises ValueError."""
    try:
        with Path(path or "/dev/null").open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"the file cannot be read: {type(error).__name__}") from None


def common(maps: list[Mapping[str, str]]) -> dict[str, str]:
    """What all maps agree on."""
    first = dict(maps[0]) if maps else {}
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in maps)}
