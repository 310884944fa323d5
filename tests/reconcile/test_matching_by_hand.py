"""What people decide on matches: small cases at the core, and the engine as of any (V, K) against plain Python."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from matching_oracle import Fact, Said, by_hand, first_days, joined_verdict, standing
from matching_rules import group, order_rule, record, rule, subset, told, tolerant
from matching_world import AT, CASH, LAST, day, decisions, state, store_facts, written
from test_matching_as_of import KINDS, RULE, history

from reconcile.matching.decide import by_hand as decided_by_hand
from reconcile.matching.decide import decide
from reconcile.matching.hand import (
    Accepted,
    Hand,
    HandAct,
    HandAction,
    HandState,
    Identity,
    are_of_one_leg,
)
from reconcile.matching.model import MatchingRule, Ruling
from reconcile.matching.records import Decision, Record
from reconcile.matching.rows import row_of
from reconcile.matching.run import match
from store.client import Store

B1, B2, L1, L2 = ("bank", "B1"), ("bank", "B2"), ("ledger", "L1"), ("ledger", "L2")


def decided(of: MatchingRule, records: Iterable[Record], *apart: Iterable[Identity]) -> list[Decision]:
    return decide(of, of.keys[0], list(records), tuple(frozenset(one) for one in apart))


def act(action: str, name: str, at: float, *members: Identity, **more: object) -> HandAct:
    return HandAct(
        f"{name} {action}", name, HandAction(action), "bank", "cash", day(at), "ana", members,
        tuple(None for _ in members), **more,  # type: ignore[arg-type]
    )  # fmt: skip


# --- the core


def test_what_was_taken_apart_is_not_joined_again_and_the_rest_is_decided_anew() -> None:
    rows = [record(leg, key, 100) for leg, key in (B1, L1)]
    assert told(decided(rule(), rows)) == [("matched", ("B1", "L1"))]
    for of in (rule(), subset(), group()):
        assert told(decided(of, rows, [B1, L1])) == [("open", ("B1",)), ("open", ("L1",))], of.keys
    # Another record that fits takes its place where records are paired; under a key that is one item, nothing does.
    more = [*rows, record("ledger", "L2", 100)]
    assert told(decided(rule(), more, [B1, L1])) == [("matched", ("B1", "L2")), ("open", ("L1",))]
    both = [*more, record("bank", "B2", 100)]
    assert told(decided(rule(), both, [B1, L1])) == [("matched", ("B1", "L2")), ("matched", ("B2", "L1"))]
    assert told(decided(group(), more, [B1, L1])) == [("open", (key,)) for key in ("B1", "L1", "L2")]
    # A set of which a record is not there does not matter.
    assert told(decided(rule(), rows, [B1, L1, L2])) == [("matched", ("B1", "L1"))]


def test_sums_and_reversals_that_were_taken_apart_are_not_found_again() -> None:
    rows = [record("bank", "B1", 100), record("ledger", "L1", 60), record("ledger", "L2", 40)]
    assert told(decided(subset(), rows, [B1, L1, L2])) == [("open", (k,)) for k in ("B1", "L1", "L2")]
    twins = [*rows, record("ledger", "L3", 40)]
    assert told(decided(subset(), twins, [B1, L1, L2])) == [
        ("matched", ("B1", "L1", "L3")),
        ("open", ("L2",)),
    ]
    back = [record("bank", "B1", 50), record("bank", "B2", -50, original="B1")]
    assert told(decided(rule(), back)) == [("reversed", ("B1", "B2"))]
    assert told(decided(rule(), back, [B1, B2])) == [("open", ("B1",)), ("open", ("B2",))]


def test_records_that_people_joined_match_as_far_as_that_was_accepted() -> None:
    rows = [
        record("bank", "B1", 100),
        record("ledger", "L1", 60),
        record("ledger", "L2", 35, problem="KEY_UNMAPPED"),
    ]
    members = frozenset([B1, L1, L2])
    accepted = frozenset([Accepted("amount", "100", "95")])

    def verdict(records: Sequence[Record], *, known: frozenset[Accepted] = accepted) -> list[object]:
        return [
            (one.verdict, one.residual, [fault.code for fault in one.faults], one.waits)
            for one in decided_by_hand(rule(), records, members, known)
        ]

    assert verdict(rows) == [("matched_tol", -5, [], ())]
    assert verdict(rows, known=frozenset()) == [("mismatch", -5, ["AMOUNT"], ())]
    # A value that changed is compared anew: equal is equal, another difference is none that anybody accepted.
    assert verdict([*rows[:2], record("ledger", "L2", 40)]) == [("matched", 0, [], ())]
    assert verdict([*rows[:2], record("ledger", "L2", 36)]) == [("mismatch", -4, ["AMOUNT"], ())]
    assert verdict(rows[:2]) == [("mismatch", -40, ["AMOUNT"], ())]
    assert verdict(rows[:1]) == [("open", None, [], ("ledger",))]
    assert verdict([rows[1], rows[2], record("bank", "B1", None, problem="FX_RATE")]) == [
        ("unusable", None, ["FX_RATE"], ()), ("open", None, [], ("bank",)),
    ]  # fmt: skip
    assert verdict([]) == []
    # The same records with the same sums, of which one was replaced, are not what was accepted.
    other = [rows[0], rows[1], record("ledger", "L9", 35)]
    assert verdict(other) == [("mismatch", -5, ["AMOUNT"], ())]


def test_differences_of_quantity_and_price_are_accepted_each_and_dates_do_not_matter() -> None:
    of = order_rule()
    rows = [
        record("po", "P", 10, 5), record("receipt", "R", 10, None, day=3), record("invoice", "I", 12, 6, day=90),
    ]  # fmt: skip
    members = frozenset((one.leg, one.key) for one in rows)
    quantity, price = Accepted("quantity", "10", "12"), Accepted("price", "5", "6")
    for known, verdict in (
        ({quantity, price}, "matched_tol"),
        ({quantity}, "mismatch"),
        ({price}, "mismatch"),
    ):
        (found,) = decided_by_hand(of, rows, members, frozenset(known))
        assert (found.verdict, sum(found.variance.values())) == (verdict, found.residual), known
    (short,) = decided_by_hand(of, [rows[0], rows[1], record("invoice", "I", 4, 5)], members, frozenset())
    assert (short.verdict, short.faults[0].code) == ("mismatch", "QTY_UNDER")


def test_records_of_one_leg_cancel_each_other_as_far_as_what_is_left_was_accepted() -> None:
    back = [record("ledger", "L1", 100), record("ledger", "L2", -60), record("ledger", "L3", -40)]
    members = frozenset((one.leg, one.key) for one in back)

    def verdict(
        records: Sequence[Record],
        of: MatchingRule,
        *accepted: Accepted,
        wanted: frozenset[Identity] = members,
    ) -> tuple[object, ...]:
        (one,) = decided_by_hand(of, records, wanted, frozenset(accepted))
        return one.verdict, one.residual, [fault.code for fault in one.faults], dict(one.variance), one.waits

    of = rule(rounding=Decimal("0.5"))
    assert verdict(back, of) == ("reversed", 0, [], {}, ())
    # What is left counts on the side of its leg, and only what was seen is accepted.
    short = [*back[:2], record("ledger", "L3", -37)]
    assert verdict(short, of) == ("mismatch", 3, ["AMOUNT"], {"unexplained": 3}, ())
    assert verdict(short, of, Accepted("amount", "0", "3")) == ("reversed", 3, [], {"unexplained": 3}, ())
    assert verdict([*back[:2], record("ledger", "L3", "-39.5")], of)[3] == {"rounding": Decimal("0.5")}
    assert (
        verdict([*back[:2], record("ledger", "L3", -36)], of, Accepted("amount", "0", "3"))[0] == "mismatch"
    )
    banks = [record("bank", "B1", 50), record("bank", "B2", -47)]
    assert verdict(banks, of, wanted=frozenset([B1, B2])) == (
        "mismatch",
        -3,
        ["AMOUNT"],
        {"unexplained": -3},
        (),
    )
    # One of them is gone: what is left waits for the other leg. Nothing is said of sums that are not known.
    assert verdict(back[:2], of) == ("open", None, [], {}, ("bank",))
    assert verdict([*back[:2], record("ledger", "L3", None)], of)[:3] == (
        "unusable",
        None,
        ["TRANSFORM_ERROR"],
    )
    euro = [*back[:2], record("ledger", "L3", -40, currency="EUR")]
    assert verdict(euro, of)[::2] == ("mismatch", ["FX_RATE"], ())
    # Quantities cancel, and their money as well where prices are known.
    orders = order_rule()
    returned = [record("receipt", "R1", 10, None), record("receipt", "R2", -10, None)]
    places = frozenset((one.leg, one.key) for one in returned)
    assert verdict(returned, orders, wanted=places) == ("reversed", None, [], {}, ())
    credited = [record("invoice", "I1", 10, 5), record("invoice", "I2", -10, 4)]
    places = frozenset((one.leg, one.key) for one in credited)
    assert verdict(credited, orders, wanted=places)[:3] == ("mismatch", 10, ["AMOUNT"])
    assert verdict(credited, orders, Accepted("money", "0", "10"), wanted=places)[:3] == ("reversed", 10, [])
    less = [record("invoice", "I1", 10, 5), record("invoice", "I2", -11, 5)]
    assert verdict(less, orders, wanted=places)[:3] == ("mismatch", -5, ["QTY_UNDER", "AMOUNT"])


def test_decisions_follow_from_acts_in_whatever_order_they_come() -> None:
    acts = [
        act("joined", "m1", 1, B1, L1), act("requested", "m2", 2, B2, L2), act("approved", "m2", 3, B2, L2),
        act("undone", "a1", 4, B1, L1), act("withdrawn", "a1", 6, B1, L1), act("withdrawn", "m2", 7, B2, L2),
    ]  # fmt: skip
    mixed = [*acts, *acts]
    random.Random(1).shuffle(mixed)
    hand = Hand(mixed)
    assert hand.acts == tuple(acts)
    stands = {
        number: {name: one.state for name, one in hand.decisions(day(number)).items()} for number in range(8)
    }
    together, apart, over = HandState.TOGETHER, HandState.APART, HandState.OVER
    assert stands[0] == {}
    assert stands[2] == {"m1": together, "m2": HandState.REQUESTED}
    assert stands[3] == {"m1": together, "m2": together}
    assert stands[5] == {"m1": over, "m2": together, "a1": apart}
    assert stands[7] == {"m1": over, "m2": over, "a1": over}
    assert [bool(hand.apart(day(number), [B1, L1, L2])) for number in range(3, 8)] == [
        False, True, True, False, False,
    ]  # fmt: skip
    assert hand.apart(day(5), [B1, L2]) == ()
    turns = [(turn.since, turn.until, turn.place) for turn in hand.turns() if turn.record == B1]
    assert [place for _, _, place in turns] == ["", "m1", "", ""]
    assert (
        [since for since, _, _ in turns[1:]]
        == [until for _, until, _ in turns[:-1]]
        == [day(1), day(4), day(6)]
    )


# --- the engine


def run(store: Store, now: datetime, of: MatchingRule = RULE) -> int:
    (done,) = match(store, [Ruling(of, {})], {"cash": CASH}, now)
    return done.decisions


def stored(store: Store, *acts: HandAct) -> None:
    store.insert("match_acts", [row_of(one) for one in acts])


def as_act(said: Said) -> HandAct:
    """The same as the desk would store it."""
    action = {"join": "joined", "apart": "undone", "withdraw": "withdrawn"}[said.what]
    members = tuple(sorted(said.records))
    # Of one leg: nothing is expected to be left, and so much is.
    sides = said.accepted or ()
    if sides and are_of_one_leg(members):
        sides = (Decimal(0), sum(sides))
    shown = [format(side.normalize() if side else Decimal(0), "f") for side in sides]
    accepted = (Accepted("amount", *shown),) if shown else ()
    return HandAct(
        f"{said.name} {said.what}", said.name, HandAction(action), "bank", "cash", said.known_at, "ana", members,
        tuple(None for _ in members), accepted=accepted,
    )  # fmt: skip


def recomputed(
    facts: Iterable[Fact], said: Sequence[Said], as_of: datetime, known_at: datetime
) -> list[tuple[object, ...]]:
    """What stands as of (V, K): what people joined first, then one key of the rule after the other."""
    joined, apart = by_hand(said, known_at)
    there = standing(list(facts), as_of, known_at)
    parts = {(KINDS[fact.kind], fact.key): (fact.account, fact.reference) for fact in there}
    days = first_days(list(facts), as_of, known_at)
    free = {
        (KINDS[fact.kind], fact.key): Record(
            KINDS[fact.kind], fact.key, fact.valid_from, days[fact.kind, fact.key], (fact.amount,), (), "USD"
        )
        for fact in there
    }
    final: list[tuple[object, ...]] = []
    for one in joined.values():
        members = [free.pop(place) for place in sorted(one.records) if place in free]
        if members:
            verdict, off = joined_verdict(one, members, Decimal(1))
            causes = (("unexplained", off),) if off else ()
            final.append((verdict, tuple(sorted((r.leg, r.key) for r in members)), off, causes))
    left = list(free.values())
    for number, key in enumerate(RULE.keys):
        groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
        for one_record in left:
            groups[parts[one_record.leg, one_record.key][: len(key.fields)]].append(one_record)
        # A set of which a record has another key does not matter.
        found = [
            one
            for members in groups.values()
            for one in decide(
                RULE, key, members, tuple(part for part in apart if part <= {(r.leg, r.key) for r in members})
            )
        ]
        left = [r for one in found if one.verdict == "open" for r in one.records]
        final += [
            (
                one.verdict, tuple(sorted((r.leg, r.key) for r in one.records)), one.residual,
                tuple(sorted(one.variance.items())),
            )
            for one in found
            if one.verdict != "open" or number + 1 == len(RULE.keys)
        ]  # fmt: skip
    return sorted(final, key=lambda one: one[:2])  # type: ignore[return-value]


def what_people_say(rng: random.Random, facts: Sequence[Fact], count: int) -> list[Said]:
    """Joins of records that are free, matches of then taken apart, and some of both taken back."""
    said: list[Said] = []
    for number in range(count):
        known_at = day(2 + 13 * number / count) + timedelta(minutes=7)
        joined, apart = by_hand(said, known_at)
        taken = {place for one in joined.values() for place in one.records}
        there = {(KINDS[fact.kind], fact.key): fact for fact in standing(facts, LAST, known_at)}
        free = sorted(set(there) - taken)
        what = rng.choice(["join", "join", "apart", "apart", "withdraw"])
        if what == "withdraw" and said:
            before = rng.choice([one for one in said if one.what != "withdraw"])
            said.append(Said("withdraw", before.name, before.records, known_at))
        elif what == "apart":
            matches = [
                frozenset(records)
                for verdict, records, *_ in recomputed(facts, said, LAST, known_at)
                if verdict in ("matched", "matched_tol", "mismatch") and frozenset(records) not in apart
            ]
            said += [Said("apart", f"a{number}", rng.choice(matches), known_at)] if matches else []
        else:
            chosen = frozenset(rng.sample(free, rng.choice([2, 2, 3])))
            sides = tuple(
                sum((there[place].amount for place in chosen if place[0] == leg), Decimal(0))
                for leg in ("bank", "ledger")
            )
            said.append(
                Said("join", f"m{number}", chosen, known_at, rng.choice([None, (sides[0], sides[1])]))
            )
    return said


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2])
def test_any_pair_of_times_is_what_facts_and_acts_of_then_say(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    facts = history(rng, 100)
    said = what_people_say(rng, facts, 40)
    waiting = [*facts, *said]
    for until in (day(3.5), day(6.5), day(9.5), LAST):
        now_known = [one for one in waiting if one.known_at <= until]
        waiting = [one for one in waiting if one.known_at > until]
        store_facts(store, [one for one in now_known if isinstance(one, Fact)])
        stored(store, *(as_act(one) for one in now_known if isinstance(one, Said)))
        run(store, until + timedelta(seconds=1))
    seen: Counter[object] = Counter()
    for _ in range(9):
        as_of, known_at = day(rng.randrange(14) + 0.5), day(rng.randrange(17) + 0.5)
        found = decisions(store, as_of, known_at)
        assert found == recomputed(facts, said, as_of, known_at), (as_of, known_at)
        # Each record is in one decision, whoever made it, and all money is in one of them.
        members = [place for one in found for place in one[1]]
        there = standing(facts, as_of, known_at)
        assert sorted(members) == sorted((KINDS[fact.kind], fact.key) for fact in there)
        seen.update(one[0] for one in found)
    assert set(seen) >= {"open", "matched", "matched_tol", "mismatch"}
    assert store.value("SELECT count() FROM matches WHERE pass = 0 AND verdict = 'reversed'")
    assert store.value("SELECT count() FROM matches WHERE pass = 0 AND verdict = 'matched_tol'")


@pytest.mark.slow
def test_acts_stored_behind_the_mark_and_all_at_once_leave_the_same_answers(store: Store) -> None:
    rng = random.Random(5)
    facts = history(rng, 60)
    said = what_people_say(rng, facts, 20)
    asked = [(day(v + 0.5), day(k + 0.5)) for v, k in ((3, 5), (6, 8), (9, 12), (13, 16))]
    expected = [recomputed(facts, said, *pair) for pair in asked]
    store_facts(store, facts)
    stored(store, *map(as_act, said[::2]))
    run(store, LAST)
    stored(store, *map(as_act, said[1::2]))
    run(store, LAST + timedelta(seconds=1))
    assert [decisions(store, *pair) for pair in asked] == expected
    for table in ("matches", "match_records", "marks", "matching_versions"):
        store.command(f"TRUNCATE TABLE {table}")
    run(store, LAST)
    assert [decisions(store, *pair) for pair in asked] == expected
    # Nothing new adds nothing, and a run that had died before its mark repeats nothing.
    rows = written(store)
    assert run(store, LAST + timedelta(days=1)) == 0
    store.command("TRUNCATE TABLE marks")
    assert run(store, LAST + timedelta(days=1)) == 0
    assert written(store) == rows


def states(store: Store, as_of: float, known_at: float) -> dict[str, tuple[str, str]]:
    rows = store.rows(
        f"SELECT item_key, state, code FROM verdicts_at({AT})",
        {"as_of": day(as_of), "known_at": day(known_at)},
    )
    return {row["item_key"]: (row["state"], row["code"]) for row in rows}


@pytest.mark.slow
def test_a_match_by_hand_is_known_from_then_on_and_a_changed_amount_is_flagged(store: Store) -> None:
    state(store, "bank_line", "B1", 100, 0, account="1")
    state(store, "ledger_line", "L1", 95, 0, account="2")
    state(store, "ledger_line", "L2", 100, 0, account="1")
    of = rule()
    run(store, day(9), of)
    before = decisions(store, day(8), day(8))
    assert [one[0] for one in before] == ["matched", "open"]
    stored(
        store, act("undone", "a1", 10, B1, L2),
        act("joined", "m1", 11, B1, L1, accepted=(Accepted("amount", "100", "95"),)),
    )  # fmt: skip
    state(store, "ledger_line", "L1", 90, 20, account="2")
    state(store, "bank_line", "B1", 100, 30, account="1", deleted=True)
    run(store, day(40), of)
    # What was known before says what it said, also of later business times.
    assert decisions(store, day(8), day(8)) == before == decisions(store, day(8), day(9.9))
    assert states(store, 8, 10.5) == {
        "B1": ("UNKNOWN", "MISSING"),
        "L1": ("UNKNOWN", "ORPHAN"),
        "L2": ("UNKNOWN", "ORPHAN"),
    }
    # Whatever the business time, from then on.
    assert (
        states(store, 8, 12)
        == states(store, 0.5, 12)
        == {"B1": ("MATCHED_TOL", ""), "L2": ("UNKNOWN", "ORPHAN")}
    )
    assert [one[2] for one in decisions(store, day(8), day(12)) if one[0] == "matched_tol"] == [-5]
    assert states(store, 21, 21)["B1"] == ("MISMATCH", "AMOUNT")
    assert states(store, 31, 31)["L1"] == ("UNKNOWN", "ORPHAN")
    assert states(store, 8, 35)["B1"] == ("MATCHED_TOL", "")
    # A new version of the rule keeps what people decided.
    run(store, day(41), rule(title="Another"))
    assert states(store, 21, 42)["B1"] == ("MISMATCH", "AMOUNT")
    stored(store, act("withdrawn", "m1", 43, B1, L1), act("withdrawn", "a1", 44, B1, L2))
    run(store, day(50), rule(title="Another"))
    assert states(store, 8, 43.5) == states(store, 8, 10.5)
    assert states(store, 8, 45) == {"B1": ("MATCHED", ""), "L1": ("UNKNOWN", "ORPHAN")}
    assert run(store, day(60), rule(title="Another")) == 0


@pytest.mark.parametrize("method", ["pair", "subset"])
def test_no_record_is_lost_and_no_match_has_what_was_taken_apart(method: str) -> None:
    rng = random.Random(13)
    seen: Counter[str] = Counter()
    for _ in range(400):
        rows = [
            record(leg, f"{leg}{number}", rng.choice([3, 5, 8, 13, 16]), day=rng.randrange(3))
            for leg in ("bank", "ledger")
            for number in range(rng.randrange(1, 5))
        ]
        of = tolerant({"abs": rng.choice([0, 2])}, method)
        first = [
            frozenset((r.leg, r.key) for r in one.records)
            for one in decided(of, rows)
            if len(one.records) > 1
        ]
        apart = rng.sample(first, min(len(first), rng.choice([1, 2])))
        found = decided(of, rows, *apart)
        assert sorted((r.leg, r.key) for one in found for r in one.records) == sorted(
            (r.leg, r.key) for r in rows
        )
        for one in found:
            if one.verdict in ("matched", "matched_tol", "mismatch", "reversed"):
                assert not any(part <= {(r.leg, r.key) for r in one.records} for part in apart), rows
        seen.update(one.verdict for one in found)
    assert seen["matched"] > 100
