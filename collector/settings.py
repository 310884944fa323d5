"""How the receiver is set up: the part `collector:` of tieout.yaml, and what can be wrong with it.

Secrets are named here, never written: a token stands in an environment variable or in a file.
"""

from __future__ import annotations

import re
import ssl
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    StringConstraints,
    model_validator,
)

from collector.access import Rate, Token
from collector.grpc_server import TlsFiles
from collector.intake import Limits
from collector.signals import SIGNALS, Signal
from core.duration import Duration
from core.errors import ConfigurationError
from core.findings import Finding
from core.secret import Secret
from core.yamlfile import FileModel, Location, Parsed

# Shorter ones can be guessed.
TOKEN_CHARACTERS = 16
NAMES = tuple(signal.name for signal in SIGNALS)
_ORIGIN = re.compile(r"https?://(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:\d{1,5})?")


def _signal(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"a signal is one of {', '.join(NAMES)}")
    return name


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise ValueError("an origin is written like https://app.example.com or https://*.example.com")
    return text


SignalName = Annotated[str, AfterValidator(_signal)]
Origin = Annotated[str, AfterValidator(_origin)]
Label = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$", max_length=64)]


class TlsSettings(FileModel):
    """PEM files, relative to the project folder. With `client_ca_file` senders need a certificate of that authority."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None

    def for_http(self, root: Path) -> dict[str, Any]:
        """Options of the HTTP server."""
        options: dict[str, Any] = {
            "ssl_certfile": str(root / self.cert_file),
            "ssl_keyfile": str(root / self.key_file),
        }
        if self.client_ca_file:
            options["ssl_ca_certs"] = str(root / self.client_ca_file)
            options["ssl_cert_reqs"] = ssl.CERT_REQUIRED
        return options

    def for_grpc(self, root: Path) -> TlsFiles:
        """Contents for the gRPC server. Raises ConfigurationError when a file cannot be read."""
        try:
            authority = (root / self.client_ca_file).read_bytes() if self.client_ca_file else None
            return TlsFiles(
                (root / self.cert_file).read_bytes(), (root / self.key_file).read_bytes(), authority
            )
        except OSError as error:
            raise ConfigurationError(f"collector.tls: a file cannot be read ({error.strerror})") from None


class RateSettings(FileModel):
    """At most `per_second` requests or items (spans, records, points) for long; `burst` at once, a second's worth."""

    per_second: PositiveFloat
    burst: Annotated[float, Field(ge=1)] | None = None
    of: Literal["requests", "items"] = "requests"

    def rate(self) -> Rate:
        """The rate with its default filled in."""
        return Rate(self.per_second, max(1.0, self.burst or self.per_second), self.of)


class TokenSettings(Secret):
    """A sender's token: its name in logs and figures, and the variable or file that holds it."""

    name: Label
    tenant: Label | Literal[""] = ""
    signals: tuple[SignalName, ...] | None = None
    rate: RateSettings | None = None

    def secret(self, root: Path) -> SecretStr:
        """The token itself. Raises ConfigurationError, which says where it should be."""
        text = self.read(root).get_secret_value().decode("utf-8", "replace")
        if len(text) < TOKEN_CHARACTERS:
            raise ConfigurationError(
                f"token {self.name!r}: {self.place} is missing or holds less than {TOKEN_CHARACTERS} characters"
            )
        return SecretStr(text)


class LimitSettings(FileModel):
    """What the receiver takes on: bytes of one body (before and after decompression), requests and bytes in flight.

    `read_timeout` is for a whole body, `headers_timeout` for what stands before it.
    """

    body_bytes: PositiveInt = Limits.body_bytes
    requests: PositiveInt = Limits.requests
    memory_bytes: PositiveInt = Limits.memory_bytes
    writers: PositiveInt = Limits.writers
    insert_memory_bytes: PositiveInt = Limits.insert_memory_bytes
    read_timeout: Duration = timedelta(seconds=Limits.read_timeout_s)
    headers_timeout: Duration = timedelta(seconds=Limits.headers_timeout_s)

    @model_validator(mode="after")
    def _a_body_fits(self) -> LimitSettings:
        if self.memory_bytes < self.body_bytes:
            raise ValueError("memory_bytes must be at least body_bytes, or a large body never fits")
        return self

    def limits(self) -> Limits:
        return Limits(
            body_bytes=self.body_bytes, requests=self.requests, memory_bytes=self.memory_bytes,
            writers=self.writers, insert_memory_bytes=self.insert_memory_bytes,
            read_timeout_s=self.read_timeout.total_seconds(),
            headers_timeout_s=self.headers_timeout.total_seconds(),
        )  # fmt: skip


