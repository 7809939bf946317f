"""The way from nothing to the first span, and the account of what arrived and what was refused."""

import httpx
from playwright.async_api import Page, expect
from tests.dashboard.looking import check_looks

SPAN = {
    "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
    "spanId": "00f067aa0ba902b7",
    "name": "invoke_agent greeter",
    "startTimeUnixNano": "1772400000000000000",
    "endTimeUnixNano": "1772400001000000000",
}


async def send(url: str, *spans: dict[str, str]) -> None:
    async with httpx.AsyncClient() as client:
        body = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
        (await client.post(f"{url}/v1/traces", json=body)).raise_for_status()


async def test_first_visit_leads_to_the_first_span(page: Page, url: str) -> None:
    await page.goto("/")
    await expect(page.get_by_text("No runs in this time")).to_be_visible()
    await expect(page.get_by_role("link", name="stepwell demo")).to_be_visible()
    await page.get_by_role("main").get_by_role("link", name="Connect an agent").click()
    await page.get_by_role("combobox", name="Framework").select_option("CrewAI")
    await expect(page.get_by_role("group", name="Install")).to_contain_text("openinference-instrumentation-crewai")
    await expect(page.get_by_role("group", name="Run")).to_contain_text(f"stepwell instrument --endpoint {url}")
    await expect(page.get_by_text("Waiting for the first span")).to_be_visible()
    await check_looks(page)
    await send(url, SPAN)
    await expect(page.get_by_text("1 span has arrived")).to_be_visible()
    await send(url, {**SPAN, "traceId": "00"})
    await expect(page.get_by_role("alert")).to_contain_text("1 span was refused")


async def test_ledger_tells_what_was_refused_and_why(page: Page, url: str) -> None:
    await page.goto("/ingest")
    await expect(page.get_by_text("Nothing arrived in this time")).to_be_visible()
    await send(url, SPAN, {**SPAN, "spanId": "0000000000000000"})
    await send(url, SPAN)
    await page.reload()
    account = page.get_by_role("region", name="The account")
    await expect(account).to_contain_text("received3= stored1+ known already1+ rejected1")
    refused = page.get_by_role("table", name="Refused by reason").get_by_role("row", name="Spans rejected")
    await expect(refused).to_contain_text("has a span id that is not 8 bytes, or all zeros")
    await check_looks(page)
    await page.get_by_role("button", name="Log records").click()
    await page.wait_for_url("**/ingest?signal=logs")
