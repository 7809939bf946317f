"""What handlers need: the engine, the settings, and whose question it is."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import psycopg
from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncEngine

from stepwell_api.insight.cache import ReadingCache
from stepwell_api.live.hub import Hub
from stepwell_api.origins import SAFE_METHODS, comes_from_elsewhere
from stepwell_api.problems import ProblemError
from stepwell_storage.authentication import LOCAL_CALLER, Authenticator, Caller
from stepwell_storage.database import connect
from stepwell_storage.errors import DatabaseUnavailableError
from stepwell_storage.keys import Scope
from stepwell_storage.settings import Settings

if TYPE_CHECKING:
    from stepwell_api.openid import Provider

COOKIE = "stepwell_session"
KEY_HEADER = APIKeyHeader(
    name="X-Stepwell-Key",
    auto_error=False,
    description="An API key with the scope `read`, or `admin` to delete; with `--auth` only",
)
BEARER = HTTPBearer(auto_error=False, description="The same key as a bearer token")
SESSION = APIKeyCookie(
    name=COOKIE, auto_error=False, description="What `POST /api/v1/session` gives a browser in exchange for a key"
)


@dataclass(frozen=True, slots=True)
class Context:
    """What the application holds while it runs."""

    settings: Settings
    engine: AsyncEngine
    """In autocommit mode: every question is one statement or does without a common snapshot."""
    hub: Hub
    """Follows what happens to runs."""
    authenticator: Authenticator | None
    """``None`` without ``--auth``: everything is in the workspace ``local``."""
    openid: "Provider | None" = None
    """``None`` where people sign in by key alone."""
    readings: ReadingCache = field(default_factory=ReadingCache)

    async def still_lets(self, caller: Caller) -> bool:
        """Whether the caller may go on reading; for answers that take long."""
        if self.authenticator is None:
            return True
        with suppress(DatabaseUnavailableError):
            return await self.authenticator.renewed(caller) == caller
        # Nothing can be read either, and those who stay are asked again.
        return True

    @asynccontextmanager
    async def connection(self, application_name: str) -> AsyncIterator[psycopg.AsyncConnection]:
        """A connection for what is rare: changes, and questions about access."""
        async with await connect(self.settings.database_url, application_name=application_name) as connection:
            yield connection


def context_of(request: Request) -> Context:
    """The application's context."""
    context = request.app.state.context
    assert isinstance(context, Context)
    return context


async def visitor_of(
    request: Request,
    context: Annotated[Context, Depends(context_of)],
    key: Annotated[str | None, Depends(KEY_HEADER)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    session: Annotated[str | None, Depends(SESSION)],
) -> Caller | None:
    """Who asks, by key or by the browser's session; ``None`` for nobody we know.

    Raises:
        ProblemError: another site had the browser send a change.
    """
    if context.authenticator is None:
        return LOCAL_CALLER
    presented = key or (bearer.credentials if bearer else None)
    if presented:
        caller = await context.authenticator.caller_of(presented)
        return None if caller is not None and caller.is_session else caller
    if not session:
        return None
    if request.method not in SAFE_METHODS and comes_from_elsewhere(request):
        raise forbidden("A change that a browser sends has to come from Stepwell's own pages.")
    caller = await context.authenticator.caller_of(session)
    return caller if caller is not None and caller.is_session else None


Visitor = Annotated[Caller | None, Depends(visitor_of)]


def forbidden(detail: str) -> ProblemError:
    """403 with what would be needed."""
    return ProblemError(HTTPStatus.FORBIDDEN, "forbidden", detail)


def _requiring(*scopes: Scope) -> Callable[..., Awaitable[Caller]]:
    """The dependency of handlers that need one of these scopes."""
    scope = "` or `".join(scopes)

    async def caller_with_scope(request: Request, visitor: Visitor) -> Caller:
        if visitor is not None and not visitor.scopes.isdisjoint(scopes):
            return visitor
        if visitor is not None and visitor.is_session:
            raise forbidden(f"This needs the scope `{scope}`, which you do not have in this workspace.")
        is_presented = KEY_HEADER.model.name in request.headers or "Authorization" in request.headers
        what = f"The key is unknown, revoked or lacks the scope `{scope}`." if is_presented else "A key is needed."
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            "unauthenticated",
            f"{what} Send one as `X-Stepwell-Key: KEY` or `Authorization: Bearer KEY`.",
            headers={"WWW-Authenticate": "Bearer"},
        )

    return caller_with_scope


Reader = Annotated[Caller, Depends(_requiring(Scope.READ))]
Editor = Annotated[Caller, Depends(_requiring(Scope.EDIT))]
Administrator = Annotated[Caller, Depends(_requiring(Scope.ADMIN))]
Operator = Annotated[Caller, Depends(_requiring(Scope.OPERATE))]
Manager = Annotated[Caller, Depends(_requiring(Scope.ADMIN, Scope.OPERATE))]


async def _read_by(caller: Reader) -> UUID:
    return caller.workspace_id


async def _administered_by(caller: Administrator) -> UUID:
    return caller.workspace_id


Workspace = Annotated[UUID, Depends(_read_by)]
AdministeredWorkspace = Annotated[UUID, Depends(_administered_by)]
Serving = Annotated[Context, Depends(context_of)]
