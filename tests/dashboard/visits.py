"""A dashboard served as people meet it, and a look at it in a real Chromium."""

from __future__ import annotations

import re
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from starlette.types import ASGIApp

from dashboard import launch
from store.client import Store
from store.endpoint import endpoint
from tests.ports import free_port

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDE, NARROW = (1440, 900), (390, 844)
ROW_PX = 33
_PROBE = re.compile(r"/\w+/_stcore/(health|host-config)$")


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """An ASGI app on a free port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@contextmanager
def dashboard_on(store: Store, project: Path, acts: launch.Acts | None = None) -> Iterator[str]:
    """The address of a dashboard that reads the store with a token that only reads, and acts by `acts`."""
    token = secrets.token_hex(16)
    port = free_port()
    with served(endpoint(store, token, secrets.token_hex(16))) as store_url:
        process = subprocess.Popen(
            launch.command(port), env=launch.environment(store_url, token, project, acts=acts),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        _wait_until_healthy(address, process)
        yield address
        process.terminate()
        process.wait(20)


def _wait_until_healthy(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(address + launch.HEALTH_PATH).text == "ok":
                return
        except httpx.TransportError:
            pass
        threading.Event().wait(0.1)
    pytest.fail(f"the dashboard did not start; its exit code is {process.poll()}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of the system."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        pytest.fail("no Chromium here; install it with: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


class Visit:
    """One look at the dashboard in a fresh profile; everything that goes wrong in the browser is kept."""

    def __init__(
        self, browser: Browser, site: str, size: tuple[int, int] = WIDE, scheme: str = "light", **headers: str
    ) -> None:
        self._site = site
        self._context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            extra_http_headers=headers,
        )
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(60_000)
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))
        self.page.on("console", self._hear)
        self.page.on("request", lambda request: self._note(request.url))

    def _hear(self, message: ConsoleMessage) -> None:
        # Streamlit looks for its server below the page's path first, and is told that it is not there.
        if message.type == "error" and not _PROBE.search(message.location["url"]):
            self.errors.append(message.text)

    def _note(self, url: str) -> None:
        if not url.startswith((self._site, "data:", "blob:")):
            self.foreign.append(url)

    def open(self, path: str) -> Page:
        self.page.goto(f"{self._site}/{path}")
        self.settled()
        return self.page

    def settled(self) -> None:
        """Until the script has run and nothing is loading."""
        self.page.get_by_test_id("stHeading").first.wait_for()
        self.page.wait_for_function(
            "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
            " && !document.querySelector('[data-testid=stSkeleton]')"
        )

    def parameters(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.page.url).query).items()}

    def clean(self) -> None:
        """Nothing went wrong, nothing was fetched from anywhere else."""
        assert self.page.get_by_test_id("stException").count() == 0
        assert self.errors == []
        assert self.foreign == []

    def close(self) -> None:
        self._context.close()
