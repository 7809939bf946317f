"""The page of one agent: what changed and whether by chance, what sets a spike apart, its newest runs, its failures."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect
from tests.api.rows import make_run, store_runs
from tests.dashboard.looking import check_looks


@pytest.fixture
async def worse_hour(database_url: str) -> None:
    """Forty runs that went well three hours ago, and forty an hour ago that failed and took longer."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    before, lately = now - timedelta(hours=3), now - timedelta(hours=1)
    failed = {"status": "failed", "error_type": "DiskError", "error_fingerprint": "full", "duration_ms": 9000.0}
    well = [make_run(n, start_time=before + timedelta(seconds=n), duration_ms=1000.0 + n) for n in range(40)]
    badly = [make_run(n, start_time=lately + timedelta(seconds=n), **failed) for n in range(40, 80)]
    await store_runs(database_url, [*well, *badly])


@pytest.mark.usefixtures("worse_hour")
async def test_change_is_told_with_its_significance(page: Page) -> None:
    await page.goto("/agents/planner?range=2h")
    await expect(page.locator("dl > div").filter(has_text="Success rate")).to_contain_text(
        "−100 % to before, significant"
    )


@pytest.mark.usefixtures("worse_hour")
async def test_dragging_over_a_spike_tells_what_sets_it_apart(page: Page) -> None:
    await page.goto("/agents/planner?range=6h")
    await expect(page.get_by_role("region", name="Failures")).to_contain_text("DiskError")
    await expect(page.get_by_role("region", name="Recent runs")).to_contain_text(re.compile("success 40.*failed 40"))
    await check_looks(page)
    box = await page.locator(".u-over").first.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 0.55, box["y"] + 20)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + 20, steps=4)
    await page.mouse.up()
    await page.wait_for_url(re.compile("spike="))
    found = page.get_by_role("list", name="What differs")
    await expect(found).to_contain_text("Failure rate 100 % instead of 0 %")
    await expect(found).to_contain_text("Duration, mean 9.00 s instead of")
    await page.get_by_role("link", name="The whole comparison").click()
    await expect(page.get_by_role("status").filter(has_text="B is worse")).to_be_visible()
    await page.go_back()
    await page.get_by_role("button", name="Close").click()
    await expect(found).to_have_count(0)
