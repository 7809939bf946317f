"""A real receiver of webhooks on a port of this machine, which answers as it is told and remembers what came."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11

Script = tuple[int, list[tuple[str, str]], bytes]


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    def is_signed_by(self, secret: str) -> bool:
        """As the Standard Webhooks specification says, written down again for the test."""
        key = base64.b64decode(secret.split("_")[1])
        text = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        return f"v1,{expected}" in self.headers["webhook-signature"].split()


@dataclass
class Receiver:
    """Answers 200 once its script is over."""

    port: int = 0
    script: list[Script] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    hanging: bool = False
    at_once: int = 0
    most_at_once: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    def answers(self, *statuses: int, body: bytes = b"{}", headers: Iterable[tuple[str, str]] = ()) -> None:
        self.script += [(status, list(headers), body) for status in statuses]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            connection = h11.Connection(h11.SERVER)
            self.received.append(await _request(reader, connection))
            if self.hanging:
                await self.release.wait()
            status, headers, body = self.script.pop(0) if self.script else (200, [], b"{}")
            length = ("content-length", str(len(body)))
            for event in (h11.Response(status_code=status, headers=[length, *headers]), h11.Data(body)):
                writer.write(connection.send(event) or b"")
            await writer.drain()
        except ConnectionError:
            pass  # the sender had read enough
        finally:
            self.at_once -= 1
            writer.close()


async def _request(reader: asyncio.StreamReader, connection: h11.Connection) -> Received:
    body, path, headers = b"", "", {}
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            path = event.target.decode()
            headers = {name.decode(): value.decode() for name, value in event.headers}
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            return Received(path, headers, body)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver for as long as the block runs."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.release.set()
        server.close()
