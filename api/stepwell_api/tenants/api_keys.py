"""Create, list and revoke the API keys of workspaces; a key is shown once, when it is created."""

import argparse
import sys
from datetime import datetime

import psycopg

from stepwell_api.options import DATABASE_OPTIONS, add_options
from stepwell_api.tenants import command
from stepwell_storage import audit, keys
from stepwell_storage.audit import Action

run = command.run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``create --workspace NAME``, ``list`` and ``revoke ID``."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    create = actions.add_parser("create", help="create a key and show it, once")
    create.add_argument("--workspace", required=True, metavar="NAME")
    scopes = [scope.value for scope in keys.Scope]
    create.add_argument(
        "--scope", action="append", choices=scopes, help="may be given several times (default: ingest and read)"
    )
    create.add_argument("--expires", type=_time, metavar="TIME", help="RFC 3339 (default: good until it is revoked)")
    create.set_defaults(action=_create)
    listing = actions.add_parser("list", help="list keys, without the keys themselves")
    listing.add_argument("--workspace", metavar="NAME")
    listing.set_defaults(action=_list)
    revoke = actions.add_parser("revoke", help="end a key for good")
    revoke.add_argument("key_id", metavar="ID")
    revoke.set_defaults(action=_revoke)
    for action in (create, listing, revoke):
        add_options(action, DATABASE_OPTIONS)


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time needs its offset from UTC")
    return at


def _told(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""


async def _create(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    scopes = arguments.scope or [keys.Scope.INGEST, keys.Scope.READ]
    async with connection.transaction():
        issued = await keys.create_key(connection, arguments.workspace, scopes, expires_at=arguments.expires)
        made = issued.api_key
        detail = {"scopes": made.scopes}
        await audit.note(connection, made.workspace_id, command.ACTOR, Action.KEY_CREATED, made.key_id, detail)
    # The key alone on standard output, so that a script can take it.
    print(f"key {issued.api_key.key_id} of {arguments.workspace}; it is not shown again:", file=sys.stderr)
    print(issued.key)


async def _list(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    rows = [
        (
            found.key_id,
            found.workspace,
            f"{found.key_prefix}…",
            ",".join(found.scopes),
            found.created_at.isoformat(timespec="seconds"),
            *map(_told, (found.expires_at, found.last_used_at, found.revoked_at)),
        )
        for found in await keys.list_keys(connection, arguments.workspace)
    ]
    command.print_table(("ID", "WORKSPACE", "KEY", "SCOPES", "CREATED", "EXPIRES", "LAST USED", "REVOKED"), rows)


async def _revoke(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    async with connection.transaction():
        revoked = await keys.revoke_key(connection, arguments.key_id)
        await audit.note(connection, revoked.workspace_id, command.ACTOR, Action.KEY_REVOKED, revoked.key_id)
    print(f"revoked {revoked.key_id} of {revoked.workspace}")
