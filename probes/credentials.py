"""Where an HTTP source is and how we present ourselves to it."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import httpx
from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from core.findings import Finding
from core.yamlfile import FileModel, Parsed
from probes.network import Networks

# How long a signed assertion is good; authorisation servers refuse longer ones.
ASSERTION_S = 300


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


class TokenAuth(FileModel, ABC):
    """A token of `access_token_url` for this client, fetched once a run and again when it expires.

    With `revocation_url` it is given back when the run ends, so that none pile up (RFC 7009).
    """

    access_token_url: str
    revocation_url: str = ""
    client_id: str
    scopes: tuple[str, ...] = ()
    grant: ClassVar[str] = "client_credentials"
    access_token_request_data: dict[str, SecretStr] = Field(default_factory=dict)

    @field_validator("access_token_url", "revocation_url")
    @classmethod
    def _url_reads(cls, value: str, info: ValidationInfo) -> str:
        return _checked_url(value, info.field_name or "") if value else value

    @abstractmethod
    def login(self) -> dict[str, str]:
        """Headers of the token request."""

    def form(self, now: datetime) -> dict[str, str]:  # noqa: ARG002 - some proofs are dated
        """What the token request says. Raises ValueError when it cannot be made."""
        data = {"grant_type": self.grant}
        if self.scopes:
            data["scope"] = " ".join(self.scopes)
        return data | {
            name: value.get_secret_value() for name, value in self.access_token_request_data.items()
        }


class OAuth2Auth(TokenAuth):
    """Client credentials: an id and a secret."""

    type: Literal["oauth2_client_credentials"]
    client_secret: SecretStr

    def login(self) -> dict[str, str]:
        login = BasicAuth(type="basic", username=self.client_id, password=self.client_secret)
        return login.headers()


class OAuth2JwtAuth(TokenAuth):
    """Client credentials proven by a signature (`private_key_jwt`), as SMART Backend Services wants it.

    `private_key` is a PEM text, `algorithm` one that fits it, `key_id` the name under which the server knows
    the public key. The assertion is for `audience` (default: `access_token_url`) and holds five minutes
    (RFC 7523 §3; HL7 SMART App Launch 2.2, Client Authentication: Asymmetric). `claims` says more in it, where
    a server looks there (NetSuite: `scope`); none of its own claims can be replaced.
    """

    type: Literal["oauth2_jwt_assertion"]
    private_key: SecretStr
    key_id: str = ""
    algorithm: Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"] = (
        "RS384"
    )
    audience: str = ""
    claims: dict[str, str] = Field(default_factory=dict)

    def login(self) -> dict[str, str]:
        return {}

    def form(self, now: datetime) -> dict[str, str]:
        return super().form(now) | {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self._assertion(now),
        }

    def _assertion(self, now: datetime) -> str:
        try:
            import jwt
        except ImportError:
            raise ValueError("PyJWT is not installed; install tieout[jwt]") from None
        claims = self.claims | {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience or self.access_token_url,
            "iat": int(now.timestamp()),
            "exp": int(now.timestamp()) + ASSERTION_S,
            "jti": uuid.uuid4().hex,
        }
        named = {"kid": self.key_id} if self.key_id else None
        try:
            return jwt.encode(claims, self.private_key.get_secret_value(), self.algorithm, headers=named)
        except (ValueError, TypeError, jwt.PyJWTError):
            raise ValueError(
                f"private_key is no PEM text of a key for {self.algorithm}; check client.auth"
            ) from None


class OAuth2PasswordAuth(TokenAuth):
    """The password of a user, where the server gives tokens for nothing else (RFC 6749 §4.3). A client without
    a secret names itself in the form (§3.2.1)."""

    type: Literal["oauth2_password"]
    username: str
    password: SecretStr
    client_secret: SecretStr | None = None
    grant: ClassVar[str] = "password"

    def login(self) -> dict[str, str]:
        if self.client_secret is None:
            return {}
        return BasicAuth(type="basic", username=self.client_id, password=self.client_secret).headers()

    def form(self, now: datetime) -> dict[str, str]:
        client = {"client_id": self.client_id} if self.client_secret is None else {}
        user = {"username": self.username, "password": self.password.get_secret_value()}
        return client | user | super().form(now)


class OAuth2RefreshAuth(TokenAuth):
    """A token that somebody was given once, exchanged for one that is good for an hour or so (RFC 6749 §6).

    Id and secret go in the form (§2.3.1). A newer refresh token that comes with the answer is not kept, since
    nothing here keeps secrets: a server that takes the old one no more cannot be read this way.
    """

    type: Literal["oauth2_refresh_token"]
    refresh_token: SecretStr
    client_secret: SecretStr | None = None
    grant: ClassVar[str] = "refresh_token"

    def login(self) -> dict[str, str]:
        return {}

    def form(self, now: datetime) -> dict[str, str]:
        secret = {"client_secret": self.client_secret.get_secret_value()} if self.client_secret else {}
        client = {"client_id": self.client_id, "refresh_token": self.refresh_token.get_secret_value()}
        return client | secret | super().form(now)


class SessionAuth(FileModel):
    """A form at `login_path`, below the base address, opens a session; its cookies go out with every request.

    The session is closed at `logout_path` when the run ends, so that none pile up.
    """

    type: Literal["session"]
    login_path: str
    username: str
    password: SecretStr
    username_field: str = "username"
    password_field: str = "password"  # noqa: S105 - the name of a field
    logout_path: str = ""

    def form(self) -> dict[str, str]:
        return {
            self.username_field: self.username,
            self.password_field: self.password.get_secret_value(),
        }


Auth = Annotated[
    BearerAuth
    | BasicAuth
    | ApiKeyAuth
    | OAuth2Auth
    | OAuth2JwtAuth
    | OAuth2PasswordAuth
    | OAuth2RefreshAuth
    | SessionAuth,
    Field(discriminator="type"),
]


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

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:
        """With paths relative to the probe file made absolute, and what is wrong with them."""
        findings, placed = [], {}
        for name in ("ca_file", "cert_file", "key_file"):
            given = getattr(self, name)
            if given is not None:
                placed[name] = file.parent / given
                if not placed[name].is_file():
                    findings.append(
                        parsed.finding(("client", "tls", name), f"file {str(given)!r} is not there")
                    )
        return self.model_copy(update=placed), findings


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
