"""What can go wrong between tieout and ClickHouse, with the engine's numeric code and no payload text."""

from __future__ import annotations

import re

from core.errors import CannotRunError, TieoutError

# Codes whose text speaks of the query, never of the values in rows or parameters. BAD_ARGUMENTS (36) is not
# one: functions use it to quote the value they could not read.
SAFE_TEXT_CODES = frozenset(
    {16, 42, 43, 44, 46, 47, 48, 57, 60, 62, 63, 73, 76, 81, 89, 115, 158, 159, 164, 179, 184, 202, 215, 229}
    | {241, 243, 306, 307, 386, 394, 396, 452, 456, 497, 516}
)
# Bad input: retrying the same bytes cannot help.
BAD_DATA_CODES = frozenset({6, 26, 27, 32, 33, 38, 41, 53, 69, 70, 72, 117, 130, 252, 444, 645})
# The machine or the server is short of something; the same request may succeed later.
TRANSIENT_CODES = frozenset(
    {75, 159, 160, 202, 203, 209, 210, 241, 242, 243, 252, 285, 286, 319, 394, 425, 999}
)
# The server did not accept who we say we are.
BAD_CREDENTIALS_CODES = frozenset({192, 193, 194, 516})

_CODE = re.compile(r"Code: (\d+)")
# What follows these words is the query with its parameters put in.
_SCOPE = re.compile(r"[.:]?\s*In scope .*", re.DOTALL)


def code_of(text: str) -> int | None:
    """The engine's error code in its own text, which starts with it."""
    code = _CODE.search(text)
    return int(code.group(1)) if code else None


def sentence_of(text: str) -> str:
    """The engine's own sentence: first line, without prefixes, version, name, and the query it quotes."""
    sentence = text.rsplit("DB::Exception: ", 1)[-1]
    sentence = _SCOPE.sub("", sentence).split("\n")[0]
    return sentence.split(". (", 1)[0].split(" (version ", 1)[0].rstrip(". ")[:500]


class StoreError(TieoutError):
    """ClickHouse refused a statement. `code` and `name` are the engine's, the text where it holds no data."""

    def __init__(self, code: int | None, name: str | None, text: str, action: str) -> None:
        self.code = code
        self.name = name or "UNKNOWN"
        self.retryable = code in TRANSIENT_CODES
        detail = text if code in SAFE_TEXT_CODES and text else self.name
        reason = f"ClickHouse code {code} ({detail})" if code else detail
        super().__init__(f"the store could not {action}: {reason}")


class StoreUnavailableError(CannotRunError):
    """No answer from the store: wrong address, wrong credentials, or it is down."""

    retryable = True


class FolderInUseError(CannotRunError):
    """Another process has the data folder open; the text names it."""


class NewerSchemaError(CannotRunError):
    """The data was written by a newer tieout or a newer engine. Install that version, or restore a backup."""


class MigrationError(CannotRunError):
    """A migration was edited after it was applied, or failed half way; the text says which and where."""
