"""A web server inside our own event loop, on a socket that is bound before anything else starts."""

import contextlib
import errno
import socket
from collections.abc import Callable, Iterator

import uvicorn

from stepwell_api.failures import CommandError

BACKLOG = 2048


class EmbeddedServer(uvicorn.Server):
    """Uvicorn without its signal handlers, which are the process's matter, and with a call once it answers."""

    def __init__(self, config: uvicorn.Config, *, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to accept connections, then says so."""
        await super().startup(sockets)
        self._on_started()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 picks a free one.

    Raises:
        CommandError: it cannot be had; the message tells the mend.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # Of a name with both, the older protocol: it is the one that all clients on this machine speak.
        family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            mend = f"port {port} on {host} is taken by another program; stop it, or choose another port with --port"
        else:
            mend = f"cannot listen on {host} port {port}: {error.strerror}; choose others with --host and --port"
        raise CommandError(mend) from error


def url_of(host: str, listener: socket.socket) -> str:
    """The address to show."""
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
