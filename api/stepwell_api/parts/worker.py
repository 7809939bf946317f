"""Fold stored steps into executions, and do the other background work. Runs in any number over one database."""

import argparse
import asyncio

from stepwell_api.parts import command
from stepwell_api.process import Announce, Serve
from stepwell_storage.settings import Settings

add_arguments = command.add_arguments


def run(arguments: argparse.Namespace) -> int:
    """``stepwell worker``."""
    return command.run(arguments, (), _prepare)


def _prepare(settings: Settings) -> Serve:
    from stepwell_storage import worker

    async def serve_worker(announce: Announce, stop: asyncio.Event) -> None:
        await worker.run(settings, started=lambda: announce({}), stop=stop)

    return serve_worker
