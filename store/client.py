"""One way to ClickHouse for embedded chDB (`chdb:///folder`) and for a server or a running tieout (`http://…`)."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.common import set_setting
from clickhouse_connect.driver.exceptions import ClickHouseError, ProgrammingError
from clickhouse_connect.driver.httputil import default_pool_manager

from store.errors import BAD_CREDENTIALS_CODES, StoreError, StoreUnavailableError, sentence_of
from store.failed_writes import FAILED_WRITES, DiskWriteError
from store.sqlfile import SqlFile

Params = Mapping[str, Any]
Settings = Mapping[str, Any]
Pieces = bytes | Sequence[bytes | memoryview]

# Both ways in behave alike: no queue between an insert and its acknowledgement, times in UTC.
SESSION_SETTINGS = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "materialized_views_ignore_errors": 0,
    "session_timezone": "UTC",
    "date_time_input_format": "best_effort",
    "throw_on_max_partitions_per_insert_block": 0,
    # It remembers by the name of a part which of its rows cannot fit. A table that is attached anew gives names again, and
    # what stands under them then is taken for what stood there before: rows are left out without a word.
    "use_query_condition_cache": 0,
    # It looks for comparisons that follow from others, by comparing whole trees of expressions: half of the time that
    # planning a view of views takes, and none of ours has such chains.
    "optimize_and_compare_chain": 0,
}
# A dict bound to a parameter is a Map. The driver's default, JSON, the engine cannot read as one.
set_setting("dict_parameter_format", "map")

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Store:
    """A handle to the store. Safe to share between threads: calls on one handle take turns.

    Use `another()` for work that should run beside a long query. Every method raises StoreError
    (ClickHouse refused) or StoreUnavailableError (no answer). Times come back aware, in UTC.
    A handle that only reads takes no settings from its callers.
    """

    def __init__(
        self,
        dsn: str,
        *,
        token: str | None = None,
        password: str | None = None,
        read_only: bool = False,
        settings: Settings | None = None,
    ) -> None:
        """`token` for a running tieout; `password` for a server whose user stands in the URL without one.

        `settings` hold for every call on this handle; given with each call they cost some milliseconds there.
        """
        self.dsn = dsn
        self._token = token
        self._password = password
        self._read_only = read_only
        self._lock = threading.RLock()
        with _translated("open the store"):
            self._client = _connect(dsn, token, password, read_only, settings or {})
            if self.embedded:
                FAILED_WRITES.begin(self._ask)

    @property
    def embedded(self) -> bool:
        return self.dsn.startswith("chdb://")

    @property
    def folder(self) -> str:
        """The engine's folder of an embedded store. Raises StoreUnavailableError on a server."""
        if not self.embedded:
            raise StoreUnavailableError("only an embedded store has a folder; this one is a server")
        return str(self._client.path)

    def another(self, *, read_only: bool | None = None, settings: Settings | None = None) -> Store:
        """A second handle to the same store, with its own session and settings."""
        return Store(
            self.dsn,
            token=self._token,
            password=self._password,
            read_only=self._read_only if read_only is None else read_only,
            settings=settings,
        )

    def rows(
        self, sql: str | SqlFile, params: Params | None = None, settings: Settings | None = None
    ) -> list[dict[str, Any]]:
        """The result as one dict a row."""
        with self._call("run a query"):
            result = self._client.query(
                _text(sql), parameters=dict(params or {}), settings=dict(settings or {})
            )
            return list(result.named_results())

    def one(self, sql: str | SqlFile, params: Params | None = None) -> dict[str, Any]:
        """The first row, or an empty dict."""
        rows = self.rows(sql, params)
        return rows[0] if rows else {}

    def value(self, sql: str | SqlFile, params: Params | None = None) -> Any:
        """The first column of the first row, or None."""
        return next(iter(self.one(sql, params).values()), None)

    def table(self, sql: str | SqlFile, params: Params | None = None) -> pa.Table:
        """The result as an Arrow table (strings, decimals and UTC timestamps keep their types)."""
        with self._call("run a query"):
            return self._client.query_arrow(_text(sql), parameters=dict(params or {}))

    def command(
        self, sql: str | SqlFile, params: Params | None = None, settings: Settings | None = None
    ) -> int:
        """Runs a statement that returns no rows; gives the number of rows written, where the engine tells."""
        with self._call("run a statement", writes=True):
            done = self._client.command(
                _text(sql), parameters=dict(params or {}), settings=dict(settings or {})
            )
        return int(getattr(done, "summary", {}).get("written_rows", 0) or 0)

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]], settings: Settings | None = None) -> None:
        """Writes rows by column name. Every row has the same keys; columns left out take their defaults."""
        if not rows:
            return
        columns = list(rows[0])
        data = [[row[column] for column in columns] for row in rows]
        with self._call(f"write to {table}", writes=True, data=True):
            self._client.insert(table, data, column_names=columns, settings=dict(settings or {}))

    def insert_arrow(self, table: str, data: pa.Table, settings: Settings | None = None) -> None:
        """Writes an Arrow table by column name."""
        with self._call(f"write to {table}", writes=True, data=True):
            self._client.insert_arrow(table, data, settings=dict(settings or {}))

    def insert_raw(self, table: str, body: Pieces, fmt: str, settings: Settings | None = None) -> None:
        """Writes bytes in one of ClickHouse's input formats; the engine decodes them. They may come in pieces.

        On Linux the embedded engine reads them from memory; the driver's own way is a file in the temporary
        folder, in clear, which a killed process leaves behind.
        """
        with self._call(f"write to {table}", writes=True, data=True):
            if self.embedded and hasattr(os, "memfd_create"):
                with _in_memory(body) as path:
                    sql = f"INSERT INTO {{table:Identifier}} FROM INFILE '{path}' FORMAT {fmt}"
                    self._client.command(sql, parameters={"table": table}, settings=dict(settings or {}))
            else:
                whole = b"".join(_pieces(body))
                self._client.raw_insert(table, insert_block=whole, fmt=fmt, settings=dict(settings or {}))

    def raw(
        self, sql: str, params: Params | None = None, settings: Settings | None = None, fmt: str | None = None
    ) -> bytes:
        """The result as bytes in the format the query names, else `fmt`."""
        with self._call("run a query"):
            return bytes(
                self._client.raw_query(
                    sql, parameters=dict(params or {}), settings=dict(settings or {}), fmt=fmt
                )
            )

    @property
    def files_short(self) -> bool:
        """Whether the embedded engine's disk refused a write and its tables are still to be looked through."""
        return self.embedded and FAILED_WRITES.damaged

    def look_after_writes(self) -> None:
        """Finds and mends what the disk did not take of an embedded store; otherwise nothing.

        Raises DiskWriteError when it cannot be mended now, StoreError, StoreUnavailableError.
        """
        if self.embedded:
            with suppress(DiskWriteError), self._call("look after its files", writes=True):
                pass
            with self._lock, _translated("look after its files"):
                FAILED_WRITES.mend(self._ask, Path(self.folder))

    def ping(self) -> bool:
        """Whether the store answers."""
        return bool(self._client.ping())

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _call(self, action: str, *, writes: bool = False, data: bool = False) -> Iterator[None]:
        """One call on the handle. `data`: the statement carried rows, so no text of the engine is kept."""
        with self._lock, _translated(action, data=data), self._files_watched(writes):
            try:
                yield
            except ProgrammingError as error:
                self._drain()
                if getattr(error, "code", None) is not None:
                    raise
                why = "the driver refused the request: a closed handle, or a setting on a read-only one"
                raise StoreError(None, why, "", action) from None
            except ClickHouseError:
                self._drain()
                raise

    @contextmanager
    def _files_watched(self, writes: bool) -> Iterator[None]:
        """The embedded engine does not say when a file could not be written. Raises DiskWriteError."""
        if not self.embedded:
            yield
            return
        if writes and FAILED_WRITES.damaged:
            FAILED_WRITES.mend(self._ask, Path(self.folder))
        with FAILED_WRITES.call():
            yield
            if writes:
                FAILED_WRITES.check(self._ask)

    def _ask(self, sql: str, params: Mapping[str, str] | None = None) -> list[str]:
        try:
            answer = self._client.raw_query(sql, parameters=dict(params or {}), fmt="TSV")
            return bytes(answer).decode().splitlines()
        except ClickHouseError:
            self._drain()
            raise

    def _drain(self) -> None:
        """Throws away what a failed query wrote: chDB would put it in front of this handle's next result."""
        if self.embedded:
            # Whatever comes back, and whether it fails, it is not ours.
            with suppress(ClickHouseError):
                self._client.raw_query("SELECT 1")


