"""Corners of the rules, one small history each. Every answer is also held against the oracle."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from oracle import Link
from story import (
    KNOWN_ORDER,
    LAST,
    ORDERED_FIRST,
    PAID_ONCE,
    PAYMENT,
    TIE,
    Story,
    Teller,
    complete,
    on,
    payment_link,
    state,
    workflow,
)  # fmt: skip
from world import AT, empty, written

from reconcile.run import SETTLE
from store.client import Store

END = on(6, 1)
SETTLED_BY_STEP = {**TIE, "legs": {"invoiced": {"step": "received"}, "settled": {"step": "paid"}}}


# A try that failed


def test_a_failed_try_is_no_arrival_no_opening_and_no_second_time(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT, PAID_ONCE)).tell(
        tell.event("received", on(2, 1), "never", outcome="failed"),
        tell.event("received", on(2, 1)),
        tell.event("paid", on(2, 2), outcome="failed"),
        complete(END),
    )
    story.run()
    (row,) = story.ask(END)
    assert (row["item_key"], row["state"], row["failures"]) == ("I1", "MISSING", 1)


def test_a_failed_try_is_not_paid_money_and_no_stage(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(SETTLED_BY_STEP)).tell(
        tell.event("received", on(2, 1), amount="10"),
        tell.event("paid", on(2, 2), amount="10", outcome="failed"),
        complete(END),
    )
    story.run()
    (row,) = story.ask(END)
    assert (row["state"], row["actual"], row["amount"]) == ("MISSING", 0, 10)
    assert [item["stage"] for item in story.rows("items_at", END)] == ["received"]


def test_a_step_that_is_itself_the_failing_does_open_and_count(store: Store) -> None:
    tell = Teller()
    refusal = {
        "name": "refusal",
        "kind": "sequence",
        "after": ["refused"],
        "expect": ["paid"],
        "within": "0s",
    }
    story = Story(store, workflow(refusal, {**PAYMENT, "failed_by": ["refused"]})).tell(
        tell.event("received", on(2, 1)), tell.event("refused", on(2, 2), outcome="failed"), complete(END)
    )
    story.run()
    rows = story.ask(END)
    assert [(row["expectation"], row["state"], row["failures"]) for row in rows] == [
        ("payment", "MISSING", 1), ("refusal", "MISSING", 0)
    ]  # fmt: skip


def test_a_failed_try_before_the_due_time_is_in_flight(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(2, 1)), tell.event("paid", on(2, 2), outcome="failed"), complete(END)
    )
    story.run()
    assert story.states(on(2, 1)) == ["NOT_DUE"]
    assert story.states(on(2, 3)) == ["IN_FLIGHT"]


# Absence needs proof


def test_nothing_is_missing_before_a_source_is_complete_through_the_due_time(store: Store) -> None:
    tell = Teller()
    due = on(2, 1) + timedelta(days=30)
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(2, 1)),
        complete(due - timedelta(microseconds=1), known_at=on(3, 1)),
        # Any one source is enough, and a later word that proves less takes nothing back.
        complete(due, "bank", known_at=on(4, 1)),
        complete(on(2, 2), "bank", known_at=on(5, 1)),
        complete(END, "another system", known_at=on(3, 1)),
    )
    story.run()
    assert [story.states(END, known_at) for known_at in (on(2, 1), on(3, 1), on(4, 1), on(5, 1))] == [
        ["UNKNOWN"], ["UNKNOWN"], ["MISSING"], ["MISSING"]
    ]  # fmt: skip


def test_nothing_is_an_orphan_before_a_source_is_complete_through_its_time(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(ORDERED_FIRST)).tell(
        tell.event("paid", on(2, 1)), complete(END, known_at=on(4, 1))
    )
    story.run()
    assert story.states(END, on(3, 1)) == ["UNKNOWN"]
    assert story.rows("exceptions_at", END, on(3, 1)) == []
    assert story.states(END, on(4, 1)) == ["ORPHAN"]


def test_an_orphan_is_healed_by_what_comes_late_and_gone_when_it_was_only_heard_late(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(ORDERED_FIRST)).tell(
        tell.event("paid", on(2, 1), "late"), tell.event("ordered", on(2, 5), "late"),
        tell.event("paid", on(2, 1), "heard"), tell.event("ordered", on(1, 20), "heard", known_at=on(5, 1)),
        complete(END),
    )  # fmt: skip
    story.run()
    (row, _) = story.ask(END, on(4, 1))
    assert (row["item_key"], row["state"]) == ("heard", "ORPHAN")
    (row,) = story.ask(END)
    assert (row["item_key"], row["state"], row["detected_at"], row["resolved_at"]) == (
        "late",
        "MATCHED",
        on(2, 1),
        on(2, 5),
    )


# Spells


def test_a_second_opening_waits_with_the_first_and_a_third_after_the_arrival_opens_anew(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        *(tell.event("received", on(2, day)) for day in (1, 3, 9)),
        tell.event("paid", on(2, 5)),
        complete(END),
    )
    story.run()
    assert [(row["opened_at"], row["state"]) for row in story.ask(END)] == [
        (on(2, 1), "MATCHED"),
        (on(2, 9), "MISSING"),
    ]


@pytest.mark.parametrize(
    ("again", "opened"),
    [(None, [on(2, 1), on(2, 4), on(2, 7)]), ([], [on(2, 1)]), (["approved"], [on(2, 1), on(2, 7)])],
    ids=["every opening", "never again", "after one of these"],
)
def test_again_after_says_which_openings_after_an_arrival_count(store: Store, again, opened) -> None:  # type: ignore[no-untyped-def]
    tell = Teller()
    story = Story(store, workflow({**PAYMENT, "again_after": again})).tell(
        tell.event("received", on(2, 1)), tell.event("paid", on(2, 2)),
        tell.event("received", on(2, 4)), tell.event("paid", on(2, 5)),
        tell.event("approved", on(2, 6)), tell.event("received", on(2, 7)), complete(END),
    )  # fmt: skip
    story.run()
    assert [row["opened_at"] for row in story.ask(END)] == opened


def test_an_arrival_before_any_opening_settles_where_there_is_a_guard(store: Store) -> None:
    tell = Teller()
    facts = (tell.event("paid", on(2, 1)), tell.event("received", on(2, 2)), complete(END))
    story = Story(store, workflow({**PAYMENT, "again_after": []})).tell(*facts)
    story.run()
    assert story.ask(END) == []


def test_equal_times_are_in_the_order_of_the_workflows_steps(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("paid", on(2, 1)), tell.event("received", on(2, 1)), complete(END)
    )
    story.run()
    (row,) = story.ask(END)
    assert (row["state"], row["closed_at"]) == ("MATCHED", on(2, 1))
    assert [item["stage"] for item in story.rows("items_at", END)] == ["paid"]


def test_a_taken_back_arrival_leaves_both_sides_and_only_from_then_on(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(2, 1)),
        tell.event("paid", on(2, 2)),
        tell.event("returned", on(4, 9)),
        complete(END),
    )
    story.run()
    (before,), (after,) = story.ask(on(4, 8)), story.ask(on(4, 9))
    assert (before["state"], before["due"], before["matched"]) == ("MATCHED", 1, 1)
    assert (after["state"], after["due"], after["matched"]) == ("REVERSED", 0, 0)


def test_a_reversal_takes_back_the_newest_arrival(store: Store) -> None:
    """The spell was closed by the first payment; what came back is the second."""
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(2, 1)), tell.event("paid", on(2, 2)), tell.event("paid", on(2, 3)),
        tell.event("returned", on(2, 4)), complete(END),
    )  # fmt: skip
    story.run()
    assert story.states(END) == ["MATCHED"]


def test_void_leaves_the_denominator_written_off_stays(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow({**PAYMENT, "write_off_by": ["approved"]})).tell(
        tell.event("received", on(2, 1), "void"), tell.event("cancelled", on(2, 2), "void"),
        tell.event("received", on(2, 1), "written off"), tell.event("approved", on(2, 2), "written off"), complete(END),
    )  # fmt: skip
    story.run()
    assert [(row["state"], row["due"], row["failing"]) for row in story.ask(END)] == [
        ("VOID", 0, 0),
        ("WRITTEN_OFF", 1, 0),
    ]


def test_surplus_stands_until_a_reset_and_the_step_may_then_come_once_more(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAID_ONCE)).tell(
        *(tell.event("paid", on(2, day)) for day in (1, 2, 5, 6)),
        tell.event("returned", on(2, 3)),
        complete(END),
    )
    story.run()
    assert [(row["opened_at"], row["state"], row["resolved_at"]) for row in story.ask(END)] == [
        (on(2, 2), "REVERSED", on(2, 3)), (on(2, 6), "DUP_CONFIRMED", None)
    ]  # fmt: skip


# References


def test_a_reference_to_what_never_existed_is_missing_one_to_what_came_late_is_not(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(KNOWN_ORDER)).tell(
        tell.event("received", on(2, 1)),
        Link("invoice", "I1", "order", "never", "for", on(2, 1), on(1, 1)),
        Link("invoice", "I1", "order", "late", "for", on(2, 1), on(1, 1)),
        Link("invoice", "I1", "order", "other role", "of", on(2, 1), on(1, 1)),
        state("order", "late", on(2, 9)), complete(END),
    )  # fmt: skip
    story.run()
    rows = {row["opened_by"]: row for row in story.ask(END)}
    assert {key: row["state"] for key, row in rows.items()} == {"never": "MISSING", "late": "MATCHED"}
    assert (rows["late"]["detected_at"], rows["late"]["resolved_at"]) == (on(2, 3), on(2, 9))
    assert [row["state"] for row in story.ask(on(2, 5))] == ["MISSING", "MISSING"]


def test_a_target_deleted_before_the_link_does_not_exist_deleted_after_it_did(store: Store) -> None:
    gone_before = (state("order", "before", on(1, 1)), state("order", "before", on(1, 20), deleted=True))
    gone_after = (state("order", "after", on(1, 1)), state("order", "after", on(3, 1), deleted=True))
    back = (
        *(state("order", "back", at, deleted=gone) for at, gone in ((on(1, 1), True), (on(2, 8), False))),
    )
    links = [
        Link("invoice", "I1", "order", key, "for", on(2, 1), on(1, 1)) for key in ("before", "after", "back")
    ]
    story = Story(store, workflow(KNOWN_ORDER)).tell(*gone_before, *gone_after, *back, *links, complete(END))
    story.run()
    assert {row["opened_by"]: (row["state"], row["closed_at"]) for row in story.ask(END)} == {
        "before": ("MISSING", None), "after": ("MATCHED", on(2, 1)), "back": ("MATCHED", on(2, 8))
    }  # fmt: skip


def test_a_reference_has_the_segments_known_when_it_opened_however_often_the_job_ran(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(KNOWN_ORDER)).tell(
        Link("invoice", "I1", "order", "O1", "for", on(2, 1), on(1, 1)),
        tell.event("received", on(1, 20), dims={"department": "surgery"}, known_at=on(4, 1)),
        tell.event("approved", on(2, 20), dims={"department": "moved since"}, known_at=on(4, 1)),
    )
    story.run()
    (early,), (late,) = story.ask(END, on(3, 1)), story.ask(END)
    assert "department" not in early["dims"]
    assert late["dims"]["department"] == "surgery"


def test_a_link_heard_again_from_an_earlier_day_on_moves_later_views_only(store: Store) -> None:
    story = Story(store, workflow(KNOWN_ORDER)).tell(
        Link("invoice", "I1", "order", "O1", "for", on(2, 9), on(1, 1)),
        Link("invoice", "I1", "order", "O1", "for", on(2, 1), on(4, 1)),
    )
    story.run()
    (early,), (late,) = story.ask(END, on(3, 1)), story.ask(END)
    assert (early["opened_at"], late["opened_at"]) == (on(2, 9), on(2, 1))
    assert early["exception_id"] == late["exception_id"]


# Tie-outs


def test_nothing_on_the_actual_leg_is_missing_money_once_its_sources_are_complete(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(TIE)).tell(
        tell.event("received", on(2, 1), amount="80"), complete(END, known_at=on(4, 1))
    )
    story.run()
    assert story.states(on(2, 15)) == ["IN_FLIGHT"]
    assert story.states(END, on(3, 1)) == ["UNKNOWN"]
    (row,) = story.ask(END)
    assert (row["state"], row["expected"], row["actual"], row["amount"], row["due"]) == (
        "MISSING",
        80,
        0,
        80,
        1,
    )


def test_money_without_anything_expected_is_an_orphan_that_is_priced(store: Store) -> None:
    tell = Teller()
    rule = {
        **TIE,
        "legs": {"ordered": {"links": [{"role": "for", "to": "order"}]}, "invoiced": {"step": "received"}},
    }
    story = Story(store, workflow(rule)).tell(tell.event("received", on(2, 1), amount="80"), complete(END))
    story.run()
    (row,) = story.ask(END)
    assert (row["state"], row["expected"], row["residual"], row["amount"]) == ("ORPHAN", 0, 80, 80)


@pytest.mark.parametrize(
    ("amount", "verdict"), [("100.00", "MATCHED"), ("101", "MATCHED_TOL"), ("98", "MATCHED_TOL"),
        ("102.000001", "MISMATCH"), ("97.999999", "PARTIAL"), (None, "UNKNOWN")],
)  # fmt: skip
def test_the_larger_tolerance_decides_to_the_last_digit(
    store: Store, amount: str | None, verdict: str
) -> None:
    tell = Teller()
    story = Story(store, workflow({**TIE, "tolerance": {"abs": "1", "pct": "2"}})).tell(
        tell.event("received", on(2, 1), amount="100"),
        payment_link(on(2, 2)),
        state("payment", "P1", on(2, 2), amount),
        complete(END),
    )
    story.run()
    assert story.states(END) == [verdict]


def test_two_currencies_are_never_added(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(TIE)).tell(
        tell.event("received", on(2, 1), amount="100"), payment_link(on(2, 2)),
        state("payment", "P1", on(2, 2), "100", currency="EUR"), complete(END),
    )  # fmt: skip
    story.run()
    (row,) = story.ask(END)
    assert (row["state"], row["residual"]) == ("UNKNOWN", None)


def test_a_leg_counts_each_member_once_at_its_newest_state(store: Store) -> None:
    """Two links to one payment are one payment; a state taken back by its system leaves the leg."""
    tell = Teller()
    story = Story(store, workflow(TIE)).tell(
        tell.event("received", on(2, 1), amount="100"),
        payment_link(on(2, 2)), payment_link(on(2, 3), known_at=on(4, 1)), payment_link(on(2, 2), "P2"),
        state("payment", "P1", on(2, 2), "90"), state("payment", "P1", on(2, 8), "100"),
        state("payment", "P2", on(2, 2), "5"), state("payment", "P2", on(2, 8), deleted=True), complete(END),
    )  # fmt: skip
    story.run()
    (row,) = story.ask(END)
    assert (row["state"], row["actual"]) == ("MATCHED", 100)


def test_a_member_joins_when_the_earliest_link_known_by_then_says(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(TIE)).tell(
        tell.event("received", on(1, 1), amount="100"), state("payment", "P1", on(1, 1), "100"),
        payment_link(on(3, 9)), payment_link(on(3, 1), known_at=on(5, 1)), complete(END),
    )  # fmt: skip
    story.run()
    assert story.states(on(3, 5), on(4, 1)) == ["MISSING"]
    assert story.states(on(3, 5)) == ["MATCHED"]


def test_legs_reach_three_links_far_and_each_link_can_be_followed_from_either_end(store: Store) -> None:
    tell = Teller()
    hops = [
        {"role": "for", "to": "order"},
        {"role": "for", "to": "invoice"},
        {"role": "settles", "to": "payment"},
    ]
    rule = {**TIE, "legs": {"invoiced": {"step": "received"}, "settled": {"links": hops}}}
    story = Story(store, workflow(rule)).tell(
        tell.event("received", on(2, 1), amount="100"),
        Link("invoice", "I1", "order", "O1", "for", on(2, 1), on(1, 1)), Link("invoice", "I2", "order", "O1", "for", on(2, 1), on(1, 1)),
        payment_link(on(2, 2), "P1", "I1"), payment_link(on(2, 4), "P2", "I2"),
        state("payment", "P1", on(2, 2), "60"), state("payment", "P2", on(2, 2), "40"), complete(END),
    )  # fmt: skip
    story.run()
    (row,) = story.ask(END)
    assert (row["state"], row["actual"]) == ("MATCHED", 100)


# Money and segments


def test_money_is_the_opening_events_own_else_the_newest_state_of_the_item(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(2, 1), "own", amount="10"), tell.event("received", on(2, 1), "state"),
        tell.event("received", on(2, 1), "unknown"), state("invoice", "own", on(2, 1), "99"),
        state("invoice", "state", on(2, 1), "20", currency="EUR"), state("invoice", "state", on(7, 1), "30"), complete(END),
    )  # fmt: skip
    story.run()
    assert {row["item_key"]: (row["amount"], row["currency"]) for row in story.ask(END)} == {
        "own": (Decimal(10), "USD"), "state": (Decimal(20), "EUR"), "unknown": (None, "")
    }  # fmt: skip


def test_two_states_of_the_same_moment_give_one_answer_every_time(store: Store) -> None:
    tell = Teller()
    states = [
        state("payment", "P1", on(2, 2), amount, row_hash=name, system=name)
        for name, amount in (("b", "60"), ("a", "90"))
    ]
    story = Story(store, workflow(TIE)).tell(
        tell.event("received", on(2, 1), amount="100"), payment_link(on(2, 2)), *states, complete(END)
    )
    story.run()
    (row,) = story.ask(END)
    assert row["actual"] == 60


def test_a_segment_called_owner_does_not_hide_the_owner(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(2, 1), dims={"owner": "x", "department": "y"})
    )
    story.run()
    story.ask(END)
    found = story.store.rows(
        f"SELECT dims['owner'] AS owner, length(mapKeys(dims)) AS names FROM verdicts_at({AT})",
        {"as_of": END, "known_at": LAST},
    )
    assert found == [{"owner": "accounts payable", "names": 4}]


def test_segments_are_those_named_last_before_the_opening(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("ordered", on(1, 9), dims={"department": "surgery", "payer": "A"}),
        tell.event("received", on(2, 1), dims={"department": "", "payer": "B"}),
        tell.event("approved", on(2, 2), dims={"department": "moved since"}),
    )
    story.run()
    (row,) = story.ask(END)
    assert (row["dims"]["department"], row["dims"]["payer"]) == ("surgery", "B")


# The job


def test_a_fact_stored_after_its_moment_was_reconciled_is_still_taken_in(store: Store) -> None:
    """A slow writer: stamped before, committed after, within the stretch that is read again."""
    tell = Teller()
    late = tell.event("paid", on(2, 2), known_at=on(7, 1) + timedelta(seconds=3))
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(2, 1)),
        tell.event("approved", on(2, 3), known_at=on(7, 1) + timedelta(seconds=5)),
        complete(END),
    )
    story.run(on(7, 1) + timedelta(seconds=10))
    story.tell(late).run(on(7, 1) + timedelta(minutes=1))
    assert story.states(END) == ["MATCHED"]


def test_facts_younger_than_the_settling_time_wait_for_the_next_run(store: Store) -> None:
    tell = Teller()
    now = on(7, 1)
    story = Story(store, workflow(PAYMENT)).tell(tell.event("received", on(2, 1), known_at=now - SETTLE / 2))
    assert story.run(now).expectations == 0
    assert story.run(now + SETTLE).expectations == 1


def test_a_large_history_in_shares_gives_what_it_gives_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT, PAID_ONCE))
    for n in range(20):
        story.tell(tell.event("received", on(2, 1), f"I{n}"), tell.event("paid", on(2, 2), f"I{n}"))
    story.run()
    whole = written(store)
    empty(store, ("expectations", "leg_members", "marks"))
    monkeypatch.setattr("reconcile.run.FACTS_AT_ONCE", 9)
    story.run()
    assert written(store) == whole


def test_facts_stored_long_after_their_moment_are_found_by_their_number(store: Store) -> None:
    """An import stamps its facts at its start and may take hours; the job has gone on meanwhile."""
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(tell.event("received", on(2, 1)), complete(END))
    for month in range(2, 7):
        story.tell(tell.event("approved", on(2, 2), f"other{month}", known_at=on(month, 1)))
        story.run(on(month, 2))
    story.tell(tell.event("paid", on(2, 2), known_at=on(4, 15)))
    assert story.run(on(7, 1)).expectations == 1
    assert story.states(END, on(4, 14)) == ["MISSING"]
    assert story.states(END, on(4, 15)) == ["MATCHED"]
    assert story.run(on(7, 2)).expectations == 0


def test_marks_are_set_only_where_something_was_read(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(tell.event("received", on(2, 1)))
    for day in (1, 2, 3):
        story.run(on(7, day))
    assert store.value("SELECT count() FROM marks") == 1


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_a_run_that_died_half_way_is_completed_by_the_next(store: Store, kept: int) -> None:
    """Rows of one version may land in several parts of an insert: some are there, others not, the mark is not set."""
    tell = Teller()
    story = Story(store, workflow(PAYMENT, PAID_ONCE, ORDERED_FIRST, KNOWN_ORDER, TIE)).tell(
        tell.event("received", on(2, 1), amount="5"), tell.event("paid", on(2, 2)), tell.event("paid", on(2, 3)),
        *(Link("invoice", "I1", "order", key, "for", on(2, 1), on(1, 1)) for key in ("O1", "O2")), payment_link(on(2, 2)),
    )  # fmt: skip
    story.run()
    whole = written(store)
    store.command("CREATE OR REPLACE TABLE kept AS expectations ENGINE = Memory")
    try:
        store.command(
            f"INSERT INTO kept SELECT * FROM expectations ORDER BY cityHash64(expectation, opened_by) LIMIT {kept}"
        )
        for table in ("expectations", "leg_members", "marks"):
            store.command(f"TRUNCATE TABLE {table}")
        store.command("INSERT INTO expectations SELECT * FROM kept")
    finally:
        store.command("DROP TABLE kept")
    story.run()
    assert written(store) == whole


def test_a_changed_workflow_file_decides_from_then_on_and_nothing_before(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(tell.event("received", on(2, 1)), complete(END))
    story.run(on(7, 1))
    stricter = Story(store, workflow({**PAYMENT, "within": "1d"}))
    stricter.facts = story.facts
    before = story.ask(on(2, 5), on(7, 1))
    stricter.run(on(8, 1))
    assert story.ask(on(2, 5), on(7, 1)) == before
    assert [row["state"] for row in before] == ["NOT_DUE"]
    assert stricter.states(on(2, 5), on(8, 1)) == ["MISSING"]
    # Back to the first text: it decides again, with what came in between.
    story.tell(tell.event("paid", on(2, 3), known_at=on(8, 2)))
    stricter.facts = story.facts
    stricter.run(on(8, 3))
    story.run(on(9, 1))
    assert story.states(on(2, 5), on(9, 1)) == ["MATCHED"]
    assert stricter.states(on(2, 5), on(8, 2)) == ["MATCHED"]
    assert stricter.states(on(2, 5), on(8, 1)) == ["MISSING"]


def test_two_workflows_over_the_same_objects_do_not_meet(store: Store) -> None:
    tell = Teller()
    first, second = Story(store, workflow(PAYMENT)), Story(store, workflow(PAYMENT, name="other"))
    first.tell(tell.event("received", on(2, 1)), complete(END))
    second.tell(tell.event("received", on(2, 1)), tell.event("paid", on(2, 2)))
    second.facts = type(second.facts)(second.facts.events, watermarks=first.facts.watermarks)
    first.run()
    second.run()
    assert (first.states(END), second.states(END)) == (["MISSING"], ["MATCHED"])


def test_an_item_stands_at_its_last_step_with_the_state_of_its_end_to_end_clock(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT, {**PAYMENT, "name": "whole", "clock": "end_to_end", "within": "90d"})).tell(
        tell.event("received", on(2, 1), "waits"), tell.event("approved", on(2, 3), "waits"),
        tell.event("ordered", on(2, 1), "young"), complete(END),
    )  # fmt: skip
    story.run()
    rows = story.rows("items_at", on(4, 1))
    assert [(row["item_key"], row["stage"], row["stage_since"], row["state"], row["open_exceptions"]) for row in rows] == [
        ("waits", "approved", on(2, 3), "NOT_DUE", 1), ("young", "ordered", on(2, 1), "NOT_DUE", 0)
    ]  # fmt: skip


def test_the_job_says_how_much_it_wrote_and_up_to_when(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT, TIE)).tell(
        tell.event("received", on(2, 1)), payment_link(on(2, 1))
    )
    done = story.run()
    assert (done.workflow, done.expectations, done.members, done.until) == ("story", 2, 2, LAST - SETTLE)
