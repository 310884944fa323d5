"""A package of a site adds a kind of probe; the conformance test finds what breaks the contract."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import SecretStr

from core.errors import ConfigurationError
from probes import template
from probes.conformance import assert_conforms, conformance
from probes.load import load_probe
from probes.plugins import names
from probes.probe import Batch, Incremental, ProbeError, ProbeFile, Window, parse_time, text_batch
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.server import Api, serving
from tests.probes.source import Invoices, states
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
FILE = "{name: own, kind: %s, title: T, workflow: payables, system: ap, path: x.jsonl, object: {type: invoice, key: no, fields: [status]}}"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Puts a package onto the path the way pip does: its code, and beside it what its metadata say."""

    def install(kind: str, entry: str = "", code: str = "") -> Path:
        source, site = tmp_path / f"{kind}-source", tmp_path / f"{kind}-site"
        template.create(source, kind)
        project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
        site.mkdir()
        (source / f"tieout_{kind}").rename(site / f"tieout_{kind}")
        if code:
            (site / f"tieout_{kind}" / "__init__.py").write_text(code)
        info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        points = project["entry-points"]["tieout.probes"] | ({kind: entry} if entry else {})
        (info / "entry_points.txt").write_text(
            "[tieout.probes]\n" + "".join(f"{k} = {v}\n" for k, v in points.items())
        )
        monkeypatch.syspath_prepend(site)
        return source

    before = set(sys.modules)
    yield install
    for name in set(sys.modules) - before:
        if name.startswith("tieout_"):
            del sys.modules[name]


def load(folder: Path, workflow: Workflow, kind: str) -> tuple[ProbeFile | None, list[str]]:
    (folder / "own.yaml").write_text(FILE % kind)
    probe, _, findings = load_probe(folder / "own.yaml", {"payables": workflow})
    return probe, [finding.text() for finding in findings]


def test_a_kind_of_a_package_is_loaded_run_and_conforms(
    store: Store, workflow: Workflow, installed: Callable[..., Path], tmp_path: Path
) -> None:
    installed("ledger")
    (tmp_path / "x.jsonl").write_text('{"no": "1", "status": "open"}\n{"no": "2"}\n')
    probe, findings = load(tmp_path, workflow, "ledger")
    assert findings == []
    assert probe is not None
    assert_conforms(probe, NOW)
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.kind, done.changed, [s["object_key"] for s in states(store)]) == (
        "ok",
        "ledger",
        2,
        ["1", "2"],
    )
    (tmp_path / "x.jsonl").write_text('{"no": "1"')
    failed = run_probe(store, probe, workflow, NOW + timedelta(minutes=5))
    assert (failed.status, failed.error_code) == ("failed", "bad_file")


@pytest.mark.parametrize(
    ("entry", "code", "says"),
    [
        ("tieout_broken:Nothing", "", "does not load (AttributeError)"),
        ("", "raise RuntimeError('s3cret')", "does not load (RuntimeError)"),
        ("", "BrokenProbe = dict", "is no probes.probe.ProbeFile"),
        ("", "from probes.probe import ProbeFile\nfrom typing import Literal\nclass BrokenProbe(ProbeFile):\n    kind: Literal['broken']", "lacks place, read"),
        ("", "from probes.files import FilesProbe as BrokenProbe", 'write kind: Literal["broken"]'),
    ],
)  # fmt: skip
def test_a_package_that_does_not_fit_is_a_finding_with_a_place(
    workflow: Workflow, installed: Callable[..., Path], tmp_path: Path, entry: str, code: str, says: str
) -> None:
    installed("broken", entry, code)
    probe, [finding] = load(tmp_path, workflow, "broken")
    assert (probe, says in finding, "package tieout-broken" in finding) == (None, True, True), finding
    assert "own.yaml:1:13" in finding
    assert "s3cret" not in finding


def test_a_package_cannot_replace_a_kind_of_ours_and_its_name_is_offered_when_misspelt(
    workflow: Workflow, installed: Callable[..., Path], tmp_path: Path
) -> None:
    installed("ledger")
    installed("files", "tieout_ledger:LedgerProbe")
    assert names()[-1] == "ledger"
    assert names().count("files") == 1
    _, [finding] = load(tmp_path, workflow, "legder")
    assert "did you mean 'ledger'?" in finding


@pytest.mark.parametrize("kind", ["Ledger", "my-ledger", "1st", ""])
def test_a_template_needs_a_name_and_an_empty_folder(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ConfigurationError, match="no name for a kind"):
        template.create(tmp_path / "new", kind)
    template.create(tmp_path / "new", "ledger")
    with pytest.raises(ConfigurationError, match="is not empty"):
        template.create(tmp_path / "new", "ledger")


@pytest.mark.slow
def test_the_template_installs_with_pip_and_its_own_test_passes(tmp_path: Path) -> None:
    template.create(tmp_path / "source", "ledger")
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-build-isolation", "--no-deps"]
    subprocess.run(
        [*pip, "--target", str(tmp_path / "site"), str(tmp_path / "source")], check=True, capture_output=True
    )
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, sys.path)])
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "source" / "tests")],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout


TIMES = [datetime(2026, 11, day, tzinfo=UTC) for day in range(1, 10)]


