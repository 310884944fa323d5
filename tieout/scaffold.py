"""`tieout init`: a project folder that checks clean and says in comments what goes where."""

from __future__ import annotations

from pathlib import Path

from core.errors import ConfigurationError

FILES = {
    "tieout.yaml": """\
# What this installation is and where it listens. Every key with its default: `tieout config show --origin`.
title: {title}
shipped_workflows: [hospital_billing, procure_to_payment]

store:
  url: embedded            # or https://user@clickhouse.example:8443/tieout, password from TIEOUT_STORE__PASSWORD
  folder: data

listen:
  otlp: 127.0.0.1:4318     # OpenTelemetry traces, OTLP over HTTP
  otlp_grpc: 127.0.0.1:4317
  store: 127.0.0.1:8123    # ClickHouse's HTTP protocol, for any ClickHouse client
  dashboard: 127.0.0.1:8501

jobs: {{derive: 2s, reconcile: 5s, match: 10s, kpis: 5m, alerts: 15s, deliver: 5s, exceptions: 1m}}

# Who may act on exceptions, and how the dashboard knows who acts; without that it only shows. See docs/how-to/exceptions.md.
# access: {{people: {{ann: {{role: approver}}}}, dashboard: {{user: ann}}}}
""",
    "mappings/hospital_billing.yaml": "@mappings/hospital_billing.yaml",
    "mappings/procure_to_payment.yaml": "@mappings/procure_to_payment.yaml",
    "alerts/billing.yaml": "@alerts/billing.yaml",
    "alerts/billing_test.yaml": "@alerts/billing_test.yaml",
    "exceptions.yaml": """\
# How exceptions are worked: reason codes, service levels, who gets what. All of it: docs/how-to/exceptions.md.
acknowledge_for: 7d
# service_levels: [{name: all, severity: normal, acknowledge: 8h, resolve: 10d}]
# assign: [{name: all, owner: treasury, to: ann}]
""",
    "workflows/README.md": """\
# Workflows of this site

One YAML file a business process. The shipped ones, named in `tieout.yaml`, are the examples to start from;
a file here with the name of a shipped one replaces it. More to begin from, with matching rules: `tieout workflow list`.
""",
    "probes/README.md": """\
# Probes of this site

One YAML file a source that tieout reads: `kind: sql`, `rest` or `files`. Secrets by reference: `${NAME}` or `${file:/run/secrets/x}`.
""",
    "matching/README.md": """\
# Matching rules of this site

One YAML file a rule: which records of two or more systems belong together, and how far they may differ. Tables they look
things up in are CSV files in `tables/`; tests are files `*_test.yaml`, run by `tieout test`.
""",
    "calendars/README.md": """\
# Calendars of this site

One YAML file a calendar: when a facility, a shared service or a bank works. A workflow counts and ages by it when it
says `calendar: north`; then `within: 3bd` is three business days and `within: 8bh` eight hours of working time.
`tieout calendar show north` lists its days. Every key: docs/reference/calendars.md.

```yaml
calendar: north
title: North hospital, accounts payable
zone: America/Chicago
holidays: {country: US, subdivision: MN}
hours: 08:00-17:00
cut_off: 15:30
closures:
  - {date: 2026-11-27, reason: Day after Thanksgiving}
working_days:
  - {date: 2026-10-03, reason: Year-end count}
fiscal: {kind: 4-4-5, ends_in: 9, ends_on: sat, rule: last}
close_after: 5
```
""",
    "kpis/README.md": """\
# KPIs of this site

One `.sql` file a KPI beside the shipped ones, with a `-- key: value` header. `tieout check` asks the engine whether it holds.
""",
    ".gitignore": "data/\n",
}


def create(folder: Path, examples: Path) -> list[Path]:
    """Writes a new project into `folder` and returns its files. Raises ConfigurationError if there is one already."""
    if (folder / "tieout.yaml").exists():
        raise ConfigurationError(f"{folder.resolve()} holds a project already; nothing was changed")
    written = []
    for name, text in FILES.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            continue
        target.write_text(_content(text, examples, folder), encoding="utf-8")
        written.append(target)
    return written


def _content(text: str, examples: Path, folder: Path) -> str:
    if text.startswith("@"):
        return (examples / text[1:]).read_text(encoding="utf-8")
    return text.format(title=folder.resolve().name) if "{title}" in text else text
