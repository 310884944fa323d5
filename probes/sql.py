"""State read from a database by a query: PostgreSQL, MySQL and MariaDB, SQL Server, Oracle, SQLite, by SQLAlchemy."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import SecretStr, field_validator, model_validator
from sqlalchemy.engine import URL, Connection, CursorResult, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from core.findings import Finding, nearest
from core.yamlfile import Location, Parsed
from probes import mysql
from probes.controls import Control, Said
from probes.network import this_machine
from probes.probe import BATCH_ROWS, Batch, IncrementalProbe, ProbeError, Question, Window
from probes.texts import as_text, column_batch, parse_time, text_batch

PLACEHOLDERS = {"cursor", "window_end"}
EPOCH = "1970-01-01T00:00:00Z"
# How each driver is told to give up a connection, in seconds.
_CONNECT_TIMEOUT = {
    "psycopg": "connect_timeout",
    "psycopg2": "connect_timeout",
    "pymysql": "connect_timeout",
    "pyodbc": "timeout",
    "pymssql": "login_timeout",
    "oracledb": "tcp_connect_timeout",
    "pysqlite": "timeout",
}
_DRIVER_PACKAGE = {
    "psycopg": "psycopg[binary]",
    "postgresql": "psycopg[binary]",
    "pymysql": "pymysql[rsa]",
    "mssql": "pyodbc",
    "oracle": "oracledb",
}
_DEFAULT_PORT = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521}
# Driver sentences that speak of the query or of names in the database, never of rows.
_NAMES_ONLY = re.compile(
    r"no such (?:table|column|function): [\w.]+|near \"[^\"]{1,40}\": syntax error"
    r"|(?:relation|column|function|schema) [\"\w.()]{1,80} does not exist"
    r"|syntax error at or near \"[^\"]{1,40}\""
    r"|Table '[\w.]{1,130}' doesn't exist|Unknown column '[\w.]{1,130}'|FUNCTION [\w.]{1,130} does not exist"
)
_REFUSED_LOGIN = re.compile(
    r"authentication failed|no pg_hba|access denied|login failed|ORA-01017"
    r"|role .{1,80} does not exist|permission denied",
    re.IGNORECASE,
)
_REFUSED_TLS = re.compile(r"certificate verify failed|does not match host name", re.IGNORECASE)
_NO_TLS = re.compile(r"does(?:n't| not) support (?:it|SSL)", re.IGNORECASE)
_NO_AUTHORITY = re.compile(r"root certificate file", re.IGNORECASE)
_POSTGRESQL = ("psycopg", "psycopg2")
_NO_DATABASE = re.compile(
    r"database .{1,80} does not exist|unknown database|cannot open database", re.IGNORECASE
)


class SqlControl(Control):
    """`query` gives one number; it is asked in the same snapshot of the database as the records."""

    query: str = ""

    @model_validator(mode="after")
    def _asked(self) -> Self:
        return self.one_of("query", bool(self.query))


class SqlProbe(IncrementalProbe):
    """A SELECT against a database.

    `url`: SQLAlchemy URL. `query` or `query_file` (beside the probe file); `:cursor` and `:window_end` are
    bound, never pasted in. The transaction is read-only where the database knows such a thing. PostgreSQL, MySQL and
    MariaDB on another machine are spoken to by TLS, with certificate and host checked; `insecure: true` is for a
    network of its own that guards the way.
    """

    questions: ClassVar[tuple[Question, ...]] = (
        Question(
            "url", "database, as dialect://user:${PASSWORD}@host/name", "postgresql+psycopg://me:${PW}@db/erp"
        ),
        Question("query", "what is read", "SELECT order_no, status FROM orders"),
    )

    kind: Literal["sql"]
    url: SecretStr
    insecure: bool = False
    query: str = ""
    query_file: Path | None = None
    controls: tuple[SqlControl, ...] = ()

    @field_validator("url")
    @classmethod
    def _url_reads(cls, value: SecretStr) -> SecretStr:
        try:
            sa.make_url(value.get_secret_value()).get_dialect()
        except NoSuchModuleError:
            raise ValueError(
                "unknown database dialect; known are postgresql, mysql, mariadb, mssql, oracle, sqlite"
            ) from None
        except (ArgumentError, ValueError):
            raise ValueError("not a database URL; write dialect://user:password@host:port/database") from None
        url = sa.make_url(value.get_secret_value())
        if url.get_backend_name() in mysql.BACKENDS and url.get_driver_name() != mysql.DRIVER:
            raise ValueError("MySQL and MariaDB are read by PyMySQL; write mysql+pymysql://…")
        return value

    @model_validator(mode="after")
    def _one_query(self) -> Self:
        if bool(self.query) == bool(self.query_file):
            raise ValueError("a sql probe has either 'query' or 'query_file'")
        return self

    @model_validator(mode="after")
    def _certificates_are_checked(self) -> Self:
        url = sa.make_url(self.url.get_secret_value())
        authority = next((name for name in ("ssl_ca", "sslrootcert") if name in url.query), "")
        if self.insecure and authority:
            raise ValueError(f"'insecure' checks no certificate; leave it out, or {authority} of the url")
        weaker = ""
        if url.get_backend_name() in mysql.BACKENDS:
            named = (name for name in url.query if name.startswith("ssl"))
            weaker = next((name for name in named if name not in mysql.TLS_OPTIONS), "")
        elif _far(url) and url.query.get("sslmode", "verify-full") != "verify-full":
            weaker = "sslmode"
        if weaker and not self.insecure:
            raise ValueError(
                f"{weaker} of the url would leave the certificate unchecked; leave it out, or write insecure: true "
                "when a network of its own guards the way"
            )
        return self

    @property
    def bounded(self) -> bool:
        return "window_end" in _placeholders(self.query)

    @property
    def place(self) -> str:
        url = sa.make_url(self.url.get_secret_value())
        return f"{url.get_backend_name()} database {_address(url)}"

    @property
    def hosts(self) -> tuple[tuple[str, int], ...]:
        url = sa.make_url(self.url.get_secret_value())
        port = url.port or _DEFAULT_PORT.get(url.get_backend_name())
        return ((url.host, port),) if url.host and port else ()

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:
        findings = [
            finding
            for number, control in enumerate(self.controls)
            if control.query
            for finding in _check_query(self, control.query, parsed, ("controls", number, "query"))
        ]
        if self.query_file is None:
            return self, [*findings, *_check_query(self, self.query, parsed, ("query",))]
        path = file.parent / self.query_file
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return self, [
                parsed.finding(("query_file",), f"query file {str(self.query_file)!r} cannot be read")
            ]
        placed = self.model_copy(update={"query_file": path, "query": text})
        return placed, [*findings, *_check_query(placed, text, parsed, ("query_file",))]

    def read(self, window: Window) -> Generator[Batch]:
        engine = self._engine()
        try:
            with self._connected(engine) as connection, self._explained("the query"):
                _read_only(connection, window, one_snapshot=bool(self.controls))
                yield from self._batches(connection, window)
        finally:
            engine.dispose()

    def _batches(self, connection: Connection, window: Window) -> Iterator[Batch]:
        said = tuple(self._said(connection, window))
        result = self._asked(self.query, connection.execution_options(stream_results=True), window)
        first = 1
        is_mysql = connection.dialect.driver == mysql.DRIVER
        with closing(result), mysql.left_early(connection) if is_mysql else nullcontext():
            picked = self._picked(result)
            schema = _schema(result)
            for rows in result.partitions(BATCH_ROWS):
                window.check(self.place)
                batch = Batch(column_batch(self.columns, picked(rows)), first_line=first)
                yield replace(batch, said=said, schema=schema) if first == 1 else batch
                first += len(rows)
        if first == 1:
            yield Batch(text_batch(self.columns, []), said=said, schema=schema)

    def _said(self, connection: Connection, window: Window) -> Iterator[Said]:
        for number, control in enumerate(self.controls):
            if control.query:
                row = self._asked(control.query, connection, window).first()
                yield Said(number, as_text(row[0]) or "" if row else "")

    def _asked(self, query: str, connection: Connection, window: Window) -> CursorResult[Any]:
        statement = sa.text(query)
        wanted = _placeholders(query)
        if wanted:
            statement = statement.bindparams(
                *(self._bound(name, window, connection) for name in sorted(wanted))
            )
        window.turn()
        return connection.execution_options(max_row_buffer=BATCH_ROWS).execute(statement)

    def _picked(self, result: CursorResult[Any]) -> Callable[[Sequence[Any]], list[list[Any]]]:
        """Takes the columns the probe file names out of rows; the query may give more."""
        given = list(result.keys())
        missing = [name for name in self.columns if name not in given]
        if missing:
            near = nearest(missing[0], given)
            raise ProbeError(
                "column_missing",
                f"the query of probe {self.name} gives no column {missing[0]!r}"
                + (f"; did you mean {near!r}?" if near else f"; it gives {', '.join(given[:20])}"),
            )
        places = [itemgetter(given.index(name)) for name in self.columns]
        return lambda rows: [list(map(place, rows)) for place in places]

    def _bound(self, name: str, window: Window, connection: Connection) -> sa.BindParameter[Any]:
        if name == "window_end":
            return self._time_parameter(name, window.end, connection)
        rule = self.incremental
        cursor = window.cursor
        if rule is None or rule.timed:
            return self._time_parameter(name, parse_time(cursor or EPOCH), connection)
        if rule.type == "number":
            number = Decimal(cursor or 0)
            return sa.bindparam(name, int(number) if number == number.to_integral_value() else number)
        return sa.bindparam(name, cursor)

    def _time_parameter(self, name: str, moment: datetime, connection: Connection) -> sa.BindParameter[Any]:
        """An aware time; without a zone where the column has none, or where the database knows no zones."""
        local = self.incremental is not None and self.incremental.type == "local_time"
        if local:
            return sa.bindparam(
                name, moment.astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None), sa.DateTime()
            )
        if connection.dialect.name in ("sqlite", *mysql.BACKENDS):
            return sa.bindparam(name, moment.astimezone(UTC).replace(tzinfo=None), sa.DateTime())
        return sa.bindparam(name, moment, sa.DateTime(timezone=True))

    def _engine(self) -> Engine:
        url = sa.make_url(self.url.get_secret_value())
        if url.get_backend_name() == "sqlite":
            _must_exist(url, self.place)
        try:
            # hide_parameters: no bound value in any text; NullPool: nothing stays open between runs.
            return sa.create_engine(
                url, poolclass=NullPool, hide_parameters=True, connect_args=self._connect_arguments(url)
            )
        except ImportError:
            asked = url.drivername.rpartition("+")[2]
            package = _DRIVER_PACKAGE.get(asked, asked)
            raise ProbeError(
                "driver_missing",
                f"the driver for {url.drivername} is not installed; run: pip install '{package}'",
            ) from None

    def _connect_arguments(self, url: URL) -> dict[str, Any]:
        try:
            driver = url.get_driver_name()
        except ImportError:
            return {}
        seconds = max(1, round(self.timeouts.connect.total_seconds()))
        arguments: dict[str, Any] = {}
        if driver in _CONNECT_TIMEOUT:
            arguments[_CONNECT_TIMEOUT[driver]] = seconds
        if driver in _POSTGRESQL:
            # A server that vanished without a word is noticed within the read timeout.
            read = max(1, round(self.timeouts.read.total_seconds()))
            arguments |= {"keepalives_idle": read, "keepalives_interval": 5, "keepalives_count": 3}
        if driver == mysql.DRIVER:
            arguments |= mysql.arguments(str(url.password or ""), self.timeouts.total.total_seconds())
        return arguments | self._certificates(url, driver)

    def _certificates(self, url: URL, driver: str) -> dict[str, Any]:
        """How a driver is told to speak TLS and to check whom with; a database on this machine needs none."""
        if self.insecure or not (_far(url) or "ssl_ca" in url.query):
            return {}
        if driver in _POSTGRESQL:
            return {"sslmode": "verify-full", "sslrootcert": url.query.get("sslrootcert", "system")}
        if driver != mysql.DRIVER:
            return {}
        try:
            return {"ssl": mysql.checked(url.query)}
        except OSError:
            raise ProbeError(
                "bad_certificate",
                f"a certificate file for {self.place} cannot be used; check ssl_ca of the url",
            ) from None

    @contextmanager
    def _connected(self, engine: Engine) -> Iterator[Connection]:
        try:
            connection = engine.connect()
        except SQLAlchemyError as error:
            raise self._refused(error) from None
        with connection:
            yield connection

    def _refused(self, error: SQLAlchemyError) -> ProbeError:
        text = str(getattr(error, "orig", error))
        if _REFUSED_LOGIN.search(text):
            return ProbeError(
                "auth_failed", f"{self.place} refused the login; check user and password in the url"
            )
        if _NO_DATABASE.search(text):
            return ProbeError("no_database", f"{self.place} does not exist on that server; check the url")
        if _NO_TLS.search(text):
            return ProbeError(
                "tls_refused",
                f"{self.place} speaks no TLS; switch it on there, or write insecure: true when a network of its own "
                "guards the way",
            )
        if _REFUSED_TLS.search(text) or _NO_AUTHORITY.search(text):
            name = (
                "ssl_ca"
                if sa.make_url(self.url.get_secret_value()).get_backend_name() in mysql.BACKENDS
                else "sslrootcert"
            )
            return ProbeError(
                "tls_refused",
                f"{self.place} shows a certificate of another host, or one that no known authority vouches for; name "
                f"the file of its authority in the url: ?{name}=/etc/ssl/authority.pem",
            )
        return ProbeError(
            "unreachable",
            f"no connection to {self.place}; check that it runs, that host and port are right "
            "and that a firewall lets this machine through",
            retryable=True,
        )

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turns driver errors into ours; `from None` because a driver quotes values."""
        try:
            yield
        except DBAPIError as error:
            raise self._failed(error, what) from None
        except SQLAlchemyError as error:
            raise ProbeError(
                "query_failed", f"{what} of probe {self.name} failed in {type(error).__name__}"
            ) from None

    def _failed(self, error: DBAPIError, what: str) -> ProbeError:
        original: Any = error.orig
        state = str(getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "")
        detail = f" (SQLSTATE {state})" if state else ""
        if sa.make_url(self.url.get_secret_value()).get_backend_name() in mysql.BACKENDS:
            state, detail = mysql.sqlstate(original), f" (error {mysql.number(original)})"
        named = _NAMES_ONLY.search(str(original))
        detail = f" ({named.group(0)})" if named else detail
        where = f"{what} of probe {self.name} on {self.place}"
        if state.startswith("57014") or "interrupted" in str(original):
            return ProbeError(
                "timeout", f"{where} took longer than timeouts.total allows; read less at a time"
            )
        if state == "25006" or "readonly database" in str(original):
            return ProbeError("not_read_only", f"{where} tries to write; a probe only reads, write a SELECT")
        if state == "42501" or _REFUSED_LOGIN.search(str(original)):
            return ProbeError("auth_failed", f"{where} is not permitted{detail}; grant SELECT to its user")
        if error.connection_invalidated or state[:2] in ("08", "57", "40", "53"):
            return ProbeError(
                "connection_lost", f"{where} was cut off{detail}; it is tried again", retryable=True
            )
        if "database is locked" in str(original):
            return ProbeError(
                "locked", f"{where} found the database locked; it is tried again", retryable=True
            )
        return ProbeError(
            "query_failed", f"{where} failed{detail}; try the query in the database's own shell"
        )


