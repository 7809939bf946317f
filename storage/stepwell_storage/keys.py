"""Workspaces (tenants), their API keys, and the check of a key.

The workspace of everything that is stored or read comes from here, never from a payload. A key is 256 random bits,
so that a plain SHA-256 of it can be stored: there is nothing to guess that a slow hash would have to protect.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

from stepwell_storage import queries
from stepwell_storage.database import make_pool, unavailability_told
from stepwell_storage.errors import StorageError
from stepwell_storage.settings import Settings

SQL = queries.load("keys")

LOCAL_WORKSPACE_ID = UUID(int=1)
"""The workspace ``local``, where everything lands without authentication; the first migration makes it."""

KEY = re.compile(r"sw_[A-Za-z0-9_-]{43}")
PREFIX_CHARACTERS = 10
CACHE_S = 2.0
CACHED_KEYS = 10_000
MAX_CREDITS_PER_USD: Final = 1e9

_Value = TypeVar("_Value")


class Scope(StrEnum):
    """What a key may do in its workspace; ``admin`` includes the others."""

    INGEST = "ingest"
    READ = "read"
    ADMIN = "admin"


class WorkspaceExistsError(StorageError):
    """The name is taken."""


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
        StorageError: the name is blank, longer than 200 characters or holds control characters.
    """
    if not name.strip() or len(name) > 200 or not name.isprintable():
        raise StorageError("A workspace's name is 1 to 200 printable characters")
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


async def create_key(
    connection: psycopg.AsyncConnection, workspace: str, scopes: Collection[str] = (Scope.INGEST, Scope.READ)
) -> IssuedKey:
    """Makes a key for the workspace of this name.

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
        "key_hash": _hash(key),
        "key_prefix": key[:PREFIX_CHARACTERS],
        "scopes": sorted({str(scope) for scope in scopes}),
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


async def revoke_key(connection: psycopg.AsyncConnection, key_id: str) -> ApiKey:
    """Ends a key for good; running processes notice within `CACHE_S` seconds.

    Raises:
        UnknownKeyError: there is no key of this id.
    """
    async with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(SQL.revoke_key, {"key_id": key_id})
        api_key = await cursor.fetchone()
    if api_key is None:
        raise UnknownKeyError(f"There is no key with the id {key_id!r}")
    return api_key


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose data a request brings: the workspace, and the key that opened it (``None`` without authentication)."""

    workspace_id: UUID
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Grant:
    sender: Sender
    scopes: frozenset[str]


class Authenticator:
    """Tells the workspace that a key opens, asking the database at most every `CACHE_S` seconds for each key."""

    def __init__(
        self,
        pool: AsyncConnectionPool[psycopg.AsyncConnection],
        *,
        clock_s: Callable[[], float] = time.monotonic,
        cached_keys: int = CACHED_KEYS,
    ) -> None:
        self._pool = pool
        self._clock_s = clock_s
        self._cached_keys = cached_keys
        # Unknown keys are kept apart, so that a flood of invented ones cannot push the real ones out.
        self._grants: dict[bytes, tuple[float, _Grant]] = {}
        self._refusals: dict[bytes, float] = {}

    async def workspace_of(self, key: str, scope: str) -> UUID | None:
        """The key's workspace; ``None`` where the key is unknown, revoked or lacks the scope.

        Raises:
            DatabaseUnavailableError: the key is not cached and the database cannot be asked.
        """
        sender = await self.sender_of(key, scope)
        return None if sender is None else sender.workspace_id

    async def sender_of(self, key: str, scope: str) -> Sender | None:
        """The same with the key's id."""
        if not KEY.fullmatch(key):
            return None
        grant = await self._grant(_hash(key))
        if grant is None or not grant.scopes & {scope, Scope.ADMIN}:
            return None
        return grant.sender

    async def _grant(self, key_hash: bytes) -> _Grant | None:
        now_s = self._clock_s()
        until_s, grant = self._grants.get(key_hash, (now_s, None))
        if until_s > now_s:
            return grant
        if self._refusals.get(key_hash, now_s) > now_s:
            return None
        # Counted from before the question: an answer that travels long is not valid for longer.
        grant = await self._find(key_hash)
        if grant is None:
            self._grants.pop(key_hash, None)
            _remember(self._refusals, key_hash, now_s + CACHE_S, self._cached_keys)
        else:
            self._refusals.pop(key_hash, None)
            _remember(self._grants, key_hash, (now_s + CACHE_S, grant), self._cached_keys)
        return grant

    async def _find(self, key_hash: bytes) -> _Grant | None:
        with unavailability_told():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(SQL.find_key, {"key_hash": key_hash})
                row = await cursor.fetchone()
        if row is None or not hmac.compare_digest(row[2], key_hash):
            return None
        return _Grant(Sender(row[0], row[1]), frozenset(row[3]))


@asynccontextmanager
async def open_authenticator(settings: Settings, application_name: str) -> AsyncIterator[Authenticator | None]:
    """The check of keys on connections of its own; ``None`` where the settings ask for no keys."""
    if not settings.auth:
        yield None
        return
    async with make_pool(settings.database_url, application_name=application_name) as pool:
        yield Authenticator(pool)


def _remember(cache: dict[bytes, _Value], key_hash: bytes, value: _Value, limit: int) -> None:
    """Keeps the newest `limit` entries; the oldest go first."""
    cache.pop(key_hash, None)
    cache[key_hash] = value
    while len(cache) > limit:
        del cache[next(iter(cache))]


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
