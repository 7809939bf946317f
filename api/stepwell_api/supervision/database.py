"""The embedded PostgreSQL as a part."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from stepwell_api import data_folder
from stepwell_api.supervision.part import ending
from stepwell_storage.embedded import DataFolderInUseError, EmbeddedPostgres

log = logging.getLogger("stepwell.supervisor")

_Value = TypeVar("_Value")


class Database:
    """Runs `EmbeddedPostgres`, whose calls block, in threads of its own.

    The threads live as long as this process: on Linux PostgreSQL ends with the thread that started it.
    """

    name = "PostgreSQL"

    def __init__(self, data_dir: Path) -> None:
        self._server = EmbeddedPostgres(data_dir)
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="postgres")
        self._starting: asyncio.Future[str] | None = None

    @property
    def url(self) -> str:
        """libpq URL of the database, the same after every start."""
        return self._server.url

    async def claim(self) -> None:
        """Take the data folder; waits for a short command that uses it just now.

        Raises:
            DataFolderInUseError: another ``stepwell up`` runs on the folder, or a command does not end.
            DataFolderError: the folder cannot be used.
        """
        deadline_s = time.monotonic() + data_folder.WAIT_S
        is_waiting = False
        while True:
            try:
                self._server.claim()
            except DataFolderInUseError as error:
                # Only a ``stepwell up`` tells its database; short commands do not.
                if data_folder.runtime_url(self._server.data_dir, error.pid) or time.monotonic() > deadline_s:
                    raise
                if not is_waiting:
                    log.info("the data folder is in use by a command, waiting", extra={"holder": error.pid})
                is_waiting = True
            else:
                return
            await asyncio.sleep(data_folder.POLL_S)

    async def start(self) -> None:
        """Start it on the claimed folder, and tell other commands where it is."""
        self._starting = asyncio.ensure_future(self._call(self._server.start))
        # Shielded: a thread cannot be cancelled, and `stop` has to know when it is done.
        await asyncio.shield(self._starting)
        data_folder.write_runtime(self._server.data_dir, os.getpid(), self._server.url)

    async def ended(self) -> str:
        """Wait for its end."""
        return ending(await self._call(self._server.wait))

    async def stop(self) -> None:
        """Fast shutdown: everything is written, so that the next start has nothing to recover."""
        await self._stop(hasten=False)

    async def kill(self) -> None:
        """Immediate shutdown: the next start recovers from the write-ahead log."""
        await self._stop(hasten=True)

    async def _stop(self, *, hasten: bool) -> None:
        while self._starting and not self._starting.done():
            await self._call(self._server.interrupt)
            await asyncio.wait({self._starting}, timeout=0.1)
        if self.url:
            data_folder.remove_runtime(self._server.data_dir)
        await self._call(lambda: self._server.stop(hasten=hasten))

    def _call(self, function: Callable[[], _Value]) -> "asyncio.Future[_Value]":
        return asyncio.get_running_loop().run_in_executor(self._threads, function)
