"""Random small workflows and random histories for them, with repetitions, late news and equal times."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from hypothesis import strategies as st
from oracle import Event, Facts, Link, Snapshot, Watermark

from workflows.model import Workflow

BUSINESS = datetime(2026, 3, 1, tzinfo=UTC)
LEARNT = datetime(2026, 6, 1, tzinfo=UTC)
STEPS = ["s0", "s1", "s2", "s3", "s4", "s5", "oops"]
TYPES = ["order", "bill"]
ROLES = ["pays", "names"]

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """A workflow with facts, the moments at which the job runs, and the pairs (V, K) asked for."""

    workflow: Workflow
    facts: Facts
    runs: tuple[datetime, ...]
    asked: tuple[tuple[datetime, datetime], ...]


def business(unit: int, micros: int = 0) -> datetime:
    """Business times lie on a grid of half days, so that equal times are common."""
    return BUSINESS + timedelta(hours=12 * unit, microseconds=micros)


def learnt(unit: int) -> datetime:
    return LEARNT + timedelta(hours=unit)


TIMES = st.builds(business, st.integers(0, 16), st.sampled_from([0, 0, 0, 1]))
KNOWN_UNITS = [0, 0, 1, 2, 3, 5, 8]
KNOWN = st.builds(learnt, st.sampled_from(KNOWN_UNITS))
AMOUNTS = [Decimal(text) for text in ("0", "10", "10", "10", "10.5", "20", "-5", "0.000001", "99.99")]
WITHIN = st.sampled_from(["0s", "12h", "1d", "2d 12h", "5d"])


def some(values: list[T], least: int = 0, most: int = 3) -> st.SearchStrategy[list[T]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=most, unique=True)


@st.composite
def sequences(draw: st.DrawFn) -> dict[str, Any]:
    """Each step has at most one part in opening and ending; the other parts are free of the expected step."""
    order = draw(st.permutations(STEPS))
    cuts = [
        draw(st.integers(1, 2)),
        draw(st.integers(1, 2)),
        draw(st.integers(0, 2)),
        draw(st.integers(0, 1)),
    ]
    parts: list[list[str]] = []
    for cut in cuts:
        parts.append(list(order[:cut]))
        order = order[cut:]
    after, expect, void_by, write_off_by = parts
    others = [step for step in STEPS if step not in expect]
    return {
        "kind": "sequence", "after": after, "expect": expect, "void_by": void_by, "write_off_by": write_off_by,
        "reversed_by": draw(some(others, most=2)),
        "failed_by": draw(some([step for step in others if step not in after], most=2)),
        "again_after": draw(st.none() | some(others, most=2)),
        "within": draw(WITHIN), "clock": draw(st.sampled_from(["step", "sync", "end_to_end"])),
    }  # fmt: skip


@st.composite
def precedences(draw: st.DrawFn) -> dict[str, Any]:
    step = draw(st.sampled_from(STEPS))
    return {"kind": "precedence", "step": step, "requires": draw(some([s for s in STEPS if s != step], 1, 2))}


@st.composite
def onces(draw: st.DrawFn) -> dict[str, Any]:
    step = draw(st.sampled_from(STEPS))
    return {"kind": "once", "step": step, "reset_by": draw(some([s for s in STEPS if s != step], 0, 2))}


def references() -> st.SearchStrategy[dict[str, Any]]:
    hop = st.fixed_dictionaries({"role": st.sampled_from(ROLES), "to": st.sampled_from(TYPES)})
    return st.fixed_dictionaries({"kind": st.just("reference"), "link": hop, "within": WITHIN})


LEGS = st.one_of(
    st.fixed_dictionaries({"step": st.sampled_from(STEPS)}),
    st.fixed_dictionaries(
        {
            "links": st.lists(
                st.fixed_dictionaries({"role": st.sampled_from(ROLES), "to": st.sampled_from(TYPES)}),
                min_size=1,
                max_size=3,
            )
        }
    ),
)
TIE_OUTS = st.fixed_dictionaries(
    {
        "kind": st.just("tie_out"), "after": some(STEPS, 1, 2), "within": WITHIN,
        "legs": st.fixed_dictionaries({"left": LEGS, "right": LEGS}),
        "tolerance": st.sampled_from([{}, {"abs": "0.5"}, {"pct": "5"}, {"abs": "1", "pct": "0.1"}]),
    }
)  # fmt: skip


@st.composite
def workflows(draw: st.DrawFn, name: str = "random") -> Workflow:
    rules = []
    for number in range(draw(st.integers(4, 9))):
        item = draw(st.sampled_from(["order", "order", "bill"]))
        rule = draw(st.one_of(sequences(), sequences(), precedences(), onces(), references(), TIE_OUTS))
        rules.append(
            {"name": f"rule{number}", "title": "Rule", "item": item, "owner": f"team{number % 3}", **rule}
        )
    steps = {
        step: {
            "title": step, "select": [{"name": step}], "failed": step == "oops",
            "sources": draw(st.sampled_from([[], [], ["special"], ["special", "second"]])),
        }
        for step in draw(st.permutations(STEPS))
    }  # fmt: skip
    return Workflow.model_validate(
        {
            "workflow": name, "title": "Random", "item": "order", "sources": ["first", "second"],
            "objects": {kind: {"title": kind} for kind in TYPES}, "steps": steps, "expectations": rules,
        }
    )  # fmt: skip


class _Dice:
    """The same choices as the strategies above, from one seed: a cell has hundreds of them."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.things = [("order", f"o{n}.{seed}") for n in range(4)] + [
            ("bill", f"b{n}.{seed}") for n in range(2)
        ]
        # Two types share a key.
        self.things += [("order", f"same.{seed}"), ("bill", f"same.{seed}")]

    def one(self, values: Sequence[T]) -> T:
        return self.rng.choice(values)

    def time(self) -> datetime:
        return business(self.rng.randint(0, 16), self.one([0, 0, 0, 1]))

    def learnt(self) -> datetime:
        return learnt(self.one(KNOWN_UNITS))

    def money(self) -> tuple[Decimal | None, str]:
        return self.one([None, *AMOUNTS]), self.one(["USD", "USD", "USD", "USD", "EUR", ""])

    def dims(self) -> dict[str, str]:
        return {
            name: self.one(["", "x", "y"])
            for name in ("department", "payer", "owner")
            if self.rng.random() < 0.3
        }

    def event(self, seed: int, number: int) -> list[Event]:
        """One event, seen from each object it touches, perhaps heard of more than once."""
        first = Event(
            *self.one(self.things), self.one([*STEPS, *STEPS, "unmapped"]), self.time(), self.learnt(),
            f"e{number:02}.{seed}", *self.money(), self.one(["ok"] * 5 + ["failed"]), self.dims(), self.one(["", "f" * 32]),
        )  # fmt: skip
        touched = {(first.object_type, first.object_key), self.one(self.things)}
        heard = {first.known_at, self.learnt() if self.rng.random() < 0.2 else first.known_at}
        return [
            replace(first, object_type=kind, object_key=key, known_at=known)
            for kind, key in sorted(touched)
            for known in sorted(heard)
        ]

    def link(self) -> Link:
        return Link(
            *self.one(self.things), *self.one(self.things), self.one(ROLES), self.time(), self.learnt()
        )

    def snapshot(self, number: int) -> Snapshot:
        gone = self.rng.random() < 0.25
        return Snapshot(
            *self.one(self.things),
            *self.money(),
            gone,
            self.time(),
            self.learnt(),
            self.one(["erp", "ap"]),
            f"{number}",
        )


