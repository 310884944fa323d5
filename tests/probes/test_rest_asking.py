"""The rest kind: questions sent by POST, flags and headers that lead to the next page, logins by signature."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.clock import ManualClock
from probes.probe import ProbeError, ProbeFile, Window
from tests.conftest import NOW
from tests.probes.server import Api, serving

MakeProbe = Callable[..., ProbeFile]
RECORDS = [{"no": str(number)} for number in range(1, 6)]


@pytest.fixture(scope="module")
def running() -> Iterator[Api]:
    api = Api()
    with serving(api.app, date_header=False) as address:
        api.address = address
        yield api


@pytest.fixture
def api(running: Api) -> Api:
    running.asked.clear()
    return running


def rest(make_probe: MakeProbe, url: str, **keys: Any) -> ProbeFile:
    return make_probe(kind="rest", client={"base_url": url, **keys.pop("client", {})}, **keys)


def numbers(probe: ProbeFile, **window: Any) -> list[str]:
    read = probe.read(Window(**{"end": NOW, **window}))
    return [row["no"] for batch in read for row in batch.records.to_pylist()]


def by_flag(request: Request) -> Any:
    start = int(request.query_params["offset"])
    return {"items": RECORDS[start : start + 2], "hasMore": start + 2 < len(RECORDS)}


def by_page_flag(request: Request) -> Any:
    start = (int(request.query_params["page"]) - 1) * int(request.query_params["size"])
    return {"items": RECORDS[start : start + 2], "hasMore": "Y" if start + 2 < len(RECORDS) else "N"}


def by_header(request: Request) -> Response:
    start = int(request.query_params.get("after", 0))
    headers = {"X-Next": str(start + 2)} if start + 2 < len(RECORDS) else {}
    return JSONResponse({"items": RECORDS[start : start + 2]}, headers=headers)


@pytest.mark.parametrize(
    ("answer", "paginator"),
    [
        (by_flag, {"type": "offset", "limit": 2, "has_more_path": "hasMore"}),
        (
            by_page_flag,
            {"type": "page_number", "page_size": 2, "page_size_param": "size", "has_more_path": "hasMore"},
        ),
        (by_header, {"type": "header_cursor", "cursor_key": "X-Next", "cursor_param": "after"}),
    ],
)
def test_a_flag_or_a_header_says_whether_there_is_more(
    make_probe: MakeProbe, api: Api, answer: Any, paginator: dict[str, Any]
) -> None:
    api.answer = answer
    assert numbers(rest(make_probe, api.url, paginator=paginator, data_selector="items")) == list("12345")
    assert len(api.asked) == 3


def test_a_question_may_be_sent_and_holds_the_cursor(make_probe: MakeProbe, api: Api) -> None:
    bodies: list[Any] = []

    async def asked(request: Request) -> Response:
        bodies.append(json.loads(await request.body()))
        return JSONResponse({"items": RECORDS})

    app = Starlette(routes=[Route("/suiteql", asked, methods=["POST"])])
    rule = {"cursor_path": "changed", "initial_value": "2026-01-01T00:00:00Z", "format": "date"}
    with serving(app) as address:
        probe = rest(
            make_probe, f"http://{address}", mode="incremental", incremental=rule, data_selector="items",
            endpoint={"path": "suiteql", "method": "POST", "json": {"q": ["changed >= '{cursor}'", 1]}},
        )  # fmt: skip
        assert numbers(probe, cursor="2026-11-02T03:04:05Z") == list("12345")
    assert bodies == [{"q": ["changed >= '2026-11-02'", 1]}]


def test_parameters_may_repeat_and_may_be_packed_json_with_the_cursor(
    make_probe: MakeProbe, api: Api
) -> None:
    asked: list[Any] = []

    def answer(request: Request) -> Any:
        packed = json.loads(urlsafe_b64decode(request.query_params["d"]))
        asked.append((request.query_params.getlist("f"), packed))
        return RECORDS

    api.answer = answer
    rule = {"cursor_path": "changed", "type": "local_time", "initial_value": "2026-01-01T00:00:00Z"}
    packed = {"d": [["changed", ">=", "{cursor}"], ["state", "!=", None]]}
    probe = rest(
        make_probe, api.url, mode="incremental", incremental=rule,
        endpoint={"params": {"f": ["no", "changed", 3]}, "packed": packed},
    )  # fmt: skip
    assert numbers(probe, cursor="2026-11-02T03:04:05Z") == list("12345")
    changed = ["changed", ">=", "2026-11-02T03:04:05.000"]
    assert asked == [(["no", "changed", "3"], [changed, ["state", "!=", None]])]


def test_values_that_name_their_type_and_lists_inside_a_record_are_read(
    make_probe: MakeProbe, api: Api
) -> None:
    tag = "__class__"
    day = {tag: "date", "year": 2026, "month": 11, "day": 2}
    lines = [
        {"no": 1, "parts": [{"no": "a"}, {"no": "b"}]},
        {"no": None, "parts": []},
        {"parts": [{"no": "c"}]},
    ]
    broken, strange = {tag: "date", "year": 2026}, {tag: "Colour", "red": 1}
    record = {
        "no": "1", "day": day, "at": day | {tag: "datetime", "hour": 3, "minute": 4, "microsecond": 5},
        "total": {tag: "Decimal", "decimal": "12.50"}, "took": {tag: "timedelta", "seconds": 1.5},
        "clock": {tag: "time", "hour": 3}, "days": [day], "broken": broken, "strange": strange, "lines": lines,
    }  # fmt: skip
    api.answer = lambda _: [record]
    names = (
        "day",
        "at",
        "total",
        "took",
        "clock",
        "days",
        "broken",
        "strange",
        "lines[*].no",
        "lines[*].parts[*].no",
    )
    fields = {f"f{number}": name for number, name in enumerate(names)} | {"none": "day[*].no"}
    probe = rest(make_probe, api.url, type_key=tag, object={"fields": fields})
    [batch] = probe.read(Window(NOW))
    [row] = batch.records.to_pylist()
    assert [row[name] for name in names[:6]] == [
        "2026-11-02", "2026-11-02 03:04:00.000005", "12.50", "1.5", "03:00:00", '["2026-11-02"]',
    ]  # fmt: skip
    assert [json.loads(row[name])[tag] for name in ("broken", "strange")] == ["date", "Colour"]
    assert (row["lines[*].no"], row["lines[*].parts[*].no"], row["day[*].no"]) == (
        '["1"]', '["a", "b", "c"]', None,
    )  # fmt: skip
    assert {"lines", "lines[*].no", "lines[*].parts[*].no"} <= set(batch.schema)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"endpoint": {"method": "POST"}}, "'method: POST' and the key 'json' go together"),
        ({"mode": "incremental", "incremental": {"cursor_path": "a"}}, "'incremental' has a 'param'"),
        (
            {
                "mode": "incremental",
                "incremental": {"cursor_path": "a"},
                "endpoint": {"method": "POST", "json": "{cursor}"},
            },
            "needs an 'initial_value'",
        ),
    ],
)
def test_what_does_not_fit_is_a_finding(
    make_probe: MakeProbe, api: Api, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        rest(make_probe, api.url, **keys)


def test_only_records_that_are_asked_for_are_the_probes(make_probe: MakeProbe, api: Api) -> None:
    rows = [{"no": "1", "kind": "tab", "on": True}, {"no": "2", "kind": "node"}, {"no": "3", "kind": "tab"}]
    api.answer = lambda request: rows if request.query_params["offset"] == "0" else []
    keys: dict[str, Any] = {"paginator": {"type": "offset", "limit": 3}}
    assert numbers(rest(make_probe, api.url, where={"kind": ["tab", "group"]}, **keys)) == ["1", "3"]
    assert numbers(rest(make_probe, api.url, where={"kind": "tab", "on": True}, **keys)) == ["1"]
    assert numbers(rest(make_probe, api.url, where={"kind": "group"}, **keys)) == []
    with pytest.raises(ProbeError, match=r"no record of .* has 'knid'"):
        numbers(rest(make_probe, api.url, where={"knid": "tab"}, **keys))


@pytest.mark.parametrize(
    ("answer", "selector", "expected"),
    [
        ({"list": {"row": [{"no": "1"}, {"no": "2"}]}}, "list.row", ["1", "2"]),
        ({"list": {"row": {"no": "1"}}}, "list.row", ["1"]),
        ({"list": None}, "list.row", []),
        ({"list": ""}, "list.row", []),
        ({"no": "7"}, "", ["7"]),
        ({"error": "no"}, "list.row", None),
        ({"list": {"row": "text"}}, "list.row", None),
    ],
)
def test_one_record_may_stand_without_a_list(
    make_probe: MakeProbe, api: Api, answer: Any, selector: str, expected: list[str] | None
) -> None:
    api.answer = lambda _: answer
    probe = rest(make_probe, api.url, data_selector=selector, lone_record=True)
    if expected is not None:
        assert numbers(probe) == expected
        return
    with pytest.raises(ProbeError, match="has no list of records"):
        numbers(probe)


class Sessions:
    """A server whose sessions last for some requests; it wants a header with everything, as Mirth does."""

    def __init__(self, uses: int) -> None:
        self.uses, self.left, self.opened = uses, 0, 0
        self.closed: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        await self._answer(request, await request.form())(scope, receive, send)

    def _answer(self, request: Request, form: Any) -> Response:
        mine = request.headers.get("cookie") == f"sid=s{self.opened}; route=a"
        if request.headers.get("x-requested-with") != "tieout":
            return Response(status_code=400)
        if request.url.path == "/api/login":
            return self._login(dict(form))
        if request.url.path == "/api/logout" and request.method == "POST":
            self.closed.append(request.headers["cookie"])
            return Response(status_code=500)
        if not mine or not self.left:
            return Response(status_code=401)
        self.left -= 1
        return JSONResponse(by_flag(request))

    def _login(self, form: dict[str, str]) -> Response:
        if form != {"user": "me", "password": "s3cret"}:
            return Response(status_code=401)
        self.opened, self.left = self.opened + 1, self.uses
        answer = Response(status_code=303, headers={"Location": "/welcome"})
        answer.set_cookie("sid", f"s{self.opened}", domain="erp.example", secure=True, httponly=True)
        answer.set_cookie("route", "a", path="/elsewhere")
        return answer


def test_a_session_is_opened_by_a_form_renewed_and_closed(make_probe: MakeProbe) -> None:
    server = Sessions(uses=2)
    auth = {
        "type": "session", "login_path": "login", "logout_path": "logout", "username": "me", "password": "s3cret",
        "username_field": "user",
    }  # fmt: skip
    with serving(server) as address:
        keys: dict[str, Any] = {
            "client": {"auth": auth, "headers": {"X-Requested-With": "tieout"}},
            "endpoint": {"path": "rows"},
            "data_selector": "items",
            "paginator": {"type": "offset", "limit": 2, "has_more_path": "hasMore"},
        }
        probe = rest(make_probe, f"http://{address}/api", **keys)
        assert numbers(probe) == ["1", "2", "3", "4", "5"]
        # What the server says to the closing is its own affair.
        assert (server.opened, server.closed) == (2, ["sid=s2; route=a"])
        keys["client"] = {**keys["client"], "auth": auth | {"password": "wrong-s3cret"}}
        with pytest.raises(ProbeError, match=r"the login of .* was refused with status 401") as told:
            numbers(rest(make_probe, f"http://{address}/api", **keys))
        assert (told.value.code, "s3cret" in str(told.value)) == ("auth_failed", False)
        assert "s3cret" not in repr(probe)


def test_a_token_for_a_password_names_the_user_and_the_client(make_probe: MakeProbe, api: Api) -> None:
    asked: list[dict[str, str]] = []

    def answer(request: Request) -> Any:
        return {"access_token": "t"} if request.url.path == "/token" else RECORDS

    def token_of(**more: str) -> dict[str, str]:
        auth = {
            "type": "oauth2_password", "access_token_url": f"{api.url}/token", "client_id": "cli", "username": "me",
            "password": "s3cret", "scopes": ["read"], **more,
        }  # fmt: skip
        probe = rest(make_probe, api.url, client={"auth": auth})
        assert numbers(probe) == ["1", "2", "3", "4", "5"]
        form = probe.client.auth.form(NOW)  # type: ignore[attr-defined]
        asked.append(form)
        return dict(next(r for r in reversed(api.asked) if r.url.path == "/token").headers)

    api.answer = answer
    assert "authorization" not in token_of()
    assert token_of(client_secret="shh")["authorization"].startswith("Basic ")
    user = {"username": "me", "password": "s3cret", "grant_type": "password", "scope": "read"}
    assert asked == [{"client_id": "cli", **user}, user]


def signer() -> tuple[str, Any]:
    """A private key as PEM text, and the public one."""
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode(), key.public_key()


def test_a_login_by_signature_is_fresh_for_each_token_and_names_its_audience(
    make_probe: MakeProbe, api: Api
) -> None:
    pem, public = signer()
    claims: list[dict[str, Any]] = []
    refused = [True, False]

    async def token(request: Request) -> Response:
        form = await request.form()
        told = jwt.decode(
            str(form["client_assertion"]), public, ["ES384"], audience=f"{api.url}/token",
            options={"verify_exp": False, "verify_iat": False},
        )  # fmt: skip
        kid = jwt.get_unverified_header(str(form["client_assertion"]))["kid"]
        claims.append({**told, "kid": kid, "scope": form["scope"], "type": form["client_assertion_type"]})
        assert "authorization" not in request.headers
        return JSONResponse({"access_token": f"t{len(claims)}"})

    async def records(request: Request) -> Response:
        if request.headers["authorization"] == "Bearer t1" and refused.pop(0):
            return Response(status_code=401)
        return JSONResponse(RECORDS)

    routes = [Route("/token", token, methods=["POST"]), Route("/records", records)]
    with serving(Starlette(routes=routes)) as address:
        auth = {
            "type": "oauth2_jwt_assertion", "access_token_url": f"http://{address}/token", "client_id": "tieout",
            "private_key": pem, "key_id": "k1", "algorithm": "ES384", "scopes": ["system/Claim.rs"],
            "audience": f"{api.url}/token",
        }  # fmt: skip
        probe = rest(make_probe, f"http://{address}/records", client={"auth": auth})
        assert numbers(probe, clock=ManualClock(NOW)) == list("12345")
    first, second = claims
    assert (first["iss"], first["sub"], first["kid"], first["scope"]) == (
        "tieout",
        "tieout",
        "k1",
        "system/Claim.rs",
    )
    assert first["exp"] - NOW.timestamp() == 300
    assert first["type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert first["jti"] != second["jti"]


def test_a_key_that_does_not_sign_is_told_without_being_shown(make_probe: MakeProbe, api: Api) -> None:
    auth = {
        "type": "oauth2_jwt_assertion", "access_token_url": f"{api.url}/token", "client_id": "tieout",
        "private_key": "-----BEGIN NOTHING-----abc",
    }  # fmt: skip
    with pytest.raises(ProbeError, match="private_key is no PEM text of a key for RS384") as refusal:
        numbers(rest(make_probe, api.url, client={"auth": auth}))
    assert refusal.value.code == "auth_failed"
    assert "abc" not in str(refusal.value)
