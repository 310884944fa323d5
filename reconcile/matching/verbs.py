"""What each decision by hand does to the records named: who may, what is refused, and the act that comes of it.

Reads nothing: what lies on the table is what the rule and people said of these records up to now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import product
from typing import Any

from reconcile.life import TICK, ActRefusedError, Role, same_person
from reconcile.matching.decide import accepted_of, by_hand
from reconcile.matching.hand import HandAct, HandAction, HandDecision, HandState, Identity, take
from reconcile.matching.model import MatchingRule
from reconcile.matching.records import Decision, Record
from reconcile.matching.rows import MONEY

# Verdicts of a rule that put several records together.
_TOGETHER = ("matched", "matched_tol", "partial", "mismatch", "duplicate", "reversed")
_SETTLED = ("matched", "matched_tol", "reversed")


class MatchVerb(StrEnum):
    """What a person can ask for."""

    ACCEPT = "accept"
    JOIN = "join"
    UNDO = "undo"
    APPROVE = "approve"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"


@dataclass(frozen=True)
class MatchRequest:
    """What a person wants decided.

    `records`: keys, or `leg:key` where two legs have the same one, for accept, join and undo. `decision_id`: for the
    others. `rule`: needed where several rules read these records. `seen`: the difference that the person decided on;
    another one refuses the act. `dry_run`: says what would be done, and does nothing.
    """

    verb: MatchVerb
    records: tuple[str, ...] = ()
    decision_id: str = ""
    rule: str = ""
    act_id: str = ""
    reason: str = ""
    note: str = ""
    seen: Decimal | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class AcceptRequest:
    """Suggestions of one rule that a person wants decided at once: of each, the names of its records as in `MatchRequest`."""

    rule: str
    suggestions: tuple[tuple[str, ...], ...]
    act_id: str = ""
    note: str = ""
    dry_run: bool = False

    def one(self, names: tuple[str, ...]) -> MatchRequest:
        """The same for one suggestion."""
        return MatchRequest(MatchVerb.ACCEPT, names, rule=self.rule, note=self.note, dry_run=self.dry_run)


@dataclass(frozen=True)
class Asked:
    """A request with who asks, and a name for it that stays the same when it is sent again."""

    request: MatchRequest
    actor: str
    role: Role
    now: datetime
    batch: str

    @property
    def act_id(self) -> str:
        return _digest(f"{self.batch} act")

    @property
    def decision_id(self) -> str:
        return _digest(f"{self.batch} decision")


@dataclass(frozen=True)
class Said:
    """A decision of the rule on some records at present."""

    records: tuple[Identity, ...]
    verdict: str
    outcome: str
    state: str
    code: str
    options: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        return f"{named_text(self.records)} {self.state} {self.code}".strip()


@dataclass(frozen=True)
class Table:
    """What lies on the table: the rule, the decisions by hand as they stand, the records named, what the rule says.

    `last`: the newest act on any match of the rule.
    """

    rule: MatchingRule
    last: HandAct | None
    standing: Mapping[str, HandDecision]
    records: Mapping[Identity, Record]
    standing_of: Callable[[Iterable[str]], Mapping[Identity, Record]]
    said_of: Callable[[Iterable[str]], list[Said]]

    def knowing(self, records: Iterable[Identity]) -> Table:
        """The same with these records too."""
        return replace(self, records={**self.records, **self.standing_of(key for _, key in records)})

    def after(self, act: HandAct) -> Table:
        """The same when this has been done too."""
        standing = dict(self.standing)
        take(standing, act)
        return replace(self, last=act, standing=standing)

    def found(self, name: str) -> list[Identity]:
        """Records that this name may mean."""
        return [one for one in self.records if name in (one[1], f"{one[0]}:{one[1]}")]

    def named(self, names: Sequence[str]) -> list[Identity]:
        """The records meant. Raises ActRefusedError for a name that two legs have."""
        chosen: dict[Identity, None] = {}
        for name in names:
            found = self.found(name)
            if len(found) > 1:
                options = " or ".join(":".join(one) for one in found)
                raise ActRefusedError("needs", f"several legs have a record {name!r}: say {options}")
            chosen[found[0]] = None
        return list(chosen)

    def holder(self, records: Iterable[Identity]) -> HandDecision | None:
        """A decision by hand, made or asked for, that has one of these records."""
        wanted = set(records)
        held = (HandState.TOGETHER, HandState.REQUESTED)
        return next(
            (one for one in self.standing.values() if one.state in held and one.members & wanted), None
        )

    def is_apart(self, records: Iterable[Identity]) -> bool:
        """Whether exactly these were taken apart."""
        members = frozenset(records)
        return any(one.state is HandState.APART and one.members == members for one in self.standing.values())

    def decisions_of_rule(self, records: Sequence[Identity]) -> list[Said]:
        """What the rule says of these records, as far as nobody decided otherwise since."""
        found = self.said_of(key for _, key in records)
        wanted = set(records)
        return [
            one
            for one in found
            if wanted & set(one.records) and not self.holder(one.records) and not self.is_apart(one.records)
        ]

    def act(self, asked: Asked, action: HandAction, members: Iterable[Identity], **more: Any) -> HandAct:
        """An act on these records, now, after every act before it."""
        last = self.last.known_at + TICK if self.last else asked.now
        places = sorted(members, key=self._order)
        told = {
            "decision_id": asked.decision_id,
            "amounts": tuple(_worth(self.records.get(place)) for place in places),
            "reason": asked.request.reason.strip().upper(), "note": asked.request.note,
            **more,
        }  # fmt: skip
        return HandAct(
            act_id=asked.act_id, action=action, rule=self.rule.rule, workflow=self.rule.workflow,
            known_at=max(asked.now, last), actor=asked.actor, members=tuple(places), **told,
        )  # fmt: skip

    def _order(self, place: Identity) -> tuple[int, str]:
        """Legs in the order of the rule; one that an earlier version of it had comes last."""
        legs = self.rule.leg_names
        return (legs.index(place[0]) if place[0] in legs else len(legs)), place[1]

    def about(self, asked: Asked, action: HandAction, one: HandDecision) -> HandAct:
        """An act on a decision that there is; it repeats what the decision says of its records."""
        opening = one.opening
        return self.act(
            asked, action, opening.members, decision_id=opening.decision_id, amounts=opening.amounts,
            difference=opening.difference, currency=opening.currency, accepted=opening.accepted, said=opening.said,
        )  # fmt: skip


# --- what each verb does


def _accept(asked: Asked, table: Table) -> HandAct:
    """What the rule suggested is decided: a whole suggestion, or one of its ways."""
    named = table.named(asked.request.records)
    suggested = [one for one in table.decisions_of_rule(named) if one.outcome == "suggest"]
    table = table.knowing(place for one in suggested for place in one.records)
    ways = [way for one in suggested for way in _ways(table, one) if set(named) <= way]
    if not ways:
        raise ActRefusedError(
            "state", f"nothing is suggested with {named_text(named)}; `tieout match join` matches by hand"
        )
    exact = [way for way in ways if way == frozenset(named)]
    if len(ways) > 1 and not exact:
        shown = " or ".join(named_text(sorted(way)) for way in ways[:5])
        raise ActRefusedError("needs", f"there are several ways: name all records of one, {shown}")
    way = exact[0] if exact else ways[0]
    judged = _judged(table, way)
    return table.act(
        asked, HandAction.ACCEPTED, way, difference=_rounded(judged.residual), currency=_currency(judged),
        said="; ".join(one.text() for one in suggested),
    )  # fmt: skip


def _ways(table: Table, one: Said) -> list[frozenset[Identity]]:
    """The sets that a suggestion proposes and that agree as its records stand."""
    if one.verdict in ("matched", "matched_tol"):
        return [frozenset(one.records)]
    sets = {
        frozenset(chosen)
        for option in one.options
        for chosen in product(*([place for place in one.records if place[1] == key] for key in option))
        if len(set(chosen)) == len(option)
    }
    return sorted(
        (way for way in sets if _judged(table, way).verdict in ("matched", "matched_tol")), key=sorted
    )


def _join(asked: Asked, table: Table) -> HandAct:
    """Records that people know to belong together, or of one leg, to cancel each other.

    A difference above what one may accept alone is asked for.
    """
    named = table.named(asked.request.records)
    _check_free(table, named)
    judged = _joinable(table, named)
    failed = tuple(accepted_of(test) for test in judged.gates if test.passed is False)
    alone = _may_alone(table.rule, asked.role, judged)
    return table.act(
        asked, HandAction.JOINED if alone else HandAction.REQUESTED, named, difference=_rounded(judged.residual),
        currency=_currency(judged), accepted=failed,
        said="; ".join(one.text() for one in table.decisions_of_rule(named)),
    )  # fmt: skip


def _undo(asked: Asked, table: Table) -> HandAct:
    """What was matched, by people or by the rule, is taken apart and not joined again."""
    named = table.named(asked.request.records)
    by_people = table.holder(named)
    if by_people and set(named) <= by_people.members:
        if by_people.state is HandState.REQUESTED:
            raise ActRefusedError(
                "state", f"{named_text(named)} only waits for approval; refuse or withdraw it"
            )
        _check_may_end(asked, by_people)
        return table.knowing(by_people.members).act(
            asked, HandAction.UNDONE, by_people.members, said=f"{by_people.opening.action} by {by_people.opening.actor}",
            difference=by_people.opening.difference, currency=by_people.opening.currency,
        )  # fmt: skip
    matches = [
        one
        for one in table.decisions_of_rule(named)
        if set(named) <= set(one.records) and one.verdict in _TOGETHER and len(one.records) > 1
    ]
    if not matches:
        raise ActRefusedError(
            "state", f"{named_text(named)} is matched with nothing, so there is nothing to undo"
        )
    undone = matches[0]
    table = table.knowing(undone.records)
    return table.act(asked, HandAction.UNDONE, undone.records, said=undone.text())


def _approve(asked: Asked, table: Table) -> HandAct:
    one = _of(asked, table, HandState.REQUESTED)
    _check_role(asked, Role.APPROVER, "approving a match")
    if same_person(one.opening.actor, asked.actor):
        raise ActRefusedError("person", f"{asked.actor} asked for this match; somebody else must approve it")
    _check_free(table, one.opening.members, but=one)
    table = table.knowing(one.opening.members)
    judged = _joinable(table, one.opening.members)
    failed = {accepted_of(test) for test in judged.gates if test.passed is False}
    if failed != set(one.opening.accepted):
        raise ActRefusedError(
            "changed",
            f"its records have changed since it was asked for: the difference is "
            f"{money_text(judged.residual, _currency(judged))} by now; refuse it, and ask for it anew",
        )
    return table.about(asked, HandAction.APPROVED, one)


def _refuse(asked: Asked, table: Table) -> HandAct:
    one = _of(asked, table, HandState.REQUESTED)
    if not same_person(one.opening.actor, asked.actor):
        _check_role(asked, Role.APPROVER, "refusing a match that somebody else asked for")
    return table.about(asked, HandAction.REFUSED, one)


def _withdraw(asked: Asked, table: Table) -> HandAct:
    """A decision by hand is taken back: its records are decided by the rule alone, as if nobody had said anything."""
    one = _of(asked, table, HandState.REQUESTED, HandState.TOGETHER, HandState.APART)
    if one.state is HandState.REQUESTED and not same_person(one.opening.actor, asked.actor):
        _check_role(asked, Role.APPROVER, "withdrawing what somebody else asked for")
    _check_may_end(asked, one)
    return table.about(asked, HandAction.WITHDRAWN, one)


# --- what must hold


def _of(asked: Asked, table: Table, *states: HandState) -> HandDecision:
    one = table.standing[asked.request.decision_id]
    if one.state not in states:
        last = one.last
        raise ActRefusedError(
            "state",
            f"{asked.request.verb} is not possible while it is {one.state}: {last.action} by {last.actor} at "
            f"{last.known_at:%Y-%m-%d %H:%M} UTC",
        )
    return one


def _check_role(asked: Asked, needed: Role, what: str) -> None:
    if not asked.role.covers(needed):
        raise ActRefusedError("role", f"{what} needs the role {needed}; {asked.actor} is {asked.role}")


def _check_may_end(asked: Asked, one: HandDecision) -> None:
    """What two people agreed on is not for one worker to undo."""
    if one.approved_by:
        _check_role(asked, Role.APPROVER, f"ending a match that {one.approved_by} approved")


def _check_free(table: Table, named: Sequence[Identity], but: HandDecision | None = None) -> None:
    """No record is in a decision by hand already, nor in a match of the rule that stands."""
    holder = next(
        (
            one
            for one in table.standing.values()
            if one is not but
            and one.state in (HandState.TOGETHER, HandState.REQUESTED)
            and one.members & set(named)
        ),
        None,
    )
    if holder:
        taken = named_text(sorted(holder.members & set(named)))
        how = "waits for approval" if holder.state is HandState.REQUESTED else "stands"
        raise ActRefusedError(
            "state",
            f"{taken} is in decision {holder.decision_id} of {holder.opening.actor}, which {how}; end that first",
        )
    for one in table.decisions_of_rule(named):
        if one.verdict in _SETTLED and one.outcome == "clear":
            raise ActRefusedError(
                "state",
                f"the rule {'took back' if one.verdict == 'reversed' else 'matched'} {named_text(one.records)}; undo that "
                f"first: tieout match undo {one.records[0][0]}:{one.records[0][1]}",
            )


def _joinable(table: Table, named: Sequence[Identity]) -> Decision:
    """What the rule says of these records together. Raises ActRefusedError where that cannot be a match."""
    _check_legs(table.rule, named)
    if gone := [place for place in named if place not in table.records]:
        raise ActRefusedError(
            "over", f"{named_text(gone)} is not there any more: deleted, or in a state that does not count"
        )
    judged = _judged(table, named)
    if judged.verdict == "unusable" and not judged.faults:
        raise ActRefusedError(
            "state",
            f"rule {table.rule.rule!r} compares no amount or quantity, so nothing shows that records cancel",
        )
    if judged.verdict == "unusable":
        places = named_text((one.leg, one.key) for one in judged.records)
        raise ActRefusedError(
            "state", f"{places} cannot be used ({judged.faults[0].code}), so the difference is not known"
        )
    if any(test.name == "currency" for test in judged.gates):
        raise ActRefusedError(
            "state", f"{named_text(named)} are in several currencies; the rule has no rates for them"
        )
    return judged


def _check_legs(rule: MatchingRule, named: Sequence[Identity]) -> None:
    """Every leg is there, or several records of one, which cancel each other."""
    legs = {leg for leg, _ in named}
    absent = ", ".join(leg for leg in rule.leg_names if leg not in legs)
    if not absent or (len(legs) == 1 and len(named) > 1):
        return
    raise ActRefusedError(
        "needs",
        f"a match has records of every leg; none of {absent} is named. Several records of one leg can be joined when "
        "they cancel each other",
    )


def _judged(table: Table, named: Iterable[Identity]) -> Decision:
    """The first thing there is to say of these records: what cannot be used, else the match."""
    records = [table.records[place] for place in named if place in table.records]
    return (by_hand(table.rule, records, frozenset(named), frozenset()) or [Decision("none", ())])[0]


def _may_alone(rule: MatchingRule, role: Role, judged: Decision) -> bool:
    """Whether what is accepted is within what this role accepts alone. A difference that is not known is not."""
    failed = [test for test in judged.gates if test.passed is False]
    if not failed:
        return True
    stakes = [judged.residual, *(fault.amount for fault in judged.faults)]
    known = [abs(stake) for stake in stakes if stake is not None]
    limit = rule.by_hand.worker if role is Role.WORKER else rule.by_hand.approver
    return len(known) == len(stakes) and max(known) <= limit


# --- small things


def named_text(records: Iterable[Identity]) -> str:
    """Records as people name them: `bank:B1 + ledger:L1`."""
    return " + ".join(":".join(one) for one in records)


def _worth(record: Record | None) -> Decimal | None:
    return record.worth if record else None


def _rounded(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(MONEY)


def _currency(judged: Decision) -> str:
    return next((record.currency for record in judged.records if record.currency), "")


def money_text(value: Decimal | None, currency: str) -> str:
    """`-3.00 USD`, or that it is not known."""
    return "not known" if value is None else f"{value:,.2f} {currency}".strip()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


DECIDING: Mapping[MatchVerb, Callable[[Asked, Table], HandAct]] = {
    MatchVerb.ACCEPT: _accept, MatchVerb.JOIN: _join, MatchVerb.UNDO: _undo, MatchVerb.APPROVE: _approve,
    MatchVerb.REFUSE: _refuse, MatchVerb.WITHDRAW: _withdraw,
}  # fmt: skip
