"""News of records and decisions by hand, in any order and in any number of runs, and versions of a rule that come and go meanwhile.

Hundreds of small histories in one store, each held against plain Python for several (V, K); below them what they have found.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta

import pytest
from matching_islands import (
    Act,
    State,
    expected,
    random_acts,
    random_states,
    records_of,
    store_acts,
    store_states,
    told_by_islands,
    two_legs,
    whole_view,
)
from matching_rules import rule
from matching_world import AT, CASH, LAST, complete, day, decisions, state, written

from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.run import match, retire
from store.client import Store

BOTH, ACCOUNT = ["account", "reference"], ["account"]
PAIRS_THEN_SUMS = two_legs(
    "first",
    {"fields": BOTH, "method": "group"},
    {"fields": ACCOUNT, "method": "subset", "window": {"days": [-3, 5]}},
    dated=True,
    original=True,
)
THREE_KEYS = two_legs(
    "second",
    {"fields": BOTH, "method": "subset"},
    {"fields": ["reference"], "method": "pair", "window": {"days": [-2, 6]}},
    {"fields": ACCOUNT, "method": "group"},
    original=True,
    tolerance=0,
)


def run(store: Store, now: datetime, *rules: MatchingRule) -> None:
    match(store, [Ruling(one, {}) for one in rules], {"cash": CASH}, now)


def asked(rng: random.Random, count: int) -> list[tuple[datetime, datetime]]:
    return [(day(rng.randrange(28) / 2), day(rng.choice([rng.randrange(32) / 2, rng.randrange(15) + 0.3]))) for _ in range(count)] + [
        (LAST, day(30))
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("late", [0, 0.3])
def test_news_and_acts_say_the_same_in_whatever_order_they_come(store: Store, late: float) -> None:
    rng = random.Random(f"news {late}")
    rules = (PAIRS_THEN_SUMS, THREE_KEYS)
    states = [random_states(rng, island) for island in range(40)]
    acts = {
        one.rule: [random_acts(rng, one, own, island, rng.choice([0, 2, 4, 7])) for island, own in enumerate(states)] for one in rules
    }  # fmt: skip
    waiting: list[tuple[str, State | Act]] = [("", one) for own in states for one in own]
    waiting += [(name, one) for name, by_island in acts.items() for own in by_island for one in own]
    rng.shuffle(waiting)
    pairs, before = asked(rng, 3), {}
    for until in (day(4.3), day(8), LAST):
        come = [
            one for one in waiting if one[1].known_at <= until and (until == LAST or rng.random() >= late)
        ]
        waiting = [one for one in waiting if one not in come]
        store_states(store, [one for _, one in come if isinstance(one, State)])
        for name in acts:
            store_acts(store, name, [one for of, one in come if isinstance(one, Act) and of == name])
        run(store, until + timedelta(seconds=1), *rules)
        # What came later changes nothing of what was known before.
        assert all(whole_view(store, *pair) == said for pair, said in before.items())
        before |= {pair: whole_view(store, *pair) for pair in pairs if pair[1] <= until and not late}
    seen: Counter[str] = Counter()
    for as_of, known_at in pairs:
        said = told_by_islands(store, as_of, known_at)
        for one in rules:
            for island, own in enumerate(states):
                want = expected(one, own, acts[one.rule][island], as_of, known_at)
                assert said(one.rule, island) == want, (
                    one.rule,
                    as_of,
                    known_at,
                    own,
                    acts[one.rule][island],
                )
                # Each record stands in one decision, and so does all money.
                there = sorted(
                    (record.leg, record.key) for record, _ in records_of(one, own, as_of, known_at)
                )
                assert sorted(place[:2] for told in want for place in told[1]) == there
                seen.update(told[0] for told in want)
    assert all(
        seen[one] > 2 for one in ("open", "matched", "mismatch", "reversed", "unusable", "duplicate")
    ), seen
    step_by_step = [whole_view(store, *pair) for pair in pairs]
    for table in ("matches", "match_records", "marks", "matching_versions"):
        store.command(f"TRUNCATE TABLE {table}")
    run(store, LAST + timedelta(seconds=1), *rules)
    assert [whole_view(store, *pair) for pair in pairs] == step_by_step
    if late:
        return
    # A run that had died before its marks were set repeats nothing.
    rows = written(store)
    store.command("TRUNCATE TABLE marks")
    run(store, LAST + timedelta(seconds=1), *rules)
    assert written(store) == rows


@pytest.mark.slow
def test_versions_that_come_and_go_leave_what_was_said_before(store: Store) -> None:
    rng = random.Random(8)
    versions = {
        "first": two_legs(
            "bank", {"fields": BOTH, "method": "pair"}, {"fields": ACCOUNT, "method": "subset"}
        ),
        "second": two_legs("bank", {"fields": ACCOUNT, "method": "pair"}, tolerance=0),
        "third": two_legs("bank", {"fields": ACCOUNT}, dated=True, tolerance=5),
    }
    states = [random_states(rng, island) for island in range(15)]
    acts = [
        random_acts(rng, versions["first"], own, island, rng.choice([0, 0, 3]))
        for island, own in enumerate(states)
    ]
    for known in range(0, 18, 3):
        complete(store, known, known)
    # An empty name: the file of the rule is gone.
    story = ["first", "second", "first", "", "third", "first"]
    decides: list[tuple[datetime, str]] = []
    before: dict[tuple[datetime, datetime], tuple[bytes, bytes]] = {}
    since = day(-9)
    for number, name in enumerate(story):
        until = day(1.2 + 2.6 * number)
        store_states(store, [one for own in states for one in own if since < one.known_at <= until])
        store_acts(store, "bank", [one for own in acts for one in own if since < one.known_at <= until])
        now, since = until + timedelta(seconds=1), until
        run(store, now, *([versions[name]] if name else []))
        assert retire(store, ["bank"] if name else [], now) == (
            ["bank"] if not name and decides[-1][1] else []
        )
        decides.append((now, name))
        # As known up to the last run, by the version of then, and as known now.
        for known_at in (now, until):
            pair = day(rng.randrange(17) + 0.5), known_at
            held = next((one for at, one in reversed(decides) if at <= known_at), decides[0][1])
            if held and held != name:
                # What the version before has not taken in yet, it takes in when it is back.
                continue
            before[pair] = whole_view(store, *pair), whole_view(store, *pair, "exceptions_at")
            said = told_by_islands(store, *pair)
            for island, own in enumerate(states):
                want = expected(versions[held], own, acts[island], *pair) if held else []
                assert said("bank", island) == want, (decides, pair, own)
            decided = {row["version"] for row in store.rows(
                f"SELECT DISTINCT version FROM verdicts_at({AT}) WHERE kind = 'tie_out'", {"as_of": pair[0], "known_at": known_at})}  # fmt: skip
            assert decided <= ({Ruling(versions[held], {}).version} if held else set())
    assert len(before) >= len(story)
    for pair, said in before.items():
        assert (whole_view(store, *pair), whole_view(store, *pair, "exceptions_at")) == said, (pair, decides)


# --- what was found


def days_and_dues(store: Store) -> list[tuple[object, ...]]:
    """Records of each decision, with the day of the first and when the whole is due, at the end of all times."""
    rows = store.rows(
        f"SELECT members.record AS records, members.day AS days, due_at FROM matches_at({AT}) ORDER BY records",
        {"as_of": LAST, "known_at": LAST},
    )
    return [(*row["records"], row["days"][0].day, row["due_at"]) for row in rows]


def put(store: Store, *states: State) -> None:
    store_states(store, states)


def line(number: int, at: float, amount: str = "10", **more: object) -> State:
    told = {"kind": "ledger_line", "key": "i1.1", "account": "i1A", "reference": "i1x", **more}
    known = told.pop("known", at)
    return State(amount=amount, valid_from=day(at), known_at=day(known), number=number, **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "rule",
    [PAIRS_THEN_SUMS, pytest.param(THREE_KEYS, marks=pytest.mark.slow)],
    ids=["two keys", "three keys"],
)
def test_what_could_not_be_used_at_first_keeps_its_first_day_under_every_key(
    store: Store, rule: MatchingRule
) -> None:
    put(store, line(1, 0, "n/a"), line(2, 4))
    run(store, LAST, rule)
    assert days_and_dues(store) == [("i1.1", 1, day(2))]


@pytest.mark.parametrize(
    "keys", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
def test_a_corrected_key_begins_nothing_anew(store: Store, keys: int) -> None:
    fields = [
        {"fields": BOTH, "method": "pair"},
        {"fields": ["reference"], "method": "pair"},
        {"fields": ACCOUNT, "method": "pair"},
    ]
    wrong = line(1, 0, account="i1B", reference="i1y")
    put(store, wrong)
    run(store, day(1), two_legs("bank", *fields[:keys]))
    assert days_and_dues(store) == [("i1.1", 1, day(2))]
    # Alone, where set by set is decided, and with another, where the core decides.
    put(
        store,
        line(2, 5),
        *(line(3 + n, 5 + n, "11", kind="bank_line", key=f"i1.{8 + n}") for n in range(keys - 1)),
    )
    run(store, LAST, two_legs("bank", *fields[:keys]))
    (told,) = [one for one in days_and_dues(store) if "i1.1" in one]
    assert told[-1] == day(2)
    if keys == 1:
        assert told == ("i1.1", 1, day(2))


def test_a_record_is_not_handed_on_before_it_is_there(store: Store) -> None:
    """Another record of its key has earlier news: at that time it is nowhere, so nothing of it is told with the day it will have."""
    other = {"key": "i1.2", "reference": "i1x"}
    put(store, line(1, 3, **other), line(2, 6, known=7, account="i1B", **other), line(3, 8, "20", known=7))
    # At the same time it turns out to be dated, and elsewhere; later it is back without a date.
    put(
        store, line(4, 8, "30", account="i1B", reference="", booked="2026-03-05"), line(5, 10, "30", known=14)
    )
    run(store, LAST, PAIRS_THEN_SUMS)
    assert ("i1.1", 11, day(12)) in days_and_dues(store)


def test_a_difference_stands_once_when_a_fact_comes_behind_the_first_mark(store: Store) -> None:
    exact = rule(keys=[{"fields": ACCOUNT}])
    state(store, "bank_line", "B1", 10, 2, account="1")
    state(store, "bank_line", "B2", 10, 2, account="2")
    run(store, day(3), exact)
    state(store, "ledger_line", "L1", 20, 1, account="1")
    run(store, day(4), exact)
    assert [one[:3] for one in decisions(store, LAST, LAST)] == [
        ("mismatch", (("bank", "B1"), ("ledger", "L1")), 10),
        ("open", (("bank", "B2"),), None),
    ]
