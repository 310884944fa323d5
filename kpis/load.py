"""Folders of KPI files → checked KPIs, or every mistake in them. The engine confirms the header."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.errors import ConfigurationError
from core.findings import Finding, nearest, unknown_name
from core.yamlfile import MAX_FILE_BYTES, Parsed, parse_text, validate
from kpis.kept import definitions
from kpis.kpi import ALL, COLUMNS, COMMON_DIMENSIONS, PARAMETERS, Header, Kpi
from store.client import Store
from store.errors import StoreError
from store.sqlfile import SqlFile, read
from workflows.model import Workflow

SHIPPED = Path(__file__).parent / "sql"

_PREFIX = "-- "
_CATALOGUE_NAME = re.compile(r"(k\d\d)_[a-z0-9_]+$")
_OWN_NAME = re.compile(r"[a-z][a-z0-9_]*$")
# String and quoted name, comments: what a semicolon or a brace may hide in.
_HIDDEN = re.compile(r"'(?:[^'\\]|\\.|'')*'|`[^`]*`|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
# Dimensions that a query may know beside those of the workflow file.
_FIXED_DIMENSIONS = ("cause", "item_type", "opened_step", "queue", "system")
_NEEDED = ("workflow", "as_of", "known_at")
# Functions that read files or hold the engine up, and table functions that only make rows.
_REFUSED_FUNCTIONS = frozenset({"file", "sleep", "sleepEachRow", "catboostEvaluate"})
_HARMLESS_TABLES = frozenset({"numbers", "zeros", "generate_series", "generateSeries", "values", "null"})
_TABLES = "SELECT name FROM system.tables WHERE database = currentDatabase()"
_READONLY = 164
_TEXT, _NUMBER = re.compile(r"\bString\b"), re.compile(r"\b(U?Int|Float|Decimal|Nothing)\w*")


def load_kpis(
    folders: Iterable[Path] = (SHIPPED,), store: Store | None = None
) -> tuple[dict[str, Kpi], list[Finding]]:
    """The KPIs in `folders` by id, and what is wrong with the files that are not among them.

    A shipped file named `k03_….sql` is K03; any other is known by its own name. With a `store` that has
    the views, the engine also confirms columns, inputs and that the query only reads; nothing is run.
    """
    found: dict[str, Kpi] = {}
    findings: list[Finding] = []
    for file in (file for folder in folders for file in sorted(folder.rglob("*.sql"))):
        kpi, problems = load_kpi(file)
        if kpi and kpi.id in found:
            message = f"KPI {kpi.id!r} is already defined in {found[kpi.id].file.name}"
            problems.append(Finding(str(file), 1, 1, message))
        if kpi and not problems and store:
            problems += check(store, kpi)
        findings += problems
        if kpi and not problems:
            found[kpi.id] = kpi
    return found, findings


def load_kpi(file: Path) -> tuple[Kpi | None, list[Finding]]:
    """The KPI in `file`, and what is wrong with its name, header and parameters."""
    text, findings = _text(file)
    parsed, problems = parse_text(file, _header_text(text), len(_PREFIX)) if not findings else (None, [])
    findings += problems
    header, problems = validate(parsed, Header) if parsed else (None, [])
    findings += problems
    kpi_id = _id(file)
    if not kpi_id:
        message = "a KPI file is named in small letters, digits and _"
        findings.append(Finding(str(file), 1, 1, message, "late_orders.sql"))
    if findings or not header or not kpi_id:
        return None, findings
    try:
        query = read(file)
    except ConfigurationError:
        return None, [Finding(str(file), 1, 1, "the header is not valid YAML")]
    first_line = text[: text.find(query.text)].count("\n") + 1 if query.text else 1
    kpi = Kpi(kpi_id, header, query.text, file, first_line, _definitions(header.inputs))
    return kpi, [*_check_text(kpi), *_check_parameters(kpi, query)]


def check_names(kpis: Iterable[Kpi], workflows: Sequence[Workflow]) -> list[Finding]:
    """Workflows and dimensions that headers name must exist in the project's workflows."""
    names = [workflow.workflow for workflow in workflows]
    findings = []
    for kpi in kpis:
        parsed, _ = parse_text(kpi.file, _header_text(_text(kpi.file)[0]), len(_PREFIX))
        mine = [workflow for workflow in workflows if kpi.applies_to(workflow)]
        dimensions = {ALL, *COMMON_DIMENSIONS, *_FIXED_DIMENSIONS, *(d for w in mine for d in w.dimensions)}
        for index, name in enumerate(kpi.header.workflows):
            if name not in names:
                findings.append(_unknown(parsed, kpi, ("workflows", index), "workflow", name, names))
        for index, name in enumerate(kpi.header.dimensions):
            if name not in dimensions:
                findings.append(_unknown(parsed, kpi, ("dimensions", index), "dimension", name, dimensions))
    return findings


