"""Checks of addresses before anything is started, so that a start fails early and says why."""

import errno
import ipaddress
import socket
from typing import Any

from stepwell_api.failures import CommandError
from stepwell_storage.settings import Settings

Address = tuple[Any, ...]

PORT_OPTIONS = {"port": "--port", "otlp_http_port": "--otlp-http-port", "otlp_grpc_port": "--otlp-grpc-port"}
"""Fields of `Settings` that are ports, with their options."""


def check_addresses(settings: Settings, *fields: str) -> None:
    """Return when every port among ``fields`` can be listened on, and may be.

    Raises:
        CommandError: a port is taken, or the host is not allowed without authentication.
    """
    _require_loopback_or_auth(settings)
    chosen: dict[int, str] = {}
    for field in fields:
        port = getattr(settings, field)
        if port in chosen:
            raise CommandError(f"{PORT_OPTIONS[field]} and {chosen[port]} are both {port}; give each its own port")
        if port != 0:
            chosen[port] = PORT_OPTIONS[field]
            _require_free(settings.host, port, PORT_OPTIONS[field])


def _require_loopback_or_auth(settings: Settings) -> None:
    if settings.auth or all(_is_loopback(address[0]) for _, address in _addresses(settings.host, 0)):
        return
    raise CommandError(
        f"refusing to listen on {settings.host} without authentication: everyone who reaches this machine could read "
        "and write all data; add --auth (and create a key with `stepwell key create`), or use --host 127.0.0.1"
    )


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.split("%")[0]).is_loopback


def _addresses(host: str, port: int) -> list[tuple[int, Address]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CommandError(f"--host: {host!r} is no address of this machine ({error.strerror})") from error
    return [(family, address) for family, _, _, _, address in found]


def _require_free(host: str, port: int, option: str) -> None:
    """Bind and let go: servers that share ports by ``SO_REUSEPORT`` would not notice a second one."""
    for family, address in _addresses(host, port):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind(address)
            except OSError as error:
                raise CommandError(_refusal(error, host, port, option)) from error


def _refusal(error: OSError, host: str, port: int, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is taken by another program; "
            f"stop it, or choose another port with {option} (0 picks a free one)"
        )
    if error.errno == errno.EACCES:
        return f"this user may not listen on port {port}; choose one above 1023 with {option}"
    return f"cannot listen on {host} port {port}: {error.strerror}; choose another address with --host"
