"""Acts over HTTP: what the process that holds the store serves to the command line, the dashboard and other programs.

`POST /v1/acts` acts on exceptions, `POST /v1/matches` decides on a match and `POST /v1/matches/accept` accepts several
suggestions, as a JSON body asks; `GET /v1/me?actor=NAME`
says what a person may do. All need a bearer token. One token is the machine's own (commands on it), one the dashboard's; both say in whose name they speak.
A person's own token speaks for nobody else.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from core.clock import Clock
from core.errors import TieoutError
from reconcile.acts import Desk, Request
from reconcile.life import MOST_AT_ONCE, Action, ActRefusedError
from reconcile.matching.desk import AcceptOutcome, MatchOutcome
from reconcile.matching.verbs import AcceptRequest, MatchRequest, MatchVerb

BODY_BYTES = 8 << 20
LOCAL, DASHBOARD, PERSON = "local", "dashboard", "token"
# Who may not act is told apart from what cannot be done.
_STATUS = {"person": 403, "role": 403}

Id = Annotated[str, Field(max_length=64)]
Text = Annotated[str, Field(max_length=128)]
RecordName = Annotated[str, Field(max_length=1024)]


class ActsBody(BaseModel):
    """The body of `POST /v1/acts`. Times have a zone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action
    exceptions: list[Id]
    actor: Text = ""
    act_id: Id = ""
    seen: dict[Id, int] = Field(default_factory=dict)
    owner: Text = ""
    reason: Text = ""
    note: str = ""
    until: AwareDatetime | None = None

    def request(self) -> Request:
        """The same for the desk."""
        return Request(
            self.action, tuple(self.exceptions), self.act_id, self.seen, self.owner, self.reason, self.note,
            self.until.astimezone(UTC) if self.until else None,
        )  # fmt: skip


class MatchBody(BaseModel):
    """The body of `POST /v1/matches`: `records` for accept, join and undo, `decision` for the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: MatchVerb
    records: list[RecordName] = Field(default_factory=list)
    decision: Id = ""
    rule: Text = ""
    actor: Text = ""
    act_id: Id = ""
    reason: Text = ""
    note: str = ""
    seen: Decimal | None = None
    dry_run: bool = False

    def request(self) -> MatchRequest:
        """The same for the desk."""
        return MatchRequest(
            self.action, tuple(self.records), self.decision, self.rule, self.act_id, self.reason, self.note, self.seen,
            self.dry_run,
        )  # fmt: skip


class AcceptBody(BaseModel):
    """The body of `POST /v1/matches/accept`: `suggestions` of one rule, of each the names of its records."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: Text
    suggestions: list[list[RecordName]]
    actor: Text = ""
    act_id: Id = ""
    note: str = ""
    dry_run: bool = False

    def request(self) -> AcceptRequest:
        """The same for the desk."""
        named = tuple(tuple(names) for names in self.suggestions)
        return AcceptRequest(self.rule, named, self.act_id, self.note, self.dry_run)


Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class Caller:
    """Who calls: by which way, and as whom if the token is a person's."""

    channel: str
    name: str = ""


class _UnauthenticatedError(Exception):
    """No valid token."""


def service(desk: Desk, tokens: Mapping[str, Caller], clock: Clock) -> Starlette:
    """The ASGI app. `tokens` by secret; people's own tokens are added from the desk."""
    everybody = {token.get_secret_value(): Caller(PERSON, name) for name, token in desk.people.tokens.items()}
    served = _Service(desk, {**everybody, **tokens}, clock)
    return Starlette(
        routes=[
            Route("/v1/acts", served.answered(served.act), methods=["POST"]),
            Route("/v1/matches", served.answered(served.match), methods=["POST"]),
            Route("/v1/matches/accept", served.answered(served.accept), methods=["POST"]),
            Route("/v1/me", served.answered(served.me), methods=["GET"]),
        ]
    )


