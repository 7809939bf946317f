"""Checks of addresses before anything is started, so that a start fails early and says why."""

import ipaddress

from stepwell_api.failures import CommandError
from stepwell_api.options import SERVING_OPTIONS, parse_port
from stepwell_receiver.listening import CAN_SHARE_PORTS, claim, resolve
from stepwell_storage.settings import Settings

PORT_OPTIONS = {option.field: option.flag for option in SERVING_OPTIONS if option.parse is parse_port}
"""Fields of `Settings` that are ports, with their options."""


def check_addresses(settings: Settings, *fields: str, joins_receivers: bool = False) -> None:
    """Return when every port among ``fields`` can be listened on, and may be.

    ``joins_receivers`` is for one that starts beside the other receivers of its machine, whose ports it shares.

    Raises:
        CommandError: two ports are the same, or the host is not allowed without authentication, or ports cannot be
            shared on this system.
        PortTakenError: a port or the address cannot be had.
    """
    _require_loopback_or_auth(settings)
    if settings.receivers > 1 and not CAN_SHARE_PORTS:
        raise CommandError("--receivers above 1 needs Linux; elsewhere a port takes one receiver")
    chosen: dict[int, str] = {}
    for field in fields:
        port, option = getattr(settings, field), PORT_OPTIONS[field]
        if port in chosen:
            raise CommandError(f"{option} and {chosen[port]} are both {port}; give each its own port")
        if port != 0:
            chosen[port] = option
            is_shared = joins_receivers and settings.receivers > 1 and field != "port"
            claim(settings.host, port, option, is_shared=is_shared).close()


def _require_loopback_or_auth(settings: Settings) -> None:
    _, address = resolve(settings.host, 0)
    if settings.auth or ipaddress.ip_address(address[0].split("%")[0]).is_loopback:
        return
    raise CommandError(
        f"refusing to listen on {settings.host} without authentication: everyone who reaches this machine could read "
        "and write all data; add --auth (and create a key with `stepwell key create`), or use --host 127.0.0.1"
    )
