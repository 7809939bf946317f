"""Write executions or steps to a file, with the filters of the API's list of executions."""

import argparse
import asyncio
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from stepwell_api import logging
from stepwell_api.data_folder import reachable_database
from stepwell_api.export import columns
from stepwell_api.export.formats import ExportFormat, written
from stepwell_api.export.reading import read_executions, read_steps
from stepwell_api.failures import CommandError
from stepwell_api.options import DATABASE_OPTIONS, add_options, read_settings
from stepwell_api.parameters import REPEATABLE, ExportParameters
from stepwell_api.times import make_window
from stepwell_migrations import runner
from stepwell_storage import keys
from stepwell_storage.database import connect, make_engine

WHAT = {
    "executions": (columns.EXECUTIONS, read_executions),
    "steps": (columns.STEPS, read_steps),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``executions`` and ``steps``."""
    parser.add_argument("what", choices=WHAT, help="runs, or the steps of runs")
    parser.add_argument(
        "--format", choices=[str(word) for word in ExportFormat], default="jsonl", help="(default: jsonl)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="(default: standard output)")
    parser.add_argument("--workspace", default="local", metavar="NAME", help="(default: local)")
    parser.add_argument("--from", dest="start", metavar="TIME", help="RFC 3339 (default: 7 days before --to)")
    parser.add_argument("--to", dest="stop", metavar="TIME", help="RFC 3339, exclusive (default: now)")
    parser.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="as of GET /executions, such as status=failed",
    )
    add_options(parser, DATABASE_OPTIONS)


def run(arguments: argparse.Namespace) -> int:
    """Writes the file."""
    settings = read_settings(arguments, DATABASE_OPTIONS)
    logging.configure(settings.log_level, settings.log_format)
    parameters = _parameters(arguments)
    with reachable_database(settings) as url, ExitStack() as stack:
        runner.migrate(url, may_use_timescale=settings.timescale)
        file = sys.stdout.buffer if arguments.output is None else stack.enter_context(arguments.output.open("wb"))
        asyncio.run(_export(url, arguments, parameters, file))
    return 0


def _parameters(arguments: argparse.Namespace) -> ExportParameters:
    """As the API takes them.

    Raises:
        CommandError: a filter is none, or has a value that it cannot have.
    """
    bounds = {"from": arguments.start, "to": arguments.stop}
    given: dict[str, Any] = {name: value for name, value in bounds.items() if value is not None}
    given["format"] = arguments.format
    for text in arguments.filter:
        name, _, value = text.partition("=")
        if name in REPEATABLE:
            given.setdefault(name, []).append(value)
        else:
            given[name] = value
    try:
        return ExportParameters.model_validate(given)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise CommandError(f"the filters cannot be taken: {told}") from None


async def _export(url: str, arguments: argparse.Namespace, parameters: ExportParameters, file: BinaryIO) -> None:
    async with await connect(url, application_name="stepwell command") as connection:
        workspace = await keys.find_workspace(connection, arguments.workspace)
    engine: AsyncEngine = make_engine(url, application_name="stepwell export")
    told, read = WHAT[arguments.what]
    window = make_window(parameters.from_, parameters.to, now=datetime.now(UTC))
    batches = read(engine.execution_options(isolation_level="AUTOCOMMIT"), workspace.workspace_id, window, parameters)
    try:
        async for data in written(parameters.format, told, batches):
            file.write(data)
    finally:
        await engine.dispose()
