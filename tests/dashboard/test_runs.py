"""The table of runs: filters for every field, columns, order, export, and pages that come by themselves."""

import re
from datetime import UTC, datetime, timedelta

import httpx
from playwright.async_api import Page, expect
from tests.api.rows import make_run, store_runs
from tests.dashboard.looking import check_looks
from tests.dashboard.test_pages import HOSTILE

USER = "ada"


async def store_list(database_url: str, count: int = 3) -> None:
    start = datetime.now(UTC) - timedelta(hours=1)
    runs = [
        make_run(
            n, start_time=start + timedelta(seconds=n), duration_ms=1000.0 * n, user_id=HOSTILE if n == 1 else "ada"
        )
        for n in range(count)
    ]
    await store_runs(database_url, runs)


async def test_filters_columns_and_order_are_kept_in_the_address(page: Page, database_url: str) -> None:
    await store_list(database_url)
    await page.goto("/executions")
    table = page.get_by_role("table", name="Runs")
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_label("User").check()
    await page.keyboard.press("Escape")
    await expect(table.get_by_text(HOSTILE)).to_be_visible()
    await page.get_by_role("button", name="More filters").click()
    await page.get_by_label("User").fill("ada")
    await page.get_by_label("Took at least, s").fill("0.5")
    await check_looks(page)
    await page.get_by_role("button", name="Apply").click()
    await expect(page.get_by_role("status").filter(has_text="1 runs")).to_be_visible()
    await page.get_by_role("button", name="at least 500 ms").click()
    await expect(table.get_by_role("row")).to_have_count(3)
    await table.get_by_role("button", name="Duration").click()
    await expect(table.get_by_role("row").nth(1)).to_contain_text("2.00 s")
    await page.reload()
    await expect(table.get_by_role("row").nth(1)).to_contain_text("2.00 s")
    await check_looks(page)


async def test_what_matches_is_exported_and_asked_for_in_a_shell(page: Page, url: str, database_url: str) -> None:
    await store_list(database_url)
    await page.goto(f"/executions?user_id={HOSTILE}")
    await expect(page.get_by_role("status").filter(has_text="1 runs")).to_be_visible()
    await page.get_by_role("button", name="Export").click()
    link = page.get_by_role("link", name="CSV")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    async with httpx.AsyncClient(base_url=url) as client:
        exported = (await client.get(await link.get_attribute("href") or "")).text.strip().splitlines()
        await page.get_by_role("button", name="Copy as curl").click()
        line = str(await page.evaluate("navigator.clipboard.readText()"))
        asked = (await client.get(re.findall("'(.*)'", line)[0])).json()
    assert len(exported) == 2
    assert HOSTILE in exported[1]
    assert [run["user_id"] for run in asked["items"]] == [HOSTILE]


async def test_pages_come_when_their_end_is_seen(page: Page, database_url: str) -> None:
    await store_list(database_url, 130)
    await page.goto("/executions")
    rows = page.get_by_role("table", name="Runs").get_by_role("row")
    await expect(rows).to_have_count(101)
    await page.get_by_role("button", name="More runs").scroll_into_view_if_needed()
    await expect(rows).to_have_count(131)
