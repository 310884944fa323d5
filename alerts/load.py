"""A folder of alert files → checked configuration, and every mistake in them at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from alerts.rule import OWN_LABELS, AlertConfig, AlertFile, Route, Rule
from alerts.text import FIELDS, placeholders
from core.findings import Finding, nearest
from core.yamlfile import Location, Parsed, load

TEST_SUFFIX = "_test"


@dataclass(frozen=True)
class KpiNames:
    """What rules may say about one KPI: its measures, and the dimensions it is cut by in each of its
    workflows.
    """

    measures: Collection[str]
    dimensions: Mapping[str, Collection[str]]


@dataclass(frozen=True)
class _Loaded:
    file: AlertFile
    parsed: Parsed

    def rules(self) -> Iterator[tuple[Location, Rule]]:
        for group_index, group in enumerate(self.file.groups):
            for index, rule in enumerate(group.rules):
                yield ("groups", group_index, "rules", index), rule


def rule_files(folder: Path) -> list[Path]:
    """The alert files of a folder, by name; tests of rules are not among them."""
    return [path for path in sorted(folder.glob("*.y*ml")) if not path.stem.endswith(TEST_SUFFIX)]


def load_rules(
    folder: Path, kpis: Mapping[str, KpiNames], workflows: Collection[str]
) -> tuple[AlertConfig, list[Finding]]:
    """All alert files of `folder` together, and what is wrong with them. Files with mistakes add nothing.

    `kpis`: what can be said about each KPI, by id. `workflows`: the names of the workflows in use.
    """
    loaded: list[_Loaded] = []
    findings: list[Finding] = []
    for path in rule_files(folder):
        file, parsed, problems = load(path, AlertFile)
        findings += problems
        if file is not None and parsed is not None and not problems:
            loaded.append(_Loaded(file, parsed))
    whole = not findings
    for one in loaded:
        for place, rule in one.rules():
            findings += _check_rule(rule, place, one.parsed, kpis, workflows)
    findings += _repeated(loaded)
    findings += _check_routes(loaded) if whole else []
    bad = {finding.file for finding in findings}
    return _together([one for one in loaded if str(one.parsed.file) not in bad]), sorted(findings)


def _together(loaded: Iterable[_Loaded]) -> AlertConfig:
    files = [one.file for one in loaded]
    return AlertConfig(
        groups=tuple(group for file in files for group in file.groups),
        receivers={receiver.name: receiver for file in files for receiver in file.receivers},
        routes=tuple(route for file in files for route in file.routes),
        silences=tuple(silence for file in files for silence in file.silences),
    )


def _unknown(parsed: Parsed, place: Location, what: str, name: str, known: Iterable[str]) -> list[Finding]:
    options = sorted(known)
    if name in options:
        return []
    allowed = ", ".join(options) or "none is declared"
    return [parsed.finding(place, f"unknown {what} {name!r}", allowed, nearest(name, options))]


def _check_rule(
    rule: Rule, place: Location, parsed: Parsed, kpis: Mapping[str, KpiNames], workflows: Collection[str]
) -> list[Finding]:
    out = _unknown(parsed, (*place, "kpi"), "KPI", rule.kpi, kpis)
    out += _unknown(parsed, (*place, "workflow"), "workflow", rule.workflow, workflows)
    if not out:
        out = _check_figure(rule, place, parsed, kpis[rule.kpi])
    fields = {*FIELDS, *rule.labels}
    for key in ("summary", "description", "runbook", "runbook_url"):
        for name in placeholders(getattr(rule.annotations, key)):
            out += _unknown(parsed, (*place, "annotations", key), "placeholder", name, fields)
    return out


def _check_figure(rule: Rule, place: Location, parsed: Parsed, kpi: KpiNames) -> list[Finding]:
    """Whether the KPI is computed for the workflow, has the measure, and is cut by the dimension."""
    if rule.workflow not in kpi.dimensions:
        message = f"{rule.kpi} is not computed for workflow {rule.workflow!r}"
        return [parsed.finding((*place, "workflow"), message, ", ".join(sorted(kpi.dimensions)))]
    out = _unknown(parsed, (*place, "measure"), f"measure of {rule.kpi}", rule.measure, kpi.measures)
    if rule.by:
        dimensions = [name for name in kpi.dimensions[rule.workflow] if name]
        out += _unknown(parsed, (*place, "by"), f"dimension of {rule.kpi}", rule.by, dimensions)
    return out


def _repeated(loaded: Iterable[_Loaded]) -> list[Finding]:
    """Names that must be unique over all files: groups, alerts, receivers."""
    seen: set[tuple[str, str]] = set()
    out = []
    for one in loaded:
        for what, place, name in _named(one):
            if (what, name) in seen:
                out.append(one.parsed.finding(place, f"{what} {name!r} is defined twice"))
            seen.add((what, name))
    return out


def _named(one: _Loaded) -> Iterator[tuple[str, Location, str]]:
    for index, group in enumerate(one.file.groups):
        yield "group", ("groups", index, "name"), group.name
    for place, rule in one.rules():
        yield "alert", (*place, "alert"), rule.alert
    for index, receiver in enumerate(one.file.receivers):
        yield "receiver", ("receivers", index, "name"), receiver.name


def _check_routes(loaded: Iterable[_Loaded]) -> list[Finding]:
    """Receivers that do not exist, labels no alert has, and rules whose alerts would reach nobody."""
    receivers = {receiver.name for one in loaded for receiver in one.file.receivers}
    labels = {*OWN_LABELS, *(name for one in loaded for _, rule in one.rules() for name in rule.labels)}
    out: list[Finding] = []
    for one in loaded:
        for index, route in enumerate(one.file.routes):
            at: Location = ("routes", index)
            for number, name in enumerate(route.receivers):
                out += _unknown(one.parsed, (*at, "receivers", number), "receiver", name, receivers)
            for label in (*route.match, *route.group_by):
                key = "match" if label in route.match else "group_by"
                out += _unknown(one.parsed, (*at, key, label), "label", label, labels)
        for index, silence in enumerate(one.file.silences):
            for label in silence.match:
                out += _unknown(one.parsed, ("silences", index, "match", label), "label", label, labels)
    routes = [route for one in loaded for route in one.file.routes]
    if (receivers or routes) and not out:
        out += [
            one.parsed.finding(
                (*place, "alert"), f"no route takes alert {rule.alert!r}", "add a route that matches it"
            )
            for one in loaded
            for place, rule in one.rules()
            if not any(_can_take(route, rule) for route in routes)
        ]
    return out


def _can_take(route: Route, rule: Rule) -> bool:
    """Whether some alert of the rule may fit; labels that come from the data are not known here."""
    fixed = {
        **dict.fromkeys(OWN_LABELS, ""),
        **rule.labels,
        "alertname": rule.alert,
        "severity": rule.severity,
        "workflow": rule.workflow,
        "kpi": rule.kpi,
        "measure": rule.measure,
        "dimension": rule.by,
        "segment": rule.segment,
        "owner": rule.owner,
    }
    open_labels = {"unit", "signal"}
    if rule.fans_out:
        open_labels |= {"segment"} | (set() if rule.owner else {"owner"} if rule.by == "owner" else set())
    return all(name in open_labels or fixed.get(name, "") in values for name, values in route.match.items())
