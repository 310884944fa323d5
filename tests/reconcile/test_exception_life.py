"""The state machine of an exception, by itself: what is allowed to whom, and that replaying gives the state."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from story import on

from reconcile.life import (
    ENDING,
    MACHINE,
    MOVES,
    TELLING,
    Act,
    Action,
    ActRefusedError,
    Life,
    Role,
    Standing,
    Status,
    check,
    life_of,
    possible,
)

START = on(7, 1)


def failing(life: Life) -> Standing:
    return Standing(life, is_failing=True, is_over=False)


def an_act(action: Action, number: int = 1, actor: str = "ana", **more: object) -> Act:
    at = START + timedelta(hours=number)
    return Act(f"a{number}", "x", action, at, at, actor, **more)  # type: ignore[arg-type]


def life_in(status: Status) -> Life:
    """A life that ana brought into this state, along the shortest way."""
    ways = {
        Status.OPEN: (), Status.ACKNOWLEDGED: (Action.ACKNOWLEDGED,), Status.EXPLAINED: (Action.EXPLAINED,),
        Status.WAIVER_REQUESTED: (Action.WAIVER_REQUESTED,),
        Status.WAIVED: (Action.WAIVER_REQUESTED, Action.WAIVED), Status.RESOLVED: (Action.RESOLVED,),
    }  # fmt: skip
    return life_of(
        [an_act(action, number) for number, action in enumerate(ways[status])], START + timedelta(days=9)
    )


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_the_table_and_nothing_else_says_what_is_allowed(action: Action, status: Status, role: Role) -> None:
    move = MOVES.get((action, status))
    allowed = move is not None and role.covers(move.role) and action is not Action.LAPSED
    if action is Action.WAIVER_REFUSED:
        # Bo did not ask for it.
        allowed = allowed and role.covers(Role.APPROVER)
    if allowed and move:
        assert check(action, "bo", role, failing(life_in(status)), None) == (move.to or status)
        assert action in possible(failing(life_in(status)), "bo", role)
    else:
        with pytest.raises(ActRefusedError) as refused:
            check(action, "bo", role, failing(life_in(status)), None)
        assert refused.value.code in ("role", "state", "person")
        assert action not in possible(failing(life_in(status)), "bo", role)


def test_every_act_leads_to_one_state_from_wherever_it_is_allowed() -> None:
    for action in TELLING:
        assert len({move.to for (name, _), move in MOVES.items() if name is action}) == 1


@pytest.mark.parametrize("approver", ["ana", "Ana", " ANA "])
def test_nobody_approves_what_they_asked_for(approver: str) -> None:
    with pytest.raises(ActRefusedError, match="somebody else must approve it"):
        check(Action.WAIVED, approver, Role.ADMIN, failing(life_in(Status.WAIVER_REQUESTED)), None)


def test_who_asked_for_a_waiver_may_take_it_back() -> None:
    asked = failing(life_in(Status.WAIVER_REQUESTED))
    assert check(Action.WAIVER_REFUSED, "ana", Role.WORKER, asked, None) is Status.OPEN
    with pytest.raises(ActRefusedError, match="needs the role approver"):
        check(Action.WAIVER_REFUSED, "bo", Role.WORKER, asked, None)


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.COMMENTED])
@pytest.mark.parametrize(("is_over", "words"), [(True, "evidence has arrived"), (False, "nothing is wrong")])
def test_what_is_no_exception_any_more_takes_comments_only(action: Action, is_over: bool, words: str) -> None:
    gone = Standing(Life(), is_failing=False, is_over=is_over)
    assert check(Action.COMMENTED, "ana", Role.WORKER, gone, None) is Status.OPEN
    with pytest.raises(ActRefusedError, match=words):
        check(action, "ana", Role.ADMIN, gone, None)


def test_an_act_on_what_somebody_changed_meanwhile_is_refused_and_says_who() -> None:
    life = life_of([an_act(Action.ACKNOWLEDGED)], START + timedelta(days=1))
    assert check(Action.EXPLAINED, "bo", Role.WORKER, failing(life), seen=1) is Status.EXPLAINED
    with pytest.raises(
        ActRefusedError, match="acknowledged by ana at 2026-07-01 01:00 UTC; look again"
    ) as refused:
        check(Action.EXPLAINED, "bo", Role.WORKER, failing(life), seen=0)
    assert refused.value.code == "changed"


def test_a_comment_changes_nothing_that_others_decide_on() -> None:
    life = life_of([an_act(Action.ACKNOWLEDGED, 1), an_act(Action.COMMENTED, 2)], START + timedelta(days=1))
    assert (life.version, life.status) == (1, Status.ACKNOWLEDGED)


@pytest.mark.parametrize("action", [Action.ACKNOWLEDGED, Action.WAIVED])
def test_what_has_an_end_is_open_again_from_that_moment_on(action: Action) -> None:
    end = START + timedelta(days=2)
    acts = [an_act(action, until=end)]
    assert life_of(acts, end - timedelta(microseconds=1)).status is not Status.OPEN
    after = life_of(acts, end)
    assert (after.status, after.lapsed) == (Status.OPEN, True)
    # tieout writes that down, once.
    assert check(Action.LAPSED, MACHINE, Role.ADMIN, failing(after), None) is Status.OPEN
    written = life_of([*acts, an_act(Action.LAPSED, 60, MACHINE)], START + timedelta(days=4))
    with pytest.raises(ActRefusedError, match="nothing stands"):
        check(Action.LAPSED, MACHINE, Role.ADMIN, failing(written), None)


STEPS = st.lists(
    st.tuples(st.sampled_from(list(Action)), st.sampled_from(["ana", "bo", MACHINE]), st.sampled_from(list(Role)),
              st.one_of(st.none(), st.integers(1, 30))),
    max_size=25,
)  # fmt: skip


@given(steps=STEPS, seed=st.integers(0, 2**32))
def test_whatever_is_allowed_leads_where_replaying_leads_in_any_order_and_with_any_duplicates(
    steps: list[tuple[Action, str, Role, int | None]], seed: int
) -> None:
    done: list[Act] = []
    stands: list[tuple[Act, Status]] = []
    for number, (action, actor, role, ends_after) in enumerate(steps):
        now = START + timedelta(hours=number)
        life = life_of(done, now)
        try:
            status = check(action, actor, role, failing(life), life.version)
        except ActRefusedError:
            continue
        until = now + timedelta(hours=ends_after) if ends_after and status in ENDING else None
        done.append(Act(f"a{number}", "x", action, now, now, actor, owner="team", until=until))
        assert life_of(done, now).status is status
        stands.append((done[-1], status))
    end = START + timedelta(hours=len(steps))
    shuffled = [*done, *random.Random(seed).choices(done, k=5)] if done else []
    random.Random(seed).shuffle(shuffled)
    assert life_of(shuffled, end) == life_of(done, end)
    for act, status in stands:
        # As of any earlier time, the same as then.
        assert life_of(shuffled, act.known_at).status is status
