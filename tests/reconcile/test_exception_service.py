"""Acting through another process: a real server on this machine, the client that commands and the dashboard use."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from desks import PEOPLE, desk_of
from pydantic import SecretStr
from story import PAYMENT, Story, Teller, complete, on, workflow

from core.clock import ManualClock
from core.errors import CannotRunError, ConfigurationError
from reconcile.acts import Desk, Request
from reconcile.life import Action, ActRefusedError, Role
from reconcile.people import People
from reconcile.remote import RemoteDesk
from reconcile.service import DASHBOARD, LOCAL, Caller, service
from store.client import Store
from tests.ports import free_port

END, NOW = on(6, 1), on(7, 1)
TOKENS = {"local-token": Caller(LOCAL), "dashboard-token": Caller(DASHBOARD)}
WITH_TOKEN = People(PEOPLE.roles, Role.VIEWER, {"bo": SecretStr("the-token-of-bo!")})


@contextmanager
def served(desk: Desk) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(service(desk, TOKENS, ManualClock(NOW)), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def one(store: Store) -> str:
    """The exception of an invoice that is overdue."""
    tell = Teller()
    story = Story(store, workflow(PAYMENT)).tell(tell.event("received", on(2, 1)), complete(END))
    story.run()
    return str(story.ask(END)[0]["exception_id"])


@pytest.fixture
def url(store: Store) -> Iterator[str]:
    with served(desk_of(store, END, WITH_TOKEN)) as address:
        yield address


def remote(url: str, token: str) -> RemoteDesk:
    return RemoteDesk(url, SecretStr(token))


def refused(desk: RemoteDesk, request: Request, actor: str) -> ActRefusedError:
    with pytest.raises(ActRefusedError) as caught:
        desk.do(request, actor)
    return caught.value


def test_what_the_desk_does_comes_back_over_the_wire(store: Store, url: str, one: str) -> None:
    desk = remote(url, "local-token")
    until = on(7, 20)
    (first,) = desk.do(
        Request(Action.ACKNOWLEDGED, (one,), "a1", {one: 0}, note="ünïcode", until=until), "ana"
    )
    assert (first.done, first.status, first.version, first.repeated) == (True, "acknowledged", 1, False)
    (again,) = desk.do(
        Request(Action.ACKNOWLEDGED, (one,), "a1", {one: 0}, note="ünïcode", until=until), "ana"
    )
    assert again.repeated
    (late,) = desk.do(Request(Action.EXPLAINED, (one,), seen={one: 0}, reason="timing"), "ana")
    assert (late.done, late.code) == (False, "changed")
    row = store.one("SELECT actor, note, until, known_at FROM exceptions")
    assert row == {"actor": "ana", "note": "ünïcode", "until": until, "known_at": NOW}
    signed = store.rows("SELECT actor, content FROM audit_log WHERE kind = 'sign_in'")
    assert [row["actor"] for row in signed] == ["ana"]
    assert '"channel":"local"' in signed[0]["content"]


def test_who_may_do_what_is_told(url: str) -> None:
    me = remote(url, "dashboard-token").me("cy")
    assert (me.actor, me.role, me.most_at_once) == ("cy", Role.APPROVER, 5_000)
    assert me.reasons["TIMING"]


def test_a_persons_token_speaks_for_nobody_else_and_nobody_else_for_them(url: str, one: str) -> None:
    own, act = remote(url, "the-token-of-bo!"), Request(Action.ACKNOWLEDGED, (one,))
    assert own.me("").role is Role.WORKER
    assert refused(own, act, "ana").code == "person"
    error = refused(remote(url, "local-token"), act, "bo")
    assert "set TIEOUT_TOKEN" in str(error)
    assert own.do(act, "")[0].done
    # Who signs in on the dashboard was asked there.
    assert remote(url, "dashboard-token").do(act, "bo")[0].done


def test_a_role_that_only_looks_is_refused(store: Store, url: str, one: str) -> None:
    error = refused(remote(url, "dashboard-token"), Request(Action.ACKNOWLEDGED, (one,)), "vi")
    assert (error.code, "may only look" in str(error)) == ("role", True)
    assert store.value("SELECT count() FROM audit_log") == 0


def test_a_wrong_token_is_refused_without_a_word_on_it(url: str, one: str) -> None:
    with pytest.raises(ConfigurationError, match="not one that the running tieout knows"):
        remote(url, "guessed-token").do(Request(Action.ACKNOWLEDGED, (one,)), "ana")
    assert httpx.post(f"{url}/v1/acts", json={}).status_code == 401
    assert httpx.get(f"{url}/v1/me", headers={"Authorization": "Basic local-token"}).status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"action": "deleted", "exceptions": []}', b'{"action": "resolved"}',
     b'{"action": "resolved", "exceptions": ["x"], "role": "admin"}',
     b'{"action": "resolved", "exceptions": ["x"], "note": "\\ud800"}',
     b'{"action": "resolved", "exceptions": ["x"], "until": "2026-01-01T00:00:00"}',
     b'{"action": "resolved", "exceptions": ["' + b"x" * 65 + b'"]}', b" " * ((8 << 20) + 1)],
)  # fmt: skip
def test_a_body_that_is_none_is_refused_and_quotes_nothing(store: Store, url: str, body: bytes) -> None:
    answer = httpx.post(f"{url}/v1/acts", content=body, headers={"Authorization": "Bearer local-token"})
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "error"}
    assert "xxx" not in answer.text
    assert store.value("SELECT count() FROM audit_log") == 0


def test_a_process_that_is_gone_is_said(one: str) -> None:
    port = free_port()
    with pytest.raises(CannotRunError, match="the same act id again is safe"):
        remote(f"http://127.0.0.1:{port}", "local-token").do(
            Request(Action.RESOLVED, (one,), note="x"), "ana"
        )
