"""The dashboard as people meet it: its own process, the store's HTTP endpoint, a real Chromium."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import company
import httpx
import pytest
from playwright.sync_api import Browser
from visits import NARROW, ROW_PX, WIDE, Visit, chromium, dashboard_on

from store.client import Store

pytestmark = pytest.mark.browser

PAGES = ["", "aging", "exceptions", "transaction?key=UNPAID-1", "sources", "rules"]


@pytest.fixture(scope="module")
def site(filled: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard that only shows."""
    with dashboard_on(filled, tmp_path_factory.mktemp("project")) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Visit]:
    one = Visit(browser, site)
    yield one
    one.close()


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        pytest.param(WIDE, "light", id="wide light"),
        pytest.param(NARROW, "dark", id="narrow dark", marks=pytest.mark.slow),
    ],
)
def test_every_page_renders_without_an_error_and_without_asking_anybody_else(
    browser: Browser, site: str, size: tuple[int, int], scheme: str
) -> None:
    visit = Visit(browser, site, size, scheme)
    for path in PAGES:
        page = visit.open(path)
        background = page.evaluate(
            "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
        )
        assert background == ("rgb(16, 23, 31)" if scheme == "dark" else "rgb(255, 255, 255)")
        # Nothing is wider than the screen.
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        visit.clean()
    visit.close()


@pytest.mark.slow
def test_a_cell_of_the_aging_table_opens_the_exceptions_it_counts(visit: Visit) -> None:
    page = visit.open("aging")
    table = page.get_by_test_id("stDataFrame").first
    box = table.bounding_box()
    assert box
    # Second row (treasury), last age but the total (over 90 days).
    table.click(position={"x": box["width"] - 150, "y": ROW_PX * 2.5})
    page.wait_for_url("**/exceptions?**")
    visit.settled()
    assert visit.parameters().items() >= {"team": "treasury", "age": ">90"}.items()
    assert page.get_by_text("1 exception", exact=True).count() == 1
    visit.clean()


@pytest.mark.slow
def test_a_cell_of_the_strip_opens_the_exceptions_of_its_rule(visit: Visit) -> None:
    page = visit.open("")
    chart = page.get_by_test_id("stPlotlyChart").first
    box = chart.bounding_box()
    assert box
    # Last row (paid as ordered), last column (the present period).
    chart.click(position={"x": box["width"] - 60, "y": box["height"] - 33})
    page.wait_for_url("**/exceptions?**")
    visit.settled()
    assert visit.parameters()["expectation"] == "Paid as ordered"
    assert page.get_by_text("2 exceptions", exact=True).count() == 1
    visit.clean()


def test_a_row_of_the_work_list_opens_its_exception_and_the_address_keeps(visit: Visit) -> None:
    page = visit.open("exceptions?team=treasury")
    page.get_by_test_id("stDataFrame").first.click(position={"x": 30, "y": ROW_PX * 1.5})
    page.wait_for_url("**/exception?**")
    visit.settled()
    permalink = page.url
    assert re.fullmatch(r"[0-9a-f]{32}", visit.parameters()["id"])
    assert page.get_by_text("Order UNPAID-2: Paid within 10 days of the order").count() == 1
    page.goto("about:blank")
    page.goto(permalink)
    visit.settled()
    assert page.get_by_text("Order UNPAID-2: Paid within 10 days of the order").count() == 1
    visit.clean()


@pytest.mark.slow
def test_a_telephone_shows_what_is_at_stake_how_old_and_how_it_stands(browser: Browser, site: str) -> None:
    visit = Visit(browser, site, NARROW, "dark")
    page = visit.open("exceptions")
    # The grid tells screen readers of the columns that are drawn.
    page.get_by_test_id("data-grid-canvas").first.scroll_into_view_if_needed()
    heads = page.get_by_test_id("data-grid-canvas").first.locator("th")
    heads.last.wait_for(state="attached")
    assert [title for title in heads.all_text_contents() if title] == ["Item", "Amount", "In", "Age", "State"]
    visit.clean()
    visit.close()


@pytest.mark.slow
def test_an_exception_is_opened_with_the_keyboard_alone(visit: Visit) -> None:
    page = visit.open("exceptions")
    page.get_by_test_id("stMain").focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        label = page.evaluate("document.activeElement.getAttribute('aria-label') || ''")
        if "Open one by its name" in label:
            break
    page.keyboard.type("UNPAID-2")
    page.keyboard.press("Enter")
    page.wait_for_url("**/exception?**")
    visit.settled()
    assert page.get_by_text("Order UNPAID-2: Paid within 10 days of the order").count() == 1
    visit.clean()


@pytest.mark.slow
def test_a_key_typed_into_the_search_opens_its_timeline(visit: Visit) -> None:
    page = visit.open("")
    search = page.get_by_test_id("stSidebar").get_by_role("textbox", name="Where is this one?")
    search.fill("WRONG-1")
    search.press("Enter")
    page.wait_for_url("**/transaction?**")
    visit.settled()
    assert visit.parameters()["key"] == "WRONG-1"
    assert page.get_by_text("Order WRONG-1 stands at 'Paid'").count() == 1
    assert page.get_by_test_id("stPlotlyChart").count() == 1
    visit.clean()


@pytest.mark.slow
def test_choices_stand_in_the_address_and_come_back_from_it(visit: Visit) -> None:
    page = visit.open("aging?as_of=2025-05-20&period=90+days&by=Site")
    assert page.get_by_text("As of 20 May 2025, 23:59 UTC").count() > 0
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Exceptions").click()
    page.wait_for_url("**/exceptions?**")
    visit.settled()
    assert visit.parameters().items() >= {"as_of": "2025-05-20", "period": "90 days"}.items()
    assert page.get_by_text("2 exceptions").count() == 1
    visit.clean()


@pytest.mark.slow
def test_hostile_text_of_the_data_is_shown_as_text(visit: Visit) -> None:
    for path in (
        "transaction?key=" + httpx.URL("", params={"key": company.HOSTILE_KEY}).query.decode()[4:],
        "exceptions",
        "aging?by=Site",
        "",
    ):
        page = visit.open(path)
        assert (
            page.locator(
                "img[src='x'], img[src*='evil'], script:has-text('alert(1)'), a[href^='javascript']"
            ).count()
            == 0
        )
        if path.startswith("transaction"):
            assert page.get_by_text(company.HOSTILE_KEY).count() > 0
            labels = page.get_by_test_id("stPlotlyChart").inner_text()
            assert "<img src=x" in labels
    visit.clean()


def test_the_server_answers_only_hosts_it_was_told(site: str) -> None:
    handshake = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    assert _status_of(site, handshake) == 101
    assert _status_of(site, {**handshake, "Host": "evil.test"}) == 403


def _status_of(site: str, headers: dict[str, str]) -> int:
    """The status of the answer to a WebSocket handshake."""
    address = urlsplit(site)
    lines = {"Host": address.netloc, **headers}
    request = (
        "GET /_stcore/stream HTTP/1.1\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        + "\r\n"
    )
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as line:
        line.sendall(request.encode())
        return int(line.recv(200).split()[1])