class _Service:
    def __init__(self, desk: Desk, tokens: Mapping[str, Caller], clock: Clock) -> None:
        self._desk = desk
        self._callers = [(_digest(secret), caller) for secret, caller in tokens.items()]
        self._clock = clock

    def answered(
        self, work: Callable[[HttpRequest], Awaitable[JSONResponse]]
    ) -> Callable[[HttpRequest], Awaitable[JSONResponse]]:
        """`work` whose errors are answers. No text of the request stands in them but names it gave."""

        async def answer(request: HttpRequest) -> JSONResponse:
            try:
                return await work(request)
            except _UnauthenticatedError:
                headers = {"WWW-Authenticate": 'Bearer realm="tieout"'}
                return JSONResponse(
                    {"code": "token", "error": "a valid bearer token is needed"}, 401, headers=headers
                )
            except ActRefusedError as refusal:
                return JSONResponse(
                    {"code": refusal.code, "error": str(refusal)}, _STATUS.get(refusal.code, 400)
                )
            except TieoutError as error:
                return JSONResponse({"code": "store", "error": str(error)}, 503)

        return answer

    async def act(self, request: HttpRequest) -> JSONResponse:
        caller = self._caller(request)
        body = _body(ActsBody, await _received(request))
        actor = self._actor(caller, body.actor)
        now = self._clock.now()
        return await asyncio.to_thread(self._act, body, actor, caller.channel, now)

    async def match(self, request: HttpRequest) -> JSONResponse:
        caller = self._caller(request)
        body = _body(MatchBody, await _received(request))
        actor = self._actor(caller, body.actor)
        now = self._clock.now()
        return await asyncio.to_thread(self._match, body, actor, caller.channel, now)

    async def accept(self, request: HttpRequest) -> JSONResponse:
        caller = self._caller(request)
        body = _body(AcceptBody, await _received(request))
        actor = self._actor(caller, body.actor)
        now = self._clock.now()
        return await asyncio.to_thread(self._accept, body, actor, caller.channel, now)

    async def me(self, request: HttpRequest) -> JSONResponse:
        caller = self._caller(request)
        actor = self._actor(caller, request.query_params.get("actor", ""))
        role = self._desk.people.role_of(actor)
        told = {
            "actor": actor,
            "role": role,
            "most_at_once": MOST_AT_ONCE[role],
            "reasons": self._desk.policy.reasons,
        }
        return JSONResponse(told)

    def _act(self, body: ActsBody, actor: str, channel: str, now: datetime) -> JSONResponse:
        role = self._desk.sign_in(actor, channel, now)
        outcomes = self._desk.do(body.request(), actor, now)
        return JSONResponse(
            {"actor": actor, "role": role, "outcomes": [asdict(outcome) for outcome in outcomes]}
        )

    def _match(self, body: MatchBody, actor: str, channel: str, now: datetime) -> JSONResponse:
        role = self._desk.sign_in(actor, channel, now)
        outcome = self._desk.match(body.request(), actor, now)
        return JSONResponse({"actor": actor, "role": role, "outcome": _told(outcome)})

    def _accept(self, body: AcceptBody, actor: str, channel: str, now: datetime) -> JSONResponse:
        role = self._desk.sign_in(actor, channel, now)
        outcomes = self._desk.accept_all(body.request(), actor, now)
        return JSONResponse({"actor": actor, "role": role, "outcomes": [_told(one) for one in outcomes]})

    def _caller(self, request: HttpRequest) -> Caller:
        scheme, _, presented = request.headers.get("authorization", "").partition(" ")
        digest = _digest(presented.strip())
        # No early end: as long for the first token as for the last one, and for none.
        found = [caller for known, caller in self._callers if hmac.compare_digest(known, digest)]
        if scheme.lower() != "bearer" or not found:
            raise _UnauthenticatedError
        return found[0]

    def _actor(self, caller: Caller, named: str) -> str:
        """In whose name the caller acts. Raises ActRefusedError when it may not be theirs."""
        if caller.channel == PERSON:
            if named and named.casefold() != caller.name:
                raise ActRefusedError(
                    "person", f"this token is that of {caller.name}; it cannot act as somebody else"
                )
            return named or caller.name
        if caller.channel == LOCAL and self._desk.people.has_token(named):
            raise ActRefusedError("person", f"{named} has a token of their own: set TIEOUT_TOKEN to it")
        return named


def _told(outcome: MatchOutcome | AcceptOutcome) -> dict[str, Any]:
    """Money as text: a number of JSON may be read as a float."""
    difference = None if outcome.difference is None else format(outcome.difference, "f")
    return {**asdict(outcome), "difference": difference}


async def _received(request: HttpRequest) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > BODY_BYTES:
            raise ActRefusedError("needs", f"a request has at most {BODY_BYTES:,} bytes")
    return bytes(content)


def _body(of: type[Body], content: bytes) -> Body:
    try:
        return of.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part)[:40] for part in first["loc"]) or "the body"
        raise ActRefusedError("needs", f"{where}: {first['type'].replace('_', ' ')}") from None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
