"""State read from an OData service, version 2 (SAP Gateway) or 4."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal, Self
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import httpx
from pydantic import Field, SecretStr, field_validator, model_validator

from probes.http import Session
from probes.paged import Answered, PagedProbe, Reading
from probes.paging import JsonLinkPages, OffsetPages, Page, Paginator, find
from probes.probe import (
    BadLine,
    Batch,
    Incremental,
    IncrementalProbe,
    ProbeError,
    Question,
    Texts,
    Window,
    parse_time,
    text_batch,
)

REMOVED = "@removed"
# OData 2.0, JSON Format §4: milliseconds since 1970, and for a DateTimeOffset the minutes from UTC.
_DATE = re.compile(r"/Date\((-?\d+)([+-]\d+)?\)/$")
# Keys of an entity inside its address: Orders('4711') or Lines(Order='4711',Position=10).
_KEYS = re.compile(r"\((?P<keys>[^()]*(?:'(?:[^']|'')*'[^()]*)*)\)$")
_ONE_KEY = re.compile(r"(?:(?P<name>\w+)=)?(?:[a-z]*'(?P<text>(?:[^']|'')*)'|(?P<plain>[^,']+))(?:,|$)")
_NAME = re.compile(r"\w+$")
# A link that the source takes no longer; the same request from the beginning tells what else may be wrong.
_OUTDATED = {"gone", "not_found", "http_status"}


class OdataIncremental(Incremental):
    """The cursor goes into `$filter` as `cursor_path ge …`, written as the property's type wants it.

    `literal`: `datetimeoffset` (a time with zone), `datetime` (version 2, without), `date`, `number`, `text`.
    """

    literal: Literal["datetimeoffset", "datetime", "date", "number", "text", ""] = ""

    def condition(self, cursor: str, version: int, zone: ZoneInfo) -> str:
        """`changedAt ge 2026-01-31T00:00:00Z`, as the version writes it; empty without a cursor."""
        return (
            f"{self.cursor_path.replace('.', '/')} ge {self._literal(cursor, version, zone)}"
            if cursor
            else ""
        )

    def _literal(self, cursor: str, version: int, zone: ZoneInfo) -> str:
        kind = self.literal or {"time": "datetimeoffset", "local_time": "datetime"}.get(self.type, self.type)
        if kind == "number":
            return cursor
        if kind == "text":
            return f"""'{cursor.replace("'", "''")}'"""
        moment = parse_time(cursor)
        local = (moment.astimezone(zone) if self.type == "local_time" else moment.astimezone(UTC)).replace(
            tzinfo=None
        )
        if kind == "date":
            return (
                f"datetime'{local.date().isoformat()}T00:00:00'" if version == 2 else local.date().isoformat()
            )
        seconds = local.isoformat(timespec="milliseconds" if local.microsecond else "seconds")
        if version == 2:
            return f"datetime'{seconds}'" if kind == "datetime" else f"datetimeoffset'{seconds}Z'"
        return f"{seconds}Z"


