"""A real browser on a running API over a database of its own."""

import asyncio
import fcntl
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import ConsoleMessage, Page, async_playwright, expect
from tests.api.test_serving import served

from stepwell_storage.settings import Settings

NAMES = ("chromium", "chromium-browser", "google-chrome")
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"

# A busy machine may take its time; what never comes fails all the same.
expect.set_options(timeout=30_000)


def find_chromium() -> str:
    """The machine's Chromium; Debian's is installed where there is none and that is possible."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _install()
        found = shutil.which("chromium")
    if found is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    return found


def _install() -> None:
    """Debian's Chromium; test processes that start together take turns."""
    with Path(__file__).open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if shutil.which("chromium"):
            return
        subprocess.run(["apt-get", "update", "-qq"], check=True, stdout=subprocess.DEVNULL)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser."""
    return find_chromium()


def is_wrong(message: ConsoleMessage) -> bool:
    """Whether it tells of an error of the page; that a key is refused is an answer."""
    return message.type == "error" and "status of 401" not in message.text


@pytest.fixture
async def url(settings: Settings) -> AsyncIterator[str]:
    """A running API with its dashboard."""
    async with served(settings) as address:
        yield address


@pytest.fixture
async def page(chromium: str, url: str, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """A page of the dashboard; errors in its console fail the test, and its last look is kept as a picture."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = await browser.new_page(base_url=url, viewport={"width": 1280, "height": 900})
        wrong: list[str] = []
        opened.on("console", lambda message: wrong.append(message.text) if is_wrong(message) else None)
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        yield opened
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        await opened.screenshot(path=SCREENSHOTS / f"{request.node.name}.png", full_page=True)
        await asyncio.wait_for(browser.close(), 10)
        assert wrong == []
