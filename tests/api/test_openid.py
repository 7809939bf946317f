"""Signing in by an OpenID provider, which runs here: what it vouches for counts, and nothing else does."""

import hashlib
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import psycopg
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from tests.api.client import client_of

from stepwell_receiver.listening import HttpServer, claim, url_of
from stepwell_storage import keys, members
from stepwell_storage.sessions import Role
from stepwell_storage.settings import Settings

LEAVE = "/api/v1/session/openid"
SESSION = "/api/v1/session"
CLIENT, SECRET = "stepwell", "s3cret of the client"
ANN = {"email": "ann@example.com", "email_verified": True}
KEY = RSAKey.generate_key(2048, {"kid": "one"})


@dataclass
class Provider:
    """A provider that lets everyone in who comes, as the person that `claims` tells."""

    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: KEY)
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    """What was asked for, by the code that was given out."""

    def app(self) -> Starlette:
        """Its endpoints."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.metadata),
                Route("/keys", self.keys),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
            ]
        )

    async def metadata(self, _: Request) -> Response:
        """RFC 8414."""
        ends = {"authorization": "authorize", "token": "token"}
        told = {f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in ends.items()}
        return JSONResponse({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **told})

    async def keys(self, _: Request) -> Response:
        """The public key."""
        return JSONResponse({"keys": [KEY.as_dict(private=False)]})

    async def authorize(self, request: Request) -> Response:
        """Gives a code at once."""
        asked = dict(request.query_params)
        code = f"code-{len(self.asked)}"
        self.asked[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

    async def token(self, request: Request) -> Response:
        """Takes a code once, from the client that proves both its secret and that it began this."""
        form = parse_qs((await request.body()).decode())
        asked = self.asked.pop(form["code"][0], None)
        digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
        client = b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or request.headers["authorization"] != f"Basic {client}"
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now_s = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": "u-1", "iat": now_s, "exp": now_s + 60}
        token = jwt.encode({"alg": "RS256", "kid": "one"}, {**claims, "nonce": asked["nonce"], **self.claims}, self.key)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": token})


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """The provider on a port of its own."""
    made = Provider()
    with claim("127.0.0.1", 0, "--port") as listener:
        server = HttpServer(made.app(), listener)
        made.issuer = url_of(listener)
        await server.start()
        yield made
        await server.stop()


@asynccontextmanager
async def guarded(settings: Settings, provider: Provider) -> AsyncIterator[httpx.AsyncClient]:
    """The API that trusts it; the client keeps cookies as a browser does."""
    trusting = replace(
        settings, auth=True, oidc_issuer=provider.issuer, oidc_client_id=CLIENT, oidc_client_secret=SECRET
    )
    async with client_of(trusting) as client:
        yield client


async def walk(browser: httpx.AsyncClient) -> httpx.Response:
    """To the provider and back."""
    left = await browser.get(LEAVE)
    assert left.status_code == 302
    async with httpx.AsyncClient() as outside:
        back = (await outside.get(left.headers["location"])).headers["location"]
    parts = urlsplit(back)
    return await browser.get(f"{parts.path}?{parts.query}")


async def test_member_signs_in_and_may_what_the_role_allows(
    settings: Settings, connection: psycopg.AsyncConnection, provider: Provider
) -> None:
    red = await keys.create_workspace(connection, "red")
    blue = await keys.create_workspace(connection, "blue")
    await members.put(connection, red.workspace_id, "group", "engineers", Role.VIEWER)
    await members.put(connection, blue.workspace_id, "person", "ann@example.com", Role.EDITOR)
    provider.claims = {"email": "Ann@example.com", "email_verified": True, "groups": ["engineers", "others"]}
    async with guarded(settings, provider) as browser:
        assert (await browser.get(SESSION)).json()["ways"] == ["openid", "key"]
        came_back = await walk(browser)
        assert (came_back.status_code, came_back.headers["location"]) == (302, "/")
        assert SECRET not in came_back.headers["set-cookie"]
        told = (await browser.get(SESSION)).json()
        assert (told["actor"], told["workspace"]["name"], told["scopes"]) == (
            "person ann@example.com",
            "blue",
            ["edit", "read"],
        )
        assert [workspace["name"] for workspace in told["workspaces"]] == ["blue", "red"]
        own = {"Origin": "http://127.0.0.1"}
        body = {"workspace_id": str(red.workspace_id)}
        changed = (await browser.patch(SESSION, json=body, headers=own)).json()
        assert (changed["workspace"]["name"], changed["scopes"]) == ("red", ["read"])
        assert (await browser.get("/api/v1/executions")).status_code == 200
        other = await keys.create_workspace(connection, "green")
        body = {"workspace_id": str(other.workspace_id)}
        assert (await browser.patch(SESSION, json=body, headers=own)).status_code == 403
        await members.remove(connection, red.workspace_id, "group", "engineers")
    async with guarded(settings, provider) as other_process:
        cookie = {"Cookie": f"stepwell_session={browser.cookies['stepwell_session']}"}
        assert (await other_process.get("/api/v1/executions", headers=cookie)).status_code == 401


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        pytest.param({"email": "eve@example.com", "email_verified": True}, 403, id="no member"),
        pytest.param({"email": "ann@example.com"}, 403, id="an address that nobody verified"),
        pytest.param(
            {"email": "ann@example.com", "email_verified": True, "aud": "other"}, 502, id="for another client"
        ),
        pytest.param({**ANN, "iss": "https://evil"}, 502, id="by another"),
        pytest.param({**ANN, "exp": 1}, 502, id="over"),
        pytest.param({**ANN, "nonce": "x"}, 502, id="of another sign-in"),
    ],
)
async def test_nobody_else_comes_in(
    settings: Settings,
    connection: psycopg.AsyncConnection,
    provider: Provider,
    claims: dict[str, Any],
    status: int,
) -> None:
    await members.put(connection, keys.LOCAL_WORKSPACE_ID, "person", "ann@example.com", Role.ADMIN)
    provider.claims = claims
    async with guarded(settings, provider) as browser:
        refused = await walk(browser)
        assert refused.status_code == status
        assert "stepwell_session" not in browser.cookies


async def test_token_of_another_key_and_a_foreign_return_open_nothing(
    settings: Settings, connection: psycopg.AsyncConnection, provider: Provider
) -> None:
    await members.put(connection, keys.LOCAL_WORKSPACE_ID, "person", "u-1", Role.ADMIN)
    async with guarded(settings, provider) as browser:
        provider.key = RSAKey.generate_key(2048, {"kid": "one"})
        assert (await walk(browser)).status_code == 502
        provider.key = KEY
        # A return that this browser has not left for: whoever sends it wants it to work in their account.
        for query in ("code=code-9&state=x", "state=x", ""):
            assert (await browser.get(f"{LEAVE}/callback?{query}")).status_code == 400
        assert (await walk(browser)).status_code == 302


async def test_without_a_provider_there_is_no_such_way(api: httpx.AsyncClient) -> None:
    assert (await api.get(LEAVE)).status_code == 404
