"""Fold stored steps into executions, and do the other background work. Runs in any number over one database."""

import argparse
import asyncio

from stepwell_api.parts import command
from stepwell_api.process import Announce
from stepwell_storage.settings import Settings

add_arguments = command.add_arguments


def run(arguments: argparse.Namespace) -> int:
    """``stepwell worker``."""
    return command.run(arguments, (), _load)


def _load() -> command.Serve:
    from stepwell_api.background import beside
    from stepwell_storage import worker

    async def serve_worker(settings: Settings, announce: Announce, stop: asyncio.Event) -> None:
        async with beside(settings):
            await worker.run(settings, started=lambda: announce({}), stop=stop)

    return serve_worker
