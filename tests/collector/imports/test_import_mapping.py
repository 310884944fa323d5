"""Mapping files: every mistake at once, with its place, what is allowed and the nearest name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from import_site import LOG, Site

from collector.imports import find_mapping, load_mappings
from core.errors import ConfigurationError
from workflows.load import load_workflows

ROOT = Path(__file__).resolve().parents[3]

STATE = """
mapping: order_states
workflow: orders
format: csv
match: ["states*.csv"]
state:
  type: order
  key: order
  fields: [status]
"""

OCEL = """
mapping: order_objects
workflow: orders
format: ocel2
match: ["*.json"]
ocel2:
  currency: EUR
  objects:
    PO: {type: order}
    line: {type: line, amount: {multiply: [price, count]}}
"""

MISTAKES = [
    (
        LOG.replace("workflow: orders", "workflow: oders"),
        "3:1: unknown workflow 'oders'; allowed: orders; did you mean 'orders'?",
    ),
    (
        LOG.replace("type: order,", "type: ordre,"),
        "9:14: unknown object type 'ordre'; allowed: invoice, line, order; did you mean 'order'?",
    ),
    (
        LOG.replace("format: csv", "format: cvs"),
        "4:1: format: Input should be 'csv', 'parquet', 'xes' or 'ocel2'",
    ),
    (
        LOG.replace("format: csv", "format: ocel2"),
        "4:1: 'events' cannot be read from ocel2; allowed: csv, parquet, xes",
    ),
    (LOG.replace("  activity: what\n", ""), "6:1: key 'activity' is missing"),
    (LOG.replace("  activity: what", "  activty: what"), "unknown key 'activty'"),
    (
        LOG.replace("attributes: [answer]", "attributes: []"),
        "10:3: step 'po.refused' tests attribute 'answer', which is not listed here",
    ),
    (
        LOG.replace("time: at", "time: {columns: [at], zone: Berlin}"),
        "a zone is a name like UTC or Europe/Berlin",
    ),
    (
        LOG.replace("time: at", "time: {columns: [at], format: 'dd.MM.yyyy'}"),
        "a time format is iso, unix_s, unix_ms, unix_us",
    ),
    (
        LOG.replace("time: at", "time: {columns: [at], format: '%d.%m.%y'}"),
        "a time format is iso, unix_s, unix_ms, unix_us",
    ),
    (LOG.replace("column: order,", "column: order, key: [trimm],"), "key.0: Input should be 'trim'"),
    (
        LOG.replace("column: order,", "column: order, columns: [a],"),
        "9:13: a key has either 'column' or 'columns'",
    ),
    (
        LOG + "  dims: {departement: x}\n",
        "11:10: unknown dimension 'departement'; allowed: department, supplier; did you mean 'department'?",
    ),
    (LOG + "  amount: {column: x}\n", "11:3: an amount has either 'currency' or 'currency_column'"),
    (LOG + "  amount: {currency: EUR}\n", "11:3: an amount has either 'column' or 'multiply'"),
    (LOG + "  amount: {column: x, currency: euro}\n", "String should match pattern"),
    (LOG + "  complete_through: soon\n", "complete_through"),
    (LOG + "csv: {encoding: utf-9}\n", "an encoding is a name like utf-8, latin-1 or cp1252"),
    (
        LOG + "state: {type: order, key: x}\n",
        "2:1: a mapping has exactly one of these parts; allowed: events, state, ocel2",
    ),
    (
        LOG.replace("mapping: orders", "mapping: order_log") + "  complete_through: last_event\n",
        "11:3: 'order_log' is no source of workflow 'orders', so this would prove nothing",
    ),
    (STATE + "  complete_through: last_event\n", "10:3: without 'valid_from' no row has a time"),
    (STATE + "  links: [{to: invoce, column: x, role: r}]\n", "unknown object type 'invoce'"),
    (OCEL.replace("  currency: EUR\n", ""), "an amount needs 'currency' beside 'objects'"),
    (OCEL + "  event_amount: {Bill: order}\n", "unknown object type with an amount 'order'; allowed: line"),
    (OCEL + "  link_targets: {bill of: bill}\n", "unknown object type 'bill'"),
    (OCEL + "  ignore: [PO]\n", "'PO' is both in 'objects' and in 'ignore'"),
    (
        OCEL + "  dims: {supplier: {object: invoice, field: name}}\n",
        "unknown object type 'invoice'; allowed: line, order",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_is_a_finding_with_its_place(site: Site, text: str, message: str) -> None:
    assert any(message in finding for finding in site.findings(text)), site.findings(text)


def test_all_mistakes_of_all_files_are_told_at_once(site: Site) -> None:
    text = LOG.replace("type: order,", "type: ordre,").replace("attributes: [answer]", "dims: {ward: x}")
    (site.folder / "mappings" / "other.yaml").write_text(LOG, encoding="utf-8")
    (site.folder / "mappings" / "third.yaml").write_text(LOG, encoding="utf-8")
    found = site.findings(text)
    assert len(found) == 4
    assert any("mapping 'orders' is defined twice" in finding for finding in found)


def test_a_selector_meant_for_another_system_asks_nothing_of_the_file(site: Site) -> None:
    assert site.findings(LOG + "system: erp\n") == []


def test_a_date_in_the_file_is_a_time_in_utc(site: Site) -> None:
    assert site.mapping(LOG + "  complete_through: 2026-02-01 03:00:00+02:00\n").complete_through == datetime(
        2026, 2, 1, 1, tzinfo=UTC
    )
    assert site.mapping(LOG + "  complete_through: 2026-02-01\n").complete_through == datetime(
        2026, 2, 1, tzinfo=UTC
    )


def test_a_file_is_read_by_the_one_mapping_that_matches_its_name(site: Site) -> None:
    site.mapping(LOG)
    mappings, _ = load_mappings(site.folder / "mappings", site.workflows)
    assert find_mapping(Path("/in/orders-2026.csv.gz"), mappings).mapping == "orders"
    with pytest.raises(
        ConfigurationError, match=r"bills\.csv: no mapping matches this name.*orders: orders\*\.csv"
    ):
        find_mapping(Path("bills.csv"), mappings)
    with pytest.raises(ConfigurationError, match="the mappings orders, orders all match"):
        find_mapping(Path("orders.csv"), mappings | {"again": mappings["orders"]})


def test_the_mappings_of_the_example_are_right_and_name_sources_of_the_shipped_workflows() -> None:
    workflows, _ = load_workflows()
    mappings, findings = load_mappings(ROOT / "examples" / "demo" / "mappings", workflows)
    assert findings == []
    assert {name: mapping.workflow for name, (mapping, _) in mappings.items()} == {
        "hospital_billing": "hospital_billing",
        "procure_to_payment": "procure_to_payment",
    }
    for name, (mapping, _) in mappings.items():
        assert name in workflows[mapping.workflow].sources
    data = sorted(path for path in (ROOT / "examples" / "demo" / "data").iterdir() if path.suffix != ".md")
    assert [find_mapping(path, mappings).mapping for path in data] == [
        "hospital_billing",
        "procure_to_payment",
    ]
