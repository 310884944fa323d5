"""The reference page of the KPIs, made from their headers.

Written by `python -m kpis.reference > docs/reference/kpis.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from core.duration import format_duration
from kpis.kpi import ALL, Kpi, Measure
from kpis.load import load_kpis

_INTRO = """# KPIs

Made from the headers of the files in `kpis/sql/`. Change those, then run
`python -m kpis.reference > docs/reference/kpis.md`.

How to read a figure:

* **value** is null where nothing can be said: nothing is due, there are fewer than 20 items for a
  percentile, or a source is silent.
* **low** and **high** are the two ends when items are *unknown*: all of them fail, all of them pass. A
  latency with only `low` means *at least*: so many are still open that the curve never gets there.
* **numerator** and **denominator** are exact. A figure is rolled up by adding these, never by averaging
  values.
* **n** is the number of items behind the figure.
* Unit `currency`: one row a currency, with its ISO 4217 code as unit (`XXX` where the source names none).
  Money of several currencies is never added; a share of money is given only where there is one currency.
* A cohort is what fell due in the period; it is never divided by what happened in another one.
* The period reaches from after its start up to and including the as-of time.
* Segments: `total` without a dimension, `unmapped` where an item has no value for it. An item is counted
  once in each segment it has expectations in.
"""

_KINDS = {
    "cohort": "share of a cohort",
    "flow": "flow of a period",
    "stock": "stock",
    "latency": "latency, open items included",
}
_DIRECTIONS = {
    "higher_is_better": "higher is better",
    "lower_is_better": "lower is better",
    "neutral": "neither is better",
}


def reference(kpis: Iterable[Kpi]) -> str:
    """The page as Markdown, one section a KPI in order of id."""
    return "\n".join([_INTRO, *(_section(kpi) for kpi in sorted(kpis, key=lambda kpi: kpi.id))])


def _section(kpi: Kpi) -> str:
    head = kpi.header
    facts = [
        f"* Formula: {head.formula}",
        f"* Kind: {_KINDS[head.kind]}; {_DIRECTIONS[head.direction]}",
        f"* Period: {_period(kpi)}; published every {format_duration(head.every)}",
        f"* By: {', '.join(_dimension(name) for name in head.dimensions)}",
        f"* Reads: {', '.join(f'`{name}`' for name in head.inputs)}",
    ]
    if head.owner:
        facts.append(f"* Owner: {head.owner}")
    table = ["| measure | unit | meaning |", "|---|---|---|", *(_row(measure) for measure in head.measures)]
    text = [f"## {kpi.id} {head.title}", head.description, "\n".join(facts), "\n".join(table)]
    return "\n\n".join(part for part in text if part) + "\n"


def _period(kpi: Kpi) -> str:
    return "none, as of one moment" if kpi.header.kind == "stock" else format_duration(kpi.header.window)


def _dimension(name: str) -> str:
    return "every dimension of the workflow, `owner`, `expectation`" if name == ALL else f"`{name}`"


def _row(measure: Measure) -> str:
    return f"| `{measure.name}` | {measure.unit} | {measure.title} |"


if __name__ == "__main__":
    shipped, problems = load_kpis()
    if problems:
        raise SystemExit("\n".join(problem.text() for problem in problems))
    sys.stdout.write(reference(shipped.values()))
