"""The dashboard in a real browser, over runs that are stored and folded as they are in production."""

from datetime import UTC, datetime

from playwright.async_api import Locator, Page, expect
from tests.api.rows import NOON, make_agent_step, make_step, store_steps

from stepwell_storage.model import Status

HOSTILE = "<img src=x onerror=document.title='owned'>"


def now_s() -> float:
    """The seconds of now in the steps' time."""
    return (datetime.now(UTC) - NOON).total_seconds()


def chosen(page: Page) -> Locator:
    """The step that is looked at."""
    return page.get_by_role("listbox", name="Steps").get_by_role("option", selected=True)


async def store_failed_run(database_url: str, *, message: str = "no room left") -> None:
    start_s = now_s() - 60
    await store_steps(
        database_url,
        [
            make_agent_step(1, start_s, start_s + 3, has_output=False, status=Status.FAILED, error_type="DiskError"),
            make_step(2, 1, start_s, start_s + 1, name="search"),
            make_step(3, 1, start_s + 1, start_s + 3, name="store", status=Status.FAILED, error_type="DiskError",
                      error_message=message),
        ],
    )  # fmt: skip


async def test_failing_step_is_found_from_the_overview(page: Page, database_url: str) -> None:
    await store_failed_run(database_url)
    await page.goto("/")
    await page.get_by_role("link", name="planner").click()
    await expect(page.get_by_role("heading", name="DiskError at store")).to_be_visible()
    await page.get_by_role("link", name="Failed runs").click()
    await expect(page.get_by_role("status").filter(has_text="1 runs")).to_be_visible()
    await page.get_by_role("link", name="planner").click()
    await expect(chosen(page)).to_contain_text("store")
    await expect(page.get_by_label("What went wrong")).to_contain_text("DiskError at the step store")


async def test_steps_are_walked_by_keyboard_and_the_address_keeps_it(page: Page, database_url: str) -> None:
    await store_failed_run(database_url)
    await page.goto(f"/executions/{'ab' * 16}")
    await page.get_by_role("listbox", name="Steps").focus()
    await page.keyboard.press("ArrowUp")
    await expect(page.get_by_role("heading", name="search")).to_be_visible()
    assert page.url.endswith("step=1")
    await page.reload()
    await expect(chosen(page)).to_contain_text("search")


async def test_run_appears_ticks_and_goes_while_one_looks(page: Page, database_url: str) -> None:
    await page.goto("/live")
    await expect(page.get_by_text("Nothing runs right now")).to_be_visible()
    start_s = now_s()
    await store_steps(database_url, [make_agent_step(1, start_s, None), make_step(2, 1, start_s, None, name="search")])
    await expect(page.get_by_text("at search")).to_be_visible()
    await store_steps(database_url, [make_step(2, 1, start_s, start_s + 1, name="search")])
    await store_steps(database_url, [make_agent_step(1, start_s, start_s + 1)])
    await expect(page.get_by_text("Nothing runs right now")).to_be_visible()


async def test_nothing_from_a_span_is_markup(page: Page, database_url: str) -> None:
    start_s = now_s() - 60
    root = make_agent_step(
        1, start_s, start_s + 1, agent_name=HOSTILE, step_name=HOSTILE, status=Status.FAILED, error_type=HOSTILE,
        error_message=HOSTILE,
    )  # fmt: skip
    await store_steps(database_url, [root])
    for address in ("/", "/executions", f"/executions/{'ab' * 16}"):
        await page.goto(address)
        await expect(page.get_by_text(HOSTILE).first).to_be_visible()
        assert await page.title() == "Stepwell"
        assert await page.locator("img[src=x]").count() == 0


async def test_time_is_chosen_and_kept_in_the_address(page: Page, database_url: str) -> None:
    await store_failed_run(database_url)
    await page.goto("/")
    await page.get_by_role("button", name="Last 7 days").click()
    await page.get_by_role("button", name="Last 24 hours").click()
    await page.wait_for_url("**/?range=24h")
    await page.get_by_role("link", name="planner").click()
    await page.wait_for_url("**/agents/planner?range=24h")
    await page.go_back()
    await page.wait_for_url("**/?range=24h")


async def test_themes_and_small_screens_show_the_same(page: Page, database_url: str) -> None:
    await store_failed_run(database_url)
    await page.set_viewport_size({"width": 380, "height": 800})
    await page.emulate_media(color_scheme="dark")
    await page.goto("/")
    await expect(page.get_by_role("heading", name="All agents")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 380
    await page.get_by_label("Theme").select_option("light")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(246, 247, 248)"


async def test_unknown_run_is_told(page: Page) -> None:
    await page.goto("/nowhere/at/all")
    await expect(page.get_by_text("There is no such page")).to_be_visible()
