"""Many small histories side by side, so that one run of the job decides them all; and what must stand of each, in plain Python.

An island has its own accounts and references: a few objects that change, move to another key, are deleted or come late, and what people
decide on them. As of (V, K) every fact and every act is read again.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from matching_rules import tolerant
from matching_world import AT, LAST, day

from reconcile.matching.decide import by_hand, decide
from reconcile.matching.hand import Accepted, HandAct, HandAction
from reconcile.matching.model import Key, MatchingRule
from reconcile.matching.records import Decision, Record
from reconcile.matching.rows import row_of
from store.client import Store

Places = frozenset[tuple[str, str]]
Told = tuple[Any, ...]
KINDS = {"bank_line": "bank", "ledger_line": "ledger"}
FIELDS = ("account", "reference", "state", "amount", "booked", "original")
WITHIN = timedelta(days=2)
TOGETHER = ("matched", "matched_tol", "mismatch", "reversed", "partial", "duplicate")


@dataclass(frozen=True)
class State:
    """One state of an object as a probe stores it; `amount` and `booked` are texts that may be no number and no date."""

    kind: str
    key: str
    account: str
    reference: str
    amount: str
    valid_from: datetime
    known_at: datetime
    number: int
    state: str = "posted"
    booked: str = ""
    original: str = ""
    currency: str = "USD"
    deleted: bool = False


@dataclass(frozen=True)
class Act:
    """What a person did: join, request, approve, refuse, apart or withdraw, by the name of the decision."""

    what: str
    name: str
    records: Places
    known_at: datetime
    number: int
    accepted: tuple[Accepted, ...] = ()


def two_legs(
    name: str,
    *keys: Mapping[str, Any],
    dated: bool = False,
    original: bool = False,
    tolerance: int = 1,
    **more: Any,
) -> MatchingRule:
    """Bank and ledger with these keys, each leg due two days after the other."""
    leg = {
        "fields": {name: name for name in FIELDS}, "when": {"state": ["posted"]}, "within": "2d",
        **({"date": "booked"} if dated else {}), **({"original": "original"} if original else {}),
    }  # fmt: skip
    legs = {one: {"type": f"{one}_line", **leg} for one in ("bank", "ledger")}
    made = tolerant({"abs": tolerance}, rule=name, legs=legs, **more)
    return made.model_copy(update={"keys": tuple(Key.model_validate(key) for key in keys)})


# --- an island


def random_states(rng: random.Random, island: int) -> list[State]:
    """Most of them as they are in a working week; on every third island anything that systems have ever sent."""
    is_odd, names = rng.random() < 0.4, rng.randrange(2, 4)
    made = []
    for number in range(rng.randrange(4, 11)):
        at = day(rng.randrange(12))
        known_at = at + timedelta(days=rng.choice([0, 0, 0, 1, 2, 4, -1]))
        one = State(
            rng.choice(list(KINDS)), f"i{island}.{rng.randrange(names)}", f"i{island}{rng.choice('AAAAB')}",
            f"i{island}{rng.choice('xxy')}", rng.choice(["10", "10", "20", "30", "11"]), at, known_at, island * 100 + number,
            rng.choice(["posted"] * 9 + ["draft"]), rng.choice(["", "", f"{at + timedelta(days=rng.randrange(-3, 4)):%Y-%m-%d}"]),
            deleted=rng.random() < 0.06,
        )  # fmt: skip
        if is_odd:
            one = replace(
                one, account=rng.choice([one.account] * 9 + [""]), reference=rng.choice([one.reference] * 3 + [""]),
                amount=rng.choice([one.amount, one.amount, "-10", "n/a"]), booked=rng.choice([one.booked, one.booked, "soon"]),
                original=rng.choice([""] * 5 + [f"i{island}.0"]), currency=rng.choice(["USD"] * 15 + ["EUR"]),
            )  # fmt: skip
        made.append(one)
    return list({(one.kind, one.key, one.valid_from, one.known_at): one for one in made}.values())


def random_acts(
    rng: random.Random, rule: MatchingRule, states: Sequence[State], island: int, count: int
) -> list[Act]:
    """What the desk would let people do, one after the other: no record in two decisions, only matches taken apart."""
    acts: list[Act] = []
    for number in range(count):
        known_at = day(rng.choice([rng.randrange(1, 15), rng.randrange(1, 15) + 0.3]))
        if acts and known_at <= acts[-1].known_at:
            known_at = acts[-1].known_at + timedelta(microseconds=1)
        act = _random_act(rng, rule, states, acts, f"{rule.rule}.{island}.{number}", known_at)
        acts += [replace(act, number=island * 100 + number)] if act else []
    return acts


def _random_act(
    rng: random.Random,
    rule: MatchingRule,
    states: Sequence[State],
    acts: Sequence[Act],
    name: str,
    known_at: datetime,
) -> Act | None:
    joined, apart, waiting = folded(acts, known_at)
    what = rng.choice(
        ["join", "join", "request", "apart", "apart", "withdraw", "approve", "refuse", "cancel"]
    )
    about = (
        [*waiting.values()]
        if what in ("approve", "refuse")
        else [*joined.values(), *apart.values(), *waiting.values()]
    )
    if what in ("approve", "refuse", "withdraw"):
        return replace(rng.choice(about), what=what, known_at=known_at) if about else None
    if what == "apart":
        taken = {one.records for one in apart.values()}
        matches = [
            frozenset(place[:2] for place in told[1])
            for told in expected(rule, states, acts, LAST, known_at)
            if told[0] in TOGETHER and len(told[1]) > 1
        ]
        sets = [one for one in matches if one not in taken]
        return Act("apart", name, rng.choice(sets), known_at, 0) if sets else None
    held = {place for one in (*joined.values(), *waiting.values()) for place in one.records}
    there = {(record.leg, record.key): record for record, _ in records_of(rule, states, LAST, known_at)}
    leg = rng.choice(["bank", "ledger"])
    free = sorted(place for place in set(there) - held if what != "cancel" or place[0] == leg)
    if len(free) < 2:
        return None
    chosen = frozenset(rng.sample(free, min(len(free), rng.choice([2, 2, 3]))))
    (judged, *_) = by_hand(rule, [there[place] for place in sorted(chosen)], chosen, frozenset())
    failed = tuple(
        Accepted(gate.name, gate.expected, gate.actual) for gate in judged.gates if gate.passed is False
    )
    accepted = failed if rng.random() < 0.7 else ()
    return Act("request" if what == "request" else "join", name, chosen, known_at, 0, accepted)


# --- what must stand


def records_of(
    rule: MatchingRule, states: Iterable[State], as_of: datetime, known_at: datetime
) -> list[tuple[Record, State]]:
    """What stands of each object; `at` of a record is what its leg counts from, its date or when it was first there."""
    leg = rule.legs["bank"]
    last: dict[tuple[str, str], State] = {}
    ever: dict[tuple[str, str, datetime], State] = {}
    for one in sorted(states, key=lambda one: (one.valid_from, one.known_at, one.number)):
        if one.valid_from <= as_of and one.known_at <= known_at:
            last[one.kind, one.key] = ever[one.kind, one.key, one.valid_from] = one
    found = []
    for one in last.values():
        if one.deleted or one.state != "posted":
            continue
        on = _date(one.booked) if leg.date else None
        undated = [
            other.valid_from
            for other in ever.values()
            if (other.kind, other.key) == (one.kind, one.key) and other.state == "posted" and not (leg.date and _date(other.booked))
        ]  # fmt: skip
        at = datetime(on.year, on.month, on.day, tzinfo=UTC) if on else min(undated)
        problem, wrong = _problem(rule, one)
        record = Record(
            KINDS[one.kind], one.key, at, at.date(), (None if one.amount == "n/a" else Decimal(one.amount),), (), one.currency,
            original=one.original if leg.original else "", problem=problem, wrong=wrong, dated=on is not None,
        )  # fmt: skip
        found.append((record, one))
    return found


def _date(text: str) -> date | None:
    return date.fromisoformat(text) if text[:2] == "20" else None


def _problem(rule: MatchingRule, one: State) -> tuple[str, tuple[str, ...]]:
    if one.amount == "n/a":
        return "TRANSFORM_ERROR", ("amount", one.amount)
    if all(any(not getattr(one, field) for field in key.fields) for key in rule.keys):
        return "KEY_UNMAPPED", (next(field for field in rule.keys[0].fields if not getattr(one, field)), "")
    if rule.legs["bank"].date and one.booked and not _date(one.booked):
        return "TRANSFORM_ERROR", ("booked", one.booked)
    return "", ()


def folded(acts: Iterable[Act], known_at: datetime) -> tuple[dict[str, Act], dict[str, Act], dict[str, Act]]:
    """What people joined, took apart and asked for, as it stands at K."""
    joined: dict[str, Act] = {}
    apart: dict[str, Act] = {}
    waiting: dict[str, Act] = {}
    for one in sorted(acts, key=lambda one: (one.known_at, one.number)):
        if one.known_at > known_at:
            continue
        if one.what in ("join", "request"):
            (joined if one.what == "join" else waiting)[one.name] = one
        elif one.what == "approve":
            joined[one.name] = waiting.pop(one.name)
        elif one.what == "apart":
            joined = {name: other for name, other in joined.items() if other.records != one.records}
            apart[one.name] = one
        else:
            for standing in (joined, apart, waiting):
                standing.pop(one.name, None)
    return joined, apart, waiting


def expected(
    rule: MatchingRule, states: Iterable[State], acts: Iterable[Act], as_of: datetime, known_at: datetime
) -> list[Told]:
    """Decisions as of (V, K): what people joined first, then one key of the rule after the other."""
    joined, taken, _ = folded(acts, known_at)
    there = {
        (record.leg, record.key): (record, one) for record, one in records_of(rule, states, as_of, known_at)
    }
    free = {place: record for place, (record, _) in there.items()}
    final: list[Decision] = []
    for act in joined.values():
        members = [free.pop(place) for place in sorted(act.records) if place in free]
        final += by_hand(rule, members, act.records, frozenset(act.accepted)) if members else []
    left = [*free.values()]
    for number, key in enumerate(rule.keys, start=1):
        groups: dict[object, list[Record]] = defaultdict(list)
        for record in left:
            parts = tuple(getattr(there[record.leg, record.key][1], field) for field in key.fields)
            alone = "" in parts or (number == 1 and record.problem)
            groups[(record.leg, record.key) if alone else parts].append(record)
        found = []
        for members in groups.values():
            places = {(one.leg, one.key) for one in members}
            apart = sorted({one.records for one in taken.values() if one.records <= places}, key=sorted)
            found += decide(rule, key, members, tuple(apart))
        left = [record for one in found if one.verdict == "open" for record in one.records]
        final += [one for one in found if one.verdict != "open" or number == len(rule.keys)]
    return sorted(map(_told, final), key=repr)


def _told(one: Decision) -> Told:
    members = tuple(sorted((record.leg, record.key, record.day) for record in one.records))
    due_at = min(record.at for record in one.records) + WITHIN
    return one.verdict, members, one.residual, tuple(sorted(one.variance.items())), due_at


# --- into the store, and out of it


def store_states(store: Store, states: Iterable[State]) -> None:
    store.insert("snapshots", [
        {
            "system": "books", "object_type": one.kind, "object_key": one.key, "fields": {name: getattr(one, name) for name in FIELDS},
            "amount": None, "currency": one.currency, "deleted": one.deleted, "valid_from": one.valid_from, "captured_at": one.known_at,
            "known_at": one.known_at, "row_hash": f"{one.number:06}", "source": "books", "run_id": "",
        }
        for one in states
    ])  # fmt: skip


def store_acts(store: Store, rule: str, acts: Iterable[Act]) -> None:
    actions = {
        "join": "joined", "request": "requested", "approve": "approved", "refuse": "refused", "apart": "undone",
        "withdraw": "withdrawn",
    }  # fmt: skip
    rows = []
    for one in acts:
        members = tuple(sorted(one.records))
        rows.append(row_of(HandAct(
            f"{one.number:06} {one.name} {one.what}", one.name, HandAction(actions[one.what]), rule, "cash", one.known_at, "ana",
            members, tuple(None for _ in members), accepted=one.accepted,
        )))  # fmt: skip
    store.insert("match_acts", rows)


def told_by_islands(store: Store, as_of: datetime, known_at: datetime) -> Callable[[str, int], list[Told]]:
    """What the views say as of (V, K), by rule and island, comparable with `expected`."""
    rows = store.rows(
        "SELECT rule, verdict, members.leg AS legs, members.record AS records, members.day AS days, residual, variance, due_at "
        f"FROM matches_at({AT})",
        {"as_of": as_of, "known_at": known_at},
    )
    found: dict[tuple[str, int], list[Told]] = defaultdict(list)
    for row in rows:
        members = tuple(sorted(zip(row["legs"], row["records"], row["days"], strict=True)))
        found[row["rule"], int(row["records"][0][1:].split(".")[0])].append(
            (row["verdict"], members, row["residual"], tuple(sorted(row["variance"].items())), row["due_at"])
        )
    return lambda rule, island: sorted(found[rule, island], key=repr)


def whole_view(store: Store, as_of: datetime, known_at: datetime, view: str = "matches_at") -> bytes:
    """Every row of a view as of (V, K), to the byte, without what only says which statement decided and at which step."""
    leave_out = {
        "matches_at": "known_at, occurred_at, evidence, item, gates, options, nearest, margin", "exceptions_at": "known_at",
    }[view]  # fmt: skip
    query = f"SELECT * EXCEPT ({leave_out}) FROM {view}({AT}) ORDER BY ALL"
    return store.raw(query, {"as_of": as_of, "known_at": known_at}, fmt="TSV")
