"""A PostgreSQL server of the tests' own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trustme

from tests.interop.parties import wait_until
from tests.ports import free_port

PASSWORD = "hunter2-secret"
# The same server by a name that does not say so: to a probe it is on another machine.
AFAR = "127.1"


class Postgres:
    """A cluster in a folder of its own, on a free port of the loopback interface."""

    # How it writes the type of a moment, of a time without zone, a query that lasts, and that a table is missing.
    instant = "timestamptz"
    local = "timestamp"
    sleeping = "SELECT pg_sleep(30)::text AS no"
    nowhere = 'relation "nowhere" does not exist'

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        # The server refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

    def program(self, name: str) -> str:
        """Where a program of PostgreSQL is."""
        path = shutil.which(name) or next(
            (str(p) for p in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), ""
        )
        if not path:
            pytest.fail(f"PostgreSQL's {name} is missing; run: apt-get install postgresql")
        return path

    def tool(self, name: str, *arguments: str) -> None:
        path = self.program(name)
        identity: dict[str, Any] = {"user": self.user, "group": self.user} if os.geteuid() == 0 else {}
        subprocess.run([path, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **identity)

    def create(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.user)
        (self.folder / "password").write_text(PASSWORD)
        (self.folder / "password").chmod(0o644)
        self.tool(
            "initdb", "-D", f"{self.folder}/data", "-U", "owner", "-A", "scram-sha-256", "--no-sync",
            "--pwfile", f"{self.folder}/password",
        )  # fmt: skip
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.folder / "ca.pem")
        shown = authority.issue_cert("127.0.0.1", AFAR)
        shown.cert_chain_pems[0].write_to_path(self.folder / "cert.pem")
        shown.private_key_pem.write_to_path(self.folder / "key.pem")
        (self.folder / "key.pem").chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(self.folder / "key.pem", self.user)
        with (self.folder / "data" / "postgresql.conf").open("a") as settings:
            files = "".join(f"ssl_{name}_file = '{self.folder}/{name}.pem'\n" for name in ("cert", "key"))
            settings.write(f"ssl = on\n{files}")

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = f"{self.folder}/log"
        self.tool("pg_ctl", "-D", f"{self.folder}/data", "-w", "-l", log, "-o", options, "start")

    def speak_tls(self, said: str) -> None:
        """Switches TLS `on` or `off` for those who come."""
        with self.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as db:
            db.exec_driver_sql(f"ALTER SYSTEM SET ssl = {said}")
            db.exec_driver_sql("SELECT pg_reload_conf()")
        wait_until(lambda: self.setting("ssl") == said, lambda: f"ssl is not {said}")

    def setting(self, name: str) -> str:
        with self.engine().connect() as db:
            return str(db.exec_driver_sql(f"SHOW {name}").scalar())

    def stop(self) -> None:
        self.tool("pg_ctl", "-D", f"{self.folder}/data", "-w", "-m", "immediate", "stop")

    def url(
        self,
        user: str = "owner",
        password: str = PASSWORD,
        database: str = "postgres",
        host: str = "127.0.0.1",
    ) -> str:
        return f"postgresql+psycopg://{user}:{password}@{host}:{self.port}/{database}"

    def engine(self) -> sa.Engine:
        """How a test writes: times are UTC, and a lock that another test left is not waited for."""
        options = {"options": "-c lock_timeout=5s -c timezone=UTC"}
        return sa.create_engine(self.url(), poolclass=sa.NullPool, connect_args=options)

    def add_reader(self) -> str:
        """The URL of a user who may log in and nothing else."""
        with self.engine().begin() as db:
            db.exec_driver_sql(f"DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        return self.url(user="reader")

    def add_wipe(self) -> None:
        """A function `wipe()` that empties the table of invoices."""
        body = "'DELETE FROM invoices RETURNING 1'"
        with self.engine().begin() as db:
            db.exec_driver_sql(f"CREATE OR REPLACE FUNCTION wipe() RETURNS int LANGUAGE sql AS {body}")

    def numbers(self, most: int) -> str:
        """A SELECT of the numbers from 1 to `most`, as `n`."""
        return f"SELECT n FROM generate_series(1, {most}) AS n"

    def hang_up(self) -> None:
        """Cuts off everybody else."""
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        with self.engine().connect() as db:
            db.exec_driver_sql(others)


@contextmanager
def running() -> Iterator[Postgres]:
    """A server that is gone afterwards."""
    # Not in the engine's private temporary folder, which the server's user cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=os.environ.get("TMPDIR", "/tmp")))  # noqa: S108
    folder.chmod(0o755)
    postgres = Postgres(folder)
    postgres.create()
    postgres.start()
    try:
        yield postgres
    finally:
        postgres.stop()
        shutil.rmtree(folder)
