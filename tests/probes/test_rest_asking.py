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
