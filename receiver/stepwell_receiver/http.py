"""OTLP/HTTP: Starlette routes for the receiver's own port, and for the API's, which serves the same paths."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from google.rpc import code_pb2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from stepwell_receiver import browsers, status
from stepwell_receiver.bodies import ENCODINGS, MediaType, encoding_of, media_type_of, read_body, within_patience
from stepwell_receiver.errors import (
    UNEXPECTED,
    UnauthenticatedError,
    UnsupportedEncodingError,
    UnsupportedMediaTypeError,
    meaning_of,
)
from stepwell_receiver.ingest import Body, Ingest, observed
from stepwell_receiver.signals import SIGNALS, Signal
from stepwell_storage import metrics
from stepwell_storage.settings import Settings

_log: Final = logging.getLogger(__name__)

_Endpoint = Callable[[Request], Awaitable[Response]]


def otlp_routes(ingest: Ingest) -> list[Route]:
    """``POST /v1/traces``, ``/v1/logs`` and ``/v1/metrics``; other methods answer 405 with Allow."""
    return [Route(signal.path, _endpoint(ingest, signal), methods=["POST"]) for signal in SIGNALS]


def make_app(ingest: Ingest, settings: Settings) -> ASGIApp:
    """The application on the receiver's own port: OTLP, liveness and metrics."""
    routes = [
        *otlp_routes(ingest),
        Route("/healthz", _healthz, methods=["GET"]),
        Route("/metrics", _metrics, methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers={404: _not_found, 405: _wrong_method})
    return browsers.guarded(app, settings, _refusal)


def _endpoint(ingest: Ingest, signal: Signal) -> _Endpoint:
    async def export(request: Request) -> Response:
        try:
            with observed(signal, "http"):
                media_type, content = await _answer(ingest, signal, request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it
        except Exception as error:
            return _failure(error, request)
        return Response(content, media_type=media_type)

    return export


async def _answer(ingest: Ingest, signal: Signal, request: Request) -> tuple[MediaType, bytes]:
    sender = await ingest.sender_of(request.headers)
    with ingest.refusals_noted(signal, sender):
        media_type = media_type_of(request.headers.get("content-type"))
        encoding = encoding_of(request.headers.get("content-encoding"))
        limit_bytes = ingest.max_body_bytes
        with ingest.read_budget.reader(sender.key_id) as charge:
            async with within_patience():
                content = await read_body(request.stream(), request.headers, limit_bytes=limit_bytes, charge=charge)
            response = await ingest.take(signal, sender, Body(content, media_type, encoding))
    return media_type, status.encode(response, media_type)


def _failure(error: Exception, request: Request) -> Response:
    """The Status of an error, in the request's encoding; in JSON where that is none of OTLP's."""
    meaning = meaning_of(error)
    if meaning is UNEXPECTED:
        _log.error("A request failed unexpectedly", exc_info=error, extra={"path": request.url.path})
    try:
        media_type = media_type_of(request.headers.get("content-type"))
    except UnsupportedMediaTypeError:
        media_type = MediaType.JSON
    headers = status.retry_after_header(error)
    if isinstance(error, UnauthenticatedError):
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, UnsupportedEncodingError):
        headers["accept-encoding"] = ", ".join(ENCODINGS)
    content = status.encode(status.failure(error), media_type)
    return Response(content, meaning.http_status, headers, media_type=media_type)


def _refusal(http_status: int, message: str) -> Response:
    return JSONResponse({"code": code_pb2.PERMISSION_DENIED, "message": message}, http_status)


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _metrics(_: Request) -> Response:
    return Response(metrics.exposition(), headers={"content-type": metrics.EXPOSITION_CONTENT_TYPE})


async def _not_found(request: Request, _: Exception) -> Response:
    """A wrong path is the commonest mistake in an exporter's configuration, so the answer names the right ones."""
    paths = ", ".join(signal.path for signal in SIGNALS)
    message = f"Nothing is at {request.url.path}; OTLP goes to {paths}"
    return JSONResponse({"code": code_pb2.NOT_FOUND, "message": message}, 404)


async def _wrong_method(request: Request, error: Exception) -> Response:
    headers = error.headers if isinstance(error, HTTPException) else None
    message = f"{request.url.path} does not take {request.method}"
    return JSONResponse({"code": code_pb2.UNIMPLEMENTED, "message": message}, 405, headers)
