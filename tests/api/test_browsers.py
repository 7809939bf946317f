"""What a page of another site can make a visitor's browser do here: nothing."""

from dataclasses import replace

import httpx
import pytest
from tests.api.client import client_of

from stepwell_storage.settings import Settings

EXECUTIONS = "/api/v1/executions"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 200),
        ("localhost", 200),
        ("[::1]:8080", 200),
        ("127.8.8.8", 200),
        ("stepwell.localhost:8080", 200),
        ("evil.example", 421),
        ("evil.example:8080", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("10.0.0.7", 421),
        ("[2001:db8::1]:8080", 421),
    ],
)
async def test_without_authentication_only_this_machines_names_are_answered(
    api: httpx.AsyncClient, host: str, status: int
) -> None:
    for path in (EXECUTIONS, "/", "/metrics"):
        answer = await api.get(path, headers={"Host": host})
        assert (answer.status_code == 421) is (status == 421), path


async def test_what_is_no_browser_sends_by_any_name(api: httpx.AsyncClient) -> None:
    headers = {"Host": "host.docker.internal:8080", "Content-Type": "application/json"}
    assert (await api.post("/v1/traces", content=b"{}", headers=headers)).status_code == 200
    headers["Origin"] = "http://host.docker.internal:8080"
    assert (await api.post("/v1/traces", content=b"{}", headers=headers)).status_code == 421


async def test_names_that_are_listed_are_answered(settings: Settings) -> None:
    listed = replace(settings, allowed_hosts="stepwell.internal,10.0.0.7", public_url="https://stepwell.example")
    async with client_of(listed) as api:
        for host in ("stepwell.internal:8080", "10.0.0.7", "stepwell.example"):
            assert (await api.get(EXECUTIONS, headers={"Host": host})).status_code == 200, host
        assert (await api.get(EXECUTIONS, headers={"Host": "other.internal"})).status_code == 421


async def test_with_authentication_every_name_will_do(settings: Settings) -> None:
    async with client_of(replace(settings, auth=True)) as api:
        assert (await api.get(EXECUTIONS, headers={"Host": "stepwell.example"})).status_code == 401


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999"])
async def test_without_authentication_other_sites_pages_send_nothing(api: httpx.AsyncClient, origin: str) -> None:
    for method, path in (("DELETE", "/api/v1/agents/a"), ("POST", "/v1/traces"), ("POST", "/api/v1/keys")):
        answer = await api.request(method, path, headers={"Origin": origin})
        assert answer.status_code == 403, (method, path)
    own = {"Origin": "http://127.0.0.1"}
    assert (await api.delete("/api/v1/agents/a", headers=own)).status_code == 404


async def test_listed_origins_may_ask_and_no_others(settings: Settings) -> None:
    async with client_of(replace(settings, cors_origins="https://app.example")) as api:
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-stepwell-key"}
        answers = {}
        for origin in ("https://app.example", "https://evil.example"):
            answer = await api.options(EXECUTIONS, headers={**asked, "Origin": origin})
            answers[origin] = answer.headers.get("access-control-allow-origin")
            assert "access-control-allow-credentials" not in answer.headers
        assert answers == {"https://app.example": "https://app.example", "https://evil.example": None}
        listed = {"Origin": "https://app.example"}
        assert (await api.delete("/api/v1/agents/a", headers=listed)).status_code == 404


async def test_answers_say_what_browsers_shall_not_do(api: httpx.AsyncClient, settings: Settings) -> None:
    for path in (EXECUTIONS, "/api/v1/nowhere", "/healthz"):
        headers = (await api.get(path)).headers
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
        assert "strict-transport-security" not in headers
    async with client_of(replace(settings, public_url="https://stepwell.example")) as behind_tls:
        assert "strict-transport-security" in (await behind_tls.get("/healthz")).headers
