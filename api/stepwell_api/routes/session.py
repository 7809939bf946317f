"""``/session``: signing in to the dashboard, who is signed in, and signing out."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from stepwell_api.context import COOKIE, Context, Serving, Visitor, forbidden
from stepwell_api.encoding import json_response
from stepwell_api.models.access import Session, SessionChange, SignIn
from stepwell_api.origins import comes_from_elsewhere
from stepwell_api.parameters import Parameters
from stepwell_api.problems import ProblemError
from stepwell_api.routes.asking import make_router
from stepwell_storage import audit, sessions
from stepwell_storage.audit import Action
from stepwell_storage.authentication import LOCAL_CALLER, Caller
from stepwell_storage.keys import LOCAL_WORKSPACE_ID, Scope

router = make_router("session")

APPLICATION = "stepwell api sessions"


@router.get("/session", response_model=Session, operation_id="get_session")
async def get_session(_: Annotated[Parameters, Query()], visitor: Visitor, serving: Serving) -> Response:
    """Who asks, as far as that is known; answers everyone, so that the dashboard knows whether to ask for a key."""
    return json_response(await _told(serving, visitor))


@router.post("/session", response_model=Session, operation_id="sign_in")
async def sign_in(body: SignIn, _: Annotated[Parameters, Query()], request: Request, serving: Serving) -> Response:
    """Exchanges a key for a session, which the browser keeps in a cookie that no script can read.

    The session ends after `--session-lifetime`, with the key, or by signing out, whichever comes first.
    """
    if request.headers.get("origin") is not None and comes_from_elsewhere(request):
        raise forbidden("Signing in has to come from Stepwell's own pages.")
    if serving.authenticator is None:
        return json_response(await _told(serving, LOCAL_CALLER))
    caller = await serving.authenticator.caller_of(body.key.strip())
    if caller is None or caller.key_id is None or caller.is_session or Scope.READ not in caller.scopes:
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED, "unauthenticated", "The key is unknown, revoked, over, or lacks the scope `read`."
        )
    lifetime = timedelta(seconds=serving.settings.session_lifetime_s)
    async with serving.connection(APPLICATION) as connection:
        token = await sessions.begin_with_key(connection, caller.workspace_id, caller.key_id, lifetime)
        await audit.note(connection, caller.workspace_id, caller.actor, Action.SESSION_BEGUN)
    response = json_response(await _told(serving, await serving.authenticator.caller_of(token)))
    set_cookie(response, request, token, serving.settings.session_lifetime_s)
    return response


@router.patch("/session", response_model=Session, operation_id="change_session")
async def change_session(
    body: SessionChange, _: Annotated[Parameters, Query()], visitor: Visitor, serving: Serving
) -> Response:
    """Changes to another workspace of which the person is a member."""
    if visitor is None or not visitor.is_session or serving.authenticator is None:
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "unauthenticated", "Nobody is signed in.")
    async with serving.connection(APPLICATION) as connection:
        if not await sessions.change_workspace(connection, visitor.credential, body.workspace_id):
            raise forbidden("You are no member of this workspace.")
    serving.authenticator.forget(visitor)
    return json_response(await _told(serving, await serving.authenticator.renewed(visitor)))


@router.delete("/session", response_model=Session, operation_id="sign_out")
async def sign_out(_: Annotated[Parameters, Query()], visitor: Visitor, request: Request, serving: Serving) -> Response:
    """Ends the session, here and in the database; a key stays as it is."""
    if visitor is not None and visitor.is_session and serving.authenticator is not None:
        async with serving.connection(APPLICATION) as connection:
            await sessions.end(connection, visitor.credential)
            await audit.note(connection, visitor.workspace_id, visitor.actor, Action.SESSION_ENDED)
        serving.authenticator.forget(visitor)
        visitor = None
    response = json_response(await _told(serving, visitor))
    set_cookie(response, request, "", 0)
    return response


def set_cookie(response: Response, request: Request, token: str, lifetime_s: float) -> None:
    """Gives the browser the token; an empty one takes it away."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(lifetime_s),
        path="/",
        httponly=True,
        samesite="strict",
        secure=is_https(request),
    )
    response.headers["Cache-Control"] = "no-store"


def is_https(request: Request) -> bool:
    """Whether the browser came by TLS: to us, or to what stands before us, as `--public-url` says."""
    settings = request.app.state.context.settings
    return request.url.scheme == "https" or settings.public_url.startswith("https://")


async def _told(serving: Context, caller: Caller | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "auth_required": serving.authenticator is not None,
        "signed_in": caller is not None and Scope.READ in caller.scopes,
        "actor": None if caller is None else caller.actor,
        "scopes": [] if caller is None else sorted(caller.scopes),
        "workspace": None,
        "workspaces": [],
        "expires_at": None,
        "ways": ["key"] if serving.openid is None else ["openid", "key"],
    }
    if caller is LOCAL_CALLER:
        told["workspace"] = {"workspace_id": LOCAL_WORKSPACE_ID, "name": "local"}
    elif caller is not None:
        async with serving.connection(APPLICATION) as connection:
            opened = await sessions.describe(connection, caller.workspace_id, caller.credential)
        names = {str(other): {"workspace_id": other, "name": name} for other, name in opened.workspaces}
        told |= {"workspace": names.get(str(caller.workspace_id)), "workspaces": list(names.values())}
        told["expires_at"] = opened.expires_at
    return told