def cell(seed: int) -> Facts:
    """Facts of a few objects that have nothing to do with those of another cell."""
    dice = _Dice(seed)
    seen = [event for number in range(dice.rng.randint(5, 60)) for event in dice.event(seed, number)]
    links = [dice.link() for _ in range(dice.rng.randint(0, 12))]
    states = [dice.snapshot(number) for number in range(dice.rng.randint(0, 16))]
    return Facts(tuple(seen), tuple(links), tuple(states))


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    """Some cells at once, because a round trip to the engine costs more than all its rows."""
    seeds = draw(st.lists(st.integers(0, 2**31), min_size=2, max_size=12, unique=True))
    parts = [cell(seed).parts() for seed in seeds]
    marks = draw(st.lists(st.builds(
        Watermark, st.sampled_from(["first", "second", "special"]), TIMES, KNOWN), min_size=1, max_size=4))  # fmt: skip
    return Facts(*(tuple(fact for part in parts for fact in part[kind]) for kind in range(3)), tuple(marks))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    runs = sorted(draw(st.lists(st.integers(0, 8), max_size=2, unique=True)))
    asked = draw(st.tuples(TIMES, KNOWN))
    return Case(
        draw(workflows()),
        draw(facts()),
        tuple(learnt(unit) + timedelta(minutes=30) for unit in runs),
        (asked, (business(40), learnt(9)), (business(8), learnt(9))),
    )