def _check_query(probe: SqlProbe, text: str, parsed: Parsed, at: Location) -> list[Finding]:
    wanted = _placeholders(text)
    known = ", ".join(f":{name}" for name in sorted(PLACEHOLDERS))
    findings = [
        parsed.finding(at, f"unknown parameter :{name} in the query", known, nearest(name, PLACEHOLDERS))
        for name in sorted(wanted - PLACEHOLDERS)
    ]
    if probe.incremental and "cursor" not in wanted:
        findings.append(parsed.finding(at, "the query of an incremental probe must use :cursor"))
    if not re.match(r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(SELECT|WITH)\b", text, re.IGNORECASE | re.DOTALL):
        findings.append(parsed.finding(at, "a probe only reads: its query begins with SELECT or WITH"))
    backend = sa.make_url(probe.url.get_secret_value()).get_backend_name()
    if backend in mysql.BACKENDS and (word := mysql.DISTURBS.search(text)):
        findings.append(
            parsed.finding(at, f"a probe only reads: {word[0].upper()} writes a file or locks rows")
        )
    return findings


def _placeholders(query: str) -> set[str]:
    return set(sa.text(query).compile().params)


def _address(url: URL) -> str:
    """Host, port and database; never user, password or options."""
    if not url.host:
        return url.database or ""
    port = f":{url.port}" if url.port else ""
    return f"{url.host}{port}/{url.database or ''}"


def _far(url: URL) -> bool:
    """Whether the database is on another machine. PostgreSQL takes its host, or the folder of a socket, as an option too."""
    host = url.host or url.query.get("host", "")
    return bool(host) and not str(host).startswith("/") and not this_machine(str(host))


def _must_exist(url: URL, place: str) -> None:
    """SQLite creates a file that is not there, and an empty database would look like everything is gone."""
    path = (url.database or "").removeprefix("file:").split("?", 1)[0]
    if not path or path == ":memory:" or not Path(path).is_file():
        raise ProbeError("unreachable", f"{place} is not a file; check the path in the url", retryable=True)


def _schema(result: CursorResult[Any]) -> dict[str, str]:
    """The columns of a result; some drivers know their types by name, others by numbers of their own."""
    described = result.cursor.description if result.cursor is not None else ()
    if result.dialect.driver == mysql.DRIVER:
        return {str(column[0]): mysql.type_name(column[1]) for column in described or ()}
    return {str(column[0]): str(getattr(column, "type_display", "")) for column in described or ()}


def _read_only(connection: Connection, window: Window, *, one_snapshot: bool = False) -> None:
    """Nothing a probe sends can change its source, and nothing it asks runs for ever.

    `one_snapshot`: several queries must see the same state; where that is not so anyway, it is asked for.
    """
    dialect = connection.dialect.name
    milliseconds = int(window.left() * 1000)
    limits: Sequence[str] = ()
    if dialect == "postgresql":
        limits = (
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
            if one_snapshot
            else "SET TRANSACTION READ ONLY",
            f"SET LOCAL statement_timeout = {milliseconds}",
            "SET LOCAL TIME ZONE 'UTC'",
        )
    elif dialect in mysql.BACKENDS:
        limits = mysql.session(connection, window.left(), one_snapshot=one_snapshot)
    elif dialect == "oracle":
        limits = ("SET TRANSACTION READ ONLY",)
    elif dialect == "sqlite":
        limits = ("PRAGMA query_only = ON", *(["BEGIN"] if one_snapshot else []))
        raw: Any = connection.connection.driver_connection
        raw.set_progress_handler(lambda: int(window.monotonic() > window.give_up_at), 10_000)
    for statement in limits:
        connection.exec_driver_sql(statement)
    if dialect in mysql.BACKENDS:
        connection.rollback()  # its session settings hold from the next transaction on
