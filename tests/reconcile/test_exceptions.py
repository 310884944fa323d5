"""What people do with an exception is appended; its status is what was known of it."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from desks import desk_of, do
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from story import FIRST, PAYMENT, Story, Teller, complete, on, workflow
from world import AT, empty

from reconcile.life import Act, Action, life_of
from store.client import Store

END = on(6, 1)


def overdue(store: Store, *keys: str) -> tuple[Story, dict[str, str]]:
    """Invoices due on 3 March and not paid, and the ids of their exceptions."""
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        *(tell.event("received", on(2, 1), key) for key in keys), complete(END)
    )
    story.run()
    return story, {row["item_key"]: row["exception_id"] for row in story.ask(END)}


def statuses(store: Store, known_at: datetime, as_of: datetime = END) -> dict[str, dict[str, Any]]:
    rows = store.rows(
        f"SELECT item_key, status, is_open, assignee, reason, note, resolved_at, age_days, until, version, lapsed FROM exceptions_at({AT})",
        {"as_of": as_of, "known_at": known_at},
    )
    return {row["item_key"]: row for row in rows}


def test_each_act_is_a_row_and_none_is_changed(store: Store) -> None:
    _, ids = overdue(store, "I1")
    desk = desk_of(store, END)
    for number, action in enumerate(("assigned", "acknowledged", "resolved"), start=1):
        more = {"owner": "treasury"} if action == "assigned" else {}
        do(desk, action, ids["I1"], "ana", on(7, number), reason="TIMING", note=f"note {number}", **more)
        assert store.value("SELECT count() FROM exceptions") == number
    rows = store.rows("SELECT * FROM exceptions ORDER BY at")
    assert [(row["action"], row["actor"], row["at"], row["known_at"], row["note"]) for row in rows] == [
        ("assigned", "ana", on(7, 1), on(7, 1), "note 1"),
        ("acknowledged", "ana", on(7, 2), on(7, 2), "note 2"),
        ("resolved", "ana", on(7, 3), on(7, 3), "note 3"),
    ]


def test_the_status_is_what_was_known_of_it(store: Store) -> None:
    _, ids = overdue(store, "I1", "I2")
    desk, one = desk_of(store, END), ids["I1"]
    do(desk, "assigned", one, "ana", on(7, 1), owner="treasury")
    do(desk, "acknowledged", one, "bo", on(7, 2))
    do(desk, "explained", one, "bo", on(7, 3), reason="TIMING", note="the bank was closed")
    do(desk, "waiver_requested", one, "bo", on(7, 4), reason="TIMING", until=on(9, 1))
    do(desk, "waived", one, "cy", on(7, 5))
    do(desk, "resolved", one, "bo", on(7, 6), note="paid by cheque")
    do(desk, "reopened", one, "cy", on(7, 7))
    told = [(statuses(store, on(7, day))["I1"]) for day in range(1, 8)]
    assert [row["status"] for row in told] == [
        "open", "acknowledged", "explained", "waiver_requested", "waived", "resolved", "open",
    ]  # fmt: skip
    # What is waived is still wrong.
    assert [row["is_open"] for row in told] == [1, 1, 1, 1, 1, 0, 1]
    assert [row["resolved_at"] for row in told] == [None, None, None, None, None, on(7, 6), None]
    assert [row["until"] for row in told] == [None, on(7, 9), None, None, on(9, 1), None, None]
    assert {row["assignee"] for row in told} == {"treasury"}
    assert (told[-1]["reason"], told[-1]["note"]) == ("TIMING", "paid by cheque")
    before = statuses(store, on(6, 30))
    assert (before["I1"]["status"], before["I1"]["assignee"]) == ("open", "")
    assert statuses(store, on(7, 5))["I2"]["status"] == "open"


def test_what_arrived_is_resolved_whatever_people_said(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(2, 1)),
        tell.event("paid", on(5, 1), event_id="paid", known_at=on(7, 2)),
        complete(END),
    )
    story.run()
    (row,) = story.ask(END, on(7, 1))
    do(desk_of(store, END), "acknowledged", row["exception_id"], "ana", on(7, 1))
    assert statuses(store, on(7, 1))["I1"]["status"] == "acknowledged"
    late = statuses(store, on(7, 2))["I1"]
    assert (late["status"], late["resolved_at"], late["age_days"]) == ("resolved", on(5, 1), 59)


def test_age_stops_when_a_person_resolves_it_and_grows_on_after_a_reopening(store: Store) -> None:
    _, ids = overdue(store, "I1")
    due = on(2, 1) + timedelta(days=30)
    desk = desk_of(store, END)
    do(desk, "resolved", ids["I1"], "ana", due + timedelta(days=10), note="paid by cheque")
    do(desk, "reopened", ids["I1"], "ana", due + timedelta(days=40))
    assert statuses(store, due + timedelta(days=30), as_of=due + timedelta(days=30))["I1"]["age_days"] == 10
    assert statuses(store, due + timedelta(days=50), as_of=due + timedelta(days=50))["I1"]["age_days"] == 50


@pytest.mark.parametrize(
    ("days", "bucket"),
    [(0, "0-1"), (1, "0-1"), (2, "2-3"), (3, "2-3"), (4, "4-7"), (7, "4-7"), (8, "8-30"), (30, "8-30"),
     (31, "31-60"), (60, "31-60"), (61, "61-90"), (90, "61-90"), (91, ">90")],
)  # fmt: skip
def test_every_age_has_one_bucket(store: Store, days: int, bucket: str) -> None:
    tell = Teller()
    story = Story(store, workflow({**PAYMENT, "within": "0s"})).tell(
        tell.event("received", on(2, 1)), complete(on(11, 1))
    )
    story.run()
    as_of = on(2, 1) + timedelta(days=days)
    (row,) = story.rows("exceptions_at", as_of)
    assert (row["age_days"], row["bucket"]) == (days, bucket)


def test_an_exception_has_the_same_id_in_every_view(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(tell.event("received", on(2, 1)), complete(END))
    story.run(on(7, 1))
    story.tell(tell.event("approved", on(2, 2), known_at=on(8, 1))).run(on(8, 2))
    ids = {row["exception_id"] for known_at in (on(6, 30), on(8, 1)) for row in story.ask(END, known_at)}
    assert len(ids) == 1


ITEMS = [f"I{n}" for n in range(12)]
ACTS = st.lists(
    st.builds(
        lambda number, item, action, at, later, ends: Act(
            f"{number:032}", item, action, at, at + timedelta(hours=later), "ana", owner="team",
            until=at + timedelta(hours=ends) if ends else None),
        st.integers(0, 9_999), st.sampled_from(ITEMS), st.sampled_from(list(Action)),
        st.integers(0, 400).map(lambda hour: on(7, 1) + timedelta(hours=hour, seconds=hour)), st.sampled_from([0, 0, 30]),
        st.sampled_from([0, 0, 5, 500]),
    ),
    max_size=60, unique_by=(lambda done: (done.exception_id, done.at), lambda done: done.act_id),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_the_view_says_what_the_state_machine_says_as_of_any_time_whatever_order_acts_were_stored_in(
    store: Store, acts: list[Act]
) -> None:
    empty(
        store,
        ("exceptions", "events", "event_objects", "watermarks", "expectations", "workflow_versions", "marks"),
    )
    _, ids = overdue(store, *ITEMS)
    # Every third one is there twice.
    stored = [asdict(replace(act, exception_id=ids[act.exception_id])) for act in [*acts, *acts[::3]]]
    store.insert("exceptions", stored)
    for known_at in (FIRST, on(7, 3, 5), on(7, 12), on(9, 1)):
        found = {
            item: (row["status"], row["version"], row["assignee"], row["lapsed"])
            for item, row in statuses(store, known_at).items()
        }
        lives = {item: life_of([act for act in acts if act.exception_id == item], known_at) for item in ITEMS}
        assert found == {
            item: (life.status, life.version, life.assignee, life.lapsed) for item, life in lives.items()
        }
