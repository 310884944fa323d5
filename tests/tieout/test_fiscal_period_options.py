"""What `--period` and `--calendar` stand for, and what is said where they stand for nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from calendars.table import write_calendars
from core.errors import ConfigurationError
from store.client import Store
from tieout.commands.options import present, stretch
from tieout.pipeline import Moment
from tieout.project import open_to_read

NORTH = "{calendar: north, title: North, zone: America/Chicago}\n"
US = timedelta(microseconds=1)
KNOWN = "2026-04-02"


def test_a_period_is_that_of_the_calendar_which_is_named_nearest(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tieout.yaml").write_text("shipped_workflows: [procure_to_payment]\n")
    (tmp_path / "calendars").mkdir()
    for name in ("north", "south"):
        (tmp_path / "calendars" / f"{name}.yaml").write_text(NORTH.replace("north", name))
    project = open_to_read(tmp_path)
    plain = project.workflows["procure_to_payment"]
    by_north = plain.model_copy(update={"calendar": "north"})
    write_calendars(store, project.calendars.values(), present())

    starts, ends = datetime(2026, 3, 1, 6, tzinfo=UTC), datetime(2026, 4, 1, 5, tzinfo=UTC)
    known = datetime(2026, 4, 2, 23, 59, 59, 999999, tzinfo=UTC)
    now = Moment(datetime(2026, 5, 1, tzinfo=UTC), known)
    row = {"source": by_north.sources[0], "complete_through": now.as_of, "heartbeat_at": known, "known_at": known, "run_id": ""}  # fmt: skip
    store.insert("watermarks", [row])
    for flow, calendar in ((by_north, ""), (plain, "south"), (by_north, "south")):
        asked = stretch(store, project, flow, "2026-P03", calendar, "", KNOWN)
        assert (asked.at, asked.start, asked.period) == (Moment(ends - US, known), starts - US, "2026-P03")
    assert capsys.readouterr().err == ""

    for flow, period, calendar, as_of, told in (
        (by_north, "2026-P13", "", "", "calendar 'north' has no period 2026-P13; 2026 has P01, P02"),
        (by_north, "2026-P03", "nort", "", "no calendar 'nort'; there are north, south; did you mean 'north'?"),
        (plain, "2026-P03", "", "", "does not say which calendar its periods are of; name one with --calendar: north, south"),
        (by_north, "2049-P12", "", "", "2049-P12 of calendar 'north' begins at 2049-12-01 06:00 UTC"),
        (by_north, "2026-P03", "", "2026-03-31", "--period says as of when: at its end; leave --as-of out"),
        (by_north, "", "north", "", "there is no --period"),
    ):  # fmt: skip
        with pytest.raises(ConfigurationError) as raised:
            stretch(store, project, flow, period, calendar, as_of, KNOWN)
        assert told in str(raised.value)


def test_a_period_that_is_not_over_is_shown_up_to_what_can_be_told(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tieout.yaml").write_text("shipped_workflows: [procure_to_payment]\n")
    (tmp_path / "calendars").mkdir()
    (tmp_path / "calendars" / "north.yaml").write_text(NORTH)
    project = open_to_read(tmp_path)
    flow = project.workflows["procure_to_payment"].model_copy(
        update={"calendar": "north", "as_of": "watermark"}
    )
    write_calendars(store, project.calendars.values(), present())
    through = datetime(2026, 3, 20, 12, tzinfo=UTC)
    row = {"source": flow.sources[0], "complete_through": through, "heartbeat_at": through, "known_at": through, "run_id": ""}  # fmt: skip
    store.insert("watermarks", [row])
    asked = stretch(store, project, flow, "2026-P03", "", "", KNOWN)
    assert (asked.at.as_of, asked.start) == (through, datetime(2026, 3, 1, 6, tzinfo=UTC) - US)
    assert (
        "2026-P03 ends at 2026-04-01 05:00 UTC; shown is what can be told, up to 2026-03-20 12:00 UTC"
        in " ".join(capsys.readouterr().err.split())
    )
    with pytest.raises(
        ConfigurationError, match="2026-P04 of calendar 'north' begins at 2026-04-01 05:00 UTC"
    ):
        stretch(store, project, flow, "2026-P04", "", "", KNOWN)
