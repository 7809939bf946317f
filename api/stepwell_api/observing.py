"""Counts and times every request, by the pattern of its route: ids in labels would make a series each."""

import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stepwell_storage import metrics

UNMATCHED = "unmatched"


class ObservingMiddleware:
    """Wraps the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on and counts how it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            route = _route_of(scope)
            metrics.API_REQUESTS.labels(route, str(int(status))).inc()
            metrics.API_REQUEST_SECONDS.labels(route).observe(time.perf_counter() - started_s)


def _route_of(scope: Scope) -> str:
    """The pattern of the route that took the request."""
    if "route" in scope:
        return str(getattr(scope["route"], "path_format", UNMATCHED))
    # Routes that are not FastAPI's (OTLP, the OpenAPI document) have fixed paths and leave only this trace.
    return str(scope["path"]) if "endpoint" in scope and not scope.get("path_params") else UNMATCHED
