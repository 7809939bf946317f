"""Lets a few at a time do what takes memory; who waits is let in by turns between workspaces."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from stepwell_storage.sharing import Turns


class Gate:
    """So many slots; used on one event loop."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: Turns[asyncio.Future[None]] = Turns()

    @asynccontextmanager
    async def slot(self, group: Hashable) -> AsyncIterator[None]:
        """Holds a slot during the block."""
        if self._free:
            self._free -= 1
        else:
            await self._turn(group)
        try:
            yield
        finally:
            self._pass_on()

    async def _turn(self, group: Hashable) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put(group, turn, 1)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._pass_on()  # the slot came in the moment in which we gave up
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.take()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
