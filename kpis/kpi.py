"""What a KPI says of itself: the typed header of its `.sql` file, and the KPI it makes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from core.duration import Duration
from core.yamlfile import FileModel
from workflows.model import Name, Workflow

Unit = Literal["count", "ratio", "number", "per_1000", "per_hour", "seconds", "hours", "days", "currency"]

# Names of segments that are no value of a dimension.
TOTAL, UNMAPPED = "total", "unmapped"
# In `dimensions`: every dimension of the workflow file, the owner and the expectation.
ALL = "all"
COMMON_DIMENSIONS = ("owner", "expectation")

PARAMETERS = {
    "workflow": "String",
    "dimension": "String",
    "as_of": "DateTime64(6, 'UTC')",
    "known_at": "DateTime64(6, 'UTC')",
    "window_start": "DateTime64(6, 'UTC')",
}
COLUMNS = ("segment", "measure", "unit", "value", "low", "high", "numerator", "denominator", "n")


class Measure(FileModel):
    """One figure of a KPI. Unit `currency` means one row a currency, with its code as unit."""

    name: Name
    unit: Unit
    title: str


class Header(FileModel):
    """The leading `-- ` lines of a KPI file.

    `unit` and `direction` speak of the first measure, the headline. `kind`: `cohort` (share of what fell
    due in the window), `flow` (what happened in the window), `stock` (what stands at the as-of time),
    `latency` (how long it takes, open items included). `inputs` are the tables and views the query reads.
    `dimensions` are the segments it can be cut by; `all` stands for those of the workflow, the owner and
    the expectation. `every` is how often it is published, `window` how far back from the as-of time its
    period starts. `workflows`: only these, or every one when left out. `owner`: who answers for the
    definition.
    """

    title: str
    description: str = ""
    unit: Unit
    direction: Literal["higher_is_better", "lower_is_better", "neutral"]
    kind: Literal["cohort", "flow", "stock", "latency"]
    measures: tuple[Measure, ...] = Field(min_length=1)
    formula: str
    inputs: tuple[str, ...] = Field(min_length=1)
    dimensions: tuple[Name, ...] = (ALL,)
    every: Duration
    window: Duration = timedelta(days=30)
    workflows: tuple[Name, ...] = ()
    owner: str = ""

    @model_validator(mode="after")
    def _headline(self) -> Header:
        if self.unit != self.measures[0].unit:
            raise ValueError(f"unit is that of the first measure, {self.measures[0].unit!r}")
        names = [measure.name for measure in self.measures]
        if len(set(names)) < len(names):
            raise ValueError("two measures have the same name")
        return self


@dataclass(frozen=True)
class Kpi:
    """A KPI: its id (`K03`, or the name of the site's file), header, query and version."""

    id: str
    header: Header
    sql: str
    file: Path
    first_line: int
    definitions: str = ""

    @property
    def version(self) -> str:
        """Hash of everything that decides on its figures: the query, the views it stands on, the window."""
        text = f"{self.sql}\n{self.definitions}\n{self.header.window.total_seconds()}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def applies_to(self, workflow: Workflow) -> bool:
        return not self.header.workflows or workflow.workflow in self.header.workflows

    def dimensions_of(self, workflow: Workflow) -> tuple[str, ...]:
        """The dimensions it is published by for `workflow`; the first, empty one is the total."""
        names = ["", *self.header.dimensions]
        if ALL in names:
            names = [*(name for name in names if name != ALL), *workflow.dimensions, *COMMON_DIMENSIONS]
        return tuple(dict.fromkeys(names))

    def unit_of(self, measure: str) -> str | None:
        """The declared unit of `measure`, or None when the header does not know it."""
        return next((known.unit for known in self.header.measures if known.name == measure), None)
