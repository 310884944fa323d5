"""How the dashboard is started: the command line and the environment of its process."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dashboard.names import (
    ACTS_HEADER,
    ACTS_SIGN_IN,
    ACTS_TOKEN,
    ACTS_URL,
    ACTS_USER,
    PROJECT,
    TOKEN,
    URL,
)

APP = Path(__file__).resolve().parent / "app.py"
HOME = APP.parent.parent
# Addresses to listen on that are no names of a host.
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104

HEALTH_PATH = "/_stcore/health"


@dataclass(frozen=True)
class Acts:
    """Where acts are done, the token for it, and how it is known who acts: one of `user`, `header`, `sign_in`."""

    url: str
    token: str
    user: str = ""
    header: str = ""
    sign_in: bool = False

    def environment(self) -> dict[str, str]:
        """The same for the process."""
        who = {ACTS_USER: self.user, ACTS_HEADER: self.header, ACTS_SIGN_IN: "1" if self.sign_in else ""}
        return {
            ACTS_URL: self.url,
            ACTS_TOKEN: self.token,
            **{name: value for name, value in who.items() if value},
        }


def command(port: int, address: str = "127.0.0.1", allowed_hosts: Sequence[str] = ()) -> list[str]:
    """The program and arguments that serve the dashboard at `address:port`.

    Everything that is the same at every site stands in `.streamlit/config.toml` beside the app. Only requests
    whose Host is this machine's, `address` or one of `allowed_hosts` are answered.
    """
    own = () if address in _EVERYWHERE else (address,)
    hosts = dict.fromkeys(["localhost", "127.0.0.1", "::1", *own, *allowed_hosts])
    return [
        sys.executable, "-m", "streamlit", "run", str(APP),
        "--server.port", str(port), "--server.address", address,
        *(part for host in hosts for part in ("--server.allowedHosts", host)),
    ]  # fmt: skip


def environment(
    store_url: str,
    token: str | None,
    project: Path,
    *,
    base: Mapping[str, str] | None = None,
    cookie_secret: str = "",
    acts: Acts | None = None,
) -> dict[str, str]:
    """The environment of that process: `base` (by default this process's) with where the store is.

    `token` is the one that only reads. Without `acts` the dashboard only shows. `cookie_secret` keeps sessions valid over a restart; by default a new
    one is made. Secrets go through the environment, not through arguments that other users can list.
    """
    given = os.environ if base is None else base
    # Who may act is said by the caller alone.
    inherited = {name: value for name, value in given.items() if not name.startswith("TIEOUT_ACTS_")}
    path = os.pathsep.join(part for part in (str(HOME), inherited.get("PYTHONPATH", "")) if part)
    return {
        **inherited,
        "PYTHONPATH": path,
        URL: store_url,
        **({TOKEN: token} if token else {}),
        PROJECT: str(project.resolve()),
        **(acts.environment() if acts else {}),
        "STREAMLIT_SERVER_COOKIE_SECRET": cookie_secret or secrets.token_hex(32),
    }
