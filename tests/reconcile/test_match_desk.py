"""Deciding on matches by hand at the desk: what is done, who may, what is refused, and that nothing is half done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from desks import audit_of, desk_of
from matching_rules import subset, tolerant
from matching_world import CASH, complete, day, decisions, state
from pydantic import SecretStr
from test_exception_service import TOKENS
from test_exception_service import served as served_at
from test_matching_single import WEEK

from calendars.table import write_calendars
from reconcile.acts import Desk
from reconcile.life import ActRefusedError, Role
from reconcile.matching.desk import MatchOutcome
from reconcile.matching.explain import explain_match
from reconcile.matching.model import Ruling
from reconcile.matching.results import bridge, results, suggestions
from reconcile.matching.run import match
from reconcile.matching.verbs import AcceptRequest, MatchRequest, MatchVerb
from reconcile.people import People
from reconcile.remote import RemoteDesk
from store.client import Store

pytestmark = pytest.mark.slow

# `bank` clears what it finds; `drafts` only suggests; both read the same records.
BANK = Ruling(subset(by_hand={"worker": 5, "approver": 1000}), {})
FIELDS = {"account": "account", "amount": "@amount"}
LEGS = {leg: {"type": f"{leg}_line", "fields": FIELDS, "within": "1bd"} for leg in ("bank", "ledger")}
DRAFTS = Ruling(
    tolerant({"abs": 1}, rule="drafts", legs=LEGS, calendar="week", outcome={"auto_clear": False}), {}
)
NOW = day(20)
# After all that is done over the wire, by a clock of its own.
LATER = datetime(2030, 1, 1, tzinfo=UTC)
RECORDS = [
    ("bank_line", "EXACT", 50, "a"), ("ledger_line", "EXACT", 50, "a"),
    ("bank_line", "MANY", 100, "b"), ("ledger_line", "60", 60, "b"), ("ledger_line", "40", 40, "b"),
    ("ledger_line", "70", 70, "b"), ("ledger_line", "30", 30, "b"),
    ("bank_line", "FEE", 200, "c"), ("ledger_line", "197", 197, "d"), ("ledger_line", "150", 150, "e"),
    ("bank_line", "KEYLESS", 8, ""), ("ledger_line", "8", 8, "f"),
]  # fmt: skip


@pytest.fixture
def desk(store: Store) -> Desk:
    for kind, key, amount, account in RECORDS:
        state(store, kind, key, amount, 1, account=account)
    complete(store, 19, known=19)
    write_calendars(store, [WEEK], day(0))
    run(store, NOW)
    return desk_of(store, day(19), rulings=[BANK, DRAFTS])


def run(store: Store, now: datetime) -> None:
    match(store, [BANK, DRAFTS], {"cash": CASH}, now, settle=timedelta(0))


class Acting:
    """Acts one after the other, each a minute later."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.now = desk, NOW

    def __call__(self, verb: str, *records: str, by: str = "ana", **more: Any) -> MatchOutcome:
        self.now += timedelta(minutes=1)
        given = {"rule": "bank", "reason": "FEE", **more}
        return self.desk.match(MatchRequest(MatchVerb(verb), records, **given), by, self.now)

    def refused(self, code: str, words: str, verb: str, *records: str, **more: Any) -> None:
        with pytest.raises(ActRefusedError, match=words) as caught:
            self(verb, *records, **more)
        assert caught.value.code == code


def said(store: Store, as_of: float, known_at: datetime, of: str = "bank") -> set[tuple[str, str]]:
    rows = results(store, day(as_of), known_at, rule=of)
    return {("+".join(row["records"]), row["state"]) for row in rows}


def counts(store: Store) -> tuple[int, int]:
    return store.value("SELECT count() FROM match_acts"), store.value("SELECT count() FROM audit_log")


