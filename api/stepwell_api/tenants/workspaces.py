"""Create, set up, list and delete workspaces; every execution belongs to exactly one."""

import argparse

import psycopg

from stepwell_api.options import DATABASE_OPTIONS, add_options
from stepwell_api.tenants import command
from stepwell_api.tenants.deletion import require_yes
from stepwell_storage import audit, keys
from stepwell_storage.audit import Action
from stepwell_storage.deletion import workspaces

run = command.run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``create NAME``, ``set NAME --credits-per-usd RATE``, ``list`` and ``delete NAME --yes``."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    create = actions.add_parser("create", help="create a workspace")
    create.add_argument("name", metavar="NAME")
    create.set_defaults(action=_create)
    setting = actions.add_parser("set", help="change a workspace's settings")
    setting.add_argument("name", metavar="NAME")
    setting.add_argument(
        "--credits-per-usd",
        required=True,
        type=_rate,
        metavar="RATE",
        help="credits for a US dollar, in runs folded from now on whose spans state none; 'none' for no rate",
    )
    setting.set_defaults(action=_set)
    listing = actions.add_parser("list", help="list all workspaces")
    listing.set_defaults(action=_list)
    deleting = actions.add_parser("delete", help="delete a workspace with all that is in it")
    deleting.add_argument("name", metavar="NAME")
    deleting.add_argument("--yes", action="store_true", help="really delete; there is no way back")
    deleting.set_defaults(action=_delete)
    for action in (create, setting, listing, deleting):
        add_options(action, DATABASE_OPTIONS)


async def _create(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    async with connection.transaction():
        workspace = await keys.create_workspace(connection, arguments.name)
        await audit.note(connection, workspace.workspace_id, command.ACTOR, Action.WORKSPACE_CREATED, workspace.name)
    print(f"{workspace.workspace_id}  {workspace.name}")


def _rate(text: str) -> float | None:
    return None if text.lower() == "none" else float(text)


async def _set(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    async with connection.transaction():
        workspace = await keys.set_credit_rate(connection, arguments.name, arguments.credits_per_usd)
        detail = {"credits_per_usd": arguments.credits_per_usd}
        await audit.note(
            connection, workspace.workspace_id, command.ACTOR, Action.WORKSPACE_CHANGED, workspace.name, detail
        )
    print(f"{workspace.name}: {_told_rate(workspace)} credits for a US dollar")


def _told_rate(workspace: keys.Workspace) -> str:
    return "no" if workspace.credits_per_usd is None else f"{workspace.credits_per_usd:g}"


async def _list(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    rows = [
        (str(found.workspace_id), found.name, found.created_at.isoformat(timespec="seconds"), _told_rate(found))
        for found in await keys.list_workspaces(connection)
    ]
    command.print_table(("WORKSPACE ID", "NAME", "CREATED", "CREDITS/USD"), rows)


async def _delete(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    require_yes(arguments)
    deleted = await workspaces.delete_workspace(connection, arguments.name)
    detail = {"rows": deleted}
    await audit.note(
        connection, keys.LOCAL_WORKSPACE_ID, command.ACTOR, Action.WORKSPACE_DELETED, arguments.name, detail
    )
    print(f"deleted the workspace {arguments.name}")
    command.print_table(("RELATION", "ROWS"), [(name, f"{rows:,}") for name, rows in deleted.items()])
