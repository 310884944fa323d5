"""State read from an HTTP interface that answers GET with JSON, page by page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

import httpx
from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator

from core.findings import Finding
from core.yamlfile import FileModel, Parsed
from probes.controls import Control, Said
from probes.credentials import Client, OAuth2Auth
from probes.http import Session, certificates
from probes.network import IpNetwork
from probes.paging import Page, Paginator, SinglePage, find
from probes.probe import (
    Batch,
    Incremental,
    Origin,
    ProbeError,
    ProbeFile,
    Question,
    Window,
    as_text,
    parse_time,
    text_batch,
)


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


class RestControl(Control):
    """`path` is the dotted path of the number inside an answer; the last page that has it counts."""

    path: str = ""

    @model_validator(mode="after")
    def _asked(self) -> Self:
        return self.one_of("path", bool(self.path))


class RestProbe(ProbeFile):
    """GET requests to one host, answered in JSON. Keys are named like those of dlt's REST source.

    `data_selector` is the dotted path of the list of records (empty: the answer itself). Columns of `object`,
    `links` and `events` are dotted paths inside a record. Links and redirects to other hosts are refused.
    """

    questions: ClassVar[tuple[Question, ...]] = (
        Question("client.base_url", "where the interface begins", "https://erp.example/api/v2"),
        Question("endpoint.path", "what is asked for below it", "orders"),
        Question(
            "data_selector", "dotted path of the list of records in an answer; empty: the answer itself"
        ),
    )

    loose: ClassVar[bool] = True

    kind: Literal["rest"]
    client: Client
    endpoint: Endpoint = Endpoint()
    paginator: Paginator = SinglePage(type="single")
    data_selector: str = ""
    incremental: RestIncremental | None = None
    max_response_bytes: int = Field(default=50_000_000, ge=1)
    max_pages: int = Field(default=10_000, ge=1)
    controls: tuple[RestControl, ...] = ()

    @model_validator(mode="after")
    def _modes_fit(self) -> Self:
        if (self.mode == "incremental") != (self.incremental is not None):
            raise ValueError("'mode: incremental' and the key 'incremental' go together")
        return self

    @property
    def cursor_rule(self) -> Incremental | None:
        return self.incremental

    @property
    def bounded(self) -> bool:
        return bool(self.incremental and self.incremental.end_param)

    @property
    def url(self) -> httpx.URL:
        base = httpx.URL(self.client.base_url)
        path = self.endpoint.path.lstrip("/")
        return base.copy_with(path=f"{base.path.rstrip('/')}/{path}") if path else base

    @property
    def place(self) -> str:
        return str(self.url.copy_with(query=None))

    @property
    def hosts(self) -> tuple[tuple[str, int], ...]:
        auth = self.client.auth
        urls = [self.url, *([httpx.URL(auth.access_token_url)] if isinstance(auth, OAuth2Auth) else [])]
        return tuple((url.host, url.port or (443 if url.scheme == "https" else 80)) for url in urls)

    @property
    def networks(self) -> tuple[IpNetwork, ...]:
        return self.client.networks

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
                onward = position.text() if mark is not None else ""
                yield Batch(
                    self._rows(records),
                    origin,
                    position=onward,
                    source_time=session.source_time,
                    said=self._said(page.body),
                    schema=self._schema(records),
                )

    @contextmanager
    def _session(self, window: Window) -> Iterator[Session]:
        params = {name: value.get_secret_value() for name, value in self.endpoint.params.items()}
        if self.incremental:
            params |= self.incremental.params(window, ZoneInfo(self.timezone))
        timeout = httpx.Timeout(
            self.timeouts.read.total_seconds(), connect=self.timeouts.connect.total_seconds()
        )
        context = certificates(self.client.tls, self.place)
        # Nothing of the environment: no proxy that resolves names itself, no password from a .netrc.
        with httpx.Client(timeout=timeout, verify=context, trust_env=False) as http:
            yield Session(self.client, self.url, self.place, params, window, http, self.max_response_bytes)

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

    def _said(self, body: Any) -> tuple[Said, ...]:
        found = [(number, find(body, c.path)) for number, c in enumerate(self.controls) if c.path]
        return tuple(Said(number, as_text(value) or "") for number, value in found if value is not None)

    def _schema(self, records: list[Any]) -> dict[str, str]:
        """The keys of the records, and those one deeper where the probe reads there."""
        rows = [record for record in records if isinstance(record, dict)]
        names = set().union(*rows)
        for head in {column.partition(".")[0] for column in self.columns if "." in column} & names:
            inner = [row[head] for row in rows if isinstance(row.get(head), dict)]
            names |= {f"{head}.{name}" for name in set().union(*inner)}
        return dict.fromkeys(sorted(names), "")

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
