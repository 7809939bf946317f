"""Looks at a page as its readers do: in both themes, on a small screen, and with axe-core for those who cannot see."""

from importlib import resources
from typing import Any

from playwright.async_api import Page, ViewportSize

AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
SMALL: ViewportSize = {"width": 380, "height": 800}
LARGE: ViewportSize = {"width": 1280, "height": 900}


async def check_looks(page: Page) -> None:
    """Fails where axe finds a violation in either theme, or where the page is wider than a small screen."""
    await page.evaluate(AXE)
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert await violations(page) == [], theme
    await page.set_viewport_size(SMALL)
    # Charts take a moment to follow.
    await page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=SMALL["width"])
    await page.set_viewport_size(LARGE)


async def violations(page: Page) -> list[tuple[str, Any]]:
    """What axe finds, with the elements it is about."""
    result = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in result["violations"]]
