"""The audit log: whether it holds, and an anchor to keep elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from core.errors import ConfigurationError
from tieout.commands.options import JsonOption, ProjectOption, present
from tieout.desk import audit_log
from tieout.notary import tables_as_chained
from tieout.opening import store_of
from tieout.output import err, message, out, print_json, print_table
from tieout.project import DEFAULT, open_project

app = typer.Typer(no_args_is_help=True, help="The audit log: verify, anchor.")


def register(main: typer.Typer) -> None:
    """Adds the commands of this module to the command line."""
    main.add_typer(app, name="audit")


@app.command("verify")
def verify(
    project: ProjectOption = DEFAULT,
    anchor: Annotated[
        str, typer.Option(help="What `tieout audit anchor` printed earlier, or a file with it.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Whether every row of the audit log, and what it speaks of, is as it was written. Example: tieout audit verify --anchor anchor.txt"""
    loaded = open_project(project)
    with store_of(loaded, present(), "audit verify") as store, _progress() as tell:
        done = audit_log(loaded, store).verify(_anchor(anchor), tell)
        breaks = [*done.breaks, *tables_as_chained(store)]
    if json:
        print_json({"rows": done.rows, "holds": not breaks, "anchor": done.head.anchor(), "breaks": breaks})
    else:
        if breaks:
            print_table([{"row": one.seq, "what": one.what, "": one.text} for one in breaks])
        message(
            f"{done.rows:,} rows: " + (f"BROKEN in {len(breaks):,} places" if breaks else "the chain holds")
        )
        if not anchor and not breaks:
            message("an end that was cut off shows only with --anchor")
    if breaks:
        raise typer.Exit(1)


@app.command("anchor")
def anchor(
    project: ProjectOption = DEFAULT,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write it to.")] = None,
    json: JsonOption = False,
) -> None:
    """Place and hash of the newest row, to be kept where nobody who runs tieout can write. Example: tieout audit anchor -o anchor.txt"""
    loaded = open_project(project)
    with store_of(loaded, present(), "audit anchor") as store:
        head = audit_log(loaded, store).head()
    if not head.seq:
        raise ConfigurationError("the audit log is empty: there is nothing to anchor")
    if output:
        output.write_text(head.anchor() + "\n", encoding="utf-8")
    if json:
        print_json({"anchor": head.anchor(), "row": head.seq, "at": present()})
    elif not output:
        out.print(head.anchor(), markup=False, soft_wrap=True)


def _anchor(text: str) -> str:
    """The anchor itself, or what stands in the file of that name."""
    if not text or ":" in text:
        return text
    try:
        return Path(text).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{text} is neither an anchor nor a file that holds one") from None


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error; silent when it is not a terminal."""
    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("verify", total=None)
        yield lambda done, size: bar.update(task, completed=done, total=size)
