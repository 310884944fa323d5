"""Secrets are named in files, never written there: an environment variable, or a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import SecretBytes, StringConstraints, model_validator

from core.yamlfile import FileModel

# HMAC-SHA-256 gains nothing from longer keys, and loses with shorter ones.
KEY_BYTES = 32
# A key of good randomness has more different bytes, also when it is written in hexadecimal.
KEY_VARIETY = 8


class Secret(FileModel):
    """Where a secret is kept: an environment variable, or a file relative to the project folder."""

    env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if (self.env is None) == (self.file is None):
            raise ValueError("a secret needs either `env` or `file`, where it is kept")
        return self

    @property
    def place(self) -> str:
        """For people; says nothing of the secret."""
        return f"environment variable {self.env}" if self.env else f"file {str(self.file)!r}"

    def read(self, root: Path) -> SecretBytes:
        """The secret without white space around it; empty when it is not there."""
        if self.env is not None:
            return SecretBytes(os.environ.get(self.env, "").strip().encode())
        try:
            return SecretBytes((root / (self.file or "")).read_bytes().strip())
        except OSError:
            return SecretBytes(b"")


def is_strong(key: bytes) -> bool:
    """Whether a key is long enough and no repetition of a few bytes."""
    return len(key) >= KEY_BYTES and len(set(key)) >= KEY_VARIETY
