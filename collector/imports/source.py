"""Files as streams: unpacked, counted for progress, capped in size; archives are read in place."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from collector.imports.errors import ImportFailedError

MAX_UNPACKED_BYTES = 100 * 1024**3
MAX_MEMBERS = 10_000
_IN_MEMORY = 64 * 1024**2
_READ_AHEAD = 1 << 20
_UNPACK: dict[str, Callable[[Any], Any]] = {
    "gz": gzip.open,
    "tgz": gzip.open,
    "xz": lzma.open,
    "txz": lzma.open,
}
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz")
_DAMAGED = (OSError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, NotImplementedError)

Counter = Callable[[int], None]
Stream = IO[bytes]
Opener = Callable[[], Stream]


def _nobody(_count: int) -> None:
    """For sources whose progress nobody watches."""


@dataclass(frozen=True)
class Source:
    """A file, or a folder of tables, to import. `count` is told of bytes read from disk."""

    path: Path
    count: Counter = _nobody

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def size(self) -> int:
        """Bytes on disk, all files of a folder together."""
        return sum(file.stat().st_size for file in self._files())

    def sha256(self) -> str:
        """Content of the file; of a folder, of its files by name."""
        if not self.path.is_dir():
            return _digest(self.path)
        listed = "".join(f"{file.name}\0{_digest(file)}\n" for file in self._files())
        return hashlib.sha256(listed.encode()).hexdigest()

    @contextmanager
    def open(self) -> Iterator[Stream]:
        """The content, unpacked when the name ends in .gz. Raises ImportFailedError when it is damaged."""
        with damage_named(self.name), self._counted(self.path) as counted:
            if not self.name.lower().endswith(".gz"):
                yield counted
                return
            with gzip.open(counted) as unpacked:
                yield _capped(unpacked, self.name)

    @property
    def is_archive(self) -> bool:
        """Whether it holds files of its own."""
        return self.path.is_dir() or self.name.lower().endswith((*_TARS, ".zip"))

    @contextmanager
    def members(self) -> Iterator[dict[str, Opener]]:
        """The files in a folder or archive, by plain name, each with a way to open it.

        Folders inside, links and devices are left out; no name is ever used as a path. Raises
        ImportFailedError when the archive is damaged, holds a name twice, or unpacks to too much.
        """
        with damage_named(self.name):
            if self.path.is_dir():
                yield {file.name: _later(self._counted, file) for file in self._files()}
            elif self.name.lower().endswith(".zip"):
                with zipfile.ZipFile(self.path) as archive:
                    files = (info for info in archive.infolist() if not info.is_dir())
                    yield self._named((info.filename, _later(archive.open, info)) for info in files)
                self.count(self.size)
            else:
                with self._unpacked_tar() as plain, tarfile.open(fileobj=plain, mode="r:") as tar:
                    members = (info for info in tar if info.isreg())
                    yield self._named((info.name, _later(tar.extractfile, info)) for info in members)

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            return [self.path]
        return sorted(file for file in self.path.iterdir() if file.is_file() and not file.is_symlink())

    def _counted(self, file: Path) -> Stream:
        return _buffered(_Counted(file.open("rb"), self.count))

    def _named(self, found: Iterable[tuple[str, Opener]]) -> dict[str, Opener]:
        out: dict[str, Opener] = {}
        for path, opener in found:
            name = path.replace("\\", "/").rsplit("/", 1)[-1]
            if name in out:
                raise ImportFailedError(
                    self.name, f"holds two files named {name!r}", "pack it without the one"
                )
            if len(out) >= MAX_MEMBERS:
                raise ImportFailedError(
                    self.name, f"holds more than {MAX_MEMBERS} files", "pack only the tables"
                )
            out[name] = _later(lambda opener: _capped(opener(), self.name), opener)
        return out

    @contextmanager
    def _unpacked_tar(self) -> Iterator[Stream]:
        """The tar without compression, so that its files can be read in any order; on disk it has no name."""
        unpack = _UNPACK.get(self.name.lower().rsplit(".", 1)[-1])
        with self._counted(self.path) as packed, tempfile.SpooledTemporaryFile(_IN_MEMORY) as plain:
            shutil.copyfileobj(_capped(unpack(packed) if unpack else packed, self.name), plain, _READ_AHEAD)
            plain.seek(0)
            yield cast("Stream", plain)


@contextmanager
def damage_named(file: str) -> Iterator[None]:
    """Turns what libraries raise for cut or damaged files into one error that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise ImportFailedError(file, "there is no such file", "check the path") from None
    except PermissionError:
        raise ImportFailedError(file, "may not be read", "check its permissions") from None
    except EOFError:
        raise ImportFailedError(file, "the compressed data ends in the middle") from None
    except _DAMAGED as error:
        raise ImportFailedError(file, f"the file is damaged ({type(error).__name__})") from None


def _later(function: Callable[[Any], Any], argument: Any) -> Opener:
    return lambda: cast("Stream", function(argument))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _buffered(raw: io.RawIOBase) -> Stream:
    return cast("Stream", io.BufferedReader(raw, _READ_AHEAD))


def _capped(inner: Any, file: str) -> Stream:
    """A stream that ends with an error when it unpacks to more than any honest file would."""
    left = MAX_UNPACKED_BYTES

    def count(read: int) -> None:
        nonlocal left
        left -= read
        if left < 0:
            raise ImportFailedError(
                file, f"unpacks to more than {MAX_UNPACKED_BYTES} bytes", "check what it is"
            )

    return _buffered(_Counted(inner, count))


class _Counted(io.RawIOBase):
    """Tells how much was read."""

    def __init__(self, inner: Stream, count: Counter) -> None:
        self._inner, self._count = inner, count

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer))
        buffer[: len(data)] = data
        self._count(len(data))
        return len(data)

    def close(self) -> None:
        self._inner.close()
        super().close()
