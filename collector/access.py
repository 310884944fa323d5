"""Who may send what: bearer tokens, each with a name, a tenant, the signals it is for, and a rate.

A token is compared by its digest, with every known one, so that the time taken says nothing. What a caller is
stands on the request's context while it is served.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import threading
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import SecretStr

from collector.refusals import ForbiddenError, RateError, UnauthenticatedError
from core.clock import Clock, SystemClock

CHALLENGE = 'Bearer realm="tieout"'
# Names under which senders put tokens into URLs, where every log and every proxy keeps them.
QUERY_NAMES = frozenset({"access_token", "api_key", "apikey", "authorization", "key", "password", "token"})


@dataclass(frozen=True)
class Rate:
    """At most `per_second` requests or items for long, and `burst` of them at once.

    A request is let in while there is anything left; its items are charged when they have been counted, so one
    large request may overdraw, and the next one waits longer for it.
    """

    per_second: float
    burst: float
    of: Literal["requests", "items"] = "requests"


@dataclass(frozen=True)
class Token:
    """One sender's token. Without `signals` it is good for all of them, without `rate` as often as it likes."""

    name: str
    secret: SecretStr
    tenant: str = ""
    rate: Rate | None = None
    signals: frozenset[str] | None = None


@dataclass(frozen=True)
class Caller:
    """Who sends a request; without a name when nobody is asked."""

    name: str = ""
    tenant: str = ""


NOBODY = Caller()
# The caller of the request that is being served.
CALLER: ContextVar[Caller] = ContextVar("tieout_collector_caller", default=NOBODY)


class Access:
    """The tokens of one receiver. Without any, everybody may send. Safe between threads."""

    def __init__(self, tokens: Iterable[Token] = (), clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        given = tuple(tokens)
        self._digests = [(_digest(token.secret.get_secret_value()), token) for token in given]
        self._tokens = {token.name: token for token in given}
        self._buckets = {
            token.name: Bucket(token.rate, self._clock.now()) for token in given if token.rate is not None
        }

    @property
    def required(self) -> bool:
        """Whether senders have to say who they are."""
        return bool(self._tokens)

    def caller(self, authorization: str) -> Caller:
        """Who sends `authorization`, the header or metadata of this name. Raises UnauthenticatedError."""
        if not self.required:
            return NOBODY
        scheme, _, presented = authorization.partition(" ")
        digest = _digest(presented.strip())
        # No early end: as long for the first token as for the last one, and for none.
        found = [token for known, token in self._digests if hmac.compare_digest(known, digest)]
        if scheme.lower() != "bearer" or not found:
            raise UnauthenticatedError("a valid bearer token is needed in the Authorization header")
        return Caller(found[0].name, found[0].tenant)

    def admit(self, caller: Caller, signal: str) -> None:
        """Lets a request of `caller` in. Raises ForbiddenError, and RateError that says when to come again."""
        token = self._tokens.get(caller.name)
        if token is None:
            return
        if token.signals is not None and signal not in token.signals:
            raise ForbiddenError(f"the token may not be used for {signal}")
        bucket = self._buckets.get(caller.name)
        if bucket and (wait_s := bucket.enter(self._clock.now())):
            raise RateError("the token is used too often; send it again later", wait_s)

    def charge(self, caller: Caller, items: int) -> None:
        """Counts the items of a request that was let in."""
        bucket = self._buckets.get(caller.name)
        if bucket:
            bucket.charge(items)


class Bucket:
    """Fills by `rate.per_second` up to `rate.burst`."""

    def __init__(self, rate: Rate, now: datetime) -> None:
        self._rate = rate
        self._level = rate.burst
        self._filled_at = now
        self._lock = threading.Lock()

    def enter(self, now: datetime) -> int:
        """0 when a request is let in, else the whole seconds until the next one would be."""
        with self._lock:
            # A clock that was set back must not empty the bucket.
            passed_s = max(0.0, (now - self._filled_at).total_seconds())
            self._filled_at = now
            self._level = min(self._rate.burst, self._level + passed_s * self._rate.per_second)
            if self._level >= 1:
                self._level -= self._rate.of == "requests"
                return 0
            return max(1, math.ceil((1 - self._level) / self._rate.per_second))

    def charge(self, items: int) -> None:
        """Takes items out; the level may fall below zero."""
        if self._rate.of == "items":
            with self._lock:
                self._level -= items


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