class CollectorSettings(FileModel):
    """`signals` that are taken, over HTTP and, with `grpc`, over gRPC.

    `tokens`: who may send; without any, everybody who reaches the port. `tls`: for both transports.
    `cors_origins`: web pages whose scripts may send. `free_floor_bytes`: less free disk than this is not ready.
    """

    grpc: bool = True
    signals: tuple[SignalName, ...] = Field(default=NAMES, min_length=1)
    tls: TlsSettings | None = None
    tokens: tuple[TokenSettings, ...] = ()
    cors_origins: tuple[Origin, ...] = ()
    limits: LimitSettings = LimitSettings()
    free_floor_bytes: Annotated[int, Field(ge=0)] = 1 << 30

    @property
    def guarded(self) -> bool:
        """Whether senders are known and nobody can listen: enough to be reached from other machines."""
        return self.tls is not None and bool(self.tokens or self.tls.client_ca_file)

    def signals_served(self) -> tuple[Signal, ...]:
        return tuple(signal for signal in SIGNALS if signal.name in self.signals)

    def tokens_in(self, root: Path) -> list[Token]:
        """The tokens with their secrets. Raises ConfigurationError for one that is not there."""
        return [
            Token(
                token.name, token.secret(root), token.tenant, token.rate.rate() if token.rate else None,
                frozenset(token.signals) if token.signals is not None else None,
            )
            for token in self.tokens
        ]  # fmt: skip


def check(
    settings: CollectorSettings,
    parsed: Parsed,
    root: Path,
    listen: Mapping[str, tuple[str, bool]],
    at: Location = ("collector",),
) -> list[Finding]:
    """What only the machine can say of `settings`, which stand at `at`: tokens, certificates, open addresses.

    `listen`: by name the address, and whether other machines reach it.
    """
    return [
        *_token_findings(settings, parsed, root, at),
        *_tls_findings(settings.tls, parsed, root, (*at, "tls")),
        *[
            parsed.finding(("listen", name), f"listen.{name}: {needs_guarding(address)}")
            for name, (address, reachable) in listen.items()
            if reachable and not settings.guarded
        ],
    ]


def needs_guarding(address: str) -> str:
    """Why an address that other machines reach is refused, and what to do."""
    return (
        f"other machines could reach {address}: set collector.tls and collector.tokens (or tls.client_ca_file), "
        "use 127.0.0.1, or set listen.insecure: true when a proxy or the container's network guards it"
    )


def _token_findings(settings: CollectorSettings, parsed: Parsed, root: Path, at: Location) -> list[Finding]:
    findings: list[Finding] = []
    secrets: dict[str, str] = {}
    names = Counter(token.name for token in settings.tokens)
    for index, token in enumerate(settings.tokens):
        place = (*at, "tokens", index)
        if names[token.name] > 1:
            findings.append(parsed.finding((*place, "name"), f"token {token.name!r} is there twice"))
        try:
            secret = token.secret(root).get_secret_value()
        except ConfigurationError as error:
            findings.append(parsed.finding(place, str(error)))
            continue
        if secret in secrets:
            findings.append(parsed.finding(place, f"token {token.name!r} is the same as {secrets[secret]!r}"))
        secrets[secret] = token.name
    return findings


def _tls_findings(tls: TlsSettings | None, parsed: Parsed, root: Path, at: Location) -> list[Finding]:
    if tls is None:
        return []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An encrypted key would be asked for on the terminal.
        context.load_cert_chain(root / tls.cert_file, root / tls.key_file, password=lambda: b"")
    except (OSError, ssl.SSLError, ValueError):
        return [parsed.finding(at, "cert_file and key_file cannot be read, or do not belong together")]
    try:
        if tls.client_ca_file:
            context.load_verify_locations(root / tls.client_ca_file)
    except (OSError, ssl.SSLError):
        return [parsed.finding((*at, "client_ca_file"), "client_ca_file holds no certificates")]
    return []
