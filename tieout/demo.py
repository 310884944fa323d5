"""`tieout demo`: the shipped example on real data, from an empty folder to figures and a dashboard."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from alerts.run import evaluate_rules
from calendars.table import write_calendars
from collector.imports.load import find_mapping
from collector.imports.result import ImportResult
from collector.imports.run import import_files
from core.errors import CannotRunError
from reconcile.matching.run import match
from reconcile.run import reconcile
from store.client import Store
from store.folder import DataFolder
from tieout.opening import HOME, prepare
from tieout.pipeline import moment, publish_all
from tieout.project import Project, open_project
from tieout.replay import Replay, log_files
from tieout.summary import summarise

EXAMPLE = HOME / "examples" / "demo"

Tell = Callable[[str], None]


def demo_project(folder: Path, flags: dict[str, Any] | None = None) -> Project:
    """The example as a project in `folder`, copied there the first time; data of earlier runs is kept."""
    if not EXAMPLE.is_dir():
        raise CannotRunError(
            f"the example is not part of this installation: {EXAMPLE} is missing; use a git checkout"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(EXAMPLE.rglob("*")):
        target = folder / source.relative_to(EXAMPLE)
        if source.is_dir():
            target.mkdir(exist_ok=True)
        elif not target.exists() or source.parent.name == "data":
            shutil.copyfile(source, target)
    return open_project(folder, flags)


def load(
    store: Store, project: Project, now: datetime, tell: Tell, replay: Replay | None = None
) -> list[ImportResult]:
    """Imports both logs, works out expectations and figures, evaluates alert rules. Safe to repeat.

    What `replay` will play is left out.
    """
    if replay is not None:
        replay.prepare(store, now)
    results = []
    for name, workflow in project.workflows.items():
        for file in log_files(project, name):
            tell(f"importing {file.name}")
            mapping = find_mapping(file, project.loaded_mappings)
            until = replay.starts[name] if replay is not None else None
            results.append(import_files(store, mapping, workflow, [file], now, until=until))
    bring_up(store, project, now, tell)
    return results


def bring_up(store: Store, project: Project, now: datetime, tell: Tell) -> None:
    """Expectations, figures and alerts for what the store holds."""
    write_calendars(store, project.calendars.values(), now)
    tell("reconciling")
    reconcile(store, project.workflows.values(), now, settle=timedelta(0))
    if project.matching:
        tell("matching")
        match(store, project.matching.values(), project.workflows, now, settle=timedelta(0))
    tell("computing KPIs")
    publish_all(store, project, project.kpis.values(), now, uuid.uuid4().hex)
    tell("evaluating alert rules")
    for name, workflow in project.workflows.items():
        evaluate_rules(store, project.alerts.rules_of(name), moment(store, workflow, now).as_of, now)


def once(folder: Path | None, now: datetime, tell: Tell) -> dict[str, Any]:
    """Loads, computes, and gives the summary. Without `folder` nothing is left behind."""
    with _place(folder) as place:
        project = demo_project(place)
        with DataFolder(project.data_folder) as data:
            data.acquire(now, "tieout demo --once")
            with Store(data.dsn) as store:
                prepare(store, now)
                data.opened(store)
                imports = load(store, project, now, tell)
                return {**summarise(store, project, now), "imports": [result.as_dict() for result in imports]}


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="tieout-demo-") as temporary:
        yield Path(temporary)
