"""Say which people and groups of the OpenID provider may do what in a workspace."""

import argparse

import psycopg

from stepwell_api.failures import CommandError
from stepwell_api.options import DATABASE_OPTIONS, add_options
from stepwell_api.tenants import command
from stepwell_storage import audit, keys, members
from stepwell_storage.audit import Action
from stepwell_storage.members import MemberKind
from stepwell_storage.sessions import Role

run = command.run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``set``, ``list`` and ``remove``."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    setting = actions.add_parser("set", help="add a member, or give another role")
    setting.add_argument("--role", required=True, choices=[role.value for role in Role])
    setting.set_defaults(action=_set)
    removing = actions.add_parser("remove", help="take a member away")
    removing.set_defaults(action=_remove)
    for action in (setting, removing):
        who = action.add_mutually_exclusive_group(required=True)
        who.add_argument("--person", metavar="NAME", help="verified e-mail address, or the provider's id of the person")
        who.add_argument("--group", metavar="NAME", help="group, as the provider tells it")
    listing = actions.add_parser("list", help="list the members")
    listing.set_defaults(action=_list)
    for action in (setting, removing, listing):
        action.add_argument("--workspace", required=True, metavar="NAME")
        add_options(action, DATABASE_OPTIONS)


def _who(arguments: argparse.Namespace) -> tuple[MemberKind, str]:
    return ("group", arguments.group) if arguments.person is None else ("person", arguments.person.lower())


async def _set(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    kind, name = _who(arguments)
    async with connection.transaction():
        workspace = await keys.find_workspace(connection, arguments.workspace)
        await members.put(connection, workspace.workspace_id, kind, name, Role(arguments.role))
        detail = {"kind": kind, "role": arguments.role}
        await audit.note(connection, workspace.workspace_id, command.ACTOR, Action.MEMBER_SET, name, detail)
    await _list(connection, arguments)


async def _remove(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    kind, name = _who(arguments)
    async with connection.transaction():
        workspace = await keys.find_workspace(connection, arguments.workspace)
        if not await members.remove(connection, workspace.workspace_id, kind, name):
            raise CommandError(f"the {kind} {name!r} is no member of the workspace {arguments.workspace!r}")
        await audit.note(connection, workspace.workspace_id, command.ACTOR, Action.MEMBER_REMOVED, name, {"kind": kind})
    await _list(connection, arguments)


async def _list(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    workspace = await keys.find_workspace(connection, arguments.workspace)
    found = await members.read(connection, workspace.workspace_id)
    rows = [(one.kind, one.name, one.role, one.created_at.isoformat(timespec="seconds")) for one in found]
    command.print_table(("KIND", "NAME", "ROLE", "SINCE"), rows)
