"""The how-to page of matching: its examples check clean, and their tests pass on the real engine."""

from __future__ import annotations

import re
from pathlib import Path

from reconcile.matching.load import load_matching
from reconcile.matching.testing import run_tests
from store.client import Store
from workflows.model import Workflow

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "matching.md").read_text(encoding="utf-8")
KINDS = ("po_line", "receipt_line", "invoice_line", "bank_line", "journal_line")
PURCHASING = Workflow.model_validate(
    {
        "workflow": "purchasing", "title": "Purchasing", "item": "po_line", "sources": ["erp"],
        "objects": {kind: {"title": kind} for kind in KINDS},
        "steps": {"ordered": {"title": "Ordered", "select": [{"name": "ordered"}]}},
        "expectations": [{"name": "once", "kind": "once", "title": "Once", "item": "po_line", "step": "ordered", "owner": "x"}],
    }
)  # fmt: skip


def page(folder: Path) -> None:
    """Writes the files of the page into a folder."""
    lines, lines_test, bank, bank_test = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    factors, items = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    (folder / "tables").mkdir()
    for name, text in (
        ("po_lines.yaml", lines), ("po_lines_test.yaml", lines_test), ("bank.yaml", bank), ("bank_test.yaml", bank_test),
        ("tables/uom_factors.csv", factors), ("tables/item_xref.csv", items),
    ):  # fmt: skip
        (folder / name).write_text(text, encoding="utf-8")


def test_a_field_that_a_leg_does_not_have_is_found_as_the_page_says(tmp_path: Path) -> None:
    page(tmp_path)
    _, findings = load_matching(tmp_path, {"purchasing": PURCHASING})
    assert [(Path(one.file).name, one.message) for one in findings] == [
        ("bank.yaml", "unknown field of the leg 'state'"),
        ("po_lines.yaml", "unknown field of the leg 'status'"),
    ]


def test_the_examples_of_the_page_hold(tmp_path: Path, store: Store) -> None:
    page(tmp_path)
    for name, old, new in (
        ("po_lines.yaml", "price: unit_price}\n    when", "price: unit_price, status: status}\n    when"),
        ("bank.yaml", "original: reversal_of}", "original: reversal_of, state: state}"),
    ):
        file = tmp_path / name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
    rulings, findings = load_matching(tmp_path, {"purchasing": PURCHASING})
    assert [finding.text() for finding in findings] == []
    report = run_tests(tmp_path, rulings, {"purchasing": PURCHASING}, store)
    assert [failure.text() for outcome in report.outcomes for failure in outcome.failures] == []
    assert report.passed
    assert report.untested == ()
    assert len(report.outcomes) == 6
