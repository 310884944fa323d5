"""What the kinds that read JSON over HTTP, page by page, have in common."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import httpx
import orjson
from pydantic import Field

from core.findings import Finding
from core.yamlfile import Parsed
from probes.credentials import Client, TokenAuth
from probes.http import Session, below, certificates
from probes.network import IpNetwork
from probes.paging import Page, Paginator, find, whole_number
from probes.probe import Batch, Origin, ProbeError, ProbeFile, Window


@dataclass(frozen=True)
class Reading:
    """How pages are asked for: first parameters, headers, a body for POST, and where things stand in an answer.

    `count_path` leads to the number of records the source says there are. `explain` gives a word or two on a
    refusal from its body, never text that may quote data. `lone`: one record may stand there without a list.
    """

    params: Mapping[str, str | list[str]]
    paginator: Paginator
    records_at: str = ""
    count_path: str = ""
    headers: Mapping[str, str] | None = None
    body: Any = None
    explain: Callable[[Any], str] | None = None
    none_is_empty: bool = False
    lone: bool = False


@dataclass(frozen=True)
class Answered:
    """One page: its body, its records, and where another try would go on (empty: it was the last)."""

    number: int
    body: Any
    records: list[Any]
    onward: str


class PagedProbe(ProbeFile):
    """Requests to one host, answered in JSON. Links and redirects to other hosts are refused."""

    client: Client
    max_response_bytes: int = Field(default=50_000_000, ge=1)
    max_pages: int = Field(default=10_000, ge=1)

    @property
    def path(self) -> str:
        """What is asked for below the base address."""
        return ""

    @property
    def url(self) -> httpx.URL:
        return below(self.client.base_url, self.path)

    @property
    def place(self) -> str:
        return str(self.url.copy_with(query=None))

    @property
    def hosts(self) -> tuple[tuple[str, int], ...]:
        auth = self.client.auth
        urls = [self.url, *([httpx.URL(auth.access_token_url)] if isinstance(auth, TokenAuth) else [])]
        return tuple((url.host, url.port or (443 if url.scheme == "https" else 80)) for url in urls)

    @property
    def networks(self) -> tuple[IpNetwork, ...]:
        return self.client.networks

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:
        """Certificate files stand beside the probe file; each must be there."""
        tls, findings = self.client.tls.located(file, parsed)
        return self.model_copy(update={"client": self.client.model_copy(update={"tls": tls})}), findings

    @contextmanager
    def session(self, window: Window, reading: Reading) -> Iterator[Session]:
        """A conversation with the host, for one try. Raises ProbeError."""
        timeout = httpx.Timeout(
            self.timeouts.read.total_seconds(), connect=self.timeouts.connect.total_seconds()
        )
        context = certificates(self.client.tls, self.place)
        # Nothing of the environment: no proxy that resolves names itself, no password from a .netrc.
        with httpx.Client(timeout=timeout, verify=context, trust_env=False) as http:
            session = Session(
                self.client, self.url, self.place, reading.params, window, http, self.max_response_bytes,
                headers=reading.headers or {}, body=reading.body, explain=reading.explain,
            )  # fmt: skip
            try:
                yield session
            finally:
                session.leave()

    def pages(self, session: Session, reading: Reading, position: str) -> Iterator[Answered]:
        """The answers from `position` on. Raises ProbeError, also when fewer records came than were announced."""
        at = _Position.of(position, reading.paginator.start())
        seen: set[str] = set()
        mark: str | None = at.mark
        while mark is not None:
            if at.number > self.max_pages:
                raise ProbeError(
                    "too_many_pages", f"{self.place} has more than max_pages {self.max_pages} pages"
                )
            page = session.page(reading.paginator.ask(mark), at.number)
            records = self._records(page.body, at.number, reading)
            self.no_loop(records, mark, seen)
            mark = reading.paginator.following(mark, Page(page.body, len(records), page.links, page.headers))
            at = at.counted(len(records), whole_number(page.body, reading.count_path))
            if mark is None:
                self._all_came(at)
            onward = at.then(mark).text() if mark is not None else ""
            yield Answered(at.number, page.body, records, onward)
            at = at.then(mark)

    def batch(self, session: Session, page: Answered, rows: Any) -> Batch:
        """The rows of a page as a batch."""
        origin = Origin(name=f"page {page.number}")
        return Batch(rows, origin, position=page.onward, source_time=session.source_time)

    def _records(self, body: Any, number: int, reading: Reading) -> list[Any]:
        found = find(body, reading.records_at)
        if isinstance(found, list):
            return found
        if isinstance(found, dict) and reading.lone:
            return [found]
        none = reading.none_is_empty or (reading.lone and reading.records_at.partition(".")[0] in body)
        if found is None and isinstance(body, dict) and none:
            return []
        where = f"at data_selector {reading.records_at!r}" if reading.records_at else "(set data_selector)"
        raise ProbeError(
            "no_records", f"page {number} of {self.place} has no list of records {where}", retryable=False
        )

    def no_loop(self, records: list[Any], mark: str, seen: set[str]) -> None:
        """A server that ignores its paging parameter would otherwise be asked for ever."""
        marks = {f"mark {mark}"}
        if records:
            marks.add(_fingerprint(records))
        if marks & seen:
            raise ProbeError(
                "paging_loop",
                f"{self.place} gave the same page twice; check the paginator of probe {self.name}, "
                "and give total_path if the source repeats its last page",
            )
        seen |= marks

    def _all_came(self, at: _Position) -> None:
        if at.announced is not None and at.read < at.announced:
            raise ProbeError(
                "count_mismatch",
                f"{self.place} announced {at.announced} records and gave {at.read}; nothing is concluded from it, "
                "and the next run reads it again",
            )


def _fingerprint(records: list[Any]) -> str:
    """The same for the same records, whatever the order of their keys."""
    try:
        content = orjson.dumps(records, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:  # half of a surrogate pair
        content = json.dumps(records, sort_keys=True, default=str).encode()
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class _Position:
    """The page to ask for next, so that another try goes on there; records so far, and how many were announced."""

    number: int
    mark: str
    read: int = 0
    announced: int | None = None

    @classmethod
    def of(cls, text: str, start: str) -> _Position:
        return cls(**json.loads(text)) if text else cls(1, start)

    def counted(self, records: int, announced: int | None) -> _Position:
        """The first page says how many there are; later ones may know better, but the reading began there."""
        known = self.announced if self.announced is not None else announced
        return replace(self, read=self.read + records, announced=known)

    def then(self, mark: str | None) -> _Position:
        return replace(self, number=self.number + 1, mark=mark or "")

    def text(self) -> str:
        return json.dumps(asdict(self))
