"""Acting on exceptions: the one place where acts are checked, chained into the audit log and stored.

Each act is an appended row with who, when and why. Nothing is changed or deleted.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from reconcile.act_log import ActLog, Kind
from reconcile.life import (
    MACHINE,
    MOST_AT_ONCE,
    NOTE_CHARACTERS,
    TICK,
    Act,
    Action,
    ActRefusedError,
    Life,
    Present,
    Role,
    Standing,
    check,
    life_of,
    words,
)
from reconcile.matching.desk import MATCH_ACTS, AcceptOutcome, MatchDesk, MatchOutcome
from reconcile.matching.model import Ruling
from reconcile.matching.verbs import AcceptRequest, MatchRequest
from reconcile.people import People
from reconcile.policy import Policy
from store.audit import AuditLog, Entry
from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"
# A person's sign-in is written down again after this long.
SIGN_IN_EVERY = timedelta(hours=12)


@dataclass(frozen=True)
class Request:
    """What a person wants done to one exception or to many.

    `act_id`: given by the client, so that the same request sent twice is done once. `seen`: versions that the
    person decided on, by exception; where one has changed since, its act is refused.
    """

    action: Action
    exception_ids: tuple[str, ...]
    act_id: str = ""
    seen: Mapping[str, int] = field(default_factory=dict)
    owner: str = ""
    reason: str = ""
    note: str = ""
    until: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one exception of a request. `status` and `version` are those after it.

    `done` is false when it was refused, with `code` and `why`; `repeated` when it had been done before.
    """

    exception_id: str
    done: bool
    status: str = ""
    version: int = 0
    repeated: bool = False
    code: str = ""
    why: str = ""


@dataclass(frozen=True)
class _Found:
    """An exception as it stands, with what it is worth now."""

    standing: Standing
    amount: Decimal | None
    currency: str
    failures: int


