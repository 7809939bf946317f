"""Say what is masked in what a workspace is sent, before anything of it is stored."""

import argparse

import psycopg

from stepwell_api.failures import CommandError
from stepwell_api.options import DATABASE_OPTIONS, REDACTED, add_options
from stepwell_api.tenants import command
from stepwell_storage import audit, keys, redaction
from stepwell_storage.audit import Action
from stepwell_storage.keys import Workspace

run = command.run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``show``, ``choose SETS``, ``add NAME`` and ``remove NAME``."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    show = actions.add_parser("show", help="what is masked")
    show.set_defaults(action=_show)
    choose = actions.add_parser("choose", help="choose built-in sets")
    choose.add_argument("sets", metavar="SETS", help="secrets, cards, emails, with commas; none; or default")
    choose.set_defaults(action=_choose)
    add = actions.add_parser("add", help="add a rule, or change the one of this name")
    add.add_argument("name", metavar="NAME")
    rule = add.add_mutually_exclusive_group(required=True)
    rule.add_argument("--key", metavar="WORDS", help="mask values under names that end so")
    rule.add_argument("--pattern", metavar="REGEX", help="mask what this finds in texts (RE2); of a group, keep it")
    add.set_defaults(action=_add)
    remove = actions.add_parser("remove", help="take a rule away")
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(action=_remove)
    for action in (show, choose, add, remove):
        action.add_argument("--workspace", default="local", metavar="NAME", help="(default: local)")
        add_options(action, DATABASE_OPTIONS)


async def _show(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    workspace = await keys.find_workspace(connection, arguments.workspace)
    wanted = await redaction.read(connection, workspace.workspace_id)
    sets = "default" if wanted.sets is None else ",".join(wanted.sets) or "none"
    rows = [("", "sets", sets), *((name, kind, text) for name, (kind, text) in wanted.rules.items())]
    command.print_table(("NAME", "KIND", "MASKS"), rows)


async def _choose(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    chosen = {"default": None, "none": []}.get(arguments.sets, arguments.sets.split(","))
    if not set(chosen or ()) <= set(REDACTED):
        raise CommandError(f"expected some of {', '.join(REDACTED)}, none or default, not {arguments.sets!r}")
    async with connection.transaction():
        workspace = await keys.find_workspace(connection, arguments.workspace)
        await redaction.choose(connection, workspace.workspace_id, chosen)
        await _note(connection, workspace, None, {"sets": chosen})
    await _show(connection, arguments)


async def _add(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    from stepwell_receiver.redaction.rules import make

    kind: redaction.RuleKind = "pattern" if arguments.key is None else "key"
    text = arguments.pattern if arguments.key is None else arguments.key
    make([], {arguments.name: (kind, text)})
    async with connection.transaction():
        workspace = await keys.find_workspace(connection, arguments.workspace)
        await redaction.set_rule(connection, workspace.workspace_id, arguments.name, kind, text)
        await _note(connection, workspace, arguments.name, {kind: text})
    await _show(connection, arguments)


async def _remove(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    async with connection.transaction():
        workspace = await keys.find_workspace(connection, arguments.workspace)
        if not await redaction.remove_rule(connection, workspace.workspace_id, arguments.name):
            raise CommandError(f"there is no rule {arguments.name!r} in the workspace {arguments.workspace!r}")
        await _note(connection, workspace, arguments.name, {"removed": True})
    await _show(connection, arguments)


async def _note(
    connection: psycopg.AsyncConnection, workspace: Workspace, target: str | None, detail: dict[str, object]
) -> None:
    await audit.note(connection, workspace.workspace_id, command.ACTOR, Action.REDACTION_CHANGED, target, detail)
