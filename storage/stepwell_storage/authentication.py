"""Who asks: tells the workspace that a key or a session opens, and what may be done in it.

Every process asks the database at most every `CACHE_S` seconds for each, so that what is revoked is refused within
that time everywhere.
"""

import hmac
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

from stepwell_storage import queries
from stepwell_storage.database import make_pool, unavailability_told
from stepwell_storage.keys import LOCAL_WORKSPACE_ID, Scope, allowed, hash_of
from stepwell_storage.sessions import ROLE_SCOPES
from stepwell_storage.settings import Settings

SQL = queries.load("authentication")

KEY: Final = re.compile(r"sw_[A-Za-z0-9_-]{43}")
TOKEN: Final = re.compile(r"ss_[A-Za-z0-9_-]{43}")
CACHE_S: Final = 2.0
CACHED_KEYS: Final = 10_000

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose data a request brings: the workspace, and the key that opened it (``None`` without authentication)."""

    workspace_id: UUID
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, in which workspace, and with which scopes."""

    workspace_id: UUID
    actor: str
    """The name under which changes are written down: ``key ID`` or ``person NAME``."""
    scopes: frozenset[str]
    key_id: str | None = None
    credential: bytes = field(default=b"", repr=False)
    """Hash of the key or the session's token."""
    is_session: bool = False


LOCAL_CALLER: Final = Caller(LOCAL_WORKSPACE_ID, "local", frozenset(Scope))
"""Everyone without authentication: whoever reaches this machine's loopback addresses."""


class Authenticator:
    """Tells who a key or a session's token stands for."""

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
        self._callers: dict[bytes, tuple[float, Caller]] = {}
        self._refusals: dict[bytes, float] = {}

    async def workspace_of(self, key: str, scope: str) -> UUID | None:
        """The key's workspace; ``None`` where the key is unknown, over, revoked or lacks the scope.

        Raises:
            DatabaseUnavailableError: the key is not cached and the database cannot be asked.
        """
        sender = await self.sender_of(key, scope)
        return None if sender is None else sender.workspace_id

    async def sender_of(self, key: str, scope: str) -> Sender | None:
        """The same with the key's id."""
        caller = await self.caller_of(key)
        if caller is None or scope not in caller.scopes or caller.is_session:
            return None
        return Sender(caller.workspace_id, caller.key_id)

    async def caller_of(self, credential: str) -> Caller | None:
        """Whom a key or a session's token stands for; ``None`` where it is unknown, over or revoked.

        Raises:
            DatabaseUnavailableError: it is not cached and the database cannot be asked.
        """
        is_session = TOKEN.fullmatch(credential) is not None
        if not is_session and not KEY.fullmatch(credential):
            return None
        return await self._caller(hash_of(credential), is_session=is_session)

    async def renewed(self, caller: Caller) -> Caller | None:
        """The caller as it is now; ``None`` where its key or session is over."""
        return await self._caller(caller.credential, is_session=caller.is_session)

    def forget(self, caller: Caller) -> None:
        """Asks the database when the caller comes again: something about it has changed."""
        self._callers.pop(caller.credential, None)

    async def _caller(self, credential: bytes, *, is_session: bool) -> Caller | None:
        now_s = self._clock_s()
        until_s, caller = self._callers.get(credential, (now_s, None))
        if until_s > now_s:
            return caller
        if self._refusals.get(credential, now_s) > now_s:
            return None
        # Counted from before the question: an answer that travels long is not valid for longer.
        with unavailability_told():
            async with self._pool.connection() as connection:
                find = _find_session if is_session else _find_key
                caller = await find(connection, credential)
        if caller is None:
            self._callers.pop(credential, None)
            _remember(self._refusals, credential, now_s + CACHE_S, self._cached_keys)
        else:
            self._refusals.pop(credential, None)
            _remember(self._callers, credential, (now_s + CACHE_S, caller), self._cached_keys)
        return caller


@asynccontextmanager
async def open_authenticator(settings: Settings, application_name: str) -> AsyncIterator[Authenticator | None]:
    """The check of keys on connections of its own; ``None`` where the settings ask for no keys."""
    if not settings.auth:
        yield None
        return
    async with make_pool(settings.database_url, application_name=application_name) as pool:
        yield Authenticator(pool)


async def _find_key(connection: psycopg.AsyncConnection[Any], key_hash: bytes) -> Caller | None:
    row = await (await connection.execute(SQL.find_key, {"key_hash": key_hash})).fetchone()
    if row is None or not hmac.compare_digest(row[2], key_hash):
        return None
    workspace_id, key_id, _, scopes, is_due = row
    if is_due:
        # A replica tells who asks, and leaves writing it down to the others.
        with suppress(psycopg.errors.ReadOnlySqlTransaction):
            await connection.execute(SQL.note_use, {"workspace_id": workspace_id, "key_id": key_id})
    return Caller(workspace_id, f"key {key_id}", allowed(scopes), key_id, key_hash)


async def _find_session(connection: psycopg.AsyncConnection[Any], token_hash: bytes) -> Caller | None:
    row = await (await connection.execute(SQL.find_session, {"token_hash": token_hash})).fetchone()
    if row is None or not hmac.compare_digest(row[1], token_hash):
        return None
    workspace_id, _, _, key_id, person, _, key_scopes, roles = row
    scopes = key_scopes if key_id is not None else [ROLE_SCOPES[role] for role in roles or ()]
    if not scopes:
        return None
    actor = f"key {key_id}" if key_id is not None else f"person {person}"
    return Caller(workspace_id, actor, allowed(scopes), key_id, token_hash, is_session=True)


def _remember(cache: dict[bytes, _Value], credential: bytes, value: _Value, limit: int) -> None:
    """Keeps the newest `limit` entries; the oldest go first."""
    cache.pop(credential, None)
    cache[credential] = value
    while len(cache) > limit:
        del cache[next(iter(cache))]
