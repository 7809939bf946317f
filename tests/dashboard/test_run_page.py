"""The page of a run: its conversation, its steps over time, its graph; by keys, while it goes on, and hostile ones."""

import json
from typing import Any

import pytest
from playwright.async_api import Page, expect
from tests.api.rows import make_agent_step, make_step, store_steps
from tests.captures import captures
from tests.dashboard.looking import check_looks
from tests.dashboard.test_pages import HOSTILE, chosen, now_s
from tests.test_captures import mapped

from stepwell_storage.model import Checkpoint, Role, Status, Step, StepType

RUN = f"/executions/{'ab' * 16}"
MODEL: dict[str, Any] = {"role": Role.MODEL, "step_type": StepType.API_CALL, "operation": "chat", "name": "chat"}
FRAMEWORKS = {
    "crewai-oi__success_llm": ("lookup_order", "Refunded 42.50 for order A-17."),
    "strands__success": ("issue_refund", "Refunded 42.50 for order A-17."),
    "langchain-oi__success": ("lookup_order", "Refunded 42.50 for order A-17."),
    "agent-framework__success": ("issue_refund", "Refunded 42.50 for order A-17."),
    "openai-agents-logfire__success": ("lookup_order", "Refunded 30 EUR."),
}
"""Capture → a tool that was called, and the answer."""


def looping_run(start_s: float, *, payload: str = '{"q": "x"}') -> list[Step]:
    """An agent that asks a model and searches by turns; the second search fails, with a checkpoint before."""
    saved = Checkpoint("half way", round((start_s + 1) * 10**9) + 1_773_144_000_000_000_000, '{"done": 1}')
    failed: dict[str, Any] = {"status": Status.FAILED, "error_type": "Timeout", "error_message": "gave up"}
    turns = [
        (make_step(2 * turn, 1, start_s + 2 * turn, start_s + 2 * turn + 1, output_json='"look"', **MODEL),
         make_step(2 * turn + 1, 1, start_s + 2 * turn + 1, start_s + 2 * turn + 2, name="search", input_json=payload,
                   **(failed if turn == 2 else {"checkpoints": (saved,)} if turn == 1 else {})))
        for turn in (1, 2, 3)
    ]  # fmt: skip
    root = make_agent_step(1, start_s, start_s + 8, status=Status.FAILED, error_type="Timeout", input_json=payload)
    return [root, *(step for turn in turns for step in turn)]


@pytest.mark.timeout(120)
async def test_conversations_of_frameworks_are_read(page: Page, database_url: str) -> None:
    for capture in captures():
        if capture.name in FRAMEWORKS:
            tool, answer = FRAMEWORKS[capture.name]
            steps = mapped(capture)
            await store_steps(database_url, steps)
            await page.goto(f"/executions/{steps[0].trace_id.hex()}?tab=transcript")
            transcript = page.get_by_role("region", name="Transcript")
            await expect(transcript.get_by_role("button", name=f"tool {tool}").first).to_be_visible()
            await expect(transcript.get_by_text(answer).first).to_be_visible()
    await check_looks(page)


async def test_graph_shows_loops_and_leads_to_what_failed(page: Page, database_url: str) -> None:
    await store_steps(database_url, looping_run(now_s() - 60))
    await page.goto(f"{RUN}?tab=graph")
    await expect(page.get_by_role("list", name="Transitions")).to_contain_text("search to chat, 2 times, back")
    await page.get_by_role("button", name="search, tool, 3 times, 1 failed").click()
    await expect(page.get_by_role("complementary", name="search")).to_contain_text("gave up")
    await check_looks(page)


async def test_run_is_walked_by_keys(page: Page, database_url: str) -> None:
    await store_steps(database_url, looping_run(now_s() - 60))
    await page.goto(RUN)
    await expect(chosen(page)).to_contain_text("Timeout")
    await page.keyboard.press("k")
    await expect(chosen(page)).to_contain_text("chat")
    await page.keyboard.press("Home")
    await expect(chosen(page)).to_contain_text("planner")
    await page.keyboard.press("e")
    await expect(chosen(page)).to_contain_text("search")
    await page.keyboard.press("/")
    await page.keyboard.type("search")
    await expect(page.get_by_role("listbox", name="Steps").get_by_role("option")).to_have_count(4)
    await page.keyboard.press("Escape")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("complementary", name="search")).to_be_focused()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("5")
    await expect(page.get_by_text("half way", exact=True)).to_be_visible()
    assert "find=search" in page.url
    assert "tab=checkpoints" in page.url


async def test_run_that_goes_on_is_followed(page: Page, database_url: str) -> None:
    start_s = now_s() - 5
    await store_steps(database_url, [make_agent_step(1, start_s, None), make_step(2, 1, start_s, None, name="search")])
    await page.goto(RUN)
    await expect(chosen(page)).to_contain_text("search")
    await store_steps(database_url, [make_step(3, 1, start_s + 1, start_s + 2, name="fetch")])
    await expect(page.get_by_role("option").filter(has_text="fetch")).to_be_visible()
    await store_steps(database_url, [make_step(2, 1, start_s, start_s + 3, name="search")])
    await store_steps(database_url, [make_agent_step(1, start_s, start_s + 4)])
    await expect(page.get_by_text("success").first).to_be_visible()


@pytest.mark.timeout(120)
async def test_hostile_payloads_stay_text_on_every_tab(page: Page, database_url: str) -> None:
    deep = json.dumps({"note": HOSTILE, "list": list(range(300)), "long": "word " * 20_000})
    nested = f'{{"deep": {"[" * 150}{"]" * 150}, "held": {deep}}}'
    await store_steps(database_url, looping_run(now_s() - 60, payload=nested))
    for tab in ("steps", "transcript", "graph", "data", "checkpoints"):
        await page.goto(f"{RUN}?tab={tab}")
        await expect(page.get_by_role("tab", selected=True)).to_be_visible()
        await expect(page.get_by_label("What went wrong")).to_contain_text("Timeout")
        assert await page.locator("img[src=x]").count() == 0
        await check_looks(page)
    await page.goto(RUN)
    found = page.get_by_role("complementary").get_by_role("searchbox").first
    await found.fill("onerror")
    await expect(page.get_by_text("1 found")).to_be_visible()
    await expect(page.locator("mark")).to_have_text("onerror")
    assert await page.title() == "Stepwell"
