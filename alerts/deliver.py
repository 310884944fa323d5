"""Sends what is planned: at least once, in order for each alert, and nothing waits for a receiver that hangs.

Every attempt is a row of `notifications`, one before it and one after it. When the process dies in between,
the attempt counts as failed and is made again after the usual pause: at most one message twice, none lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import orjson

from alerts.notify.notifier import DeliveryError, Message, Notice, Notifier
from alerts.plan import plan
from alerts.rule import AlertConfig
from alerts.run import SQL
from store.client import Store
from store.sqlfile import read

FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=15)
GIVE_UP_AFTER = timedelta(hours=24)
MAX_ALERTS = 50


@dataclass(frozen=True)
class Delivery:
    """What became of one message: `sent`, `failed` (will be tried again) or `given_up`, and the short code
    why.
    """

    receiver: str
    outcome: str
    code: str
    alerts: int


@dataclass(frozen=True)
class Queued:
    """A notification that is still to be sent. `tries`: attempts begun."""

    notification_id: str
    rule: str
    fingerprint: str
    receiver: str
    status: str
    stands: str
    tries: int
    planned_at: datetime
    last_at: datetime
    content: str

    def due(self, now: datetime) -> bool:
        """At once, or a pause after the last attempt that doubles each time. A clock set back ends the
        pause.
        """
        return self.stands == "planned" or not self.last_at <= now < self.last_at + pause(self.tries)

    @property
    def body(self) -> dict[str, Any]:
        return dict(orjson.loads(self.content))


def pause(tries: int) -> timedelta:
    """How long to wait after the `tries`th attempt failed."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(tries - 1, 20)))


def deliver(store: Store, config: AlertConfig, now: datetime, external_url: str = "") -> list[Delivery]:
    """Plans and sends what is due at `now`, the wall clock. One message holds the due alerts of one group.

    Receivers are served side by side; one that does not answer is left for the next call after the first try.
    Raises StoreError when an attempt cannot be recorded; nothing is sent that is not recorded.
    """
    plan(store, config, now, external_url)
    queue = [Queued(**row) for row in store.rows(read(SQL / "queue.sql"))]
    done = _drop(store, config, queue, now)
    first = _first_of_each_alert(queue)
    due = [entry for entry in first if entry.receiver in config.receivers and entry.due(now)]
    due, untold = _without_untold(store, due, now)
    lanes = {name: [entry for entry in due if entry.receiver == name] for name in config.receivers}
    lanes = {name: entries for name, entries in lanes.items() if entries}
    if not lanes:
        return done + untold
    with ThreadPoolExecutor(len(lanes), thread_name_prefix="deliver") as pool:
        runs = [
            pool.submit(_serve, store, config.receivers[name].notifier(), entries, now, external_url)
            for name, entries in lanes.items()
        ]
    return done + untold + [delivery for run in runs for delivery in run.result()]


def _drop(store: Store, config: AlertConfig, queue: Iterable[Queued], now: datetime) -> list[Delivery]:
    """Gives up what is addressed to a receiver that is in no file any more."""
    gone = [entry for entry in queue if entry.receiver not in config.receivers]
    return _give_up(store, gone, "receiver_removed", now)


def _first_of_each_alert(queue: Iterable[Queued]) -> list[Queued]:
    """The earliest notification of each alert and receiver: the end is not told before the beginning."""
    first: dict[tuple[str, str], Queued] = {}
    for entry in queue:
        first.setdefault((entry.receiver, entry.fingerprint), entry)
    return list(first.values())


def _without_untold(
    store: Store, due: Sequence[Queued], now: datetime
) -> tuple[list[Queued], list[Delivery]]:
    """Gives up the end of alerts whose beginning never arrived."""
    after = {entry.notification_id: set(entry.body["after"]) for entry in due if entry.status == "resolved"}
    marks = sorted(set().union(*after.values()))
    arrived = (
        {row["notification_id"] for row in store.rows(read(SQL / "arrived.sql"), {"ids": marks})}
        if marks
        else set()
    )
    untold = [
        entry for entry in due if entry.status == "resolved" and not after[entry.notification_id] & arrived
    ]
    return [entry for entry in due if entry not in untold], _give_up(store, untold, "not_told", now)


def _give_up(store: Store, entries: Sequence[Queued], code: str, now: datetime) -> list[Delivery]:
    _record(store, entries, "given_up", code, now, started=False)
    return [Delivery(entry.receiver, "given_up", code, 1) for entry in entries]


def _serve(
    store: Store, notifier: Notifier, entries: Sequence[Queued], now: datetime, external_url: str
) -> list[Delivery]:
    """Sends the messages of one receiver one after the other, up to the first that may go through later."""
    done = []
    for batch in _batches(entries):
        done.append(_attempt(store, notifier, batch, now, external_url))
        if done[-1].outcome == "failed":
            break
    return done


def _batches(entries: Sequence[Queued]) -> Iterator[list[Queued]]:
    """Alerts of one group, in order, so many that a message stays readable."""
    ordered = sorted(
        entries, key=lambda entry: (entry.body["group_key"], entry.planned_at, entry.notification_id)
    )
    for _, group in groupby(ordered, key=lambda entry: entry.body["group_key"]):
        members = list(group)
        yield from (members[start : start + MAX_ALERTS] for start in range(0, len(members), MAX_ALERTS))


def _attempt(
    store: Store, notifier: Notifier, batch: Sequence[Queued], now: datetime, external_url: str
) -> Delivery:
    outcome, code = "sent", ""
    _record(store, batch, "sending", "", now)
    try:
        notifier.send(_message(batch, external_url))
    except DeliveryError as error:
        outcome, code = "failed" if error.retryable else "given_up", error.code
    late = [entry for entry in batch if outcome == "failed" and now - entry.planned_at >= GIVE_UP_AFTER]
    _record(store, late, "given_up", code, now)
    _record(store, [entry for entry in batch if entry not in late], outcome, code, now)
    return Delivery(batch[0].receiver, outcome, code, len(batch))


def _message(batch: Sequence[Queued], external_url: str) -> Message:
    bodies = [entry.body for entry in batch]
    identity = "\x00".join(entry.notification_id for entry in batch)
    return Message(
        id=hashlib.blake2b(identity.encode(), digest_size=12).hexdigest(),
        at=max(entry.planned_at for entry in batch),
        receiver=batch[0].receiver,
        group_key=bodies[0]["group_key"],
        group_labels=bodies[0]["group_labels"],
        external_url=external_url,
        reason=_reason({body["reason"] for body in bodies}),
        notices=tuple(Notice(**body["notice"]) for body in bodies),
    )


def _reason(reasons: set[str]) -> str:
    """The first of Alertmanager's reasons that applies to the message as a whole."""
    if "first notification" in reasons:
        return "first notification"
    if "all alerts resolved" in reasons and len(reasons) > 1:
        return "some alerts resolved"
    return next(iter(reasons))


def _record(
    store: Store, entries: Sequence[Queued], outcome: str, code: str, now: datetime, *, started: bool = True
) -> None:
    rows: list[Mapping[str, Any]] = [
        {
            "notification_id": entry.notification_id,
            "rule": entry.rule,
            "fingerprint": entry.fingerprint,
            "receiver": entry.receiver,
            "status": entry.status,
            "outcome": outcome,
            "attempt": entry.tries + 1 if started else entry.tries,
            "error_code": code,
            "at": now,
            "payload": "",
        }
        for entry in entries
    ]
    store.insert("notifications", rows)
