"""One conversation with one HTTP host: credentials, redirects, limits, and what each failure means."""

from __future__ import annotations

import json
import logging
import ssl
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx

from probes.credentials import Client, SessionAuth, Tls, TokenAuth
from probes.network import permitted
from probes.paging import Ask, find
from probes.probe import ProbeError, Window

RETRYABLE = {408, 425, 429, 500, 502, 503, 504}
MAX_REDIRECTS = 5
MAX_TOKEN_BYTES = 100_000
MAX_REFUSAL_BYTES = 100_000
# Deeper than any record of business; what walks an answer by recursion must come to its end.
MAX_DEPTH = 64


class _WithoutQuery(logging.Filter):
    """httpx logs every URL it asks for; what follows the question mark may be a key or a name."""

    def filter(self, record: logging.LogRecord) -> bool:
        given = record.args if isinstance(record.args, tuple) else ()
        record.args = tuple(a.copy_with(query=None) if isinstance(a, httpx.URL) else a for a in given)
        return True


logging.getLogger("httpx").addFilter(_WithoutQuery())
# It tells the headers of every answer, cookies and addresses of redirects among them.
logging.getLogger("httpcore").setLevel(logging.INFO)
# And this one whole messages.
logging.getLogger("zeep").setLevel(logging.INFO)


