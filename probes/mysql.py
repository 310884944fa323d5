"""What databases of MySQL and MariaDB need beside SQL: their values as text, their session, their errors.

They are read by PyMySQL, whose converters are told here what a value of each type says.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy.engine import Connection

BACKENDS = ("mysql", "mariadb")
DRIVER = "pymysql"
# What a url may say of certificates; whatever else begins with ssl would weaken the check.
TLS_OPTIONS = ("ssl_ca", "ssl_cert", "ssl_key")
# A read-only transaction refuses neither: the server writes a file, writers wait for our locks.
DISTURBS = re.compile(r"\b(?:OUTFILE|DUMPFILE)\b|\bLOCK\s+IN\s+SHARE\s+MODE\b|\bFOR\s+SHARE\b", re.IGNORECASE)
# Numbers of errors by the SQLSTATE that says the same of other databases.
# https://mariadb.com/kb/en/mariadb-error-code-reference/, https://dev.mysql.com/doc/mysql-errors/8.4/en/
_SAME_AS = {
    1969: "57014", 3024: "57014", 1317: "57014",
    1792: "25006",
    1044: "42501", 1142: "42501", 1143: "42501", 1227: "42501", 1370: "42501",
    1205: "40001", 1213: "40001",
    1053: "57P01", 1927: "57P01",
}  # fmt: skip


def arguments(password: str, read_s: float) -> dict[str, Any]:
    """What the driver is told of a connection: its values come as text, and no answer takes `read_s` seconds."""
    # Whatever the url says, no server is handed a file of this machine. The driver would write the letters of a
    # password as few languages do.
    return {
        "conv": _conversions(), "read_timeout": read_s, "local_infile": False, "password": password.encode(),
    }  # fmt: skip


def checked(options: Mapping[str, Any]) -> ssl.SSLContext:
    """TLS 1.2 or newer, certificate and host of the server checked: against the authorities of the system, or
    that of `ssl_ca`. Raises OSError when a file cannot be used."""
    context = ssl.create_default_context(cafile=options.get("ssl_ca"))
    # The authority that a server of MySQL makes for itself does not say what its key is for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if "ssl_cert" in options:
        context.load_cert_chain(options["ssl_cert"], options.get("ssl_key"))
    return context


def session(connection: Connection, left_s: float, *, one_snapshot: bool) -> list[str]:
    """Statements after which nothing can be changed, nothing runs longer than `left_s`, and times are UTC."""
    milliseconds = int(left_s * 1000)
    mariadb = getattr(connection.dialect, "is_mariadb", False)
    isolation = "ISOLATION LEVEL REPEATABLE READ, " if one_snapshot else ""
    return [
        f"SET SESSION TRANSACTION {isolation}READ ONLY",
        f"SET SESSION max_statement_time = {milliseconds / 1000}"
        if mariadb
        else f"SET SESSION max_execution_time = {milliseconds}",
        # The server hangs up on a reader who is busy with the rows he has.
        f"SET SESSION net_write_timeout = {max(1, round(left_s))}",
        "SET SESSION time_zone = '+00:00'",
    ]


@contextmanager
def left_early(connection: Connection) -> Iterator[None]:
    """Whoever stops in the midst of an answer, or is cut off, does not wait for the rest of it: to close a
    connection, or its result, the driver would read all that is left."""
    driver: Any = connection.connection.driver_connection
    answer = driver._result
    try:
        yield
    except BaseException:
        if answer is not None:
            answer.unbuffered_active = False
        if not connection.invalidated:
            connection.invalidate()
        raise


def sqlstate(error: Any) -> str:
    """The SQLSTATE that an error of the driver comes to, empty where none is known to."""
    return _SAME_AS.get(number(error), "")


def number(error: Any) -> int:
    """The server's number of an error, 0 when it has none."""
    first = error.args[0] if getattr(error, "args", ()) else 0
    return first if isinstance(first, int) else 0


def type_name(code: Any) -> str:
    """The protocol's name of a type of columns, empty for a number it does not have."""
    return _type_names().get(code, "")


@cache
def _type_names() -> dict[int, str]:
    from pymysql.constants import FIELD_TYPE

    return {code: name.lower() for name, code in vars(FIELD_TYPE).items() if isinstance(code, int)}


def _conversions() -> dict[Any, Any]:
    """The driver's conversions of what is bound, and for what comes: text as the server writes it, but for
    moments, dates of zeros, which stand for none, and bits, which would be bytes."""
    from pymysql.constants import FIELD_TYPE
    from pymysql.converters import encoders

    coming: dict[int, Callable[[Any], str | None]] = {
        FIELD_TYPE.TIMESTAMP: _moment,
        FIELD_TYPE.DATETIME: _dated,
        FIELD_TYPE.DATE: _dated,
        FIELD_TYPE.BIT: lambda bits: str(int.from_bytes(bits, "big")),
    }
    return {**encoders, **coming}


def _moment(text: str) -> str | None:
    """A TIMESTAMP is a moment, and the session shows it in UTC; a DATETIME has no zone."""
    return f"{text}+00:00" if _dated(text) else None


def _dated(text: str) -> str | None:
    return None if text.startswith("0000-00-00") else text
