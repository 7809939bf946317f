"""Create and list workspaces; every execution belongs to exactly one."""

import argparse

import psycopg

from stepwell_api.options import DATABASE_OPTIONS, add_options
from stepwell_api.tenants import command
from stepwell_storage import keys

run = command.run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``create NAME`` and ``list``."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    create = actions.add_parser("create", help="create a workspace")
    create.add_argument("name", metavar="NAME")
    create.set_defaults(action=_create)
    listing = actions.add_parser("list", help="list all workspaces")
    listing.set_defaults(action=_list)
    for action in (create, listing):
        add_options(action, DATABASE_OPTIONS)


async def _create(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    workspace = await keys.create_workspace(connection, arguments.name)
    print(f"{workspace.workspace_id}  {workspace.name}")


async def _list(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    rows = [
        (str(found.workspace_id), found.name, found.created_at.isoformat(timespec="seconds"))
        for found in await keys.list_workspaces(connection)
    ]
    command.print_table(("WORKSPACE ID", "NAME", "CREATED"), rows)
