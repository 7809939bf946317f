"""Serve the HTTP API and the dashboard. Runs in any number over one database."""

import argparse
import asyncio
import gc
import os

from stepwell_api.parts import command
from stepwell_api.process import Announce
from stepwell_storage.settings import Settings

add_arguments = command.add_arguments


def run(arguments: argparse.Namespace) -> int:
    """``stepwell api``."""
    return command.run(arguments, ("port",), _load)


def _load() -> command.Serve:
    # Before numpy is loaded: our tables are small, so that threads of its own only wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from stepwell_api.app import serve

    async def serve_api(settings: Settings, announce: Announce, stop: asyncio.Event) -> None:
        # Spares the search for garbage what was loaded: it would go through all of it while many runs are read.
        gc.freeze()
        await serve(settings, started=lambda url: announce({"api": url}), stop=stop)

    return serve_api
