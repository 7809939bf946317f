"""The dashboard's files over HTTP: which addresses are views, what browsers keep, and what a page may do."""

import gzip
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse

from stepwell_api.dashboard import BUILT, Dashboard

OTHERS = PlainTextResponse("not a view", 404)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a build leaves behind."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Stepwell</title>")
    (tmp_path / "assets" / "main-abc.js").write_text("'long enough to be compressed';" * 100)
    (tmp_path / ".built-from").write_text("secret")
    return tmp_path


def client(folder: Path) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Dashboard(OTHERS, folder))
    return httpx.AsyncClient(transport=transport, base_url="http://stepwell")


@pytest.mark.parametrize("path", ["/", "/agents/a%2Fb", "/executions/1?tab=graph", "/apiary", "/index.html"])
async def test_every_view_is_the_page(folder: Path, path: str) -> None:
    async with client(folder) as browser:
        response = await browser.get(path)
    assert (response.status_code, response.text) == (200, "<!doctype html><title>Stepwell</title>")
    assert response.headers["cache-control"] == "no-cache"
    assert "script-src 'self'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/assets/none.js", "/api/v1/none", "/v1/none"])
async def test_what_belongs_to_programs_is_not_the_page(folder: Path, path: str) -> None:
    async with client(folder) as browser:
        response = await browser.get(path)
    assert (response.status_code, response.text) == (404, "not a view")


async def test_views_are_only_looked_at(folder: Path) -> None:
    async with client(folder) as browser:
        assert (await browser.post("/agents")).status_code == 404


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_files_named_by_content_are_kept_for_good(folder: Path, encoding: str) -> None:
    async with client(folder) as browser:
        response = await browser.get("/assets/main-abc.js", headers={"accept-encoding": encoding})
    assert response.text.startswith("'long enough")
    assert response.headers.get("content-encoding", "identity") == encoding
    assert response.headers["cache-control"].endswith("immutable")
    assert response.headers["content-type"].startswith("text/javascript")


async def test_hidden_files_are_not_served(folder: Path) -> None:
    async with client(folder) as browser:
        assert "secret" not in (await browser.get("/.built-from")).text


async def test_what_is_missing_is_told_where_nothing_was_built(tmp_path: Path) -> None:
    async with client(tmp_path) as browser:
        response = await browser.get("/")
    assert (response.status_code, "make env" in response.text) == (503, True)


def test_first_script_stays_small() -> None:
    scripts = [path.read_bytes() for path in (BUILT / "assets").glob("index-*.js")]
    assert scripts
    assert sum(len(gzip.compress(script)) for script in scripts) <= 180_000
