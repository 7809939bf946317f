"""The view that sets two sides against each other: versions, with a verdict on each figure, and two single runs."""

import re
from datetime import UTC, datetime, timedelta

from playwright.async_api import Page, expect
from tests.api.rows import make_run, store_runs, store_steps
from tests.dashboard.looking import check_looks
from tests.dashboard.test_patterns import make_trace


async def test_worse_version_is_told_with_its_figures(page: Page, database_url: str) -> None:
    start = datetime.now(UTC) - timedelta(hours=2)
    failed = {"status": "failed", "error_type": "DiskError"}
    runs = [
        make_run(n, start_time=start + timedelta(seconds=n), duration_ms=100.0 + n, version="1.0" if n < 40 else "2.0",
                 **(failed if n >= 60 else {}))
        for n in range(80)
    ]  # fmt: skip
    await store_runs(database_url, runs)
    await page.goto("/agents/planner/compare")
    await page.get_by_role("button", name="Versions").click()
    await expect(page.get_by_role("status").filter(has_text="B is worse")).to_contain_text("failure rate +50.0 pp")
    row = page.get_by_role("table", name="Figures").get_by_role("row", name="Failure rate")
    await expect(row).to_contain_text("▼ worse")
    await check_looks(page)
    await page.get_by_role("button", name="Swap").click()
    await expect(row).to_contain_text("▲ better")
    await page.go_back()
    await expect(row).to_contain_text("▼ worse")


async def test_two_runs_part_at_a_step(page: Page, database_url: str) -> None:
    traces = [make_trace(1, ["search", "pack"]), make_trace(2, ["search", "refund"], is_failed=True)]
    await store_steps(database_url, [step for trace in traces for step in trace])
    a, b = (f"execution:{number:032x}" for number in (1, 2))
    await page.goto(f"/agents/planner/compare?a={a}&b={b}")
    parting = page.get_by_role("region", name="First divergence")
    await expect(parting).to_contain_text(re.compile("pack.*success.*refund.*failed.*OutOfStock"))
    await check_looks(page)
    await parting.get_by_role("link", name="refund").click()
    await page.wait_for_url(re.compile("step=2"))
