"""The rest kind, against real HTTP servers on the loopback interface."""

from __future__ import annotations

import base64
import logging
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import count as counting
from pathlib import Path
from typing import Any

import pytest
import tenacity.nap
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from probes.probe import ProbeError, ProbeFile, Window
from probes.run import ProbeRun, run_probe
from store.client import Store
from tests.conftest import NOW
from tests.ports import free_port
from tests.probes.server import Answer, Api, serving
from tests.probes.source import count, states
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)
RECORDS = [{"no": str(n), "status": "open"} for n in range(1, 8)]


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


def rest(make_probe: MakeProbe, api: Api, **keys: Any) -> ProbeFile:
    client = {"base_url": f"{api.url}/api"} | keys.pop("client", {})
    keys.setdefault("object", {"fields": ["status"]})
    return make_probe(kind="rest", client=client, **keys)


def read_all(probe: ProbeFile) -> list[str]:
    return [row["no"] for batch in probe.read(Window(end=NOW)) for row in batch.records.to_pylist()]


EVERYTHING = [record["no"] for record in RECORDS]


def by_offset(request: Request) -> Any:
    """Gives at most three records, however many are asked for."""
    start = int(request.query_params["offset"])
    return {"items": RECORDS[start : start + 3], "total": len(RECORDS)}


def by_number(request: Request) -> Any:
    start = (int(request.query_params["page"]) - 1) * 3
    return {"items": RECORDS[start : start + 3], "pages": 3}


def by_json_link(request: Request) -> Any:
    start = int(request.query_params.get("skip", 0))
    following = {"@odata.nextLink": f"orders?skip={start + 3}&mode=x"} if start + 3 < len(RECORDS) else {}
    return {"items": RECORDS[start : start + 3]} | following


def by_fhir_link(request: Request) -> Any:
    start = int(request.query_params.get("skip", 0))
    links = [{"relation": "self", "url": str(request.url)}]
    if start + 3 < len(RECORDS):
        links.append({"relation": "next", "url": str(request.url.replace_query_params(skip=start + 3))})
    return {"items": RECORDS[start : start + 3], "link": links}


def by_header_link(request: Request) -> Response:
    start = int(request.query_params.get("skip", 0))
    link = f'</api/orders?skip={start + 3}>; rel="next", </api/orders>; rel="first"'
    headers = {"Link": link} if start + 3 < len(RECORDS) else {}
    return JSONResponse({"items": RECORDS[start : start + 3]}, headers=headers)


def by_cursor(request: Request) -> Any:
    start = int(request.query_params.get("after", "c0")[1:])
    following = f"c{start + 3}" if start + 3 < len(RECORDS) else None
    return {"items": RECORDS[start : start + 3], "meta": {"next": following}}


@pytest.mark.parametrize(
    ("paginator", "answer", "pages"),
    [
        ({"type": "single"}, lambda _: {"items": RECORDS}, 1),
        ({"type": "offset", "limit": 100}, by_offset, 4),
        ({"type": "offset", "limit": 100, "total_path": "total"}, by_offset, 3),
        ({"type": "page_number"}, by_number, 4),
        ({"type": "page_number", "total_path": "pages"}, by_number, 3),
        ({"type": "json_link", "next_url_path": "@odata.nextLink"}, by_json_link, 3),
        ({"type": "json_link", "next_url_path": "link[relation=next].url"}, by_fhir_link, 3),
        ({"type": "header_link"}, by_header_link, 3),
        ({"type": "json_cursor", "cursor_path": "meta.next", "cursor_param": "after"}, by_cursor, 3),
    ],
)
def test_every_paginator_reads_all_records_once(
    api: Api, make_probe: MakeProbe, paginator: dict[str, Any], answer: Answer, pages: int
) -> None:
    api.answer = answer
    probe = rest(make_probe, api, paginator=paginator, data_selector="items", endpoint={"path": "orders"})
    assert read_all(probe) == EVERYTHING
    assert len(api.asked) == pages
    assert {request.url.path for request in api.asked} == {"/api/orders"}


@pytest.mark.parametrize(
    ("base", "path", "asked"),
    [
        ("", "", "/"),
        ("/", "/", "/"),
        ("/api/", "", "/api/"),
        ("", "orders.json", "/orders.json"),
        ("/api/v1/", "/orders/", "/api/v1/orders/"),
        ("/api", "ab c/ü", "/api/ab c/ü"),
    ],
)
def test_base_address_and_path_meet_in_one_slash(
    api: Api, make_probe: MakeProbe, base: str, path: str, asked: str
) -> None:
    api.answer = lambda _: RECORDS
    probe = make_probe(kind="rest", client={"base_url": f"{api.url}{base}"}, endpoint={"path": path})
    assert read_all(probe) == EVERYTHING
    assert api.asked[0].scope["path"] == asked


