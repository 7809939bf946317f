"""``/session/openid``: a browser leaves for the OpenID provider here, and comes back here.

These are addresses of a browser's way and no questions, so they are in no OpenAPI document.
"""

import logging
from base64 import urlsafe_b64decode
from binascii import Error as NoBase64Error
from datetime import timedelta
from http import HTTPStatus
from secrets import compare_digest
from typing import TYPE_CHECKING, Final

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from stepwell_api.context import Context, context_of
from stepwell_api.problems import ProblemError, not_found
from stepwell_api.routes.asking import PREFIX
from stepwell_api.routes.session import APPLICATION, is_https, set_cookie
from stepwell_storage import audit, sessions
from stepwell_storage.audit import Action

if TYPE_CHECKING:
    from stepwell_api.openid import Attempt, Provider

log = logging.getLogger(__name__)

PATH: Final = f"{PREFIX}/session/openid"
COOKIE: Final = "stepwell_sign_in"
ATTEMPT_S: Final = 600


async def leave(request: Request) -> Response:
    """Sends the browser to the provider."""
    from stepwell_api.openid import SignInError, new_attempt

    provider = _provider(context_of(request))
    attempt = new_attempt()
    try:
        address = await provider.address_for(attempt, _callback(request))
    except SignInError as error:
        raise _failed(error) from error
    response = RedirectResponse(address, HTTPStatus.FOUND)
    _keep(response, request, attempt.written(), ATTEMPT_S)
    return response


async def come_back(request: Request) -> Response:
    """Begins the session of whom the provider vouched for, and shows the dashboard."""
    from stepwell_api.openid import SignInError

    serving = context_of(request)
    provider = _provider(serving)
    attempt = _attempt(request)
    code = request.query_params.get("code", "")
    if attempt is None or not compare_digest(request.query_params.get("state", ""), attempt.state) or not code:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "sign_in_failed", "This sign-in was not begun here, took too long, or was refused."
        )
    try:
        person = await provider.person_of(attempt, code, _callback(request))
    except SignInError as error:
        raise _failed(error) from error
    lifetime_s = serving.settings.session_lifetime_s
    async with serving.connection(APPLICATION) as connection:
        begun = await sessions.begin_for_person(connection, person.name, person.groups, timedelta(seconds=lifetime_s))
        if begun is None:
            detail = f"{person.name} is a member of no workspace; an administrator adds members."
            raise ProblemError(HTTPStatus.FORBIDDEN, "forbidden", detail)
        token, workspace_id = begun
        await audit.note(connection, workspace_id, f"person {person.name}", Action.SESSION_BEGUN)
    response = RedirectResponse("/", HTTPStatus.FOUND)
    set_cookie(response, request, token, lifetime_s)
    _keep(response, request, "", 0)
    return response


ROUTES: Final = [Route(PATH, leave, methods=["GET"]), Route(f"{PATH}/callback", come_back, methods=["GET"])]


def _provider(serving: Context) -> "Provider":
    if serving.openid is None:
        raise not_found("No OpenID provider is set up here.")
    return serving.openid


def _callback(request: Request) -> str:
    """Our address as the provider knows it."""
    from stepwell_api.openid import CALLBACK

    settings = context_of(request).settings
    return (settings.public_url or f"{request.url.scheme}://{request.headers['host']}") + CALLBACK


def _attempt(request: Request) -> "Attempt | None":
    from stepwell_api.openid import Attempt

    try:
        return Attempt(**orjson.loads(urlsafe_b64decode(request.cookies.get(COOKIE, ""))))
    except (NoBase64Error, ValueError, TypeError):
        return None


def _keep(response: Response, request: Request, text: str, for_s: int) -> None:
    # Lax and not strict: the browser comes back from another site.
    response.set_cookie(COOKIE, text, max_age=for_s, path=PATH, httponly=True, samesite="lax", secure=is_https(request))


def _failed(error: Exception) -> ProblemError:
    log.warning("a sign-in by the OpenID provider failed", extra={"reason": str(error)})
    return ProblemError(HTTPStatus.BAD_GATEWAY, "sign_in_failed", str(error))
