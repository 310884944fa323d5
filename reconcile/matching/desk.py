"""Deciding on matches by hand: who may, what is refused, and the acts that come of it.

What a rule decided is read as it stands at present; what people decided is folded from their acts, so that nothing
waits for the match job to take it in.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from core.findings import nearest
from reconcile.act_log import ActLog, Kind
from reconcile.life import MOST_AT_ONCE, NOTE_CHARACTERS, ActRefusedError, Present, Role
from reconcile.matching.hand import (
    LAST,
    Accepted,
    HandAct,
    HandAction,
    Identity,
    are_of_one_leg,
)
from reconcile.matching.model import Ruling
from reconcile.matching.records import Record
from reconcile.matching.results import results
from reconcile.matching.rows import row_of, version_of
from reconcile.matching.run import hand_of, with_calendars
from reconcile.matching.verbs import (
    DECIDING,
    AcceptRequest,
    Asked,
    MatchRequest,
    MatchVerb,
    Said,
    Table,
    money_text,
)
from reconcile.policy import Policy
from store.audit import Entry
from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"
# What each may become in the acts; a join that needs approval becomes a request.
_ACTIONS = {
    MatchVerb.ACCEPT: (HandAction.ACCEPTED,), MatchVerb.JOIN: (HandAction.JOINED, HandAction.REQUESTED),
    MatchVerb.UNDO: (HandAction.UNDONE,), MatchVerb.APPROVE: (HandAction.APPROVED,),
    MatchVerb.REFUSE: (HandAction.REFUSED,), MatchVerb.WITHDRAW: (HandAction.WITHDRAWN,),
}  # fmt: skip


@dataclass(frozen=True)
class MatchOutcome:
    """What was done, or would be. `action`: as in `match_acts`; a join may become a request for approval.

    `difference`: actual less expected money, None when not known. `accepted`: tests of the rule that fail and are
    accepted with it. `repeated`: it had been done before.
    """

    action: HandAction
    decision_id: str
    rule: str
    records: tuple[str, ...]
    difference: Decimal | None = None
    currency: str = ""
    accepted: tuple[str, ...] = ()
    repeated: bool = False

    @property
    def is_cancelling(self) -> bool:
        """Whether its records cancel each other, all being of one leg."""
        return are_of_one_leg((leg, key) for leg, _, key in (name.partition(":") for name in self.records))


@dataclass(frozen=True)
class AcceptOutcome:
    """What became of one suggestion of several: done, or refused with a `code` and a sentence."""

    records: tuple[str, ...]
    done: bool
    code: str = ""
    why: str = ""
    decision_id: str = ""
    difference: Decimal | None = None
    currency: str = ""
    repeated: bool = False


class MatchDesk:
    """Where matches are decided by hand. Who acts, and in which role, is known to the caller."""

    def __init__(
        self, store: Store, log: ActLog, policy: Policy, rulings: Mapping[str, Ruling], present: Present
    ) -> None:
        self._store = store
        self._log = log
        self._policy = policy
        self._rulings = rulings
        self._present = present

    def do(self, request: MatchRequest, actor: str, role: Role, now: datetime) -> MatchOutcome:
        """Decides what `request` asks. Raises ActRefusedError, ChainBusyError, StoreError."""
        self._check(request, actor, role)
        asked = Asked(request, actor, role, now, request.act_id or uuid.uuid4().hex)
        return self._log.keep(MATCH_ACTS, partial(self._decide, asked))

    def accept_all(
        self, request: AcceptRequest, actor: str, role: Role, now: datetime
    ) -> list[AcceptOutcome]:
        """Accepts what can be accepted of the suggestions named, in their order; the others say why not.

        Raises ActRefusedError when the request itself is refused, ChainBusyError, StoreError.
        """
        self._check_common(sum(map(len, request.suggestions)), request.note, request.rule, actor, role)
        if not request.rule:
            raise ActRefusedError("needs", "several suggestions are accepted of one rule: name it")
        if not request.suggestions or not all(request.suggestions):
            raise ActRefusedError("needs", "accept needs suggestions: name the records of each")
        batch = request.act_id or uuid.uuid4().hex
        return self._log.keep(MATCH_ACTS, partial(self._decide_all, request, batch, actor, role, now))

    def _check_common(self, records: int, note: str, rule: str, actor: str, role: Role) -> None:
        """What is wrong with any request: who asks, for how much, and of which rule."""
        most = MOST_AT_ONCE[role]
        if not most:
            raise ActRefusedError(
                "role", f"{actor} is {role} and may only look; ask who runs tieout for another role"
            )
        if records > most:
            raise ActRefusedError(
                "role", f"{actor} is {role} and may name {most:,} records at once, not {records:,}"
            )
        if len(note) > NOTE_CHARACTERS:
            raise ActRefusedError("needs", f"a note has at most {NOTE_CHARACTERS:,} characters")
        if rule and rule not in self._rulings:
            near = nearest(rule, self._rulings)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(self._rulings) or 'none'}"
            raise ActRefusedError("unknown", f"no matching rule {rule[:64]!r}; {hint}")

    def _check(self, request: MatchRequest, actor: str, role: Role) -> None:
        """What is wrong with a request by itself."""
        self._check_common(len(request.records), request.note, request.rule, actor, role)
        if request.reason:
            self._policy.check_reason(request.reason.strip().upper())
        verb = request.verb
        if verb in (MatchVerb.JOIN, MatchVerb.UNDO) and not request.reason and not request.dry_run:
            raise ActRefusedError(
                "needs", f"{verb} needs a reason code: pass --reason CODE; `tieout exceptions reasons` lists them"
            )  # fmt: skip
        if verb in (MatchVerb.REFUSE, MatchVerb.WITHDRAW) and not (request.reason or request.note.strip()):
            raise ActRefusedError("needs", f"{verb} needs a reason code or a note: pass --reason or --note")
        if verb in (MatchVerb.ACCEPT, MatchVerb.JOIN, MatchVerb.UNDO) and not request.records:
            raise ActRefusedError("needs", f"{verb} needs records: name their keys")

    def _decide(self, asked: Asked) -> tuple[MatchOutcome, list[HandAct]]:
        request = asked.request
        given = {"decision": request.decision_id, "act_id": asked.act_id}
        rules = [row["rule"] for row in self._store.rows(read(SQL / "rule_of_decision.sql"), given)]
        for rule in rules:
            if before := self._done_before(rule, asked):
                return before, []
        known = [rule for rule in rules if rule in self._rulings]
        if not request.records and not known:
            raise ActRefusedError(
                "unknown",
                f"no decision by hand {request.decision_id[:64]!r}; `tieout match decisions` shows their ids",
            )
        table = self._table_of_records(asked) if request.records else self._table(known[0], asked.now, ())
        act = DECIDING[request.verb](asked, table)
        outcome = _outcome(act)
        if request.seen is not None and request.seen != act.difference:
            raise ActRefusedError(
                "changed", f"the difference is {money_text(act.difference, act.currency)} by now, not "
                f"{money_text(request.seen, act.currency)}; look again and decide anew",
            )  # fmt: skip
        return outcome, [] if request.dry_run else [act]

    def _decide_all(
        self, request: AcceptRequest, batch: str, actor: str, role: Role, now: datetime
    ) -> tuple[list[AcceptOutcome], list[HandAct]]:
        """Each suggestion as if it were asked for alone after those before it, from one reading of the store."""
        table = self._table(request.rule, now, [name for names in request.suggestions for name in names])
        table = _read_at_once(table)
        before = {act.act_id: act for act in hand_of(self._store, request.rule, LAST).acts}
        outcomes: list[AcceptOutcome] = []
        acts: list[HandAct] = []
        for names in request.suggestions:
            asked = Asked(request.one(names), actor, role, now, f"{batch} {sorted(names)}")
            try:
                if (act := before.get(asked.act_id)) is None:
                    act = _accepted(asked, table)
                    table = table.after(act)
                    acts.append(act)
                elif act.actor != actor:
                    raise ActRefusedError("repeated", "this act id was used by somebody else; take a new one")
            except ActRefusedError as refusal:
                outcomes.append(AcceptOutcome(names, False, refusal.code, str(refusal)))
                continue
            outcomes.append(
                AcceptOutcome(
                    tuple(":".join(one) for one in act.members), True, decision_id=act.decision_id,
                    difference=act.difference, currency=act.currency, repeated=act.act_id in before,
                )
            )  # fmt: skip
        return outcomes, [] if request.dry_run else acts

    def _done_before(self, rule: str, asked: Asked) -> MatchOutcome | None:
        """What the same request did when it was sent before."""
        acts = hand_of(self._store, rule, LAST).acts
        before = next((act for act in acts if act.act_id == asked.act_id), None)
        if before is None:
            return None
        if before.action not in _ACTIONS[asked.request.verb] or before.actor != asked.actor:
            raise ActRefusedError("repeated", "this act id was used for another act; take a new one")
        return _outcome(before, repeated=True)

    def _table_of_records(self, asked: Asked) -> Table:
        """The rule that reads all records named, with what stands of them."""
        names = asked.request.records
        chosen = [asked.request.rule] if asked.request.rule else list(self._rulings)
        tables = [self._table(rule, asked.now, names) for rule in chosen]
        fitting = [table for table in tables if all(table.found(name) for name in names)]
        if len(fitting) > 1:
            rules = ", ".join(table.rule.rule for table in fitting)
            raise ActRefusedError(
                "needs", f"several rules read these records: pass --rule with one of {rules}"
            )
        if not fitting:
            best = max(tables, key=lambda table: sum(bool(table.found(name)) for name in names), default=None)
            missing = [name for name in names if best is None or not best.found(name)]
            raise ActRefusedError(
                "unknown",
                f"no matching rule reads {', '.join(repr(name[:64]) for name in missing[:3])} together with the others; "
                "`tieout match list` shows what they read",
            )
        return fitting[0]

    def _table(self, rule: str, now: datetime, names: Sequence[str]) -> Table:
        ruling = with_calendars(self._store, self._rulings[rule])
        hand = hand_of(self._store, rule, LAST)
        as_of = self._present(ruling.rule.workflow, now)
        standing = partial(_standing, self._store, ruling, as_of, now)
        keys = {*names, *(name.partition(":")[2] for name in names)}
        said_of = partial(_said, self._store, rule, as_of, now)
        last = hand.acts[-1] if hand.acts else None
        return Table(ruling.rule, last, hand.decisions(), standing(keys), standing, said_of)


def _accepted(asked: Asked, table: Table) -> HandAct:
    if missing := [name for name in asked.request.records if not table.found(name)]:
        raise ActRefusedError("unknown", f"rule {table.rule.rule!r} reads no record {missing[0][:64]!r}")
    return DECIDING[MatchVerb.ACCEPT](asked, table)


def _read_at_once(table: Table) -> Table:
    """The same table, for many questions about its records: what the rule says of all of them is read once."""
    said = table.said_of(key for _, key in table.records)
    standing = table.standing_of(key for one in said for _, key in one.records)
    by_key: dict[str, list[Said]] = defaultdict(list)
    for one in said:
        for key in {key for _, key in one.records}:
            by_key[key].append(one)
    places: dict[str, dict[Identity, Record]] = defaultdict(dict)
    for place, record in {**standing, **table.records}.items():
        places[place[1]][place] = record

    def said_of(keys: Iterable[str]) -> list[Said]:
        return list({one.records: one for key in dict.fromkeys(keys) for one in by_key.get(key, ())}.values())

    def standing_of(keys: Iterable[str]) -> dict[Identity, Record]:
        return {place: record for key in dict.fromkeys(keys) for place, record in places.get(key, {}).items()}

    return replace(table, said_of=said_of, standing_of=standing_of)


def _standing(
    store: Store, ruling: Ruling, as_of: datetime, known_at: datetime, keys: Iterable[str]
) -> dict[Identity, Record]:
    """Records with these keys as they stand; what is gone is not among them."""
    given = {
        "records": sorted(set(keys) - {""}), "versions": [(ruling.rule.rule, ruling.version)], "as_of": as_of,
        "known_at": known_at,
    }  # fmt: skip
    rows = store.rows(read(SQL / "standing_records.sql"), given)
    versions = [version_of(ruling.rule, row["newest"]) for row in rows]
    return {(one.record.leg, one.record.key): one.record for one in versions if not one.gone}


def _said(store: Store, rule: str, as_of: datetime, known_at: datetime, keys: Iterable[str]) -> list[Said]:
    found: dict[tuple[Identity, ...], Said] = {}
    for row in results(store, as_of, known_at, rule=rule, items=sorted(set(keys)), ended=False):
        records = tuple(zip(row["legs"], row["records"], strict=True))
        if row["pass"] and records not in found:
            options = tuple(tuple(option) for option in orjson.loads(row["options"] or "[]"))
            found[records] = Said(records, row["verdict"], row["outcome"], row["state"], row["code"], options)
    return list(found.values())


def _outcome(act: HandAct, *, repeated: bool = False) -> MatchOutcome:
    return MatchOutcome(
        act.action, act.decision_id, act.rule, tuple(":".join(one) for one in act.members), act.difference, act.currency,
        tuple(f"{one.name}: {one.actual or 'nothing'}, expected {one.expected or 'nothing'}" for one in act.accepted),
        repeated,
    )  # fmt: skip


def _content(act: HandAct) -> dict[str, Any]:
    """An act as it stands in the audit log: times in ISO 8601, money as text."""
    return {
        **asdict(act), "known_at": act.known_at.isoformat(), "amounts": [_as_text(amount) for amount in act.amounts],
        "difference": _as_text(act.difference),
    }  # fmt: skip


def _as_text(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def _from_content(content: Mapping[str, Any]) -> HandAct:
    told = {
        "action": HandAction(content["action"]), "known_at": datetime.fromisoformat(content["known_at"]),
        "members": tuple((leg, record) for leg, record in content["members"]),
        "amounts": tuple(None if amount is None else Decimal(amount) for amount in content["amounts"]),
        "difference": None if content["difference"] is None else Decimal(content["difference"]),
        "accepted": tuple(Accepted(**one) for one in content["accepted"]),
    }  # fmt: skip
    return HandAct(**{**content, **told})


MATCH_ACTS: Kind[HandAct] = Kind(
    "match_act",
    "match_acts",
    lambda act: Entry(act.known_at, act.actor, "match_act", act.decision_id, _content(act)),
    row_of,
    _from_content,
)
