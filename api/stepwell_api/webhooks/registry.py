"""The webhooks that people set up: where they go, by which secret they are signed, and how much they may be used.

One for the recoveries of an agent's runs, or of all agents' (an agent's own comes first); any number for alerts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row

from stepwell_api.webhooks import signing
from stepwell_api.webhooks.addresses import parse_url
from stepwell_storage import queries

SQL = queries.load("webhooks")

ALL_AGENTS: Final = ""
Connection = psycopg.AsyncConnection[Any]


class Purpose(StrEnum):
    """What a webhook is for."""

    RECOVERY = "recovery"
    ALERT = "alert"


class Format(StrEnum):
    """What a webhook is sent."""

    STEPWELL = "stepwell"
    """Everything, as documented."""
    SLACK = "slack"
    """`text` and `blocks`, as Slack and those compatible with it take them."""


class WebhookExistsError(Exception):
    """The agent's runs have a webhook for their recovery already."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as it is stored."""

    workspace_id: UUID
    webhook_id: str
    purpose: Purpose
    agent_id: str
    name: str
    url: str = field(repr=False)
    format: Format
    salt: bytes = field(repr=False)
    key_id: str
    max_attempts: int
    hour_budget: int
    day_budget: int
    is_enabled: bool
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be changed about a webhook; ``None`` leaves it."""

    name: str | None = None
    url: str | None = None
    format: Format | None = None
    max_attempts: int | None = None
    hour_budget: int | None = None
    day_budget: int | None = None
    is_enabled: bool | None = None
    has_new_secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebhook:
    """A webhook to be set up."""

    purpose: Purpose
    url: str
    agent_id: str = ALL_AGENTS
    name: str = ""
    format: Format = Format.STEPWELL
    max_attempts: int = 5
    hour_budget: int = 20
    """Of recoveries for each agent, of alerts in all; 0 sends nothing."""
    day_budget: int = 100
    is_enabled: bool = True


async def create(connection: Connection, workspace_id: UUID, new: NewWebhook, server_key: str | None) -> Webhook:
    """Sets a webhook up; `signing.secret_of` its salt is the secret to tell.

    Raises:
        RefusedAddressError: the URL is none that a webhook may have.
        WebhookExistsError: there is one for these recoveries.
    """
    parse_url(new.url)
    parameters = {
        **{name: getattr(new, name) for name in NewWebhook.__slots__},
        "workspace_id": workspace_id,
        "webhook_id": f"wh_{uuid4().hex}",
        "salt": signing.new_salt(),
        "key_id": signing.key_id_of(server_key),
    }
    found = await _one(connection, SQL.insert_webhook, parameters)
    if found is None:
        raise WebhookExistsError
    return found


async def change(
    connection: Connection, workspace_id: UUID, webhook_id: str, changes: Changes, server_key: str | None
) -> Webhook | None:
    """Changes a webhook; ``None`` where there is none. A new URL gets a new secret only where one is asked for.

    Raises:
        RefusedAddressError: the URL is none that a webhook may have.
    """
    if changes.url is not None:
        parse_url(changes.url)
    names = [name for name in Changes.__slots__ if name != "has_new_secret"]
    parameters = {
        **{name: getattr(changes, name) for name in names},
        "workspace_id": workspace_id,
        "webhook_id": webhook_id,
        "salt": signing.new_salt() if changes.has_new_secret else None,
        "key_id": signing.key_id_of(server_key) if changes.has_new_secret else None,
    }
    return await _one(connection, SQL.change_webhook, parameters)


async def delete(connection: Connection, workspace_id: UUID, webhook_id: str) -> bool:
    """Takes a webhook away; false where there is none."""
    parameters = {"workspace_id": workspace_id, "webhook_id": webhook_id}
    return (await connection.execute(SQL.delete_webhook, parameters)).rowcount > 0


async def read_all(connection: Connection, workspace_id: UUID, webhook_id: str | None = None) -> Sequence[Webhook]:
    """The workspace's webhooks, or the one of this id."""
    async with connection.cursor(row_factory=class_row(Webhook)) as cursor:
        await cursor.execute(SQL.list_webhooks, {"workspace_id": workspace_id, "webhook_id": webhook_id})
        return await cursor.fetchall()


async def lock(connection: Connection, workspace_id: UUID, webhook_id: str) -> Webhook | None:
    """The webhook, kept from others who count its budget until the transaction ends."""
    return await _one(connection, SQL.lock_webhook, {"workspace_id": workspace_id, "webhook_id": webhook_id})


async def lock_for_recovery(connection: Connection, workspace_id: UUID, agent_id: str) -> Webhook | None:
    """The webhook that recovers runs of the agent, kept the same way; ``None`` where none is set up and enabled."""
    return await _one(connection, SQL.find_recovery_webhook, {"workspace_id": workspace_id, "agent_id": agent_id})


def shown_url(url: str) -> str:
    """A URL as it is shown: paths and queries of webhooks are as good as passwords."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    shown = f"{path[: max(len(path) - 8, 0) // 3]}…{path[-4:]}" if len(path) > 12 else parts.path
    return urlunsplit((parts.scheme, parts.netloc, shown, "…" if parts.query else "", ""))


async def _one(connection: Connection, statement: str, parameters: dict[str, Any]) -> Webhook | None:
    async with connection.cursor(row_factory=class_row(Webhook)) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchone()
