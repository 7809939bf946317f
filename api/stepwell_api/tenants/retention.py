"""Show and set how long what is kept, and delete now what the worker would delete within six hours."""

import argparse
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

import psycopg

from stepwell_api.failures import CommandError
from stepwell_api.options import DATABASE_OPTIONS, add_options
from stepwell_api.tenants import command
from stepwell_storage import audit, keys
from stepwell_storage.audit import Action
from stepwell_storage.retention import passes, policy
from stepwell_storage.retention.policy import FOR_EVER, Due, Kept

run = command.run

FOR_EVER_WORD: Final = "forever"
DEFAULT_WORD: Final = "default"
TIMES: Final = {
    Kept.PAYLOADS: "inputs, outputs, attributes, events and texts of logs, emptied in the rows",
    Kept.RAW: "executions, steps and log records",
    Kept.HOURS: "rollups by hour; older days keep their sums",
    Kept.DAYS: "rollups by day",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``show``, ``set`` and ``run``."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    show = actions.add_parser("show", help="how long what is kept, and what goes next")
    show.set_defaults(action=_show)
    setting = actions.add_parser("set", help="change how long what is kept")
    setting.add_argument("--workspace", metavar="NAME", help="for this workspace alone (default: for all)")
    for kept, what in TIMES.items():
        setting.add_argument(
            f"--{kept}",
            type=_days,
            default=argparse.SUPPRESS,
            metavar="DAYS",
            help=f"{what}: a number of days, '{FOR_EVER_WORD}', or '{DEFAULT_WORD}' for what holds for all",
        )
    setting.add_argument("--yes", action="store_true", help="also where data would be deleted")
    setting.set_defaults(action=_set)
    running = actions.add_parser("run", help="delete now what is due")
    running.set_defaults(action=_run)
    for action in (show, setting, running):
        add_options(action, DATABASE_OPTIONS)


def _days(text: str) -> int | None:
    """Days, `FOR_EVER`, or ``None`` to have no time of its own."""
    word = text.strip().lower()
    if word == DEFAULT_WORD:
        return None
    if word == FOR_EVER_WORD:
        return FOR_EVER
    days = int(word.removesuffix("d"))
    if days < 1:
        raise ValueError(text)
    return days


async def _show(connection: psycopg.AsyncConnection, _: argparse.Namespace) -> None:
    now = datetime.now(UTC)
    general, workspaces = await policy.read(connection)
    due = {found.workspace.workspace_id: found for found in await policy.due(connection, now)}
    rows = [("(all)", *_told(general, ()), "")]
    for workspace in workspaces:
        found = due.get(workspace.workspace_id)
        goes = _told_due(found) if found else ""
        rows.append((workspace.name, *_told(workspace.policy, workspace.own), goes))
    command.print_table(("WORKSPACE", *(kept.upper() for kept in TIMES), "DUE NOW"), rows)


def _told(times: policy.Policy, own: Collection[Kept]) -> list[str]:
    """Times in words; those that a workspace says itself have a star."""
    return [f"{policy.told(times.days_of(kept))}{' *' if kept in own else ''}" for kept in TIMES]


def _told_due(due: Due) -> str:
    return f"{due.executions:,} executions with {due.steps:,} steps"


async def _set(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    times = {kept: getattr(arguments, kept.value) for kept in TIMES if hasattr(arguments, kept.value)}
    if not times:
        raise CommandError(f"nothing to set; give one of {', '.join(f'--{kept}' for kept in TIMES)}")
    workspace_id = policy.EVERYONE
    if arguments.workspace is not None:
        workspace_id = (await keys.find_workspace(connection, arguments.workspace)).workspace_id
    async with connection.transaction():
        before = {due.workspace.workspace_id for due in await policy.due(connection, datetime.now(UTC))}
        await policy.change(connection, workspace_id, times)
        detail = {str(kept): days for kept, days in times.items()}
        # What holds for all is written down where everything lands without authentication.
        noted_in = keys.LOCAL_WORKSPACE_ID if workspace_id == policy.EVERYONE else workspace_id
        await audit.note(connection, noted_in, command.ACTOR, Action.RETENTION_CHANGED, arguments.workspace, detail)
        due = await policy.due(connection, datetime.now(UTC))
        for found in due:
            print(f"{found.workspace.name}: {_told_due(found)} are older and will be deleted", file=sys.stderr)
        if due and not arguments.yes and {found.workspace.workspace_id for found in due} - before:
            raise CommandError("nothing is changed; add --yes to delete them within six hours")
    await _show(connection, arguments)


async def _run(connection: psycopg.AsyncConnection, _: argparse.Namespace) -> None:
    deleted: dict[str, int] = {}

    def report(relation: str, rows: int) -> None:
        deleted[relation] = deleted.get(relation, 0) + rows
        if rows and sys.stderr.isatty():
            print(f"\r{relation}: {deleted[relation]:,} rows", end="", file=sys.stderr)

    if not await passes.make(connection, datetime.now(UTC), report):
        raise CommandError("the worker or another command is deleting just now; it does the same")
    if sys.stderr.isatty():
        print(file=sys.stderr)
    command.print_table(("RELATION", "ROWS"), [(name, f"{rows:,}") for name, rows in deleted.items() if rows])
