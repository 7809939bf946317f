"""Ports: claimed before anything starts, so that a port that is taken is told clearly; and uvicorn on such a port.

The API listens in the same way, on its own port, and the commands try all ports before they start anything.
"""

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn

from stepwell_receiver.errors import PortTakenError
from stepwell_receiver.tls import Certificates

GRACE_S: Final = 20
"""How long requests in flight may take to finish when a server stops."""
BACKLOG: Final = 2048
"""Connections that may wait to be accepted."""
CAN_SHARE_PORTS: Final = sys.platform == "linux"
"""Elsewhere a shared port gives all connections to one of its listeners, or cannot be had at all."""
_KEEP_ALIVE_S: Final = 75
"""Longer than exporters pause between their batches, so that they need not connect anew."""


def claim(host: str, port: int, option: str, *, is_shared: bool = False) -> socket.socket:
    """A listening socket; port 0 picks a free one. `option` is the command's that chooses another.

    With `is_shared` other processes of the same user may listen on the port as well, if they share it, too; the system
    spreads connections over them. See `CAN_SHARE_PORTS`.

    Raises:
        PortTakenError: the port or the address cannot be had.
    """
    family, address = resolve(host, port)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # A restart need not wait for old connections; a second listener is refused all the same (not on Windows).
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _refusal(error, host, port, option) from error
    listener.setblocking(False)
    return listener


def resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """The family and the address to listen on; a name with addresses of both families means its IPv4 one.

    Raises:
        PortTakenError: the name has no address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise PortTakenError(f"--host: {host!r} is no address of this machine ({error.strerror})") from error
    # The older protocol is the one that all clients on this machine speak.
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, address


def _refusal(error: OSError, host: str, port: int, option: str) -> PortTakenError:
    other_port = f"choose another port with {option} (0 picks a free one)"
    if error.errno == errno.EADDRINUSE:
        return PortTakenError(f"port {port} on {host} is taken by another program; stop it, or {other_port}")
    if error.errno == errno.EACCES:
        return PortTakenError(f"this user may not listen on port {port}; choose one above 1023 with {option}")
    return PortTakenError(
        f"cannot listen on {host} port {port}: {error.strerror}; choose another address with --host, or {other_port}"
    )


def address_of(listener: socket.socket) -> str:
    """``host:port``, with IPv6 hosts in brackets."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url_of(listener: socket.socket, certificates: Certificates | None = None) -> str:
    """The address as HTTP clients take it."""
    return f"{'https' if certificates else 'http'}://{address_of(listener)}"


class HttpServer:
    """An application on a claimed socket, inside a running event loop whose signals are somebody else's."""

    def __init__(
        self, app: Callable[..., Any], listener: socket.socket, certificates: Certificates | None = None
    ) -> None:
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                # Entered by whoever starts this server, which would turn an error in it into an exit of the process.
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
                **(certificates.for_uvicorn() if certificates else {}),
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns once the application answers."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        answers = asyncio.create_task(self._server.answers.wait())
        await asyncio.wait({self._task, answers}, return_when=asyncio.FIRST_COMPLETED)
        answers.cancel()
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """Accepts nothing more, lets requests in flight finish, and returns."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answers.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone: the process that embeds this server handles them."""
        yield
