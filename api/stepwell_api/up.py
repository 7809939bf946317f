"""Everything in one go: embedded PostgreSQL unless a database URL is given, migrations, OTLP receiver, worker, API."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Mapping
from logging import getLogger

from stepwell_api import logging
from stepwell_api.network import PORT_OPTIONS, check_addresses
from stepwell_api.options import SERVING_OPTIONS, add_options, read_settings
from stepwell_api.process import announce
from stepwell_api.supervision.supervisor import Supervisor
from stepwell_storage.settings import Settings

log = getLogger("stepwell.supervisor")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The serving options."""
    add_options(parser, SERVING_OPTIONS)


def run(arguments: argparse.Namespace) -> int:
    """``stepwell up``."""
    settings = read_settings(arguments, SERVING_OPTIONS)
    logging.configure(settings.log_level, settings.log_format)
    check_addresses(settings, *PORT_OPTIONS)
    asyncio.run(_up(settings))
    return 0


async def _up(settings: Settings) -> None:
    """Run until a signal; a second one hastens the end."""
    stop, hasten = _signal_events()
    supervisor = Supervisor(settings)
    try:
        await _run_until(stop, asyncio.create_task(_run(supervisor)))
    finally:
        await _shut_down(supervisor, hasten)


async def _run(supervisor: Supervisor) -> None:
    addresses = await supervisor.start()
    announce("ready", addresses)
    _greet(addresses, supervisor.settings)
    await supervisor.keep_running()


async def _run_until(stop: asyncio.Event, running: asyncio.Task[None]) -> None:
    """Raises what ``running`` raised before ``stop`` was set; afterwards it is only logged."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if running.done():
        try:
            running.result()
        except BaseExceptionGroup as group:
            # Parts start together; one message tells the mend, the others are its echo.
            raise _first(group) from group
    log.info("stopping, after what was accepted is stored")
    running.cancel()
    await asyncio.wait({running})
    if not running.cancelled() and (error := running.exception()):
        log.warning("failed while stopping", exc_info=error)


async def _shut_down(supervisor: Supervisor, hasten: asyncio.Event) -> None:
    stopping = asyncio.create_task(supervisor.stop())
    hastening = asyncio.create_task(hasten.wait())
    await asyncio.wait({stopping, hastening}, return_when=asyncio.FIRST_COMPLETED)
    hastening.cancel()
    if not stopping.done():
        log.warning("told to stop twice, ending everything now")
        await supervisor.kill()
    await stopping


def _signal_events() -> tuple[asyncio.Event, asyncio.Event]:
    """Set by the first and by the second SIGTERM or SIGINT."""
    first, second = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (second if first.is_set() else first).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    return first, second


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _greet(addresses: Mapping[str, str], settings: Settings) -> None:
    lines = (
        "Stepwell is ready.",
        f"  API        {addresses['api']}",
        f"  OTLP/HTTP  {addresses['otlp_http']}",
        f"  OTLP/gRPC  {addresses['otlp_grpc']}",
        f"  Data       {settings.data_dir or 'in the given database'}",
    )
    print("\n".join(lines), file=sys.stderr, flush=True)
