"""Any key, trace or exception leads to a story whose first line says where it stands and who is to act."""

from __future__ import annotations

from datetime import timedelta

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

from reconcile.explain import Explanation, explain, find
from store.client import Store

END = on(6, 1)
TRACE = "0af7651916cd43dd8448eb211c80319c"


def told(story: Story, key: str = "I1", kind: str = "invoice", as_of=END, known_at=LAST) -> Explanation:  # type: ignore[no-untyped-def]
    flows = {story.flow.workflow: story.flow}
    return explain(story.store, flows, story.flow.workflow, kind, key, as_of, known_at)


def test_a_stuck_item_says_where_it_stands_what_is_missing_and_whose_it_is(store: Store) -> None:
    tell = Teller()
    rule = {**PAYMENT, "title": "Paid in time", "runbook": "Look for a payment block."}
    story = Story(store, workflow(rule)).tell(
        tell.event("received", on(2, 1), amount="1000"), tell.event("approved", on(2, 3)), complete(END)
    )
    story.run()
    found = told(story)
    assert found.headline == (
        "Invoice I1 stands at 'approved' since 2026-02-03 00:00 UTC; 1 open exception, owner accounts payable. Paid in time: "
        "received on 2026-02-01 00:00 UTC; due 2026-03-03 00:00 UTC: has not come, 90 days overdue; "
        "its sources are complete through 2026-06-01 00:00 UTC."
    )
    (finding,) = found.findings
    assert (finding.state, finding.failing, finding.todo) == ("MISSING", True, "Look for a payment block.")
    assert [(entry.kind, entry.at) for entry in found.timeline] == [
        ("event", on(2, 1)), ("event", on(2, 3)), ("due", on(3, 3))
    ]  # fmt: skip


def test_the_newest_trouble_leads_not_the_whole_way(store: Store) -> None:
    tell = Teller()
    whole = {
        **PAYMENT,
        "name": "whole",
        "title": "All in 60 days",
        "within": "60d",
        "clock": "end_to_end",
        "owner": "controller",
    }
    approval = {
        **PAYMENT,
        "name": "approval",
        "title": "Approved",
        "after": ["ordered"],
        "expect": ["approved"],
        "within": "5d",
    }
    story = Story(store, workflow(whole, approval)).tell(
        tell.event("received", on(2, 9)), tell.event("ordered", on(2, 1)), complete(END)
    )
    story.run()
    assert (
        "2 open exceptions, owner accounts payable, controller. Approved: ordered on" in told(story).headline
    )


def test_an_earlier_view_tells_only_what_was_so_and_known(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(2, 1)), tell.event("paid", on(2, 20), known_at=on(7, 1)), complete(END)
    )
    story.run()
    assert "stands at 'received'" in told(story, as_of=on(2, 10)).headline
    assert "next: a rule." in told(story, as_of=on(2, 10)).headline
    assert "stands at 'received'" in told(story, known_at=on(6, 1)).headline
    assert told(story).headline == "Invoice I1 stands at 'paid' since 2026-02-20 00:00 UTC; nothing is open."


def test_what_nobody_can_know_yet_is_said_so(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT, ORDERED_FIRST, KNOWN_ORDER, TIE)).tell(
        tell.event("received", on(2, 1), amount="5"), tell.event("paid", on(1, 20)),
        Link("invoice", "I1", "order", "O1", "for", on(2, 1), on(1, 1)), complete(on(1, 15)),
    )  # fmt: skip
    story.run()
    findings = told(story).findings
    assert {finding.state for finding in findings} == {"UNKNOWN"}
    assert len(findings) == 4
    assert all("complete only through 2026-01-15 00:00 UTC" in finding.sentence for finding in findings)
    assert not any(finding.todo for finding in findings)


def test_tries_that_failed_are_told_and_move_nothing(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(2, 1)),
        *(tell.event("paid", on(2, day), outcome="failed") for day in (2, 3)),
        complete(END),
    )
    story.run()
    found = told(story)
    assert "stands at 'received'" in found.headline
    assert "overdue after 2 failed tries" in found.headline
    assert [entry.kind for entry in found.timeline] == ["event", "failed", "failed", "due"]


def test_each_kind_of_verdict_has_its_sentence(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT, PAID_ONCE, ORDERED_FIRST, TIE)).tell(
        tell.event("received", on(2, 1), amount="1200"), tell.event("paid", on(3, 9)), tell.event("paid", on(3, 10)),
        tell.event("returned", on(3, 12)), payment_link(on(3, 9)), state("payment", "P1", on(3, 9), "1000"), complete(END),
    )  # fmt: skip
    story.run()
    sentences = [(finding.expectation, finding.state, finding.sentence) for finding in told(story).findings]
    assert sentences == [
        (
            "payment",
            "MATCHED",
            "received on 2026-02-01 00:00 UTC; due 2026-03-03 00:00 UTC: came on 2026-03-09 00:00 UTC, 6 days late.",
        ),
        ("tie", "PARTIAL", "invoiced 1,200.00 USD, settled 1,000.00 USD: 200.00 USD less."),
        (
            "ordered_first",
            "ORPHAN",
            "paid on 2026-03-09 00:00 UTC, but what must come before had not come; it has not come since.",
        ),
        (
            "ordered_first",
            "ORPHAN",
            "paid on 2026-03-10 00:00 UTC, but what must come before had not come; it has not come since.",
        ),
        (
            "paid_once",
            "REVERSED",
            "paid came again on 2026-03-10 00:00 UTC and was taken back on 2026-03-12 00:00 UTC.",
        ),
    ]


