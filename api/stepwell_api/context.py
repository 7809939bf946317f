"""What handlers need: the engine, the settings, and whose question it is."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncEngine

from stepwell_api.insight.cache import ReadingCache
from stepwell_api.live.hub import Hub
from stepwell_api.problems import ProblemError
from stepwell_storage.keys import LOCAL_WORKSPACE_ID, Authenticator, Scope
from stepwell_storage.settings import Settings

KEY_HEADER = APIKeyHeader(
    name="X-Stepwell-Key",
    auto_error=False,
    description="An API key with the scope `read`, or `admin` to delete; with `--auth` only",
)
BEARER = HTTPBearer(auto_error=False, description="The same key as a bearer token")


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
    readings: ReadingCache = field(default_factory=ReadingCache)


def context_of(request: Request) -> Context:
    """The application's context."""
    context = request.app.state.context
    assert isinstance(context, Context)
    return context


async def workspace_of(
    context: Annotated[Context, Depends(context_of)],
    key: Annotated[str | None, Depends(KEY_HEADER)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
) -> UUID:
    """The workspace that the key opens for reading.

    Raises:
        ProblemError: 401 without a key that does.
    """
    return await _opened(context, key, bearer, Scope.READ)


async def administered_workspace_of(
    context: Annotated[Context, Depends(context_of)],
    key: Annotated[str | None, Depends(KEY_HEADER)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
) -> UUID:
    """The workspace that the key opens for deleting in it; without ``--auth`` only this machine gets here.

    Raises:
        ProblemError: 401 without a key that does.
    """
    return await _opened(context, key, bearer, Scope.ADMIN)


async def _opened(context: Context, key: str | None, bearer: HTTPAuthorizationCredentials | None, scope: Scope) -> UUID:
    if context.authenticator is None:
        return LOCAL_WORKSPACE_ID
    presented = key or (bearer.credentials if bearer else None)
    workspace_id = await context.authenticator.workspace_of(presented, scope) if presented else None
    if workspace_id is None:
        what = f"The key is unknown, revoked or lacks the scope `{scope}`." if presented else "A key is needed."
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            "unauthenticated",
            f"{what} Send one as `X-Stepwell-Key: KEY` or `Authorization: Bearer KEY`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return workspace_id


Workspace = Annotated[UUID, Depends(workspace_of)]
AdministeredWorkspace = Annotated[UUID, Depends(administered_workspace_of)]
Serving = Annotated[Context, Depends(context_of)]
