"""Mail through a real SMTP server."""

from __future__ import annotations

import email
import email.policy
import smtplib
import socket
import ssl
import time
from datetime import timedelta

import pytest
from alert_receivers import check_login, posting
from test_alert_webhook import message, notice

from alerts.notify.email import EmailReceiver, _deadline, compose
from alerts.notify.notifier import DeliveryError
from alerts.text import fill


def receiver(port: int, **keys):
    base = {
        "kind": "email",
        "name": "revenue",
        "host": "127.0.0.1",
        "port": port,
        "from": "tieout <tieout@example.org>",
        "to": ["a@example.org", "b@example.org"],
        "tls": "none",
        "timeout": timedelta(seconds=3),
    }
    return EmailReceiver.model_validate(base | keys)


def failing(port: int, **keys) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        receiver(port, **keys).notifier().send(message())
    return caught.value


def test_a_mail_says_what_fires_since_when_and_what_to_do(postbox):
    told = notice(1, segment="Kodierung")
    told.annotations.update({"condition": "above 100", "runbook": "Start with the oldest."})
    receiver(postbox.port).notifier().send(message(told, notice(2, "resolved")))
    mail = email.message_from_bytes(postbox.mails[0], policy=email.policy.default)
    assert postbox.recipients == [["a@example.org", "b@example.org"]]
    assert mail["Subject"] == "[1 firing, 1 resolved] Zu viele Fälle (and 1 more)"
    assert mail["From"] == "tieout <tieout@example.org>"
    assert mail["Message-ID"] == "<m1@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain"
    text = mail.get_content().replace("\r\n", "\n")
    assert "FIRING: Zu viele Fälle" in text
    assert "Alert when: above 100" in text
    assert "What to do: Start with the oldest." in text
    assert "segment=Kodierung" in text
    assert "RESOLVED: Zu viele Fälle\nSince 2026-11-20T12:00:00Z, ended 2026-11-20T13:00:00Z" in text
    assert "https://tieout.example.org/kpi?id=K03&flow=hospital_billing" in text


def test_the_same_message_is_the_same_mail():
    twice = [compose(message(), "tieout@example.org", ("a@example.org",)).as_bytes() for _ in range(2)]
    assert twice[0] == twice[1]


def test_a_refused_address_does_not_keep_the_mail_from_the_others(postbox):
    postbox.refused = frozenset({"a@example.org"})
    receiver(postbox.port).notifier().send(message())
    assert postbox.recipients == [["b@example.org"]]


@pytest.mark.parametrize(
    ("answer", "code", "retryable"),
    [
        ("451 try later", "smtp_451", True),
        ("552 too large", "smtp_552", False),
        ("554 spam", "smtp_554", False),
    ],
)
def test_only_4xx_answers_are_tried_again(postbox, answer, code, retryable):
    postbox.answer = answer
    error = failing(postbox.port)
    assert (error.code, error.retryable) == (code, retryable)


def test_when_every_address_is_refused_the_mail_is_given_up(postbox):
    postbox.refused = frozenset({"a@example.org", "b@example.org"})
    error = failing(postbox.port)
    assert (error.code, error.retryable) == ("recipients_refused", False)


def test_a_server_that_is_down_is_tried_again():
    error = failing(9)
    assert (error.code, error.retryable) == ("connect", True)


def test_a_server_that_drips_is_left_after_the_timeout(raw_server):
    def drip(connection):
        for byte in b"220-" + b"x" * 400:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    begun = time.monotonic()
    error = failing(raw_server(drip), timeout=timedelta(seconds=0.4))
    assert (error.code, error.retryable) == ("timeout", True)
    assert time.monotonic() - begun < 1.5


def test_a_server_that_says_nothing_is_left_after_the_timeout(raw_server):
    assert failing(raw_server(lambda _: time.sleep(2)), timeout=timedelta(seconds=0.3)).code == "timeout"


def test_a_connection_may_end_by_itself_when_its_time_is_over():
    server = smtplib.SMTP()
    server.sock = socket.socket()
    server.sock.close()
    with _deadline(server, 0.01):
        time.sleep(0.1)  # An exception in the thread that ends the connection would fail the test.


def test_a_server_that_turns_us_away_is_not_sent_anything(raw_server):
    error = failing(raw_server(lambda connection: connection.sendall(b"554 no\r\n")))
    assert (error.code, error.retryable) == ("smtp_554", False)


def _tls(certificates):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.cert_file)
    return context


def test_a_password_travels_encrypted_and_a_wrong_one_is_given_up(certificates):
    settings = {"tls": "starttls", "ca_file": certificates.ca_file, "user": "tieout"}
    with posting(
        tls_context=_tls(certificates), require_starttls=True, auth_required=True, authenticator=check_login
    ) as box:
        receiver(box.port, **settings, password="s3cret").notifier().send(message())
        assert len(box.mails) == 1
        error = failing(box.port, **settings, password="wrong")
        assert (error.code, error.retryable) == ("auth_535", False)


def test_a_certificate_nobody_vouches_for_is_refused(certificates):
    with posting(tls_context=_tls(certificates)) as box:
        assert failing(box.port, tls="starttls").code == "tls"
        assert box.mails == []


def test_without_starttls_nothing_is_sent_in_the_clear(postbox):
    error = failing(postbox.port, tls="starttls")
    assert (error.code, error.retryable) == ("not_supported", False)


def test_implicit_tls_is_encrypted_from_the_start(certificates):
    with posting(implicit_tls=_tls(certificates)) as box:
        receiver(box.port, tls="implicit", ca_file=certificates.ca_file).notifier().send(message())
        assert len(box.mails) == 1


def test_a_text_cannot_add_a_header():
    """Texts are cleaned when they are filled in; the mail library would refuse one that was not."""
    assert fill("{segment}", {"segment": "x\r\nBcc: c@example.org"}) == "x Bcc: c@example.org"
    told = notice(1)
    told.annotations.update({"summary": "x\r\nBcc: c@example.org"})
    with pytest.raises(ValueError, match=r"linefeed|newline|header"):
        compose(message(told), "tieout@example.org", ("a@example.org",))
