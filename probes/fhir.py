"""State read from a FHIR R4 server: resources by search, or every version of them by history."""

from __future__ import annotations

import re
from collections.abc import Generator
from datetime import UTC
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from core.duration import Duration
from core.yamlfile import FileModel
from probes.paged import Answered, PagedProbe, Reading
from probes.paging import JsonLinkPages, find
from probes.probe import BadLine, Batch, Incremental, ProbeError, Question, Window, parse_time, text_batch

DELETED = "@deleted"
CURSOR = "meta.lastUpdated"
# Elements that name or describe a person; they are never asked for, and never read if they come.
PERSONAL = {
    "Patient": {
        "name", "telecom", "address", "birthDate", "photo", "contact", "text", "communication", "maritalStatus",
        "gender", "multipleBirthBoolean", "multipleBirthInteger", "deceasedBoolean", "deceasedDateTime",
    },
    "Person": {"name", "telecom", "address", "birthDate", "photo", "text", "gender"},
    "RelatedPerson": {"name", "telecom", "address", "birthDate", "photo", "text", "gender"},
    "Practitioner": {"name", "telecom", "address", "birthDate", "photo", "text", "gender"},
}  # fmt: skip
EVERYWHERE = {"text", "contained", "note", "display"}
_ELEMENT = re.compile(r"[A-Za-z]\w*")
_ISSUE = re.compile(r"[a-z-]{1,40}$")


class FhirIncremental(FileModel):
    """Resources that were updated since the last run, by `_lastUpdated` or `_since`; `overlap` is read again."""

    overlap: Duration | None = None
    initial_value: str = ""


