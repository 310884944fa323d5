"""What people do with an exception: each act is an appended row with who, when and why. Nothing is deleted."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from core.errors import ConfigurationError
from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"

Action = Literal["assigned", "acknowledged", "explained", "resolved", "reopened"]


def act(
    store: Store, exception_id: str, action: Action, actor: str, now: datetime,
    *, owner: str = "", reason: str = "", note: str = "",
) -> None:  # fmt: skip
    """Records one act. Raises ConfigurationError when the exception is unknown or the act lacks what it needs."""
    if not actor:
        raise ConfigurationError("an act needs a person: pass --by NAME or set TIEOUT_USER")
    if action == "assigned" and not owner:
        raise ConfigurationError("assign needs an owner: pass --to NAME")
    if action in ("explained", "resolved") and not (reason or note):
        raise ConfigurationError(f"{action} needs a reason code or a note: pass --reason or --note")
    if not exists(store, exception_id):
        raise ConfigurationError(f"no exception {exception_id!r}; `tieout exceptions list` shows their ids")
    store.insert(
        "exceptions",
        [
            {
                "exception_id": exception_id, "action": action, "at": now, "known_at": now,
                "actor": actor, "owner": owner, "reason": reason, "note": note,
            }
        ],
    )  # fmt: skip


def exists(store: Store, exception_id: str) -> bool:
    """Whether an expectation with this exception id was ever written."""
    return bool(store.value(read(SQL / "exception_exists.sql"), {"id": exception_id}))
