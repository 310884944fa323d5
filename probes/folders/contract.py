"""The contract of a folder: which files there are, and their bytes. It is read and never changed."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Self

from core.findings import Finding
from core.yamlfile import FileModel, Parsed
from probes.network import Networks, permitted
from probes.probe import ProbeError, Timeouts, Window


@dataclass(frozen=True)
class Found:
    """A file: its name below the folder, its size in bytes, when it was last written (nanoseconds of UTC).

    `tag` changes with the content, where the place of the file has such a thing.
    """

    name: str
    bytes: int
    modified_ns: int
    tag: str = ""

    @property
    def modified(self) -> datetime:
        return datetime.fromtimestamp(self.modified_ns / 1e9, UTC)


class Folder(ABC):
    """A folder that is open for reading. Methods raise OSError or ProbeError."""

    @abstractmethod
    def files(self, glob: str) -> list[Found]:
        """Plain files whose names below the folder match `glob`, by name. Links are left out."""

    @abstractmethod
    def open(self, file: Found) -> BinaryIO:
        """The bytes of a file; they can be read from any position."""

    @abstractmethod
    def again(self, file: Found) -> Found:
        """The file as it is now."""


class Server(FileModel, ABC):
    """Where a folder of another machine is. `networks`: private addresses that its host may have."""

    type: str
    networks: Networks = ()

    @property
    @abstractmethod
    def address(self) -> tuple[str, int]:
        """Name and port of the host that is talked to."""

    @abstractmethod
    def place(self, folder: str) -> str:
        """The address of a folder, fit for a message."""

    @abstractmethod
    def opened(self, folder: str, window: Window, timeouts: Timeouts) -> AbstractContextManager[Folder]:
        """The folder, for the length of the block. Raises ProbeError."""

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:  # noqa: ARG002
        """With paths relative to the probe file made absolute, and what is wrong with them."""
        return self, []

    def addresses(self, window: Window, timeouts: Timeouts, place: str) -> list[str]:
        """The numbers of the host, each of them allowed. Raises ProbeError."""
        wait_s = min(timeouts.connect.total_seconds(), window.left())
        return permitted(*self.address, (*self.networks, *window.networks), wait_s, place)


def unreadable(what: str, error: OSError) -> ProbeError:
    """What an operating system says when it cannot read, without quoting more than its number."""
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return ProbeError(
        "unreadable",
        f"{what} cannot be read: {reason}; check the path, the mount and its permissions",
        retryable=True,
    )
