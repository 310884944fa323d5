"""Which version of each calendar holds now: what counts by calendars is decided by them too."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from core.errors import ConfigurationError
from store.client import Store
from store.sqlfile import read

SQL = Path(__file__).parent / "sql"


def newest_calendars(store: Store, calendars: Iterable[str], whose: str) -> dict[str, str]:
    """The version that holds now of each of `calendars`, which `whose` counts by.

    Raises ConfigurationError when one is not in the store.
    """
    names = list(calendars)
    rows = store.rows(read(SQL / "calendar_versions.sql"), {"calendars": names}) if names else []
    found = {row["calendar"]: row["version"] for row in rows}
    missing = ", ".join(name for name in names if name not in found)
    if missing:
        raise ConfigurationError(
            f"{whose} counts by calendars that are not in the store: {missing}; "
            "their files belong into the folder calendars/, and `tieout up` and `tieout import` load them"
        )
    return found
