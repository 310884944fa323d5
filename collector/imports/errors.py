"""What stops an import. Rows that cannot be used do not: they are set aside, see `import_rejects`."""

from __future__ import annotations

from core.errors import TieoutError


class ImportFailedError(TieoutError):
    """A file cannot be read to its end: cut off, damaged, too large when unpacked; nothing was imported.

    The text names the file, the place as far as it is known, and what to do.
    """

    def __init__(self, file: str, what: str, cure: str = "fetch the file again") -> None:
        super().__init__(f"{file}: {what}; nothing was imported, {cure}")
