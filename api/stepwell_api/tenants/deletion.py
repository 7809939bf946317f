"""Delete an execution or an agent, with everything that is stored of it; there is no way back but a backup."""

import argparse

import psycopg

from stepwell_api.failures import CommandError
from stepwell_api.options import DATABASE_OPTIONS, add_options
from stepwell_api.tenants import command
from stepwell_storage import audit, keys
from stepwell_storage.audit import Action
from stepwell_storage.deletion import runs
from stepwell_storage.deletion.rows import Deleted

run = command.run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``execution ID`` and ``agent ID``."""
    actions = parser.add_subparsers(required=True, metavar="WHAT")
    execution = actions.add_parser("execution", help="one run with its steps and logs")
    execution.set_defaults(action=_delete_execution)
    agent = actions.add_parser("agent", help="all runs of an agent, and its figures")
    agent.set_defaults(action=_delete_agent)
    for action in (execution, agent):
        action.add_argument("id", metavar="ID")
        action.add_argument("--workspace", default="local", metavar="NAME", help="(default: local)")
        action.add_argument("--yes", action="store_true", help="really delete; there is no way back")
        add_options(action, DATABASE_OPTIONS)


def require_yes(arguments: argparse.Namespace) -> None:
    """Return where the command was told to go on.

    Raises:
        CommandError: it was not.
    """
    if not arguments.yes:
        raise CommandError("there is no way back from a deletion; add --yes to go on")


async def _delete_execution(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    require_yes(arguments)
    workspace = await keys.find_workspace(connection, arguments.workspace)
    deleted = await runs.delete_execution(connection, workspace.workspace_id, arguments.id)
    if deleted is None:
        raise CommandError(f"there is no execution {arguments.id!r} in the workspace {arguments.workspace!r}")
    await audit.note(connection, workspace.workspace_id, command.ACTOR, Action.EXECUTION_DELETED, arguments.id)
    print(_told(deleted))


async def _delete_agent(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    require_yes(arguments)
    workspace = await keys.find_workspace(connection, arguments.workspace)
    deleted = await runs.delete_agent(connection, workspace.workspace_id, arguments.id)
    if deleted is None:
        raise CommandError(f"there is no run of an agent {arguments.id!r} in the workspace {arguments.workspace!r}")
    await audit.note(connection, workspace.workspace_id, command.ACTOR, Action.AGENT_DELETED, arguments.id)
    print(_told(deleted))


def _told(deleted: Deleted) -> str:
    return (
        f"deleted {deleted.executions:,} executions, {deleted.steps:,} steps, {deleted.log_records:,} log records "
        f"({deleted.size_bytes:,} bytes)"
    )