class OdataProbe(PagedProbe, IncrementalProbe):
    """An entity set of an OData service. Columns are property names; `to_Supplier.Name` is one of an expanded
    entity.

    `select` is what the columns need, unless the file says it. `mode: delta` keeps the delta link of the source
    and asks for changes with it; removed entities become deleted states. A link that is no longer taken makes a
    full reading. `count`: the source says how many records there are, and fewer are not believed. `paging`: `link`
    follows the source's own links, `skip` asks with `$top` and `$skip` and needs `orderby`.
    """

    questions: ClassVar[tuple[Question, ...]] = (
        Question(
            "client.base_url", "where the service begins", "https://erp.example/sap/opu/odata/sap/SERVICE"
        ),
        Question("entity_set", "which of its entity sets", "A_PurchaseOrder"),
        Question("version", "2 or 4", "2"),
    )

    kind: Literal["odata"]
    version: Literal[2, 4] = 4
    entity_set: str
    mode: Literal["full", "incremental", "delta"] = "full"  # type: ignore[assignment]  # one more; frozen
    select: tuple[str, ...] | None = None
    filter: str = ""
    expand: tuple[str, ...] = ()
    orderby: tuple[str, ...] = ()
    sap_client: str = Field(default="", pattern=r"^\d{0,3}$")
    params: dict[str, SecretStr] = Field(default_factory=dict)
    paging: Literal["link", "skip"] = "link"
    page_size: int | None = Field(default=None, ge=1)
    count: bool = False
    incremental: OdataIncremental | None = None
    deleted_when: dict[str, Texts] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _removed_is_deleted(cls, data: Any) -> Any:
        """What a delta calls removed is deleted, where the file names no column of its own for it."""
        state = data.get("object") if isinstance(data, dict) else None
        told = isinstance(data, dict) and (data.get("mode") == "delta" or data.get("deleted_when"))
        if not told or not isinstance(state, dict) or state.get("deleted"):
            return data
        return {**data, "object": {**state, "deleted": REMOVED}}

    @field_validator("select", "expand", "orderby", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("sap_client", mode="before")
    @classmethod
    def _three_digits(cls, value: Any) -> Any:
        return f"{value:03}" if isinstance(value, int) else value

    @field_validator("params", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: str(item) if isinstance(item, int | float) else item for name, item in value.items()}

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        if self.paging == "skip" and not (self.orderby and self.page_size):
            raise ValueError(
                "'paging: skip' needs 'page_size', and 'orderby' with a property that never changes"
            )
        if self.paging == "skip" and self.mode == "delta":
            raise ValueError("'mode: delta' follows the links of the source; leave out 'paging'")
        return self

    @property
    def own_cursor(self) -> bool:
        return self.mode == "delta"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*super().columns, *self.deleted_when)))

    @property
    def path(self) -> str:
        return self.entity_set

    def read(self, window: Window) -> Generator[Batch]:
        if self.mode == "delta":
            yield from self._changes(window)
            return
        reading = self._reading(window.cursor)
        with self.session(window, reading) as session:
            for page in self.pages(session, reading, window.position):
                yield self._batch(session, page)

    def _changes(self, window: Window) -> Iterator[Batch]:
        """From the delta link of the last run on; all of it when there is none, or when the source takes it no longer."""
        at = _DeltaPosition.of(window.position, self._kept_link(window.cursor))
        came = False
        try:
            for batch in self._from(at, window):
                came = True
                yield batch
        except ProbeError as error:
            if error.code not in _OUTDATED or not at.at_the_link or came:
                raise
            yield from self._from(_DeltaPosition(whole=True, link="", at=""), window)

    def _from(self, at: _DeltaPosition, window: Window) -> Iterator[Batch]:
        reading = self._reading("", link=at.link)
        link = ""
        with self.session(window, reading) as session:
            for page in self.pages(session, reading, at.at):
                link = self._delta_link(page.body)
                onward = at.onward(page.onward) if page.onward else ""
                batch = self._batch(session, page, onward)
                if not page.onward:
                    self._link_came(link)
                    kept = f"{self._fingerprint}={self._public(link)}"
                    batch = replace(batch, cursor=kept, whole=at.whole)
                yield batch

    def _link_came(self, link: str) -> None:
        if not link:
            raise ProbeError(
                "no_delta_link",
                f"{self.place} gives no delta link, so it does not track changes; use mode: full or incremental",
            )

    def _delta_link(self, body: Any) -> str:
        found = find(body, "@odata.deltaLink" if self.version == 4 else "d.__delta")
        return _here(found, self.url) if isinstance(found, str) and found else ""

    def _public(self, link: str) -> str:
        """The link without what we have added to it ourselves: it is kept, and credentials are not."""
        auth = self.client.auth
        url = self.url.join(link)
        for name in getattr(auth, "params", dict)() if auth else {}:
            url = url.copy_remove_param(name)
        return str(url)

    def _kept_link(self, cursor: str) -> str:
        """The link the last run kept, if it answers the question this file asks."""
        fingerprint, _, link = cursor.partition("=")
        return link if fingerprint == self._fingerprint else ""

    @property
    def _fingerprint(self) -> str:
        asked = {**self._query(""), "at": str(self.url)}
        return f"delta {hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]}"

    def _reading(self, cursor: str, link: str = "") -> Reading:
        paginator: Paginator = _Linked(
            type="json_link",
            next_url_path="@odata.nextLink" if self.version == 4 else "d.__next",
            first=link,
            own=str(self.url),
        )
        if self.paging == "skip":
            paginator = OffsetPages(
                type="offset", limit=self.page_size or 1, offset_param="$skip", limit_param="$top"
            )
        return Reading(
            {
                **self._query(cursor),
                **{name: value.get_secret_value() for name, value in self.params.items()},
            },
            paginator,
            records_at="value" if self.version == 4 else "d.results",
            count_path=("@odata.count" if self.version == 4 else "d.__count")
            if self.count and not link
            else "",
            headers=self._headers(),
            explain=_error_code,
        )

    def _headers(self) -> Mapping[str, str]:
        wishes = ["odata.track-changes"] if self.mode == "delta" else []
        if self.page_size and self.paging == "link":
            wishes.append(f"odata.maxpagesize={self.page_size}")
        versions = {"OData-MaxVersion": "4.0"} if self.version == 4 else {"MaxDataServiceVersion": "2.0"}
        return versions | ({"Prefer": ",".join(wishes)} if wishes else {})

    def _query(self, cursor: str) -> dict[str, str]:
        rule = self.incremental
        condition = rule.condition(cursor, self.version, ZoneInfo(self.timezone)) if rule else ""
        both = [f"({self.filter})" if condition else self.filter] if self.filter else []
        asked = {
            "$filter": " and ".join([*both, *([condition] if condition else [])]),
            "$select": ",".join(self._selected()),
            "$expand": ",".join(self.expand),
            "$orderby": ",".join(self.orderby),
            "sap-client": self.sap_client,
            "$format": "json" if self.version == 2 else "",
        }
        if self.count:
            asked |= {"$count": "true"} if self.version == 4 else {"$inlinecount": "allpages"}
        return {name: value for name, value in asked.items() if value}

    def _selected(self) -> tuple[str, ...]:
        """The properties the columns begin with; version 2 selects what it expands as well."""
        if self.select is not None:
            return self.select
        expanded = {re.split(r"[(/]", name)[0] for name in self.expand}
        heads = dict.fromkeys(column.split(".")[0] for column in self.columns)
        return tuple(
            name for name in heads if _NAME.match(name) and (self.version == 2 or name not in expanded)
        )

    def _batch(self, session: Session, page: Answered, onward: str | None = None) -> Batch:
        rows, bad = [], []
        for number, record in enumerate(page.records, start=1):
            if _is_link(record):
                continue  # a changed relationship; the entities at its ends come by themselves
            row = self._row(record)
            if row is None:
                bad.append(BadLine(number, "a removed entity whose address has no usable key"))
            else:
                rows.append(row)
        batch = self.batch(session, page, text_batch(self.columns, rows))
        return replace(batch, bad_lines=tuple(bad), position=page.onward if onward is None else onward)

    def _row(self, record: Any) -> list[Any] | None:
        if _is_removed(record):
            return self._removed_row(record)
        values = [_plain(find(record, column)) if column != REMOVED else None for column in self.columns]
        if self._says_deleted(record):
            values[self.columns.index(self.object.deleted)] = "true"
        return values

    def _says_deleted(self, record: Any) -> bool:
        return any(str(find(record, column)) in values for column, values in self.deleted_when.items())

    def _removed_row(self, record: dict[str, Any]) -> list[Any] | None:
        """Key and deletion, from the properties that came with it or from the entity's address."""
        keys = {name: find(record, name) for name in self.object.key}
        if any(value is None for value in keys.values()):
            keys = _keys_of(
                str(record.get("@id") or record.get("@odata.id") or record.get("id") or ""), tuple(keys)
            )
        if any(value is None for value in keys.values()):
            return None
        values = {**keys, self.object.deleted: "true"}
        return [values.get(column) for column in self.columns]