@dataclass
class Answer:
    """What came back: status, decoded body, links of the header, or where a redirect leads."""

    status: int
    body: Any
    links: Mapping[str, str]
    location: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """What came back, not decoded."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    encoding: str = "utf-8"


@dataclass
class Session:
    """One run's conversation with one host. `place` names it in messages, `params` go out with every page.

    `headers` too; with a `body`, pages are asked for by POST. `explain` says a word on a refusal from its
    body. `source_time` is what the clock of the source showed in its last answer (UTC), if it said so.
    """

    client: Client
    url: httpx.URL
    place: str
    params: Mapping[str, str | list[str]]
    window: Window
    http: httpx.Client
    max_bytes: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    explain: Callable[[Any], str] | None = None
    source_time: datetime | None = None
    # A token, or the cookies of a session.
    _token: str = field(default="", repr=False)
    _addresses: dict[tuple[str, int], list[str]] = field(default_factory=dict)

    def page(self, ask: Ask, number: int) -> Answer:
        """The answer to one page; an expired token is renewed once. Raises ProbeError."""
        url = self._address(ask)
        what = f"page {number} of {self.place}"
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

    def _address(self, ask: Ask) -> httpx.URL:
        auth = self.client.auth
        secret = auth.params() if auth and not isinstance(auth, TokenAuth | SessionAuth) else {}
        if ask.link:
            link = self._joined(self.url, ask.link, "link to the next page")
            return _spaced(link.copy_merge_params(secret)) if secret else link
        return _spaced(self.url.copy_merge_params({**self.params, **ask.params, **secret}))

    def _joined(self, url: httpx.URL, link: str, what: str) -> httpx.URL:
        """Where a link leads, if that is the host we talk to: a token never leaves for another place."""
        try:
            joined = url.join(link)
        except httpx.InvalidURL:
            raise ProbeError("bad_link", f"{self.place} sent a {what} that is no address") from None
        own = self.url
        if (joined.scheme, joined.host, joined.port) != (own.scheme, own.host, own.port) or joined.userinfo:
            raise ProbeError(
                "other_host",
                f"{self.place} sent a {what} that leads to another host; "
                "if that host is right, put it into client.base_url",
            )
        return joined

    def _followed(self, url: httpx.URL, what: str) -> Answer:
        for _ in range(MAX_REDIRECTS):
            answer = self._get(url, what)
            if not answer.location:
                return answer
            url = self._joined(url, answer.location, "redirect")
        raise ProbeError("redirects", f"{what} was redirected more than {MAX_REDIRECTS} times")

    def _get(self, url: httpx.URL, what: str) -> Answer:
        headers = {"Accept": "application/json", **self.headers} | self._auth_headers()
        headers |= self._own_headers()
        how: dict[str, Any] = (
            {"method": "GET"} if self.body is None else {"method": "POST", "json": self.body}
        )
        with self._explained(what), self._sent(url=url, headers=headers, **how) as response:
            if response.is_redirect:
                return Answer(response.status_code, None, {}, response.headers.get("Location", ""))
            if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                return Answer(response.status_code, None, {})
            _raise_for_status(response, what, self._hint(response, what))
            links = {str(name): link.get("url", "") for name, link in response.links.items()}
            return Answer(
                response.status_code,
                _json(self._body(response, what, self.max_bytes), what),
                links,
                headers=response.headers,
            )

    def exchange(
        self, method: str, link: str, what: str, headers: Mapping[str, str], content: bytes | None
    ) -> Raw:
        """An answer as it came, for protocols whose refusals are messages of their own. Raises ProbeError."""
        url = self._joined(self.url, link, "reference")
        sent = {**headers, **self._auth_headers(), **self._own_headers()}
        with self._explained(what), self._sent(method, url, sent, content=content) as response:
            status, kind = response.status_code, response.headers.get("Content-Type", "")
            no_login = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
            if no_login or response.is_redirect or (status >= 300 and "xml" not in kind):
                self._refused(response, what)
            return Raw(response.status_code, response.headers, self._body(response, what, self.max_bytes))

    def _refused(self, response: httpx.Response, what: str) -> None:
        if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ProbeError(
                "auth_failed",
                f"{what} was refused with status {response.status_code}; check client.auth of the probe",
                retryable=isinstance(self.client.auth, TokenAuth),
            )
        if response.is_redirect:
            raise ProbeError(
                "redirects", f"{what} was redirected; write the address it leads to into client.base_url"
            )
        _raise_for_status(response, what)

    def _hint(self, response: httpx.Response, what: str) -> str:
        """What the body of a refusal says, as far as it can be told without quoting it."""
        if self.explain is None or response.status_code < 400:
            return ""
        try:
            said = self.explain(_json(self._body(response, what, MAX_REFUSAL_BYTES), what))
        except ProbeError:
            return ""
        return f" ({said})" if said else ""

    @contextmanager
    def _sent(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], **rest: Any
    ) -> Iterator[httpx.Response]:
        """Talks to the address the name had when this run began, under the name; the next one if it is down."""
        self.window.turn()
        addresses = self._pinned(url)
        # Of all codings the one whose size can be bounded while it is unpacked.
        headers = {**headers, "Host": url.netloc.decode("ascii"), "Accept-Encoding": "gzip"}
        named = {"sni_hostname": url.raw_host.decode("ascii")}
        while True:
            to = url.copy_with(host=addresses[0])
            request = self.http.build_request(method, to, headers=headers, extensions=named, **rest)
            try:
                response = self.http.send(request, stream=True)
                break
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if len(addresses) == 1:
                    raise
                addresses.pop(0)
        self.source_time = _date(response.headers) or self.source_time
        try:
            yield response
        finally:
            response.close()

    def _pinned(self, url: httpx.URL) -> list[str]:
        port = url.port or (443 if url.scheme == "https" else 80)
        at = (url.host, port)
        if at not in self._addresses:
            wait_s = min(self.http.timeout.connect or 10.0, self.window.left())
            allowed = (*self.client.networks, *self.window.networks)
            self._addresses[at] = permitted(url.host, port, allowed, wait_s, self.place)
        return self._addresses[at]

    def _body(self, response: httpx.Response, what: str, limit: int) -> bytes:
        body = bytearray()
        for chunk in _unpacked(response, what, limit):
            body += chunk
            self.window.check(what)
            if len(body) > limit:
                raise ProbeError(
                    "too_large", f"{what} is larger than max_response_bytes {limit}; ask for smaller pages"
                )
        return bytes(body)

    def _auth_headers(self) -> dict[str, str]:
        auth = self.client.auth
        if auth is None:
            return {}
        if isinstance(auth, SessionAuth):
            self._token = self._token or self._opened(auth)
            return {"Cookie": self._token}
        if not isinstance(auth, TokenAuth):
            return auth.headers()
        self._token = self._token or self._fetched_token(auth)
        return {"Authorization": f"Bearer {self._token}"}

    def _fetched_token(self, auth: TokenAuth) -> str:
        url = httpx.URL(auth.access_token_url)
        what = f"the token of {url.copy_with(query=None)}"
        asked = {"Accept": "application/json"} | auth.login()
        try:
            form = auth.form(self.window.moment())
        except ValueError as error:
            raise ProbeError("auth_failed", f"{what} cannot be asked for: {error}") from None
        with self._explained(what), self._sent("POST", url, asked, data=form) as response:
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

    def _opened(self, auth: SessionAuth) -> str:
        """The cookies of a new session."""
        what, url = f"the login of {self.place}", below(self.client.base_url, auth.login_path)
        with self._explained(what), self._posted(url, self._own_headers(), data=auth.form()) as response:
            if response.status_code in (400, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise ProbeError(
                    "auth_failed",
                    f"{what} was refused with status {response.status_code}; check user and password",
                )
            # Many a form leads on to a page for people.
            if not response.is_redirect:
                _raise_for_status(response, what)
            cookies = [cookie.partition(";")[0] for cookie in response.headers.get_list("Set-Cookie")]
        if not cookies:
            raise ProbeError("auth_failed", f"{what} opened no session; check login_path, user and password")
        return "; ".join(cookies)

    def leave(self) -> None:
        """Closes the session, or gives the token back. That it could not be done is no failure of the run."""
        auth, given = self.client.auth, self._token
        with suppress(ProbeError, httpx.HTTPError):
            if given and isinstance(auth, SessionAuth) and auth.logout_path:
                url = below(self.client.base_url, auth.logout_path)
                with self._posted(url, {"Cookie": given, **self._own_headers()}):
                    self._token = ""
            if given and isinstance(auth, TokenAuth) and auth.revocation_url:
                asked = auth.login() or {"Authorization": f"Bearer {given}"}
                form = {"token": given, "client_id": auth.client_id}
                with self._posted(httpx.URL(auth.revocation_url), asked, data=form):
                    self._token = ""

    def _posted(
        self, url: httpx.URL, headers: Mapping[str, str], **rest: Any
    ) -> AbstractContextManager[httpx.Response]:
        return self._sent("POST", url, {"Accept": "application/json", **headers}, **rest)

    def _own_headers(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in self.client.headers.items()}

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
            # A port that waits for TLS hangs up on whoever speaks without it.
            hint = "" if self.url.scheme == "https" else " (if that port speaks TLS, write https://)"
            raise ProbeError(
                "cut_off", f"{what} was cut off{hint}; it is tried again", retryable=True
            ) from None
        except httpx.HTTPError as error:
            raise ProbeError("http_error", f"{what} failed: {type(error).__name__}") from None


def below(base_url: str, path: str) -> httpx.URL:
    """The address of `path` below the base address."""
    base, inner = httpx.URL(base_url), path.lstrip("/")
    return base.copy_with(path=f"{base.path.rstrip('/')}/{inner}") if inner else base


def _spaced(url: httpx.URL) -> httpx.URL:
    """With `%20` for a space: the `+` of HTML forms is a plus elsewhere, in OData for one."""
    return url.copy_with(query=url.query.replace(b"+", b"%20")) if url.query else url


def _no_connection(error: httpx.ConnectError, what: str) -> ProbeError:
    if "WRONG_VERSION_NUMBER" in str(error) or "RECORD_LAYER_FAILURE" in str(error):
        return ProbeError(
            "tls_refused",
            f"{what}: that port speaks no TLS; check the port, the port for https is another one",
        )
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


def _raise_for_status(response: httpx.Response, what: str, hint: str = "") -> None:
    status = response.status_code
    if status < 300:
        return
    if status in RETRYABLE:
        wait = _retry_after(response.headers)
        code = "rate_limited" if status == HTTPStatus.TOO_MANY_REQUESTS else "source_error"
        asked = f" and asks to wait {wait:.0f} s" if wait is not None else ""
        text = f"{what} answered with status {status}{hint}{asked}; it is tried again"
        raise ProbeError(code, text, retryable=True, retry_after=wait)
    if status == HTTPStatus.NOT_FOUND:
        raise ProbeError(
            "not_found",
            f"{what} is not there (status 404){hint}; check client.base_url and the path below it; "
            "if it is past the last page, give the paginator a total_path",
        )
    if status == HTTPStatus.GONE:
        raise ProbeError("gone", f"{what} is there no more (status 410){hint}; it is read from the beginning")
    raise ProbeError(
        "http_status", f"{what} answered with status {status}{hint}; check what the probe asks for"
    )


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
        found = json.loads(body, parse_float=str, parse_int=str, parse_constant=_no_number)
    except ValueError:
        raise ProbeError("not_json", f"{what} is not valid JSON; it is tried again", retryable=True) from None
    except RecursionError:
        raise _too_deep(what) from None
    level = [found]
    for _ in range(MAX_DEPTH):
        inner = [
            item.values() if type(item) is dict else item for item in level if type(item) in (dict, list)
        ]
        level = [item for items in inner for item in items if type(item) in (dict, list)]
        if not level:
            return found
    raise _too_deep(what)


def _too_deep(what: str) -> ProbeError:
    return ProbeError("too_deep", f"{what} nests values more than {MAX_DEPTH} deep; no business record does")


def _no_number(text: str) -> Any:
    """NaN and Infinity are not JSON."""
    raise ValueError(text)


def _unpacked(response: httpx.Response, what: str, limit: int) -> Iterator[bytes]:
    """The body in small pieces, however far a piece of it unpacks."""
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding == "identity":
        yield from response.iter_raw()
        return
    if coding not in ("gzip", "x-gzip"):
        raise ProbeError(
            "http_error", f"{what} came in a coding that was not asked for; only gzip is unpacked"
        )
    unpacker = zlib.decompressobj(wbits=31)
    try:
        for chunk in response.iter_raw():
            waiting = chunk
            while piece := unpacker.decompress(waiting, min(limit + 1, 1_000_000)):
                yield piece
                waiting = unpacker.unconsumed_tail
    except zlib.error:
        raise httpx.DecodingError("not gzip") from None
    if not unpacker.eof or unpacker.unused_data:
        raise httpx.DecodingError("not one whole gzip stream")


def _date(headers: Mapping[str, str]) -> datetime | None:
    try:
        moment = parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def certificates(tls: Tls, place: str) -> ssl.SSLContext:
    """Whom we trust and who we are. TLS 1.2 or newer, certificates always checked. Raises ProbeError."""
    context = httpx.create_ssl_context()
    try:
        if tls.ca_file:
            context.load_verify_locations(cafile=tls.ca_file)
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ssl.SSLError):
        raise ProbeError(
            "bad_certificate", f"a certificate file for {place} cannot be used; check client.tls"
        ) from None
    return context
