"""Real HTTP servers on the loopback interface, whose answers a test sets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Answer = Callable[[Request], Any]


@contextmanager
def serving(app: Any, **options: Any) -> Iterator[str]:
    """The address of `app`, served by a real server in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


class Api:
    """A server whose answers a test sets; it remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _: JSONResponse([])
        self.asked: list[Request] = []
        self.bodies: list[bytes] = []
        routes = [Route("/{path:path}", self._get, methods=["GET", "POST"])]
        self.app = Starlette(routes=routes)
        self.address = ""

    async def _get(self, request: Request) -> Response:
        self.asked.append(request)
        self.bodies.append(await request.body())
        answer = self.answer(request)
        return answer if isinstance(answer, Response) else JSONResponse(answer)

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def queries(self) -> list[dict[str, str]]:
        return [dict(request.query_params) for request in self.asked]
