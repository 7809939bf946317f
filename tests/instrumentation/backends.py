"""Backends that behave: one that keeps what it gets, and ones that are down, slow, or answer rubbish."""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Answer = Callable[[BaseHTTPRequestHandler], None]


def plain_success(request: BaseHTTPRequestHandler) -> None:
    """What a receiver says that took everything."""
    request.send_response(200)
    request.send_header("content-length", "0")
    request.end_headers()


def status(code: int, **headers: str) -> Answer:
    """An answer with this status."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("content-length", "0")
        request.end_headers()

    return answer


def text(body: bytes) -> Answer:
    """A success with this body."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def no_http(request: BaseHTTPRequestHandler) -> None:
    """Bytes that are no HTTP."""
    request.wfile.write(b"\x00\x01 this is no http\r\n\r\n")
    request.close_connection = True


def hang_up(request: BaseHTTPRequestHandler) -> None:
    """Nothing at all."""
    request.close_connection = True


class Backend(ThreadingHTTPServer):
    """Keeps the spans that it is sent, and answers as `answer` says at the moment."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answer: Answer = plain_success
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.is_released = threading.Event()
        self._connections: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remembers the connection."""
        self._connections.append(request)
        super().process_request(request, client_address)

    def hang_up(self) -> None:
        """Closes all connections, as a process that ends does."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def spans(self) -> list[Span]:
        """All spans so far, also those that were not taken."""
        return spans_in(ExportTraceServiceRequest.FromString(body) for body in self.bodies)

    @property
    def finished(self) -> list[str]:
        """Names of finished spans."""
        return [span.name for span in self.spans if not is_started(span)]

    def wait(self, request: BaseHTTPRequestHandler) -> None:
        """An answer that comes only once the backend is released."""
        self.is_released.wait(30)
        plain_success(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that went away are no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Backend

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append(body)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.server.answer(self)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Is silent."""


def spans_in(requests: Iterable[ExportTraceServiceRequest]) -> list[Span]:
    """All spans of some requests."""
    return [
        span
        for request in requests
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def is_started(span: Span) -> bool:
    """Whether a span was sent as a live one."""
    return any(attribute.key == "stepwell.span.state" for attribute in span.attributes)


def attribute(span: Span, key: str) -> Any:
    """An attribute's value; ``None`` where there is none."""
    for found in span.attributes:
        if found.key == key:
            return getattr(found.value, found.value.WhichOneof("value") or "")
    return None


@contextmanager
def backend(port: int = 0) -> Iterator[Backend]:
    """A backend for as long as the block runs."""
    made = Backend(port)
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.is_released.set()
        made.shutdown()
        made.server_close()
        made.hang_up()
        thread.join()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@contextmanager
def black_hole() -> Iterator[str]:
    """The address of a backend that takes connections and never says anything."""
    held = []

    class Hold(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            held.append(self.request)
            released.wait(30)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    released = threading.Event()
    with Server(("127.0.0.1", 0), Hold) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            released.set()
            server.shutdown()
            thread.join()
