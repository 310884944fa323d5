"""State read from an HTTP interface that answers in JSON, page by page."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Generator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator

from core.yamlfile import FileModel
from probes.controls import Control, Said
from probes.paged import Answered, PagedProbe, Reading
from probes.paging import Paginator, SinglePage, find
from probes.probe import Batch, Incremental, IncrementalProbe, ProbeError, Question, Texts, Window
from probes.tagged import untagged
from probes.texts import as_text, column_batch, columns_of, parse_time


class Endpoint(FileModel):
    """What is asked for below the base address, by `GET`, or by `POST` where a question is asked that way.

    A parameter with a list of values is sent once for each. `packed` are parameters whose value goes out as JSON
    in base64url. `json` is the body of a POST (a query language, a search). Texts of `packed` and `json` may hold
    `{cursor}` and `{window_end}`.
    """

    path: str = ""
    params: dict[str, SecretStr | tuple[SecretStr, ...]] = Field(default_factory=dict)
    packed: dict[str, Any] = Field(default_factory=dict)
    method: Literal["GET", "POST"] = "GET"
    json_body: Any = Field(default=None, alias="json")

    @model_validator(mode="after")
    def _body_of_a_post(self) -> Self:
        if (self.method == "POST") != (self.json_body is not None):
            raise ValueError("'method: POST' and the key 'json' go together")
        return self

    @field_validator("params", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: _as_text(item) for name, item in value.items()}

    @property
    def question(self) -> str:
        """All its texts that may hold `{cursor}` and `{window_end}`."""
        return f"{self.json_body}{self.packed}"

    def asked(self, values: Mapping[str, str]) -> dict[str, str | list[str]]:
        """The parameters as they go out, with `values` for what stands in braces."""
        return {name: _revealed(value) for name, value in self.params.items()} | {
            name: urlsafe_b64encode(json.dumps(filled(value, values)).encode()).decode()
            for name, value in self.packed.items()
        }


def _as_text(value: Any) -> Any:
    """YAML reads `limit: 5` as a number."""
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return str(value) if isinstance(value, int | float) else value


def _revealed(value: SecretStr | tuple[SecretStr, ...]) -> str | list[str]:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return [item.get_secret_value() for item in value]


class RestIncremental(Incremental):
    """The cursor goes out as parameter `param`, written as `template` says (FHIR: `ge{cursor}`).

    `format` of a time: `iso`, `date`, `epoch` (seconds) or `epoch_ms`. `end_param` gets the window's end.
    Without `param` it stands in what is `packed` or in the body of a POST.
    """

    param: str = Field(default="", validation_alias=AliasChoices("param", "start_param"))
    end_param: str = ""
    template: str = "{cursor}"
    format: Literal["iso", "date", "epoch", "epoch_ms"] = "iso"

    def params(self, window: Window, zone: ZoneInfo) -> dict[str, str]:
        asked = {self.param: self._written(window.cursor, zone)} if window.cursor else {}
        if self.end_param:
            asked[self.end_param] = self._moment(window.end, zone)
        return asked

    def asked(self, window: Window, zone: ZoneInfo) -> dict[str, str]:
        """What stands for `{cursor}` and `{window_end}`."""
        cursor = self._written(window.cursor, zone) if window.cursor else ""
        return {"cursor": cursor, "window_end": self._moment(window.end, zone)}

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


class RestProbe(PagedProbe, IncrementalProbe):
    """Requests to one host, answered in JSON. Keys are named like those of dlt's REST source.

    `data_selector` is the dotted path of the list of records (empty: the answer itself). Columns of `object`,
    `links` and `events` are dotted paths inside a record; `lines[*].no` is the list of what all of `lines` say.
    `type_key` is for sources whose values name their own type (`{"__class__": "date", "year": 2026, …}`): the key
    that holds the name. `where` names columns and the value or values they must have: other records are not the
    probe's. `lone_record`: where there is one record, it stands without a list. Links and redirects to other hosts are refused.
    """

    questions: ClassVar[tuple[Question, ...]] = (
        Question("client.base_url", "where the interface begins", "https://erp.example/api/v2"),
        Question("endpoint.path", "what is asked for below it", "orders"),
        Question(
            "data_selector", "dotted path of the list of records in an answer; empty: the answer itself"
        ),
    )

    kind: Literal["rest"]
    endpoint: Endpoint = Endpoint()
    paginator: Paginator = SinglePage(type="single")
    data_selector: str = ""
    type_key: str = ""
    where: dict[str, Texts] = Field(default_factory=dict)
    lone_record: bool = False
    incremental: RestIncremental | None = None
    controls: tuple[RestControl, ...] = ()

    @model_validator(mode="after")
    def _cursor_goes_out(self) -> Self:
        rule = self.incremental
        if rule and not rule.param and "{cursor}" not in self.endpoint.question:
            raise ValueError("'incremental' has a 'param', or {cursor} stands in endpoint.json or .packed")
        if rule and not rule.param and not rule.initial_value:
            raise ValueError("with {cursor} in the endpoint, 'incremental' needs an 'initial_value'")
        return self

    @property
    def bounded(self) -> bool:
        rule = self.incremental
        return bool(rule and (rule.end_param or "{window_end}" in self.endpoint.question))

    @property
    def loose(self) -> bool:
        return True

    @property
    def path(self) -> str:
        return self.endpoint.path

    def read(self, window: Window) -> Generator[Batch]:
        reading = self._reading(window)
        unseen, any_came = set(self.where), False
        with self.session(window, reading) as session:
            for answered in self.pages(session, reading, window.position):
                unseen -= {
                    name for name in unseen if any(find(row, name) is not None for row in answered.records)
                }
                page = replace(answered, records=self._own(answered.records))
                batch = self.batch(session, page, column_batch(self.columns, self._values(page.records)))
                yield replace(batch, said=self._said(page), schema=self._schema(page))
                any_came = any_came or bool(answered.records)
        if unseen and any_came:
            raise self._never_seen(min(unseen))

    def _own(self, records: list[Any]) -> list[Any]:
        if not self.where:
            return records
        return [record for record in records if self._is_own(record)]

    def _is_own(self, record: Any) -> bool:
        return all(as_text(self._value(record, name)) in wanted for name, wanted in self.where.items())

    def _never_seen(self, name: str) -> ProbeError:
        """A column of `where` that is misspelt would leave out everything, and everything would be gone."""
        return ProbeError(
            "column_missing",
            f"no record of {self.place} has {name!r}, which 'where' of probe {self.name} asks for",
        )

    def _values(self, records: list[Any]) -> list[list[Any]]:
        """The columns, record for record."""
        found = columns_of(records, self.columns)
        if not self.type_key:
            return found
        return [[untagged(value, self.type_key) for value in column] for column in found]

    def _value(self, record: Any, name: str) -> Any:
        found = find(record, name)
        return untagged(found, self.type_key) if self.type_key else found

    def _said(self, page: Answered) -> tuple[Said, ...]:
        found = [(number, find(page.body, c.path)) for number, c in enumerate(self.controls) if c.path]
        return tuple(Said(number, as_text(value) or "") for number, value in found if value is not None)

    def _schema(self, page: Answered) -> dict[str, str]:
        """The keys of the records, and those one deeper where the probe reads there."""
        rows = [record for record in page.records if isinstance(record, dict)]
        names = set().union(*rows)
        for head in {column.partition(".")[0] for column in self.columns if "." in column} & names:
            inner = [row[head] for row in rows if isinstance(row.get(head), dict)]
            names |= {f"{head}.{name}" for name in set().union(*inner)}
        names |= {
            column for column in self.columns if "[*]" in column and column.partition("[*]")[0] in names
        }
        return dict.fromkeys(sorted(names), "")

    def _reading(self, window: Window) -> Reading:
        asked = self.incremental.asked(window, ZoneInfo(self.timezone)) if self.incremental else {}
        params = self.endpoint.asked(asked)
        if self.incremental and self.incremental.param:
            params |= self.incremental.params(window, ZoneInfo(self.timezone))
        return Reading(
            params, self.paginator, self.data_selector, body=filled(self.endpoint.json_body, asked),
            lone=self.lone_record,
        )  # fmt: skip


def filled(body: Any, asked: Mapping[str, str]) -> Any:
    """The body with what stands in braces (`{cursor}`, `{window_end}`) replaced in its texts."""
    if isinstance(body, dict):
        return {name: filled(value, asked) for name, value in body.items()}
    if isinstance(body, list):
        return [filled(value, asked) for value in body]
    if isinstance(body, str):
        for name, value in asked.items():
            body = body.replace(f"{{{name}}}", value)
    return body
