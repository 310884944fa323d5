"""Plain-text mail by SMTP."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from alerts.notify.notifier import DeliveryError, Message, Notice, readable
from core.duration import Duration
from core.yamlfile import FileModel


def _address(value: str) -> str:
    address = parseaddr(value)[1]
    local, _, domain = address.rpartition("@")
    if not local or not domain or any(character in value for character in "\r\n"):
        raise ValueError("an address is written like name@example.org or Name <name@example.org>")
    return value


Address = Annotated[str, AfterValidator(_address)]


class EmailReceiver(FileModel):
    """Mails to `to` through the server `host`:`port`.

    `tls`: `starttls` (the connection must become encrypted), `implicit` (encrypted from the start, usually
    port 465) or `none`. `user` and `password` go together and need encryption. `timeout` is for the whole
    delivery. `ca_file`: trust this authority instead of the public ones.
    """

    kind: Literal["email"]
    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)]
    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    from_: Address = Field(alias="from")
    to: tuple[Address, ...] = Field(min_length=1, max_length=50)
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    user: str = ""
    password: SecretStr = SecretStr("")
    timeout: Duration = timedelta(seconds=30)
    ca_file: Annotated[str, AfterValidator(readable)] = ""

    @model_validator(mode="after")
    def _credentials_are_safe(self) -> EmailReceiver:
        if bool(self.user) != bool(self.password.get_secret_value()):
            raise ValueError("'user' and 'password' go together")
        if self.user and self.tls == "none":
            raise ValueError("a password is not sent without encryption; set tls to starttls or implicit")
        return self

    def notifier(self) -> Email:
        return Email(self)


class Email:
    """Sends a message as one mail to all addresses of the receiver."""

    def __init__(self, config: EmailReceiver) -> None:
        self._config = config

    def send(self, message: Message) -> None:
        """Returns when the server took the mail for at least one address. Raises DeliveryError otherwise."""
        config = self._config
        try:
            with self._connected() as server:
                server.send_message(compose(message, config.from_, config.to))
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            raise DeliveryError(
                "recipients_refused", retryable=all(_passing(code) for code in codes)
            ) from None
        except smtplib.SMTPNotSupportedError:
            raise DeliveryError("not_supported", retryable=False) from None
        except smtplib.SMTPResponseException as error:
            kind = "auth" if isinstance(error, smtplib.SMTPAuthenticationError) else "smtp"
            raise DeliveryError(f"{kind}_{error.smtp_code}", retryable=_passing(error.smtp_code)) from None
        except ssl.SSLError:
            raise DeliveryError("tls", retryable=True) from None
        except TimeoutError:
            raise DeliveryError("timeout", retryable=True) from None
        except (OSError, smtplib.SMTPException) as error:
            # The library turns a read that timed out into a lost connection.
            code = "timeout" if isinstance(error.__context__, TimeoutError) else "connect"
            raise DeliveryError(code, retryable=True) from None

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        config = self._config
        limit = config.timeout.total_seconds()
        context = ssl.create_default_context(cafile=config.ca_file or None)
        if config.tls == "implicit":
            server: smtplib.SMTP = smtplib.SMTP_SSL(timeout=limit, context=context)
        else:
            server = smtplib.SMTP(timeout=limit)
        # The name that certificates are checked against; the library sets it only when it connects by itself,
        # which would be before the deadline can watch.
        server._host = config.host  # type: ignore[attr-defined]
        with _deadline(server, limit):
            code, _ = server.connect(config.host, config.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, "")
            if config.tls == "starttls":
                server.starttls(context=context)
            if config.user:
                server.login(config.user, config.password.get_secret_value())
            yield server
            server.quit()


@contextmanager
def _deadline(server: smtplib.SMTP, limit: float) -> Iterator[None]:
    """Ends the connection when `limit` seconds are over: the library's own limit starts anew with every
    byte.
    """
    over = threading.Event()

    def cut() -> None:
        over.set()
        # The library may end the connection in the same moment.
        if sock := server.sock:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(limit, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if over.is_set():
            raise DeliveryError("timeout", retryable=True) from None
        raise
    finally:
        timer.cancel()
        server.close()


def _passing(code: int) -> bool:
    """4xx answers mean: not now."""
    return 400 <= code < 500


def compose(message: Message, sender: str, to: tuple[str, ...]) -> EmailMessage:
    """The mail for a message. The same message gets the same Message-ID, so that mail systems drop a second
    copy.
    """
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Subject"] = _subject(message)
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = f"<{message.id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_body(message))
    return mail


def _subject(message: Message) -> str:
    firing = sum(notice.status == "firing" for notice in message.notices)
    ended = len(message.notices) - firing
    counts = [f"{count} {word}" for count, word in ((firing, "firing"), (ended, "resolved")) if count]
    first = message.notices[0].annotations.get("summary", "")
    more = f" (and {len(message.notices) - 1} more)" if len(message.notices) > 1 else ""
    return f"[{', '.join(counts)}] {first}{more}"


def _body(message: Message) -> str:
    parts = [_paragraph(notice) for notice in message.notices]
    if message.external_url:
        parts.append(f"Open in tieout: {message.external_url}")
    return "\n\n".join(parts) + "\n"


def _paragraph(notice: Notice) -> str:
    notes = notice.annotations
    lines = [f"{notice.status.upper()}: {notes.get('summary', '')}", notes.get("description", "")]
    lines.append(
        f"Since {notice.starts_at}" + (f", ended {notice.ends_at}" if notice.status == "resolved" else "")
    )
    lines += [f"{title}: {notes[key]}" for key, title in _NOTES if notes.get(key)]
    lines.append("Labels: " + ", ".join(f"{name}={value}" for name, value in sorted(notice.labels.items())))
    if notice.generator_url:
        lines.append(notice.generator_url)
    return "\n".join(line for line in lines if line)


_NOTES = (
    ("value", "Value"),
    ("condition", "Alert when"),
    ("runbook", "What to do"),
    ("runbook_url", "Runbook"),
)
