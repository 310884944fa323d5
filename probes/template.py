"""A small package with a kind of probe of its own, to begin from."""

from __future__ import annotations

from pathlib import Path

from core.errors import ConfigurationError

_PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "tieout-{kind}"
version = "0.1.0"
description = "A kind of probe for tieout: {kind}"
requires-python = ">=3.11"
dependencies = ["tieout"]

# tieout finds the kind by this name; probe files say `kind: {kind}`.
[project.entry-points."tieout.probes"]
{kind} = "tieout_{kind}:{Kind}Probe"

[tool.hatch.build.targets.wheel]
packages = ["tieout_{kind}"]
"""
_MODULE = '''\
"""State read from {kind}. This one reads a file with one JSON object a line: put your source in its place."""

from __future__ import annotations

import json
from collections.abc import Generator
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal, Self

from core.findings import Finding
from core.yamlfile import Parsed
from probes.probe import BATCH_ROWS, Batch, ProbeError, ProbeFile, Question, Window, text_batch


class {Kind}Probe(ProbeFile):
    """`path`: the file, from the folder of the probe file.

    Everything else is the runner's: when to read, trying again, what changed, what is gone, what is written.
    """

    questions: ClassVar[tuple[Question, ...]] = (Question("path", "file with one JSON object a line", "orders.jsonl"),)

    kind: Literal["{kind}"]
    path: Path

    @property
    def place(self) -> str:
        """Where it reads, for messages: never a password."""
        return f"file {{self.path}}"

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:
        return self.model_copy(update={{"path": file.parent / self.path}}), []

    def read(self, window: Window) -> Generator[Batch]:
        """Only reads: no sleeping, no writing. `window.turn()` comes before each request over a network."""
        try:
            with self.path.open(encoding="utf-8") as source:
                while lines := list(islice(source, BATCH_ROWS)):
                    window.check(self.place)
                    records = [json.loads(line) for line in lines]
                    rows = ([record.get(name) for name in self.columns] for record in records)
                    yield Batch(text_batch(self.columns, rows), schema=dict.fromkeys(set().union(*records), ""))
        except OSError:
            raise ProbeError("unreadable", f"{{self.place}} cannot be read; check path and rights", retryable=True) from None
        except ValueError:
            # `from None`: what a reader says of a line may quote it.
            raise ProbeError("bad_file", f"{{self.place}} has a line that is no JSON object") from None
'''
_TEST = '''\
"""The kind keeps tieout's contract."""

from __future__ import annotations

from pathlib import Path

from probes.conformance import assert_conforms
from tieout_{kind} import {Kind}Probe


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    (tmp_path / "source.jsonl").write_text('{{"no": "1", "status": "open"}}\\n{{"no": "2"}}\\n')
    keys = {{"kind": "{kind}", "path": tmp_path / "source.jsonl", "object": {{"type": "order", "key": "no", "fields": ["status"]}}}}
    common = {{"name": "example", "title": "Example", "workflow": "procure_to_payment", "system": "{kind}"}}
    assert_conforms({Kind}Probe.model_validate(common | keys))
'''
_FILES = {
    "pyproject.toml": _PYPROJECT,
    "tieout_{kind}/__init__.py": _MODULE,
    "tests/test_{kind}.py": _TEST,
}


def create(folder: Path, kind: str) -> list[Path]:
    """Writes the package into `folder` and returns its files. Raises ConfigurationError if something is there."""
    if not (kind.isidentifier() and kind.islower()):
        raise ConfigurationError(f"{kind!r} is no name for a kind; write one like ledger or our_ledger")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty; nothing was changed")
    names = {"kind": kind, "Kind": "".join(part.capitalize() for part in kind.split("_"))}
    written = []
    for name, text in _FILES.items():
        file = folder / name.format(**names)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(**names), encoding="utf-8")
        written.append(file)
    return written
