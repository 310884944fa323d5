"""`tieout up` as a receiver: who may reach it, what it says of itself, how it ends. Numbers: the OTLP checklist's."""

from __future__ import annotations

import signal
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from processes import ROOT, Up, tieout, wait_until

from store.client import Store
from store.folder import running
from tieout.scaffold import create

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF = {"content-type": "application/x-protobuf"}
SECRET = "a-secret-that-nobody-knows"
TOKENS = """
collector:
  tokens:
    - {name: billing, env: TIEOUT_TEST_TOKEN, tenant: north}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    create(folder, ROOT / "examples" / "demo")
    return folder


def add(site: Path, text: str) -> None:
    file = site / "tieout.yaml"
    file.write_text(file.read_text() + text)


def request(number: int) -> bytes:
    made = ExportTraceServiceRequest()
    span = made.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = number.to_bytes(16, "big"), number.to_bytes(8, "big")
    span.start_time_unix_nano = span.end_time_unix_nano = 1_790_000_000_000_000_000
    return made.SerializeToString()


def stored(site: Path) -> dict[str, int]:
    """How often each span is there, asked of the running process."""
    live = running(site / "data")
    assert live is not None
    with Store(live.store_url, token=live.reader_token.get_secret_value(), read_only=True) as store:
        found = store.rows("SELECT SpanId, count() AS times FROM otel_traces GROUP BY SpanId")
    return {row["SpanId"]: row["times"] for row in found}


def channel_to(up: Up) -> grpc.Channel:
    return grpc.insecure_channel(
        f"127.0.0.1:{up.ports['otlp_grpc']}", options=[("grpc.use_local_subchannel_pool", 1)]
    )


@pytest.mark.slow
def test_case_114_an_open_address_needs_tls_and_known_senders(site: Path) -> None:
    address = {"TIEOUT_LISTEN__OTLP": "0.0.0.0:0", "TIEOUT_LISTEN__OTLP_GRPC": "[::]:0"}
    refused = tieout("up", "--project", str(site), "--only", "collector", **address)
    assert refused.code == 2
    for setting, open_to in (("otlp", "0.0.0.0:0"), ("otlp_grpc", "[::]:0")):
        assert f"listen.{setting}: other machines could reach {open_to}: set collector.tls" in refused.err
    allowed = tieout("check", "--project", str(site), TIEOUT_LISTEN__INSECURE="true", **address)
    assert allowed.code == 0


@pytest.mark.slow
def test_check_finds_a_token_that_is_not_there_and_never_shows_one(site: Path) -> None:
    add(site, TOKENS)
    missing = tieout("check", "--project", str(site))
    assert missing.code == 1
    assert "token 'billing': environment variable TIEOUT_TEST_TOKEN is missing" in missing.out
    found = tieout("check", "--project", str(site), TIEOUT_TEST_TOKEN=SECRET)
    shown = tieout("config", "show", "--project", str(site), TIEOUT_TEST_TOKEN=SECRET)
    assert (found.code, shown.code) == (0, 0)
    assert SECRET not in found.out + found.err + shown.out + shown.err


@pytest.mark.parametrize("setting", ["otlp", "otlp_grpc"])
def test_case_40_a_busy_port_of_the_receiver_ends_the_start(site: Path, setting: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        listen = {f"TIEOUT_LISTEN__{name}": "127.0.0.1:0" for name in ("STORE", "OTLP", "OTLP_GRPC")}
        listen[f"TIEOUT_LISTEN__{setting.upper()}"] = f"127.0.0.1:{port}"
        busy = tieout("up", "--project", str(site), "--only", "collector", **listen)
    assert busy.code == 3
    assert f"127.0.0.1:{port} cannot be used" in busy.err
    assert f"change listen.{setting} in tieout.yaml" in busy.err


def test_both_transports_take_spans_of_known_senders_and_figures_tell(
    site: Path, up: Callable[..., Up], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(site, TOKENS)
    monkeypatch.setenv("TIEOUT_TEST_TOKEN", SECRET)
    system = up(site, "collector")
    bearer = {"authorization": f"Bearer {SECRET}"}
    with httpx.Client(base_url=system.url("otlp"), trust_env=False, timeout=30) as client:
        assert client.post("/v1/traces", content=request(1), headers=PROTOBUF).status_code == 401
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz", headers=bearer)
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": []})
        assert (
            client.post("/v1/traces", content=request(1), headers={**PROTOBUF, **bearer}).status_code == 200
        )
        with channel_to(system) as channel:
            export = channel.unary_unary(EXPORT)
            with pytest.raises(grpc.RpcError) as refused:
                export(request(2), timeout=30)
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
            assert export(request(2), timeout=30, metadata=list(bearer.items())) == b""
        figures = client.get("/metrics", headers=bearer).text
    assert 'tieout_otlp_items_accepted_total{signal="traces",transport="http/protobuf"} 1.0' in figures
    assert 'tieout_otlp_items_accepted_total{signal="traces",transport="grpc"} 1.0' in figures
    assert sorted(stored(site).values()) == [1, 1]


@pytest.mark.slow
def test_case_113_certificates_of_the_settings_guard_both_transports(
    site: Path, up: Callable[..., Up]
) -> None:
    authority = trustme.CA()
    own, sender = authority.issue_cert("127.0.0.1"), authority.issue_cert("billing.test")
    own.cert_chain_pems[0].write_to_path(site / "cert.pem")
    own.private_key_pem.write_to_path(site / "key.pem")
    authority.cert_pem.write_to_path(site / "ca.pem")
    add(site, "collector: {tls: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem}}\n")
    system = up(site, "collector")
    url = system.url("otlp").replace("http://", "https://")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with (
        httpx.Client(verify=context, trust_env=False, timeout=30) as stranger,
        pytest.raises(httpx.HTTPError),
    ):
        stranger.get(f"{url}/healthz")
    sender.configure_cert(context)
    with httpx.Client(verify=context, trust_env=False, timeout=30) as known:
        assert known.post(f"{url}/v1/traces", content=request(1), headers=PROTOBUF).status_code == 200
    credentials = grpc.ssl_channel_credentials(
        authority.cert_pem.bytes(), sender.private_key_pem.bytes(), sender.cert_chain_pems[0].bytes()
    )
    with grpc.secure_channel(f"127.0.0.1:{system.ports['otlp_grpc']}", credentials) as channel:
        assert channel.unary_unary(EXPORT)(request(2), timeout=30) == b""
    assert stored(site) == {f"{1:016x}": 1, f"{2:016x}": 1}


@pytest.mark.slow
def test_case_39_and_106_told_to_end_it_refuses_what_is_new_and_finishes_what_has_begun(
    site: Path, up: Callable[..., Up]
) -> None:
    system, content = up(site, "collector"), request(7)
    head = "POST /v1/traces HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-protobuf\r\n"
    with (
        httpx.Client(base_url=system.url("otlp"), trust_env=False, timeout=30) as client,
        socket.create_connection(("127.0.0.1", system.ports["otlp"]), timeout=60) as begun,
        channel_to(system) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=30).status == 1
        begun.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content[:5])
        wait_until(lambda: "tieout_otlp_in_flight 1.0" in client.get("/metrics").text, "the request")
        system.process.send_signal(signal.SIGTERM)
        wait_until(lambda: client.get("/readyz").status_code == 503, "draining")
        assert client.get("/readyz").json()["reasons"][0]["code"] == "draining"
        late = client.post("/v1/traces", content=request(8), headers=PROTOBUF)
        assert (late.status_code, late.headers["connection"], late.headers["retry-after"]) == (
            503,
            "close",
            "1",
        )
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(EXPORT)(request(9), timeout=30)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        asked = health.Check(health_pb2.HealthCheckRequest(), timeout=30)
        assert asked.status == health_pb2.HealthCheckResponse.NOT_SERVING
        begun.sendall(content[5:])
        assert begun.makefile("rb").readline().startswith(b"HTTP/1.1 200 ")
    assert system.process.wait(60) == 0
    up(site, "collector")
    assert stored(site) == {f"{7:016x}": 1}


@pytest.mark.slow
def test_case_39_ended_under_load_whatever_was_acknowledged_is_there_once(
    site: Path, up: Callable[..., Up]
) -> None:
    system = up(site, "collector")
    acked: list[int] = []
    codes: set[int | grpc.StatusCode] = set()
    enough = threading.Event()

    def count(number: int) -> None:
        acked.append(number)
        if len(acked) > 100:
            enough.set()

    def over_http(start: int) -> None:
        with httpx.Client(base_url=system.url("otlp"), trust_env=False, timeout=30) as client:
            for number in range(start, start + 100_000):
                try:
                    answer = client.post("/v1/traces", content=request(number), headers=PROTOBUF)
                except httpx.HTTPError:
                    return
                codes.add(answer.status_code)
                if answer.status_code != 200:
                    return
                count(number)

    def over_grpc(start: int) -> None:
        with channel_to(system) as channel:
            export = channel.unary_unary(EXPORT)
            for number in range(start, start + 100_000):
                try:
                    export(request(number), timeout=30)
                except grpc.RpcError as error:
                    codes.add(error.code())
                    return
                count(number)

    senders = [
        threading.Thread(target=send, args=(1 + 100_000 * place,))
        for place, send in enumerate([over_http] * 4 + [over_grpc] * 4)
    ]
    for sender in senders:
        sender.start()
    assert enough.wait(120)
    system.process.send_signal(signal.SIGTERM)
    assert system.process.wait(60) == 0
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive()
    # A call that arrives while the gRPC library stops is cancelled by it; senders repeat that like UNAVAILABLE.
    assert codes <= {200, 503, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    up(site, "collector")
    found = stored(site)
    assert {number: found.get(f"{number:016x}", 0) for number in acked} == dict.fromkeys(acked, 1)
    assert set(found.values()) == {1}
