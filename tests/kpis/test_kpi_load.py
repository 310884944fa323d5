"""Every mistake in a KPI file is found, at its place, with what is allowed and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from kpi_world import shipped

from core.findings import Finding
from kpis.kpi import COLUMNS
from kpis.load import SHIPPED, check, check_names, load_kpi, load_kpis
from store.client import Store
from workflows.load import load_workflows

HEADER = """-- title: Late orders
-- unit: count
-- direction: lower_is_better
-- kind: stock
-- measures:
--   - {name: late, unit: count, title: Late}
-- formula: own
-- inputs: [verdicts_at]
-- dimensions: [owner]
-- every: 1h
"""
QUERY = """SELECT
    if({dimension:String} = '', 'total', dims[{dimension:String}]) AS segment,
    'late' AS measure, 'count' AS unit, count() AS value, NULL AS low, NULL AS high,
    count() AS numerator, NULL AS denominator, count() AS n
FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE workflow = {workflow:String} AND failing = 1
GROUP BY segment
"""


def write(folder: Path, text: str, name: str = "late_orders.sql") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def found(store: Store, file: Path) -> list[Finding]:
    kpi, problems = load_kpi(file)
    return problems if problems or not kpi else check(store, kpi)


def place(text: str, what: str) -> tuple[int, int]:
    """1-based line and column of `what` in `text`."""
    before = text[: text.index(what)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def test_the_engine_confirms_every_shipped_kpi(store: Store) -> None:
    kpis, problems = load_kpis(store=store)
    assert [problem.text() for problem in problems] == []
    assert {
        "K01",
        "K02",
        "K03",
        "K04",
        "K05",
        "K06",
        "K08",
        "K10",
        "K12",
        "K16",
        "K17",
        "K18",
        "K20",
        "K21",
        "K24",
    } <= set(kpis)
    assert {file.name for file in SHIPPED.glob("*.sql")} == {kpi.file.name for kpi in kpis.values()}


def test_a_kpi_of_the_site_is_known_by_the_name_of_its_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "billing").mkdir()
    write(tmp_path / "billing", HEADER + QUERY)
    kpis, problems = load_kpis([SHIPPED, tmp_path])
    assert problems == []
    assert kpis["late_orders"].header.title == "Late orders"
    assert check(store, kpis["late_orders"]) == []


def test_a_shipped_id_cannot_be_taken(tmp_path: Path) -> None:
    write(tmp_path, HEADER + QUERY, "k03_mine.sql")
    kpis, (problem,) = load_kpis([SHIPPED, tmp_path])
    assert "'K03' is already defined in k03_unresolved_exceptions.sql" in problem.message
    assert kpis["K03"].file.parent == SHIPPED


@pytest.mark.parametrize(
    ("old", "new", "spot", "message", "near"),
    [
        ("-- kind: stock", "-- kidn: stock", "kidn", "unknown key 'kidn'", "kind"),
        ("-- kind: stock", "-- kind: stok", "kind: stok", "kind:", "stock"),
        ("-- every: 1h", "-- every: often", "every", "90s, 15m", ""),
        ("-- unit: count\n", "-- unit: days\n", "-- title", "unit is that of the first measure", ""),
        ("-- formula: own\n", "", "-- title", "key 'formula' is missing", ""),
        ("{name: late, unit: count", "{name: late, unit: pieces", "unit: pieces", "unit", ""),
        ("-- title: Late orders", "-- title: Late: orders", "orders", "not valid YAML", ""),
        ("{workflow:String}", "{workfow:String}", "{workfow", "unknown parameter 'workfow'", "workflow"),
        ("{workflow:String}", "{workflow:UInt8}", "{workflow", "has type UInt8", ""),
        ("workflow = {workflow:String} AND ", "", "SELECT", "does not use parameter 'workflow'", ""),
        ("GROUP BY segment\n", "GROUP BY segment; SELECT 1\n", "; SELECT", "one SELECT", ""),
    ],
)
def test_a_mistake_is_found_where_it_stands(
    tmp_path: Path, old: str, new: str, spot: str, message: str, near: str
) -> None:
    text = (HEADER + QUERY).replace(old, new, 1)
    assert text != HEADER + QUERY
    kpi, problems = load_kpi(write(tmp_path, text))
    hits = [problem for problem in problems if message in problem.message]
    assert hits, [problem.text() for problem in problems]
    line, column = place(text, spot)
    assert hits[0].line == line
    assert hits[0].column == (4 if spot == "-- title" else column) or spot == "orders"
    assert hits[0].nearest == near
    assert kpi is None or problems


@pytest.mark.parametrize(
    ("old", "new", "spot", "message"),
    [
        ("count() AS n\n", "count() AS items\n", "SELECT", "column 'n' is missing"),
        ("count() AS value", "'many' AS value", "value", "must be a number"),
        ("'late' AS measure", "1 AS measure", "measure, '", "must be text"),
        ("failing = 1", "failling = 1", "failling", "failling"),
        ("count() AS value", "contt() AS value", "contt", "contt"),
        ("FROM verdicts_at", "FROM verdict_at", "verdict_at(", "verdict_at"),
        ("failing = 1\n", "failing = = 1\n", "= 1\nGROUP", "cannot read the query"),
        (
            "failing = 1\n",
            "failing = 1 AND 'x' IN (SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'x String'))\n",
            "SELECT",
            "outside",
        ),
        ("failing = 1\n", "failing = 1 AND '' != file('/etc/hostname')\n", "file(", "'file' is not allowed"),
        ("failing = 1\n", "failing = 1 AND sleep(1) = 0\n", "sleep", "'sleep' is not allowed"),
        (
            "-- inputs: [verdicts_at]",
            "-- inputs: [verdicts_at, events]",
            "inputs",
            "but the query reads verdicts_at",
        ),
        ("GROUP BY segment\n", "GROUP BY segment INTO OUTFILE '/tmp/x'\n", "INTO", "cannot read the query"),
    ],
)
def test_the_engine_finds_what_the_header_cannot_know(
    store: Store, tmp_path: Path, old: str, new: str, spot: str, message: str
) -> None:
    text = (HEADER + QUERY).replace(old, new, 1)
    problems = found(store, write(tmp_path, text))
    assert any(message in problem.message for problem in problems), [problem.text() for problem in problems]
    hit = next(problem for problem in problems if message in problem.message)
    assert (hit.line, hit.column) == place(text, spot)


def test_a_wrong_column_tells_all_that_are_wanted(store: Store, tmp_path: Path) -> None:
    problems = found(store, write(tmp_path, HEADER + QUERY.replace("AS low", "AS lower")))
    assert problems[0].allowed == ", ".join(COLUMNS)
    assert problems[0].nearest == "lower"


def test_a_semicolon_in_a_text_or_comment_is_no_second_statement(tmp_path: Path) -> None:
    text = HEADER + QUERY.replace("'late' AS", "/* ; */ ';' || 'late' AS") + "-- the end;\n"
    assert load_kpi(write(tmp_path, text))[1] == []


def test_names_of_other_files_are_checked(tmp_path: Path) -> None:
    header = HEADER.replace("[owner]", "[owner, departement]") + "-- workflows: [hospital_biling]\n"
    kpi, problems = load_kpi(write(tmp_path, header + QUERY))
    assert problems == []
    assert kpi
    workflows, _ = load_workflows()
    hits = check_names([kpi], list(workflows.values()))
    assert [(hit.message, hit.line) for hit in hits] == [
        ("unknown workflow 'hospital_biling'", 11),
        ("unknown dimension 'departement'", 9),
    ]
    assert hits[0].nearest == "hospital_billing"


def test_shipped_kpis_fit_the_shipped_workflows() -> None:
    workflows, _ = load_workflows()
    assert check_names(shipped().values(), list(workflows.values())) == []


def test_another_query_or_period_is_another_version(tmp_path: Path) -> None:
    texts = (
        HEADER + QUERY,
        HEADER + QUERY + "ORDER BY segment\n",
        HEADER + "-- window: 2d\n" + QUERY,
        HEADER.replace("Late", "Overdue") + QUERY,
    )
    kpis = [load_kpi(write(tmp_path, text, f"a{number}.sql"))[0] for number, text in enumerate(texts)]
    versions = [kpi.version for kpi in kpis if kpi]
    assert len(set(versions)) == 3
    assert versions[0] == versions[3]


@pytest.mark.parametrize("name", ["Late Orders.sql", "1late.sql"])
def test_a_file_needs_a_name_that_can_be_written(tmp_path: Path, name: str) -> None:
    kpi, problems = load_kpi(write(tmp_path, HEADER + QUERY, name))
    assert kpi is None
    assert problems[0].allowed == "late_orders.sql"


def test_files_that_cannot_be_read_are_findings(tmp_path: Path) -> None:
    (tmp_path / "binary.sql").write_bytes(b"\xff\xfe\x00")
    write(tmp_path, "", "empty.sql")
    write(tmp_path, HEADER, "headeronly.sql")
    kpis, problems = load_kpis([tmp_path])
    assert kpis == {}
    assert {Path(problem.file).name for problem in problems} == {"binary.sql", "empty.sql", "headeronly.sql"}
