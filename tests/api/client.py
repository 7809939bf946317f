"""Drives the application over ASGI, without a server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from stepwell_api.app import create_app
from stepwell_storage.settings import Settings


@asynccontextmanager
async def client_of(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with these settings, for as long as it runs."""
    app = create_app(settings)
    # What the outermost layer answers is looked at; what it raises besides is for the server's log.
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        yield client
