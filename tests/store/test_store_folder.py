"""The data folder: one process at a time, private, refused when a newer engine wrote it, found by commands."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import CannotRunError
from store.client import Store
from store.errors import FolderInUseError, NewerSchemaError
from store.folder import DataFolder, Running, engine_version, running

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOLDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from store.folder import DataFolder, Running
import os
folder = DataFolder(Path(sys.argv[1])).acquire(datetime(2026, 11, 20, 12, 0, tzinfo=UTC), "tieout up")
folder.publish(Running(pid=os.getpid(), store_url="http://127.0.0.1:8123", reader_token="r" * 32,
                       writer_token="w" * 32, urls={"dashboard": "http://127.0.0.1:8501"}))
print("holding", flush=True)
sys.stdin.read()
folder.close()
print("released", flush=True)
"""


@contextmanager
def _held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A second, real process that has the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_in_it_is_its_owners_alone(tmp_path: Path) -> None:
    before = (os.umask(0o022), tempfile.tempdir)
    os.umask(before[0])
    with DataFolder(tmp_path / "a" / "data") as folder:
        folder.acquire(NOW, "test")
        folder.publish(_published(os.getpid()))
        for directory in (folder.path, folder.engine, folder.tmp):
            assert _mode(directory) == 0o700
        for file in ("lock", "run.json"):
            assert _mode(folder.path / file) == 0o600
        (folder.path / "made later").touch()
        assert _mode(folder.path / "made later") == 0o600
        assert Path(tempfile.gettempdir()) == folder.tmp
    after = (os.umask(before[0]), tempfile.tempdir)
    assert after == before


def test_a_folder_that_was_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with DataFolder(tmp_path) as folder:
        folder.acquire(NOW, "test")
        assert _mode(tmp_path) == 0o700


def test_the_second_process_fails_at_once_and_names_the_first(tmp_path: Path) -> None:
    with _held(tmp_path) as holder:
        began = time.perf_counter()
        with pytest.raises(FolderInUseError) as refused:
            DataFolder(tmp_path).acquire(NOW, "tieout check")
        assert time.perf_counter() - began < 1
        text = str(refused.value)
        for part in (
            str(holder.pid),
            "tieout up",
            "2026-11-20T12:00:00+00:00",
            "http://127.0.0.1:8501",
            "Stop",
        ):
            assert part in text
        assert "rrrr" not in text
        assert "wwww" not in text


def test_a_refused_process_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    with _held(tmp_path):
        (tmp_path / "tmp" / "body").write_text("of the holder")
        before = tempfile.tempdir
        with DataFolder(tmp_path) as folder, pytest.raises(FolderInUseError):
            folder.acquire(NOW, "test")
        assert (tmp_path / "tmp" / "body").exists()
        assert tempfile.tempdir == before
        assert running(tmp_path) is not None


def test_killing_the_holder_frees_the_folder(tmp_path: Path) -> None:
    with _held(tmp_path) as holder:
        (tmp_path / "tmp" / "left.native").write_text("a request body in clear")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert running(tmp_path) is None
        with DataFolder(tmp_path) as folder:
            folder.acquire(NOW, "test")
            assert list(folder.tmp.iterdir()) == []
            assert not (tmp_path / "run.json").exists()


def test_closing_frees_the_folder_and_takes_the_tokens_away(tmp_path: Path) -> None:
    with _held(tmp_path) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.close()
        assert holder.stdout.readline() == "released\n"
        assert not (tmp_path / "run.json").exists()
        assert (tmp_path / "lock").read_text() == ""
        DataFolder(tmp_path).acquire(NOW, "test").close()


def test_commands_find_the_running_process(tmp_path: Path) -> None:
    assert running(tmp_path / "nothing here") is None
    assert running(tmp_path) is None
    with _held(tmp_path) as holder:
        found = running(tmp_path)
        assert found is not None
        assert (found.pid, found.store_url) == (holder.pid, "http://127.0.0.1:8123")
        assert found.reader_token.get_secret_value() == "r" * 32
        assert found.urls == {"dashboard": "http://127.0.0.1:8501"}
        assert "rrrr" not in repr(found) + str(found)


