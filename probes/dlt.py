"""State read through a resource of dlt that a site has already: its records become records of the probe.

The resource is code of the site, or one of dlt's own sources. Nothing of dlt's pipelines is used: no destination, no
state on a disk, no telemetry.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, Secret, StringConstraints, model_validator

from core.findings import Finding, nearest
from core.yamlfile import Parsed
from probes.modules import misnamed
from probes.paging import find
from probes.probe import (
    BATCH_ROWS,
    Batch,
    Incremental,
    ProbeError,
    ProbeFile,
    Question,
    Window,
    parse_time,
    text_batch,
)

_Function = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]


class DltProbe(ProbeFile):
    """A resource of dlt, called once a run. Columns are dotted paths inside a record, as for `rest`.

    `resource`: `module:function`, found in `folder` (from the folder of the probe file) or among installed packages.
    `arguments` are handed to it by name. `select` names one resource of a source that has several. With
    `mode: incremental` the resource's own `dlt.sources.incremental` begins where the last run ended; its `cursor_path`
    is ours.

    Its requests are its own: no list of hosts, judgement of addresses or check of certificates here holds for them,
    and since some drivers open connections without Python, nothing in this process could make them hold. Where the
    system has a list of hosts, `unguarded: true` says that this is known.
    """

    questions: ClassVar[tuple[Question, ...]] = (
        Question(
            "resource", "function that gives the resource or source, as module:function", "sources:orders"
        ),
    )

    kind: Literal["dlt"]
    resource: _Function
    folder: Path = Path("..")
    arguments: Secret[dict[str, Any]] = Field(default_factory=lambda: Secret({}))
    select: str = ""
    unguarded: bool = False
    incremental: Incremental | None = None

    @model_validator(mode="after")
    def _modes_fit(self) -> Self:
        if (self.mode == "incremental") != (self.incremental is not None):
            raise ValueError("'mode: incremental' and the key 'incremental' go together")
        return self

    @property
    def cursor_rule(self) -> Incremental | None:
        return self.incremental

    @property
    def loose(self) -> bool:
        return True

    @property
    def guarded(self) -> bool:
        return False

    @property
    def place(self) -> str:
        return f"dlt resource {self.resource}" + (f" ({self.select})" if self.select else "")

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:
        placed = self.model_copy(update={"folder": (file.parent / self.folder).resolve()})
        module, _, function = self.resource.partition(":")
        told = misnamed(module, function, placed.folder)
        return placed, [parsed.finding(("resource",), told)] if told else []

    def read(self, window: Window) -> Generator[Batch]:
        whole = False
        try:
            with closing(self._read(window)) as batches:
                yield from batches
            whole = True
        finally:
            if not whole:
                # dlt leaves a reading that is given up in a ring of references, and its connection open with it.
                gc.collect()

    def _read(self, window: Window) -> Generator[Batch]:
        _imported()
        window.turn()
        with self._explained():
            resource = self._resource()
            self._begin_at(resource, window)
            with closing(iter(resource)) as items:
                yield from self._batches(resource, items, window)

    def _batches(self, resource: Any, items: Iterator[Any], window: Window) -> Iterator[Batch]:
        first, gathered = 1, list[dict[str, Any]]()
        for item in items:
            window.check(self.place)
            if first == 1 and not gathered:
                self._everything(resource)
            gathered += self._records(item)
            while len(gathered) >= BATCH_ROWS:
                yield self._batch(gathered[:BATCH_ROWS], first)
                first += BATCH_ROWS
                del gathered[:BATCH_ROWS]
        if first == 1 and not gathered:
            self._everything(resource)
        if gathered or first == 1:
            yield self._batch(gathered, first)

    def _batch(self, records: list[dict[str, Any]], first: int) -> Batch:
        rows = ([find(record, name) for name in self.columns] for record in records)
        names: set[str] = set().union(*records)
        deep = {name for name in self.columns if name not in names and _head(name) in names}
        schema = dict.fromkeys(sorted(names | deep), "")
        return Batch(text_batch(self.columns, rows), first_line=first, schema=schema)

    def _records(self, item: Any) -> list[dict[str, Any]]:
        """What a resource yields: a record, a list of them, or a table of Arrow or pandas."""
        if isinstance(item, dict):
            return [item]
        if hasattr(item, "to_pylist"):
            return list(item.to_pylist())
        if hasattr(item, "to_dict"):
            return list(item.to_dict("records"))
        if isinstance(item, list):
            return [record for inner in item for record in self._records(inner)]
        raise ProbeError("no_records", f"{self.place} gives a {type(item).__name__} where a record should be")

    def _resource(self) -> Any:
        """The resource, ready to be read. Raises ProbeError, and what the site's code raises."""
        module, _, name = self.resource.partition(":")
        if str(self.folder) not in sys.path:
            # Behind everything else: no file of a site takes the place of a package.
            sys.path.append(str(self.folder))
        function = getattr(importlib.import_module(module), name, None)
        if not callable(function):
            raise ProbeError("no_resource", f"module {module} has no function {name!r}; check 'resource'")
        return self._selected(self._called(function))

    def _called(self, function: Callable[..., Any]) -> Any:
        arguments = self.arguments.get_secret_value()
        try:
            inspect.signature(function).bind_partial(**arguments)
        except TypeError as error:
            # It speaks of the names of arguments, never of their values.
            raise ProbeError("bad_arguments", f"{self.place}: {error}; check 'arguments'") from None
        return function(**arguments)

    def _selected(self, made: Any) -> Any:
        from dlt.extract import DltResource, DltSource

        if isinstance(made, DltSource):
            names = list(made.selected_resources)
            wanted = self.select or (names[0] if len(names) == 1 else "")
            if wanted in made.resources:
                return made.resources[wanted]
            near = nearest(self.select, names)
            hint = f"did you mean {near!r}?" if near else f"it has {', '.join(names)}"
            what = (
                f"has no resource {self.select!r}" if self.select else "has several resources; write 'select'"
            )
            raise ProbeError("no_resource", f"{self.place} {what}; {hint}")
        if isinstance(made, DltResource) and self.select in ("", made.name):
            return made
        what = f"the resource {made.name!r}" if isinstance(made, DltResource) else f"a {type(made).__name__}"
        raise ProbeError("no_resource", f"{self.place} is {what}; a resource or source of dlt was looked for")

    def _begin_at(self, resource: Any, window: Window) -> None:
        import dlt

        if self.incremental is None:
            return
        if resource.incremental is None:
            raise ProbeError(
                "not_incremental",
                f"{self.place} has no dlt.sources.incremental; write mode: full, where it gives everything",
            )
        if window.cursor:
            # What has no cursor is set aside by us, where it is seen, rather than left out.
            since = dlt.sources.incremental(
                self.incremental.cursor_path,
                initial_value=self._since(window.cursor),
                on_cursor_value_missing="include",
            )
            resource.apply_hints(incremental=since)

    def _since(self, cursor: str) -> Any:
        """The cursor as the values are that the resource compares it with."""
        assert self.incremental  # noqa: S101
        if self.incremental.type == "time":
            return parse_time(cursor)
        if self.incremental.type == "local_time":
            return parse_time(cursor).astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None)
        if self.incremental.type == "number":
            number = Decimal(cursor)
            return int(number) if number == number.to_integral_value() else number
        return cursor

    def _everything(self, resource: Any) -> None:
        """A full reading is of everything: what is not in it is taken to be gone. Raises ProbeError."""
        own = resource.incremental
        since = getattr(getattr(own, "incremental", own), "initial_value", None)
        if self.incremental is None and since is not None:
            raise ProbeError(
                "not_everything",
                f"{self.place} gives only what changed since its initial_value; write mode: incremental",
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """`from None`: what dlt and the site's code say may quote records, addresses and passwords."""
        try:
            yield
        except (ProbeError, GeneratorExit):
            raise
        except Exception as error:
            raise self._failed(error) from None

    def _failed(self, error: BaseException) -> ProbeError:
        from dlt.common.configuration.exceptions import ConfigFieldMissingException
        from dlt.extract.incremental.exceptions import IncrementalCursorInvalidCoercion

        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, ConfigFieldMissingException):
                missing = ", ".join(cause.fields)
                return ProbeError(
                    "bad_arguments", f"{self.place} needs {missing}; write it under 'arguments'"
                )
            if isinstance(cause, IncrementalCursorInvalidCoercion):
                return ProbeError(
                    "cursor_type",
                    f"{self.place} has cursors of another type than incremental.type says; "
                    "where they are text, it is text, even if they look like times",
                )
            if told := _of_network(cause, self.place):
                return told
        where = _line_of(error, self.folder)
        return ProbeError(
            "resource_failed", f"{self.place} failed in {type(causes[-1]).__name__}{where}; run it by itself"
        )