def test_parameters_go_out_with_every_page(api: Api, make_probe: MakeProbe) -> None:
    api.answer = by_offset
    paginator = {"type": "offset", "limit": 100, "total_path": "total"}
    endpoint = {"path": "/orders", "params": {"company": "A&B", "year": 2026}}
    read_all(rest(make_probe, api, paginator=paginator, data_selector="items", endpoint=endpoint))
    assert api.queries() == [
        {"company": "A&B", "year": "2026", "offset": offset, "limit": "100"} for offset in ("0", "3", "6")
    ]


@pytest.mark.parametrize(
    ("paginator", "answer"),
    [
        ({"type": "page_number"}, lambda _: {"items": RECORDS}),
        ({"type": "offset"}, lambda _: {"items": RECORDS}),
        ({"type": "json_link"}, lambda _: {"items": [{"no": str(time.perf_counter())}], "next": "/api?page=2"}),
        ({"type": "json_cursor", "cursor_path": "next"}, lambda _: {"items": [{"no": str(time.perf_counter())}], "next": "same"}),
        ({"type": "header_link"}, lambda _: JSONResponse({"items": []}, headers={"Link": '</api>; rel="next"'})),
    ],
)  # fmt: skip
def test_pages_that_lead_in_a_circle_are_noticed(
    api: Api, make_probe: MakeProbe, paginator: dict[str, Any], answer: Answer
) -> None:
    api.answer = answer
    with pytest.raises(ProbeError, match="gave the same page twice") as caught:
        read_all(rest(make_probe, api, paginator=paginator, data_selector="items"))
    assert caught.value.code == "paging_loop"
    assert len(api.asked) < 5


def test_pages_without_end_stop_at_the_limit(api: Api, make_probe: MakeProbe) -> None:
    numbers = counting()
    api.answer = lambda _: {"items": [{"no": str(next(numbers))}]}
    probe = rest(make_probe, api, paginator={"type": "page_number"}, data_selector="items", max_pages=5)
    with pytest.raises(ProbeError, match="more than max_pages 5"):
        read_all(probe)
    assert len(api.asked) == 5


def test_numbers_stay_as_they_are_written_and_nested_values_are_found(
    api: Api, make_probe: MakeProbe
) -> None:
    body = b'[{"no": 12345678901234567890, "amount": {"value": 12345678901234567.89, "small": 1.10}, "ok": true, "tags": ["a", 1]}]'
    api.answer = lambda _: Response(body, media_type="application/json")
    fields = {
        "big": "amount.value",
        "small": "amount.small",
        "ok": "ok",
        "tags": "tags",
        "first": "tags.0",
        "none": "x.y",
    }
    [batch] = rest(make_probe, api, object={"fields": fields}).read(Window(end=NOW))
    assert batch.records.to_pylist() == [
        {
            "no": "12345678901234567890",
            "amount.value": "12345678901234567.89",
            "amount.small": "1.10",
            "ok": "true",
            "tags": '["a", "1"]',
            "tags.0": "a",
            "x.y": None,
        }
    ]


def test_a_list_of_keys_becomes_links_and_money_stays_exact(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow
) -> None:
    api.answer = lambda _: Response(b'[{"no": "1", "total": 0.10, "orders": ["p1", "p2"]}]')
    probe = rest(
        make_probe,
        api,
        object={"fields": [], "amount": {"column": "total", "currency": "USD"}},
        links=[{"role": "of", "to": "order", "column": "orders", "split": "json"}],
    )
    assert run_probe(store, probe, workflow, NOW).links == 2
    assert states(store)[0]["amount"] == Decimal("0.10")


