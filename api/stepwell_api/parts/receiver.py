"""Take OTLP in over gRPC and HTTP and commit it. Runs in any number over one database."""

import argparse
import asyncio

from stepwell_api.parts import command
from stepwell_api.process import Announce
from stepwell_storage.settings import Settings

add_arguments = command.add_arguments


def run(arguments: argparse.Namespace) -> int:
    """``stepwell receiver``."""
    return command.run(arguments, ("otlp_http_port", "otlp_grpc_port"), _load)


def _load() -> command.Serve:
    from stepwell_receiver.server import serve

    async def serve_receiver(settings: Settings, announce: Announce, stop: asyncio.Event) -> None:
        await serve(settings, started=announce, stop=stop)

    return serve_receiver
