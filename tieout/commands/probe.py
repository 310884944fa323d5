"""Sources that tieout reads: list, run, init, preset, doctor, backfill, repair, conformance, template."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from core.clock import SystemClock
from core.duration import parse_duration
from core.errors import ConfigurationError
from core.findings import nearest
from core.yamlfile import parse
from probes import presets, template
from probes.backfill import Backfill, backfill
from probes.conformance import conformance
from probes.doctor import broken_file, diagnose
from probes.overview import list_probes, set_aside
from probes.probe import ProbeFile, parse_time
from probes.run import dry_run as try_probe
from probes.run import repair, run_probe
from probes.systems import Systems
from tieout.commands.checks import end_by, print_checks
from tieout.commands.options import JsonOption, ProjectOption, present
from tieout.commands.probe_init import probe_init
from tieout.opening import store_of
from tieout.output import err, message, out, print_json, print_table
from tieout.project import DEFAULT, Project, load_project, open_project

probe_app = typer.Typer(
    no_args_is_help=True,
    help="Sources that tieout reads: list, run, init, preset, doctor, backfill, repair, conformance, template.",
)
probe_app.command("init")(probe_init)
NameArgument = Annotated[str, typer.Argument(help="Probe, from `tieout probe list`.")]
# What of a probe's status people look at; --json has all of it.
LISTED = (
    "name", "system", "guarded", "status", "late", "last_good", "complete_through", "records_read",
    "records_changed", "records_rejected", "changed_columns_7d", "tries_24h", "failed_tries_24h", "asked_again_at", "error",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to the command line."""
    app.add_typer(probe_app, name="probe")


@probe_app.command("list")
def probe_list(project: ProjectOption = DEFAULT, json: JsonOption = False) -> None:
    """The probes of this project. Example: tieout probe list"""
    loaded = open_project(project)
    with store_of(loaded, present(), "probe list") as store:
        found = list_probes(store, loaded.probes.values(), present(), loaded.settings.systems)
    rows = [dataclasses.asdict(status) for status in found]
    print_json({"probes": rows}) if json else print_table(rows, LISTED)


