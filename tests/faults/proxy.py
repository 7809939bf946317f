"""A network between Stepwell and its database that fails on command: cut, silent, slow, or lost in a COMMIT.

It speaks TCP to clients and passes on to PostgreSQL's Unix socket. All of it runs on an event loop in a thread.
"""

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

_CHUNK_BYTES = 64 * 1024
_COMMIT = b"COMMIT\0"
"""The end of the statement in PostgreSQL's protocol; no row of COPY's text format holds a zero byte."""

_APPLICATION = re.compile(rb"application_name\0stepwell ([a-z ]+)\0")

_Value = TypeVar("_Value")
Loss = Literal["answer", "question"]
"""What of a COMMIT gets lost with the connection: its answer, so that it happens, or the COMMIT itself."""
Part = Literal["receiver", "worker"]
"""Whose connection it is, as it tells the database when it connects."""


@dataclass(slots=True, eq=False)
class _Link:
    """One client's connection and ours to the database."""

    client: asyncio.StreamWriter
    database: asyncio.StreamWriter
    part: str = ""
    loses_answers: bool = False

    def close(self) -> None:
        for writer in (self.client, self.database):
            writer.transport.abort()


@dataclass(slots=True)
class _State:
    """How the network is now; read and changed on the proxy's loop alone."""

    is_cut: bool = False
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared while everything is held."""
    held_chunks: int = 0
    commit_delay_s: float = 0.0
    delayed_commits: int = 0
    to_lose: list[tuple[Loss, Part]] = field(default_factory=list)
    links: set[_Link] = field(default_factory=set)


class Proxy:
    """The network in front of the database of `url`, a URL with a socket folder as its host."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        self._socket_path = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
        self._login = f"{parts.username}@", parts.path
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._state = _State()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        """libpq URL of the database behind the proxy."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        login, path = self._login
        return f"postgresql://{login}127.0.0.1:{port}{path}?sslmode=disable&gssencmode=disable"

    def cut(self) -> None:
        """Ends all connections and refuses new ones, until `heal`."""
        self._tell(self._cut)

    def hold(self) -> None:
        """Lets nothing through and nobody know, until `heal`; nothing is lost."""
        self._tell(lambda: self._state.open.clear())

    def heal(self) -> None:
        """Ends `cut` and `hold`."""
        self._tell(self._heal)

    def lose(self, what: Loss, part: Part, times: int) -> None:
        """Ends the connection of each of the part's next COMMITs, after it was passed on or before."""
        self._tell(lambda: self._state.to_lose.extend([(what, part)] * times))

    def delay_commits(self, delay_s: float) -> None:
        """Lets every COMMIT take this much longer, as a slow disk does; 0 for no longer."""
        self._tell(lambda: setattr(self._state, "commit_delay_s", delay_s))

    @property
    def held_chunks(self) -> int:
        """How many pieces of either direction `hold` keeps back."""
        return self._tell(lambda: self._state.held_chunks)

    @property
    def commits_to_lose(self) -> int:
        """How many COMMITs are still to be lost."""
        return self._tell(lambda: len(self._state.to_lose))

    @property
    def delayed_commits(self) -> int:
        """How many COMMITs took longer so far."""
        return self._tell(lambda: self._state.delayed_commits)

    def _tell(self, do: Callable[[], _Value]) -> _Value:
        async def call() -> _Value:
            return do()

        return self._run(call())

    def _run(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> None:
        self._state.open.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cut(self) -> None:
        self._state.is_cut = True
        for link in self._state.links:
            link.close()

    def _heal(self) -> None:
        self._state.is_cut = False
        self._state.open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if not self._state.is_cut:
                await self._link(reader, writer)
        except OSError:
            return  # either end is gone, which is what this is for
        finally:
            writer.transport.abort()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_database, to_database = await asyncio.open_unix_connection(self._socket_path)
        link = _Link(writer, to_database)
        self._state.links.add(link)
        pumps = [
            asyncio.create_task(self._pump(reader, to_database, link, is_from_client=True)),
            asyncio.create_task(self._pump(from_database, writer, link, is_from_client=False)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._state.links.discard(link)
            link.close()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, link: _Link, *, is_from_client: bool
    ) -> None:
        while chunk := await source.read(_CHUNK_BYTES):
            if not self._state.open.is_set():
                self._state.held_chunks += 1
                await self._state.open.wait()
                self._state.held_chunks -= 1
            if is_from_client:
                await self._look(chunk, link)
            elif link.loses_answers:
                return
            sink.write(chunk)
            await sink.drain()

    async def _look(self, chunk: bytes, link: _Link) -> None:
        if not link.part and (name := _APPLICATION.search(chunk)):
            link.part = name[1].decode()
        if _COMMIT in chunk:
            await self._on_commit(link)

    async def _on_commit(self, link: _Link) -> None:
        state = self._state
        if state.commit_delay_s:
            state.delayed_commits += 1
            await asyncio.sleep(state.commit_delay_s)
        if state.to_lose and state.to_lose[-1][1] == link.part:
            what, _ = state.to_lose.pop()
            if what == "question":
                raise ConnectionAbortedError
            link.loses_answers = True
