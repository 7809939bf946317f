"""Signing in to the dashboard: a key becomes a cookie that no script reads and no other site uses."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from http.cookies import SimpleCookie

import httpx
import psycopg
import pytest
from tests.api.client import client_of
from tests.api.test_serving import served

from stepwell_storage import keys
from stepwell_storage.settings import Settings

SESSION = "/api/v1/session"
OWN = {"Origin": "http://127.0.0.1"}


@pytest.fixture
async def key(connection: psycopg.AsyncConnection) -> keys.IssuedKey:
    """An administrator's key of a workspace."""
    await keys.create_workspace(connection, "acme")
    return await keys.create_key(connection, "acme", ["admin"])


@pytest.fixture
async def guarded(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API with authentication; the client keeps cookies as a browser does."""
    async with client_of(replace(settings, auth=True)) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, key: str) -> httpx.Response:
    return await client.post(SESSION, json={"key": key}, headers=OWN)


async def test_nobody_is_told_how_to_sign_in(guarded: httpx.AsyncClient) -> None:
    told = (await guarded.get(SESSION)).json()
    assert (told["auth_required"], told["signed_in"], told["workspace"], told["ways"]) == (True, False, None, ["key"])


async def test_without_authentication_everyone_is_in(api: httpx.AsyncClient) -> None:
    told = (await api.get(SESSION)).json()
    assert (told["auth_required"], told["signed_in"], told["workspace"]["name"]) == (False, True, "local")


async def test_key_becomes_a_session_until_signing_out(
    guarded: httpx.AsyncClient, key: keys.IssuedKey, connection: psycopg.AsyncConnection
) -> None:
    assert (await guarded.get("/api/v1/executions")).status_code == 401
    signed_in = await sign_in(guarded, key.key)
    assert signed_in.json()["workspace"]["name"] == "acme"
    assert key.key not in signed_in.text
    cookie = SimpleCookie(signed_in.headers["set-cookie"])["stepwell_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"], cookie["path"]) == (True, "strict", "", "/")
    assert int(cookie["max-age"]) == 12 * 3600
    rows = await (await connection.execute("SELECT s::text FROM analytics.sessions s")).fetchall()
    assert len(rows) == 1
    assert cookie.value not in rows[0][0]
    assert (await guarded.get("/api/v1/executions")).status_code == 200
    told = (await guarded.get(SESSION)).json()
    assert (told["signed_in"], told["actor"], told["workspaces"]) == (
        True,
        f"key {key.api_key.key_id}",
        [told["workspace"]],
    )
    signed_out = await guarded.delete(SESSION, headers=OWN)
    assert signed_out.json()["signed_in"] is False
    # A copy of the cookie is worth nothing from then on.
    old = {"Cookie": f"stepwell_session={cookie.value}"}
    assert (await guarded.get("/api/v1/executions", headers=old)).status_code == 401


@pytest.mark.parametrize("scopes", [["ingest"], ["operate"]], ids=str)
async def test_key_that_reads_nothing_is_no_way_in(
    guarded: httpx.AsyncClient, connection: psycopg.AsyncConnection, scopes: list[str]
) -> None:
    issued = await keys.create_key(connection, "local", scopes)
    for presented in (issued.key, "sw_" + "x" * 43, "", "ss_" + "x" * 43):
        refused = await sign_in(guarded, presented)
        assert refused.status_code == 401
        assert "set-cookie" not in refused.headers


async def test_changes_by_cookie_come_from_our_own_pages(guarded: httpx.AsyncClient, key: keys.IssuedKey) -> None:
    await sign_in(guarded, key.key)
    body = {"scopes": ["read"]}
    for elsewhere in (
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        refused = await guarded.post("/api/v1/keys", json=body, headers=elsewhere)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), elsewhere
    for own in (OWN, {"Sec-Fetch-Site": "same-origin"}):
        assert (await guarded.post("/api/v1/keys", json=body, headers=own)).status_code == 200
    assert (await sign_in(guarded, key.key)).status_code == 200
    elsewhere = {"Origin": "http://evil.example"}
    assert (await guarded.post(SESSION, json={"key": key.key}, headers=elsewhere)).status_code == 403


async def test_session_ends_with_its_key_and_with_its_time(
    settings: Settings, connection: psycopg.AsyncConnection, key: keys.IssuedKey
) -> None:
    async with client_of(replace(settings, auth=True)) as first:
        await sign_in(first, key.key)
        token = first.cookies["stepwell_session"]
        await connection.execute("UPDATE analytics.sessions SET expires_at = now()")
        # Another process, which has not seen the session yet.
        async with client_of(replace(settings, auth=True)) as other:
            cookie = {"Cookie": f"stepwell_session={token}"}
            assert (await other.get("/api/v1/agents", headers=cookie)).status_code == 401
        await sign_in(first, key.key)
        cookie = {"Cookie": f"stepwell_session={first.cookies['stepwell_session']}"}
        async with client_of(replace(settings, auth=True)) as other:
            assert (await other.get("/api/v1/agents", headers=cookie)).status_code == 200
        await keys.revoke_key(connection, key.api_key.key_id)
        async with client_of(replace(settings, auth=True)) as other:
            assert (await other.get("/api/v1/agents", headers=cookie)).status_code == 401


async def test_cookie_is_for_tls_alone_where_browsers_come_by_it(
    settings: Settings, connection: psycopg.AsyncConnection, key: keys.IssuedKey
) -> None:
    behind_proxy = replace(settings, auth=True, public_url="https://stepwell.example.com")
    async with client_of(behind_proxy) as client:
        signed_in = await sign_in(client, key.key)
    assert SimpleCookie(signed_in.headers["set-cookie"])["stepwell_session"]["secure"] is True


async def test_session_may_do_no_more_than_its_key(
    guarded: httpx.AsyncClient, connection: psycopg.AsyncConnection
) -> None:
    issued = await keys.create_key(connection, "local", ["read"])
    await sign_in(guarded, issued.key)
    refused = await guarded.delete("/api/v1/agents/somebody", headers=OWN)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_stream_ends_with_its_key(
    settings: Settings, connection: psycopg.AsyncConnection, key: keys.IssuedKey
) -> None:
    async with (
        served(replace(settings, auth=True)) as url,
        httpx.AsyncClient(base_url=url, timeout=10) as client,
        client.stream("GET", "/api/v1/live/events", headers={"X-Stepwell-Key": key.key}) as response,
    ):
        lines = response.aiter_lines()
        await anext(lines)
        await keys.revoke_key(connection, key.api_key.key_id)
        async with asyncio.timeout(5):
            async for _ in lines:
                pass


async def test_tokens_are_no_keys_and_keys_no_tokens(guarded: httpx.AsyncClient, key: keys.IssuedKey) -> None:
    await sign_in(guarded, key.key)
    token = guarded.cookies["stepwell_session"]
    guarded.cookies.clear()
    for headers in ({"X-Stepwell-Key": token}, {"Cookie": f"stepwell_session={key.key}"}):
        assert (await guarded.get("/api/v1/agents", headers=headers)).status_code == 401
