"""Spans of no agent dialect: HTTP, databases, plain functions. They become steps of the run that holds them."""

from typing import Final

from stepwell_receiver.dialects.base import FUNCTION, Dialect, Kind
from stepwell_receiver.wire import Scope, Span
from stepwell_storage.model import Role

HTTP: Final = Kind(Role.OTHER, "http")
DATABASE: Final = Kind(Role.OTHER, "database")

_HTTP_KEYS: Final = ("http.request.method", "http.method")
_DATABASE_KEYS: Final = ("db.system.name", "db.system")


def kind(span: Span, scope: Scope) -> Kind:
    """By OpenTelemetry's HTTP and database conventions; everything else is a function."""
    attributes = span.attributes
    if any(key in attributes for key in _DATABASE_KEYS):
        return DATABASE
    if any(key in attributes for key in _HTTP_KEYS):
        return HTTP
    return FUNCTION


DIALECT: Final = Dialect(
    name="generic",
    kind=kind,
    fields={"session_id": ("session.id",), "user_id": ("user.id", "enduser.id")},
)
