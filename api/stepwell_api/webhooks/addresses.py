"""Where a webhook may go: public addresses, and what the operator allows beside these.

A name is resolved once; every address that it has must be allowed, and the call goes to the address that was checked,
so that a name server cannot answer the check and the call differently. Addresses that carry another one inside
(IPv4 in IPv6, NAT64, 6to4, Teredo) are judged by both.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL_CHARACTERS: Final = 2_000
MAX_ADDRESSES: Final = 16
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_UNPRINTABLE: Final = re.compile(r"[^\x21-\x7e]")

_NAT64: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
"""RFC 6052 and RFC 8215: the last 32 bits are an IPv4 address."""
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
"""RFC 4291, section 2.5.5.1, deprecated."""
_METADATA: Final = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"))
)
"""Where clouds tell a machine its credentials; allowed only by name, not by a network around it."""
_RESERVED: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
            "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            "::/128", "::1/128", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7",
            "fe80::/10", "fec0::/10", "ff00::/8",
        ),
    )
)  # fmt: skip
"""IANA's special-purpose registries (RFC 6890 and its updates), written out: Python's differ by version."""


class RefusedAddressError(Exception):
    """A webhook may not go there; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its parts."""

    scheme: str
    host: str
    """Without brackets, in lower case."""
    port: int
    path: str
    """With the query; never empty."""

    @property
    def authority(self) -> str:
        """As the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(url: str) -> Target:
    """The parts of a webhook's URL.

    Raises:
        RefusedAddressError: it is no http or https URL, or holds what one of a webhook has no use for.
    """
    if len(url) > MAX_URL_CHARACTERS or _UNPRINTABLE.search(url) or "\\" in url:
        raise RefusedAddressError(f"Expected a URL of at most {MAX_URL_CHARACTERS} printable ASCII characters")
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").rstrip(".")
    except ValueError:
        raise RefusedAddressError("Expected a URL like https://example.com/hook") from None
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise RefusedAddressError("Expected a URL that starts with https:// or http:// and names a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise RefusedAddressError("A webhook's URL has no user, password or fragment")
    if "%" in host or port == 0:
        raise RefusedAddressError("A webhook's URL has neither a zone nor port 0")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], path)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks from ``127.0.0.0/8, 10.1.2.3``.

    Raises:
        ValueError: a part is none.
    """
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def refusal(address: Address, allowed: Sequence[Network] = ()) -> str | None:
    """Why a call may not go to the address; ``None`` where it may."""
    for one in (address, *_inside(address)):
        networks = [network for network in allowed if network.version == one.version and one in network]
        if one in _METADATA and not any(network.num_addresses == 1 for network in networks):
            return "it is where a cloud keeps the machine's credentials"
        reserved = next((net for net in _RESERVED if net.version == one.version and one in net), None)
        if reserved is not None and not networks:
            return f"it is in {reserved}, which is not public"
    return None


def is_allowed_by_name(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether the operator lists the address, or the one inside."""
    return any(
        network.version == one.version and one in network for one in (address, *_inside(address)) for network in allowed
    )


def _inside(address: Address) -> Iterator[Address]:
    """The addresses that one carries."""
    if not isinstance(address, ipaddress.IPv6Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if any(address in network for network in _NAT64) or (address in _COMPATIBLE and int(address) > 1):
        yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


async def resolve(target: Target, allowed: Sequence[Network] = ()) -> list[str]:
    """The addresses to connect to, the preferred first: resolved once, and all of them checked.

    Raises:
        RefusedAddressError: an address of the host may not be called, or only by https.
        OSError: the host has no address.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    texts = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))[:MAX_ADDRESSES]
    if not texts:
        raise OSError("The host has no address")
    for text in texts:
        check(text, target.scheme, allowed)
    return texts


def check(text: str, scheme: str, allowed: Sequence[Network]) -> None:
    """Returns where a call by this scheme may go to the address.

    Raises:
        RefusedAddressError: it may not.
    """
    if "%" in text:
        raise RefusedAddressError(f"{text} is of one link alone")
    address = ipaddress.ip_address(text)
    reason = refusal(address, allowed)
    if reason is not None:
        raise RefusedAddressError(f"{text} may not be called: {reason}")
    if scheme == "http" and not is_allowed_by_name(address, allowed):
        raise RefusedAddressError(f"{text} may be called by https alone")
