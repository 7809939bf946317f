"""Ports: claimed before anything starts, so that a port that is taken is told clearly; and uvicorn on such a port.

The API listens in the same way, on its own port.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn

from stepwell_receiver.errors import PortTakenError

GRACE_S: Final = 20
"""How long requests in flight may take to finish when a server stops."""
_KEEP_ALIVE_S: Final = 75
"""Longer than exporters pause between their batches, so that they need not connect anew."""


def claim(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket; port 0 picks a free one. `setting` is the option that chooses another.

    Raises:
        PortTakenError: the port or the address cannot be had.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # Of a name with both, the older protocol: it is the one that all clients on this machine speak.
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # A restart need not wait for old connections; a second listener is refused all the same (not on Windows).
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise _refusal(error, host, port, setting) from error
    listener.setblocking(False)
    return listener


def _refusal(error: OSError, host: str, port: int, setting: str) -> PortTakenError:
    if error.errno == errno.EADDRINUSE:
        told = "is taken by another program; stop that"
    elif error.errno == errno.EACCES:
        told = "needs privileges that this user lacks; use a port above 1023"
    else:
        told = f"cannot be listened on ({error.strerror})"
    return PortTakenError(f"Port {port} on {host} {told}, or choose another with {setting} (0 picks a free one)")


def address_of(listener: socket.socket) -> str:
    """``host:port``, with IPv6 hosts in brackets."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class HttpServer:
    """An application on a claimed socket, inside a running event loop whose signals are somebody else's."""

    def __init__(self, app: Callable[..., Any], listener: socket.socket) -> None:
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                app,
                http="httptools",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
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