@pytest.mark.parametrize(
    ("auth", "header", "query"),
    [
        ({"type": "bearer", "token": "s3cret"}, ("authorization", "Bearer s3cret"), {}),
        ({"type": "basic", "username": "me", "password": "s3cret"}, ("authorization", "Basic " + base64.b64encode(b"me:s3cret").decode()), {}),
        ({"type": "api_key", "api_key": "s3cret"}, ("x-api-key", "s3cret"), {}),
        ({"type": "api_key", "name": "key", "api_key": "s3cret", "location": "query"}, None, {"key": "s3cret"}),
    ],
)  # fmt: skip
def test_every_page_is_asked_for_with_our_credentials(
    api: Api,
    make_probe: MakeProbe,
    auth: dict[str, str],
    header: tuple[str, str] | None,
    query: dict[str, str],
) -> None:
    api.answer = by_json_link
    probe = rest(
        make_probe,
        api,
        client={"auth": auth, "headers": {"X-Company": "7"}},
        paginator={"type": "json_link", "next_url_path": "@odata.nextLink"},
        data_selector="items",
        endpoint={"path": "orders"},
    )
    assert read_all(probe) == EVERYTHING
    for request in api.asked:
        assert request.headers["x-company"] == "7"
        assert header is None or request.headers[header[0]] == header[1]
        assert query.items() <= dict(request.query_params).items()


class TokenServer:
    """Gives tokens that are good for some requests."""

    def __init__(self, uses: int) -> None:
        self.uses, self.given, self.left = uses, 0, 0
        self.logins: list[str] = []

    def __call__(self, request: Request) -> Any:
        if request.url.path == "/token":
            self.logins.append(request.headers["authorization"])
            self.given, self.left = self.given + 1, self.uses
            return {"access_token": f"t{self.given}", "token_type": "bearer"}
        if request.headers.get("authorization") != f"Bearer t{self.given}" or not self.left:
            return JSONResponse({}, status_code=401)
        self.left -= 1
        return by_offset(request)


def oauth(api: Api, secret: str) -> dict[str, Any]:
    return {
        "type": "oauth2_client_credentials",
        "access_token_url": f"{api.url}/token",
        "client_id": "tieout",
        "client_secret": secret,
        "scopes": ["read"],
    }


def test_a_token_is_fetched_once_and_again_when_it_has_expired(api: Api, make_probe: MakeProbe) -> None:
    server = TokenServer(uses=2)
    api.answer = server
    paginator = {"type": "offset", "limit": 3}
    probe = rest(
        make_probe, api, client={"auth": oauth(api, "s3cret")}, paginator=paginator, data_selector="items"
    )
    assert read_all(probe) == EVERYTHING
    assert server.given == 2
    assert server.logins[0] == "Basic " + base64.b64encode(b"tieout:s3cret").decode()


def test_a_token_that_is_refused_at_once_is_not_asked_for_in_circles(api: Api, make_probe: MakeProbe) -> None:
    server = TokenServer(uses=0)
    api.answer = server
    with pytest.raises(ProbeError) as caught:
        read_all(rest(make_probe, api, client={"auth": oauth(api, "s3cret")}))
    assert (caught.value.code, server.given) == ("auth_failed", 2)


def failure(store: Store, probe: ProbeFile, workflow: Workflow, **options: Any) -> ProbeRun:
    done = run_probe(store, probe, workflow, NOW, **options)
    assert (done.status, done.complete) == ("failed", False)
    assert count(store, "watermarks") == count(store, "snapshots") == 0
    return done


@pytest.mark.parametrize(
    ("status", "code", "attempts"),
    [
        (400, "http_status", 1),
        (401, "auth_failed", 1),
        (403, "auth_failed", 1),
        (404, "not_found", 1),
        (408, "source_error", 3),
        (429, "rate_limited", 3),
        (500, "source_error", 3),
        (503, "source_error", 3),
    ],
)
def test_a_status_is_tried_again_only_where_that_can_help(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow, status: int, code: str, attempts: int
) -> None:
    api.answer = lambda _: JSONResponse({"patient": "canary"}, status_code=status)
    done = failure(store, rest(make_probe, api), workflow)
    assert (done.error_code, done.attempts, len(api.asked)) == (code, attempts, attempts)
    assert f"page 1 of {api.url}/api" in done.error
    assert "canary" not in done.error


def test_another_try_goes_on_at_the_page_that_failed(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow
) -> None:
    """Every page fails twice. Three attempts are enough for each, and none is read twice."""
    tries: dict[str, int] = {}

    def moody(request: Request) -> Any:
        page = request.query_params["page"]
        tries[page] = tries.get(page, 0) + 1
        return by_number(request) if tries[page] == 3 else Response(status_code=503)

    api.answer = moody
    paginator = {"type": "page_number", "total_path": "pages"}
    done = run_probe(store, rest(make_probe, api, paginator=paginator, data_selector="items"), workflow, NOW)
    assert (done.status, done.read, done.changed, done.attempts) == ("ok", 7, 7, 7)
    assert tries == {"1": 3, "2": 3, "3": 3}


