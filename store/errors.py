"""What can go wrong between tieout and ClickHouse, with the engine's numeric code and no payload text."""

from __future__ import annotations

from core.errors import CannotRunError, TieoutError

# Codes whose text speaks of the query, never of the values in rows or parameters.
SAFE_TEXT_CODES = frozenset({36, 42, 43, 44, 46, 47, 48, 57, 60, 62, 63, 76, 81, 115, 158, 159, 164, 179, 184, 215, 241, 243, 307, 386, 396, 456})
# Bad input: retrying the same bytes cannot help.
BAD_DATA_CODES = frozenset({6, 26, 27, 32, 33, 38, 41, 53, 69, 70, 72, 117, 130, 252, 444, 645})
# The machine or the server is short of something; the same request may succeed later.
TRANSIENT_CODES = frozenset({159, 160, 202, 203, 209, 210, 241, 242, 243, 252, 285, 286, 319, 394, 425, 999})


class StoreError(TieoutError):
    """ClickHouse refused a statement. `code` and `name` are the engine's; text is kept only where it cannot hold data."""

    def __init__(self, code: int | None, name: str | None, text: str, action: str) -> None:
        self.code = code
        self.name = name or "UNKNOWN"
        self.retryable = code in TRANSIENT_CODES
        detail = text if code in SAFE_TEXT_CODES and text else self.name
        super().__init__(f"the store could not {action}: ClickHouse code {code} ({detail})")


class StoreUnavailableError(CannotRunError):
    """No answer from the store: wrong address, wrong credentials, or it is down."""

    retryable = True


class FolderInUseError(CannotRunError):
    """Another process has the data folder open; the text names it."""


class NewerSchemaError(CannotRunError):
    """The data was written by a newer tieout or a newer engine. Install that version, or restore a backup."""


class MigrationError(CannotRunError):
    """A migration was edited after it was applied, or failed half way; the text says which and where."""
