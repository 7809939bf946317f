"""What browsers may do here, before any handler sees their request: on the receiver's port and on the API's.

A page that somebody visits can have the browser send requests to this machine. Without authentication that is refused
by two headers that the page cannot choose: `Host`, which names what the page was reached by (so that a name of theirs
that suddenly points at a loopback address opens nothing: DNS rebinding), and `Origin`. Pages of listed origins may use
everything by CORS, with keys; cookies are never taken from them.
"""

import ipaddress
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stepwell_storage.settings import Settings

Refuse = Callable[[int, str], Response]
"""Makes the answer of a status and a reason."""

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CORS_METHODS: Final = ("GET", "POST", "PATCH", "PUT", "DELETE")
_CORS_HEADERS: Final = ("Authorization", "X-Stepwell-Key", "Content-Type", "Content-Encoding", "Last-Event-ID")
_MISDIRECTED: Final = 421
_FORBIDDEN: Final = 403

HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What every answer has that does not say otherwise itself."""
_OVER_TLS: Final = ("Strict-Transport-Security", "max-age=31536000")


def guarded(app: ASGIApp, settings: Settings, refuse: Refuse) -> ASGIApp:
    """The application behind these checks."""
    origins = words_of(settings.cors_origins)
    if origins:
        app = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=_CORS_METHODS,
            allow_headers=_CORS_HEADERS,
            expose_headers=["Retry-After"],
        )
    return _Guard(app, settings, refuse)


def words_of(text: str) -> tuple[str, ...]:
    """The parts of a list as settings hold it."""
    return tuple(filter(None, text.split(",")))


class _Guard:
    def __init__(self, app: ASGIApp, settings: Settings, refuse: Refuse) -> None:
        self._app = app
        self._refuse = refuse
        self._is_open = not settings.auth
        self._hosts = {*words_of(settings.allowed_hosts), _name_in(urlsplit(settings.public_url).netloc)}
        self._origins = {*words_of(settings.cors_origins), settings.public_url}
        self._is_behind_tls = settings.public_url.startswith("https://")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses what may be another site's doing; else passes the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope, Headers(scope=scope)) if self._is_open else None
        is_over_tls = self._is_behind_tls or scope["scheme"] == "https"
        await (refusal or self._app)(scope, receive, _with_headers(send, is_over_tls=is_over_tls))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        is_safe = scope["method"] in _SAFE_METHODS
        if origin is None and not is_safe:
            return None  # browsers tell the origin of whatever may change something: this is none
        if not self._knows(host):
            return self._refuse(
                _MISDIRECTED,
                f"Without authentication only names of this machine are answered, not {host[:200]!r}; "
                "list others in --allowed-hosts",
            )
        if origin is None or is_safe or origin in self._origins:
            return None
        if urlsplit(origin).netloc == host:
            return None
        return self._refuse(
            _FORBIDDEN,
            f"Without authentication pages of other sites may send nothing; to let {origin[:200]!r} do so, "
            "list it in --cors-origins",
        )

    def _knows(self, host: str) -> bool:
        # HTTP/1.0 has no Host, and no browser speaks it.
        return not host or (name := _name_in(host)) in self._hosts or _is_loopback(name)


def _name_in(host: str) -> str:
    """The name in a host header, without its port, and without brackets around IPv6."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().rstrip(".")


@lru_cache(maxsize=1000)
def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _with_headers(send: Send, *, is_over_tls: bool) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if is_over_tls:
                headers.setdefault(*_OVER_TLS)
        await send(message)

    return send_with_headers
