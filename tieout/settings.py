"""What `tieout.yaml`, the environment and flags may set. Precedence: flag, environment, file, default.

Environment names are `TIEOUT_` and the path in capitals with two underscores between levels, for example
`TIEOUT_LISTEN__OTLP=127.0.0.1:4318`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from collector.correlation import Correlation
from collector.follow import Database
from collector.privacy import Privacy
from collector.settings import CollectorSettings
from collector.telemetry import Retention
from core.address import Address
from core.duration import Duration
from core.findings import Finding
from core.secret import Secret
from core.yamlfile import FileModel, Parsed, load
from probes.systems import SystemRule
from reconcile.people import AccessSettings


class Listen(FileModel):
    """Where tieout listens: OTLP over HTTP and gRPC, ClickHouse's HTTP protocol, the dashboard, acts on exceptions.

    Port 0 is any free one; commands and the dashboard find it.
    Loopback only, unless `insecure` says that something else guards the port, or `collector` has TLS and tokens.
    """

    otlp: Address = "127.0.0.1:4318"
    otlp_grpc: Address = "127.0.0.1:4317"
    store: Address = "127.0.0.1:8123"
    dashboard: Address = "127.0.0.1:8501"
    acts: Address = "127.0.0.1:0"
    insecure: bool = False


class StoreSettings(FileModel):
    """`url`: `embedded`, or the http(s) URL of a ClickHouse server with user and database. `folder`: embedded data.

    `password` and the two tokens are secrets; tokens left out are made anew at every start.
    """

    url: str = "embedded"
    folder: Path = Path("data")
    password: SecretStr | None = None
    reader_token: SecretStr | None = None
    writer_token: SecretStr | None = None


class Jobs(FileModel):
    """How often each job runs. Probes say so themselves; `probe_jitter_ratio` of that, at most, each starts later."""

    derive: Duration = timedelta(seconds=2)
    reconcile: Duration = timedelta(seconds=5)
    match: Duration = timedelta(seconds=10)
    kpis: Duration = timedelta(minutes=5)
    alerts: Duration = timedelta(seconds=15)
    deliver: Duration = timedelta(seconds=5)
    exceptions: Duration = timedelta(minutes=1)
    probe_jitter_ratio: float = Field(default=0.1, ge=0, le=0.5)


class AuditKey(FileModel):
    """A key of the audit log. Every row names the `id` of the key it was written with."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$", max_length=32)]
    secret: Secret


class AuditSettings(FileModel):
    """`keys` of the audit log, the newest first; it writes, the others only verify. Without any, a key is made in the data folder."""

    keys: tuple[AuditKey, ...] = ()


class _Fields(BaseModel):
    title: str = "tieout"
    kpi_window: Duration | None = None
    shipped_workflows: tuple[str, ...] = ()
    store: StoreSettings = Field(default_factory=StoreSettings)
    listen: Listen = Field(default_factory=Listen)
    jobs: Jobs = Field(default_factory=Jobs)
    correlation: Correlation = Field(default_factory=Correlation)
    collector: CollectorSettings = Field(default_factory=CollectorSettings)
    privacy: Privacy | None = None
    retention: Retention = Field(default_factory=Retention)
    telemetry_from: tuple[Database, ...] = ()
    access: AccessSettings = Field(default_factory=AccessSettings)
    audit: AuditSettings = Field(default_factory=AuditSettings)
    systems: dict[str, SystemRule] = Field(default_factory=dict)


class ProjectFile(_Fields, FileModel):
    """`tieout.yaml`: `title` of the installation, `shipped_workflows` in use, store, listeners, jobs, correlation,
    collector. With `privacy`, only what it names is kept of telemetry; `retention` says for how long.
    `telemetry_from`: other databases of the store, whose telemetry tables are followed.
    `access`: who may act on exceptions. `systems`: how gently each is probed.

    `kpi_window` is the period that cohort and flow KPIs look back over, instead of the one in their headers.
    """


class Settings(_Fields, BaseSettings):
    """The merged settings of one run."""

    model_config = SettingsConfigDict(
        env_prefix="TIEOUT_", env_nested_delimiter="__", extra="ignore", frozen=True, populate_by_name=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (env_settings, init_settings)


def load_settings(
    root: Path, flags: Mapping[str, Any] | None = None
) -> tuple[Settings | None, Parsed | None, list[Finding]]:
    """The settings of the project in `root`; `flags` are nested like the file and win over everything."""
    file = root / "tieout.yaml"
    if not file.exists():
        return (
            None,
            None,
            [Finding(str(file), 1, 1, "there is no tieout.yaml here; `tieout init` makes a project")],
        )
    model, parsed, findings = load(file, ProjectFile)
    if model is None or parsed is None or findings:
        return None, parsed, findings
    try:
        merged = Settings(**parsed.data).model_dump(mode="python")
        return Settings.model_validate(_overlay(merged, flags or {})), parsed, []
    except ValidationError as error:
        return (
            None,
            parsed,
            [
                _environment_finding(problem)
                for problem in error.errors(include_input=False, include_url=False)
            ],
        )


def origins(parsed: Parsed, flags: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every setting with its value (secrets masked) and where it came from: flag, environment, file or default."""
    settings = Settings.model_validate(_overlay(Settings(**parsed.data).model_dump(mode="python"), flags))
    leaves = dict(_leaves(settings.model_dump(mode="json")))
    in_flags, in_file = dict(_leaves(flags)), dict(_leaves(parsed.data))
    rows = []
    for path, value in leaves.items():
        variable = "TIEOUT_" + "__".join(path).upper()
        covers = [path[: n + 1] for n in range(len(path))]
        origin = (
            "flag" if path in in_flags
            else f"environment {variable}" if variable in os.environ
            else "file" if any(part in in_file for part in covers) or any(key[: len(path)] == path for key in in_file)
            else "default"
        )  # fmt: skip
        rows.append({"setting": ".".join(path), "value": str(value), "origin": origin})
    return rows


def _leaves(data: Any, at: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(data, Mapping) and data:
        return [leaf for key, value in data.items() for leaf in _leaves(value, (*at, str(key)))]
    return [(at, data)]


def _overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        nested = merged.get(key)
        merged[key] = (
            _overlay(nested, value) if isinstance(value, Mapping) and isinstance(nested, Mapping) else value
        )
    return merged


def _environment_finding(problem: Any) -> Finding:
    name = "TIEOUT_" + "__".join(str(part) for part in problem["loc"]).upper()
    return Finding("environment", 1, 1, f"{name}: {problem['msg'].removeprefix('Value error, ')}")
