"""How a REST source hands out its records page by page, and how to find a value inside an answer.

A page is asked for by a short text, its mark: an offset, a number, a cursor or a link.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from core.yamlfile import FileModel

_NUMBER = re.compile(r"\d+$")
_WHERE = re.compile(r"(?P<name>[^\[\]]+)\[(?P<key>[^=\]]+)=(?P<value>[^\]]*)\]$")


@dataclass(frozen=True)
class Page:
    """An answer: its body, how many records were in it, the links of its `Link` header, its headers."""

    body: Any
    count: int
    links: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Ask:
    """What to ask for: parameters on the endpoint's own path, or a whole link from the source."""

    params: Mapping[str, str]
    link: str = ""


class SinglePage(FileModel):
    """Everything comes in one answer."""

    type: Literal["single"]

    def start(self) -> str:
        return ""

    def ask(self, mark: str) -> Ask:  # noqa: ARG002 - every paginator is asked the same way
        return Ask({})

    def following(self, mark: str, page: Page) -> str | None:  # noqa: ARG002
        return None


class OffsetPages(FileModel):
    """`offset` and `limit`. Ends at the total in `total_path`, when `has_more_path` says so, or at the first
    page without records.

    A short page is not the end: many servers give fewer records than they are asked for.
    """

    type: Literal["offset"]
    limit: int = Field(default=500, ge=1)
    offset_param: str = "offset"
    limit_param: str = "limit"
    total_path: str = ""
    has_more_path: str = ""

    def start(self) -> str:
        return "0"

    def ask(self, mark: str) -> Ask:
        return Ask({self.offset_param: mark, self.limit_param: str(self.limit)})

    def following(self, mark: str, page: Page) -> str | None:
        reached = int(mark) + page.count
        total = whole_number(page.body, self.total_path)
        ended = (
            page.count == 0 or (total is not None and reached >= total) or _no_more(page, self.has_more_path)
        )
        return None if ended else str(reached)


class NumberedPages(FileModel):
    """Numbered pages. Ends at the number of pages in `total_path`, when `has_more_path` says so, or at the
    first page without records. With `page_size`, so many records a page are asked for."""

    type: Literal["page_number"]
    base_page: int = Field(default=1, ge=0)
    page_param: str = "page"
    total_path: str = ""
    has_more_path: str = ""
    page_size: int | None = Field(default=None, ge=1)
    page_size_param: str = "page_size"

    def start(self) -> str:
        return str(self.base_page)

    def ask(self, mark: str) -> Ask:
        size = {self.page_size_param: str(self.page_size)} if self.page_size else {}
        return Ask({self.page_param: mark} | size)

    def following(self, mark: str, page: Page) -> str | None:
        total = whole_number(page.body, self.total_path)
        last = total is not None and int(mark) - self.base_page + 1 >= total
        ended = page.count == 0 or last or _no_more(page, self.has_more_path)
        return None if ended else str(int(mark) + 1)


class JsonLinkPages(FileModel):
    """The body holds the link to the next page.

    OData: `next_url_path: "@odata.nextLink"`. FHIR: `next_url_path: "link[relation=next].url"`.
    """

    type: Literal["json_link"]
    next_url_path: str = "next"

    def start(self) -> str:
        return ""

    def ask(self, mark: str) -> Ask:
        return Ask({}, mark)

    def following(self, mark: str, page: Page) -> str | None:  # noqa: ARG002
        link = find(page.body, self.next_url_path)
        return link if isinstance(link, str) and link else None


class HeaderLinkPages(FileModel):
    """The `Link` header holds the link to the next page."""

    type: Literal["header_link"]
    links_next_key: str = "next"

    def start(self) -> str:
        return ""

    def ask(self, mark: str) -> Ask:
        return Ask({}, mark)

    def following(self, mark: str, page: Page) -> str | None:  # noqa: ARG002
        return page.links.get(self.links_next_key) or None


class JsonCursorPages(FileModel):
    """The body holds a cursor that is sent back to get the next page."""

    type: Literal["json_cursor"]
    cursor_path: str = "cursors.next"
    cursor_param: str = "cursor"

    def start(self) -> str:
        return ""

    def ask(self, mark: str) -> Ask:
        return Ask({self.cursor_param: mark} if mark else {})

    def following(self, mark: str, page: Page) -> str | None:  # noqa: ARG002
        cursor = find(page.body, self.cursor_path)
        return str(cursor) if cursor not in (None, "", False) else None


class HeaderCursorPages(FileModel):
    """A header of the answer holds a cursor that is sent back to get the next page."""

    type: Literal["header_cursor"]
    cursor_key: str
    cursor_param: str = "cursor"

    def start(self) -> str:
        return ""

    def ask(self, mark: str) -> Ask:
        return Ask({self.cursor_param: mark} if mark else {})

    def following(self, mark: str, page: Page) -> str | None:  # noqa: ARG002
        return page.headers.get(self.cursor_key) or None


Paginator = Annotated[
    SinglePage
    | OffsetPages
    | NumberedPages
    | JsonLinkPages
    | HeaderLinkPages
    | JsonCursorPages
    | HeaderCursorPages,
    Field(discriminator="type"),
]


def find(body: Any, path: str) -> Any:
    """What stands at a dotted path, or None. A key may hold dots itself (`@odata.nextLink`); in a list,
    a number picks an item, `link[relation=next]` the first item with that value, and `lines[*].no` is the list
    of what stands at `no` in each item of `lines`."""
    if not path:
        return body
    if isinstance(body, dict) and path in body:
        return body[path]
    if "[*]" in path:
        return _each(body, path)
    if isinstance(body, list):
        head, _, rest = path.partition(".")
        return find(body[int(head)], rest) if _NUMBER.match(head) and int(head) < len(body) else None
    if not isinstance(body, dict):
        return None
    for cut in (at for at, letter in enumerate(path) if letter == "."):
        inner = _inner(body, path[:cut])
        if inner is not None:
            return find(inner, path[cut + 1 :])
    return _inner(body, path)


def _each(body: Any, path: str) -> list[Any] | None:
    head, _, rest = path.partition("[*]")
    items = find(body, head)
    if not isinstance(items, list):
        return None
    found = [find(item, rest.removeprefix(".")) for item in items]
    if "[*]" in rest:
        return [one for inner in found if inner for one in inner]
    return [one for one in found if one is not None]


def whole_number(body: Any, path: str) -> int | None:
    """The number at `path`, or None when the path is empty or holds something else."""
    found = str(find(body, path)) if path else ""
    return int(found) if _NUMBER.match(found) else None


def _no_more(page: Page, path: str) -> bool:
    """Whether the answer says itself that it was the last page."""
    return bool(path) and as_flag(find(page.body, path)) is False


def as_flag(value: Any) -> bool | None:
    """A flag as sources write it: true, "true", 1, "Y"; None when it says neither yes nor no."""
    text = str(value).strip().lower() if value is not None else ""
    if text in ("true", "1", "y", "yes", "x"):
        return True
    return False if text in ("false", "0", "n", "no") else None


def _inner(body: dict[str, Any], name: str) -> Any:
    if name in body:
        return body[name]
    where = _WHERE.match(name)
    items = body.get(where["name"]) if where else None
    if where is None or not isinstance(items, list):
        return None
    return next(
        (item for item in items if isinstance(item, dict) and item.get(where["key"]) == where["value"]), None
    )
