"""A folder of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from probes.folders.contract import Folder, Found


class LocalFolder(Folder):
    """Files below `root`; what a link leads to is left out, it may be anywhere."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve(strict=True)

    def files(self, glob: str) -> list[Found]:
        found = sorted(self._root.glob(glob))
        plain = [path for path in found if path.is_file() and not path.is_symlink()]
        return [self._found(path) for path in plain if path.resolve().is_relative_to(self._root)]

    def open(self, file: Found) -> BinaryIO:
        return (self._root / file.name).open("rb")

    def again(self, file: Found) -> Found:
        return self._found(self._root / file.name)

    def _found(self, path: Path) -> Found:
        stat = path.stat()
        return Found(path.relative_to(self._root).as_posix(), stat.st_size, stat.st_mtime_ns)
