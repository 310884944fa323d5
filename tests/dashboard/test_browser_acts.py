"""People act on the dashboard: in a real Chromium, through the service that checks them, as whom a proxy says they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import company
import pytest
from playwright.sync_api import Browser, Locator, Page
from visits import NARROW, ROW_PX, WIDE, Visit, chromium, dashboard_on, served

from core.clock import SystemClock
from dashboard import data, launch
from reconcile.acts import Desk, Request
from reconcile.life import Action
from reconcile.matching.verbs import MatchRequest, MatchVerb
from reconcile.service import DASHBOARD, Caller, service
from store.client import Store
from store.sqlfile import read

pytestmark = [pytest.mark.slow, pytest.mark.browser]

HEADER = "X-Forwarded-User"
NOW = company.KNOWN + timedelta(hours=1)


@dataclass(frozen=True)
class Site:
    """A dashboard on which people act, and the desk behind it."""

    address: str
    desk: Desk
    store: Store


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def site(filled: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    desk = company.desk(filled)
    acting = service(desk, {"dashboard-token": Caller(DASHBOARD)}, SystemClock())
    with served(acting) as url:
        acts = launch.Acts(url, "dashboard-token", header=HEADER)
        with dashboard_on(filled, tmp_path_factory.mktemp("project"), acts) as address:
            yield Site(address, desk, filled)


def tick(page: Page, row: int) -> None:
    page.get_by_test_id("stDataFrame").first.click(position={"x": 14, "y": ROW_PX * (row + 0.5)})


def choose(visit: Visit, label: str, option: str) -> None:
    with opened(visit, label) as options:
        options.filter(has_text=option).click()
    visit.settled()


def offered(visit: Visit) -> list[str]:
    """What can be done, as the form says."""
    with opened(visit, "Do") as options:
        found = options.all_inner_texts()
        visit.page.keyboard.press("Escape")
    return found


@contextmanager
def opened(visit: Visit, label: str) -> Iterator[Locator]:
    """The options of a select box; a page that is drawn anew closes it, so it is opened until it stays open."""
    options = visit.page.get_by_role("option")
    for _ in range(10):
        visit.settled()
        if not options.count():
            visit.page.get_by_role("combobox", name=label, exact=True).click()
        visit.page.wait_for_timeout(300)
        if options.count():
            break
    yield options


def write(visit: Visit, label: str, text: str) -> None:
    """Fills a field and leaves it, as people do before they press a button."""
    field = visit.page.get_by_role("textbox", name=label, exact=True)
    field.fill(text)
    field.blur()
    visit.settled()


def add(visit: Visit, label: str, text: str) -> None:
    """Chooses what is offered under this name, or types what is not."""
    field = visit.page.get_by_role("combobox", name=label)
    field.click()
    field.fill(text)
    visit.page.wait_for_timeout(300)
    field.press("Enter")
    field.press("Escape")
    visit.settled()


def press(visit: Visit, name: str, said: str) -> None:
    visit.page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True).click()
    visit.page.get_by_text(said).first.wait_for()
    visit.settled()


def test_exceptions_are_worked_on_from_the_list_to_the_waiver(browser: Browser, site: Site) -> None:
    ada = Visit(browser, site.address, WIDE, "light", **{HEADER: "ada"})
    page = ada.open("exceptions")
    tick(page, 1)
    page.get_by_text("Acknowledge", exact=True).first.wait_for()
    tick(page, 2)
    page.get_by_text("2 exceptions ticked").wait_for()
    choose(ada, "Do", "Assign")
    write(ada, "To", "grace")
    press(ada, "Assign", "Assigned: 2 exceptions.")
    rows = site.store.rows("SELECT action, actor, owner FROM exceptions")
    assert [(row["action"], row["actor"], row["owner"]) for row in rows] == [("assigned", "ada", "grace")] * 2

    one = str(site.store.value("SELECT exception_id FROM exceptions ORDER BY exception_id LIMIT 1"))
    page = ada.open(f"exception?id={one}")
    choose(ada, "Do", "Ask for a waiver")
    choose(ada, "Reason", "IMMATERIAL: Too small to be worth the work")
    write(ada, "Note", "two cents <b>only</b>")
    press(ada, "Ask for a waiver", "Waiver requested.")
    assert page.get_by_text("waiver requested", exact=True).count() >= 1
    assert "Approve the waiver" not in offered(ada)
    assert "Refuse the waiver" in offered(ada)
    ada.clean()
    ada.close()

    lin = Visit(browser, site.address, NARROW, "dark", **{HEADER: "lin"})
    page = lin.open(f"exception?id={one}")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
    choose(lin, "Do", "Approve the waiver")
    press(lin, "Approve the waiver", "Waived.")
    lin.clean()
    lin.close()
    told = site.store.one("SELECT actor, note, action FROM exceptions WHERE action = 'waiver_requested'")
    assert told == {"actor": "ada", "note": "two cents <b>only</b>", "action": "waiver_requested"}
    assert site.store.value("SELECT count() FROM exceptions WHERE action = 'waived' AND actor = 'lin'") == 1


def test_what_changed_meanwhile_is_not_overwritten(browser: Browser, site: Site) -> None:
    one = str(
        site.store.value(
            "SELECT exception_id FROM exceptions_at(as_of = {v:DateTime64(6, 'UTC')}, known_at = {k:DateTime64(6, 'UTC')}) "
            "WHERE item_key = 'UNPAID-1'", {"v": company.END, "k": company.KNOWN},
        )
    )  # fmt: skip
    ada = Visit(browser, site.address, WIDE, "dark", **{HEADER: "ada"})
    page = ada.open(f"exception?id={one}")
    write(ada, "Note", "mine")
    site.desk.do(Request(Action.RESOLVED, (one,), note="paid by cheque"), "grace", NOW)
    press(ada, "Acknowledge", "Nothing was done.")
    assert page.get_by_text("it has changed meanwhile: resolved by grace").count() == 1
    assert (
        site.store.value("SELECT count() FROM exceptions WHERE exception_id = {id:String}", {"id": one}) == 1
    )
    # It shows how it stands now.
    assert set(offered(ada)) == {"Comment", "Reopen"}
    ada.clean()
    ada.close()


def test_a_match_is_made_by_hand_with_its_difference_and_a_suggestion_accepted(
    browser: Browser, site: Site
) -> None:
    company.settle(
        site.store, ("shop", "SHOP-1", "1", 100), ("bank", "P60", "1", 60), ("bank", "P40", "1", 40), ("bank", "P70", "1", 70),
        ("bank", "P30", "1", 30), ("shop", "SHOP-2", "2", 50), ("bank", "P48", "3", 48),
        ("shop", "SHOP-3", "4", 100), ("shop", "SHOP-4", "5", 30), ("shop", "SHOP-5", "6", -30),
    )  # fmt: skip
    ids = {
        row["item_key"]: row["exception_id"]
        for row in site.store.rows(
            "SELECT item_key, exception_id FROM exception_ids WHERE expectation = 'settled'"
        )
    }
    ada = Visit(browser, site.address, WIDE, "light", **{HEADER: "ada"})
    page = ada.open(f"exception?id={ids['SHOP-2']}")
    add(ada, "Together with", "P48")
    press(ada, "Show the difference", "Difference: -2.00 EUR")
    assert page.get_by_text("You accept amount: 48, expected 50").count() == 1
    # Nobody gives a reason by leaving what stands there.
    assert page.get_by_test_id("stMain").get_by_role("button", name="Match by hand", exact=True).is_disabled()
    choose(ada, "Reason for the decision", "TIMING")
    press(ada, "Match by hand", "Joined: shop:SHOP-2 + bank:P48.")
    # What cancels it is offered.
    page = ada.open(f"exception?id={ids['SHOP-4']}")
    add(ada, "Together with", "shop: SHOP-5")
    press(ada, "Show the difference", "All of them are of one leg: they cancel each other.")
    choose(ada, "Reason for the decision", "CORRECTED")
    press(ada, "Match by hand", "Joined: shop:SHOP-4 + shop:SHOP-5.")
    page = ada.open(f"exception?id={ids['SHOP-1']}")
    choose(ada, "Decide", "shop: SHOP-1 + bank: P40 + bank: P60")
    press(ada, "Accept the suggestion", "Accepted: shop:SHOP-1 + bank:P40 + bank:P60.")
    ada.clean()
    ada.close()
    large = MatchRequest(MatchVerb.JOIN, ("SHOP-3", "P70"), rule="settled", reason="DISPUTED")
    assert site.desk.match(large, "ada", SystemClock().now()).action == "requested"
    lin = Visit(browser, site.address, NARROW, "dark", **{HEADER: "lin"})
    page = lin.open("exceptions")
    press(lin, "Approve the match", "Approved: shop:SHOP-3 + bank:P70.")
    assert page.get_by_text("Matches that wait for approval").count() == 0
    lin.clean()
    lin.close()
    told = site.store.rows("SELECT action, actor, reason, difference FROM match_acts ORDER BY known_at")
    assert [(row["action"], row["actor"], row["reason"], row["difference"]) for row in told] == [
        ("joined", "ada", "TIMING", -2), ("joined", "ada", "CORRECTED", 0), ("accepted", "ada", "", 0), ("requested", "ada", "DISPUTED", -30),
        ("approved", "lin", "", -30),
    ]  # fmt: skip

    # Pages speak of what matching has taken in.
    def newest() -> datetime:
        asked = {"workflow": "orders", "sources": ["erp", "bank"]}
        known_at: datetime = site.store.one(read(data.QUERIES / "evidence.sql"), asked)["known_at"]
        return known_at

    decided = site.store.value("SELECT max(known_at) FROM match_acts")
    assert newest() < decided
    company.settle(site.store)
    assert newest() == decided


def test_suggestions_are_ticked_and_accepted_together(browser: Browser, site: Site) -> None:
    company.settle(
        site.store, *((system, f"{system}-{n}", f"d{n}", 10 * n) for n in range(1, 4) for system in ("till", "ledger")),
    )  # fmt: skip
    lin = Visit(browser, site.address, WIDE, "light", **{HEADER: "lin"})
    page = lin.open("exceptions")
    panel = page.get_by_test_id("stMain").locator(".st-key-panel-suggested")
    for _ in range(10):
        # What the newest rows are is kept for some seconds.
        if panel.count():
            break
        page.wait_for_timeout(2000)
        page = lin.open("exceptions")
    panel.get_by_text("3 suggestions", exact=True).wait_for()
    for row in (1, 3):
        panel.get_by_test_id("stDataFrame").first.click(position={"x": 14, "y": ROW_PX * (row + 0.5)})
        lin.settled()
    write(lin, "Note on the decisions", "month end")
    press(lin, "Accept 2 suggestions", "Accepted: 2 suggestions.")
    panel.get_by_text("1 suggestion", exact=True).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDE[0]
    lin.clean()
    lin.close()
    rows = site.store.rows(
        "SELECT actor, note, members.record AS records FROM match_acts WHERE rule = 'drafted' ORDER BY known_at"
    )
    assert [(row["actor"], row["note"], row["records"]) for row in rows] == [
        ("lin", "month end", ["till-1", "ledger-1"]), ("lin", "month end", ["till-3", "ledger-3"]),
    ]  # fmt: skip
    viewer = Visit(browser, site.address, NARROW, "dark", **{HEADER: "nobody"})
    page = viewer.open("exceptions")
    page.get_by_text("1 suggestion", exact=True).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
    assert page.get_by_text("Tick those that are right").count() == 0
    viewer.clean()
    viewer.close()
