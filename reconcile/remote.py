"""The other end of `reconcile.service`: acting through the process that holds the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
from pydantic import SecretStr

from core.errors import CannotRunError, ConfigurationError
from reconcile.acts import Outcome, Request
from reconcile.life import ActRefusedError, Role
from reconcile.matching.desk import AcceptOutcome, MatchOutcome
from reconcile.matching.hand import HandAction
from reconcile.matching.verbs import AcceptRequest, MatchRequest

TIMEOUT_S = 120


@dataclass(frozen=True)
class Me:
    """What a person may do: role, how many exceptions at once, and the reason codes with their titles."""

    actor: str
    role: Role
    most_at_once: int
    reasons: Mapping[str, str]


class RemoteDesk:
    """A desk in another process. Safe between threads."""

    def __init__(self, url: str, token: SecretStr) -> None:
        # A proxy of the environment must never see what goes to this very machine.
        self._client = httpx.Client(
            base_url=url, timeout=TIMEOUT_S, trust_env=False,
            headers={"Authorization": f"Bearer {token.get_secret_value()}"},
        )  # fmt: skip

    def do(self, request: Request, actor: str) -> list[Outcome]:
        """What `Desk.do` does. Raises ActRefusedError, ConfigurationError for a bad token, CannotRunError."""
        body = {
            "action": request.action, "exceptions": list(request.exception_ids), "actor": actor,
            "act_id": request.act_id, "seen": dict(request.seen), "owner": request.owner, "reason": request.reason,
            "note": request.note, "until": request.until.isoformat() if request.until else None,
        }  # fmt: skip
        answer = self._asked("POST", "/v1/acts", json=body)
        return [Outcome(**outcome) for outcome in answer["outcomes"]]

    def match(self, request: MatchRequest, actor: str) -> MatchOutcome:
        """What `Desk.match` does. Raises as `do`."""
        body = {
            "action": request.verb, "records": list(request.records), "decision": request.decision_id, "rule": request.rule,
            "actor": actor, "act_id": request.act_id, "reason": request.reason, "note": request.note,
            "seen": None if request.seen is None else str(request.seen), "dry_run": request.dry_run,
        }  # fmt: skip
        told = self._asked("POST", "/v1/matches", json=body)["outcome"]
        return MatchOutcome(
            **{
                **told, "action": HandAction(told["action"]), "records": tuple(told["records"]),
                "difference": _number(told["difference"]), "accepted": tuple(told["accepted"]),
            }
        )  # fmt: skip

    def accept_all(self, request: AcceptRequest, actor: str) -> list[AcceptOutcome]:
        """What `Desk.accept_all` does. Raises as `do`."""
        body = {
            "rule": request.rule, "suggestions": [list(names) for names in request.suggestions], "actor": actor,
            "act_id": request.act_id, "note": request.note, "dry_run": request.dry_run,
        }  # fmt: skip
        answer = self._asked("POST", "/v1/matches/accept", json=body)
        return [
            AcceptOutcome(
                **{**one, "records": tuple(one["records"]), "difference": _number(one["difference"])}
            )
            for one in answer["outcomes"]
        ]

    def me(self, actor: str) -> Me:
        """What `actor` may do. Raises as `do`."""
        told = self._asked("GET", "/v1/me", params={"actor": actor})
        return Me(told["actor"], Role(told["role"]), told["most_at_once"], told["reasons"])

    def close(self) -> None:
        self._client.close()

    def _asked(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            answer = self._client.request(method, path, **more)
            told: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise CannotRunError(
                f"the running tieout did not answer ({type(error).__name__}); nothing may have been done: "
                "the same act id again is safe"
            ) from None
        if answer.status_code == 401:
            raise ConfigurationError("the token is not one that the running tieout knows; check TIEOUT_TOKEN")
        if answer.status_code == 503:
            raise CannotRunError(str(told.get("error")))
        if answer.status_code != 200:
            raise ActRefusedError(str(told.get("code", "")), str(told.get("error", "the act was refused")))
        return told


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