class FhirProbe(PagedProbe):
    """One type of resource. Columns are dotted paths inside it; only elements they name are asked for.

    `from: search` reads what there is now; `from: history` (with `mode: incremental`) every version since the
    last run, deleted ones too. Elements that name a person are refused. `count` is how many a page. `total`:
    the server says how many there are, and fewer are not believed. `elements: false` leaves out `_elements` and
    `_format`, for a server that takes no parameters beside those it documents.
    """

    questions: ClassVar[tuple[Question, ...]] = (
        Question("client.base_url", "where the FHIR server begins", "https://fhir.example/r4"),
        Question("resource", "type of resource", "Claim"),
    )

    kind: Literal["fhir"]
    resource: str = Field(pattern=r"^[A-Z][A-Za-z]+$")
    source: Literal["search", "history"] = Field(default="search", alias="from")
    params: dict[str, SecretStr] = Field(default_factory=dict)
    count: int = Field(default=200, ge=1)
    total: bool = False
    elements: bool = True
    incremental: FhirIncremental | None = None

    @model_validator(mode="before")
    @classmethod
    def _history_says_deleted(cls, data: Any) -> Any:
        state = data.get("object") if isinstance(data, dict) else None
        if not isinstance(data, dict) or data.get("from") != "history" or not isinstance(state, dict):
            return data
        # Versions come the newest first, so their order is in their times alone.
        told = {"deleted": state.get("deleted") or DELETED, "valid_from": state.get("valid_from") or CURSOR}
        return {**data, "object": {**state, **told}}

    @field_validator("params", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: str(item) if isinstance(item, int | float) else item for name, item in value.items()}

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        if (self.mode == "incremental") != (self.incremental is not None):
            raise ValueError("'mode: incremental' and the key 'incremental' go together")
        if self.source == "history" and self.mode != "incremental":
            raise ValueError("'from: history' tells of changes, so it needs 'mode: incremental'")
        return self

    @model_validator(mode="after")
    def _nobody_named(self) -> Self:
        for column in self.columns:
            parts = set(column.split("."))
            if parts & EVERYWHERE or column.split(".")[0] in PERSONAL.get(self.resource, set()):
                raise ValueError(f"{column} may name or describe a person; leave it out")
        return self

    @property
    def cursor_rule(self) -> Incremental | None:
        rule = self.incremental
        if rule is None:
            return None
        return Incremental(cursor_path=CURSOR, overlap=rule.overlap, initial_value=rule.initial_value)

    @property
    def path(self) -> str:
        return f"{self.resource}/_history" if self.source == "history" else self.resource

    def read(self, window: Window) -> Generator[Batch]:
        reading = self._reading(window)
        seen: set[str] = set()
        with self.session(window, reading) as session:
            for page in self.pages(session, reading, window.position):
                self._bundle(page.body, page.number)
                rows, bad = self._rows(page, seen)
                found = self.batch(session, page, text_batch(self.columns, rows))
                yield Batch(
                    found.records, found.origin, position=found.position, source_time=found.source_time,
                    bad_lines=tuple(bad),
                )  # fmt: skip

    def _reading(self, window: Window) -> Reading:
        asked = {"_count": str(self.count)} | ({"_format": "json"} if self.elements else {})
        since = ""
        if window.cursor:
            moment = parse_time(window.cursor).astimezone(UTC)
            since = f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
        if self.source == "search":
            asked |= {"_elements": ",".join(self._elements())} if self.elements else {}
            asked |= {"_lastUpdated": f"ge{since}"} if since else {}
            asked |= {"_total": "accurate"} if self.total else {}
        elif since:
            asked["_since"] = since
        params = {name: value.get_secret_value() for name, value in self.params.items()}
        return Reading(
            {**params, **asked},
            JsonLinkPages(type="json_link", next_url_path="link[relation=next].url"),
            records_at="entry",
            count_path="total" if self.total and self.source == "search" else "",
            headers={"Accept": "application/fhir+json"},
            explain=_issues,
            none_is_empty=True,
        )

    def _elements(self) -> list[str]:
        """The elements the columns begin with; the server adds id and meta by itself or not, so they are named."""
        heads = [column.split(".")[0].split("[")[0] for column in self.columns]
        return list(dict.fromkeys(["id", "meta", *(head for head in heads if _ELEMENT.fullmatch(head))]))

    def _bundle(self, body: Any, number: int) -> None:
        if not isinstance(body, dict) or body.get("resourceType") != "Bundle":
            raise ProbeError(
                "no_bundle", f"page {number} of {self.place} is no FHIR Bundle; check client.base_url"
            )

    def _rows(self, page: Answered, seen: set[str]) -> tuple[list[list[Any]], list[BadLine]]:
        rows, bad = [], []
        for number, entry in enumerate(page.records, start=1):
            kind = find(entry, "search.mode")
            if kind == "outcome":
                bad.append(
                    BadLine(
                        number, f"the server has a remark on the search: {_issues(find(entry, 'resource'))}"
                    )
                )
            elif kind != "include" and not self._superseded(entry, seen):
                rows.append(self._row(entry))
        return rows, bad

    def _superseded(self, entry: Any, seen: set[str]) -> bool:
        """Whether it is a deletion without a time, of something that a newer version on this way brought back."""
        if self.source == "search":
            return False
        name = _id_of(str(find(entry, "request.url") or find(entry, "fullUrl") or "")) or ""
        known = name in seen
        seen.add(name)
        return known and find(entry, "request.method") == "DELETE" and self._deleted_at(entry) is None

    def _deleted_at(self, entry: Any) -> Any:
        return find(entry, "response.lastModified") or find(entry, "resource.meta.lastUpdated")

    def _row(self, entry: Any) -> list[Any]:
        if find(entry, "request.method") == "DELETE":
            gone = {
                "id": _id_of(str(find(entry, "request.url") or find(entry, "fullUrl") or "")),
                CURSOR: self._deleted_at(entry),
                self.object.deleted: "true",
            }
            return [gone.get(column) for column in self.columns]
        resource = find(entry, "resource")
        return [find(resource, column) if column != DELETED else None for column in self.columns]


def _id_of(url: str) -> str | None:
    """`Claim/17/_history/3` is about 17."""
    parts = [part for part in url.split("?")[0].split("/_history")[0].split("/") if part]
    return parts[-1] if len(parts) > 1 else None


def _issues(body: Any) -> str:
    """Severity and code of each issue of an OperationOutcome; its diagnostics may quote data."""
    issues = find(body, "issue")
    told = [
        f"{issue.get('severity')} {issue.get('code')}"
        for issue in (issues if isinstance(issues, list) else [])
        if isinstance(issue, dict)
        and all(_ISSUE.match(str(issue.get(name, ""))) for name in ("severity", "code"))
    ]
    return ", ".join(dict.fromkeys(told[:5]))
