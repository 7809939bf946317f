"""The view of how an agent's runs go: its paths as a flow, hours and weekdays, steps, inputs."""

import re

from playwright.async_api import Page, expect
from tests.api.rows import make_agent_step, make_step, store_steps
from tests.dashboard.looking import check_looks
from tests.dashboard.test_pages import HOSTILE, now_s

from stepwell_storage.model import Status, Step


def make_trace(number: int, tools: list[str], *, is_failed: bool = False) -> list[Step]:
    """A run that calls the tools one after the other, a second each; the last one fails if it is to."""
    start_s = now_s() - 600 + number
    trace_id = number.to_bytes(16)
    ended = {"status": Status.FAILED, "error_type": "OutOfStock"} if is_failed else {}
    root = make_agent_step(
        1, start_s, start_s + len(tools), trace_id=trace_id, has_input=True, input_json='{"region": "north"}', **ended
    )
    steps = [
        make_step(place + 2, 1, start_s + place, start_s + place + 1, name=name, trace_id=trace_id,
                  **(ended if place == len(tools) - 1 else {}))
        for place, name in enumerate(tools)
    ]  # fmt: skip
    return [root, *steps]


async def store_three_ways(database_url: str) -> None:
    traces = [
        make_trace(1, ["search", HOSTILE, "pack"]),
        make_trace(2, ["search", HOSTILE, "pack"]),
        make_trace(3, ["search", "refund"]),
        make_trace(4, ["search", HOSTILE], is_failed=True),
    ]
    await store_steps(database_url, [step for trace in traces for step in trace])


async def test_paths_part_in_a_flow_and_lead_to_their_runs(page: Page, database_url: str) -> None:
    await store_three_ways(database_url)
    await page.goto("/agents/planner")
    await page.get_by_role("link", name="Patterns").click()
    flow = page.get_by_role("group", name="Flow of the paths")
    await expect(flow.get_by_text("■ stopped here")).to_be_visible()
    await expect(flow).to_contain_text(re.compile(r"4 runs.*75 % ok.*3 runs.*66\.7 % ok.*2 runs.*100 % ok"))
    await check_looks(page)
    await flow.get_by_role("link", name="2 runs").click()
    await expect(page.get_by_role("status").filter(has_text="2 runs")).to_be_visible()
    await page.go_back()
    await expect(flow).to_be_visible()


async def test_hours_of_the_week_show_what_is_asked_for(page: Page, database_url: str) -> None:
    await store_three_ways(database_url)
    await page.goto("/agents/planner/patterns?range=1h")
    hours = page.get_by_role("group", name="Hours of the week")
    await expect(hours.get_by_role("cell").filter(has_text=re.compile(r"^[1-4]$")).first).to_be_visible()
    await page.get_by_role("button", name="Without success").click()
    await expect(page).to_have_url(re.compile("heat=failures"))
    await expect(hours.get_by_role("cell", name="25", exact=True).first).to_be_visible()


async def test_steps_and_inputs_are_told(page: Page, database_url: str) -> None:
    await store_three_ways(database_url)
    await page.goto("/agents/planner/patterns")
    step = page.get_by_role("table", name="Steps by their share").get_by_role("row").filter(has_text="search")
    await expect(step).to_contain_text("1.00 s")
    given = page.get_by_role("table", name="Inputs").get_by_role("row").filter(has_text="north")
    await expect(given).to_contain_text("75 %")
    assert await page.locator("img[src=x]").count() == 0