def check(store: Store, kpi: Kpi) -> list[Finding]:
    """What the engine says against the query: it must parse, only read its inputs, give the nine columns."""
    params = {name: "" if kind == "String" else "2020-01-01 00:00:00" for name, kind in PARAMETERS.items()}
    with store.another(read_only=True) as reader:
        try:
            # As a subquery it can neither write a file nor be more than one statement.
            tree = reader.rows(f"EXPLAIN QUERY TREE SELECT * FROM (\n{kpi.sql}\n)", params)  # noqa: S608
        except StoreError as error:
            return [_refused(kpi, error)]
        views = {row["name"] for row in reader.rows(_TABLES)}
    lines = "\n".join(next(iter(row.values())) for row in tree)
    return [*_check_reads(kpi, lines, views), *_check_columns(kpi, _columns(lines))]


def _text(file: Path) -> tuple[str, list[Finding]]:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            return "", [Finding(str(file), 1, 1, f"file is larger than {MAX_FILE_BYTES} bytes")]
        return file.read_text(encoding="utf-8"), []
    except (OSError, UnicodeDecodeError) as error:
        return "", [Finding(str(file), 1, 1, f"cannot be read: {type(error).__name__}")]


def _header_text(text: str) -> str:
    lines = text.splitlines()
    count = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return "\n".join(line[2:].removeprefix(" ") for line in lines[:count]) + "\n"


def _id(file: Path) -> str:
    catalogue = _CATALOGUE_NAME.match(file.stem)
    if catalogue:
        return catalogue.group(1).upper()
    return file.stem if _OWN_NAME.match(file.stem) else ""


def _definitions(inputs: Iterable[str]) -> str:
    """Text of the views of this folder that a query stands on, those they stand on included."""
    texts, todo, done = definitions(), sorted(inputs), dict[str, str]()
    while todo:
        name = todo.pop()
        if name in texts and name not in done:
            done[name] = texts[name]
            todo += [other for other in texts if re.search(rf"\b{other}\b", texts[name])]
    return "\n".join(done[name] for name in sorted(done))


def _check_text(kpi: Kpi) -> list[Finding]:
    if not kpi.sql:
        return [Finding(str(kpi.file), 1, 1, "the file holds no query")]
    visible = _HIDDEN.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), kpi.sql)
    position = visible.find(";")
    if position < 0:
        return []
    return [_finding_at(kpi, position, "a KPI is one SELECT", "no semicolon")]


def _check_parameters(kpi: Kpi, query: SqlFile) -> list[Finding]:
    findings = []
    for name, kind in query.parameters.items():
        position = max(kpi.sql.find(f"{{{name}:"), 0)
        line, column = _place(kpi, position)
        if name not in PARAMETERS:
            findings.append(unknown_name(kpi.file, line, column, "parameter", name, PARAMETERS))
        elif re.sub(r"\s+", "", kind) != re.sub(r"\s+", "", PARAMETERS[name]):
            message = f"parameter {name!r} has type {kind}"
            findings.append(Finding(str(kpi.file), line, column, message, _placeholder(name)))
    missing = [name for name in _NEEDED if name not in query.parameters]
    if len(kpi.header.dimensions) and "dimension" not in query.parameters:
        missing.append("dimension")
    return findings + [
        _finding_at(kpi, 0, f"the query does not use parameter {name!r}", _placeholder(name))
        for name in missing
    ]


def _placeholder(name: str) -> str:
    return f"{{{name}:{PARAMETERS[name]}}}"


