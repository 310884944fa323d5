"""Decides who is to be told of what. Decisions are rows of `notifications`; deciding again adds nothing.

Nothing is remembered besides the tables: whatever fired or ended since the last time, also before a crash, is
found by comparing the firing spells in `alert_events` with what is planned already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, takewhile
from typing import Any
from urllib.parse import urlencode

import orjson

from alerts.notify.notifier import NOT_ENDED
from alerts.rule import AlertConfig, Route, Rule
from alerts.run import SQL
from alerts.text import figure, texts_of
from store.client import Store
from store.sqlfile import read

# The end of a spell is told when it is found within this time; evaluations are seconds apart.
REMEMBER = timedelta(days=7)
# A spell that began and ended unseen is still told within this time; later it is history.
UNSEEN = timedelta(hours=1)


@dataclass(frozen=True)
class Spell:
    """One firing of an alert, from the row that fired it to the row that ended it, if it has ended."""

    rule: str
    fingerprint: str
    labels: Mapping[str, str]
    value: float | None
    fired_at: datetime
    fired_known_at: datetime
    ended_at: datetime | None
    ended_known_at: datetime | None
    ended_value: float | None
    acknowledged: bool

    def notification_id(self, receiver: str, status: str, number: int = 0) -> str:
        """Identity of the `number`th telling of this spell to `receiver`: the same whenever it is asked
        for.
        """
        parts = (self.fingerprint, self.fired_known_at.isoformat(), receiver, status, str(number))
        return hashlib.blake2b("\x00".join(parts).encode(), digest_size=12).hexdigest()


@dataclass(frozen=True)
class _Told:
    """Where the notifications of the spells at hand stand, by identity: outcome and time of the last row."""

    stands: Mapping[str, tuple[str, datetime]]

    def outcome(self, identity: str) -> str:
        """planned, sending, failed, sent, given_up, muted, or empty when it was never planned."""
        return self.stands[identity][0] if identity in self.stands else ""

    def tellings(self, spell: Spell, receiver: str) -> list[str]:
        """The notifications that say the spell fires, first and repeated, in order."""
        ids = (spell.notification_id(receiver, "firing", number) for number in count())
        return list(takewhile(lambda identity: identity in self.stands, ids))


def plan(store: Store, config: AlertConfig, now: datetime, external_url: str = "") -> int:
    """Plans what is to be told at `now` (the wall clock) and returns how many notifications are new.

    `external_url`: where people open tieout. Raises StoreError.
    """
    if not config.receivers:
        return 0
    rows = store.rows(read(SQL / "spells.sql"), {"since": now - REMEMBER})
    spells = [Spell(**row) for row in rows]
    told = _told(store, spells)
    new = [row for spell in spells for row in _decide(config, spell, told, now, external_url)]
    store.insert("notifications", new)
    return sum(row["outcome"] == "planned" for row in new)


def _told(store: Store, spells: Sequence[Spell]) -> _Told:
    if not spells:
        return _Told({})
    marks = sorted({spell.fingerprint for spell in spells})
    rows = store.rows(read(SQL / "told.sql"), {"fingerprints": marks})
    return _Told({row["notification_id"]: (row["stands"], row["last_at"]) for row in rows})


def _decide(
    config: AlertConfig, spell: Spell, told: _Told, now: datetime, external_url: str
) -> Iterator[dict[str, Any]]:
    """New rows of one spell."""
    routes = _routes(config, spell)
    silenced = config.silence_of(spell.labels, now) is not None
    for receiver in config.receivers:
        draft = _Draft(spell, receiver, config.rule(spell.rule), routes.get(receiver), now, external_url)
        tellings = told.tellings(spell, receiver)
        row = _telling(draft, tellings, told, silenced)
        if row:
            yield row
        planned = [row["notification_id"]] if row and row["outcome"] == "planned" else []
        begun = [*(mark for mark in tellings if told.outcome(mark) != "muted"), *planned]
        if spell.ended_at is not None and begun and not told.outcome(draft.resolved_id):
            yield draft.resolved(begun)


def _routes(config: AlertConfig, spell: Spell) -> dict[str, Route]:
    """The route by which each receiver is reached; a receiver that several routes name is told once, by the
    first.
    """
    routes: dict[str, Route] = {}
    for route in config.routes_of(spell.labels):
        for receiver in route.receivers:
            routes.setdefault(receiver, route)
    return routes


def _telling(draft: _Draft, tellings: Sequence[str], told: _Told, silenced: bool) -> dict[str, Any] | None:
    """The row that says, for the first time or again, that the spell fires; None when there is nothing to
    say.
    """
    if draft.route is None or draft.rule is None:
        return None
    if tellings and told.outcome(tellings[0]) != "muted":
        repeats = not silenced and _repeats(draft.spell, told.stands[tellings[-1]], draft.route, draft.now)
        return draft.firing(len(tellings), "planned") if repeats else None
    outcome = _first(draft.spell, bool(tellings), silenced, draft.now)
    return draft.firing(0, outcome) if outcome else None


def _first(spell: Spell, muted_before: bool, silenced: bool, now: datetime) -> str:
    """What to write for a spell its receiver was not told of: `planned`, `muted`, or nothing."""
    if spell.ended_known_at is not None:
        unseen = not muted_before and not silenced and now - spell.ended_known_at <= UNSEEN
        return "planned" if unseen else ""
    if silenced:
        return "" if muted_before else "muted"
    return "planned"


def _repeats(spell: Spell, last: tuple[str, datetime], route: Route, now: datetime) -> bool:
    """Also after the last one was given up: as long as it fires, somebody should hear of it."""
    outcome, at = last
    finished = outcome in ("sent", "given_up")
    return (
        spell.ended_at is None and not spell.acknowledged and finished and now - at >= route.repeat_interval
    )


@dataclass(frozen=True)
class _Draft:
    """Writes the rows of one spell for one receiver."""

    spell: Spell
    receiver: str
    rule: Rule | None
    route: Route | None
    now: datetime
    external_url: str

    @property
    def resolved_id(self) -> str:
        return self.spell.notification_id(self.receiver, "resolved")

    def firing(self, number: int, outcome: str) -> dict[str, Any]:
        """The row of the `number`th telling; a muted one has no content."""
        identity = self.spell.notification_id(self.receiver, "firing", number)
        muted = outcome == "muted"
        reason = "repeat interval elapsed" if number else "first notification"
        content = "" if muted else self._content(identity, "firing", reason, [])
        return self._row(identity, "firing", content) | {
            "outcome": outcome,
            "error_code": "silenced" if muted else "",
        }

    def resolved(self, begun: Sequence[str]) -> dict[str, Any]:
        """The row of the end; `begun` are the notifications of which one must have arrived before."""
        content = self._content(self.resolved_id, "resolved", "all alerts resolved", begun)
        return self._row(self.resolved_id, "resolved", content)

    def _row(self, identity: str, status: str, content: str) -> dict[str, Any]:
        return {
            "notification_id": identity,
            "rule": self.spell.rule,
            "fingerprint": self.spell.fingerprint,
            "receiver": self.receiver,
            "status": status,
            "outcome": "planned",
            "attempt": 0,
            "error_code": "",
            "at": self.now,
            "payload": content,
        }

    def _content(self, identity: str, status: str, reason: str, after: Sequence[str]) -> str:
        """Everything the message needs later, whatever the files say by then."""
        labels = self.spell.labels
        names = self.route.group_by if self.route else ("alertname", "workflow")
        group = {name: labels[name] for name in names if name in labels}
        match = {name: "|".join(values) for name, values in (self.route.match if self.route else {}).items()}
        content = {
            "reason": reason,
            "after": list(after),
            "group_key": f"{{}}/{_braces(match)}:{_braces(group)}",
            "group_labels": group,
            "notice": {
                "id": identity,
                "status": status,
                "labels": dict(labels),
                "annotations": self._annotations(status == "resolved"),
                "starts_at": _rfc3339(self.spell.fired_at),
                "ends_at": _rfc3339(self.spell.ended_at)
                if status == "resolved" and self.spell.ended_at
                else NOT_ENDED,
                "generator_url": self._link(),
                "fingerprint": self.spell.fingerprint,
            },
        }
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()

    def _annotations(self, ended: bool) -> dict[str, str]:
        labels = self.spell.labels
        value = self.spell.ended_value if ended else self.spell.value
        if self.rule is not None:
            return texts_of(self.rule, labels, value)
        gone = f"{self.spell.rule} is no longer watched"
        return {"summary": gone, "value": figure(value, labels.get("unit", ""))}

    def _link(self) -> str:
        if not self.external_url:
            return ""
        labels = self.spell.labels
        query = urlencode({"id": labels.get("kpi", ""), "flow": labels.get("workflow", "")})
        return f"{self.external_url.rstrip('/')}/kpi?{query}"


def _braces(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items())) + "}"


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
