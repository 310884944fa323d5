"""How services with Amazon's interfaces are reached: access keys, an endpoint, and no other host than that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import httpx
from pydantic import Field, SecretStr, field_validator, model_validator

from core.findings import Finding
from core.yamlfile import FileModel, Location, Parsed
from probes.network import permitted
from probes.probe import ProbeError, Timeouts, Window

_REFUSED = {
    "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "ExpiredToken", "InvalidAccessKeyId",
    "InvalidClientTokenId", "InvalidToken", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "401", "403",
    "UnrecognizedClientException", "AuthFailure", "ExpiredTokenException", "InvalidSignatureException",
}  # fmt: skip
_NO_QUEUE = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}
_BUSY = {
    "SlowDown", "ServiceUnavailable", "InternalError", "Throttling", "ThrottlingException", "RequestThrottled",
    "RequestTimeout", "500", "502", "503", "504",
}  # fmt: skip


class Authority(FileModel):
    """`ca_file`: the authority that is trusted instead of those of the system, as a PEM file."""

    ca_file: Path | None = None


class Access(FileModel):
    """Keys by reference, the region, and an `endpoint` where the service is not Amazon's own.

    `anonymous: true` asks without keys. Keys are never looked for elsewhere: no profile, no metadata service.
    """

    region: str = Field(default="us-east-1", pattern=r"^[a-z0-9-]+$")
    endpoint: str = ""
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    session_token: SecretStr | None = None
    anonymous: Literal[True] | None = None
    tls: Authority = Authority()

    @field_validator("endpoint")
    @classmethod
    def _endpoint_reads(cls, value: str) -> str:
        try:
            url = httpx.URL(value)
        except httpx.InvalidURL:
            raise ValueError("endpoint is not a URL") from None
        if value and (url.scheme not in ("http", "https") or not url.host or url.userinfo):
            raise ValueError(
                "endpoint begins with https:// or http://, names a host, and holds no user or password"
            )
        return value

    @model_validator(mode="after")
    def _keys_or_none(self) -> Self:
        if bool(self.access_key) != bool(self.secret_key):
            raise ValueError("'access_key' and 'secret_key' go together")
        if bool(self.access_key) == bool(self.anonymous):
            raise ValueError("write 'access_key' and 'secret_key', or 'anonymous: true' for a public source")
        return self

    def located_tls(self, file: Path, parsed: Parsed, at: Location) -> tuple[Authority, list[Finding]]:
        """`tls` with its path made absolute, and what is wrong with it."""
        given = self.tls.ca_file
        if given is None:
            return self.tls, []
        placed = file.parent / given
        missing = [] if placed.is_file() else [parsed.finding(at, f"file {str(given)!r} is not there")]
        return Authority(ca_file=placed), missing

    def host(self, service: str) -> tuple[str, int]:
        """Name and port of the host of a service (`sqs`), the endpoint's where there is one."""
        if not self.endpoint:
            return f"{service}.{self.region}.{_suffix(self.region)}", 443
        url = httpx.URL(self.endpoint)
        return url.host, url.port or (443 if url.scheme == "https" else 80)

    def client(self) -> dict[str, Any]:
        """What every client of a library is made with: endpoint and keys."""
        return {
            "endpoint_url": self.endpoint or None,
            "aws_access_key_id": self.access_key and self.access_key.get_secret_value(),
            "aws_secret_access_key": self.secret_key and self.secret_key.get_secret_value(),
            "aws_session_token": self.session_token and self.session_token.get_secret_value(),
        }

    def config(self, addresses: Mapping[str, list[str]], timeouts: Timeouts) -> dict[str, Any]:
        """Its settings: only `addresses`, no proxy, one try; the run itself tries again and says so."""
        from botocore import UNSIGNED

        from probes.aws_guard import Guard

        return {
            "connector_args": {"resolver": Guard(addresses), "use_dns_cache": False},
            "connect_timeout": timeouts.connect.total_seconds(),
            "read_timeout": timeouts.read.total_seconds(),
            "retries": {"total_max_attempts": 1},
            "proxies": {},
            "ignore_configured_endpoint_urls": True,
            "parameter_validation": True,
        } | ({"signature_version": UNSIGNED} if self.anonymous else {})

    @property
    def verify(self) -> bool | str:
        return str(self.tls.ca_file) if self.tls.ca_file else True


def _suffix(region: str) -> str:
    """Regions of China have a domain of their own."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def needs_packages(place: str) -> ProbeError:
    return ProbeError("driver_missing", f"{place} needs packages; pip install 'tieout[aws]'")


def pinned(
    hosts: tuple[tuple[str, int], ...],
    networks: tuple[Any, ...],
    window: Window,
    timeouts: Timeouts,
    place: str,
) -> dict[str, list[str]]:
    """The allowed addresses of each host; it is talked to at these and nowhere else. Raises ProbeError."""
    wait_s = min(timeouts.connect.total_seconds(), window.left())
    return {host: permitted(host, port, networks, wait_s, place) for host, port in hosts}


def told(error: Exception, place: str) -> ProbeError:
    """What an error of the library means. Its own text may quote what was asked for, so only its code is told."""
    from botocore import exceptions as found

    code = _code(error)
    if code in _REFUSED or isinstance(error, PermissionError):
        return ProbeError(
            "auth_failed", f"{place} refuses us ({code or 'denied'}); check the keys and what they may read"
        )
    if code == "NoSuchBucket":
        return ProbeError(
            "no_bucket", f"{place}: there is no such bucket; check server.bucket and server.region"
        )
    if code in _NO_QUEUE:
        return ProbeError("no_queue", f"{place}: there is no such queue; check queues and client.region")
    if code in ("NoSuchKey", "404") or isinstance(error, FileNotFoundError):
        return ProbeError("not_found", f"{place} is not there; check its name and who delivers it")
    if code in _BUSY:
        return ProbeError("source_error", f"{place} answered with {code}; it is tried again", retryable=True)
    if code:
        return ProbeError(
            "http_status", f"{place} answered with {code}; check region, endpoint and what is asked for"
        )
    if isinstance(error, found.SSLError):
        return ProbeError(
            "tls_refused",
            f"{place}: the server's certificate is not trusted (expired, wrong host or unknown authority); "
            "name its authority in tls.ca_file",
        )
    if isinstance(error, found.ReadTimeoutError | TimeoutError):
        return ProbeError(
            "timeout", f"{place}: no bytes within timeouts.read; it is tried again", retryable=True
        )
    if isinstance(error, found.HTTPClientError | found.EndpointConnectionError):
        return ProbeError(
            "unreachable",
            f"{place}: no connection; check that it runs, that host and port are right and the firewall "
            "(a bucket of another region is at another host: check region)",
            retryable=True,
        )
    if isinstance(error, OSError):
        return ProbeError("cut_off", f"{place} was cut off; it is tried again", retryable=True)
    return ProbeError("http_error", f"{place} failed: {type(error).__name__}")


def _code(error: BaseException | None) -> str:
    """The code of the service's answer, however the libraries have wrapped it."""
    while error is not None:
        answer = getattr(error, "response", None)
        if isinstance(answer, dict):
            return str(answer.get("Error", {}).get("Code", ""))
        error = error.__cause__
    return ""