def _check_reads(kpi: Kpi, tree: str, views: set[str]) -> list[Finding]:
    """Declared inputs are what the query reads; nothing is read from outside the store."""
    functions = set(re.findall(r"(?<!table_)function_name: (\w+)", tree)) & _REFUSED_FUNCTIONS
    tables = {name.rsplit(".", 1)[-1] for name in re.findall(r"\btable_name: (\S+)", tree)}
    made = set(re.findall(r"table_function_name: (\w+)", tree))
    foreign = made - views - _HARMLESS_TABLES
    findings = [
        _finding_at(kpi, _find(kpi, name), f"function {name!r} is not allowed in a KPI")
        for name in sorted(functions | foreign)
    ]
    reads = (tables | made) - foreign - _HARMLESS_TABLES - {"one"}
    declared = set(kpi.header.inputs)
    if reads != declared and not foreign:
        wanted = ", ".join(sorted(reads))
        odd = next(iter(sorted(declared - reads)), "")
        message = f"inputs are {', '.join(sorted(declared))}, but the query reads {wanted or 'nothing'}"
        line = read(kpi.file).header_lines.get("inputs", 1)
        findings.append(Finding(str(kpi.file), line, len(_PREFIX) + 1, message, wanted, nearest(odd, reads)))
    return findings


def _columns(tree: str) -> dict[str, str]:
    """Names and types of the result, from the head of the query tree."""
    head = re.search(r"PROJECTION COLUMNS\n((?:    \S.*\n)+)", tree)
    pairs = (line.strip().split(" ", 1) for line in head.group(1).splitlines()) if head else ()
    return dict(pairs)


def _check_columns(kpi: Kpi, columns: dict[str, str]) -> list[Finding]:
    wanted = ", ".join(COLUMNS)
    extra = [name for name in columns if name not in COLUMNS]
    findings = [
        _finding_at(kpi, 0, f"column {name!r} is missing", wanted, nearest(name, extra))
        for name in COLUMNS
        if name not in columns
    ]
    findings += [
        _finding_at(kpi, _find(kpi, name), f"column {name!r} has no meaning here", wanted) for name in extra
    ]
    for name, kind in columns.items():
        shape = _TEXT if name in COLUMNS[:3] else _NUMBER
        if name in COLUMNS and not shape.search(kind):
            what = "text" if shape is _TEXT else "a number"
            message = f"column {name!r} is {kind}, it must be {what}"
            findings.append(_finding_at(kpi, _find(kpi, name), message))
    return findings


def _refused(kpi: Kpi, error: StoreError) -> Finding:
    """The engine's refusal, at the place it names where it names one."""
    if error.code == _READONLY:
        return _finding_at(kpi, 0, "the query writes, or reads from outside the store; a KPI may do neither")
    text = str(error)
    spot = re.search(r"\(line (\d+), col (\d+)\)", text)
    if spot:
        # One line of ours, the SELECT around it, stands above the query.
        line = max(kpi.first_line + int(spot.group(1)) - 2, kpi.first_line)
        return Finding(str(kpi.file), line, int(spot.group(2)), "the engine cannot read the query here")
    names = [word for pair in re.findall(r"[`'](\w+)[`']|function (\w+)", text) for word in pair if word]
    position = next((_find(kpi, name) for name in names if name in kpi.sql), 0)
    return _finding_at(kpi, position, text)


def _finding_at(kpi: Kpi, position: int, message: str, allowed: str = "", near: str = "") -> Finding:
    line, column = _place(kpi, position)
    return Finding(str(kpi.file), line, column, message, allowed, near)


def _place(kpi: Kpi, position: int) -> tuple[int, int]:
    before = kpi.sql[: max(position, 0)]
    return kpi.first_line + before.count("\n"), len(before) - (before.rfind("\n") + 1) + 1


def _find(kpi: Kpi, word: str) -> int:
    match = re.search(rf"\b{re.escape(word)}\b", kpi.sql)
    return match.start() if match else 0


def _unknown(
    parsed: Parsed | None, kpi: Kpi, at: tuple[str | int, ...], what: str, name: str, known: Iterable[str]
) -> Finding:
    line, column = parsed.at(at) if parsed else (1, 1)
    return unknown_name(kpi.file, line, column, what, name, known)
