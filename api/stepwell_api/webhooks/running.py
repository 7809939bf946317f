"""Sends what is due, beside a worker's folds, until it is cancelled."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import psycopg

from stepwell_api.webhooks import outbox
from stepwell_api.webhooks.addresses import Network, parse_networks
from stepwell_api.webhooks.outbox import Claimed
from stepwell_storage.database import UNAVAILABLE, connect
from stepwell_storage.errors import DatabaseUnavailableError
from stepwell_storage.settings import Settings

log = logging.getLogger(__name__)

POLL_S: Final = 1.0
AWAY_S: Final = 5.0
AT_ONCE: Final = 8
FORGET_EVERY_S: Final = 3600.0


async def keep_sending(settings: Settings, *, poll_s: float = POLL_S) -> None:
    """Sends until it is cancelled; a database that is away is waited for."""
    while True:
        try:
            async with await connect(settings.database_url, application_name="stepwell webhooks") as connection:
                await _Sender(settings, connection).send(poll_s)
        except (DatabaseUnavailableError, *UNAVAILABLE) as error:
            log.warning("database unavailable, webhooks wait", extra={"reason": type(error).__name__})
        except psycopg.Error:
            log.exception("webhooks could not be sent, they are tried again")
        await asyncio.sleep(AWAY_S)


class _Sender:
    """The calls that go on just now, at most one for each webhook."""

    def __init__(self, settings: Settings, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._server_key = settings.secret_key
        self._allowed: tuple[Network, ...] = parse_networks(settings.webhook_allow or "")
        self._claim = uuid4().hex
        self._turn = asyncio.Lock()
        """Transactions of several calls must not cross on the one connection."""
        self._calls: dict[str, asyncio.Task[None]] = {}
        self._forget_at_s = 0.0

    async def send(self, poll_s: float) -> None:
        try:
            while True:
                await self._begin_calls()
                await self._forget()
                waiting = [*self._calls.values()]
                if not waiting:
                    await asyncio.sleep(poll_s)
                    continue
                done, _ = await asyncio.wait(waiting, timeout=poll_s, return_when=asyncio.FIRST_COMPLETED)
                self._calls = {key: call for key, call in self._calls.items() if call not in done}
                for call in done:
                    call.result()
        finally:
            for call in self._calls.values():
                call.cancel()
            await asyncio.gather(*self._calls.values(), return_exceptions=True)

    async def _begin_calls(self) -> None:
        room = AT_ONCE - len(self._calls)
        if room <= 0:
            return
        now = datetime.now(UTC)
        async with self._turn:
            due = await outbox.claim_due(self._connection, now, self._claim, limit=room, busy=self._calls.keys())
        for claimed in due:
            self._calls[claimed.webhook_id] = asyncio.create_task(self._call(claimed))

    async def _call(self, claimed: Claimed) -> None:
        answer = await outbox.attempt(claimed, datetime.now(UTC), self._server_key, self._allowed)
        async with self._turn:
            await outbox.settle(self._connection, claimed, self._claim, answer, datetime.now(UTC))
        told = {"delivery_id": claimed.delivery_id, "attempt": claimed.attempts, "outcome": answer.outcome.value}
        log.info("called a webhook", extra={**told, "http_status": answer.http_status})

    async def _forget(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._forget_at_s:
            self._forget_at_s = now_s + FORGET_EVERY_S
            async with self._turn:
                await outbox.forget_old(self._connection, datetime.now(UTC))
