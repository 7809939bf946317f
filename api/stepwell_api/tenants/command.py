"""What the tenants' commands share: reaching the database, and printing rows."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence

import psycopg

from stepwell_api import logging
from stepwell_api.data_folder import reachable_database
from stepwell_api.options import DATABASE_OPTIONS, read_settings
from stepwell_migrations import runner
from stepwell_storage.database import connect

Action = Callable[[psycopg.AsyncConnection, argparse.Namespace], Awaitable[None]]

ACTOR = "command line"
"""Who it was, in the audit log; whoever reaches the database is trusted."""


def run(arguments: argparse.Namespace) -> int:
    """Run the chosen action on the database, which is brought to the newest schema first."""
    settings = read_settings(arguments, DATABASE_OPTIONS)
    logging.configure(settings.log_level, settings.log_format)
    with reachable_database(settings) as url:
        runner.migrate(url, may_use_timescale=settings.timescale)
        asyncio.run(_act(url, arguments.action, arguments))
    return 0


async def _act(url: str, action: Action, arguments: argparse.Namespace) -> None:
    async with await connect(url, application_name="stepwell command") as connection:
        await action(connection, arguments)


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns, one row a line; the heads alone when there are no rows."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