@contextmanager
def _in_memory(body: Pieces) -> Iterator[str]:
    """The path of a file without a place on disk; it is gone with the process, however that ends."""
    with os.fdopen(os.memfd_create("tieout"), "wb") as file:
        file.writelines(_pieces(body))
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


def _pieces(body: Pieces) -> Sequence[bytes | memoryview]:
    return [body] if isinstance(body, bytes) else body


def _text(sql: str | SqlFile) -> str:
    return sql.code if isinstance(sql, SqlFile) else sql


def _connect(dsn: str, token: str | None, password: str | None, read_only: bool, more: Settings) -> Any:
    settings: dict[str, Any] = {**SESSION_SETTINGS, **more}
    if dsn.startswith("chdb://"):
        # `readonly` cannot be unset again, so it is the last setting of the handle.
        if read_only:
            settings["readonly"] = 1
        try:
            return clickhouse_connect.get_client(
                dsn=dsn, tz_mode="aware", settings=settings, show_clickhouse_errors=True
            )
        except ProgrammingError:
            raise StoreUnavailableError(
                f"the engine cannot open {urlsplit(dsn).path}: another program or another folder is open, "
                "the disk is full, or the folder may not be written"
            ) from None
    url = urlsplit(dsn)
    # A proxy of the environment must never see what goes to this very machine.
    pool = default_pool_manager() if url.hostname in LOOPBACK else None
    return clickhouse_connect.get_client(
        dsn=dsn,
        # Left out, the driver speaks plain HTTP to every port but 443 and 8443, whatever the URL says.
        interface=url.scheme,
        tz_mode="aware",
        # Credentials in the URL are those of a server; the token is for a running tieout.
        access_token=None if url.username else token,
        password=password or "",
        settings={} if read_only else settings,
        pool_mgr=pool,
        autogenerate_session_id=False,
        connect_timeout=5,
        send_receive_timeout=300,
        query_retries=1,
        show_clickhouse_errors=True,
    )


@contextmanager
def _translated(action: str, *, data: bool = False) -> Iterator[None]:
    """Turns the driver's errors into ours; `from None` because the driver's text may quote row values."""
    try:
        yield
    except ClickHouseError as error:
        code, name = getattr(error, "code", None), getattr(error, "name", None)
        if code in BAD_CREDENTIALS_CODES:
            raise StoreUnavailableError(
                f"the store could not {action}: it refused user, password or token"
            ) from None
        if code is not None:
            raise StoreError(int(code), name, "" if data else sentence_of(str(error)), action) from None
        raise StoreUnavailableError(
            f"the store could not {action}: {type(error).__name__}; "
            "check that it runs and that URL and token are right"
        ) from None
    except (OSError, EOFError) as error:
        raise StoreUnavailableError(f"the store could not {action}: {type(error).__name__}") from None
