"""The reference page is what the headers say."""

from __future__ import annotations

from pathlib import Path

from kpi_world import shipped

from kpis.reference import reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "kpis.md"


def test_the_page_is_in_step_with_the_headers() -> None:
    """`python -m kpis.reference > docs/reference/kpis.md` writes it."""
    assert PAGE.read_text(encoding="utf-8") == reference(shipped().values())


def test_every_measure_is_explained() -> None:
    text = reference(shipped().values())
    for kpi in shipped().values():
        assert f"## {kpi.id} {kpi.header.title}" in text
        assert all(f"| `{measure.name}` |" in text for measure in kpi.header.measures)


def test_every_formula_names_its_row_of_the_catalogue() -> None:
    assert all(kpi.header.formula.startswith(kpi.id) for kpi in shipped().values())
