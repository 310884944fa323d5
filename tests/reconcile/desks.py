"""Desks on the test's store, and people who act at them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import SecretBytes

from reconcile.acts import Desk, Outcome, Request
from reconcile.life import Action, ActRefusedError, Role
from reconcile.matching.model import Ruling
from reconcile.people import People
from reconcile.policy import Policy, PolicyFile
from store.audit import AuditLog
from store.client import Store

KEYS = {"k1": SecretBytes(b"0123456789abcdef0123456789abcdef")}
PEOPLE = People(
    {"vi": Role.VIEWER, "ana": Role.WORKER, "bo": Role.WORKER, "cy": Role.APPROVER, "di": Role.ADMIN},
    Role.VIEWER, {},
)  # fmt: skip


def audit_of(store: Store, keys: Mapping[str, SecretBytes] = KEYS) -> AuditLog:
    return AuditLog(store, keys)


def desk_of(
    store: Store, as_of: datetime, people: People = PEOPLE, rulings: Iterable[Ruling] = (), **policy: Any
) -> Desk:
    """A desk whose workflows speak of `as_of`, on exceptions and on matches of `rulings`."""
    file = PolicyFile.model_validate(policy)
    rules = {one.rule.rule: one for one in rulings}
    return Desk(store, audit_of(store), Policy(file), people, lambda _workflow, _now: as_of, rules)


def do(desk: Desk, action: str, exception_id: str, actor: str, now: datetime, **more: Any) -> Outcome:
    """One act on one exception. Raises ActRefusedError when it is refused."""
    seen = {exception_id: more.pop("seen")} if "seen" in more else {}
    (outcome,) = desk.do(Request(Action(action), (exception_id,), seen=seen, **more), actor, now)
    if not outcome.done:
        raise ActRefusedError(outcome.code, outcome.why)
    return outcome
