"""Verdicts recomputed in plain Python from the facts: lists and loops, no SQL, written from the specification.

Only facts with a business time up to V that were known at K are looked at. The engine works the other way
round (it folds everything known and cuts at V afterwards), so that agreement says something.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from workflows.model import Leg, Once, Precedence, Reference, Rule, Sequence, TieOut, Workflow

FAILING = {"MISSING", "ORPHAN", "DUP_CONFIRMED", "PARTIAL", "MISMATCH"}
LEAVES_DENOMINATOR = {"VOID", "DUP_CONFIRMED", "REVERSED"}
ZERO = Decimal(0)


@dataclass(frozen=True)
class Event:
    """One event seen from one object it touches."""

    object_type: str
    object_key: str
    step: str
    occurred_at: datetime
    known_at: datetime
    event_id: str
    amount: Decimal | None = None
    currency: str = ""
    outcome: str = "ok"
    dims: Mapping[str, str] = field(default_factory=dict, hash=False)
    trace_id: str = ""


@dataclass(frozen=True)
class Link:
    from_type: str
    from_key: str
    to_type: str
    to_key: str
    role: str
    valid_from: datetime
    known_at: datetime


@dataclass(frozen=True)
class Snapshot:
    object_type: str
    object_key: str
    amount: Decimal | None
    currency: str
    deleted: bool
    valid_from: datetime
    known_at: datetime
    system: str = "erp"
    row_hash: str = ""


@dataclass(frozen=True)
class Watermark:
    source: str
    complete_through: datetime
    known_at: datetime


@dataclass(frozen=True)
class Facts:
    """Everything that ever came in, in any order, with repetitions."""

    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    watermarks: tuple[Watermark, ...] = ()

    def known(self, at: datetime) -> Facts:
        return Facts(*(tuple(fact for fact in facts if fact.known_at <= at) for facts in self.parts()))

    def parts(self) -> tuple[tuple[Event | Link | Snapshot | Watermark, ...], ...]:
        return (self.events, self.links, self.snapshots, self.watermarks)


@dataclass
class Verdict:
    """One row of `verdicts_at`, without the columns that only name things."""

    expectation: str
    kind: str
    code: str
    clock: str
    owner: str
    item_type: str
    item_key: str
    opened_at: datetime
    opened_by: str
    opened_step: str
    due_at: datetime
    amount: Decimal | None = None
    currency: str = ""
    dims: dict[str, str] = field(default_factory=dict)
    trace_id: str = ""
    closed_at: datetime | None = None
    closed_by: str = ""
    closed_as: str = ""
    reversed_at: datetime | None = None
    failed_at: list[datetime] = field(default_factory=list)
    expected: Decimal | None = None
    actual: Decimal | None = None
    residual: Decimal | None = None
    watermark: datetime | None = None
    covered: bool = False
    state: str = ""
    due: bool = False
    detected_at: datetime | None = None
    resolved_at: datetime | None = None

    @property
    def failures(self) -> int:
        return len(self.failed_at)

    @property
    def attempts(self) -> int:
        return self.failures + (self.closed_as == "arrived")

    @property
    def failing(self) -> bool:
        return self.state in FAILING

    @property
    def matched(self) -> bool:
        return self.state in ("MATCHED", "MATCHED_TOL")

    @property
    def unknown(self) -> bool:
        return self.state == "UNKNOWN"

    def end(self, at: datetime, by: str, how: str) -> None:
        self.closed_at, self.closed_by, self.closed_as = at, by, how


def verdicts(workflow: Workflow, facts: Facts, as_of: datetime, known_at: datetime) -> list[Verdict]:
    """Every verdict of `workflow` as of (V, K)."""
    world = _World(workflow, facts, as_of, known_at)
    out: list[Verdict] = []
    for rule in workflow.expectations:
        if isinstance(rule, Reference):
            rows = _reference(rule, world)
        else:
            rows = [row for key in world.items(rule.item) for row in _by_events(rule, world, rule.item, key)]
        for row in rows:
            _judge(row, rule, world)
            row.dims = {**row.dims, "owner": rule.owner, "expectation": rule.name, "item_type": rule.item}
        out += rows
    return out


class _World:
    """What had happened by V as known at K, ready to be looked up."""

    def __init__(self, workflow: Workflow, facts: Facts, as_of: datetime, known_at: datetime) -> None:
        self.workflow, self.as_of = workflow, as_of
        self._known_at = known_at
        steps = list(workflow.steps)
        known = facts.known(known_at)
        self.histories: dict[tuple[str, str], list[Event]] = {}
        seen: set[tuple[str, str, str]] = set()
        for event in known.events:
            identity = (event.object_type, event.object_key, event.event_id)
            if event.occurred_at <= as_of and identity not in seen:
                seen.add(identity)
                self.histories.setdefault(identity[:2], []).append(event)
        for history in self.histories.values():
            # A step the workflow does not know stands before those it knows.
            history.sort(
                key=lambda e: (e.occurred_at, steps.index(e.step) if e.step in steps else -1, e.event_id)
            )
        self.links = [link for link in known.links if link.valid_from <= as_of]
        self.ways: dict[tuple[str, str], list[tuple[str, str, str, datetime]]] = {}
        for link in self.links:
            start, end = (link.from_type, link.from_key), (link.to_type, link.to_key)
            self.ways.setdefault(start, []).append((link.role, *end, link.valid_from))
            self.ways.setdefault(end, []).append((link.role, *start, link.valid_from))
        self.states: dict[tuple[str, str], list[Snapshot]] = {}
        for state in known.snapshots:
            if state.valid_from <= as_of:
                self.states.setdefault((state.object_type, state.object_key), []).append(state)
        for states in self.states.values():
            states.sort(key=lambda s: (s.valid_from, s.known_at, s.row_hash))
        self.complete: dict[str, datetime] = {}
        self._watermarks = known.watermarks
        for mark in known.watermarks:
            self.complete[mark.source] = max(
                mark.complete_through, self.complete.get(mark.source, mark.complete_through)
            )

    def around(self, item: tuple[str, str]) -> Facts:
        """All that is known of an item and of what it is linked with, however far."""
        reached, waiting = {item}, [item]
        while waiting:
            others = [(kind, key) for _, kind, key, _ in self.ways.get(waiting.pop(), ())]
            waiting += [one for one in dict.fromkeys(others) if one not in reached]
            reached.update(others)
        return Facts(
            tuple(event for one in reached for event in self.histories.get(one, ())),
            tuple(link for link in self.links if (link.from_type, link.from_key) in reached),
            tuple(state for one in reached for state in self.states.get(one, ())),
            self._watermarks,
        )

    def earlier(self, facts: Facts, as_of: datetime) -> _World:
        """What had happened of them by then, as known now."""
        return _World(self.workflow, facts, as_of, self._known_at)

    def moments(self, after: datetime) -> list[datetime]:
        """When anything happened after then."""
        happened = {event.occurred_at for history in self.histories.values() for event in history}
        told = {state.valid_from for states in self.states.values() for state in states}
        return sorted(at for at in happened | told | {link.valid_from for link in self.links} if at > after)

    def items(self, item_type: str) -> list[str]:
        return [key for kind, key in self.histories if kind == item_type]

    def is_try(self, event: Event) -> bool:
        """A try that failed has not reached its step, unless the step itself is the failing."""
        step = self.workflow.steps.get(event.step)
        return event.outcome == "failed" and not (step and step.failed)


def _by_events(rule: Rule, world: _World, item_type: str, key: str) -> list[Verdict]:
    history = world.histories[item_type, key]
    if isinstance(rule, Sequence):
        return _sequence(rule, history, world)
    if isinstance(rule, Precedence):
        return _precedence(rule, history, world)
    if isinstance(rule, Once):
        return _once(rule, history, world)
    assert isinstance(rule, TieOut)
    return _tie_out(rule, history, world)


def _opened(rule: Rule, history: list[Event], index: int) -> Verdict:
    """A row opened by `history[index]`, with the money and the segments known by then."""
    event = history[index]
    return Verdict(
        rule.name, rule.kind, rule.code, getattr(rule, "clock", ""), rule.owner, rule.item, event.object_key,
        event.occurred_at, event.event_id, event.step, event.occurred_at + getattr(rule, "within", timedelta(0)),
        event.amount, event.currency, _segments(history[: index + 1]), event.trace_id,
    )  # fmt: skip


def _segments(events: Iterable[Event]) -> dict[str, str]:
    """Segments as the newest of `events` that names them says."""
    return {name: value for event in events for name, value in event.dims.items() if value}


def _sequence(rule: Sequence, history: list[Event], world: _World) -> list[Verdict]:
    rows: list[Verdict] = []
    waiting: Verdict | None = None
    newest_arrival: Verdict | None = None  # the row the newest arrival closed, if it closed one
    settled = False  # an arrival came and nothing yet that makes the step due again
    for index, event in enumerate(history):
        failed_try = world.is_try(event)
        if waiting and (event.step in rule.failed_by or (failed_try and event.step in rule.expect)):
            waiting.failed_at.append(event.occurred_at)
        if failed_try:
            continue
        if event.step in rule.reversed_by and newest_arrival and not newest_arrival.reversed_at:
            newest_arrival.reversed_at = event.occurred_at
        how = _ending(rule, event.step)
        if how == "arrived":
            newest_arrival, settled = waiting, True
        elif event.step in (rule.again_after or ()):
            settled = False
        if how and waiting:
            waiting.end(event.occurred_at, event.event_id, how)
            waiting = None
        elif event.step in rule.after and not waiting and not (rule.again_after is not None and settled):
            waiting = _opened(rule, history, index)
            rows.append(waiting)
    return rows


def _ending(rule: Sequence, step: str) -> str:
    if step in rule.expect:
        return "arrived"
    if step in rule.void_by:
        return "voided"
    return "written_off" if step in rule.write_off_by else ""


def _precedence(rule: Precedence, history: list[Event], world: _World) -> list[Verdict]:
    """A row for each time the step came before what it needs; what it needs may still come."""
    rows: list[Verdict] = []
    for index, event in enumerate(history):
        if world.is_try(event):
            continue
        if event.step in rule.requires:
            for row in rows:
                row.end(event.occurred_at, event.event_id, "arrived")
            return rows
        if event.step == rule.step:
            rows.append(_opened(rule, history, index))
    return rows


def _once(rule: Once, history: list[Event], world: _World) -> list[Verdict]:
    rows: list[Verdict] = []
    came = 0
    for index, event in enumerate(history):
        if world.is_try(event):
            continue
        if event.step in rule.reset_by:
            for row in rows:
                if not row.reversed_at:
                    row.end(event.occurred_at, event.event_id, "arrived")
                    row.reversed_at = event.occurred_at
            came = 0
        if event.step == rule.step:
            came += 1
            if came > 1:
                rows.append(_opened(rule, history, index))
    return rows


def _reference(rule: Reference, world: _World) -> list[Verdict]:
    linked: dict[tuple[str, str], datetime] = {}
    for link in world.links:
        if (link.role, link.from_type, link.to_type) == (rule.link.role, rule.item, rule.link.to):
            pair = (link.from_key, link.to_key)
            linked[pair] = min(link.valid_from, linked.get(pair, link.valid_from))
    rows = []
    for (key, target), since in linked.items():
        row = Verdict(
            rule.name,
            rule.kind,
            rule.code,
            "",
            rule.owner,
            rule.item,
            key,
            since,
            target,
            "",
            since + rule.within,
        )
        row.dims = _segments(e for e in world.histories.get((rule.item, key), []) if e.occurred_at <= since)
        there = _first_existence(world.states.get((rule.link.to, target), []), since)
        if there:
            row.end(there, target, "arrived")
        rows.append(row)
    return rows


def _first_existence(states: list[Snapshot], since: datetime) -> datetime | None:
    """The first moment at or after `since` when the newest state of the object is not that it is gone."""
    for moment in sorted({since, *(state.valid_from for state in states if state.valid_from > since)}):
        so_far = [state for state in states if state.valid_from <= moment]
        if so_far and not so_far[-1].deleted:
            return moment
    return None


def _tie_out(rule: TieOut, history: list[Event], world: _World) -> list[Verdict]:
    for index, event in enumerate(history):
        if event.step in rule.after and not world.is_try(event):
            return [_opened(rule, history, index)]
    return []


def _members(leg: Leg, row: Verdict, world: _World) -> list[tuple[Decimal | None, str, datetime]]:
    """Amount, currency and time of joining of each member of a leg."""
    if leg.step:
        return [
            (event.amount, event.currency, event.occurred_at)
            for event in world.histories[row.item_type, row.item_key]
            if event.step == leg.step and not world.is_try(event)
        ]
    ends: dict[tuple[str, str], datetime] = {}
    frontier: list[tuple[tuple[str, str], datetime]] = [
        ((row.item_type, row.item_key), datetime.min.replace(tzinfo=world.as_of.tzinfo))
    ]
    for hop in leg.links:
        frontier = [
            ((kind, key), max(since, valid_from))
            for place, since in frontier
            for role, kind, key, valid_from in world.ways.get(place, [])
            if (role, kind) == (hop.role, hop.to)
        ]
    for place, since in frontier:
        ends[place] = min(since, ends.get(place, since))
    found = []
    for place, since in ends.items():
        states = world.states.get(place, [])
        newest = states[-1] if states else None
        if newest is None:
            found.append((None, "", since))
        elif not newest.deleted:
            found.append((newest.amount, newest.currency, since))
    return found


def _judge(row: Verdict, rule: Rule, world: _World) -> None:
    """Coverage, state, and when the exception began and ended."""
    row.watermark = _watermark(rule, world)
    own = world.states.get((row.item_type, row.item_key), [])
    if row.amount is None and rule.kind != "tie_out":
        # Money the opening event does not name is what the item's system says.
        row.amount, row.currency = (own[-1].amount, own[-1].currency) if own else (None, "")
    row.covered = row.watermark is not None and row.watermark >= row.due_at
    past_due = row.due_at <= world.as_of
    if isinstance(rule, TieOut):
        _judge_tie_out(row, rule, world, past_due)
    elif isinstance(rule, Once):
        row.state = "REVERSED" if row.reversed_at else "DUP_CONFIRMED"
        row.detected_at, row.resolved_at = row.opened_at, row.reversed_at
    elif isinstance(rule, Precedence):
        row.state = "MATCHED" if row.closed_at else "ORPHAN" if row.covered else "UNKNOWN"
        if row.state != "UNKNOWN":
            row.detected_at, row.resolved_at = row.opened_at, row.closed_at
    else:
        row.state = _waiting_state(row, past_due)
        if row.closed_at:
            if row.closed_at > row.due_at:
                row.detected_at, row.resolved_at = row.due_at, row.closed_at
        elif row.state == "MISSING":
            row.detected_at = row.due_at
    row.due = (
        isinstance(rule, Sequence | Reference | TieOut) and past_due and row.state not in LEAVES_DENOMINATOR
    )


def _watermark(rule: Rule, world: _World) -> datetime | None:
    """The newest time through which any source of what is expected is complete."""
    if isinstance(rule, Reference):
        sources = world.workflow.sources
    else:
        steps = {
            "sequence": lambda r: r.expect, "precedence": lambda r: r.requires,
            "once": lambda r: (r.step,), "tie_out": lambda r: r.after,
        }[rule.kind](rule)  # fmt: skip
        sources = world.workflow.sources_of(steps)
    return max((world.complete[source] for source in sources if source in world.complete), default=None)


def _waiting_state(row: Verdict, past_due: bool) -> str:
    if row.closed_as == "arrived":
        return "REVERSED" if row.reversed_at else "MATCHED"
    if row.closed_as:
        return {"voided": "VOID", "written_off": "WRITTEN_OFF"}[row.closed_as]
    if not past_due:
        return "IN_FLIGHT" if row.failed_at else "NOT_DUE"
    return "MISSING" if row.covered else "UNKNOWN"


def _judge_tie_out(row: Verdict, rule: TieOut, world: _World, past_due: bool) -> None:
    """As it stands; and from when to when it failed last, by asking at every moment since it was due."""
    _weigh(row, rule, world, past_due)
    if not past_due or row.unknown:
        return
    facts = world.around((row.item_type, row.item_key))
    for at in (row.due_at, *world.earlier(facts, world.as_of).moments(row.due_at)):
        then = replace(row)
        _weigh(then, rule, world.earlier(facts, at), past_due)
        is_open = row.detected_at is not None and row.resolved_at is None
        if then.failing and not is_open:
            row.detected_at, row.resolved_at = at, None
        elif then.matched and is_open:
            row.resolved_at = at


def _weigh(row: Verdict, rule: TieOut, world: _World, past_due: bool) -> None:
    row.expected = row.actual = row.residual = None
    left, right = (_members(leg, row, world) for leg in rule.legs.values())
    everyone = left + right
    currencies = {currency for amount, currency, _ in everyone if amount is not None}
    comparable = len(currencies) == 1 and all(amount is not None for amount, _, _ in everyone)
    if comparable:
        row.expected = sum((amount for amount, _, _ in left if amount is not None), ZERO)
        row.actual = sum((amount for amount, _, _ in right if amount is not None), ZERO)
        row.residual = row.actual - row.expected
    row.state = _tie_out_state(row, rule, past_due, bool(left), bool(right))
    row.amount = None if row.residual is None else abs(row.residual)
    row.currency = min((currency for _, currency, _ in everyone if currency), default="")


def _tie_out_state(row: Verdict, rule: TieOut, past_due: bool, has_expected: bool, has_actual: bool) -> str:
    if not past_due:
        return "IN_FLIGHT"
    if not has_expected:
        return "ORPHAN" if row.covered else "UNKNOWN"
    if row.residual is None or row.expected is None:
        return "UNKNOWN"
    if row.residual == 0:
        return "MATCHED"
    if abs(row.residual) <= max(rule.tolerance.abs, rule.tolerance.pct * abs(row.expected) / 100):
        return "MATCHED_TOL"
    if row.residual > 0:
        return "MISMATCH"
    if not row.covered:
        return "UNKNOWN"
    return "PARTIAL" if has_actual else "MISSING"
