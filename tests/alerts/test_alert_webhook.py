"""The webhook against a real server that behaves well, badly, or not at all."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from alert_parts import T0

from alerts.notify.notifier import NOT_ENDED, DeliveryError, Message, Notice
from alerts.notify.webhook import WebhookReceiver, _forbidden

SCHEMA = json.loads((Path(__file__).parent / "data" / "alertmanager_webhook_v4.schema.json").read_text())


def notice(number: int = 1, status: str = "firing", **labels: str) -> Notice:
    return Notice(
        id=f"n{number}",
        status=status,
        labels={"alertname": "TooMuch", "severity": "page", **labels},
        annotations={"summary": "Zu viele Fälle", "value": "120"},
        starts_at="2026-11-20T12:00:00Z",
        ends_at=NOT_ENDED if status == "firing" else "2026-11-20T13:00:00Z",
        generator_url="https://tieout.example.org/kpi?id=K03&flow=hospital_billing",
        fingerprint=f"{number:016x}",
    )


def message(*notices: Notice) -> Message:
    return Message(
        id="m1",
        at=T0,
        receiver="desk",
        group_key='{}/{severity="page"}:{alertname="TooMuch"}',
        group_labels={"alertname": "TooMuch"},
        external_url="https://tieout.example.org",
        reason="first notification",
        notices=notices or (notice(),),
    )


def receiver(url: str, **keys):
    return WebhookReceiver.model_validate(
        {"kind": "webhook", "name": "desk", "url": url, "timeout": "2s"} | keys
    )


def failing(url: str, **keys) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        receiver(url, **keys).notifier().send(message())
    assert url not in str(caught.value)
    return caught.value


def test_the_body_is_what_alertmanager_sends(desk):
    receiver(desk.url, headers={"Authorization": "Bearer s3cret"}).notifier().send(
        message(notice(1, segment="a"), notice(2, "resolved", segment="b"))
    )
    body = desk.calls[0]
    jsonschema.Draft202012Validator(SCHEMA).validate(body)
    assert (body["version"], body["status"], body["receiver"]) == ("4", "firing", "desk")
    assert body["commonLabels"] == {"alertname": "TooMuch", "severity": "page"}
    assert body["commonAnnotations"] == {"summary": "Zu viele Fälle", "value": "120"}
    assert [alert["endsAt"] for alert in body["alerts"]] == [NOT_ENDED, "2026-11-20T13:00:00Z"]
    headers = desk.headers[0]
    assert headers["authorization"] == "Bearer s3cret"
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == "m1"
    assert headers["host"] == f"127.0.0.1:{desk.port}"


def test_a_message_whose_alerts_all_ended_is_resolved(desk):
    receiver(desk.url).notifier().send(message(notice(1, "resolved")))
    assert desk.calls[0]["status"] == "resolved"


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(500, True), (503, True), (429, True), (408, True), (400, False), (404, False), (413, False)],
)
def test_only_answers_that_may_change_are_tried_again(desk, status, retryable):
    desk.status = status
    error = failing(desk.url)
    assert (error.code, error.retryable) == (f"http_{status}", retryable)


def test_every_2xx_is_a_success(desk):
    desk.status = 202
    receiver(desk.url).notifier().send(message())


def test_redirects_are_not_followed(desk):
    desk.behaviour = "redirect"
    error = failing(desk.url)
    assert (error.code, error.retryable, len(desk.calls)) == ("redirect", False, 1)


def test_a_huge_reply_is_not_read(raw_server):
    sent = 0

    def gush(connection):
        nonlocal sent
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while sent < 1_000_000_000:
            sent += connection.send(b"x" * 1_000_000)

    receiver(f"http://127.0.0.1:{raw_server(gush)}/").notifier().send(message())
    assert sent < 50_000_000, "what the kernel buffers, no more"


def test_a_receiver_that_hangs_is_left_after_the_timeout(desk):
    desk.behaviour = "hang"
    begun = time.monotonic()
    error = failing(desk.url, timeout=timedelta(seconds=0.3))
    assert (error.code, error.retryable) == ("timeout", True)
    assert time.monotonic() - begun < 1.5


def test_a_reply_that_drips_is_left_after_the_timeout(raw_server):
    def drip(connection):
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    begun = time.monotonic()
    error = failing(f"http://127.0.0.1:{raw_server(drip)}/", timeout=timedelta(seconds=0.4))
    assert (error.code, error.retryable) == ("timeout", True)
    assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000]
)
def test_what_does_not_speak_http_is_a_protocol_failure(raw_server, answer):
    def talk(connection):
        connection.recv(65536)
        connection.sendall(answer)

    assert failing(f"http://127.0.0.1:{raw_server(talk)}/").code == "protocol"


def test_a_port_nobody_listens_on_is_a_connect_failure():
    error = failing("http://127.0.0.1:9/")
    assert (error.code, error.retryable) == ("connect", True)


def test_a_name_nobody_knows_is_an_unknown_host():
    error = failing("http://no-such-host.invalid/")
    assert (error.code, error.retryable) == ("unknown_host", True)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://0.0.0.0/",
        "http://user:pass@169.254.169.254/",
    ],
)
def test_metadata_and_link_local_addresses_are_refused(url):
    error = failing(url)
    assert (error.code, error.retryable) == ("forbidden_address", False)


def test_private_addresses_are_allowed_because_receivers_live_there():
    assert [_forbidden(address) for address in ("10.1.2.3", "192.168.1.1", "fd12::1", "8.8.8.8")] == [
        False
    ] * 4
    assert [
        _forbidden(address) for address in ("100.100.100.200", "224.0.0.1", "fd00:ec2::254", "fe80::1%eth0")
    ] == [True] * 4


def test_the_certificate_must_be_of_a_trusted_authority(secure_desk, certificates):
    assert failing(secure_desk.url).code == "tls"
    receiver(secure_desk.url, ca_file=certificates.ca_file).notifier().send(message())
    assert len(secure_desk.calls) == 1


def test_the_certificate_must_be_of_the_host_in_the_url(secure_desk, certificates):
    """The connection goes to the checked address; the name is still what the certificate must say."""
    named = secure_desk.url.replace("127.0.0.1", "localhost")
    receiver(named, ca_file=certificates.ca_file).notifier().send(message())
    assert secure_desk.headers[0]["host"] == f"localhost:{secure_desk.port}"
    other = secure_desk.url.replace("127.0.0.1", "127.0.0.2")
    assert failing(other, ca_file=certificates.ca_file).code in ("tls", "connect")


def test_with_a_proxy_the_proxy_gets_the_call(raw_server):
    requests = []

    def proxy(connection):
        requests.append(connection.recv(65536).split(b"\r\n")[0])
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    receiver("http://receiver.invalid/hook", proxy=f"http://127.0.0.1:{raw_server(proxy)}").notifier().send(
        message()
    )
    assert requests == [b"POST http://receiver.invalid/hook HTTP/1.1"]


def test_proxies_of_the_environment_do_not_get_the_call(desk, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    receiver(desk.url).notifier().send(message())
    assert len(desk.calls) == 1
