"""A whole receiver on an event loop of its own in a thread, for tests that talk to it over the network."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from stepwell_receiver.server import serve
from stepwell_storage.settings import Settings

START_S = 30


@dataclass(slots=True)
class Running:
    """A receiver that answers: its addresses, and how to end it."""

    otlp_http: str
    otlp_grpc: str
    _loop: asyncio.AbstractEventLoop
    _stop: asyncio.Event
    _thread: threading.Thread

    def stop(self) -> None:
        """Asks it to stop and returns when it has."""
        self.begin_stop()
        self._thread.join(START_S)
        assert not self._thread.is_alive()

    def begin_stop(self) -> None:
        """Asks it to stop and returns at once."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)


def start(settings: Settings) -> Running:
    """Starts a receiver; raises what its start raises."""
    running: list[Running] = []
    failures: list[BaseException] = []
    ready = threading.Event()

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def started(addresses: dict[str, str]) -> None:
            running.append(Running(addresses["otlp_http"], addresses["otlp_grpc"], loop, stop, thread))
            ready.set()

        await serve(settings, started=started, stop=stop)

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="receiver", daemon=True)
    thread.start()
    assert ready.wait(START_S)
    if failures:
        raise failures[0]
    return running[0]


@contextmanager
def receiver(settings: Settings) -> Iterator[Running]:
    """A receiver for the length of a block."""
    running = start(settings)
    try:
        yield running
    finally:
        running.stop()