def test_suggestions_are_accepted_and_matches_made_and_undone(store: Store, desk: Desk) -> None:
    act = Acting(desk)
    before = decisions(store, day(19), NOW)
    # One of two ways to add up.
    act.refused("needs", "several ways: name all records of one", "accept", "MANY")
    act.refused("state", "nothing is suggested with bank:FEE", "accept", "FEE")
    chosen = act("accept", "MANY", "60", "40", reason="")
    assert (chosen.action, chosen.records, chosen.difference) == (
        "accepted", ("bank:MANY", "ledger:40", "ledger:60"), 0,
    )  # fmt: skip
    # What the rule would only suggest.
    assert act("accept", "bank:EXACT", rule="drafts").difference == 0
    # A difference within what a worker accepts alone; one beyond it is asked for.
    tried = act("join", "FEE", "197", dry_run=True)
    assert (tried.action, tried.difference, tried.accepted) == ("joined", -3, ("amount: 197, expected 200",))
    done = act("join", "FEE", "197", note="bank charge", seen=Decimal(-3))
    assert (done.action, done.difference, done.currency) == ("joined", -3, "USD")
    # A key that the rule cannot read.
    keyless = act("join", "KEYLESS", "8")
    assert (keyless.difference, keyless.accepted) == (0, ())
    # What the rule matched is taken apart.
    undone = act("undo", "bank:EXACT", reason="DUPLICATE")
    assert undone.records == ("bank:EXACT", "ledger:EXACT")
    run(store, act.now)
    assert said(store, 19, act.now) == {
        ("MANY+40+60", "MATCHED"), ("70", "ORPHAN"), ("30", "ORPHAN"), ("FEE+197", "MATCHED_TOL"), ("150", "ORPHAN"),
        ("KEYLESS+8", "MATCHED"), ("EXACT", "MISSING"), ("EXACT", "ORPHAN"),
    }  # fmt: skip
    assert ("EXACT+EXACT", "MATCHED") in said(store, 19, act.now, "drafts")
    assert decisions(store, day(19), NOW) == before
    # A match by hand is undone too, and withdrawing lets the rule decide alone.
    act("undo", "FEE", reason="OTHER")
    act("withdraw", decision_id=undone.decision_id, reason="", note="they do belong together")
    act("withdraw", decision_id=chosen.decision_id, reason="OTHER")
    run(store, act.now)
    assert said(store, 19, act.now) >= {
        ("FEE", "MISSING"), ("197", "ORPHAN"), ("EXACT+EXACT", "MATCHED"), ("MANY+30+40+60+70", "UNKNOWN"),
    }  # fmt: skip
    assert audit_of(store).verify().breaks == ()
    rows = store.rows("SELECT actor, action, reason, said FROM match_acts ORDER BY known_at LIMIT 4")
    assert [row["action"] for row in rows] == ["accepted", "accepted", "joined", "joined"]
    assert rows[2]["said"] == "bank:FEE MISSING MISSING; ledger:197 ORPHAN ORPHAN"


