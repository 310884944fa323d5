"""Files and archives as streams: no name is a path, nothing grows without bound, damage is named."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from collector.imports import ImportFailedError, source
from collector.imports.source import Source


def tar(path: Path, *members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> Source:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, "/etc/passwd"
            archive.addfile(info, io.BytesIO(content))
    return Source(path)


def contents(found: Source) -> dict[str, bytes]:
    with found.members() as members:
        out = {}
        for name, opener in members.items():
            with opener() as stream:
                out[name] = stream.read()
        return out


def test_a_name_in_an_archive_is_never_a_path(tmp_path: Path) -> None:
    archive = tar(tmp_path / "x.tar.gz", ("../../a.csv", b"1"), ("/etc/b.csv", b"2"), ("..\\c.csv", b"3"))
    assert contents(archive) == {"a.csv": b"1", "b.csv": b"2", "c.csv": b"3"}
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar.gz"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_links_devices_and_folders_in_an_archive_are_left_out(tmp_path: Path, kind: bytes) -> None:
    assert contents(tar(tmp_path / "x.tar.gz", ("a.csv", b""), kind=kind)) == {}


def test_links_and_folders_in_a_folder_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_bytes(b"1")
    (tmp_path / "in" / "deep").mkdir()
    (tmp_path / "in" / "b.csv").symlink_to("/etc/passwd")
    assert contents(Source(tmp_path / "in")) == {"a.csv": b"1"}


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFailedError, match=r"holds two files named 'a\.csv'"):
        contents(tar(tmp_path / "x.tar.gz", ("one/a.csv", b"1"), ("two/a.csv", b"2")))


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_UNPACKED_BYTES", 1_000_000)
    bomb = b"0" * 5_000_000
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(bomb))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", bomb)
    with (
        pytest.raises(ImportFailedError, match="unpacks to more than 1000000 bytes"),
        Source(tmp_path / "a.csv.gz").open() as text,
    ):
        text.read()
    for path in (Source(tmp_path / "a.zip"), tar(tmp_path / "a.tar.gz", ("a.csv", bomb))):
        with pytest.raises(ImportFailedError, match="unpacks to more than 1000000 bytes"):
            contents(path)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_MEMBERS", 3)
    with pytest.raises(ImportFailedError, match="holds more than 3 files"):
        contents(tar(tmp_path / "x.tar.gz", *((f"{number}.csv", b"") for number in range(4))))


def test_the_hash_of_a_folder_follows_names_and_content(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_bytes(b"1")
    assert Source(tmp_path / "one").sha256() == Source(tmp_path / "two").sha256()
    (tmp_path / "two" / "b.csv").write_bytes(b"")
    assert Source(tmp_path / "one").sha256() != Source(tmp_path / "two").sha256()


def test_bytes_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"abc" * 1000))
    seen: list[int] = []
    with Source(tmp_path / "a.csv.gz", seen.append).open() as text:
        assert text.read() == b"abc" * 1000
    assert sum(seen) == (tmp_path / "a.csv.gz").stat().st_size
