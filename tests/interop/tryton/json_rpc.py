"""Tryton's JSON-RPC, which its desktop and web clients speak, for the proxies of proteus.

A warning is confirmed as a person would who reads it and goes on.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from http.client import HTTPConnection
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from proteus.config import _CONFIG, Config, XmlrpcConfig

DATE = ("year", "month", "day")
MOMENT = (*DATE, "hour", "minute", "second", "microsecond")
DECODERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "date": lambda said: date(*(said[name] for name in DATE)),
    "datetime": lambda said: datetime(*(said[name] for name in MOMENT)),
    "Decimal": lambda said: Decimal(said["decimal"]),
    "bytes": lambda said: base64.b64decode(said["base64"]),
}


class RpcError(Exception):
    """What Tryton says when it refuses a call."""


class JsonConfig(XmlrpcConfig):
    """proteus talks to `url`, that of a database, as `user`."""

    def __init__(self, url: str, user: str, password: str) -> None:
        Config.__init__(self)
        self.url, self.user = url, None
        self.server = Method(Server(url, user, password))
        self._context = self.server.model.res.user.get_preferences(True, {})
        _CONFIG.current = self


class Server:
    """One connection with a session of its own."""

    def __init__(self, url: str, user: str, password: str) -> None:
        parts = urlsplit(url)
        self.path = parts.path
        self.connection = HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        self.numbers = count()
        self.headers = {"Content-Type": "application/json"}
        self.user, session, *_ = self.call("common.db.login", user, {"password": password})
        token = base64.b64encode(f"{user}:{self.user}:{session}".encode()).decode()
        self.headers["Authorization"] = f"Session {token}"

    def call(self, method: str, *arguments: Any) -> Any:
        """What the method returns. Raises RpcError."""
        while True:
            answer = self._asked(method, arguments)
            if "error" not in answer:
                return answer["result"]
            kind, said, *_ = answer["error"]
            if kind != "UserWarning":
                raise RpcError(f"{method}: {said}")
            self.call("model.res.user.warning.create", [{"user": self.user, "name": said[0]}], {})

    def _asked(self, method: str, arguments: tuple[Any, ...]) -> Any:
        asked = {"id": next(self.numbers), "method": method, "params": arguments}
        self.connection.request("POST", self.path, json.dumps(asked, default=encoded), self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RpcError(f"{method}: status {answer.status}")
        return json.loads(body, object_hook=decoded)


class Method:
    """`Method(server).model.res.user.read(…)` calls `model.res.user.read`."""

    def __init__(self, server: Server, name: str = "") -> None:
        self._server, self._name = server, name

    def __getattr__(self, name: str) -> Method:
        return Method(self._server, f"{self._name}.{name}".lstrip("."))

    def __call__(self, *arguments: Any) -> Any:
        return self._server.call(self._name, *arguments)


def encoded(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"__class__": "datetime", **{name: getattr(value, name) for name in MOMENT}}
    if isinstance(value, date):
        return {"__class__": "date", **{name: getattr(value, name) for name in DATE}}
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    raise TypeError(type(value))


def decoded(value: dict[str, Any]) -> Any:
    decoder = DECODERS.get(value.get("__class__", ""))
    return decoder(value) if decoder else value