class Desk:
    """Where acts are done, on exceptions and on matches of `rulings`. Safe between threads: one act, or one set of them, at a time.

    Several processes may act on one store: the audit log lets one of them in at a time, and who comes second
    looks again and decides anew.
    """

    def __init__(
        self,
        store: Store,
        audit: AuditLog,
        policy: Policy,
        people: People,
        present: Present,
        rulings: Mapping[str, Ruling] | None = None,
    ) -> None:
        self._store = store
        self._policy = policy
        self._people = people
        self._present = present
        self._lock = threading.Lock()
        self._log = ActLog(store, audit, (EXCEPTION_ACTS, MATCH_ACTS))
        self._matches = MatchDesk(store, self._log, policy, rulings or {}, present)
        self._signed_in: dict[tuple[str, str], datetime] = {}

    @property
    def policy(self) -> Policy:
        return self._policy

    @property
    def people(self) -> People:
        return self._people

    def sign_in(self, actor: str, channel: str, now: datetime) -> Role:
        """The role of who acts; that of somebody who may write is written down, once in a while.

        `channel`: how it is known who it is. Raises ActRefusedError, StoreError.
        """
        role = self._people.role_of(actor)
        key = (actor.casefold(), channel)
        with self._lock:
            last = self._signed_in.get(key)
            if role is not Role.VIEWER and (last is None or now - last >= SIGN_IN_EVERY):
                content = {"role": role, "channel": channel}
                self._log.note(Entry(now, actor, "sign_in", actor, content), uuid.uuid4().hex)
                self._signed_in[key] = now
        return role

    def finish(self) -> None:
        """Ends what a process that died left half done. Call it once before acts are taken. Raises StoreError."""
        self._log.finish()

    def do(self, request: Request, actor: str, now: datetime) -> list[Outcome]:
        """Does what `request` asks, in the name of `actor`; one outcome an exception, in the order given.

        Raises ActRefusedError when nothing of it can be done whatever the exceptions are, ChainBusyError, StoreError.
        """
        role = self._people.role_of(actor)
        return self._do(self._checked(request, actor, role, now), actor, role, now)

    def match(self, request: MatchRequest, actor: str, now: datetime) -> MatchOutcome:
        """Decides on a match by hand in the name of `actor`. Raises ActRefusedError, ChainBusyError, StoreError."""
        return self._matches.do(request, actor, self._people.role_of(actor), now)

    def accept_all(self, request: AcceptRequest, actor: str, now: datetime) -> list[AcceptOutcome]:
        """Accepts several suggestions in the name of `actor`. Raises as `match`, when all of it is refused."""
        return self._matches.accept_all(request, actor, self._people.role_of(actor), now)

    def do_by_machine(self, request: Request, now: datetime) -> list[Outcome]:
        """The same for what tieout does by itself: an act lapses, or a rule assigns."""
        return self._do(request, MACHINE, Role.ADMIN, now)

    def _do(self, request: Request, actor: str, role: Role, now: datetime) -> list[Outcome]:
        batch = _batch(request)
        return self._log.keep(EXCEPTION_ACTS, lambda: self._decide(request, batch, actor, role, now))

    def _checked(self, request: Request, actor: str, role: Role, now: datetime) -> Request:
        """The request made complete; what is wrong with it by itself is refused."""
        count, most = len(request.exception_ids), MOST_AT_ONCE[role]
        if not most:
            raise ActRefusedError(
                "role", f"{actor} is {role} and may only look; ask who runs tieout for another role"
            )
        if not count:
            raise ActRefusedError("needs", "no exception is named")
        if count > most:
            raise ActRefusedError(
                "role", f"{actor} is {role} and may act on {most:,} exceptions at once, not on {count:,}"
            )
        if len(request.note) > NOTE_CHARACTERS:
            raise ActRefusedError("needs", f"a note has at most {NOTE_CHARACTERS:,} characters")
        request = replace(request, reason=request.reason.strip().upper())
        if request.reason:
            self._policy.check_reason(request.reason)
        _check_needs(request)
        return self._with_end(request, now)

    def _with_end(self, request: Request, now: datetime) -> Request:
        """An acknowledgement ends even when nobody says when; no end is in the past or, of a waiver, too far off."""
        file = self._policy.file
        if request.until is not None and request.until <= now:
            raise ActRefusedError("needs", "`until` is in the past")
        if request.action is Action.ACKNOWLEDGED and request.until is None:
            return replace(request, until=now + file.acknowledge_for)
        if (
            request.action is Action.WAIVER_REQUESTED
            and request.until
            and request.until > now + file.waive_at_most
        ):
            days = file.waive_at_most.total_seconds() / 86_400
            raise ActRefusedError(
                "needs", f"a waiver lasts at most {days:g} days (`waive_at_most` of exceptions.yaml)"
            )
        if request.action not in (Action.ACKNOWLEDGED, Action.WAIVER_REQUESTED):
            return replace(request, until=None)
        return request

    def _decide(
        self, request: Request, batch: str, actor: str, role: Role, now: datetime
    ) -> tuple[list[Outcome], list[Act]]:
        ids = list(dict.fromkeys(request.exception_ids))
        done = self._done_before(batch, ids)
        found = self._find(ids, now)
        outcomes, acts = [], []
        for exception_id in ids:
            try:
                outcome, act = self._decide_one(exception_id, request, batch, actor, role, now, found, done)
            except ActRefusedError as refusal:
                life = found[exception_id].standing.life if exception_id in found else Life()
                outcome, act = Outcome(
                    exception_id, False, life.status, life.version, code=refusal.code, why=str(refusal)
                ), None  # fmt: skip
            outcomes.append(outcome)
            acts += [act] if act else []
        return outcomes, acts

    def _decide_one(
        self, exception_id: str, request: Request, batch: str, actor: str, role: Role, now: datetime,
        found: Mapping[str, _Found], done: Mapping[str, Mapping[str, Any]],
    ) -> tuple[Outcome, Act | None]:  # fmt: skip
        act_id = _act_id(batch, exception_id)
        if exception_id not in found:
            raise ActRefusedError(
                "unknown", f"no exception {exception_id[:64]!r}; `tieout exceptions list` shows their ids"
            )
        facts = found[exception_id]
        life = facts.standing.life
        if before := done.get(act_id):
            if (before["action"], before["actor"]) != (request.action, actor):
                raise ActRefusedError("repeated", "this act id was used for another act; take a new one")
            return Outcome(exception_id, True, life.status, life.version, repeated=True), None
        status = check(request.action, actor, role, facts.standing, request.seen.get(exception_id))
        act = self._act(act_id, exception_id, request, actor, now, facts)
        version = life.version + (request.action is not Action.COMMENTED)
        return Outcome(exception_id, True, status, version), act

    def _act(
        self, act_id: str, exception_id: str, request: Request, actor: str, now: datetime, facts: _Found
    ) -> Act:
        last = facts.standing.life.last
        # Two acts on one exception never share a time, whatever the clock does: their order is their meaning.
        at = max(now, last.at + TICK) if last else now
        takes_on = request.action in (Action.ACKNOWLEDGED, Action.WAIVER_REQUESTED)
        worth = (facts.amount, facts.currency, facts.failures) if takes_on else (None, "", 0)
        until = request.until
        if request.action is Action.WAIVED and facts.standing.life.telling:
            # What is approved is what was asked for, also in what it was worth then.
            asked = facts.standing.life.telling
            until, worth = asked.until, (asked.amount, asked.currency, asked.failures)
        return Act(
            act_id, exception_id, request.action, at, now, actor, request.owner, request.reason, request.note, until, *worth
        )  # fmt: skip

    def _done_before(self, batch: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        wanted = [_act_id(batch, exception_id) for exception_id in ids]
        return {
            row["act_id"]: row for row in self._store.rows(read(SQL / "acts_by_id.sql"), {"act_ids": wanted})
        }

    def _find(self, ids: Sequence[str], now: datetime) -> dict[str, _Found]:
        """The exceptions that there are, as they stand at present."""
        acts = self._acts(ids)
        homes = self._store.rows(read(SQL / "exception_items.sql"), {"ids": list(ids)})
        evidence: dict[str, dict[str, Any]] = {}
        known = set()
        for home in homes:
            known |= set(home["ids"])
            asked = {
                "workflow": home["workflow"], "items": home["items"], "ids": home["ids"], "known_at": now,
                "as_of": self._present(home["workflow"], now),
            }  # fmt: skip
            rows = self._store.rows(read(SQL / "exceptions_now.sql"), asked)
            evidence |= {row["exception_id"]: row for row in rows}
        return {one: _found(acts.get(one, []), evidence.get(one), now) for one in ids if one in known}

    def _acts(self, ids: Sequence[str]) -> dict[str, list[Act]]:
        found: dict[str, list[Act]] = {}
        for row in self._store.rows(read(SQL / "acts_of.sql"), {"ids": list(ids)}):
            act = Act(**{**row, "action": Action(row["action"])})
            found.setdefault(act.exception_id, []).append(act)
        return found


def content_of(act: Act) -> dict[str, Any]:
    """An act as it stands in the audit log: times in ISO 8601, money as text."""
    data = asdict(act)
    for name in ("at", "known_at", "until"):
        data[name] = data[name].isoformat() if data[name] else None
    data["amount"] = None if act.amount is None else format(act.amount, "f")
    return data


def _from_content(content: Mapping[str, Any]) -> Act:
    times = {
        name: content[name] and datetime.fromisoformat(content[name]) for name in ("at", "known_at", "until")
    }
    amount = None if content["amount"] is None else Decimal(content["amount"])
    return Act(**{**content, **times, "action": Action(content["action"]), "amount": amount})


EXCEPTION_ACTS: Kind[Act] = Kind(
    "act",
    "exceptions",
    lambda act: Entry(act.known_at, act.actor, "act", act.exception_id, content_of(act)),
    asdict,
    _from_content,
)


def _found(acts: Sequence[Act], row: Mapping[str, Any] | None, now: datetime) -> _Found:
    # A clock that was set back must not hide what was done.
    life = life_of(acts, max([now, *(act.known_at for act in acts)]))
    is_over = row is not None and row["cleared_at"] is not None
    standing = Standing(life, is_failing=row is not None and not is_over, is_over=is_over)
    return _Found(
        standing,
        row["amount"] if row else None,
        row["currency"] if row else "",
        row["failures"] if row else 0,
    )


def _check_needs(request: Request) -> None:
    """What each act must say."""
    action = request.action
    if action is Action.ASSIGNED and not request.owner.strip():
        raise ActRefusedError("needs", "assigning needs an owner: pass --to NAME")
    if action is Action.COMMENTED and not request.note.strip():
        raise ActRefusedError("needs", "a comment needs a note: pass --note TEXT")
    if action in (Action.EXPLAINED, Action.WAIVER_REQUESTED) and not request.reason:
        raise ActRefusedError(
            "needs",
            f"{words(action)} needs a reason code: pass --reason CODE; `tieout exceptions reasons` lists them",
        )
    if action is Action.WAIVER_REQUESTED and request.until is None:
        raise ActRefusedError("needs", "a waiver needs an end: pass --until 2026-12-31")
    if action in (Action.RESOLVED, Action.WAIVER_REFUSED) and not (request.reason or request.note.strip()):
        raise ActRefusedError(
            "needs", f"{words(action)} needs a reason code or a note: pass --reason or --note"
        )


def _batch(request: Request) -> str:
    """Names a request: what the client named it, else a name of its own."""
    return request.act_id or uuid.uuid4().hex


def _act_id(batch: str, exception_id: str) -> str:
    return hashlib.sha256(f"{batch} {exception_id}".encode()).hexdigest()[:32]
