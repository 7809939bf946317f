"""Starts a part again when it ends, with back-off, and says so."""

import asyncio
import logging
import time

from stepwell_api.failures import told
from stepwell_api.supervision.backoff import Backoff
from stepwell_api.supervision.part import Part

log = logging.getLogger("stepwell.supervisor")


async def keep_running(part: Part) -> None:
    """Watch a started part for ever; to be cancelled before the part is stopped."""
    backoff = Backoff()
    while True:
        started_s = time.monotonic()
        how = await part.ended()
        delay_s = backoff.next_delay_s(time.monotonic() - started_s)
        log.warning("%s ended, restarting it", part.name, extra={"how": how, "delay_s": delay_s})
        await asyncio.sleep(delay_s)
        while reason := await _refusal(part):
            delay_s = backoff.next_delay_s(0)
            log.error("%s does not start, trying again", part.name, extra={"reason": reason, "delay_s": delay_s})
            await asyncio.sleep(delay_s)
        log.info("%s runs again", part.name)


async def _refusal(part: Part) -> str | None:
    """Start the part; why it did not start, ``None`` when it runs."""
    try:
        await part.start()
    except Exception as error:
        reason = told(error)
        if reason is None:
            raise
        return reason
    return None
