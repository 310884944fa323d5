"""State read from an HTTP interface that answers GET with JSON, page by page."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import logging
import ssl
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import httpx
from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator

from core.findings import Finding
from core.yamlfile import FileModel, Parsed
from probes.paging import Ask, Page, Paginator, SinglePage, find
from probes.probe import Batch, Incremental, Origin, ProbeError, ProbeFile, Window, parse_time, text_batch

RETRYABLE = {408, 425, 429, 500, 502, 503, 504}
MAX_REDIRECTS = 5
MAX_TOKEN_BYTES = 100_000
# The address under which clouds hand out a machine's own credentials, where it is not link-local.
_METADATA = {ipaddress.ip_address("fd00:ec2::254")}


class _WithoutQuery(logging.Filter):
    """httpx logs every URL it asks for; what follows the question mark may be a key or a name."""

    def filter(self, record: logging.LogRecord) -> bool:
        given = record.args if isinstance(record.args, tuple) else ()
        record.args = tuple(a.copy_with(query=None) if isinstance(a, httpx.URL) else a for a in given)
        return True


logging.getLogger("httpx").addFilter(_WithoutQuery())


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
    """Where the source is and how we present ourselves."""

    base_url: str
    auth: Auth | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    tls: Tls = Tls()

    @field_validator("base_url")
    @classmethod
    def _url_reads(cls, value: str) -> str:
        return _checked_url(value, "base_url")


class Endpoint(FileModel):
    """What is asked for below the base address."""

    path: str = ""
    params: dict[str, SecretStr] = Field(default_factory=dict)

    @field_validator("params", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: str(item) if isinstance(item, int | float) else item for name, item in value.items()}


class RestIncremental(Incremental):
    """The cursor goes out as parameter `param`, written as `template` says (FHIR: `ge{cursor}`).

    `format` of a time: `iso`, `date`, `epoch` (seconds) or `epoch_ms`. `end_param` gets the window's end.
    """

    param: str = Field(validation_alias=AliasChoices("param", "start_param"))
    end_param: str = ""
    template: str = "{cursor}"
    format: Literal["iso", "date", "epoch", "epoch_ms"] = "iso"

    def params(self, window: Window, zone: ZoneInfo) -> dict[str, str]:
        asked = {self.param: self._written(window.cursor, zone)} if window.cursor else {}
        if self.end_param:
            asked[self.end_param] = self._moment(window.end, zone)
        return asked

    def _written(self, cursor: str, zone: ZoneInfo) -> str:
        text = self._moment(parse_time(cursor), zone) if self.timed else cursor
        return self.template.replace("{cursor}", text)

    def _moment(self, moment: datetime, zone: ZoneInfo) -> str:
        local = moment.astimezone(zone) if self.type == "local_time" else moment.astimezone(UTC)
        if self.format == "date":
            return local.date().isoformat()
        if self.format == "iso":
            text = local.replace(tzinfo=None).isoformat(timespec="milliseconds")
            return text if self.type == "local_time" else f"{text}Z"
        return str(int(moment.timestamp() * (1000 if self.format == "epoch_ms" else 1)))


class RestProbe(ProbeFile):
    """GET requests to one host, answered in JSON. Keys are named like those of dlt's REST source.

    `data_selector` is the dotted path of the list of records (empty: the answer itself). Columns of `object`,
    `links` and `events` are dotted paths inside a record. Links and redirects to other hosts are refused.
    """

    kind: Literal["rest"]
    client: Client
    endpoint: Endpoint = Endpoint()
    paginator: Paginator = SinglePage(type="single")
    data_selector: str = ""
    incremental: RestIncremental | None = None
    max_response_bytes: int = Field(default=50_000_000, ge=1)
    max_pages: int = Field(default=10_000, ge=1)

    @model_validator(mode="after")
    def _modes_fit(self) -> Self:
        if (self.mode == "incremental") != (self.incremental is not None):
            raise ValueError("'mode: incremental' and the key 'incremental' go together")
        return self

    @property
    def cursor_rule(self) -> Incremental | None:
        return self.incremental

    @property
    def url(self) -> httpx.URL:
        base = httpx.URL(self.client.base_url)
        path = self.endpoint.path.lstrip("/")
        return base.copy_with(path=f"{base.path.rstrip('/')}/{path}") if path else base

    @property
    def place(self) -> str:
        return str(self.url.copy_with(query=None))

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:
        """Certificate files stand beside the probe file; each must be there."""
        findings, placed = [], {}
        for name in ("ca_file", "cert_file", "key_file"):
            given = getattr(self.client.tls, name)
            if given is not None:
                placed[name] = file.parent / given
                if not placed[name].is_file():
                    findings.append(
                        parsed.finding(("client", "tls", name), f"file {str(given)!r} is not there")
                    )
        tls = self.client.tls.model_copy(update=placed)
        return self.model_copy(update={"client": self.client.model_copy(update={"tls": tls})}), findings

    def read(self, window: Window) -> Generator[Batch]:
        with self._session(window) as session:
            position = _Position.read(window.position, self.paginator.start())
            seen: set[str] = set()
            mark: str | None = position.mark
            while mark is not None:
                if position.number > self.max_pages:
                    raise ProbeError(
                        "too_many_pages", f"{self.place} has more than max_pages {self.max_pages} pages"
                    )
                page = session.page(self.paginator.ask(mark), position.number)
                records = self._records(page.body, position.number)
                self._no_loop(records, mark, seen)
                mark = self.paginator.following(mark, Page(page.body, len(records), page.links))
                origin = Origin(name=f"page {position.number}")
                position = position.then(mark)
                yield Batch(self._rows(records), origin, position=position.text() if mark is not None else "")

    @contextmanager
    def _session(self, window: Window) -> Iterator[_Session]:
        timeout = httpx.Timeout(
            self.timeouts.read.total_seconds(), connect=self.timeouts.connect.total_seconds()
        )
        with httpx.Client(timeout=timeout, verify=self._certificates(), follow_redirects=False) as http:
            yield _Session(self, window, http)

    def _certificates(self) -> ssl.SSLContext:
        context = httpx.create_ssl_context()
        tls = self.client.tls
        try:
            if tls.ca_file:
                context.load_verify_locations(cafile=tls.ca_file)
            if tls.cert_file:
                context.load_cert_chain(tls.cert_file, tls.key_file)
        except (OSError, ssl.SSLError):
            raise ProbeError(
                "bad_certificate", f"a certificate file of probe {self.name} cannot be used; check client.tls"
            ) from None
        return context

    def _records(self, body: Any, number: int) -> list[Any]:
        found = find(body, self.data_selector)
        if isinstance(found, list):
            return found
        where = f"at data_selector {self.data_selector!r}" if self.data_selector else "(set data_selector)"
        raise ProbeError(
            "no_records", f"page {number} of {self.place} has no list of records {where}", retryable=False
        )

    def _rows(self, records: list[Any]) -> Any:
        return text_batch(self.columns, ([find(record, name) for name in self.columns] for record in records))

    def _no_loop(self, records: list[Any], mark: str, seen: set[str]) -> None:
        """A server that ignores its paging parameter would otherwise be asked for ever."""
        marks = {f"mark {mark}"}
        if records:
            marks.add(hashlib.sha256(json.dumps(records, sort_keys=True).encode()).hexdigest())
        if marks & seen:
            raise ProbeError(
                "paging_loop",
                f"{self.place} gave the same page twice; check the paginator of probe {self.name}, "
                "and give total_path if the source repeats its last page",
            )
        seen |= marks


@dataclass(frozen=True)
class _Position:
    """The page to ask for next, so that another try goes on there."""

    number: int
    mark: str

    @classmethod
    def read(cls, text: str, start: str) -> _Position:
        return cls(**json.loads(text)) if text else cls(1, start)

    def then(self, mark: str | None) -> _Position:
        return _Position(self.number + 1, mark or "")

    def text(self) -> str:
        return json.dumps({"number": self.number, "mark": self.mark})


@dataclass
class _Answer:
    status: int
    body: Any
    links: Mapping[str, str]
    location: str = ""


@dataclass
class _Session:
    """One run's conversation with one host."""

    probe: RestProbe
    window: Window
    http: httpx.Client
    _token: str = field(default="", repr=False)

    def page(self, ask: Ask, number: int) -> _Answer:
        """The answer to one page; an expired token is renewed once."""
        url = self._url(ask)
        what = f"page {number} of {self.probe.place}"
        answer = self._followed(url, what)
        if answer.status == HTTPStatus.UNAUTHORIZED and self._token:
            self._token = ""
            answer = self._followed(url, what)
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ProbeError(
                "auth_failed",
                f"{what} was refused with status {answer.status}; check client.auth of the probe",
            )
        return answer

    def _url(self, ask: Ask) -> httpx.URL:
        auth = self.probe.client.auth
        secret = auth.params() if auth and not isinstance(auth, OAuth2Auth) else {}
        if ask.link:
            url = self.probe.url.join(ask.link)
            self._same_host(url, "link to the next page")
            return url.copy_merge_params(secret)
        params = {name: value.get_secret_value() for name, value in self.probe.endpoint.params.items()}
        if self.probe.incremental:
            params |= self.probe.incremental.params(self.window, ZoneInfo(self.probe.timezone))
        return self.probe.url.copy_merge_params(params | dict(ask.params) | secret)

    def _same_host(self, url: httpx.URL, what: str) -> None:
        own = self.probe.url
        if (url.scheme, url.host, url.port) != (own.scheme, own.host, own.port) or url.userinfo:
            raise ProbeError(
                "other_host",
                f"{self.probe.place} sent a {what} that leads to another host; "
                "if that host is right, put it into client.base_url",
            )

    def _followed(self, url: httpx.URL, what: str) -> _Answer:
        for _ in range(MAX_REDIRECTS):
            answer = self._get(url, what)
            if not answer.location:
                return answer
            url = url.join(answer.location)
            self._same_host(url, "redirect")
        raise ProbeError("redirects", f"{what} was redirected more than {MAX_REDIRECTS} times")

    def _get(self, url: httpx.URL, what: str) -> _Answer:
        headers = {"Accept": "application/json"} | self._auth_headers()
        headers |= {name: value.get_secret_value() for name, value in self.probe.client.headers.items()}
        with self._explained(what), self._sent("GET", url, headers=headers) as response:
            if response.is_redirect:
                return _Answer(response.status_code, None, {}, response.headers.get("Location", ""))
            if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                return _Answer(response.status_code, None, {})
            _raise_for_status(response, what)
            links = {name: link.get("url", "") for name, link in response.links.items()}
            return _Answer(
                response.status_code,
                _json(self._body(response, what, self.probe.max_response_bytes), what),
                links,
            )

    def _sent(self, method: str, url: httpx.URL, **rest: Any) -> Any:
        return self.http.stream(method, url, extensions={"trace": _refuse_forbidden_peer}, **rest)

    def _body(self, response: httpx.Response, what: str, limit: int) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            self.window.check(what)
            if len(body) > limit:
                raise ProbeError(
                    "too_large", f"{what} is larger than max_response_bytes {limit}; ask for smaller pages"
                )
        return bytes(body)

    def _auth_headers(self) -> dict[str, str]:
        auth = self.probe.client.auth
        if auth is None:
            return {}
        if not isinstance(auth, OAuth2Auth):
            return auth.headers()
        self._token = self._token or self._fetched_token(auth)
        return {"Authorization": f"Bearer {self._token}"}

    def _fetched_token(self, auth: OAuth2Auth) -> str:
        url = httpx.URL(auth.access_token_url)
        what = f"the token of {url.copy_with(query=None)}"
        login = httpx.BasicAuth(auth.client_id, auth.client_secret.get_secret_value())
        with self._explained(what), self._sent("POST", url, data=auth.form(), auth=login) as response:
            if response.status_code in (400, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise ProbeError(
                    "auth_failed",
                    f"{what} was refused with status {response.status_code}; check client_id and secret",
                )
            _raise_for_status(response, what)
            token = find(_json(self._body(response, what, MAX_TOKEN_BYTES), what), "access_token")
        if not isinstance(token, str) or not token:
            raise ProbeError("auth_failed", f"{what} came without access_token; check access_token_url")
        return token

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turns httpx errors into ours; `from None` because their text may hold a URL with a key in it."""
        try:
            yield
        except httpx.ConnectTimeout:
            raise ProbeError(
                "unreachable",
                f"{what}: no connection within timeouts.connect; check host, port and firewall",
                retryable=True,
            ) from None
        except httpx.TimeoutException:
            raise ProbeError(
                "timeout", f"{what}: no bytes within timeouts.read; it is tried again", retryable=True
            ) from None
        except httpx.ConnectError as error:
            raise _no_connection(error, what) from None
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.DecodingError):
            raise ProbeError("cut_off", f"{what} was cut off; it is tried again", retryable=True) from None
        except httpx.HTTPError as error:
            raise ProbeError("http_error", f"{what} failed: {type(error).__name__}") from None


def _no_connection(error: httpx.ConnectError, what: str) -> ProbeError:
    if "CERTIFICATE" in str(error).upper() or "SSL" in str(error).upper():
        return ProbeError(
            "tls_refused",
            f"{what}: the server's certificate is not trusted (expired, wrong host or unknown authority); "
            "name its authority in client.tls.ca_file",
        )
    return ProbeError(
        "unreachable",
        f"{what}: no connection; check that it runs, that host and port are right and the firewall",
        retryable=True,
    )


def _raise_for_status(response: httpx.Response, what: str) -> None:
    status = response.status_code
    if status < 300:
        return
    if status in RETRYABLE:
        wait = _retry_after(response.headers)
        code = "rate_limited" if status == HTTPStatus.TOO_MANY_REQUESTS else "source_error"
        asked = f" and asks to wait {wait:.0f} s" if wait is not None else ""
        text = f"{what} answered with status {status}{asked}; it is tried again"
        raise ProbeError(code, text, retryable=True, retry_after=wait)
    if status == HTTPStatus.NOT_FOUND:
        raise ProbeError(
            "not_found",
            f"{what} is not there (status 404); check endpoint.path; "
            "if it is past the last page, give the paginator a total_path",
        )
    raise ProbeError("http_status", f"{what} answered with status {status}; check endpoint.params")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from a number, or from a date compared with the source's own clock; None when unreadable."""
    text = headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        until, since = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("Date", ""))
        return max(0.0, (until - since).total_seconds())
    except (ValueError, TypeError):
        return None


def _json(body: bytes, what: str) -> Any:
    """JSON with numbers kept as they are written: money does not become a float."""
    try:
        return json.loads(body, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        raise ProbeError("not_json", f"{what} is not valid JSON; it is tried again", retryable=True) from None


def _refuse_forbidden_peer(event: str, info: Mapping[str, Any]) -> None:
    """Looks at the address really connected to, before a byte is sent: a name may point anywhere by now."""
    if event != "connection.connect_tcp.complete":
        return
    peer = info["return_value"].get_extra_info("server_addr")
    if forbidden_peer(peer[0]):
        raise ProbeError(
            "forbidden_address",
            "the host of the probe resolves to a link-local, metadata or multicast address; "
            "check its name service",
        )


def forbidden_peer(address: str) -> bool:
    """Whether `address` is one no business system lives at: link-local, cloud metadata, multicast, none."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in _METADATA


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
