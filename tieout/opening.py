"""How a command reaches the store: through a running `tieout up`, by opening the folder itself, or on a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from collector.imports import recover
from collector.telemetry import adopt
from probes import stage
from store import migrate
from store.client import Store
from store.folder import DataFolder, running
from tieout.project import Project

HOME = Path(__file__).resolve().parent.parent
VIEWS = tuple(HOME / folder / "views" for folder in ("collector", "calendars", "reconcile", "kpis"))


@contextmanager
def store_of(
    project: Project, now: datetime, command: str, *, write: bool = False, prepared: bool = True
) -> Iterator[Store]:
    """A handle to the project's store, closed at the end; the folder is released again.

    A store opened here is brought up to this version first, unless `prepared` is false.

    Raises FolderInUseError, StoreUnavailableError, MigrationError or NewerSchemaError.
    """
    if project.settings.store.url != "embedded":
        with server_store(project) as store:
            yield store
        return
    live = running(project.data_folder)
    if live is not None:
        token = live.writer_token if write else live.reader_token
        with Store(live.store_url, token=token.get_secret_value(), read_only=not write) as store:
            yield store
        return
    with DataFolder(project.data_folder) as folder:
        folder.acquire(now, command)
        with Store(folder.dsn) as store:
            if prepared:
                prepare(store, now)
            folder.opened(store)
            yield store


def server_store(project: Project) -> Store:
    """A handle to the ClickHouse server of the settings."""
    password = project.settings.store.password
    return Store(project.settings.store.url, password=password.get_secret_value() if password else None)


def prepare(store: Store, now: datetime) -> None:
    """Brings tables and views up to this version, and ends what imports and probes that died left behind.

    Views are code and are replaced every time.
    """
    adopt(store)
    migrate.migrate(store, now)
    for folder in VIEWS:
        migrate.replace_views(store, folder)
    recover(store)
    stage.recover(store)
