"""The golden vectors of the measurement contract that speak of verdicts, each worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest
from story import (
    FIRST,
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
)

from store.client import Store


@pytest.mark.parametrize("known_at", [on(6, 1), on(7, 15)], ids=["before the payment is known", "after"])
def test_an_invoice_due_30_april_is_31_days_overdue_on_31_may(store: Store, known_at) -> None:  # type: ignore[no-untyped-def]
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(3, 31), amount="1000"),
        tell.event("paid", on(6, 30), known_at=on(7, 1)),
        complete(on(5, 31), known_at=on(5, 31)),
    )
    story.run()
    (row,) = story.ask(on(5, 31), known_at)
    assert (row["state"], row["due_at"], row["amount"]) == ("MISSING", on(4, 30), Decimal(1000))
    (exception,) = story.rows("exceptions_at", on(5, 31), known_at)
    assert (exception["age_days"], exception["bucket"], exception["status"]) == (31, "31-60", "open")


def test_a_payment_learnt_later_closes_only_later_views(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(3, 31), amount="1000"), complete(on(5, 31), known_at=on(5, 31))
    )
    story.run(on(6, 1))
    before = story.ask(on(5, 31), on(5, 31))
    story.tell(tell.event("paid", on(5, 20), known_at=on(6, 5))).run(on(6, 11))
    assert story.ask(on(5, 31), on(5, 31)) == before
    assert [row["closed_at"] for row in before] == [None]
    (after,) = story.ask(on(5, 31), on(6, 10))
    assert (after["state"], after["closed_at"]) == ("MATCHED", on(5, 20))
    # It was late all the same: due on 30 April, here on 20 May.
    assert (after["detected_at"], after["resolved_at"]) == (on(4, 30), on(5, 20))


def test_a_message_sent_three_times_is_one_success_and_no_duplicate(store: Store) -> None:
    tell = Teller()
    sent = [on(4, 2), on(4, 3), on(4, 4)]
    story = Story(store, workflow(PAYMENT, PAID_ONCE)).tell(
        tell.event("received", on(4, 1)),
        *(tell.event("paid", at, outcome="failed") for at in sent[:2]),
        tell.event("paid", sent[2]),
        complete(on(6, 1)),
    )
    story.run()
    (row,) = story.ask(on(6, 1))
    assert (row["state"], row["closed_at"], row["attempts"], row["failures"]) == ("MATCHED", on(4, 4), 3, 2)


def test_a_message_delivered_three_times_is_one_success_and_no_duplicate(store: Store) -> None:
    tell = Teller()
    paid = [
        tell.event("paid", on(4, 2), event_id="same", known_at=known) for known in (FIRST, on(5, 1), on(5, 2))
    ]
    story = Story(store, workflow(PAYMENT, PAID_ONCE)).tell(
        tell.event("received", on(4, 1)), *paid, complete(on(6, 1))
    )
    story.run()
    (row,) = story.ask(on(6, 1))
    assert (row["state"], row["attempts"]) == ("MATCHED", 1)


def test_cohort_of_twelve_has_eight_due_and_five_matched(store: Store) -> None:
    """12 entered: 2 not due, 1 void, 1 confirmed duplicate, 8 due: 5 matched, 3 missing."""
    tell = Teller()
    story = Story(store, workflow(PAYMENT, {**PAID_ONCE, "name": "received_once", "step": "received"}))
    entered = [tell.event("received", on(3, 1), f"D{n}", amount="100") for n in range(8)]
    paid = [tell.event("paid", on(3, 10), f"D{n}") for n in range(5)]
    story.tell(
        *entered, *paid,
        *(tell.event("received", on(5, 20), f"N{n}", amount="100") for n in range(2)),
        tell.event("received", on(3, 1), "V", amount="100"), tell.event("cancelled", on(3, 2), "V"),
        tell.event("received", on(3, 5), "D0", amount="100"),
        complete(on(6, 1)),
    )  # fmt: skip
    story.run()
    rows = story.ask(on(6, 1))
    assert len(rows) == 12
    assert sum(row["due"] for row in rows) == 8
    assert sum(row["matched"] for row in rows if row["due"]) == 5
    assert sorted(row["state"] for row in rows if not row["due"]) == [
        "DUP_CONFIRMED",
        "NOT_DUE",
        "NOT_DUE",
        "VOID",
    ]


def test_eight_due_amounts_five_settled_one_partly_two_not_at_all(store: Store) -> None:
    """Count 5 of 8, value 560 of 800; when two settled amounts are not known any more, they are unknown, not missing."""
    tell = Teller()
    story = Story(store, workflow(TIE))
    for n in range(8):
        story.tell(tell.event("received", on(3, 1), f"I{n}", amount="100"))
    for n in range(6):
        story.tell(
            payment_link(on(3, 10), f"P{n}", f"I{n}"),
            state("payment", f"P{n}", on(3, 10), "60" if n == 5 else "100"),
        )
    story.tell(complete(on(6, 1)))
    for n in range(2):
        story.tell(state("payment", f"P{n}", on(3, 11), None, known_at=on(8, 1)))
    story.run()

    rows = story.ask(on(6, 1), on(7, 1))
    assert sorted(row["state"] for row in rows) == ["MATCHED"] * 5 + ["MISSING"] * 2 + ["PARTIAL"]
    assert sum(row["actual"] for row in rows) / sum(row["expected"] for row in rows) == Decimal("0.7")
    assert sum(row["amount"] for row in rows if row["failing"]) == 240

    later = story.ask(on(6, 1), on(9, 1))
    matched, unknown = sum(row["matched"] for row in later), sum(row["unknown"] for row in later)
    assert (matched / 8, (matched + unknown) / 8) == (0.375, 0.625)


def test_a_reversal_pair_and_a_match_leave_no_exception(store: Store) -> None:
    tell = Teller()
    rule = {**TIE, "legs": {"invoiced": {"step": "received"}, "settled": {"step": "paid"}}}
    story = Story(store, workflow(rule)).tell(
        tell.event("received", on(3, 1), amount="250"),
        *(tell.event("paid", on(3, 2), amount=amount) for amount in ("250", "-250", "250")),
        complete(on(6, 1)),
    )
    story.run()
    (row,) = story.ask(on(6, 1))
    assert (row["state"], row["residual"]) == ("MATCHED", 0)
    assert story.rows("exceptions_at", on(6, 1)) == []


def test_offsetting_variances_show_in_the_gross_sum(store: Store) -> None:
    tell = Teller()
    rule = {**TIE, "legs": {"invoiced": {"step": "received"}, "settled": {"step": "paid"}}}
    story = Story(store, workflow(rule))
    for key, settled in (("I1", "1100"), ("I2", "900")):
        story.tell(
            tell.event("received", on(3, 1), key, amount="1000"),
            tell.event("paid", on(3, 2), key, amount=settled),
        )
    story.tell(complete(on(6, 1))).run()
    rows = story.ask(on(6, 1))
    assert [row["state"] for row in rows] == ["MISMATCH", "PARTIAL"]
    assert sum(row["residual"] for row in rows) == 0
    assert sum(abs(row["residual"]) for row in rows) == 200


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_two_received_and_one_paid_is_one_match_and_one_missing_in_every_order(store: Store, order) -> None:  # type: ignore[no-untyped-def]
    tell = Teller()
    facts = [("received", on(3, 1), "I1"), ("received", on(3, 1), "I2"), ("paid", on(3, 2), "I1")]
    story = Story(store, workflow(PAYMENT)).tell(complete(on(6, 1)))
    for number, place in enumerate(order):
        story.tell(tell.event(*facts[place], known_at=on(7, 1 + number)))
        story.run(on(7, 1 + number, 12))
    assert [(row["item_key"], row["state"]) for row in story.ask(on(6, 1))] == [
        ("I1", "MATCHED"),
        ("I2", "MISSING"),
    ]


def test_the_same_two_rows_on_both_sides_differ_in_nothing(store: Store) -> None:
    tell = Teller()
    received = tell.event("received", on(3, 1), amount="70")
    paid = tell.event("paid", on(3, 2), amount="70")
    rule = {**TIE, "legs": {"invoiced": {"step": "received"}, "settled": {"step": "paid"}}}
    story = Story(store, workflow(rule, ORDERED_FIRST)).tell(
        tell.event("ordered", on(2, 1)), received, paid, complete(on(6, 1))
    )
    story.run(on(3, 5))
    # Told again, in other words: known a second time.
    story.tell(
        *(fact.__class__(**{**fact.__dict__, "known_at": on(4, 1)}) for fact in (received, paid))
    ).run()
    (row,) = story.ask(on(6, 1))
    assert (row["state"], row["expected"], row["actual"]) == ("MATCHED", 70, 70)
