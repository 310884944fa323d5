"""A MariaDB server of the tests' own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trustme

from tests.ports import free_port

PASSWORD = "hunter2-secret"
# The same server by a name that does not say so: to a probe it is on another machine.
AFAR = "127.1"


class Mariadb:
    """A server with its data in a folder of its own, on a free port of the loopback interface."""

    instant = "timestamp(6) NULL"
    local = "datetime(6)"
    sleeping = "SELECT SLEEP(30) AS no"
    nowhere = "Table 'shop.nowhere' doesn't exist"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        # The server refuses to run as root.
        self.user = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self._server: subprocess.Popen[bytes] | None = None

    def program(self, name: str) -> str:
        path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if not path:
            pytest.fail(f"MariaDB's {name} is missing; run: apt-get install mariadb-server")
        return path

    def create(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.user)
        command = [
            self.program("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db",
            "--auth-root-authentication-method=normal", f"--user={self.user}",
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.folder / "ca.pem")
        shown = authority.issue_cert("127.0.0.1", AFAR)
        shown.private_key_pem.write_to_path(self.folder / "key.pem")
        shown.cert_chain_pems[0].write_to_path(self.folder / "cert.pem")
        (self.folder / "key.pem").chmod(0o644)
        # One statement a line: the server reads it so.
        (self.folder / "first.sql").write_text(
            f"CREATE USER owner@localhost IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON *.* TO owner@localhost WITH GRANT OPTION;\nCREATE DATABASE shop;\n"
        )

    def start(self, *, tls: bool = True) -> None:
        command = [
            self.program("mariadbd"), "--no-defaults", f"--datadir={self.folder}/data", f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--socket={self.folder}/socket", f"--pid-file={self.folder}/pid",
            "--innodb-flush-log-at-trx-commit=2", "--log-bin-trust-function-creators=1",
            # One behind the UTC of the probe's session: what is shown in the server's zone is seen to be wrong.
            "--default-time-zone=-01:00", f"--user={self.user}",
        ]  # fmt: skip
        files = (f"--ssl-{name}={self.folder}/{name}.pem" for name in ("ca", "cert", "key"))
        command += files if tls else ["--skip-ssl"]
        first = self.folder / "first.sql"
        if first.exists():
            command.append(f"--init-file={first}")
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        self._until_it_answers()
        first.unlink(missing_ok=True)

    def _until_it_answers(self) -> None:
        assert self._server
        end = time.monotonic() + 30
        while time.monotonic() < end and self._server.poll() is None:
            with suppress(sa.exc.OperationalError), self.engine().connect():
                return
            time.sleep(0.05)
        pytest.fail(f"MariaDB does not answer: {(self.folder / 'log').read_text()[-2000:]}")

    def stop(self) -> None:
        if self._server:
            self._server.kill()
            self._server.wait()

    def url(
        self, user: str = "owner", password: str = PASSWORD, database: str = "shop", host: str = "127.0.0.1"
    ) -> str:
        return f"mysql+pymysql://{user}:{password}@{host}:{self.port}/{database}"

    def engine(self) -> sa.Engine:
        """How a test writes: times are UTC, and a lock that another test left is not waited for."""
        options: dict[str, Any] = {"init_command": "SET lock_wait_timeout = 5, time_zone = '+00:00'"}
        return sa.create_engine(self.url(), poolclass=sa.NullPool, connect_args=options)

    def add_reader(self) -> str:
        """The URL of a user who may log in and nothing else."""
        with self.engine().begin() as db:
            db.exec_driver_sql("DROP USER IF EXISTS reader@localhost")
            db.exec_driver_sql(f"CREATE USER reader@localhost IDENTIFIED BY '{PASSWORD}'")
            db.exec_driver_sql("GRANT CREATE TEMPORARY TABLES ON shop.* TO reader@localhost")
        return self.url(user="reader")

    def add_wipe(self) -> None:
        """A function `wipe()` that empties the table of invoices."""
        with self.engine().begin() as db:
            db.exec_driver_sql(
                "CREATE OR REPLACE FUNCTION wipe() RETURNS int BEGIN DELETE FROM invoices; RETURN 1; END"
            )

    def numbers(self, most: int) -> str:
        """A SELECT of the numbers from 1 to `most`, as `n`."""
        return f"SELECT seq AS n FROM seq_1_to_{most}"

    def hang_up(self) -> None:
        """Cuts off everybody else."""
        with self.engine().connect() as db:
            others = (
                "SELECT id FROM information_schema.processlist WHERE user = 'owner' AND id <> connection_id()"
            )
            for (number,) in db.exec_driver_sql(others).all():
                with suppress(sa.exc.OperationalError):
                    db.exec_driver_sql(f"KILL {number}")


@contextmanager
def running() -> Iterator[Mariadb]:
    """A server that is gone afterwards."""
    # Not in the engine's private temporary folder, which the server's user cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="maria", dir=os.environ.get("TMPDIR", "/tmp")))  # noqa: S108
    folder.chmod(0o755)
    mariadb = Mariadb(folder)
    try:
        mariadb.create()
        mariadb.start()
        yield mariadb
    finally:
        mariadb.stop()
        shutil.rmtree(folder)
