"""A receiver in its own process, with or without faults. How long the suite hunts: see README.md."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from fault_library import Faults
from fault_site import Site


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExitStack]:
    """Ends what the test started, the last first."""
    logs = tmp_path / "logs"
    logs.mkdir()
    monkeypatch.setenv("TIEOUT_FAULT_LOGS", str(logs))
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def new_site(stage: ExitStack, tmp_path: Path) -> Callable[..., Site]:
    """Starts a receiver on a folder."""

    def start(folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Site:
        site = Site(folder or tmp_path / "site", environment)
        stage.callback(site.end)
        site.start()
        return site

    return start


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    """Faults for what lies in the folder of `site`."""
    return Faults(tmp_path, tmp_path / "site")


@pytest.fixture
def site(new_site: Callable[..., Site], faults: Faults) -> Site:
    """A receiver that `faults` reach."""
    return new_site(environment=faults.environment)


@pytest.fixture
def rounds() -> Callable[[int], int]:
    """How often to do something: as often as told, many times more with TIEOUT_FAULT_ROUNDS=10."""
    return lambda usual: usual * int(os.environ.get("TIEOUT_FAULT_ROUNDS", "1"))
