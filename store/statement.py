"""What a statement is and touches, told by the engine's own parser: its kind, tables, functions, settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Node = dict[str, Any]
Names = tuple[str, ...]

_BLANK = rb"\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/"
_QUOTED = rb"'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|\"(?:[^\"\\]|\\.|\"\")*\""
_TOKEN = re.compile(rb"(?P<blank>%b)|(?P<quoted>%b)|(?P<word>\w+)|(?P<sign>.)" % (_BLANK, _QUOTED), re.DOTALL)
# The data begins after the first line end behind the name of the format, else after the blanks.
_BEFORE_DATA = re.compile(rb"[ \t\f]*\r?\n?")

# The parser's JSON form lacks these three; what follows the words is what may follow SELECT … FROM.
_ABOUT_A_TABLE = re.compile(
    r"(?P<kind>DESCRIBE TABLE|(?:EXISTS|SHOW CREATE) (?:TABLE|VIEW|DICTIONARY|DATABASE)) (?P<rest>.+)$",
    re.DOTALL,
)


@dataclass(frozen=True)
class Insert:
    """Where the statement of an INSERT ends and where its data begins, in bytes."""

    head: int
    data: int


@dataclass(frozen=True)
class Facts:
    """What one statement does. `text` is the engine's own writing of it, and what is run.

    `tables` and `target` hold names in parts; a part `{x}` stands for the identifier parameter x.
    `settings` are those of the outermost query, `inner_settings` the names of all others.
    `trouble` says what in it no role may do, or is empty.
    """

    text: str
    kind: str
    format: str = ""
    carries_data: bool = False
    target: Names = ()
    tables: frozenset[Names] = frozenset()
    functions: frozenset[str] = frozenset()
    table_functions: frozenset[str] = frozenset()
    settings: tuple[tuple[str, str], ...] = ()
    inner_settings: frozenset[str] = frozenset()
    explained: str = ""
    trouble: str = ""


def split_insert(text: bytes) -> Insert | None:
    """Where an INSERT that carries data is divided; None for every other statement.

    `text` may be cut off inside the data. A wrong guess does no harm: the engine's parser reads the head
    by itself and refuses one that is not a whole INSERT.
    """
    tokens = ((match, match.group().upper()) for match in _TOKEN.finditer(text) if match.lastgroup != "blank")
    if not (_next_is(tokens, b"INSERT") and _next_is(tokens, b"INTO")):
        return None
    depth, named, before = 0, False, b""
    for match, word in tokens:
        before, dotted = word, before == b"."
        depth += (word in (b"(", b"[", b"{")) - (word in (b")", b"]", b"}"))
        if depth or dotted or match.lastgroup != "word":
            named = True
        elif not named:
            # Not yet a keyword: the table may be called `values` or `format`.
            named = word != b"TABLE"
        elif word == b"VALUES":
            return Insert(match.end(), match.end())
        elif word == b"FORMAT":
            name, _ = next(tokens, (None, b""))
            return Insert(name.end(), _data_start(text, name.end())) if name else None
        elif word in (b"SELECT", b"WITH", b"FROM"):
            return None
    return None


def _next_is(tokens: Iterator[tuple[re.Match[bytes], bytes]], word: bytes) -> bool:
    return next(tokens, (None, b""))[1] == word


def _data_start(text: bytes, position: int) -> int:
    match = _BEFORE_DATA.match(text, position)
    return match.end() if match else position


def about_a_table(text: str) -> tuple[str, str] | None:
    """For DESCRIBE, EXISTS, SHOW CREATE as the engine writes them: the kind, and a SELECT from that table."""
    match = _ABOUT_A_TABLE.match(text)
    # Only parsed, never run.
    return (match["kind"], f"SELECT * FROM {match['rest']}") if match else None  # noqa: S608


def facts_of(tree: str, text: str, kind: str = "") -> Facts:
    """Reads the parser's JSON tree. Raises RecursionError for one that is nested too deep."""
    root: Node = json.loads(tree)
    nodes = list(_nodes(root))
    of_type = _by_type(nodes)
    return Facts(
        text=text,
        kind=kind or _kind(root),
        format=_format(root),
        carries_data=root["type"] == "InsertQuery" and "format" in root and "select" not in root,
        target=_target(root),
        tables=frozenset(
            _parts(node) for name in ("TableIdentifier", "Identifier") for node in of_type.get(name, [])
        ),
        functions=frozenset(_functions(of_type)),
        table_functions=frozenset(_table_functions(nodes)),
        settings=_outer_settings(root),
        inner_settings=_setting_names(of_type),
        explained=f"{root['kind']} {root.get('query', {}).get('type', '')}"
        if root["type"] == "ExplainQuery"
        else "",
        trouble=_trouble(root, nodes, of_type),
    )