def test_records_of_one_leg_are_cancelled_and_put_back(store: Store, desk: Desk, served: RemoteDesk) -> None:
    """A payment and its return under other keys: out of what is open, at no difference or at one that is accepted."""
    act = Acting(desk)
    state(store, "ledger_line", "PAID", 75, 2, account="p")
    state(store, "ledger_line", "BACK", -75, 3, account="q")
    state(store, "ledger_line", "LESS", -147, 3, account="r")
    state(store, "ledger_line", "EURO", -75, 3, account="s", currency="EUR")
    run(store, act.now)

    def money(known_at: datetime) -> dict[str, Decimal]:
        """What the ledger comes to, by state."""
        sums: dict[str, Decimal] = {}
        for row in results(store, day(19), known_at, rule="bank"):
            for leg, amount in zip(row["legs"], row["amounts"], strict=True):
                if leg == "ledger" and row["place"] == 1:
                    sums[row["state"]] = sums.get(row["state"], Decimal(0)) + amount
        return sums

    total = sum(money(act.now).values())
    act.refused("needs", "Several records of one leg can be joined when they cancel", "join", "PAID")
    act.refused("state", "in several currencies", "join", "PAID", "EURO")
    tried = act("join", "PAID", "BACK", dry_run=True)
    assert (tried.action, tried.difference, tried.accepted, tried.is_cancelling) == ("joined", 0, (), True)
    assert served.match(
        MatchRequest(MatchVerb.JOIN, ("PAID", "BACK"), rule="bank", dry_run=True), "ana"
    ).is_cancelling
    done = act("join", "PAID", "BACK", note="returned")
    # What is left of them is judged as the difference of any match.
    small = act("join", "150", "LESS", seen=Decimal(3))
    assert (small.action, small.accepted) == ("joined", ("amount: 3, expected 0",))
    large = act("join", "70", "30", "40", by="ana")
    assert (large.action, large.difference) == ("requested", 140)
    act.refused("state", "waits for approval", "join", "70", "197")
    run(store, act.now)
    assert said(store, 19, act.now) >= {
        ("PAID+BACK", "REVERSED"),
        ("150+LESS", "REVERSED"),
        ("EURO", "ORPHAN"),
    }
    (explained,) = [
        one for one in explain_match(store, {"bank": BANK}, "LESS", day(19), act.now, act.now) if one.rule == "bank"
    ]  # fmt: skip
    assert (
        explained.headline
        == "LESS is cancelled with a difference that was accepted together with 1 other record, by hand."
    )
    assert money(act.now)["REVERSED"] == 3
    assert sum(money(act.now).values()) == total
    rows = {row["currency"]: row for row in bridge(store, day(19), act.now, rule="bank")}
    assert rows["USD"]["causes"]["unexplained"] == 3
    assert all(sum(row["causes"].values()) == row["net"] for row in rows.values())
    # Approved by somebody else it is cancelled; undone, the rule does not cancel them again, and all is open as before.
    act("approve", decision_id=large.decision_id, by="cy")
    undone = act("undo", "PAID", reason="OTHER")
    assert undone.records == ("ledger:BACK", "ledger:PAID")
    act.refused("state", "matched with nothing", "undo", "BACK")
    act("withdraw", decision_id=small.decision_id, note="not the same")
    run(store, act.now)
    assert said(store, 19, act.now) >= {
        ("PAID", "ORPHAN"), ("BACK", "ORPHAN"), ("150", "ORPHAN"), ("LESS", "ORPHAN"), ("30+40+70", "REVERSED"),
    }  # fmt: skip
    assert sum(money(act.now).values()) == total
    assert audit_of(store).verify().breaks == ()
    assert done.decision_id != undone.decision_id


def test_what_is_above_a_limit_needs_somebody_else(store: Store, desk: Desk) -> None:
    act = Acting(desk)
    asked = act("join", "FEE", "150")
    assert (asked.action, asked.difference) == ("requested", -50)
    run(store, act.now)
    assert ("FEE", "MISSING") in said(store, 19, act.now)
    name = asked.decision_id
    act.refused("state", "waits for approval; end that first", "join", "FEE", "197")
    act.refused(
        "role",
        "approving a match needs the role approver; bo is worker",
        "approve",
        decision_id=name,
        by="bo",
    )
    act.refused("role", "vi is viewer and may only look", "approve", decision_id=name, by="vi")
    act.refused(
        "role", "somebody else asked for needs the role approver", "withdraw", decision_id=name, by="bo"
    )
    assert act("approve", decision_id=name, by="cy").action == "approved"
    act.refused(
        "state",
        "approve is not possible while it is together: approved by cy",
        "approve",
        decision_id=name,
        by="di",
    )
    run(store, act.now)
    assert ("FEE+150", "MATCHED_TOL") in said(store, 19, act.now)
    # What two people agreed on is not for one worker to undo.
    act.refused("role", "ending a match that cy approved needs the role approver", "undo", "FEE")
    act.refused("role", "ending a match that cy approved", "withdraw", decision_id=name)
    act("undo", "FEE", by="di")
    # An approver above their own limit, and a request whose records have changed.
    own = act("join", "MANY", "30", by="cy")
    assert own.action == "joined"
    other = act("join", "FEE", "197", "150", by="ana")
    act.refused(
        "person", "no person can have this name", "refuse", decision_id=other.decision_id, by="tieout"
    )
    state(store, "ledger_line", "150", 140, 19.5, account="e")
    state(store, "ledger_line", "150", 140, 18, 20, account="e")
    run(store, day(21))
    act.now = day(21)
    act.refused(
        "changed", "the difference is 137.00 USD by now", "approve", decision_id=other.decision_id, by="cy"
    )
    assert act("refuse", decision_id=other.decision_id, by="ana").action == "refused"
    alone = desk_of(store, day(19), People({}, Role.VIEWER, {}), [Ruling(subset(), {})])
    first = Acting(alone)
    first.now = act.now
    again = first("join", "FEE", "197", by="ana")
    assert again.action == "requested"
    first.refused(
        "person", "somebody else must approve it", "approve", decision_id=again.decision_id, by="Ana"
    )
    assert first("approve", decision_id=again.decision_id, by="bo").action == "approved"


