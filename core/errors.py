"""The errors tieout raises. A person's mistake in a file is a `core.findings.Finding`, not an exception."""

from __future__ import annotations


class TieoutError(Exception):
    """Base of all errors. The text says what happened, where, and what to do; it never quotes payload.

    `retryable` is decided where the knowledge is and acted on by the caller.
    `exit_code` is what the command line ends with when the error reaches it.
    """

    retryable = False
    exit_code = 3


class ConfigurationError(TieoutError):
    """The project folder or a setting is wrong. Run `tieout check` to see every mistake at once."""

    exit_code = 2


class CannotRunError(TieoutError):
    """The machine or a system around us prevents the work: port taken, disk full, folder in use."""
