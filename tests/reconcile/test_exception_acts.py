"""Acting: who may, what is refused, what happens when it is sent twice, at once, or the process dies in between."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from desks import audit_of, desk_of, do
from story import PAYMENT, Story, Teller, complete, on, workflow

from reconcile.acts import Desk, Request
from reconcile.life import Action, ActRefusedError, Role
from reconcile.people import People
from store.client import Store

pytestmark = pytest.mark.slow

END = on(6, 1)
NOW = on(7, 1)


@pytest.fixture
def ids(store: Store) -> dict[str, str]:
    """Three invoices that are overdue, one that is paid late; the ids of their exceptions by key."""
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(
        *(tell.event("received", on(2, 1), key, amount="100") for key in ("I1", "I2", "I3", "I4")),
        tell.event("paid", on(5, 1), "I4"), complete(END),
    )  # fmt: skip
    story.run()
    return {row["item_key"]: row["exception_id"] for row in story.ask(END)}


@pytest.fixture
def desk(store: Store) -> Desk:
    return desk_of(store, END)


def counts(store: Store) -> tuple[int, int]:
    return store.value("SELECT count() FROM exceptions"), store.value("SELECT count() FROM audit_log")


REFUSED: list[tuple[dict[str, Any], str, str]] = [
        ({"actor": ""}, "person", "needs a person"),
        ({"actor": "Tieout"}, "person", "no person can have this name"),
        ({"actor": "vi"}, "role", "vi is viewer and may only look"),
        ({"actor": "somebody"}, "role", "may only look"),
        ({"action": "assigned"}, "needs", "needs an owner"),
        ({"action": "commented"}, "needs", "needs a note"),
        ({"action": "explained"}, "needs", "needs a reason code"),
        ({"action": "explained", "reason": "TIMNG"}, "reason", "unknown reason code 'TIMNG'; did you mean 'TIMING'?"),
        ({"action": "resolved"}, "needs", "resolved needs a reason code or a note"),
        ({"action": "waiver_requested", "reason": "TIMING"}, "needs", "a waiver needs an end"),
        ({"action": "waiver_requested", "reason": "TIMING", "until": on(11, 1)}, "needs", "at most 92 days"),
        ({"action": "acknowledged", "until": on(6, 30)}, "needs", "in the past"),
        ({"action": "waived", "actor": "cy"}, "state", "waived is not possible while it is open; possible are"),
        ({"action": "lapsed", "actor": "di"}, "person", "only tieout itself"),
        ({"exception_id": "f" * 32}, "unknown", "no exception 'f+'"),
        ({"exception_id": ""}, "unknown", "no exception ''"),
        ({"note": "x" * 4001}, "needs", "at most 4,000 characters"),
]  # fmt: skip


def test_an_act_that_is_not_allowed_or_lacks_something_is_refused_and_leaves_nothing(
    store: Store, desk: Desk, ids: dict[str, str]
) -> None:
    for wrong, code, words in REFUSED:
        given = {"action": "acknowledged", "exception_id": ids["I1"], "actor": "ana", "now": NOW, **wrong}
        with pytest.raises(ActRefusedError, match=words) as refused:
            do(desk, **given)
        assert refused.value.code == code, wrong
    assert counts(store) == (0, 0)


def test_without_people_whoever_acts_may_do_everything_but_waive_alone(
    store: Store, ids: dict[str, str]
) -> None:
    desk = desk_of(store, END, People({}, Role.VIEWER, {}))
    do(desk, "waiver_requested", ids["I1"], "ana", NOW, reason="TIMING", until=on(8, 1))
    with pytest.raises(ActRefusedError, match="somebody else"):
        do(desk, "waived", ids["I1"], "ana", NOW)
    assert do(desk, "waived", ids["I1"], "bo", NOW).status == "waived"


def test_what_resolved_itself_takes_a_comment_only(desk: Desk, ids: dict[str, str]) -> None:
    with pytest.raises(ActRefusedError, match="its evidence has arrived"):
        do(desk, "reopened", ids["I4"], "ana", NOW)
    assert do(desk, "commented", ids["I4"], "ana", NOW, note="it was the bank").done


def test_the_same_act_sent_twice_is_done_once(store: Store, desk: Desk, ids: dict[str, str]) -> None:
    first = do(desk, "acknowledged", ids["I1"], "ana", NOW, act_id="once")
    do(desk, "explained", ids["I1"], "bo", NOW, reason="PRICE")
    before = counts(store)
    again = do(desk, "acknowledged", ids["I1"], "ana", NOW + timedelta(days=1), act_id="once")
    assert (first.repeated, again.repeated, again.status) == (False, True, "explained")
    assert counts(store) == before
    with pytest.raises(ActRefusedError, match="used for another act"):
        do(desk, "resolved", ids["I1"], "ana", NOW, act_id="once", note="done")


def test_who_decided_on_an_older_state_is_refused(store: Store, desk: Desk, ids: dict[str, str]) -> None:
    seen = do(desk, "acknowledged", ids["I1"], "ana", NOW).version
    do(desk, "resolved", ids["I1"], "bo", NOW, note="paid by cheque", seen=seen)
    with pytest.raises(ActRefusedError, match="it has changed meanwhile: resolved by bo"):
        do(desk, "explained", ids["I1"], "ana", NOW, reason="TIMING", seen=seen)
    assert counts(store) == (2, 2)


def test_many_at_once_are_done_where_they_can_be_and_refused_where_not(
    store: Store, desk: Desk, ids: dict[str, str]
) -> None:
    do(desk, "resolved", ids["I2"], "ana", NOW, note="done")
    wanted = (ids["I1"], ids["I2"], "0" * 32, ids["I3"], ids["I1"])
    request = Request(Action.ACKNOWLEDGED, wanted, act_id="many", seen={ids["I3"]: 0})
    outcomes = desk.do(request, "ana", NOW)
    assert [(one.done, one.code) for one in outcomes] == [
        (True, ""),
        (False, "state"),
        (False, "unknown"),
        (True, ""),
    ]
    assert counts(store) == (3, 3)
    # The same again adds nothing.
    assert [one.repeated for one in desk.do(request, "ana", NOW) if one.done] == [True, True]
    assert counts(store) == (3, 3)


def test_each_role_may_act_on_so_many_at_once(desk: Desk) -> None:
    with pytest.raises(ActRefusedError, match="500 exceptions at once, not on 501"):
        desk.do(Request(Action.ACKNOWLEDGED, tuple(f"{n:032}" for n in range(501))), "ana", NOW)


def test_two_acts_in_the_same_moment_keep_their_order(store: Store, desk: Desk, ids: dict[str, str]) -> None:
    for action in ("acknowledged", "reopened", "acknowledged", "explained", "reopened"):
        do(desk, action, ids["I1"], "ana", NOW, reason="TIMING")
    # Even when the clock was set back in between.
    outcome = do(desk, "acknowledged", ids["I1"], "ana", NOW - timedelta(hours=1))
    assert (outcome.status, outcome.version) == ("acknowledged", 6)
    assert store.value("SELECT uniqExact(at) FROM exceptions") == 6


def test_every_act_and_the_sign_in_of_who_may_write_is_chained(
    store: Store, desk: Desk, ids: dict[str, str]
) -> None:
    assert desk.sign_in("ana", "token", NOW) is Role.WORKER
    assert desk.sign_in("vi", "token", NOW) is Role.VIEWER
    desk.sign_in("ana", "token", NOW + timedelta(hours=11))
    do(desk, "acknowledged", ids["I1"], "ana", NOW, note="mine")
    rows = store.rows("SELECT kind, actor, subject, content FROM audit_log ORDER BY seq")
    assert [(row["kind"], row["actor"], row["subject"]) for row in rows] == [
        ("sign_in", "ana", "ana"), ("act", "ana", ids["I1"]),
    ]  # fmt: skip
    told = json.loads(rows[1]["content"])
    assert (told["action"], told["note"], told["amount"], told["currency"]) == (
        "acknowledged",
        "mine",
        "100.000000",
        "USD",
    )


def test_what_a_process_that_died_had_chained_is_stored_before_the_next_act(
    store: Store, desk: Desk, ids: dict[str, str]
) -> None:
    do(desk, "acknowledged", ids["I1"], "ana", NOW)
    do(desk, "acknowledged", ids["I2"], "ana", NOW)
    # As after a kill between the two inserts.
    store.command(
        "ALTER TABLE exceptions DELETE WHERE exception_id = {id:String}",
        {"id": ids["I2"]},
        {"mutations_sync": 2},
    )
    with pytest.raises(ActRefusedError, match="not possible while it is acknowledged"):
        do(desk_of(store, END), "waiver_refused", ids["I2"], "cy", NOW, note="no")
    assert counts(store) == (2, 2)
    assert audit_of(store).verify().breaks == ()


def test_two_processes_that_act_at_once_do_not_both_win(store: Store, ids: dict[str, str]) -> None:
    desks = [desk_of(store.another(), END) for _ in range(3)]
    won: list[str] = []

    def resolve(desk: Desk, name: str) -> None:
        outcomes = desk.do(
            Request(Action.RESOLVED, tuple(ids[key] for key in ("I1", "I2", "I3")), note=name), "di", NOW
        )
        won.extend(one.exception_id for one in outcomes if one.done)

    threads = [threading.Thread(target=resolve, args=(desk, f"d{n}")) for n, desk in enumerate(desks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == sorted(ids[key] for key in ("I1", "I2", "I3"))
    assert counts(store) == (3, 3)
    assert audit_of(store).verify().breaks == ()


def test_a_row_of_the_log_that_is_no_act_stops_nobody(store: Store, desk: Desk, ids: dict[str, str]) -> None:
    do(desk, "acknowledged", ids["I1"], "ana", NOW)
    for content in ("{", "[]", '{"action": "acknowledged"}'):
        made_up = {
            "seq": counts(store)[1] + 1, "at": NOW, "actor": "mallory", "kind": "act", "subject": "", "batch": content,
            "content": content, "key_id": "k1", "previous": "", "mac": "",
        }  # fmt: skip
        store.insert("audit_log", [made_up])
        assert do(desk_of(store, END), "commented", ids["I1"], "ana", NOW, note="on").done
    assert [one.what for one in audit_of(store).verify().breaks] == ["moved"] * 3
