"""The HTTP application: its routes, what it holds while it runs, and the server around it.

Beside the API it takes OTLP on ``/v1/*``, for setups that open only one port.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine

from stepwell_api.compression import CompressingMiddleware
from stepwell_api.context import Context
from stepwell_api.dashboard import Dashboard
from stepwell_api.live.hub import Hub
from stepwell_api.observing import ObservingMiddleware
from stepwell_api.problems import MEDIA_TYPE, answer_with_problems, refused
from stepwell_api.routes import (
    access,
    agents,
    alert_rules,
    alerts,
    comparison,
    deletion,
    executions,
    export,
    facets,
    ingest,
    insight,
    live,
    openid,
    operations,
    recovering,
    recovery,
    retention,
    session,
    suggestions,
    webhooks,
)
from stepwell_api.routes.asking import PREFIX
from stepwell_receiver import browsers
from stepwell_receiver.http import otlp_routes
from stepwell_receiver.ingest import Ingest
from stepwell_receiver.listening import HttpServer, claim, url_of
from stepwell_receiver.redaction.workspaces import open_redactors
from stepwell_receiver.tls import certificates_of
from stepwell_storage.authentication import open_authenticator
from stepwell_storage.commit import Committer
from stepwell_storage.database import make_engine
from stepwell_storage.settings import Settings

if TYPE_CHECKING:
    from stepwell_api.openid import Provider

DESCRIPTION = """Executions of AI agents: what ran, how long, at what cost, and why it failed.

Times are RFC 3339 in UTC, durations milliseconds, costs US dollars; unknown values are `null`, never 0. Lists are
paged: pass `next_cursor` as `cursor` with the other parameters unchanged. Errors are RFC 9457 problem documents."""


class StepwellAPI(FastAPI):
    """FastAPI whose document says that errors are problem documents."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            for path in super().openapi()["paths"].values():
                for operation in path.values():
                    _tell_media_type_of_errors(operation["responses"])
        return super().openapi()


def create_app(settings: Settings) -> FastAPI:
    """The application; its lifespan opens and closes what it needs, and waits for no database."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _serving(app, settings):
            yield

    app = StepwellAPI(
        title="Stepwell",
        version=version("stepwell"),
        description=DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    for routes in (
        executions,
        facets,
        agents,
        insight,
        suggestions,
        recovery,
        recovering,
        webhooks,
        alert_rules,
        alerts,
        comparison,
        export,
        live,
        deletion,
        ingest,
        session,
        retention,
        access,
        operations,
    ):
        app.include_router(routes.router)
    app.router.routes.extend(openid.ROUTES)
    answer_with_problems(app)
    app.router.default = Dashboard(app.router.default)
    app.add_middleware(CompressingMiddleware)
    app.add_middleware(browsers.guarded, settings=settings, refuse=refused)
    app.add_middleware(ObservingMiddleware)
    return app


async def serve(settings: Settings, *, started: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serves until `stop` is set; calls `started` with the address once it answers.

    Raises:
        PortTakenError: the port cannot be had.
    """
    certificates = certificates_of(settings)
    with claim(settings.host, settings.port, "--port") as listener:
        app = create_app(settings)
        server = HttpServer(app, listener, certificates)
        async with app.router.lifespan_context(app):
            await server.start()
            try:
                started(url_of(listener, certificates))
                await stop.wait()
            finally:
                # Streams have no end of their own.
                await app.state.context.hub.stop()
                await server.stop()


@asynccontextmanager
async def _serving(app: FastAPI, settings: Settings) -> AsyncIterator[None]:
    """Opens what the handlers need, in the order in which it may be closed again backwards."""
    async with AsyncExitStack() as stack:
        engine = _reading_engine(settings)
        stack.push_async_callback(engine.dispose)
        authenticator = await stack.enter_async_context(open_authenticator(settings, "stepwell api keys"))
        committer = Committer(settings)
        await committer.start()
        stack.push_async_callback(committer.stop)
        hub = Hub(settings.database_url)
        stack.push_async_callback(hub.stop)
        app.state.context = Context(settings, engine, hub, authenticator, _provider(settings))
        # Loaded beside, since it takes longer than the first question for suggestions may wait.
        warming = asyncio.create_task(asyncio.to_thread(import_module, "stepwell_api.insight.suggestions"))
        stack.push_async_callback(asyncio.wait, [warming])
        redactors = await stack.enter_async_context(open_redactors(settings, "stepwell api rules"))
        app.router.routes.extend(otlp_routes(Ingest(settings, committer, authenticator, redactors)))
        yield


def _provider(settings: Settings) -> "Provider | None":
    if not (settings.auth and settings.oidc_issuer):
        return None
    # Cryptography is loaded where it is asked for.
    from stepwell_api.openid import Provider

    return Provider(settings)


def _reading_engine(settings: Settings) -> AsyncEngine:
    engine = make_engine(settings.database_url)

    @event.listens_for(engine.sync_engine, "connect")
    def never_prepare(connection: DBAPIConnection, _: object) -> None:
        # A prepared statement's generic plan knows neither the window nor the filters in use, and picks wrong indexes.
        connection.driver_connection.prepare_threshold = None

    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _tell_media_type_of_errors(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        content = response.get("content", {})
        if status >= "400" and "application/json" in content:
            response["content"] = {MEDIA_TYPE: content["application/json"]}