@probe_app.command("run")
def probe_run(
    name: NameArgument,
    project: ProjectOption = DEFAULT,
    dry: Annotated[bool, typer.Option("--dry-run", help="Read and show, write nothing.")] = False,
    believe: Annotated[
        bool, typer.Option("--believe", help="Take it as it is: so much is gone, or it was restored.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Runs one probe now. Example: tieout probe run erp_orders --dry-run"""
    loaded = open_project(project)
    probe = chosen_probe(loaded, name)
    workflow = loaded.workflows[probe.workflow]
    systems = Systems(loaded.settings.systems)
    with store_of(loaded, present(), "probe run", write=True) as store:
        if dry:
            print_json(try_probe(store, probe, workflow, present(), systems=systems))
            return
        done = run_probe(
            store,
            probe,
            workflow,
            present(),
            clock=SystemClock(),
            systems=systems,
            asked=True,
            believe=believe,
        )
    if json:
        print_json(done)
    else:
        message(
            f"{name}: {done.status}; {done.read:,} read, {done.changed:,} changed, {done.rejected:,} set aside. {done.error}"
        )
    if done.status == "failed":
        raise typer.Exit(1)


@probe_app.command("backfill")
def probe_backfill(
    name: NameArgument,
    start: Annotated[str, typer.Option("--from", help="First time to read, like 2026-01-01.")],
    end: Annotated[str, typer.Option("--to", help="Time to stop at, not included.")],
    step: Annotated[str, typer.Option(help="How much is read at a time.")] = "1d",
    again: Annotated[bool, typer.Option("--again", help="From the beginning, though some is done.")] = False,
    project: ProjectOption = DEFAULT,
    json: JsonOption = False,
) -> None:
    """Reads a time gone by; stopped in any way, the same command goes on where it was.

    Example: tieout probe backfill erp_orders --from 2026-01-01 --to 2026-07-01 --step 7d
    """
    loaded = open_project(project)
    probe = chosen_probe(loaded, name)
    since, until = _moment(start), _moment(end)
    systems = Systems(loaded.settings.systems)
    with store_of(loaded, present(), "probe backfill", write=True) as store, _bar(name) as tell:
        done = backfill(
            store, probe, loaded.workflows[probe.workflow], since, until, _step(step), SystemClock(),
            systems=systems, again=again, tell=tell,
        )  # fmt: skip
    if json:
        print_json(done)
    else:
        message(
            f"{name}: {done.share:.0%} done, to {done.done_to:%Y-%m-%d %H:%M:%S} UTC; "
            f"{done.read:,} read, {done.changed:,} changed"
        )
        if done.stopped:
            message(f"stopped: {done.stopped.error}\nthe same command goes on from there")
    if done.stopped:
        raise typer.Exit(1)


@probe_app.command("repair")
def probe_repair(name: NameArgument, project: ProjectOption = DEFAULT, json: JsonOption = False) -> None:
    """Judges records that were set aside by the probe file as it is now. Example: tieout probe repair erp_orders"""
    loaded = open_project(project)
    probe = chosen_probe(loaded, name)
    with store_of(loaded, present(), "probe repair", write=True) as store:
        done = repair(store, probe, loaded.workflows[probe.workflow], SystemClock())
        left = set_aside(store, probe)
    if json:
        print_json({"run": done, "still_set_aside": left})
        return
    message(
        f"{name}: {done.read:,} judged again, {done.changed:,} states stored, {done.rejected:,} not understood"
    )
    if left:
        print_table(left, title="still set aside")
        message("records that cannot be judged from what was kept are read again by: tieout probe backfill")


def _moment(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError:
        raise ConfigurationError(f"{text!r} is not a time; write 2026-01-31 or 2026-01-31T12:00Z") from None


def _step(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigurationError(f"--step {text}: {error}") from None


@contextmanager
def _bar(name: str) -> Iterator[Callable[[Backfill], None]]:
    """A progress bar on standard error; silent when it is not a terminal."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(f"backfill {name}", total=1.0, at="")

        def tell(progress: Backfill) -> None:
            bar.update(
                task,
                completed=progress.share,
                at=f"{progress.done_to:%Y-%m-%d %H:%M}, {progress.read:,} read",
            )

        yield tell


@probe_app.command("conformance")
def probe_conformance(name: NameArgument, project: ProjectOption = DEFAULT, json: JsonOption = False) -> None:
    """Whether a kind of probe keeps the contract, on its own source. Example: tieout probe conformance our_ledger"""
    loaded = open_project(project)
    probe = chosen_probe(loaded, name)
    checks = conformance(probe, present())
    print_checks(name, checks, as_json=json)
    end_by(checks)


@probe_app.command("template")
def probe_template(
    kind: Annotated[str, typer.Argument(help="Name of the new kind, as probe files will say it.")],
    folder: Annotated[Path, typer.Argument(help="Where the package goes.")],
    json: JsonOption = False,
) -> None:
    """Writes a small package with a kind of probe of your own. Example: tieout probe template ledger ./our-ledger"""
    written = template.create(folder, kind)
    if json:
        print_json({"kind": kind, "files": written})
        return
    for file in written:
        message(f"wrote {file}")
    message(f"next: pip install -e {folder}, then kind: {kind} in a probe file")


@probe_app.command("preset")
def probe_preset(
    name: Annotated[str, typer.Argument(help="Preset as VENDOR/OBJECT; without it, all are named.")] = "",
    json: JsonOption = False,
) -> None:
    """A probe file for a business system, to begin from. Example: tieout probe preset sap-s4/purchase_orders"""
    try:
        text = presets.text(name) if name else ""
    except LookupError as error:
        raise ConfigurationError(str(error.args[0])) from None
    if json:
        print_json({"preset": name, "text": text} if name else {"presets": presets.names()})
    else:
        out.print(text or "\n".join(presets.names()), markup=False, highlight=False, soft_wrap=True)


@probe_app.command("doctor")
def probe_doctor(name: NameArgument, project: ProjectOption = DEFAULT, json: JsonOption = False) -> None:
    """What keeps a probe from working, and what to do. Writes nothing. Example: tieout probe doctor erp_orders"""
    loaded, findings = load_project(project)
    file = _file_of(project, name)
    own = [finding for finding in findings if Path(finding.file) == file]
    if own:
        checks = broken_file(name, own)
    else:
        loaded = open_project(project)
        probe = chosen_probe(loaded, name)
        systems = Systems(loaded.settings.systems)
        with store_of(loaded, present(), "probe doctor", write=True) as store:
            checks = diagnose(store, probe, loaded.workflows[probe.workflow], present(), systems, file)
    print_checks(name, checks, as_json=json)
    end_by(checks)


def _file_of(project: Path, name: str) -> Path:
    """The file that says it is the probe `name`, also when it has mistakes."""
    files = sorted((project / "probes").glob("*.y*ml"))
    for file in files:
        parsed, _ = parse(file)
        if parsed and isinstance(parsed.data, dict) and parsed.data.get("name") == name:
            return file
    return next((file for file in files if file.stem == name), project / "probes" / f"{name}.yaml")


def chosen_probe(project: Project, name: str) -> ProbeFile:
    """The probe called `name`. Raises ConfigurationError that names the nearest."""
    if name not in project.probes:
        near = nearest(name, project.probes)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigurationError(f"no probe {name!r}; there are {', '.join(project.probes) or 'none'}{hint}")
    return project.probes[name]