class Unruly(ProbeFile):
    """Keeps the contract, or breaks the part of it that `breaks` names."""

    kind: Literal["unruly"]
    breaks: str = ""
    token: SecretStr = SecretStr("s3cret")
    incremental: Incremental | None = None
    folder: Path = Path()

    @property
    def cursor_rule(self) -> Incremental | None:
        return self.incremental

    @property
    def bounded(self) -> bool:
        return True

    @property
    def hosts(self) -> tuple[tuple[str, int], ...]:
        return (("erp.example", 443),)

    @property
    def place(self) -> str:
        return f"erp {self.token.get_secret_value()}" if self.breaks == "shows no secret" else "erp"

    def read(self, window: Window) -> Generator[Batch]:
        if self.breaks != "waits for its turn":
            window.turn()
        if self.breaks == "does not sleep":
            time.sleep(0)
        if self.breaks == "does not write":
            (self.folder / "mark").write_text("here")
        since, start = parse_time(window.cursor or "1970-01-01"), int(window.position or 0)
        found = [at for at in TIMES if self._inside(at, since, window)]
        try:
            yield from self._batches(found, start, window)
        except GeneratorExit:
            if self.breaks == "lets go early":
                raise ValueError from None
            raise

    def _inside(self, at: datetime, since: datetime, window: Window) -> bool:
        if self.breaks == "keeps to the window":
            return at > since and at < window.end
        return since <= at < window.end

    def _batches(self, found: list[datetime], start: int, window: Window) -> Iterator[Batch]:
        rest = iter(found[start - 1 if self.breaks == "goes on at a position" and start else start :])
        columns = ("no",) if self.breaks == "columns" else self.columns
        at = start
        while part := list(islice(rest, 100 if self.breaks == "batches are bounded" else 2)):
            if self.breaks != "stops when its time is up":
                window.check(self.place)
            at += len(part)
            rows = [[moment.isoformat(), moment.isoformat()][: len(columns)] for moment in part]
            rows *= 20_000 if self.breaks == "batches are bounded" else 1
            if self.breaks == "reads the same again":
                rows[0][0] = str(time.perf_counter())
            yield Batch(text_batch(columns, rows), position=str(at))


PARTS = (
    "columns", "batches are bounded", "waits for its turn", "does not sleep", "does not write", "reads the same again",
    "goes on at a position", "keeps to the window", "stops when its time is up", "lets go early", "shows no secret",
)  # fmt: skip


@pytest.mark.parametrize("breaks", ["", *PARTS])
def test_each_part_of_the_contract_is_tried_and_what_breaks_it_is_named(tmp_path: Path, breaks: str) -> None:
    probe = Unruly.model_validate({
        "name": "a", "kind": "unruly", "title": "T", "workflow": "payables", "system": "ap", "mode": "incremental",
        "object": {"type": "invoice", "key": "no"}, "incremental": {"cursor_path": "at"}, "breaks": breaks,
        "folder": tmp_path,
    })  # fmt: skip
    if breaks == "columns":
        with pytest.raises((AssertionError, KeyError)):
            assert_conforms(probe, NOW)
        return
    checks = conformance(probe, NOW)
    assert {check.name for check in checks} == set(PARTS)
    broken = {check.name for check in checks if check.ok is False}
    assert breaks in broken if breaks else not broken
    assert all(check.then for check in checks if check.ok is False)
    if not breaks:
        assert all(check.ok for check in checks), checks


def test_our_own_kinds_keep_the_contract(make_probe: MakeProbe, tmp_path: Path) -> None:
    source = Invoices(tmp_path)
    for number, moment in enumerate(TIMES):
        source.put(no=str(number), changed=moment.replace(tzinfo=None).isoformat(" ", "microseconds"))
    window = {"mode": "incremental", "incremental": {"cursor_path": "changed", "overlap": "0s"}}
    database = make_probe(
        name="db", kind="sql", url=source.url, **window,
        query="SELECT * FROM invoices WHERE changed >= :cursor AND changed < :window_end",
    )  # fmt: skip
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("no\n1\n2\n")
    os.utime(tmp_path / "in" / "a.csv", (0, 0))
    folder = make_probe(name="csv", kind="files", folder=str(tmp_path / "in"), glob="*.csv", format="csv")
    api = Api()

    def answer(request: Any) -> Any:
        asked = request.query_params
        since, until = parse_time(asked.get("since", "1970-01-01")), parse_time(asked["until"])
        found = [at.isoformat() for at in TIMES if since <= at < until]
        start = int(asked["offset"])
        return {"items": [{"no": at, "changed": at} for at in found[start : start + 2]], "total": len(found)}

    api.answer = answer
    with serving(api.app) as address:
        pages = make_probe(
            name="http", kind="rest", client={"base_url": f"http://{address}"}, data_selector="items",
            paginator={"type": "offset", "limit": 2, "total_path": "total"}, mode="incremental",
            incremental={"cursor_path": "changed", "param": "since", "end_param": "until"},
        )  # fmt: skip
        for probe in (database, folder, pages):
            assert_conforms(probe, NOW)
        judged = {check.name: check.ok for check in conformance(pages, NOW)}
    assert (judged["goes on at a position"], judged["keeps to the window"], judged["waits for its turn"]) == (
        True,
        True,
        True,
    )
    source.close()


def test_a_source_that_cannot_be_read_is_no_breach_of_contract(make_probe: MakeProbe, tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="is not a file"):
        assert_conforms(
            make_probe(kind="sql", url=f"sqlite:///{tmp_path}/no.db", query="SELECT 1 AS no"), NOW
        )