class _Linked(JsonLinkPages):
    """Links of the source, from a given one on."""

    first: str = ""
    own: str

    def start(self) -> str:
        return self.first

    def following(self, mark: str, page: Page) -> str | None:
        link = super().following(mark, page)
        return _here(link, httpx.URL(self.own)) if link else None


def _here(link: str, own: httpx.URL) -> str:
    """The link at the address we ask. Behind a gateway, services write links with a host of their own, and what
    matters in them is the query; nothing is ever sent to that host."""
    try:
        there = own.join(link)
    except httpx.InvalidURL:
        return link
    same = (there.scheme, there.host, there.port) == (own.scheme, own.host, own.port)
    return link if same or not there.query else str(own.copy_with(query=there.query))


@dataclass(frozen=True)
class _DeltaPosition:
    """Where a reading of changes is: from which link, on which page, and whether it began at the beginning."""

    whole: bool
    link: str
    at: str

    @classmethod
    def of(cls, text: str, link: str) -> _DeltaPosition:
        return cls(**json.loads(text)) if text else cls(whole=not link, link=link, at="")

    @property
    def at_the_link(self) -> bool:
        return bool(self.link) and not self.at

    def onward(self, at: str) -> str:
        return json.dumps({"whole": self.whole, "link": self.link, "at": at})


def _is_removed(record: Any) -> bool:
    """Deleted, or changed so that it is no longer in the result (OData JSON Format 4.01 §15.3, 4.0 §15.2)."""
    if not isinstance(record, dict):
        return False
    return REMOVED in record or "@odata.removed" in record or _context(record).endswith("/$deletedEntity")


def _is_link(record: Any) -> bool:
    return isinstance(record, dict) and _context(record).endswith(("/$link", "/$deletedLink"))


def _context(record: dict[str, Any]) -> str:
    return str(record.get("@odata.context") or record.get("@context") or "")


def _keys_of(address: str, names: tuple[str, ...]) -> dict[str, str | None]:
    """The key properties inside the address of an entity, None for those it does not name."""
    given: dict[str, str] = {}
    found = _KEYS.search(unquote(address))
    for one in _ONE_KEY.finditer(found["keys"]) if found else ():
        value = one["plain"] if one["text"] is None else one["text"].replace("''", "'")
        given[one["name"] or ""] = value.strip()
    if len(names) == 1 and "" in given:
        return {names[0]: given[""]}
    return {name: given.get(name) for name in names}


def _plain(value: Any) -> Any:
    """A value of a record; times of version 2 become readable, and stay without zone where they have none."""
    found = _DATE.match(value) if isinstance(value, str) else None
    if found is None:
        return (
            value["results"] if isinstance(value, dict) and isinstance(value.get("results"), list) else value
        )
    moment = datetime(1970, 1, 1) + timedelta(milliseconds=int(found[1]))
    return f"{moment.isoformat()}Z" if found[2] else moment.isoformat()


def _error_code(body: Any) -> str:
    """The code of an OData error; its message may quote data."""
    code = find(body, "error.code")
    return f"error {code}" if isinstance(code, str) and re.fullmatch(r"[\w./:-]{1,60}", code) else ""
