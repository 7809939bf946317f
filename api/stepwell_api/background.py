"""What a worker does beside its folds that takes more than storage: it sends to webhooks and checks alerts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stepwell_api.alerts.running import keep_checking
from stepwell_api.webhooks.running import keep_sending
from stepwell_storage.settings import Settings


@asynccontextmanager
async def beside(settings: Settings) -> AsyncIterator[None]:
    """Does it for as long as the block runs; the folds need none of it, and wait for none of it."""
    tasks = [asyncio.create_task(keep(settings)) for keep in (keep_sending, keep_checking)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
