"""The part `correlation:` of tieout.yaml."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from span_rows import workflow

from collector.correlation import Correlation, check
from core.findings import Finding
from core.yamlfile import FileModel, load


class Project(FileModel):
    """As in tieout.yaml, where it stands among other things."""

    correlation: Correlation = Correlation()


def read(tmp_path: Path, text: str) -> tuple[Correlation | None, list[Finding]]:
    file = tmp_path / "tieout.yaml"
    file.write_text(text)
    project, parsed, findings = load(file, Project)
    if not project or not parsed:
        return None, findings
    return project.correlation, [*findings, *check(project.correlation, parsed, [workflow()])]


def test_nothing_said_is_the_defaults() -> None:
    correlation = Correlation()
    assert correlation.ids[:2] == ("tieout.correlation_id", "messaging.message.conversation_id")
    assert correlation.watermark_lag == timedelta(minutes=1)


def test_what_a_site_says_is_read(tmp_path: Path) -> None:
    correlation, findings = read(
        tmp_path,
        """
correlation:
  ids: [sap.passport, tieout.correlation_id]
  objects:
    - {type: order, attribute: po.number, role: buyer}
  dims:
    department: [cost.center]
  attempts:
    - {attribute: amqp.delivery_count, first: 0}
  watermark_lag: 5m
""",
    )
    assert findings == []
    assert correlation
    assert correlation.ids == ("sap.passport", "tieout.correlation_id")
    assert [(each.type, each.attribute, each.role) for each in correlation.objects] == [
        ("order", "po.number", "buyer")
    ]
    assert correlation.dims == {"department": ("cost.center",)}
    assert correlation.attempts[0].first == 0
    assert correlation.watermark_lag == timedelta(minutes=5)


def test_an_object_type_that_no_workflow_has_is_a_finding_with_its_place(tmp_path: Path) -> None:
    text = "correlation:\n  objects:\n    - {type: ordr, attribute: po.number}\n"
    _, findings = read(tmp_path, text)
    assert [(each.line, each.column, each.nearest) for each in findings] == [(3, 8, "order")]
    assert findings[0].message == "unknown object type 'ordr'"
    assert findings[0].allowed == "invoice, order"


def test_unknown_keys_and_bad_values_are_findings(tmp_path: Path) -> None:
    text = "correlation:\n  id: [x]\n  watermark_lag: soon\n  attempts: [{attribute: a, first: 2}]\n"
    correlation, findings = read(tmp_path, text)
    assert correlation is None
    assert sorted((each.line, each.column) for each in findings) == [(2, 3), (3, 3), (4, 29)]
    assert {each.nearest for each in findings} >= {"ids"}
