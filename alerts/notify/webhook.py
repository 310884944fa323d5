"""Webhook in Alertmanager's form, version 4: whatever takes Alertmanager's calls takes ours."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

import httpx
import orjson
from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from alerts.notify.notifier import DeliveryError, Message, readable
from core.duration import Duration
from core.yamlfile import FileModel

# Addresses where clouds hand out credentials to whoever asks from inside.
METADATA = frozenset({"169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"})
RETRYABLE_STATUS = frozenset({408, 425, 429})


def _http_url(value: SecretStr) -> SecretStr:
    url = urlsplit(value.get_secret_value())
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("a webhook URL begins with https:// or http:// and names a host")
    return value


class WebhookReceiver(FileModel):
    """POSTs JSON to `url`. `headers` may hold a token. `timeout` is for the whole call, whatever the other
    side does.

    Redirects are not followed and replies are not read. With `proxy`, the proxy finds the host; without,
    link-local and metadata addresses are refused and the connection goes to the address that was checked.
    `ca_file`: trust this authority instead of the public ones.
    """

    kind: Literal["webhook"]
    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)]
    url: Annotated[SecretStr, AfterValidator(_http_url)]
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    timeout: Duration = timedelta(seconds=10)
    proxy: Annotated[SecretStr, AfterValidator(_http_url)] | None = None
    ca_file: Annotated[str, AfterValidator(readable)] = ""

    def notifier(self) -> Webhook:
        return Webhook(self)


class Webhook:
    """Sends a message by HTTP."""

    def __init__(self, config: WebhookReceiver) -> None:
        self._config = config

    def send(self, message: Message) -> None:
        """Returns when the receiver answered 2xx. Raises DeliveryError otherwise."""
        limit = self._config.timeout.total_seconds()
        body = orjson.dumps(message.as_alertmanager())
        try:
            status = asyncio.run(asyncio.wait_for(self._post(body, message.id), limit))
        except TimeoutError:
            raise DeliveryError("timeout", retryable=True) from None
        except ssl.SSLError:
            raise DeliveryError("tls", retryable=True) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise DeliveryError(_code(error), retryable=True) from None
        if 300 <= status < 400:
            raise DeliveryError("redirect", retryable=False)
        if not 200 <= status < 300:
            raise DeliveryError(f"http_{status}", retryable=status >= 500 or status in RETRYABLE_STATUS)

    async def _post(self, body: bytes, identity: str) -> int:
        config = self._config
        url = httpx.URL(config.url.get_secret_value())
        headers = {name: value.get_secret_value() for name, value in config.headers.items()}
        headers |= {"content-type": "application/json", "idempotency-key": identity, "user-agent": "tieout"}
        async with httpx.AsyncClient(
            timeout=config.timeout.total_seconds(),
            follow_redirects=False,
            trust_env=False,
            verify=ssl.create_default_context(cafile=config.ca_file or None),
            proxy=config.proxy.get_secret_value() if config.proxy else None,
        ) as client:
            if config.proxy:
                return await _status(client, url, body, headers, {})
            headers["host"] = url.netloc.decode()
            *others, last = await _checked_addresses(url)
            for address in others:
                with suppress(httpx.ConnectError):
                    return await _status(
                        client, url.copy_with(host=address), body, headers, {"sni_hostname": url.host}
                    )
            return await _status(client, url.copy_with(host=last), body, headers, {"sni_hostname": url.host})


async def _status(
    client: httpx.AsyncClient,
    url: httpx.URL,
    body: bytes,
    headers: dict[str, str],
    extensions: dict[str, str],
) -> int:
    """Posts and reads the status line. Leaving the block closes the connection with the reply unread."""
    async with client.stream("POST", url, content=body, headers=headers, extensions=extensions) as response:
        return response.status_code


async def _checked_addresses(url: httpx.URL) -> list[str]:
    """The addresses to connect to. They are looked up once, so that no second answer can differ from the
    checked one.
    """
    port = url.port or (443 if url.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if any(_forbidden(address) for address in addresses):
        raise DeliveryError("forbidden_address", retryable=False)
    return addresses


def _forbidden(text: str) -> bool:
    address = ipaddress.ip_address(text.split("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address) in METADATA or address.is_link_local or address.is_multicast or address.is_unspecified


def _code(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    if isinstance(error, socket.gaierror):
        return "unknown_host"
    if isinstance(error, httpx.ConnectError):
        return "tls" if _came_from_tls(error) else "connect"
    if isinstance(error, httpx.ProxyError):
        return "proxy"
    return "protocol"


def _came_from_tls(error: BaseException | None) -> bool:
    """Whether a failed handshake lies behind the error; the HTTP client calls it a failed connection."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