def test_what_cannot_be_is_refused_and_leaves_nothing(store: Store, desk: Desk) -> None:
    act = Acting(desk)
    state(store, "ledger_line", "GONE", 1, 2, account="g")
    state(store, "ledger_line", "GONE", 1, 3, account="g", deleted=True)
    state(store, "ledger_line", "EURO", 200, 2, account="g", currency="EUR")
    run(store, NOW)
    act.refused("needs", "join needs a reason code", "join", "FEE", "197", reason="")
    act.refused(
        "reason", "unknown reason code 'FEES'; did you mean 'FEE'?", "join", "FEE", "197", reason="FEES"
    )
    act.refused("needs", "join needs records", "join")
    act.refused("needs", "refuse needs a reason code or a note", "refuse", decision_id="x", reason="")
    act.refused("unknown", "no matching rule 'bnak'; did you mean 'bank'?", "join", "FEE", "197", rule="bnak")
    act.refused(
        "needs",
        "several rules read these records: pass --rule with one of bank, drafts",
        "join",
        "FEE",
        "197",
        rule="",
    )
    act.refused("unknown", "no matching rule reads 'NOPE' together", "join", "FEE", "NOPE")
    act.refused("unknown", "reads 'GONE'", "join", "FEE", "GONE")
    act.refused("unknown", "no decision by hand 'f+'", "withdraw", decision_id="f" * 32)
    act.refused(
        "needs", "several legs have a record 'EXACT': say bank:EXACT or ledger:EXACT", "join", "EXACT", "197"
    )
    act.refused("needs", "records of every leg; none of bank is named", "join", "197")
    act.refused(
        "state", "the rule matched bank:EXACT \\+ ledger:EXACT; undo that", "join", "bank:EXACT", "197"
    )
    act.refused("state", "in several currencies", "join", "FEE", "EURO")
    act.refused("state", "matched with nothing", "undo", "FEE")
    act.refused(
        "changed", "the difference is -3.00 USD by now, not -4.00", "join", "FEE", "197", seen=Decimal(-4)
    )
    act.refused("needs", "at most 4,000 characters", "join", "FEE", "197", note="x" * 4001)
    act.refused("role", "may name 500 records", "join", *(f"{n}" for n in range(501)))
    assert counts(store) == (0, 0)


def test_sent_twice_is_done_once_and_a_writer_that_died_is_made_whole(store: Store, desk: Desk) -> None:
    act = Acting(desk)
    first = act("join", "FEE", "197", act_id="once")
    act("undo", "FEE")
    before = counts(store)
    again = act("join", "FEE", "197", act_id="once")
    assert (again.decision_id, again.repeated) == (first.decision_id, True)
    assert counts(store) == before
    act.refused("repeated", "used for another act", "undo", "FEE", act_id="once")
    # Chained and not stored: the next act, of whatever kind, stores it first.
    store.command("ALTER TABLE match_acts DELETE WHERE action = 'undone' SETTINGS mutations_sync = 2")
    fresh = Acting(desk_of(store, day(19), rulings=[BANK, DRAFTS]))
    fresh.now = act.now
    fresh.refused("state", "bank:FEE is matched with nothing", "undo", "FEE")
    assert counts(store) == before
    # A clock that was set back does not change the order.
    fresh.now = NOW
    assert fresh("join", "FEE", "197").action == "joined"
    times = [row["known_at"] for row in store.rows("SELECT known_at FROM match_acts ORDER BY known_at")]
    assert times == sorted(set(times))
    assert len(times) == 3


@pytest.fixture
def served(desk: Desk) -> Iterator[RemoteDesk]:
    with served_at(desk) as url:
        remote = RemoteDesk(url, SecretStr(next(iter(TOKENS))))
        yield remote
        remote.close()


