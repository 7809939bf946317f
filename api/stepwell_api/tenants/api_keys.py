"""Create, list and revoke the API keys of workspaces; a key is shown once, when it is created."""

import argparse
import sys

import psycopg

from stepwell_api.options import DATABASE_OPTIONS, add_options
from stepwell_api.tenants import command
from stepwell_storage import keys

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
    create.set_defaults(action=_create)
    listing = actions.add_parser("list", help="list keys, without the keys themselves")
    listing.add_argument("--workspace", metavar="NAME")
    listing.set_defaults(action=_list)
    revoke = actions.add_parser("revoke", help="end a key for good")
    revoke.add_argument("key_id", metavar="ID")
    revoke.set_defaults(action=_revoke)
    for action in (create, listing, revoke):
        add_options(action, DATABASE_OPTIONS)


async def _create(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    scopes = arguments.scope or [keys.Scope.INGEST, keys.Scope.READ]
    issued = await keys.create_key(connection, arguments.workspace, scopes)
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
            found.revoked_at.isoformat(timespec="seconds") if found.revoked_at else "",
        )
        for found in await keys.list_keys(connection, arguments.workspace)
    ]
    command.print_table(("ID", "WORKSPACE", "KEY", "SCOPES", "CREATED", "REVOKED"), rows)


async def _revoke(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    revoked = await keys.revoke_key(connection, arguments.key_id)
    print(f"revoked {revoked.key_id} of {revoked.workspace}")
