"""Whatever happens in whatever order: the engine's verdicts are those that plain Python finds in the facts."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from histories import Case, cases, learnt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import Facts, verdicts
from world import empty, fill, recomputed, stored, stored_of, written

from reconcile.run import reconcile
from store.client import Store

pytestmark = pytest.mark.slow

# The profile `long` (see tests/conftest.py) tries more.
EXAMPLES = max(8, settings().max_examples // 10)
engine_bound = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
END = learnt(10)


def shuffled(facts: Facts, seed: int) -> Facts:
    rng = random.Random(seed)
    return Facts(*(tuple(rng.sample(part, len(part))) for part in facts.parts()))


def between(facts: Facts, after: datetime, until: datetime) -> Facts:
    return Facts(*(tuple(fact for fact in part if after < fact.known_at <= until) for part in facts.parts()))


@engine_bound
@given(case=cases(), seed=st.integers(0, 1000))
def test_verdicts_equal_the_recomputation_however_often_the_job_ran(
    store: Store, case: Case, seed: int
) -> None:
    empty(store)
    flow, name = case.workflow, case.workflow.workflow
    last = learnt(-1)
    for run in (*case.runs, END):
        fill(store, name, shuffled(between(case.facts, last, run), seed))
        reconcile(store, [flow], run)
        last = run
    step_by_step = written(store)

    again = reconcile(store, [flow], END + timedelta(minutes=1))[0]
    assert (again.expectations, again.members) == (0, 0)
    assert written(store) == step_by_step

    for as_of, known_at in case.asked:
        assert stored(store, name, as_of, known_at) == recomputed(verdicts(flow, case.facts, as_of, known_at))

    as_of, known_at = case.asked[-1]
    everything = stored(store, name, as_of, known_at)
    for key in ("o1", "same"):
        place = [row for row in everything if row[6] == key]
        assert stored_of(store, name, as_of, known_at, [key]) == place

    empty(store)
    fill(store, name, shuffled(case.facts, seed + 1))
    reconcile(store, [flow], END)
    assert written(store) == step_by_step
