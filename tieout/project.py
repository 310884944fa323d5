"""The project folder of a site: everything it declares, loaded and checked together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alerts.load import KpiNames, load_rules
from alerts.rule import AlertConfig
from calendars.load import load_calendars
from calendars.model import Calendar
from collector.correlation import check as check_correlation
from collector.follow import check as check_followed
from collector.imports.load import load_mappings
from collector.imports.mapping import Mapping as ImportMapping
from collector.imports.mapping import OcelObject, StateFile
from collector.privacy import check as check_privacy
from collector.settings import check as check_collector
from core.address import reachable
from core.errors import ConfigurationError
from core.findings import Finding, unknown_name
from core.yamlfile import Parsed
from kpis.kpi import Kpi
from kpis.load import SHIPPED as SHIPPED_KPIS
from kpis.load import check_names, load_kpis
from probes.dlt import DltProbe
from probes.load import Loaded, load_probes
from probes.probe import ProbeFile
from reconcile.matching.load import Feed, load_matching
from reconcile.matching.model import Ruling
from reconcile.people import check as check_access
from reconcile.policy import Policy, load_policy
from tieout.settings import Settings, load_settings
from workflows.load import load_workflows
from workflows.model import Workflow

DEFAULT = Path()


@dataclass(frozen=True)
class Project:
    """A checked project: `root` is its folder, everything else by name."""

    root: Path
    settings: Settings
    calendars: Mapping[str, Calendar]
    workflows: Mapping[str, Workflow]
    loaded_mappings: Mapping[str, tuple[ImportMapping, Parsed]]
    probes: Mapping[str, ProbeFile]
    matching: Mapping[str, Ruling]
    kpis: Mapping[str, Kpi]
    alerts: AlertConfig
    policy: Policy = field(default_factory=Policy)
    parsed: Parsed | None = field(default=None, compare=False)

    @property
    def mappings(self) -> dict[str, ImportMapping]:
        """Import mappings by name."""
        return {name: mapping for name, (mapping, _) in self.loaded_mappings.items()}

    @property
    def data_folder(self) -> Path:
        """Where the embedded store lives."""
        folder = self.settings.store.folder
        return folder if folder.is_absolute() else self.root / folder


def open_project(root: Path = DEFAULT, flags: Mapping[str, Any] | None = None) -> Project:
    """The project in `root`. Raises ConfigurationError that lists every mistake, one a line."""
    project, findings = load_project(root, flags)
    if project is None or findings:
        raise _mistakes(root, findings)
    return project


def open_to_read(root: Path = DEFAULT) -> Project:
    """The project for a command that only reads the store: whoever asks need not have the credentials of its systems.

    Files that name variables or files which are not there may hold them as they are written, and have other mistakes. Raises
    ConfigurationError that lists every mistake when there is one in any other file.
    """
    project, findings = load_project(root)
    without = {finding.file for finding in findings if finding.unset}
    if project is not None and project.settings.store.url != "embedded":
        # The password of the server is what it takes to read.
        without.discard(str(root / "tieout.yaml"))
    if project is None or any(finding.file not in without for finding in findings):
        raise _mistakes(root, findings)
    return project


def _mistakes(root: Path, findings: Iterable[Finding]) -> ConfigurationError:
    listed = "\n".join(finding.text() for finding in findings)
    return ConfigurationError(f"the project in {root.resolve()} has mistakes:\n{listed}")


def load_project(root: Path, flags: Mapping[str, Any] | None = None) -> tuple[Project | None, list[Finding]]:
    """The project in `root` as far as it can be understood, and all mistakes of all files."""
    settings, parsed, findings = load_settings(root, flags)
    calendars, problems = load_calendars(root / "calendars")
    findings += problems
    workflows, problems = _workflows(root, parsed, _calendar_names(root, calendars))
    findings += problems
    if settings is not None and parsed is not None:
        findings += check_correlation(settings.correlation, parsed, workflows.values())
        findings += check_collector(settings.collector, parsed, root, _otlp_addresses(settings))
        findings += check_privacy(settings.privacy, parsed, root)
        findings += check_followed(settings.telemetry_from, settings.privacy, parsed)
        findings += check_access(settings.access, parsed)
    mappings, problems = load_mappings(root / "mappings", workflows)
    findings += problems
    probes, problems = load_probes(root / "probes", workflows)
    findings += problems + _systems(parsed, {probe.system for probe, _ in probes.values()})
    if settings is not None:
        findings += [*_hosts(probes, settings), *_unguarded(probes, settings)]
    stored = (
        {name: mapping for name, (mapping, _) in mappings.items()},
        {name: probe for name, (probe, _) in probes.items()},
    )
    matching, problems = load_matching(
        root / "matching",
        workflows,
        {*mappings, *probes},
        stored_fields(*stored),
        _calendar_names(root, calendars),
        feeds_of(*stored),
    )
    findings += problems
    kpis, problems = load_kpis([folder for folder in (SHIPPED_KPIS, root / "kpis") if folder.is_dir()])
    findings += problems + check_names(kpis.values(), list(workflows.values()))
    alerts, problems = load_rules(root / "alerts", _kpi_names(kpis, workflows), workflows)
    findings += problems + _sources(workflows, root, {*mappings, *probes})
    policy, problems = load_policy(root, workflows, _calendar_names(root, calendars))
    findings += problems
    if settings is None:
        return None, sorted(findings)
    project = Project(
        root,
        settings,
        calendars,
        workflows,
        mappings,
        stored[1],
        matching,
        kpis,
        alerts,
        policy,
        parsed,
    )
    return project, sorted(findings)


def _systems(parsed: Parsed | None, probed: set[str]) -> list[Finding]:
    """A rule for a system that no probe reads protects nothing: most likely it is misspelt."""
    said = parsed.data.get("systems") if parsed and isinstance(parsed.data, dict) else None
    if parsed is None or not isinstance(said, dict) or not probed:
        return []
    return [
        unknown_name(parsed.file, *parsed.at(("systems", name)), "system (no probe has it)", name, probed)
        for name in said
        if name not in probed
    ]


def _hosts(probes: Loaded, settings: Settings) -> list[Finding]:
    """Hosts that are not on the list of their system. Links and redirects to others are refused at run time."""
    return [
        file.finding(
            ("system",),
            f"host {host!r} is not among those that tieout.yaml allows system {probe.system!r}",
            ", ".join(settings.systems[probe.system].hosts),
        )
        for probe, file in probes.values()
        for host, _ in probe.hosts
        if probe.system in settings.systems and not settings.systems[probe.system].allows(host)
    ]


def _unguarded(probes: Loaded, settings: Settings) -> list[Finding]:
    """Resources of dlt in a system with a list of hosts, which does not hold for them."""
    return [
        file.finding(
            ("system",),
            f"tieout.yaml allows system {probe.system!r} only some hosts, and {probe.place} makes its own requests, "
            "for which that cannot be seen to; write unguarded: true if you know where they go",
        )
        for probe, file in probes.values()
        if isinstance(probe, DltProbe)
        and not probe.unguarded
        and probe.system in settings.systems
        and settings.systems[probe.system].hosts
    ]


def _otlp_addresses(settings: Settings) -> dict[str, tuple[str, bool]]:
    """Where telemetry is taken, and whether it must be guarded."""
    listen = settings.listen
    found = {"otlp": listen.otlp}
    if settings.collector.grpc:
        found["otlp_grpc"] = listen.otlp_grpc
    return {name: (address, reachable(address) and not listen.insecure) for name, address in found.items()}


def _calendar_names(root: Path, calendars: Mapping[str, Calendar]) -> set[str]:
    """Calendars there are; one whose file has a mistake is named by its file, so that this is the only finding."""
    return {*calendars, *(file.stem for file in (root / "calendars").glob("*.y*ml"))}


def _workflows(
    root: Path, parsed: Parsed | None, calendars: Collection[str]
) -> tuple[dict[str, Workflow], list[Finding]]:
    """The site's own workflows and the shipped ones it uses; an own one replaces a shipped one of its name.

    The names are read from the file as it stands, so that a mistake elsewhere in it does not hide them.
    """
    shipped, _ = load_workflows()
    own, findings = load_workflows(root / "workflows", calendars)
    said = parsed.data.get("shipped_workflows") if parsed and isinstance(parsed.data, dict) else None
    wanted = [str(name) for name in said] if isinstance(said, list) else []
    for index, name in enumerate(wanted):
        if name not in shipped and parsed:
            line, column = parsed.at(("shipped_workflows", index))
            findings.append(unknown_name(parsed.file, line, column, "shipped workflow", name, shipped))
    return {**{name: shipped[name] for name in wanted if name in shipped}, **own}, findings


def stored_fields(
    mappings: Mapping[str, ImportMapping], probes: Mapping[str, ProbeFile]
) -> dict[str, set[str]]:
    """The fields that are kept of each object type, by the allow-lists of what reads it."""
    kept: dict[str, set[str]] = {}
    for probe in probes.values():
        kept.setdefault(probe.object.type, set()).update(probe.object.fields)
    for mapping in mappings.values():
        for state in _states(mapping):
            kept.setdefault(state.type, set()).update(state.fields)
    return kept


def feeds_of(mappings: Mapping[str, ImportMapping], probes: Mapping[str, ProbeFile]) -> list[Feed]:
    """Which source stores what: object type, system, name of the probe or mapping."""
    probed = [(probe.object.type, probe.system, name) for name, probe in probes.items()]
    imported = [
        (state.type, (state.system if isinstance(state, OcelObject) else "") or mapping.system, name)
        for name, mapping in mappings.items()
        for state in _states(mapping)
    ]
    return [*probed, *imported]


def _states(mapping: ImportMapping) -> list[StateFile | OcelObject]:
    if mapping.state:
        return [mapping.state]
    return list(mapping.ocel2.objects.values()) if mapping.ocel2 else []


def _kpi_names(kpis: Mapping[str, Kpi], workflows: Mapping[str, Workflow]) -> dict[str, KpiNames]:
    return {
        name: KpiNames(
            {measure.name for measure in kpi.header.measures},
            {
                flow: set(kpi.dimensions_of(workflow)) - {""}
                for flow, workflow in workflows.items()
                if kpi.applies_to(workflow)
            },
        )
        for name, kpi in kpis.items()
    }


def _sources(workflows: Mapping[str, Workflow], root: Path, known: set[str]) -> list[Finding]:
    """A workflow of the site whose sources nobody feeds can never say MISSING; telemetry (`otlp/…`) feeds itself."""
    findings = []
    for name, workflow in workflows.items():
        file = next((file for file in (root / "workflows").glob("*.y*ml") if file.stem == name), None)
        fed = [source for source in workflow.sources if source in known or source.startswith("otlp/")]
        if not fed and file:
            findings.append(
                Finding(
                    str(file), 1, 1, f"no mapping, probe or telemetry feeds workflow {name!r}",
                    allowed=", ".join(sorted(known)) or "none is declared",
                )
            )  # fmt: skip
    return findings