def test_retry_after_is_waited_for_and_too_long_a_wait_is_left_to_the_schedule(
    store: Store,
    api: Api,
    make_probe: MakeProbe,
    workflow: Workflow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import stamina

    slept: list[float] = []
    monkeypatch.setattr(tenacity.nap.time, "sleep", slept.append)
    answers: list[Any] = [
        Response(status_code=429, headers={"Retry-After": "7"}),
        Response(
            status_code=503,
            headers={"Retry-After": "Fri, 20 Nov 2026 12:00:30 GMT", "Date": "Fri, 20 Nov 2026 12:00:00 GMT"},
        ),
        JSONResponse(RECORDS),
        Response(status_code=429, headers={"Retry-After": "3600"}),
    ]
    api.answer = lambda _: answers.pop(0)
    with stamina.set_testing(False):
        assert run_probe(store, rest(make_probe, api), workflow, NOW).status == "ok"
        assert slept == [7.0, 30.0]
        later = run_probe(store, rest(make_probe, api), workflow, NOW + FIVE)
    assert (later.status, later.error_code, later.attempts) == ("failed", "rate_limited", 1)
    assert "asks to wait 3600 s" in later.error


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda _: Response(b"<html>login</html>"), "not_json"),
        (lambda _: Response(b'[{"no": "1"}'), "not_json"),
        (lambda _: Response(b"[" * 100_000), "too_deep"),
        (lambda _: Response(b"[" * 70 + b"]" * 70), "too_deep"),
        (lambda _: Response(b'{"items": [' + b'{"a":' * 70 + b"1" + b"}" * 70 + b"]}"), "too_deep"),
        (lambda _: {"error": "no such thing"}, "no_records"),
        (lambda _: {"items": {"no": "1"}}, "no_records"),
        (lambda _: Response(b'[{"no": NaN}]'), "not_json"),
    ],
)
def test_an_answer_that_is_not_a_list_of_records_is_never_taken_for_an_empty_one(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow, answer: Answer, code: str
) -> None:
    api.answer = answer
    done = failure(store, rest(make_probe, api, data_selector="items", attempts=1), workflow)
    assert done.error_code == code


def test_a_body_larger_than_the_limit_is_not_taken_in_even_when_it_travels_small(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow
) -> None:
    import gzip

    bomb = gzip.compress(b"[" + b" " * 20_000_000 + b"]")
    api.answer = lambda _: Response(bomb, headers={"Content-Encoding": "gzip"})
    done = failure(store, rest(make_probe, api, max_response_bytes=1_000_000), workflow)
    assert (done.error_code, done.attempts) == ("too_large", 1)


@pytest.mark.parametrize(
    ("coding", "code"), [("gzip, gzip", "http_error"), ("zstd", "http_error"), ("gzip", "cut_off")]
)
def test_only_one_layer_of_gzip_is_unpacked(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow, coding: str, code: str
) -> None:
    """Each further layer would multiply what a small body becomes."""
    import gzip

    packed = gzip.compress(gzip.compress(b"[]"))[:-9]
    api.answer = lambda _: Response(packed, headers={"Content-Encoding": coding})
    assert failure(store, rest(make_probe, api), workflow).error_code == code
    assert {request.headers["accept-encoding"] for request in api.asked} == {"gzip"}


def test_a_packed_answer_is_read_whole(api: Api, make_probe: MakeProbe) -> None:
    import gzip
    import json

    records = [{"no": str(n), "status": "x" * 5_000} for n in range(1_000)]
    body = gzip.compress(json.dumps(records).encode())
    api.answer = lambda _: Response(body, headers={"Content-Encoding": "gzip"})
    assert read_all(rest(make_probe, api)) == [record["no"] for record in records]


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:1/x", "https://{host}/api", "http://me@{host}/api", "//example.org/x"]
)
def test_a_redirect_or_link_to_another_host_is_refused_and_gets_no_credentials(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow, target: str
) -> None:
    elsewhere = target.replace("{host}", api.address)
    client = {"auth": {"type": "bearer", "token": "s3cret"}}
    api.answer = lambda _: RedirectResponse(elsewhere)
    redirected = failure(store, rest(make_probe, api, client=client), workflow)
    api.answer = lambda _: {"items": RECORDS, "next": elsewhere}
    keys = {"paginator": {"type": "json_link"}, "data_selector": "items"}
    linked = failure(store, rest(make_probe, api, client=client, **keys), workflow)
    assert [redirected.error_code, linked.error_code] == ["other_host", "other_host"]
    assert len(api.asked) == 2