def test_a_run_file_of_a_dead_process_or_half_a_file_is_nothing(tmp_path: Path) -> None:
    with _held(tmp_path) as holder:
        good = json.loads((tmp_path / "run.json").read_text())
        (tmp_path / "run.json").write_text(json.dumps({**good, "pid": holder.pid + 1}))
        assert running(tmp_path) is None
        (tmp_path / "run.json").write_text('{"pid":')
        assert running(tmp_path) is None
    (tmp_path / "run.json").write_text(json.dumps(good))
    assert running(tmp_path) is None


def test_asking_who_runs_does_not_disturb_a_start(tmp_path: Path) -> None:
    """Many ask while the folder is taken and given back again and again."""
    DataFolder(tmp_path).acquire(NOW, "test").close()
    asking = "import sys; from pathlib import Path; from store.folder import running\n"
    asking += "while not Path(sys.argv[1], 'stop').exists(): running(Path(sys.argv[1]))"
    askers = [subprocess.Popen([sys.executable, "-c", asking, str(tmp_path)], cwd=ROOT) for _ in range(2)]
    for _ in range(200):
        with DataFolder(tmp_path) as folder:
            folder.acquire(NOW, "test")
    (tmp_path / "stop").touch()
    assert [asker.wait() for asker in askers] == [0, 0]


def test_a_folder_written_by_a_newer_engine_is_refused_with_both_versions(tmp_path: Path) -> None:
    here = engine_version()
    newer = f"{int(here.split('.')[0]) + 1}.1.1.1"
    (tmp_path / "engine.json").write_text(json.dumps({"engine": newer, "tieout": "9.9"}))
    with pytest.raises(NewerSchemaError) as refused:
        DataFolder(tmp_path).acquire(NOW, "test")
    for part in (newer, here, "9.9", "backup"):
        assert part in str(refused.value)
    assert not (tmp_path / "engine").exists()
    assert running(tmp_path) is None


@pytest.mark.parametrize(
    "content", ['{"engine": "24.1.1.1", "tieout": "0.0.1"}', "", "not json", "[]", '{"tieout": "1"}']
)
def test_an_older_or_unreadable_note_is_no_hindrance(tmp_path: Path, content: str) -> None:
    (tmp_path / "engine.json").write_text(content)
    DataFolder(tmp_path).acquire(NOW, "test").close()


def test_versions_are_compared_as_numbers(tmp_path: Path) -> None:
    major, minor = engine_version().split(".")[:2]
    (tmp_path / "engine.json").write_text(json.dumps({"engine": f"{major}.{int(minor) + 10}.1.1"}))
    with pytest.raises(NewerSchemaError):
        DataFolder(tmp_path).acquire(NOW, "test")
    (tmp_path / "engine.json").write_text(json.dumps({"engine": f"{int(major) - 1}.99.1.1"}))
    DataFolder(tmp_path).acquire(NOW, "test").close()


def test_what_wrote_last_is_noted_once_the_store_is_open(tmp_path: Path, store: Store) -> None:
    with DataFolder(tmp_path) as folder:
        folder.acquire(NOW, "test")
        assert not (tmp_path / "engine.json").exists()
        folder.opened(store)
    assert json.loads((tmp_path / "engine.json").read_text())["engine"] == engine_version()


def test_as_many_files_may_be_open_as_the_machine_allows(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    with DataFolder(tmp_path) as folder:
        folder.acquire(NOW, "test")
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


def test_a_full_disk_is_said_in_words(tmp_path: Path, store: Store) -> None:
    """/dev/full answers every write as a full disk does."""
    for name in ("engine.new", "run.new"):
        (tmp_path / name).symlink_to("/dev/full")
    with DataFolder(tmp_path) as folder:
        folder.acquire(NOW, "test")
        with pytest.raises(CannotRunError, match="No space left on device; free some space"):
            folder.opened(store)
        with pytest.raises(CannotRunError, match="No space left on device; free some space"):
            folder.publish(_published(os.getpid()))


def test_a_file_in_its_place_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(CannotRunError, match="move the file"):
        DataFolder(tmp_path / "data").acquire(NOW, "test")


def test_closing_twice_or_unopened_does_no_harm(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.close()
    folder.acquire(NOW, "test").close()
    folder.close()
    folder.acquire(NOW, "test").close()


def test_a_folder_not_acquired_publishes_nothing(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError):
        DataFolder(tmp_path).publish(_published(1))
    assert not (tmp_path / "run.json").exists()


def _published(pid: int) -> Running:
    return Running(pid=pid, store_url="http://127.0.0.1:1", reader_token="r", writer_token="w")  # type: ignore[arg-type]
