"""SQL lives in `.sql` files: leading `-- key: value` lines are a YAML header, the rest is one statement."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from core.errors import ConfigurationError

_PARAMETER = re.compile(r"\{([a-zA-Z_]\w*):((?:[^{}'\"]|'[^']*')+)\}")


@dataclass(frozen=True)
class SqlFile:
    """One query: where it stands, its header as plain data, its text, its `{name:Type}` parameters."""

    path: Path
    header: dict[str, Any]
    text: str
    header_lines: dict[str, int]

    @property
    def name(self) -> str:
        return self.path.stem

    @cached_property
    def code(self) -> str:
        """The text without its comment lines: the driver and the engine read all they get with every call."""
        return without_comments(self.text)

    @property
    def parameters(self) -> dict[str, str]:
        """Parameter names with their ClickHouse types, in order of appearance."""
        return {name: kind.strip() for name, kind in _PARAMETER.findall(self.text)}


@cache
def read(path: Path) -> SqlFile:
    """The query in `path`. Raises ConfigurationError when the header is not YAML."""
    lines = path.read_text(encoding="utf-8").splitlines()
    count = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    header_text = "\n".join(line[2:].removeprefix(" ") for line in lines[:count])
    try:
        header = YAML(typ="safe").load(header_text) if re.search(r"^\w+:", header_text, re.MULTILINE) else {}
    except YAMLError as error:
        raise ConfigurationError(f"{path}: its header is not YAML; write `-- key: value` lines") from error
    positions = {
        match.group(1): number
        for number, line in enumerate(lines[:count], start=1)
        if (match := re.match(r"--\s(\w+):", line))
    }
    text = "\n".join(lines[count:]).strip()
    return SqlFile(path, header if isinstance(header, dict) else {}, text, positions)


def folder(path: Path) -> list[SqlFile]:
    """All queries below `path`, by name."""
    return [read(file) for file in sorted(path.rglob("*.sql"))]


def statements(text: str) -> list[str]:
    """The statements of a script; each ends with `;` at the end of a line. Comment lines are dropped."""
    parts = re.split(r";\s*(?:\n|$)", without_comments(text))
    return [part.strip() for part in parts if part.strip()]


def without_comments(text: str) -> str:
    """The text without the lines that are nothing but a `--` comment."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