def test_a_link_that_is_no_address_is_refused(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow
) -> None:
    api.answer = lambda _: {"items": RECORDS, "next": "http://x:canary/"}
    probe = rest(make_probe, api, paginator={"type": "json_link"}, data_selector="items")
    done = failure(store, probe, workflow)
    assert done.error_code == "bad_link"
    assert "canary" not in done.error


def test_a_redirect_on_the_same_host_is_followed_and_a_circle_of_them_is_not(
    api: Api, make_probe: MakeProbe
) -> None:
    api.answer = lambda request: (
        RedirectResponse("/other") if request.url.path == "/api" else JSONResponse(RECORDS)
    )
    assert read_all(rest(make_probe, api)) == EVERYTHING
    api.answer = lambda _: RedirectResponse("/api")
    with pytest.raises(ProbeError, match="redirected more than 5 times"):
        read_all(rest(make_probe, api))


@contextmanager
def raw_server(reply: bytes, pause_s: float = 0.0) -> Iterator[str]:
    """Sends `reply` a byte at a time when it pauses, then closes, whatever it was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            try:
                peer, _ = listener.accept()
            except TimeoutError:
                continue
            with peer:
                peer.recv(65536)
                send(peer)

    def send(peer: socket.socket) -> None:
        try:
            if not pause_s:
                peer.sendall(reply)
            for byte in reply if pause_s else b"":
                peer.sendall(bytes([byte]))
                if done.wait(pause_s):
                    return
        except OSError:
            return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        done.set()
        thread.join(20)
        listener.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        HEAD + b'Content-Length: 500\r\n\r\n[{"no": "1"}]',
        HEAD + b'Transfer-Encoding: chunked\r\n\r\n20\r\n[{"no": "1"}',
        HEAD + b'Connection: close\r\n\r\n[{"no": "1"}, {"no"',
        HEAD,
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
def test_a_body_that_was_cut_off_is_tried_again_and_never_believed(
    store: Store, make_probe: MakeProbe, workflow: Workflow, reply: bytes
) -> None:
    with raw_server(reply) as url:
        done = failure(store, make_probe(kind="rest", client={"base_url": url}), workflow)
    assert (done.error_code in ("cut_off", "not_json"), done.attempts) == (True, 3)


def test_a_server_that_says_nothing_is_given_up_after_the_read_timeout(
    store: Store, make_probe: MakeProbe, workflow: Workflow
) -> None:
    with raw_server(HEAD + b"Content-Length: 10\r\n\r\n", pause_s=5) as url:
        probe = make_probe(kind="rest", client={"base_url": url}, timeouts={"read": "1s"}, attempts=1)
        done = failure(store, probe, workflow)
    assert done.error_code == "timeout"
    assert "no bytes within timeouts.read" in done.error


def test_a_server_that_drips_is_given_up_after_the_total_timeout(
    store: Store, make_probe: MakeProbe, workflow: Workflow
) -> None:
    """Each byte comes in time; all of them together would take for ever."""
    body = HEAD + b"Connection: close\r\n\r\n" + b" " * 10_000
    ticks = counting(step=10)
    with raw_server(body, pause_s=0.002) as url:
        probe = make_probe(kind="rest", client={"base_url": url}, timeouts={"total": "1m"})
        done = failure(store, probe, workflow, monotonic=lambda: float(next(ticks)))
    assert (done.error_code, done.attempts) == ("timeout", 1)
    assert "timeouts.total" in done.error


def test_a_port_nobody_listens_on_is_unreachable(
    store: Store, make_probe: MakeProbe, workflow: Workflow
) -> None:
    port = free_port()
    done = failure(store, make_probe(kind="rest", client={"base_url": f"http://127.0.0.1:{port}"}), workflow)
    assert (done.error_code, done.attempts) == ("unreachable", 3)
    assert "no connection; check that it runs" in done.error


@pytest.mark.parametrize(
    ("rule", "first", "second"),
    [
        ({"end_param": "to"}, {"to": "2026-11-20T12:00:00.000Z"}, {"since": "2026-11-20T10:50:00.000Z", "to": "2026-11-20T12:05:00.000Z"}),
        ({"template": "ge{cursor}", "overlap": "0s"}, {}, {"since": "ge2026-11-20T11:00:00.000Z"}),
        ({"format": "date"}, {}, {"since": "2026-11-20"}),
        ({"format": "epoch", "overlap": "0s"}, {}, {"since": "1795172400"}),
        ({"format": "epoch_ms", "overlap": "0s"}, {}, {"since": "1795172400000"}),
        ({"initial_value": "2026-01-01"}, {"since": "2026-01-01T00:00:00.000Z"}, {"since": "2026-11-20T10:50:00.000Z"}),
        ({"type": "text"}, {}, {"since": "2026-11-20T11:00:00Z"}),
    ],
)  # fmt: skip
def test_the_cursor_goes_out_the_way_the_source_wants_it(
    store: Store,
    api: Api,
    make_probe: MakeProbe,
    workflow: Workflow,
    rule: dict[str, str],
    first: dict[str, str],
    second: dict[str, str],
) -> None:
    api.answer = lambda _: [{"no": "1", "meta": {"updated": "2026-11-20T11:00:00Z"}}]
    incremental = {"cursor_path": "meta.updated", "param": "since"} | rule
    probe = rest(make_probe, api, mode="incremental", incremental=incremental)
    for turn in (0, 1):
        assert run_probe(store, probe, workflow, NOW + turn * FIVE).status == "ok"
    assert api.queries() == [first, second]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key beside it."""
    folder = tmp_path_factory.mktemp("tls")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=probe", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem"


