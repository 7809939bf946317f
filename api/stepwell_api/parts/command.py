"""What the three commands share: options, checks before the start, and how a failed start is told."""

import argparse
import asyncio
import dataclasses
import os
from collections.abc import Awaitable, Callable
from functools import partial

from stepwell_api import logging, process
from stepwell_api.failures import told
from stepwell_api.options import SERVING_OPTIONS, add_options, read_settings
from stepwell_storage.settings import Settings

Serve = Callable[[Settings, process.Announce, asyncio.Event], Awaitable[None]]
"""Serves by the settings until the event is set; announces its addresses once it answers."""
Load = Callable[[], Serve]
"""Imports the part; late, so that a bad option is told without waiting for the import."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The serving options, and the supervisor's own."""
    add_options(parser, SERVING_OPTIONS)
    parser.add_argument("--supervised", metavar="PID", type=int, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, port_fields: tuple[str, ...], load: Load) -> int:
    """Run one part until it is told to stop; returns the exit code."""
    if arguments.supervised is not None:
        return _run_supervised(arguments, load)
    settings = read_settings(arguments, SERVING_OPTIONS)
    logging.configure(settings.log_level, settings.log_format)
    settings = _checked(settings, port_fields)
    process.run_until_stopped(partial(load(), settings))
    return 0


def _checked(settings: Settings, port_fields: tuple[str, ...]) -> Settings:
    """Settings with a database at the right schema; the supervisor has seen to this for its children."""
    from stepwell_api.data_folder import running_database_url
    from stepwell_api.network import check_addresses
    from stepwell_migrations import runner

    check_addresses(settings, *port_fields, joins_receivers=True)
    database_url = running_database_url(settings)
    runner.check(database_url)
    return dataclasses.replace(settings, database_url=database_url)


def _run_supervised(arguments: argparse.Namespace, load: Load) -> int:
    """Loads while the supervisor makes the database ready; the supervisor tells a failure, so that it is read once."""
    process.die_with(arguments.supervised)
    serve = load()
    settings = read_settings(arguments, SERVING_OPTIONS, process.read_settings_line())
    logging.configure(settings.log_level, settings.log_format)
    try:
        process.run_until_stopped(partial(serve, settings))
    except Exception as error:
        message = told(error)
        if message is None:
            raise
        process.announce("failed", {"message": message, "pid": str(os.getpid())})
        return 1
    return 0
