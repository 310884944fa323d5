"""A function that a probe file names is looked for without running the code it stands in."""

from __future__ import annotations

from pathlib import Path

import pytest

from probes.load import load_probe
from workflows.model import Workflow

SOURCES = """
import os
from json import loads as parse
try:
    from nowhere import invoices
except ImportError:
    def invoices(): ...
orders = lifted = None
def receipts(): ...
raise SystemExit("this code was run")
"""


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        ("our_sources:receipts", ""),
        ("our_sources:orders", ""),
        ("our_sources:invoices", ""),
        ("our_sources:parse", ""),
        ("email.mime.text:MIMEText", ""),
        ("hidden:anything", ""),
        ("our_sources:reciepts", "module our_sources has no 'reciepts'; did you mean 'receipts'?"),
        ("our_source:orders", "there is no module 'our_source'; did you mean 'our_sources'?"),
        ("email.mime.texts:MIMEText", "there is no module 'email.mime.texts'"),
        ("our_sources", "resource"),
    ],
)
def test_a_function_that_is_not_there_is_a_mistake_of_the_file(
    tmp_path: Path, workflow: Workflow, resource: str, told: str
) -> None:
    (tmp_path / "our_sources.py").write_text(SOURCES)
    (tmp_path / "hidden.py").write_text("from our_sources import *")
    (tmp_path / "probes").mkdir()
    file = tmp_path / "probes" / "x.yaml"
    file.write_text(
        f"name: x\nkind: dlt\ntitle: X\nworkflow: payables\nsystem: ap\nresource: {resource}\n"
        "object: {type: invoice, key: no}\n"
    )
    _, _, findings = load_probe(file, {"payables": workflow})
    assert [finding.line for finding in findings] == ([6] if told else [])
    assert told in "".join(finding.text() for finding in findings)
