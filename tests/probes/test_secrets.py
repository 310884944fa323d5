"""Whatever goes wrong, no secret is in anything that leaves a probe: texts, records of runs, logs, the doctor."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from probes.doctor import diagnose
from probes.probe import ProbeError, ProbeFile, Window
from probes.run import dry_run, run_probe
from probes.systems import Systems
from store.client import Store
from tests.conftest import NOW
from tests.ports import free_port
from tests.probes.server import Api, serving
from workflows.model import Workflow

pytestmark = pytest.mark.slow

MakeProbe = Callable[..., ProbeFile]
SECRET = "s3cret-canary"


def echo(request: Request, status: int = 200) -> Response:
    """An error page of the kind that shows everything it was given."""
    return Response(f"<html>{request.url} {dict(request.headers)}</html>", status_code=status)


def _page(request: Request) -> Any:
    return {"items": [{"no": "1"}], "next": f"{request.url.replace(hostname='10.9.8.7')}"}


ANSWERS: dict[str, Callable[[Request], Any]] = {
    **{f"status {status}": lambda request, status=status: echo(request, status) for status in
       (400, 401, 403, 404, 405, 408, 418, 425, 429, 500, 502, 503, 504)},
    "a page for people": echo,
    "half an answer": lambda _: Response(b'[{"no": "1"'),
    "NaN": lambda _: Response(b'[{"no": NaN}]'),
    "no list": lambda request: {"error": str(request.url)},
    "too deep": lambda _: Response(b"[" * 100),
    "too large": lambda _: Response(b"[" + b" " * 20_000 + b"]"),
    "another coding": lambda _: Response(b"[]", headers={"Content-Encoding": "br"}),
    "broken gzip": lambda _: Response(b"[]", headers={"Content-Encoding": "gzip"}),
    "a redirect that carries it": lambda _: RedirectResponse(f"http://10.9.8.7/?key={SECRET}"),
    "a redirect that is none": lambda _: Response(status_code=302, headers={"Location": f"http://x:{SECRET}/"}),
    "a circle": lambda request: RedirectResponse(str(request.url)),
    "a link elsewhere": _page,
    "the same page": lambda request: {"items": [{"no": "1"}], "next": str(request.url)},
    "to wait for long": lambda _: Response(status_code=429, headers={"Retry-After": "3600"}),
    "a key in the records": lambda _: {"items": [{"no": f"{SECRET}"} for _ in range(2)], "next": "http://%"},
}  # fmt: skip


class Texts:
    """Everything a probe says while it fails."""

    def __init__(self, store: Store, workflow: Workflow, caplog: pytest.LogCaptureFixture) -> None:
        self.store, self.workflow, self.log = store, workflow, caplog
        self.said: list[str] = []
        caplog.set_level(logging.DEBUG)

    def of(self, probe: ProbeFile) -> str:
        done = run_probe(self.store, probe, self.workflow, NOW, asked=True)
        try:
            dry_run(self.store, probe, self.workflow, NOW)
        except ProbeError as error:
            self.said += [str(error), repr(error), repr(error.__cause__)]
        self.said += [repr(done), probe.place]
        return done.error_code

    def everything(self, probe: ProbeFile) -> str:
        doctor = diagnose(self.store, probe, self.workflow, NOW, Systems(), Path("x.yaml"))
        rows = [self.store.rows(f"SELECT * FROM {table}") for table in ("probe_runs", "probe_attempts")]
        return "\n".join([*self.said, str(doctor), str(rows), self.log.text])


@pytest.fixture
def texts(store: Store, workflow: Workflow, caplog: pytest.LogCaptureFixture) -> Texts:
    return Texts(store, workflow, caplog)


def test_an_http_source_that_fails_in_every_way_it_can(texts: Texts, make_probe: MakeProbe) -> None:
    api, codes = Api(), set()
    with serving(api.app) as address:
        probe = make_probe(
            kind="rest",
            client={
                "base_url": f"http://{address}/", "headers": {"X-Key": SECRET},
                "auth": {"type": "api_key", "name": "key", "location": "query", "api_key": SECRET},
            },
            endpoint={"params": {"password": SECRET}}, paginator={"type": "json_link"}, data_selector="items",
            max_response_bytes=10_000, attempts=1,
        )  # fmt: skip
        for name, answer in ANSWERS.items():
            api.answer = answer
            code = texts.of(probe)
            assert code, name
            codes.add(code)
        everything = texts.everything(probe) + repr(probe) + probe.model_dump_json()
    assert {request.query_params["key"] for request in api.asked} == {SECRET}
    assert len(codes) > 12, codes
    assert SECRET not in everything


@pytest.mark.parametrize("kind", ["bearer", "basic", "oauth"])
def test_every_way_to_present_oneself(texts: Texts, make_probe: MakeProbe, kind: str) -> None:
    api = Api()
    with serving(api.app) as address:
        auth = {
            "bearer": {"type": "bearer", "token": SECRET},
            "basic": {"type": "basic", "username": "me", "password": SECRET},
            "oauth": {
                "type": "oauth2_client_credentials", "access_token_url": f"http://{address}/token",
                "client_id": "me", "client_secret": SECRET, "access_token_request_data": {"extra": SECRET},
            },
        }[kind]  # fmt: skip
        probe = make_probe(kind="rest", client={"base_url": f"http://{address}/x", "auth": auth}, attempts=1)
        refusing = (
            JSONResponse({"access_token": SECRET}),
            Response(status_code=401),
            Response(b"{"),
            Response(b"x", status_code=500),
        )
        for answer in refusing:
            api.answer = lambda _, answer=answer: answer
            assert texts.of(probe)
        assert SECRET not in texts.everything(probe) + repr(probe) + probe.model_dump_json()


def test_databases_that_cannot_be_read(texts: Texts, make_probe: MakeProbe, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "x.db").touch()
    (tmp_path / "no.db").write_text(f"not a database {SECRET}" * 100)
    select = "SELECT 1 AS no"
    sources = [
        (f"postgresql+psycopg://me:{SECRET}@127.0.0.1:{port}/x?application_name={SECRET}", select),
        (f"mysql+pymysql://me:{SECRET}@127.0.0.1:{port}/x", select),
        (f"oracle+oracledb://me:{SECRET}@127.0.0.1:{port}/x", select),
        (f"sqlite:///{tmp_path}/x.db", f"SELECT no FROM t WHERE x = '{SECRET}'"),
        (f"sqlite:///{tmp_path}/x.db", f"SELECT '{SECRET}' AS wrong"),
        (f"sqlite:///{tmp_path}/x.db", f"SELECT abs('{SECRET}', 1) AS no"),
        (f"sqlite:///{tmp_path}/no.db", "SELECT no FROM t"),
        (f"sqlite:///{tmp_path}/gone.db?password={SECRET}", select),
    ]
    for number, (url, query) in enumerate(sources):
        probe = make_probe(name=f"p{number}", kind="sql", url=url, query=query, attempts=1)
        assert texts.of(probe), url
        assert SECRET not in texts.everything(probe), (url, query)


class TellingError(Exception):
    """What a driver might throw."""


def test_an_error_nobody_foresaw_is_told_by_its_type_alone(
    texts: Texts, make_probe: MakeProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: Window) -> Any:
        raise TellingError(SECRET)

    probe = make_probe(kind="sql", url="sqlite:///x.db", query="SELECT 1 AS no")
    monkeypatch.setattr(type(probe), "read", read)
    done = run_probe(texts.store, probe, texts.workflow, NOW)
    assert (done.error_code, "TellingError" in done.error, SECRET in done.error + texts.log.text) == (
        "unexpected",
        True,
        False,
    )