def test_trouble_of_a_neighbour_is_told_with_its_name(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow({**PAID_ONCE, "item": "payment", "title": "Paid once"})).tell(
        tell.event("received", on(2, 1)), *(tell.event("paid", on(2, day), "P1", kind="payment") for day in (3, 4)),
        payment_link(on(2, 3)), state("payment", "P1", on(2, 3), "7"), complete(END),
    )  # fmt: skip
    story.run()
    found = told(story)
    assert found.headline.endswith(
        "1 open exception in what it is linked to, owner accounts payable. Payment P1, paid once: "
        "paid came again on 2026-02-04 00:00 UTC and still stands."
    )
    assert [(near.object_key, near.direction, near.exists, near.amount) for near in found.neighbours] == [
        ("P1", "from", True, 7)
    ]


def test_what_is_only_referred_to_is_said_to_be_just_that(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(KNOWN_ORDER)).tell(
        tell.event("received", on(2, 1)),
        Link("invoice", "I1", "order", "O1", "for", on(2, 1), on(1, 1)),
        complete(END),
    )
    story.run()
    found = told(story, "O1", "order")
    assert found.headline == "Order O1 is only referred to; no event of it is known by 2026-06-01 00:00 UTC."
    assert [finding.sentence for finding in found.findings] == [
        "It names O1, which does not exist in the state of its system."
    ]
    assert [near.exists for near in told(story).neighbours] == [False]


def test_states_of_systems_stand_in_the_timeline(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(2, 1)),
        state("invoice", "I1", on(2, 2), "7"),
        state("invoice", "I1", on(2, 5), deleted=True),
    )
    story.run()
    assert [(entry.kind, entry.title) for entry in told(story).timeline] == [
        ("event", "received"), ("state", "erp says"), ("state", "erp no longer has it"), ("due", "Due: A rule")
    ]  # fmt: skip


@pytest.fixture
def known(store: Store) -> Story:
    tell = Teller()
    story = Story(store, workflow(PAYMENT, KNOWN_ORDER)).tell(
        tell.event("received", on(2, 1), "PO-7", trace_id=TRACE), tell.event("received", on(2, 1), "PO-7", kind="payment"),
        Link("invoice", "PO-7", "order", "only:linked", "for", on(2, 1), on(1, 1)), state("order", "only state", on(2, 1)),
    )  # fmt: skip
    story.run()
    return story


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PO-7", [("invoice", "PO-7"), ("payment", "PO-7")]),
        ("  po-7 ", [("invoice", "PO-7"), ("payment", "PO-7")]),
        ("invoice:PO-7", [("invoice", "PO-7")]),
        ("only:linked", [("order", "only:linked")]),
        ("order:only:linked", [("order", "only:linked")]),
        ("only state", [("order", "only state")]),
        (TRACE, [("invoice", "PO-7")]),
        (TRACE.upper(), [("invoice", "PO-7")]),
        ("PO-8", []),
        ("invoice:PO-8", []),
        ("", []),
        ("f" * 32, []),
        ("'; DROP TABLE events; --", []),
    ],
)
def test_a_text_finds_what_it_may_mean(known: Story, text: str, expected: list[tuple[str, str]]) -> None:
    assert [(hit["object_type"], hit["object_key"]) for hit in find(known.store, text)] == expected


def test_an_exception_id_finds_its_item(known: Story) -> None:
    for row in known.ask(END):
        (hit,) = find(known.store, row["exception_id"].upper())
        assert (hit["object_type"], hit["object_key"]) == (row["item_type"], row["item_key"])


def test_the_same_question_gets_the_same_story(known: Story) -> None:
    assert told(known, "PO-7") == told(known, "PO-7")
    assert told(known, "PO-7", as_of=END + timedelta(days=1)).headline != ""


def test_findings_are_the_rows_of_the_view(known: Story) -> None:
    """The query behind findings is written out without the views; it must stay the same query."""
    rows = [row for row in known.ask(END) if (row["item_type"], row["item_key"]) == ("invoice", "PO-7")]
    findings = told(known, "PO-7", known_at=LAST - timedelta(seconds=1)).findings
    assert len(rows) == len(findings) > 0
    for finding in findings:
        (row,) = (row for row in rows if row["exception_id"] == finding.exception_id)
        assert finding.facts == {name: row[name] for name in finding.facts}
