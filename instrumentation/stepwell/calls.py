"""Counts the HTTP requests of a run, whichever library sends them, by a thin layer over their sending methods.

The layer reads the current span, adds one to its run's meter and calls on. Libraries that are imported later are found
when the next agent starts.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import trace

from stepwell import notices, resources

_SENDING: Final = (
    ("http.client", "HTTPConnection", "putrequest"),
    ("httpx", "Client", "send"),
    ("httpx", "AsyncClient", "send"),
    ("aiohttp", "ClientSession", "_request"),
)
"""Module, class and method; ``http.client`` is what urllib, requests, urllib3 and botocore send by."""

_counted: set[tuple[str, str, str]] = set()
_is_on = False


def install() -> None:
    """Counts from now on."""
    global _is_on
    _is_on = True
    find()


def find() -> None:
    """Looks for libraries that were imported in the meantime."""
    if not _is_on or len(_counted) == len(_SENDING):
        return
    for place in _SENDING:
        if place not in _counted and place[0] in sys.modules:
            _counted.add(place)
            _count(*place)


def _count(module: str, owner: str, method: str) -> None:
    try:
        holder: Any = getattr(sys.modules[module], owner)
        setattr(holder, method, _counting(getattr(holder, method)))
    except (AttributeError, TypeError) as error:
        notices.count("http_not_counted", "Requests of %s are not counted: %s", module, error)


def _counting(send: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(send):

        @functools.wraps(send)
        async def counted_async(*args: Any, **kwargs: Any) -> Any:
            resources.count_http(_trace_id())
            return await send(*args, **kwargs)

        return counted_async

    @functools.wraps(send)
    def counted(*args: Any, **kwargs: Any) -> Any:
        resources.count_http(_trace_id())
        return send(*args, **kwargs)

    return counted


def _trace_id() -> int:
    return trace.get_current_span().get_span_context().trace_id
