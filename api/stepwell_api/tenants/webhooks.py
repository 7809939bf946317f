"""Create, list, change, try out and delete webhooks; a webhook's secret is shown once, when it is made."""

import argparse
import sys
from datetime import UTC, datetime
from uuid import UUID

import psycopg

from stepwell_api.failures import CommandError
from stepwell_api.options import DATABASE_OPTIONS, SERVING_OPTIONS, add_options, read_settings
from stepwell_api.tenants import command
from stepwell_api.webhooks import outbox, registry, signing
from stepwell_api.webhooks.addresses import RefusedAddressError
from stepwell_api.webhooks.registry import Changes, Format, NewWebhook, Purpose, Webhook
from stepwell_storage import audit, keys
from stepwell_storage.audit import Action

OPTIONS = (*DATABASE_OPTIONS, *(option for option in SERVING_OPTIONS if option.field == "secret_key"))

MAX_BUDGET = 100_000

run = command.run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``create``, ``list``, ``set ID``, ``test ID`` and ``delete ID``."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    create = actions.add_parser("create", help="set a webhook up and show its secret, once")
    create.add_argument("--purpose", required=True, choices=[purpose.value for purpose in Purpose])
    create.add_argument("--url", required=True, metavar="URL")
    create.add_argument("--agent", metavar="ID", help="whose runs it recovers (default: all agents')")
    create.set_defaults(action=_create)
    setting = actions.add_parser("set", help="change a webhook")
    setting.add_argument("--url", metavar="URL")
    setting.add_argument("--enabled", action=argparse.BooleanOptionalAction, help="whether it is called")
    setting.add_argument("--new-secret", action="store_true", help="make and show a new secret; the old one ends")
    setting.set_defaults(action=_set)
    for action in (create, setting):
        action.add_argument("--name", metavar="NAME")
        action.add_argument("--format", choices=[format_.value for format_ in Format])
        action.add_argument("--max-attempts", type=int, choices=range(1, 11), metavar="N", help="of each call, 1 to 10")
        action.add_argument("--hour-budget", type=_count, metavar="N", help="recoveries of an agent, or alerts, hourly")
        action.add_argument("--day-budget", type=_count, metavar="N", help="the same daily")
    listing = actions.add_parser("list", help="list webhooks, without their secrets")
    listing.set_defaults(action=_list)
    trying = actions.add_parser("test", help="have a worker call a webhook to try it out")
    trying.set_defaults(action=_try)
    deleting = actions.add_parser("delete", help="take a webhook away")
    deleting.set_defaults(action=_delete)
    for action in (setting, trying, deleting):
        action.add_argument("webhook_id", metavar="ID")
    for action in (create, setting, listing, trying, deleting):
        action.add_argument("--workspace", default="local", metavar="NAME", help="(default: local)")
        add_options(action, OPTIONS)


async def _create(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    told = {"name": arguments.name, "format": arguments.format, **_numbers(arguments)}
    new = NewWebhook(
        purpose=Purpose(arguments.purpose),
        url=arguments.url,
        agent_id=arguments.agent or registry.ALL_AGENTS,
        **{name: value for name, value in told.items() if value is not None},
    )
    if new.purpose is Purpose.ALERT and new.agent_id:
        raise CommandError("--agent is for recoveries; rules of alerts say whose figures they are about")
    if new.purpose is Purpose.RECOVERY and new.format == Format.SLACK:
        raise CommandError("--format slack is for alerts")
    try:
        webhook = await registry.create(connection, await _workspace(connection, arguments), new, _key(arguments))
    except RefusedAddressError as error:
        raise CommandError(f"--url: {error}") from error
    except registry.WebhookExistsError as error:
        raise CommandError("these recoveries have a webhook already; see `stepwell webhook list`") from error
    await _note(connection, webhook.workspace_id, Action.WEBHOOK_CREATED, webhook.webhook_id)
    _show_secret(webhook, arguments)


async def _set(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    changes = Changes(
        name=arguments.name,
        url=arguments.url,
        format=arguments.format and Format(arguments.format),
        is_enabled=arguments.enabled,
        has_new_secret=arguments.new_secret,
        **_numbers(arguments),
    )
    workspace_id = await _workspace(connection, arguments)
    try:
        webhook = await registry.change(connection, workspace_id, arguments.webhook_id, changes, _key(arguments))
    except RefusedAddressError as error:
        raise CommandError(f"--url: {error}") from error
    if webhook is None:
        raise _unknown(arguments)
    await _note(connection, workspace_id, Action.WEBHOOK_CHANGED, webhook.webhook_id)
    if changes.has_new_secret:
        _show_secret(webhook, arguments)


async def _list(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    found = await registry.read_all(connection, await _workspace(connection, arguments))
    rows = [
        (
            webhook.webhook_id,
            webhook.purpose,
            webhook.agent_id,
            webhook.name,
            registry.shown_url(webhook.url),
            webhook.format,
            f"{webhook.hour_budget}/{webhook.day_budget}",
            "" if webhook.is_enabled else "disabled",
        )
        for webhook in found
    ]
    command.print_table(("ID", "PURPOSE", "AGENT", "NAME", "URL", "FORMAT", "HOUR/DAY", ""), rows)


async def _try(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    workspace_id = await _workspace(connection, arguments)
    webhook = next(iter(await registry.read_all(connection, workspace_id, arguments.webhook_id)), None)
    if webhook is None:
        raise _unknown(arguments)
    delivery_id = await outbox.enqueue_test(connection, webhook, datetime.now(UTC))
    print(f"{delivery_id}: a running worker calls it; GET /api/v1/webhooks/{webhook.webhook_id}/deliveries tells more")


async def _delete(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> None:
    workspace_id = await _workspace(connection, arguments)
    if not await registry.delete(connection, workspace_id, arguments.webhook_id):
        raise _unknown(arguments)
    await _note(connection, workspace_id, Action.WEBHOOK_DELETED, arguments.webhook_id)
    print(f"deleted {arguments.webhook_id}")


async def _note(connection: psycopg.AsyncConnection, workspace_id: UUID, action: Action, webhook_id: str) -> None:
    await audit.note(connection, workspace_id, command.ACTOR, action, webhook_id)


def _count(text: str) -> int:
    """A whole number from 0 on."""
    count = int(text)
    if not 0 <= count <= MAX_BUDGET:
        raise ValueError(text)
    return count


def _numbers(arguments: argparse.Namespace) -> dict[str, int | None]:
    return {name: getattr(arguments, name) for name in ("max_attempts", "hour_budget", "day_budget")}


async def _workspace(connection: psycopg.AsyncConnection, arguments: argparse.Namespace) -> UUID:
    return (await keys.find_workspace(connection, arguments.workspace)).workspace_id


def _key(arguments: argparse.Namespace) -> str | None:
    return read_settings(arguments, OPTIONS).secret_key


def _unknown(arguments: argparse.Namespace) -> CommandError:
    return CommandError(f"there is no webhook {arguments.webhook_id!r} in the workspace {arguments.workspace!r}")


def _show_secret(webhook: Webhook, arguments: argparse.Namespace) -> None:
    # The secret alone on standard output, so that a script can take it.
    print(f"secret of {webhook.webhook_id}; it is not shown again:", file=sys.stderr)
    print(signing.secret_of(webhook.salt, _key(arguments)))