def test_several_suggestions_are_accepted_at_once_and_those_that_cannot_be_say_why(
    store: Store, desk: Desk, served: RemoteDesk
) -> None:
    for number in range(3):
        for leg in ("bank", "ledger"):
            # The ledger says 10, 11 and 12; the bank 10, 11.50 and 11.
            amount = {"B1": "11.5", "B2": "11"}.get(f"{leg[0].upper()}{number}", 10 + number)
            state(store, f"{leg}_line", f"{leg[0].upper()}{number}", amount, 1, account=f"n{number}")
    run(store, NOW)

    def open_ones() -> list[tuple[str, ...]]:
        found = suggestions(store, day(19), LATER, rule="drafts")
        return [tuple(map(":".join, zip(row["legs"], row["records"], strict=True))) for row in found]

    assert open_ones() == [
        ("bank:B0", "ledger:L0"), ("bank:EXACT", "ledger:EXACT"), ("bank:B1", "ledger:L1"), ("bank:B2", "ledger:L2"),
    ]  # fmt: skip
    exact, _, *rest = open_ones()
    small = suggestions(store, day(19), NOW, rule="drafts", at_most=Decimal("0.5"))
    assert [(row["records"][0], row["residual"]) for row in small] == [
        ("B0", 0),
        ("EXACT", 0),
        ("B1", Decimal("-0.5")),
    ]
    # The same records twice, one that nobody has, and one that nothing is suggested with.
    wanted = (exact, rest[0], ("bank:B1",), ("bank:GONE",), ("FEE", "197"))
    request = AcceptRequest("drafts", wanted, "all", "month end")
    assert [one.done for one in served.accept_all(replace(request, dry_run=True, act_id=""), "ana")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert counts(store)[0] == 0
    done = served.accept_all(request, "ana")
    assert [(one.done, one.code) for one in done] == [
        (True, ""), (True, ""), (False, "state"), (False, "unknown"), (False, "state"),
    ]  # fmt: skip
    assert (done[0].records, done[1].difference, done[2].why) == (exact, Decimal("-0.5"), "nothing is suggested with bank:B1; "
        "`tieout match join` matches by hand")  # fmt: skip
    again = served.accept_all(request, "ana")
    assert [one.repeated for one in again[:2]] == [True, True]
    rows = store.rows(
        "SELECT action, actor, note, members.record AS records FROM match_acts ORDER BY known_at"
    )
    assert [(row["action"], row["actor"], row["note"], row["records"]) for row in rows] == [
        ("accepted", "ana", "month end", ["B0", "L0"]), ("accepted", "ana", "month end", ["B1", "L1"]),
    ]  # fmt: skip
    # What was decided is no longer suggested, before matching has taken it in and after.
    assert open_ones() == [("bank:EXACT", "ledger:EXACT"), rest[1]]
    run(store, LATER)
    assert open_ones() == [("bank:EXACT", "ledger:EXACT"), rest[1]]
    assert ("B0+L0", "MATCHED") in said(store, 19, LATER, "drafts")
    for text, asked, who in (
        ("viewer and may only look", request, "vi"), ("name it", AcceptRequest("", wanted), "ana"),
        ("did you mean 'drafts'", AcceptRequest("draft", wanted), "ana"), ("name the records", AcceptRequest("drafts", ()), "ana"),
        ("may name 500 records at once, not 1,002", AcceptRequest("drafts", (exact,) * 501), "ana"),
    ):  # fmt: skip
        with pytest.raises(ActRefusedError, match=text):
            served.accept_all(asked, who)
    assert audit_of(store).verify().breaks == ()


def test_over_the_wire_it_is_the_same(store: Store, served: RemoteDesk) -> None:
    request = MatchRequest(
        MatchVerb.JOIN, ("FEE", "197"), rule="bank", reason="fee", act_id="wire", seen=Decimal("-3.00")
    )
    outcome = served.match(request, "ana")
    assert (outcome.action, outcome.difference, outcome.records) == ("joined", -3, ("bank:FEE", "ledger:197"))
    assert served.match(request, "ana").repeated
    with pytest.raises(ActRefusedError, match="viewer and may only look") as caught:
        served.match(request, "vi")
    assert caught.value.code == "role"
    told = served.match(MatchRequest(MatchVerb.WITHDRAW, decision_id=outcome.decision_id, note="no"), "bo")
    assert told.action == "withdrawn"
    row = store.one("SELECT actor, reason FROM match_acts WHERE action = 'joined'")
    assert row == {"actor": "ana", "reason": "FEE"}
