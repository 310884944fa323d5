"""Where an HTTP source is and how we present ourselves to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import httpx
from pydantic import Field, SecretStr, field_validator, model_validator

from core.yamlfile import FileModel
from probes.network import Networks


class BearerAuth(FileModel):
    """`Authorization: Bearer …`."""

    type: Literal["bearer"]
    token: SecretStr

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token.get_secret_value()}"}

    def params(self) -> dict[str, str]:
        return {}


class BasicAuth(FileModel):
    """User and password by HTTP Basic."""

    type: Literal["basic"]
    username: str
    password: SecretStr

    def headers(self) -> dict[str, str]:
        request = httpx.Request("GET", "http://basic")
        next(httpx.BasicAuth(self.username, self.password.get_secret_value()).auth_flow(request))
        return {"Authorization": request.headers["Authorization"]}

    def params(self) -> dict[str, str]:
        return {}


class ApiKeyAuth(FileModel):
    """A key in a header or, where the source has it so, in the query."""

    type: Literal["api_key"]
    name: str = "X-API-Key"
    api_key: SecretStr
    location: Literal["header", "query"] = "header"

    def headers(self) -> dict[str, str]:
        return {self.name: self.api_key.get_secret_value()} if self.location == "header" else {}

    def params(self) -> dict[str, str]:
        return {self.name: self.api_key.get_secret_value()} if self.location == "query" else {}


class OAuth2Auth(FileModel):
    """A token of `access_token_url` by client credentials, fetched once a run and again when it expires."""

    type: Literal["oauth2_client_credentials"]
    access_token_url: str
    client_id: str
    client_secret: SecretStr
    scopes: tuple[str, ...] = ()
    access_token_request_data: dict[str, SecretStr] = Field(default_factory=dict)

    @field_validator("access_token_url")
    @classmethod
    def _url_reads(cls, value: str) -> str:
        return _checked_url(value, "access_token_url")

    def form(self) -> dict[str, str]:
        data = {"grant_type": "client_credentials"}
        if self.scopes:
            data["scope"] = " ".join(self.scopes)
        return data | {
            name: value.get_secret_value() for name, value in self.access_token_request_data.items()
        }


Auth = Annotated[BearerAuth | BasicAuth | ApiKeyAuth | OAuth2Auth, Field(discriminator="type")]


class Tls(FileModel):
    """Certificates: who is trusted beside the system's authorities, and who we are (mutual TLS)."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if self.key_file and not self.cert_file:
            raise ValueError("'key_file' belongs to a 'cert_file'")
        return self


class Client(FileModel):
    """Where the source is and how we present ourselves.

    `networks`: the private addresses that the hosts named here may have. Public ones always may, and so may
    an address that stands in the URL itself.
    """

    base_url: str
    auth: Auth | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    tls: Tls = Tls()
    networks: Networks = ()

    @field_validator("base_url")
    @classmethod
    def _url_reads(cls, value: str) -> str:
        return _checked_url(value, "base_url")


def _checked_url(value: str, name: str) -> str:
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        raise ValueError(f"{name} is not a URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{name} begins with https:// or http:// and names a host")
    if url.userinfo:
        raise ValueError(f"{name} holds no user or password; write them under client.auth")
    return value
