"""Tests of KPIs, written in YAML beside them: rows of the store in, figures expected out.

    kpi: late_orders
    tests:
      - name: An order that came late is counted once
        as_of: 2026-03-31T00:00:00Z
        given:
          watermarks: [{source: erp, complete_through: 2026-03-31T00:00:00Z}]
          expectations:
            - {item_key: A, opened_at: 2026-03-01T00:00:00Z, due_at: 2026-03-02T00:00:00Z, sources: [erp]}
        expect:
          - {measure: late, value: 1, n: 1}

Columns left out take the table's defaults, apart from a few that make rows of one test belong together:
see `_DEFAULTS`. Only what an expected row names is compared; `exactly: true` refuses all other rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field

from core.errors import CannotRunError
from core.findings import Finding, unknown_name
from core.yamlfile import FileModel, Location, Parsed, load
from kpis.kpi import TOTAL, Kpi
from kpis.run import compute
from store.client import Store
from store.errors import StoreError
from store.sqlfile import read

TEST_SUFFIX = "_test"

_FOLDER = Path(__file__).parent
_VERSION = "test"
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "workflow_versions": {"version": _VERSION, "content": "{}"},
    "expectations": {
        "version": _VERSION,
        "expectation": "rule",
        "kind": "sequence",
        "item_type": "item",
        "sources": ["source"],
    },
    "leg_members": {"version": _VERSION, "expectation": "rule", "item_type": "item"},
    "watermarks": {"source": "source"},
}


def _aware(moment: datetime) -> datetime:
    """YAML times without a zone are UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_aware)]


class ExpectedRow(FileModel):
    """A figure that must be there. `unit` is needed only where a measure has several, one a currency."""

    measure: str
    segment: str = TOTAL
    unit: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    numerator: Decimal | None = None
    denominator: Decimal | None = None
    n: int | None = None


class Case(FileModel):
    """One test. `known_at` is `as_of` unless given; `window_start` lies the header's window before it.

    `given` holds rows by table.
    """

    name: str
    workflow: str = "test"
    dimension: str = ""
    as_of: Moment
    known_at: Moment | None = None
    window_start: Moment | None = None
    given: dict[str, tuple[dict[str, Any], ...]] = Field(default_factory=dict)
    expect: tuple[ExpectedRow, ...] = ()
    exactly: bool = False


class CaseFile(FileModel):
    """A file `kpis/**/*_test.yaml`."""

    kpi: str
    tests: tuple[Case, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Outcome:
    """How one test went. `failures` name the line of the expectation that was not met."""

    file: str
    name: str
    failures: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return not self.failures


@dataclass(frozen=True)
class TestReport:
    """All tests of a folder, mistakes in the files themselves, and KPIs that no test looks at."""

    __test__ = False

    outcomes: tuple[Outcome, ...]
    findings: tuple[Finding, ...]
    untested: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.findings and all(outcome.passed for outcome in self.outcomes)


def run_tests(folder: Path, kpis: Mapping[str, Kpi], scratch: Store) -> TestReport:
    """Runs every `*_test.yaml` below `folder`.

    `scratch` has the schema and no data: each test fills it and leaves it empty. Raises CannotRunError when
    it holds data, so that nobody's store is emptied by mistake.
    """
    filled = _filled(scratch)
    if filled:
        raise CannotRunError(f"KPI tests need an empty store; table {filled[0]!r} has rows")
    outcomes: list[Outcome] = []
    findings: list[Finding] = []
    tested: set[str] = set()
    columns = _columns(scratch)
    for file in sorted(folder.rglob(f"*{TEST_SUFFIX}.y*ml")):
        cases, parsed, problems = load(file, CaseFile)
        if cases and parsed and not problems:
            problems = list(_mistakes(cases, parsed, kpis, columns))
        if problems or not cases or not parsed:
            findings += problems
            continue
        tested.add(cases.kpi)
        for index, case in enumerate(cases.tests):
            failures = _run(case, ("tests", index), parsed, kpis[cases.kpi], scratch)
            outcomes.append(Outcome(str(file), case.name, tuple(failures)))
    return TestReport(tuple(outcomes), tuple(findings), tuple(sorted(set(kpis) - tested)))


def _mistakes(
    file: CaseFile, parsed: Parsed, kpis: Mapping[str, Kpi], columns: Mapping[str, set[str]]
) -> Iterator[Finding]:
    """Names that do not exist: of the KPI, its measures, tables and columns."""

    def unknown(at: Location, what: str, name: str, known: Iterable[str]) -> Finding:
        return unknown_name(parsed.file, *parsed.at(at), what, name, known)

    kpi = kpis.get(file.kpi)
    if kpi is None:
        yield unknown(("kpi",), "KPI", file.kpi, kpis)
        return
    for number, case in enumerate(file.tests):
        here: Location = ("tests", number)
        for table, rows in case.given.items():
            if table not in columns:
                yield unknown((*here, "given", table), "table", table, columns)
                continue
            for index, row in enumerate(rows):
                for column in sorted(set(row) - columns[table]):
                    yield unknown((*here, "given", table, index, column), "column", column, columns[table])
        for index, wanted in enumerate(case.expect):
            if kpi.unit_of(wanted.measure) is None:
                names = [measure.name for measure in kpi.header.measures]
                yield unknown((*here, "expect", index, "measure"), "measure", wanted.measure, names)


def _run(case: Case, at: Location, parsed: Parsed, kpi: Kpi, scratch: Store) -> list[Finding]:
    try:
        _fill(scratch, case)
        known_at = case.known_at or case.as_of
        found = compute(scratch, kpi, case.workflow, case.dimension, case.as_of, known_at, case.window_start)
    except StoreError as error:
        return [parsed.finding((*at, "given"), f"the rows cannot be used: {error}")]
    finally:
        for table in _filled(scratch):
            scratch.command("TRUNCATE TABLE {table:Identifier}", {"table": table})
    return [*_compare(case, at, parsed, found), *_undeclared(at, parsed, kpi, found)]


def _fill(scratch: Store, case: Case) -> None:
    given = {"workflow_versions": ({},), **case.given}
    for table, rows in given.items():
        lines = [
            {"workflow": case.workflow} | dict(_DEFAULTS.get(table, {})) | {"opened_by": str(number)} | row
            for number, row in enumerate(rows)
        ]
        body = b"\n".join(orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z) for line in lines)
        scratch.insert_raw(table, body, "JSONEachRow", {"input_format_skip_unknown_fields": 1})