def test_a_certificate_nobody_vouches_for_is_refused_and_a_named_authority_is_accepted(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow, certificate: Path
) -> None:
    api.answer = lambda _: RECORDS
    options = {"ssl_certfile": str(certificate), "ssl_keyfile": str(certificate.with_name("key.pem"))}
    with serving(api.app, **options) as address:
        refused = failure(store, make_probe(kind="rest", client={"base_url": f"https://{address}"}), workflow)
        trusted = {"base_url": f"https://{address}", "tls": {"ca_file": str(certificate)}}
        done = run_probe(store, make_probe(kind="rest", client=trusted), workflow, NOW)
    assert (refused.error_code, refused.attempts) == ("tls_refused", 1)
    assert (done.status, done.read) == ("ok", 7)


def test_a_server_that_wants_to_know_us_gets_our_certificate(
    store: Store, api: Api, make_probe: MakeProbe, workflow: Workflow, certificate: Path
) -> None:
    import ssl

    api.answer = lambda _: RECORDS
    key = certificate.with_name("key.pem")
    options = {"ssl_certfile": str(certificate), "ssl_keyfile": str(key), "ssl_ca_certs": str(certificate)}
    with serving(api.app, ssl_cert_reqs=ssl.CERT_REQUIRED, **options) as address:
        tls = {"ca_file": str(certificate), "cert_file": str(certificate), "key_file": str(key)}
        known = make_probe(kind="rest", client={"base_url": f"https://{address}", "tls": tls})
        assert run_probe(store, known, workflow, NOW).read == 7
        unknown = {"base_url": f"https://{address}", "tls": {"ca_file": str(certificate)}}
        done = run_probe(store, make_probe(kind="rest", client=unknown), workflow, NOW + FIVE)
    assert done.status == "failed"


@pytest.mark.parametrize("place", ["token", "header", "query", "param", "oauth"])
def test_no_secret_is_in_any_text_that_leaves_the_probe(
    store: Store,
    api: Api,
    make_probe: MakeProbe,
    workflow: Workflow,
    caplog: pytest.LogCaptureFixture,
    place: str,
) -> None:
    secret = "s3cret-canary"
    auth: dict[str, Any] = {
        "token": {"type": "bearer", "token": secret},
        "query": {"type": "api_key", "name": "key", "api_key": secret, "location": "query"},
        "oauth": oauth(api, secret),
    }.get(place, {"type": "bearer", "token": "x"})
    client = {"auth": auth, "headers": {"X-Key": secret} if place == "header" else {}}
    endpoint = {"params": {"key": secret} if place == "param" else {}}
    probe = rest(make_probe, api, client=client, endpoint=endpoint)
    texts = [repr(probe), str(probe), probe.model_dump_json(), probe.place]
    caplog.set_level(logging.DEBUG)
    for answer in (
        Response(status_code=500),
        Response(status_code=401),
        Response(b"{"),
        Response(status_code=404),
    ):
        api.answer = lambda _, answer=answer: answer
        done = failure(store, probe, workflow, asked=True)
        texts += [done.error, repr(done)]
    texts += [str(row) for row in store.rows("SELECT * FROM probe_runs")] + [caplog.text]
    assert not any(secret in text for text in texts)
