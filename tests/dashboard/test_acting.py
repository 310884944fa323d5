"""Who acts on the dashboard is what a sign-in, a proxy or the settings say; who is not known only looks."""

from __future__ import annotations

import time
from collections.abc import Iterator

import company
import pytest
from opened_pages import OpenPage
from streamlit.testing.v1 import AppTest
from visits import served

from core.clock import ManualClock
from dashboard import data
from dashboard.names import ACTS_SIGN_IN, ACTS_TOKEN, ACTS_URL, ACTS_USER
from reconcile.service import DASHBOARD, Caller, service
from store.client import Store

COMMANDS = "To act, copy a command:"


@pytest.fixture(scope="module")
def acts_url(filled: Store) -> Iterator[str]:
    with served(
        service(company.desk(filled), {"dashboard-token": Caller(DASHBOARD)}, ManualClock(company.KNOWN))
    ) as url:
        time.sleep(0.2)
        yield url


@pytest.fixture
def one(filled: Store, acts_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An exception that is open, on a dashboard that may act."""
    monkeypatch.setenv(ACTS_URL, acts_url)
    monkeypatch.setenv(ACTS_TOKEN, "dashboard-token")
    data.forget()
    return str(
        filled.value(
            "SELECT exception_id FROM exceptions_at(as_of = {v:DateTime64(6, 'UTC')}, known_at = {k:DateTime64(6, 'UTC')}) "
            "WHERE item_key = 'UNPAID-1'", {"v": company.END, "k": company.KNOWN},
        )
    )  # fmt: skip


def acts_as(app: AppTest) -> str:
    """Who the form says acts, or that there is none."""
    assert not app.exception
    captions = [caption.value for caption in app.caption]
    found = [text for text in captions if text.startswith("As `")]
    assert bool(found) != (COMMANDS in captions)
    return found[0].split(".")[0] if found else ""


def test_the_person_of_the_settings_acts(
    open_page: OpenPage, one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ACTS_USER, "ada")
    app = open_page("exception", id=one)
    assert acts_as(app) == "As `ada`, worker"
    do = next(box for box in app.selectbox if box.label == "Do")
    assert do.options == ["Acknowledge", "Assign", "Comment", "Explain", "Ask for a waiver", "Resolve"]


def test_who_is_signed_in_acts_and_nobody_else(
    open_page: OpenPage, one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ACTS_SIGN_IN, "1")
    # What else the environment says does not count.
    monkeypatch.setenv(ACTS_USER, "ada")
    app = open_page("exception", id=one)
    assert acts_as(app) == ""
    app.user = {"is_logged_in": True, "email": "lin"}
    assert acts_as(app.run()) == "As `lin`, approver"
    app.user = {"is_logged_in": False, "email": "lin"}
    assert acts_as(app.run()) == ""


@pytest.mark.parametrize("user", ["vera", "somebody", ""])
def test_who_may_not_act_or_is_not_known_only_looks(
    open_page: OpenPage, one: str, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setenv(ACTS_USER, user)
    assert acts_as(open_page("exception", id=one)) == ""


def test_an_earlier_known_time_can_only_be_looked_at(
    open_page: OpenPage, one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ACTS_USER, "ada")
    assert acts_as(open_page("exception", id=one, known="2025-07-01")) == ""


def test_a_desk_that_does_not_answer_leaves_the_page_to_look_at(
    open_page: OpenPage, one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ACTS_USER, "ada")
    monkeypatch.setenv(ACTS_URL, "http://127.0.0.1:9")
    assert acts_as(open_page("exception", id=one)) == ""
