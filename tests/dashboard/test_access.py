"""Signing in with a key, what a key may not see, and managing keys."""

from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest
from playwright.async_api import Page, expect
from tests.api.test_serving import served
from tests.dashboard.looking import check_looks

from stepwell_storage import keys
from stepwell_storage.settings import Settings


@pytest.fixture
async def url(settings: Settings) -> AsyncIterator[str]:
    """A running API that asks for keys."""
    async with served(replace(settings, auth=True)) as address:
        yield address


async def make_key(connection: psycopg.AsyncConnection, *scopes: str) -> str:
    """A key of the workspace `local`."""
    issued = await keys.create_key(connection, "local", list(scopes))
    await connection.commit()
    return issued.key


async def sign_in(page: Page, key: str) -> None:
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()


async def test_key_opens_the_view_that_was_asked_for(page: Page, connection: psycopg.AsyncConnection) -> None:
    key = await make_key(connection, "read")
    await page.goto("/settings")
    await expect(page.get_by_label("API key")).to_be_visible()
    await expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    await check_looks(page)
    await sign_in(page, "sw_wrong")
    await expect(page.get_by_role("alert")).to_contain_text("unknown, revoked, over")
    await sign_in(page, key)
    await expect(page.get_by_text("You may not see the keys")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()


async def test_keys_are_made_shown_once_and_revoked(page: Page, connection: psycopg.AsyncConnection) -> None:
    key = await make_key(connection, "admin")
    await page.goto("/settings")
    await sign_in(page, key)
    await expect(page.get_by_role("table", name="Keys").get_by_role("row")).to_have_count(2)
    await page.get_by_role("button", name="Make a key").click()
    made = await page.get_by_role("group", name="New key", exact=True).text_content() or ""
    assert made.startswith("sw_")
    await expect(page.get_by_role("table", name="Keys").get_by_role("row")).to_have_count(3)
    await check_looks(page)
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name=f"Revoke {made[:6]}").last.click()
    await expect(page.get_by_text("revoked", exact=True)).to_be_visible()
    await expect(page.get_by_role("table", name="Audit log")).to_contain_text("key.revoked")
    await page.reload()
    await expect(page.get_by_text(made)).to_have_count(0)
