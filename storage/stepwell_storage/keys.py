"""Workspaces (tenants), their API keys, and the check of a key.

The workspace of everything that is stored or read comes from here, never from a payload. A key is 256 random bits,
so that a plain SHA-256 of it can be stored: there is nothing to guess that a slow hash would have to protect.
"""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row

from stepwell_storage import queries
from stepwell_storage.errors import StorageError

SQL = queries.load("keys")

LOCAL_WORKSPACE_ID = UUID(int=1)
"""The workspace ``local``, where everything lands without authentication; the first migration makes it."""

PREFIX_CHARACTERS = 10
MAX_CREDITS_PER_USD: Final = 1e9


class Scope(StrEnum):
    """What a key may do in its workspace, and ``operate`` beyond it; see `INCLUDED`."""

    INGEST = "ingest"
    READ = "read"
    ADMIN = "admin"
    EDIT = "edit"
    """Decide what is kept with runs: where suggestions stand."""
    OPERATE = "operate"
    """Create, list and delete all workspaces and their keys, without reading what is in them."""


INCLUDED: Final = {Scope.EDIT: {Scope.READ}, Scope.ADMIN: {Scope.INGEST, Scope.READ, Scope.EDIT}}
"""Scopes that come with another."""


class WorkspaceExistsError(StorageError):
    """The name is taken."""


class InvalidNameError(StorageError):
    """No name for a workspace."""


class UnknownWorkspaceError(StorageError):
    """There is no workspace of this name."""


class UnknownKeyError(StorageError):
    """There is no key of this id."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A tenant."""

    workspace_id: UUID
    name: str
    created_at: datetime
    credits_per_usd: float | None
    """``None``: runs that state no credits have none."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key after it was made; the key itself is not stored."""

    key_id: str
    workspace_id: UUID
    workspace: str
    key_prefix: str
    """The key's first characters, to recognise it by."""
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None
    expires_at: datetime | None
    """``None``: it is good until it is revoked."""
    last_used_at: datetime | None
    """To the minute; ``None`` where it never was."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key, in the only moment in which it can be shown."""

    key: str
    api_key: ApiKey

    def __repr__(self) -> str:
        """Leaves the key out, so that no log shows it."""
        return f"IssuedKey({self.api_key.key_id})"


async def create_workspace(connection: psycopg.AsyncConnection, name: str) -> Workspace:
    """Makes a workspace.

    Raises:
        WorkspaceExistsError: the name is taken.
        InvalidNameError: the name is blank, longer than 200 characters or holds control characters.
    """
    if not name.strip() or len(name) > 200 or not name.isprintable():
        raise InvalidNameError("A workspace's name is 1 to 200 printable characters")
    async with connection.cursor(row_factory=class_row(Workspace)) as cursor:
        await cursor.execute(SQL.insert_workspace, {"workspace_id": uuid4(), "name": name})
        workspace = await cursor.fetchone()
    if workspace is None:
        raise WorkspaceExistsError(f"There is a workspace named {name!r} already")
    return workspace


async def list_workspaces(connection: psycopg.AsyncConnection) -> list[Workspace]:
    """All workspaces, by name."""
    async with connection.cursor(row_factory=class_row(Workspace)) as cursor:
        await cursor.execute(SQL.list_workspaces)
        return await cursor.fetchall()


async def find_workspace(connection: psycopg.AsyncConnection, name: str) -> Workspace:
    """The workspace of this name.

    Raises:
        UnknownWorkspaceError: there is none.
    """
    for workspace in await list_workspaces(connection):
        if workspace.name == name:
            return workspace
    raise UnknownWorkspaceError(f"There is no workspace named {name!r}")


async def set_credit_rate(connection: psycopg.AsyncConnection, name: str, credits_per_usd: float | None) -> Workspace:
    """Sets how many credits a US dollar is, for runs that are folded from now on; ``None`` for no rate.

    Raises:
        UnknownWorkspaceError: there is none of this name.
        StorageError: the rate is negative, not finite or beyond `MAX_CREDITS_PER_USD`.
    """
    if credits_per_usd is not None and not 0 <= credits_per_usd <= MAX_CREDITS_PER_USD:
        raise StorageError(f"A rate is a number of credits from 0 to {MAX_CREDITS_PER_USD:,.0f}")
    async with connection.cursor(row_factory=class_row(Workspace)) as cursor:
        await cursor.execute(SQL.set_credit_rate, {"name": name, "credits_per_usd": credits_per_usd})
        workspace = await cursor.fetchone()
    if workspace is None:
        raise UnknownWorkspaceError(f"There is no workspace named {name!r}")
    return workspace


async def credit_rates(connection: psycopg.AsyncConnection[Any], workspace_ids: Collection[UUID]) -> dict[UUID, float]:
    """Credits for a US dollar in each of these workspaces; those without a rate are left out."""
    cursor = await connection.execute(SQL.credit_rates, {"workspace_ids": list(set(workspace_ids))})
    return dict(await cursor.fetchall())


def allowed(scopes: Collection[str]) -> frozenset[str]:
    """The scopes with those that come with them."""
    included = (INCLUDED.get(Scope(scope), set()) for scope in scopes)
    return frozenset(scopes).union(*included)


async def create_key(
    connection: psycopg.AsyncConnection,
    workspace: str,
    scopes: Collection[str] = (Scope.INGEST, Scope.READ),
    *,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Makes a key for the workspace of this name, for ever or until `expires_at`.

    Raises:
        UnknownWorkspaceError: there is none of this name.
        StorageError: no scope, or one that is not in `Scope`.
    """
    if not scopes or not set(scopes) <= set(Scope):
        raise StorageError(f"A key's scopes are one or more of {', '.join(Scope)}")
    key = "sw_" + secrets.token_urlsafe(32)
    parameters = {
        "workspace": workspace,
        "key_id": secrets.token_hex(8),
        "key_hash": hash_of(key),
        "key_prefix": key[:PREFIX_CHARACTERS],
        "scopes": sorted({str(scope) for scope in scopes}),
        "expires_at": expires_at,
    }
    async with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(SQL.insert_key, parameters)
        api_key = await cursor.fetchone()
    if api_key is None:
        raise UnknownWorkspaceError(f"There is no workspace named {workspace!r}")
    return IssuedKey(key, api_key)


async def list_keys(connection: psycopg.AsyncConnection, workspace: str | None = None) -> list[ApiKey]:
    """The keys of a workspace by its name, or of all; revoked ones included."""
    async with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(SQL.list_keys, {"workspace": workspace})
        return await cursor.fetchall()


async def revoke_key(connection: psycopg.AsyncConnection, key_id: str, workspace_id: UUID | None = None) -> ApiKey:
    """Ends a key for good, and what people signed in to with it; running processes notice within two seconds.

    With a workspace only one of its keys.

    Raises:
        UnknownKeyError: there is no key of this id.
    """
    async with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(SQL.revoke_key, {"key_id": key_id, "workspace_id": workspace_id})
        api_key = await cursor.fetchone()
    if api_key is None:
        raise UnknownKeyError(f"There is no key with the id {key_id!r}")
    return api_key


def hash_of(key: str) -> bytes:
    """What is stored of a key, or of a session's token."""
    return hashlib.sha256(key.encode()).digest()
