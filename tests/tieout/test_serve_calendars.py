"""Calendars of a site reach the store by `tieout import` and `tieout up`, and what is due is counted by them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from processes import ROOT, Up, tieout, wait_until

from store.client import Store
from store.folder import running
from tieout.scaffold import create

# Three processes one after the other: a quarter of a minute.
pytestmark = pytest.mark.slow

NORTH = """\
calendar: north
title: North
zone: Europe/Amsterdam
hours: 08:00-17:00
holidays: {country: NL}
"""
# Closed on Thursday before Easter, at 18:00 in Amsterdam; never released. What comes later moves the watermark.
LOG = """\
case_id,activity,resource,timestamp,casetype,closecode,speciality,state,msgcode,msgtype,version,activity_instance_id
C1,NEW,R,2013-03-20T09:00:00Z,A,,B,In progress,,,,1
C1,FIN,R,2013-03-28T17:00:00Z,A,A,B,Closed,,,,2
C2,NEW,R,2013-04-10T09:00:00Z,A,,B,In progress,,,,3
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site whose packages are released within three business days."""
    folder = tmp_path / "site"
    create(folder, ROOT / "examples" / "demo")
    (folder / "calendars" / "north.yaml").write_text(NORTH)
    flow = (ROOT / "workflows" / "hospital_billing.yaml").read_text()
    flow = flow.replace("dimensions:", "calendar: north\ndimensions:", 1).replace(
        "within: 3d", "within: 3bd", 1
    )
    (folder / "workflows" / "hospital_billing.yaml").write_text(flow)
    (folder / "hospital_billing_easter.csv").write_text(LOG)
    return folder


def exceptions(site: Path) -> list[Any]:
    found = tieout("exceptions", "list", "--project", str(site), "--expectation", "release", "--json")
    return list(found.json["exceptions"]) if found.code == 0 else []


def calendars(site: Path) -> list[tuple[Any, ...]]:
    """Names and numbers of versions, asked of the running process."""
    live = running(site / "data")
    assert live is not None
    query = (
        "SELECT calendar, uniqExact(known_at) AS versions FROM calendar GROUP BY calendar ORDER BY calendar"
    )
    with Store(live.store_url, token=live.reader_token.get_secret_value(), read_only=True) as store:
        return [tuple(row.values()) for row in store.rows(query)]


def test_an_import_and_a_running_system_count_by_the_files(site: Path, up: Callable[..., Up]) -> None:
    """It counts for Tuesday, after Good Friday and Easter; three business days later is Friday 5 April, until 17:00."""
    done = tieout("import", str(site / "hospital_billing_easter.csv"), "--project", str(site))
    assert done.code == 0, done.err
    (site / "calendars" / "south.yaml").write_text(NORTH.replace("north", "south"))
    system = up(site, "jobs")
    assert calendars(site) == [("north", 1), ("south", 1)]
    wait_until(lambda: len(exceptions(site)) == 1, "the package to be overdue", system.process)
    (row,) = exceptions(site)
    assert row["due_at"] == "2013-04-05T15:00:00+00:00"
    assert (row["calendar"], row["age_days"], row["age_business_days"]) == ("north", 5, 3)
    by_owner = ("exceptions", "list", "--project", str(site), "--by", "owner", "--json")
    for more, bucket in (((), "4-7"), (("--business-days",), "2-3")):
        assert tieout(*by_owner, *more).json["exceptions"][0][bucket] == 1
    assert "age business days" in tieout("exceptions", "list", "--project", str(site)).out
