"""The API and a receiver on this machine that it may call."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from tests.api.client import client_of
from tests.webhooks.receiver import Receiver, receiving

from stepwell_storage.settings import Settings


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of webhooks."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def allowing(settings: Settings) -> Settings:
    """Settings with a server key, that let webhooks reach this machine."""
    return replace(settings, secret_key="a key of the server's own", webhook_allow="127.0.0.0/8")


@pytest.fixture
async def api(allowing: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API with these settings."""
    async with client_of(allowing) as client:
        yield client