def _nodes(root: Node) -> Iterator[Node]:
    """Every object of the tree, without recursion: a query may be nested deeper than Python calls."""
    waiting: list[Any] = [root]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _by_type(nodes: list[Node]) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in nodes:
        found.setdefault(str(node.get("type", "")), []).append(node)
    return found


def _parts(node: Node) -> Names:
    """The parts of a name; those given by parameters stand as `{parameter}`."""
    given = iter(
        [
            f"{{{child['name']}}}"
            for child in node.get("children", [])
            if child.get("type") == "QueryParameter"
        ]
    )
    parts = node.get("name_parts") or [node.get("name", "")]
    return tuple(part or next(given, "") for part in parts)


def _target(root: Node) -> Names:
    """The table that is written to, with its database where one is named."""
    if root["type"] not in ("InsertQuery", "DeleteQuery", "AlterQuery"):
        return ()
    named = (root.get("database_ast") or root.get("database"), root.get("table_ast") or root.get("table"))
    return tuple(part for node in named if isinstance(node, dict) for part in _parts(node))


def _kind(root: Node) -> str:
    """The parser's type, but DROP PARTITION for an ALTER that does nothing else."""
    commands = root.get("command_list", {}).get("children", []) if root["type"] == "AlterQuery" else []
    dropping = [command["command_type"] == "DROP_PARTITION" and not command["detach"] for command in commands]
    return "DROP PARTITION" if dropping and all(dropping) else str(root["type"])


def _functions(of_type: Mapping[str, list[Node]]) -> Iterator[str]:
    """Names of functions, also those applied to columns by name, in lower case."""
    for node in of_type.get("Function", []):
        yield str(node.get("name", "")).lower()
    for node in of_type.get("ColumnsApplyTransformer", []):
        yield str(node.get("func_name", "")).lower()


def _table_functions(nodes: list[Node]) -> Iterator[str]:
    for node in nodes:
        inner = node.get("table_function")
        if isinstance(inner, dict):
            yield str(inner.get("name", "")).lower()


def _format(root: Node) -> str:
    named = root.get("format_ast")
    return str(named.get("name", "")) if isinstance(named, dict) else str(root.get("format", ""))


def _outer_settings(root: Node) -> tuple[tuple[str, str], ...]:
    selects = root.get("list_of_selects", {}).get("children", [])
    holders = [root.get("settings_ast"), *(select.get("settings") for select in selects if len(selects) == 1)]
    changes = [change for holder in holders if holder for change in holder.get("changes", [])]
    return tuple((str(change["name"]), str(change["value"].get("value", ""))) for change in changes)


def _setting_names(of_type: Mapping[str, list[Node]]) -> frozenset[str]:
    return frozenset(
        str(change["name"]) for node in of_type.get("SetQuery", []) for change in node.get("changes", [])
    )


def _trouble(root: Node, nodes: list[Node], of_type: Mapping[str, list[Node]]) -> str:
    if any(node.get("out_file") or node.get("infile") for node in nodes):
        return "INTO OUTFILE and FROM INFILE are not served here"
    if any(
        node.get("default_settings") or node.get("query_parameters") for node in of_type.get("SetQuery", [])
    ):
        return "SETTINGS takes values only: no DEFAULT, no param_"
    if root["type"] == "InsertQuery" and "table_function" in root:
        return "an INSERT goes into a table"
    return ""
