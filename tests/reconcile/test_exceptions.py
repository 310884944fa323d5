"""What people do with an exception is appended; its status is what was known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from story import FIRST, PAYMENT, Story, Teller, complete, on, workflow
from world import AT, empty

from core.errors import ConfigurationError
from reconcile.actions import act, exists
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
        f"SELECT item_key, status, is_open, assignee, reason, note, resolved_at, age_days FROM exceptions_at({AT})",
        {"as_of": as_of, "known_at": known_at},
    )
    return {row["item_key"]: row for row in rows}


def test_each_act_is_a_row_and_none_is_changed(store: Store) -> None:
    _, ids = overdue(store, "I1")
    for number, action in enumerate(("assigned", "acknowledged", "resolved"), start=1):
        act(
            store,
            ids["I1"],
            action,
            "ana",
            on(7, number),
            owner="treasury",
            reason="TIMING",
            note=f"note {number}",
        )  # type: ignore[arg-type]
        assert store.value("SELECT count() FROM exceptions") == number
    rows = store.rows("SELECT * FROM exceptions ORDER BY at")
    assert [(row["action"], row["actor"], row["at"], row["known_at"], row["note"]) for row in rows] == [
        ("assigned", "ana", on(7, 1), on(7, 1), "note 1"),
        ("acknowledged", "ana", on(7, 2), on(7, 2), "note 2"),
        ("resolved", "ana", on(7, 3), on(7, 3), "note 3"),
    ]


def test_the_status_is_what_was_known_of_it(store: Store) -> None:
    _, ids = overdue(store, "I1", "I2")
    act(store, ids["I1"], "assigned", "ana", on(7, 1), owner="treasury")
    act(store, ids["I1"], "acknowledged", "bo", on(7, 2))
    act(store, ids["I1"], "explained", "bo", on(7, 3), reason="TIMING", note="the bank was closed")
    act(store, ids["I1"], "resolved", "bo", on(7, 4), note="paid by cheque")
    act(store, ids["I1"], "reopened", "cy", on(7, 5))
    told = [(statuses(store, on(7, day))["I1"]) for day in range(1, 6)]
    assert [row["status"] for row in told] == ["open", "acknowledged", "explained", "resolved", "open"]
    assert [row["is_open"] for row in told] == [1, 1, 1, 0, 1]
    assert [row["resolved_at"] for row in told] == [None, None, None, on(7, 4), None]
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
    act(store, row["exception_id"], "acknowledged", "ana", on(7, 1))
    assert statuses(store, on(7, 1))["I1"]["status"] == "acknowledged"
    late = statuses(store, on(7, 2))["I1"]
    assert (late["status"], late["resolved_at"], late["age_days"]) == ("resolved", on(5, 1), 59)


def test_age_stops_when_a_person_resolves_it_and_grows_on_after_a_reopening(store: Store) -> None:
    _, ids = overdue(store, "I1")
    due = on(2, 1) + timedelta(days=30)
    act(store, ids["I1"], "resolved", "ana", due + timedelta(days=10), note="paid by cheque")
    act(store, ids["I1"], "reopened", "ana", due + timedelta(days=40))
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
    assert exists(store, ids.pop())
    assert not exists(store, "f" * 32)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"actor": ""}, "needs a person"),
        ({"action": "assigned"}, "assign needs an owner"),
        ({"action": "explained"}, "explained needs a reason code or a note"),
        ({"action": "resolved"}, "resolved needs a reason code or a note"),
        ({"exception_id": "f" * 32}, "no exception 'f+'"),
        ({"exception_id": ""}, "no exception ''"),
    ],
)
def test_an_act_that_lacks_something_is_refused_and_leaves_nothing(
    store: Store, wrong: dict[str, Any], words: str
) -> None:
    _, ids = overdue(store, "I1")
    given = {"exception_id": ids["I1"], "action": "acknowledged", "actor": "ana", "now": on(7, 1), **wrong}
    with pytest.raises(ConfigurationError, match=words):
        act(store, **given)
    assert store.value("SELECT count() FROM exceptions") == 0


@dataclass(frozen=True)
class Act:
    """An act as people did it, for the recomputation."""

    item: str
    action: str
    at: datetime
    known_at: datetime


def status_of(acts: Sequence[Act], known_at: datetime) -> str:
    """The newest act that says something of the state; assigning does not."""
    telling = [done for done in acts if done.known_at <= known_at and done.action != "assigned"]
    newest = max(telling, key=lambda done: (done.at, done.known_at), default=None)
    return "open" if newest is None or newest.action == "reopened" else newest.action


ITEMS = [f"I{n}" for n in range(12)]
ACTS = st.lists(
    st.builds(
        lambda item, action, at, later: Act(item, action, at, at + timedelta(hours=later)),
        st.sampled_from(ITEMS), st.sampled_from(["assigned", "acknowledged", "explained", "resolved", "reopened"]),
        st.integers(0, 400).map(lambda hour: on(7, 1) + timedelta(hours=hour, seconds=hour)), st.sampled_from([0, 0, 30]),
    ),
    max_size=60, unique_by=lambda done: (done.item, done.at),
)  # fmt: skip


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_the_status_equals_the_recomputation_whatever_order_acts_were_stored_in(
    store: Store, acts: list[Act]
) -> None:
    empty(
        store,
        ("exceptions", "events", "event_objects", "watermarks", "expectations", "workflow_versions", "marks"),
    )
    _, ids = overdue(store, *ITEMS)
    store.insert(
        "exceptions",
        [
            {
                "exception_id": ids[done.item],
                "action": done.action,
                "at": done.at,
                "known_at": done.known_at,
                "actor": "ana",
            }
            for done in acts
        ],
    )
    for known_at in (FIRST, on(7, 3, 5), on(7, 12), on(9, 1)):
        found = {item: row["status"] for item, row in statuses(store, known_at).items()}
        assert found == {
            item: status_of([done for done in acts if done.item == item], known_at) for item in ITEMS
        }
