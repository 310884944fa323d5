"""What tieout does by itself: what was taken on lapses in time or when it grows, and rules assign. And the clocks."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from desks import audit_of, desk_of, do
from story import PAYMENT, TIE, Story, Teller, complete, on, payment_link, state, workflow
from world import AT

from reconcile.acts import Desk, Request
from reconcile.life import Action, ActRefusedError
from reconcile.policy import Policy, PolicyFile, activate_levels
from reconcile.sweep import sweep
from store.client import Store

pytestmark = pytest.mark.slow

END = on(6, 1)
NOW = on(7, 1)


def row_of(
    store: Store,
    exception_id: str,
    known_at: datetime,
    as_of: datetime = END,
    view: str = "service_levels_at",
) -> dict[str, Any]:
    query = f"SELECT * FROM {view}({AT}) WHERE exception_id = {{id:String}}"
    return store.one(query, {"as_of": as_of, "known_at": known_at, "id": exception_id})


def swept(store: Store, desk: Desk, now: datetime, as_of: datetime = END) -> int:
    return sweep(store, desk, {"story": as_of}, now)


@pytest.fixture
def story(store: Store) -> Story:
    """Two invoices that are overdue, of 100 and of 20,000."""
    tell = Teller()
    told = Story(store, workflow(PAYMENT)).tell(
        tell.event("received", on(2, 1), "I1", amount="100"), tell.event("received", on(2, 1), "I2", amount="20000"),
        complete(END),
    )  # fmt: skip
    told.run()
    return told


@pytest.fixture
def ids(story: Story) -> dict[str, str]:
    return {row["item_key"]: row["exception_id"] for row in story.ask(END)}


@pytest.mark.parametrize("waived", [False, True])
def test_what_was_taken_on_is_open_again_when_its_time_is_over(
    store: Store, ids: dict[str, str], waived: bool
) -> None:
    desk, one = desk_of(store, END), ids["I1"]
    end = NOW + timedelta(days=3)
    if waived:
        do(desk, "waiver_requested", one, "ana", NOW, reason="TIMING", until=end)
        do(desk, "waived", one, "cy", NOW)
    else:
        do(desk, "acknowledged", one, "ana", NOW, until=end)
    assert swept(store, desk, end - timedelta(microseconds=1)) == 0
    # The view knows at once, the act follows when the job runs.
    assert row_of(store, one, end)["status"] == "open"
    later = end + timedelta(hours=5)
    assert swept(store, desk, later) == 1
    assert swept(store, desk, later) == 0
    last = store.one("SELECT action, actor, reason, known_at FROM exceptions ORDER BY at DESC LIMIT 1")
    assert last == {"action": "lapsed", "actor": "tieout", "reason": "EXPIRED", "known_at": later}
    assert row_of(store, one, end - timedelta(microseconds=1))["status"] == (
        "waived" if waived else "acknowledged"
    )
    assert do(desk, "acknowledged", one, "ana", later).status == "acknowledged"
    assert audit_of(store).verify().breaks == ()


# Of 1,000 invoiced, 500 were paid when it was acknowledged. By key: what is said to have been paid later.
PAID_AFTER_ALL = {"I1": "600", "I2": "500", "I3": "499.99", "I4": "499.98", "I5": "450", "I6": "449.99"}


def test_it_is_open_again_when_more_money_is_at_stake_than_was_accepted(store: Store) -> None:
    tell = Teller()
    story = Story(store, workflow(TIE))
    for number, key in enumerate(PAID_AFTER_ALL, start=1):
        story.tell(
            tell.event("received", on(2, 1), key, amount="1000"), payment_link(on(2, 2), f"P{number}", key),
            state("payment", f"P{number}", on(2, 2), "500"),
        )  # fmt: skip
    story.tell(complete(END)).run()
    ids = {row["item_key"]: row["exception_id"] for row in story.ask(END)}
    desks = [desk_of(store, END, growth=growth) for growth in ({"pct": "10"}, {"abs": "0.01"}, {})]
    desks[0].do(Request(Action.ACKNOWLEDGED, tuple(ids.values()), until=on(9, 1)), "ana", NOW)
    assert [swept(store, desk, NOW + timedelta(hours=1)) for desk in desks] == [0, 0, 0]
    for number, paid in enumerate(PAID_AFTER_ALL.values(), start=1):
        story.tell(state("payment", f"P{number}", on(3, 1), paid, known_at=on(7, 2)))
    story.run()
    opened = []
    for number, desk in enumerate(desks):
        swept(store, desk, on(7, 3, number))
        again = {
            row["item_key"]
            for row in story.rows("exceptions_at", END, on(7, 3, number))
            if row["status"] == "open"
        }
        opened.append(sorted(again))
    # A tenth more may be added, then a cent, then nothing.
    assert opened == [["I6"], ["I4", "I5", "I6"], ["I3", "I4", "I5", "I6"]]
    assert store.value("SELECT count() FROM exceptions WHERE reason = 'GREW'") == 4


def test_it_is_open_again_when_more_tries_have_failed(store: Store) -> None:
    tell = Teller()
    rule = {**PAYMENT, "failed_by": ["refused"]}
    story = Story(store, workflow(rule)).tell(
        tell.event("received", on(2, 1)), tell.event("refused", on(2, 5)), complete(END)
    )
    story.run()
    (row,) = story.ask(END)
    desk = desk_of(store, END)
    do(desk, "acknowledged", row["exception_id"], "ana", NOW, until=on(9, 1))
    assert swept(store, desk, NOW) == 0
    story.tell(tell.event("refused", on(3, 9), known_at=on(7, 2))).run()
    assert swept(store, desk, on(7, 3)) == 1
    assert store.value("SELECT reason FROM exceptions WHERE action = 'lapsed'") == "MORE_FAILURES"


def test_what_somebody_acted_on_since_does_not_lapse_under_their_hands(
    store: Store, ids: dict[str, str]
) -> None:
    desk, one = desk_of(store, END), ids["I1"]
    do(desk, "acknowledged", one, "ana", NOW, until=NOW + timedelta(days=1))
    do(desk, "acknowledged", one, "ana", NOW + timedelta(hours=1), until=NOW + timedelta(days=9))
    assert swept(store, desk, NOW + timedelta(days=2)) == 0


def test_rules_give_what_nobody_has_to_somebody_and_the_first_that_fits_holds(
    store: Store, ids: dict[str, str]
) -> None:
    rules = [
        {"name": "large", "expectation": "payment", "at_least": "1000", "currency": "USD", "to": "cy"},
        {"name": "rest", "owner": "accounts payable", "to": "ana"},
        {"name": "elsewhere", "code": "PRICE", "to": "bo"},
    ]
    desk = desk_of(store, END, assign=rules)
    assert swept(store, desk, NOW) == 2
    assert {key: row_of(store, one, NOW)["assignee"] for key, one in ids.items()} == {"I1": "ana", "I2": "cy"}
    # Who was given it may give it on; the rule does not take it back.
    do(desk, "assigned", ids["I2"], "cy", NOW, owner="bo")
    assert swept(store, desk, NOW) == 0
    assert row_of(store, ids["I2"], NOW)["assignee"] == "bo"


# --- service levels: detected on 3 March

DETECTED = on(2, 1) + timedelta(days=30)
LEVELS = [
    {
        "name": "large",
        "at_least": "1000",
        "currency": "USD",
        "severity": "high",
        "acknowledge": "4h",
        "resolve": "5d",
    },
    {"name": "any", "severity": "low", "resolve": "30d"},
]


def clock(store: Store, one: str, as_of: datetime, known_at: datetime | None = None) -> tuple[Any, ...]:
    row = row_of(store, one, known_at or as_of, as_of)
    return row["severity"], row["acknowledge_clock"], row["resolve_clock"], row["hours_left"]


@pytest.fixture
def levels(store: Store) -> None:
    assert activate_levels(store, Policy(PolicyFile.model_validate({"service_levels": LEVELS})), NOW)


@pytest.mark.usefixtures("levels")
def test_the_clock_runs_from_detection_and_breaches_after_the_time_allowed(
    store: Store, ids: dict[str, str]
) -> None:
    hour = timedelta(hours=1)
    assert clock(store, ids["I2"], DETECTED + 3 * hour) == ("high", "running", "running", 1)
    assert clock(store, ids["I2"], DETECTED + 4 * hour) == ("high", "running", "running", 0)
    assert clock(store, ids["I2"], DETECTED + 6 * hour) == ("high", "breached", "running", -2)
    assert clock(store, ids["I2"], DETECTED + 121 * hour)[1:3] == ("breached", "breached")
    assert clock(store, ids["I1"], DETECTED + 24 * hour) == ("low", "none", "running", 29 * 24)
    row = row_of(store, ids["I2"], NOW, DETECTED + hour)
    assert (row["acknowledge_by"], row["resolve_by"]) == (DETECTED + 4 * hour, DETECTED + 120 * hour)
    assert row["service_level"] == "large"


@pytest.mark.usefixtures("levels")
def test_who_takes_it_on_stops_the_first_clock_and_who_resolves_it_both(
    store: Store, ids: dict[str, str]
) -> None:
    hour, one = timedelta(hours=1), ids["I2"]
    desk = desk_of(store, DETECTED + 2 * hour)
    do(desk, "acknowledged", one, "ana", DETECTED + 2 * hour)
    assert clock(store, one, DETECTED + 10 * hour) == ("high", "met", "running", 110)
    do(desk, "resolved", one, "ana", DETECTED + 100 * hour, note="paid")
    assert clock(store, one, DETECTED + 200 * hour) == ("high", "met", "met", None)
    # What was done after V counts as done at V.
    assert clock(store, one, DETECTED + hour, NOW) == ("high", "met", "met", None)
    do(desk, "reopened", one, "ana", DETECTED + 201 * hour)
    assert clock(store, one, DETECTED + 202 * hour) == ("high", "met", "breached", -82)


@pytest.mark.usefixtures("levels")
def test_the_clock_stands_still_while_it_is_waived(store: Store, ids: dict[str, str]) -> None:
    hour, one = timedelta(hours=1), ids["I2"]
    desk = desk_of(store, DETECTED + 10 * hour)
    do(
        desk,
        "waiver_requested",
        one,
        "ana",
        DETECTED + 10 * hour,
        reason="TIMING",
        until=DETECTED + 60 * hour,
    )
    assert clock(store, one, DETECTED + 15 * hour)[2:] == ("running", 105)
    do(desk, "waived", one, "cy", DETECTED + 20 * hour)
    assert clock(store, one, DETECTED + 30 * hour)[2:] == ("paused", 100)
    # It ended by itself after 40 hours.
    assert clock(store, one, DETECTED + 70 * hour)[2:] == ("running", 90)
    swept(store, desk, DETECTED + 71 * hour, DETECTED + 71 * hour)
    assert clock(store, one, DETECTED + 80 * hour)[2:] == ("running", 80)
    assert row_of(store, one, NOW, DETECTED + 80 * hour)["resolve_by"] == DETECTED + 160 * hour


def test_new_levels_hold_from_when_they_were_made_and_older_views_keep_the_old_ones(
    store: Store, ids: dict[str, str], levels: None
) -> None:
    again = Policy(PolicyFile.model_validate({"service_levels": LEVELS}))
    assert not activate_levels(store, again, NOW)
    assert activate_levels(store, Policy(), on(8, 1))
    assert clock(store, ids["I2"], END, on(7, 31))[0] == "high"
    assert clock(store, ids["I2"], END, on(8, 1)) == ("", "none", "none", None)
    assert Decimal(row_of(store, ids["I2"], on(8, 1))["amount"]) == 20_000


def test_without_levels_nothing_is_due(store: Store, ids: dict[str, str]) -> None:
    assert not activate_levels(store, Policy(), NOW)
    assert clock(store, ids["I1"], END, NOW) == ("", "none", "none", None)


def test_the_machine_is_checked_like_everybody(store: Store, ids: dict[str, str]) -> None:
    desk = desk_of(store, END)
    do(desk, "resolved", ids["I1"], "ana", NOW, note="paid")
    with pytest.raises(ActRefusedError, match="not possible while it is resolved"):
        do(desk, "assigned", ids["I1"], "ana", NOW, owner="bo")
