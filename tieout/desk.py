"""The audit log and the desk of a project: keys and people from its settings, rules from its files."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import SecretBytes, SecretStr

from core.errors import CannotRunError, ConfigurationError
from core.secret import KEY_BYTES, is_strong
from reconcile.acts import Desk, Outcome, Request
from reconcile.life import ActRefusedError
from reconcile.matching.desk import AcceptOutcome, MatchOutcome
from reconcile.matching.verbs import AcceptRequest, MatchRequest
from reconcile.people import people_of
from reconcile.remote import RemoteDesk
from reconcile.service import LOCAL, PERSON
from store.audit import AuditLog
from store.client import Store
from store.folder import running
from tieout.opening import store_of
from tieout.pipeline import moment
from tieout.project import Project

log = logging.getLogger("tieout.desk")

KEY_FILE = "audit.key"
# A person who has a token shows it to commands in this variable.
TOKEN = "TIEOUT_TOKEN"  # noqa: S105 - the name, not the token


class Acting(Protocol):
    """Where a command can act, in this process or another one."""

    def do(self, request: Request, actor: str) -> list[Outcome]:
        """What `Desk.do` says."""

    def match(self, request: MatchRequest, actor: str) -> MatchOutcome:
        """What `Desk.match` says."""

    def accept_all(self, request: AcceptRequest, actor: str) -> list[AcceptOutcome]:
        """What `Desk.accept_all` says."""


def audit_log(project: Project, store: Store) -> AuditLog:
    """The audit log with the keys of the settings, or the key of the data folder, which is made if need be.

    Raises ConfigurationError for a key that is missing or weak, CannotRunError when none can be made.
    """
    return AuditLog(store, _keys(project))


def desk_of(project: Project, store: Store) -> Desk:
    """The desk on `store`. Raises as `audit_log`, and ConfigurationError for a token that is missing."""

    def present(workflow: str, now: datetime) -> datetime:
        # What is no longer watched speaks of now.
        known = project.workflows.get(workflow)
        return moment(store, known, now).as_of if known else now

    people = people_of(project.settings.access, project.root)
    return Desk(store, audit_log(project, store), project.policy, people, present, project.matching)


@contextmanager
def acting(project: Project, now: datetime, command: str) -> Iterator[Acting]:
    """Where to act: at the desk of a running `tieout up`, else at one of this process."""
    live = running(project.data_folder) if project.settings.store.url == "embedded" else None
    shown = os.environ.get(TOKEN, "")
    if live is None:
        with store_of(project, now, command, write=True) as store:
            yield _Here(desk_of(project, store), shown, now)
        return
    if not live.acts_url:
        raise CannotRunError("the running tieout takes no acts: it is an older one; restart it")
    remote = RemoteDesk(live.acts_url, SecretStr(shown) if shown else live.acts_token)
    try:
        yield remote
    finally:
        remote.close()


class _Here:
    """A desk of this process, for who runs the command."""

    def __init__(self, desk: Desk, shown: str, now: datetime) -> None:
        self._desk, self._shown, self._now = desk, shown, now

    def do(self, request: Request, actor: str) -> list[Outcome]:
        return self._desk.do(request, self._signed_in(actor), self._now)

    def match(self, request: MatchRequest, actor: str) -> MatchOutcome:
        return self._desk.match(request, self._signed_in(actor), self._now)

    def accept_all(self, request: AcceptRequest, actor: str) -> list[AcceptOutcome]:
        return self._desk.accept_all(request, self._signed_in(actor), self._now)

    def _signed_in(self, actor: str) -> str:
        """Who acts, by name or by token. Raises ActRefusedError when that is not known."""
        people, shown = self._desk.people, self._shown.encode()
        matching = [
            name
            for name, token in people.tokens.items()
            if secrets.compare_digest(token.get_secret_value().encode(), shown)
        ]
        actor = actor or next(iter(matching), "")
        own = people.has_token(actor)
        if own and actor.strip().casefold() not in matching:
            raise ActRefusedError("person", f"{actor} has a token of their own: set {TOKEN} to it")
        self._desk.finish()
        self._desk.sign_in(actor, PERSON if own else LOCAL, self._now)
        return actor


def _keys(project: Project) -> Mapping[str, SecretBytes]:
    named = project.settings.audit.keys
    if not named:
        return {"local": _own_key(project.data_folder)}
    found = {}
    for key in named:
        secret = key.secret.read(project.root)
        if not is_strong(secret.get_secret_value()):
            raise ConfigurationError(
                f"audit key {key.id!r}: {key.secret.place} is missing, holds less than {KEY_BYTES} bytes, "
                "or repeats a few of them; make one with `openssl rand -hex 32`"
            )
        found[key.id] = secret
    return found


def _own_key(folder: Path) -> SecretBytes:
    """The key in the data folder, made by the first who needs it: whoever can write there could forge the log."""
    file = folder / KEY_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
            new.write(secrets.token_hex(KEY_BYTES).encode())
            new.flush()
            os.fsync(new.fileno())
        log.info("made a key for the audit log: %s; keep one elsewhere with audit.keys", file)
    except FileExistsError:
        pass
    except OSError as error:
        raise CannotRunError(
            f"no key for the audit log can be made in {folder} ({error.strerror}): name one in audit.keys of tieout.yaml"
        ) from None
    content = file.read_bytes().strip()
    if not is_strong(content):
        raise CannotRunError(f"{file} holds no key: it was damaged; restore it from a backup")
    return SecretBytes(content)