def _compare(case: Case, at: Location, parsed: Parsed, found: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    wanted = set()
    for index, row in enumerate(case.expect):
        here = (*at, "expect", index)
        name = f"{row.segment} {row.measure} {row.unit}".strip()
        hits = [one for one in found if _is_of(one, row)]
        if len(hits) != 1:
            others = sorted({f"{one['segment']} {one['measure']} {one['unit']}" for one in found})
            several = f"{name} stands for {len(hits)} figures; name the unit"
            message = several if hits else f"{name} is not among the figures"
            yield parsed.finding(here, message, ", ".join(others) or "there are no figures")
            continue
        wanted.add(id(hits[0]))
        for field in sorted(row.model_fields_set - {"segment", "measure", "unit"}):
            expected, actual = getattr(row, field), hits[0][field]
            if not _same(expected, actual):
                message = f"{field} of {name} is {_shown(actual)}, expected {_shown(expected)}"
                yield parsed.finding((*here, field), message)
    for one in found if case.exactly else ():
        if id(one) not in wanted:
            name = f"{one['segment']} {one['measure']} {one['unit']}"
            yield parsed.finding((*at, "expect"), f"{name} is not expected")


def _undeclared(at: Location, parsed: Parsed, kpi: Kpi, found: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    """A figure whose measure or unit the header does not declare."""
    for measure, unit in sorted({(row["measure"], row["unit"]) for row in found}):
        declared = kpi.unit_of(measure)
        if declared is None:
            yield parsed.finding(at, f"{kpi.file.name}: measure {measure!r} is not in the header")
        elif declared not in ("currency", unit):
            message = f"{measure!r} has unit {unit!r}, the header says {declared!r}"
            yield parsed.finding(at, f"{kpi.file.name}: {message}")


def _is_of(found: Mapping[str, Any], row: ExpectedRow) -> bool:
    same = (found["segment"], found["measure"]) == (row.segment, row.measure)
    return same and row.unit in ("", found["unit"])


def _same(expected: Any, actual: Any) -> bool:
    if expected is None or actual is None:
        return expected is actual
    if isinstance(expected, float):
        return math.isclose(expected, float(actual), rel_tol=1e-9, abs_tol=1e-9)
    return bool(expected == actual)


def _shown(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "unknown" if value is None else str(value)


def _filled(store: Store) -> list[str]:
    return [row["name"] for row in store.rows(read(_FOLDER / "filled_tables.sql"))]


def _columns(store: Store) -> dict[str, set[str]]:
    rows = store.rows(read(_FOLDER / "table_columns.sql"))
    return {row["table"]: set(row["columns"]) for row in rows}
