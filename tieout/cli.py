"""The `tieout` command. Each group of commands is a module in `tieout/commands/`."""

from __future__ import annotations

import signal
import sys

import typer

from core.errors import TieoutError
from tieout.commands import (
    alerts,
    audit,
    calendars,
    compare,
    data,
    exceptions,
    life,
    match,
    probe,
    read,
    site,
    workflow,
)
from tieout.output import message

app = typer.Typer(
    name="tieout",
    help="Tells a hospital group whether its systems agree.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
life.register(app)
site.register(app)
data.register(app)
probe.register(app)
read.register(app)
exceptions.register(app)
workflow.register(app)
match.register(app)
compare.register(app)
alerts.register(app)
audit.register(app)
calendars.register(app)


def main() -> None:
    """Runs the command line. Exit codes: 0 done, 1 found what was asked for, 2 wrong use, 3 could not run."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        app()
    except TieoutError as error:
        message(f"tieout: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
