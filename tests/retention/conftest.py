"""The application under test on a database of its own."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.api.client import client_of

from stepwell_storage.settings import Settings


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API without authentication."""
    async with client_of(settings) as client:
        yield client
