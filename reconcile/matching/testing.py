"""Tests of matching rules, written in YAML beside them: records of each leg in, states expected out.

    rule: bank
    tests:
      - name: A deposit that is in the ledger
        as_of: 2026-03-31T00:00:00Z
        given:
          bank: [{key: B1, at: 2026-03-01T00:00:00Z, account: "7", amount: 480.00}]
          ledger: [{key: L1, at: 2026-03-02T00:00:00Z, account: "7", amount: 480.00}]
        expect:
          - {records: [B1, L1], state: MATCHED}

Fields are called as in the rule. `at` is when a record is there, `known_at` when that is learned (`at` unless
given). Sources are complete through `complete`, by default through `as_of`. Only what an expected row names is
compared; `exactly: true` refuses all other rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from core.errors import CannotRunError
from core.findings import Finding, unknown_name
from core.yamlfile import FileModel, Location, Parsed, load
from reconcile.matching.model import Leg, Ruling
from reconcile.matching.parameters import sources_of
from reconcile.matching.results import results
from reconcile.matching.run import match
from store.client import Store
from store.errors import StoreError
from store.sqlfile import read
from workflows.model import Workflow

TEST_SUFFIX = "_test"
SQL = Path(__file__).parent / "sql"
TABLES = (
    "snapshots", "events", "event_objects", "object_links", "watermarks", "match_records", "matches", "matching_versions",
    "matching_tables", "learned_windows", "marks",
)  # fmt: skip
_TIMES = {"key", "at", "known_at", "deleted"}


def _aware(moment: date) -> datetime:
    """YAML times without a zone are UTC, and a day is its beginning."""
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_aware)]


class ExpectedRow(FileModel):
    """Something that must be said of exactly these `records`; `code` tells several rows on them apart."""

    records: tuple[str, ...] = Field(min_length=1)
    state: str | None = None
    code: str | None = None
    field: str | None = None
    owner: str | None = None
    outcome: str | None = None
    expected: Decimal | None = None
    actual: Decimal | None = None
    residual: Decimal | None = None
    amount: Decimal | None = None
    variance: dict[str, Decimal] | None = None
    nearest: str | None = None


class Case(FileModel):
    """One test. `known_at` is `as_of` unless given; `given` holds records by leg."""

    name: str
    as_of: Moment
    known_at: Moment | None = None
    complete: Moment | None = None
    given: dict[str, tuple[dict[str, Any], ...]] = Field(default_factory=dict)
    expect: tuple[ExpectedRow, ...] = ()
    exactly: bool = False


class CaseFile(FileModel):
    """A file `matching/*_test.yaml`."""

    rule: str
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
    """All tests of a folder, mistakes in the files themselves, and rules that no test looks at."""

    __test__ = False

    outcomes: tuple[Outcome, ...]
    findings: tuple[Finding, ...]
    untested: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.findings and all(outcome.passed for outcome in self.outcomes)


def run_tests(
    folder: Path, rulings: Mapping[str, Ruling], workflows: Mapping[str, Workflow], scratch: Store
) -> TestReport:
    """Runs every `*_test.yaml` in `folder`.

    `scratch` has the schema and no data: each test fills it and leaves it empty. Raises CannotRunError when it
    holds data, so that nobody's store is emptied by mistake.
    """
    if filled := _filled(scratch):
        raise CannotRunError(f"tests of matching rules need an empty store; table {filled[0]!r} has rows")
    outcomes: list[Outcome] = []
    findings: list[Finding] = []
    tested: set[str] = set()
    for file in sorted(folder.glob(f"*{TEST_SUFFIX}.y*ml")):
        cases, parsed, problems = load(file, CaseFile)
        if cases and parsed and not problems:
            problems = list(_mistakes(cases, parsed, rulings))
        if problems or not cases or not parsed:
            findings += problems
            continue
        tested.add(cases.rule)
        ruling = rulings[cases.rule]
        for index, case in enumerate(cases.tests):
            failures = _run(case, ("tests", index), parsed, ruling, workflows[ruling.rule.workflow], scratch)
            outcomes.append(Outcome(str(file), case.name, tuple(failures)))
    return TestReport(tuple(outcomes), tuple(findings), tuple(sorted(set(rulings) - tested)))


def _mistakes(file: CaseFile, parsed: Parsed, rulings: Mapping[str, Ruling]) -> Iterator[Finding]:
    """Names that do not exist: of the rule, its legs and their fields."""
    if file.rule not in rulings:
        yield unknown_name(parsed.file, *parsed.at(("rule",)), "rule", file.rule, rulings)
        return
    legs = rulings[file.rule].rule.legs
    for number, case in enumerate(file.tests):
        for name, rows in case.given.items():
            here: Location = ("tests", number, "given", name)
            if name not in legs:
                yield unknown_name(parsed.file, *parsed.at(here), "leg", name, legs)
                continue
            for index, row in enumerate(rows):
                for field in sorted(set(row) - set(legs[name].fields) - _TIMES - {"currency"}):
                    place = parsed.at((*here, index, field))
                    yield unknown_name(parsed.file, *place, "field", field, {*legs[name].fields, *_TIMES})
                if not {"key", "at"} <= set(row):
                    yield parsed.finding((*here, index), "a record needs 'key' and 'at'")
                for field in sorted({"at", "known_at"} & set(row)):
                    if not isinstance(row[field], date):
                        yield parsed.finding(
                            (*here, index, field), f"{field!r} is a time, like 2026-03-31T12:00:00Z"
                        )


def _run(
    case: Case, at: Location, parsed: Parsed, ruling: Ruling, workflow: Workflow, scratch: Store
) -> list[Finding]:
    known_at = case.known_at or case.as_of
    try:
        fill(scratch, ruling, workflow, case)
        match(scratch, [ruling], {workflow.workflow: workflow}, known_at + timedelta(seconds=1))
        found = results(scratch, case.as_of, known_at)
    except StoreError as error:
        return [parsed.finding((*at, "given"), f"the records cannot be used: {error}")]
    finally:
        for table in _filled(scratch):
            scratch.command("TRUNCATE TABLE {table:Identifier}", {"table": table})
    return list(_compare(case, at, parsed, found))


def fill(store: Store, ruling: Ruling, workflow: Workflow, case: Case) -> None:
    """Writes the records of a test as states or events of their systems."""
    states: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    for name, rows in case.given.items():
        leg = ruling.rule.legs[name]
        for number, row in enumerate(rows):
            (events if leg.step else states).append(_record(ruling, leg, name, f"{number:06}", row))
    store.insert("snapshots", states)
    store.insert("events", events)
    through, known_at = case.complete or case.as_of, min([case.as_of, case.known_at or case.as_of])
    sources = {source for name in ruling.rule.legs for source in sources_of(ruling.rule, workflow, name)}
    store.insert("watermarks", [
        {"source": source, "complete_through": through, "heartbeat_at": through, "known_at": known_at, "run_id": ""}
        for source in sorted(sources)
    ])  # fmt: skip


def _record(ruling: Ruling, leg: Leg, name: str, number: str, row: Mapping[str, Any]) -> dict[str, Any]:
    at = _aware(row["at"])
    told = {leg.fields[field]: str(value) for field, value in row.items() if field in leg.fields}
    amount = told.pop("@amount", None)
    currency = told.pop("@currency", str(row.get("currency", ruling.rule.currency)))
    told.pop("@key", None)
    shared = {
        "amount": None if amount is None else Decimal(amount), "currency": currency,
        "known_at": _aware(row.get("known_at", row["at"])), "source": "test",
    }  # fmt: skip
    if leg.step:
        objects = {
            field.removeprefix("@object:"): told.pop(field)
            for field in list(told)
            if field.startswith("@object:")
        }
        return {
            **shared, "event_id": str(row["key"]), "workflow": ruling.rule.workflow, "step": leg.step, "occurred_at": at,
            "objects.type": list(objects), "objects.key": list(objects.values()), "objects.role": ["" for _ in objects],
            "outcome": "ok", "attempt": 1, "attributes": told,
        }  # fmt: skip
    return {
        **shared, "system": leg.system or name, "object_type": leg.type, "object_key": str(row["key"]), "fields": told,
        "deleted": bool(row.get("deleted", False)), "valid_from": at, "captured_at": at, "row_hash": number, "run_id": "",
    }  # fmt: skip


def _filled(store: Store) -> list[str]:
    return [row["name"] for row in store.rows(read(SQL / "filled.sql"), {"tables": list(TABLES)})]


def _compare(case: Case, at: Location, parsed: Parsed, found: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    wanted = set()
    for index, row in enumerate(case.expect):
        here = (*at, "expect", index)
        hits = [
            one
            for one in found
            if sorted(one["records"]) == sorted(row.records)
            and row.code in (None, one["code"])
            and id(one) not in wanted
        ]
        if not hits:
            others = sorted(
                {f"{'+'.join(one['records'])} {one['state']} {one['code']}".strip() for one in found}
            )
            name = f"{'+'.join(row.records)} {row.code or ''}".strip()
            yield parsed.finding(here, f"nothing is said of {name}", ", ".join(others) or "there is nothing")
            continue
        wanted.add(id(hits[0]))
        for field in sorted(row.model_fields_set - {"records", "code"}):
            expected, actual = getattr(row, field), hits[0][field]
            if expected != actual:
                name = "+".join(row.records)
                yield parsed.finding(
                    (*here, field), f"{field} of {name} is {_shown(actual)}, expected {_shown(expected)}"
                )
    for one in found if case.exactly else ():
        if id(one) not in wanted:
            said = f"{'+'.join(one['records'])} is {one['state']} {one['code']}".strip()
            yield parsed.finding((*at, "expect"), f"{said}, which is not expected")


def _shown(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(part)}" for name, part in sorted(value.items())) or "nothing"
    return "unknown" if value is None else str(value)