def _imported() -> None:
    """Raises ProbeError where dlt is not installed."""
    # It would tell its makers of itself, as soon as one of its sources is used.
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    try:
        import dlt  # noqa: F401
    except ImportError:
        raise ProbeError("driver_missing", "dlt is not installed; install tieout[dlt]") from None
    # It asks of each record whether it is one of pandas, and falls over a pandas that another run, through
    # pyarrow, is just about to import.
    with suppress(ImportError):
        importlib.import_module("pandas")


def _head(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what caused it, and so on to the bottom."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _of_network(cause: BaseException, place: str) -> ProbeError | None:
    """What a request or a database says in its type or status."""
    from requests import ConnectionError as NoConnection
    from requests import Timeout
    from sqlalchemy.exc import OperationalError

    status = getattr(getattr(cause, "response", None), "status_code", None)
    if status in (401, 403):
        return ProbeError(
            "auth_failed", f"{place} was refused with {status}; check its credentials in 'arguments'"
        )
    if isinstance(status, int):
        retry = status >= 500 or status in (408, 425, 429)
        return ProbeError(
            "source_error" if retry else "http_status", f"{place} was answered with {status}", retryable=retry
        )
    if isinstance(cause, NoConnection | Timeout | OperationalError | ConnectionError | TimeoutError):
        return ProbeError(
            "unreachable", f"{place} did not reach its source ({type(cause).__name__})", retryable=True
        )
    return None


def _line_of(error: BaseException, folder: Path) -> str:
    """Where in the site's own code it happened, empty when it was elsewhere."""
    found = ""
    for cause in _causes(error):
        trace = cause.__traceback__
        while trace is not None:
            file = Path(trace.tb_frame.f_code.co_filename)
            if file.is_relative_to(folder):
                found = f" at {file.relative_to(folder)}:{trace.tb_lineno}"
            trace = trace.tb_next
    return found
