"""A folder of another machine, read through fsspec in ranges of bytes. Nothing of it is put on a disk of ours."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, BinaryIO, TypeVar

from probes.folders.contract import Folder, Found
from probes.formats.contract import BLOCK_BYTES
from probes.probe import ProbeError, Window

# A file up to this size is fetched once, hashed and read from memory; a larger one is fetched for each.
HELD_BYTES = 32_000_000
# Folders below folders, when `**` asks for all of them.
MAX_DEPTH = 20
Told = Callable[[Exception, str], ProbeError]
T = TypeVar("T")


class RemoteFolder(Folder):
    """Files below `root` of a file system of fsspec. `told` says what an error of its library means."""

    def __init__(self, system: Any, root: str, place: str, window: Window, told: Told) -> None:
        self.system, self._root, self._place, self._window, self._told = system, root, place, window, told
        self._held: tuple[Found, bytes] | None = None

    def files(self, glob: str) -> list[Found]:
        from fsspec.utils import glob_translate

        named = re.compile(glob_translate(glob))
        depth = MAX_DEPTH if "**" in glob else glob.count("/") + 1
        return [found for found in self._below(self._root, depth) if named.match(found.name)]

    def open(self, file: Found) -> BinaryIO:
        if self._held and self._held[0] == file:
            return io.BytesIO(self._held[1])
        if file.bytes > HELD_BYTES:
            return io.BufferedReader(_Ranges(file.bytes, self._fetching(file)), BLOCK_BYTES)
        fetch = self._fetching(file)
        content = b"".join(
            fetch(at, min(at + BLOCK_BYTES, file.bytes)) for at in range(0, file.bytes, BLOCK_BYTES)
        )
        self._held = (file, content)
        return io.BytesIO(content)

    def again(self, file: Found) -> Found:
        place = f"file {file.name} in {self._place}"
        return self._found(self._asked(place, lambda: self.system.info(self._path(file))))

    def listed(self, path: str) -> list[dict[str, Any]]:
        """What is directly below a path."""
        entries: list[dict[str, Any]] = self._asked(self._place, lambda: self.system.ls(path, detail=True))
        return entries

    def fetcher(self, path: str) -> Callable[[int, int], bytes]:
        """What gives the bytes of a file from one position up to another."""
        return lambda start, end: bytes(self.system.cat_file(path, start=start, end=end))

    def stamp(self, entry: dict[str, Any]) -> tuple[datetime, str]:
        """When a file was last written, and its tag."""
        return entry["mtime"], ""

    def _below(self, path: str, depth: int) -> Iterator[Found]:
        for entry in sorted(self.listed(path), key=lambda entry: str(entry["name"])):
            if entry["type"] == "directory" and depth > 1:
                yield from self._below(str(entry["name"]), depth - 1)
            elif entry["type"] == "file":
                yield self._found(entry)

    def _found(self, entry: dict[str, Any]) -> Found:
        name = str(entry["name"]).removeprefix(self._root).lstrip("/")
        written, tag = self.stamp(entry)
        return Found(name, int(entry["size"]), int(written.timestamp()) * 1_000_000_000, tag)

    def _path(self, file: Found) -> str:
        return f"{self._root.rstrip('/')}/{file.name}"

    def _fetching(self, file: Found) -> Callable[[int, int], bytes]:
        place = f"file {file.name} in {self._place}"
        fetch = self._asked(place, lambda: self.fetcher(self._path(file)))
        return lambda start, end: self._whole(place, start, end, fetch)

    def _whole(self, place: str, start: int, end: int, fetch: Callable[[int, int], bytes]) -> bytes:
        found = self._asked(place, lambda: fetch(start, end))
        if len(found) != end - start:
            raise ProbeError("file_changed", f"{place} became shorter while it was read", retryable=True)
        return found

    def _asked(self, place: str, ask: Callable[[], T]) -> T:
        """An answer of the server. `from None`: what a library says of an error may quote names of files."""
        self._window.turn()
        self._window.check(place)
        try:
            return ask()
        except ProbeError:
            raise
        except Exception as error:
            raise self._told(error, place) from None


class _Ranges(io.RawIOBase):
    """A file that is fetched range by range."""

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._size, self._fetch, self._at = size, fetch, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._size, self._at + len(buffer))
        if end <= self._at:
            return 0
        buffer[: end - self._at] = self._fetch(self._at, end)
        count, self._at = end - self._at, end
        return count
