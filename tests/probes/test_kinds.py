"""The list of kinds is complete."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import probes
from probes.kinds import KINDS
from probes.probe import ProbeFile

FOLDER = Path(probes.__file__).parent


def test_every_probe_file_is_in_the_list_of_kinds() -> None:
    modules = [importlib.import_module(f"probes.{path.stem}") for path in FOLDER.glob("*.py")]
    found = {
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, ProbeFile) and not inspect.isabstract(kind) and kind.__module__ == module.__name__
    }
    assert found == set(KINDS.values())


def test_a_kind_is_named_like_its_file_and_its_discriminator() -> None:
    for name, kind in KINDS.items():
        assert kind.__module__ == f"probes.{name}"
        assert kind.model_json_schema()["properties"]["kind"]["const"] == name


def test_a_probe_has_one_method_that_reads_and_none_that_writes_or_sleeps() -> None:
    for name in KINDS:
        text = (FOLDER / f"{name}.py").read_text()
        assert "def read(self, window: Window)" in text
        assert "store" not in text
        assert "sleep(" not in text
