"""Serve the HTTP API and the dashboard. Runs in any number over one database."""

import argparse
import asyncio

from stepwell_api.parts import command
from stepwell_api.process import Announce
from stepwell_storage.settings import Settings

add_arguments = command.add_arguments


def run(arguments: argparse.Namespace) -> int:
    """``stepwell api``."""
    return command.run(arguments, ("port",), _load)


def _load() -> command.Serve:
    from stepwell_api.app import serve

    async def serve_api(settings: Settings, announce: Announce, stop: asyncio.Event) -> None:
        await serve(settings, started=lambda url: announce({"api": url}), stop=stop)

    return serve_api
