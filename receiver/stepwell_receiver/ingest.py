"""The way of one request, whatever transport it came by: who sends it, what is in it, is it stored.

`http` and `grpc` read bytes and headers and write what this returns or raises (`errors` says what each error means).
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from google.protobuf.message import Message
from google.rpc import code_pb2

from stepwell_receiver import accounts, json, memory, protobuf, status
from stepwell_receiver.bodies import MediaType, ReadBudget, decompress
from stepwell_receiver.errors import UNEXPECTED, BodyTooLargeError, ReceiverError, UnauthenticatedError, meaning_of
from stepwell_receiver.gate import Gate
from stepwell_receiver.logs import map_logs
from stepwell_receiver.mapping import map_request
from stepwell_receiver.outage import Outage
from stepwell_receiver.redaction.requests import mask_logs, mask_traces
from stepwell_receiver.redaction.rules import Redactor
from stepwell_receiver.redaction.workspaces import Redactors
from stepwell_receiver.signals import LOGS, METRICS, TRACES, Signal
from stepwell_receiver.splitting import PART_BYTES, PART_ITEMS, UNDIVIDED_BYTES, is_one_part, split
from stepwell_receiver.validation import NOT_STORED, Reason, reject_invalid, reject_invalid_logs, rejection_message
from stepwell_storage import metrics, step_rows
from stepwell_storage.authentication import Authenticator, Sender
from stepwell_storage.commit import Committer
from stepwell_storage.errors import DatabaseUnavailableError, QueueFullError
from stepwell_storage.keys import LOCAL_WORKSPACE_ID, Scope
from stepwell_storage.model import Fact, Step
from stepwell_storage.rows import UnstorableStepError
from stepwell_storage.settings import Settings

_INLINE_BYTES: Final = 32 * 1024
"""Smaller bodies are decoded on the event loop: they take less time than the way to a thread and back."""
_THREADS: Final = 2
_PATIENCE_S: Final = 20.0
MESSAGES_AT_ONCE: Final = 3
_TRACE_DECODERS: Final = {MediaType.PROTOBUF: protobuf.decode_traces, MediaType.JSON: json.decode_traces}
_LOG_DECODERS: Final = {MediaType.PROTOBUF: protobuf.decode_logs, MediaType.JSON: json.decode_logs}
_METRIC_DECODERS: Final = {MediaType.PROTOBUF: protobuf.decode_metrics, MediaType.JSON: json.decode_metrics}

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body as it came over the wire."""

    content: bytes
    media_type: MediaType = MediaType.PROTOBUF
    encoding: str = "identity"


@dataclass(slots=True)
class _Batch:
    """What a request comes down to, or a part of it."""

    facts: Sequence[Fact]
    rejected: Counter[str]
    size_bytes: int
    warning: str = ""
    """What the sender is told of items that are acknowledged and yet not stored."""
    unstored: int = 0
    """How many those are, for the ledger."""

    def add(self, other: "_Batch") -> None:
        """Adds what became of another part of the same request; not its facts, which are stored."""
        self.rejected += other.rejected
        self.size_bytes += other.size_bytes
        self.warning = self.warning or other.warning

    def slices(self) -> Iterator["_Batch"]:
        """The same in batches of bounded length."""
        if len(self.facts) <= PART_ITEMS:
            yield self
            return
        for at in range(0, len(self.facts), PART_ITEMS):
            facts = self.facts[at : at + PART_ITEMS]
            size_bytes = self.size_bytes * len(facts) // len(self.facts)
            first = at == 0
            yield _Batch(
                facts,
                self.rejected if first else Counter(),
                size_bytes,
                self.warning if first else "",
                self.unstored if first else 0,
            )


class Ingest:
    """Takes requests for all transports of a process; create it on the event loop that serves them."""

    def __init__(
        self,
        settings: Settings,
        committer: Committer,
        authenticator: Authenticator | None,
        redactors: Redactors,
    ) -> None:
        self._settings = settings
        self._committer = committer
        self._authenticator = authenticator
        self._redactors = redactors
        self._threads = ThreadPoolExecutor(max_workers=_THREADS + 1, thread_name_prefix="decode")
        self._decoding = Gate(_THREADS)
        # A single large body at a time stands decompressed in memory.
        self._large = Gate(1)
        self._running: set[asyncio.Task[None]] = set()
        self._outage = Outage()
        self.max_body_bytes = settings.max_request_bytes
        # A key that is alone may fill four fifths, which is the largest request.
        self.read_budget = ReadBudget(settings.max_request_bytes * 5 // 4, key_share=0.8)
        self.arrivals = Gate(MESSAGES_AT_ONCE)
        """Entered while a gRPC message arrives, whose size nobody knows before."""

    async def sender_of(self, headers: Mapping[str, str]) -> Sender:
        """Whose a request is, as its key tells; headers are looked up in lower case.

        Raises:
            UnauthenticatedError: no key, or a wrong one.
            DatabaseUnavailableError: the key cannot be checked now.
        """
        if self._authenticator is None:
            return Sender(LOCAL_WORKSPACE_ID)
        key = _key_in(headers)
        if key is None:
            raise UnauthenticatedError("No key; send it as 'X-Stepwell-Key: KEY' or 'Authorization: Bearer KEY'")
        with self._outage_told():
            sender = await self._authenticator.sender_of(key, Scope.INGEST)
        if sender is None:
            raise UnauthenticatedError("The key is unknown, revoked, or not meant for ingest")
        return sender

    @contextmanager
    def refusals_noted(self, signal: Signal, sender: Sender) -> Iterator[None]:
        """Notes in the sender's ledger where its request is refused as a whole."""
        try:
            yield
        except Exception as error:
            if (meaning := meaning_of(error)) is not UNEXPECTED:
                self._committer.refuse(
                    sender.workspace_id, key_id=sender.key_id, signal=signal.name, reason=meaning.reason
                )
            raise

    @contextmanager
    def _outage_told(self) -> Iterator[None]:
        """Has senders come again the later, the longer the database is away."""
        try:
            yield
        except DatabaseUnavailableError as error:
            error.retry_after_s = self._outage.retry_after_s()
            raise

    async def take(self, signal: Signal, sender: Sender, body: Body) -> Message:
        """Stores what a request holds and gives the response to it, once that is durable.

        Raises:
            MalformedBodyError, BodyTooLargeError: the request is at fault.
            QueueFullError, DatabaseUnavailableError: it is not stored and may be sent again.
        """
        self._committer.require_room(sender.workspace_id, sender.key_id, len(body.content), 1)
        total = _Batch((), Counter(), 0)
        with self._outage_told():
            async with aclosing(self._batches(signal, sender, body)) as batches:
                async for batch in batches:
                    if total.size_bytes:
                        await self._wait_for_room(sender, batch)
                    await self._to_the_end(self._store(signal, sender, batch))
                    total.add(batch)
        self._outage.end()
        metrics.REQUEST_BYTES.labels(signal.name).observe(total.size_bytes)
        messages = (rejection_message(total.rejected, signal.item), total.warning)
        return status.success(signal, rejected=total.rejected.total(), message="; ".join(filter(None, messages)))

    async def _batches(self, signal: Signal, sender: Sender, body: Body) -> AsyncGenerator["_Batch", None]:
        """What a request holds: all of it, or one part after the other where it is large."""
        reader = _READERS[signal.name]
        redactor = await self._redactors.of(sender.workspace_id)

        def read(whole: Body) -> _Batch:
            return reader(whole, self._settings, sender.key_id, redactor)

        if len(body.content) <= _INLINE_BYTES and body.encoding == "identity":
            yield read(body)
            return
        async with self._decoding.slot(sender.workspace_id):
            batch = await self._in_thread(lambda: _read_small(body, read, self.max_body_bytes))
        if batch is not None:
            yield batch
            return
        async with self._large.slot(sender.workspace_id):
            # Nothing here holds on to the content: an error keeps the frames that it passed, and all that is in them.
            parts = await self._in_thread(lambda: self._parts(signal, body))
            while (batch := await self._in_thread(lambda: _read_next(parts, read))) is not None:
                for slice_ in batch.slices():
                    yield slice_

    def _parts(self, signal: Signal, body: Body) -> Iterator[Body]:
        """A large body in parts; JSON cannot be cut, and of metrics little remains once they are read."""
        content = decompress(body.content, body.encoding, limit_bytes=self._settings.max_request_bytes)
        if body.media_type is MediaType.JSON or signal is METRICS:
            return iter((Body(content, body.media_type),))
        return map(Body, split(content))

    async def _wait_for_room(self, sender: Sender, batch: "_Batch") -> None:
        """For the further parts of a request: what is stored of it would be for nothing if they were refused."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self._committer.require_room(sender.workspace_id, sender.key_id, batch.size_bytes, len(batch.facts))
            except QueueFullError as error:
                if time.monotonic() > deadline_s:
                    raise
                await asyncio.sleep(min(error.retry_after_s, 1.0))
            else:
                return

    async def _store(self, signal: Signal, sender: Sender, batch: _Batch) -> None:
        """Commits a batch and counts what became of each of its items; adds to its rejected ones."""
        account = accounts.of(signal)
        received = len(batch.facts) + batch.rejected.total()
        account.received(received)
        try:
            result = await self._committer.submit(
                sender.workspace_id,
                batch.facts,
                batch.size_bytes,
                key_id=sender.key_id,
                signal=signal.name,
                rejected=batch.rejected + Counter({NOT_STORED: batch.unstored}),
            )
        except Exception as error:
            if meaning_of(error).is_retryable:
                account.unavailable(received)
            else:
                account.rejected(Reason.INTERNAL_ERROR, received)
            raise
        if result.rejected:
            batch.rejected[result.reason or Reason.UNSTORABLE] += result.rejected
        if result.too_old:
            batch.rejected[Reason.TOO_OLD] += result.too_old
        account.stored(result.stored)
        account.duplicate(result.duplicate)
        for reason, count in batch.rejected.items():
            account.rejected(reason, count)

    async def _to_the_end(self, work: Coroutine[None, None, None]) -> None:
        """Awaits `work`, which goes on where the sender hangs up: its items are on their way and shall be counted."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        """Runs what would hold up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _without_frames, work)


@contextmanager
def observed(signal: Signal, transport: str) -> Iterator[None]:
    """Counts and times one request under the code that it is answered with."""
    started_s = time.perf_counter()
    code = "CANCELLED"
    try:
        yield
        code = "OK"
    except Exception as error:
        meaning = meaning_of(error)
        code = code_pb2.Code.Name(meaning.grpc_code)
        metrics.REQUESTS_REFUSED.labels(signal.name, meaning.reason).inc()
        raise
    finally:
        metrics.REQUESTS.labels(signal.name, transport, code).inc()
        metrics.REQUEST_SECONDS.labels(signal.name, transport).observe(time.perf_counter() - started_s)


def _without_frames(work: Callable[[], _Result]) -> _Result:
    """Runs `work`; an error of it leaves its traceback behind, whose frames would keep the whole body in memory."""
    try:
        return work()
    except ReceiverError as error:
        error.__cause__ = error.__context__ = None
        raise error.with_traceback(None) from None


def _read_traces(body: Body, settings: Settings, key_id: str | None, redactor: Redactor | None) -> _Batch:
    request = _TRACE_DECODERS[body.media_type](body.content)
    if redactor is not None and redactor.suspects(body.content, is_json=body.media_type is MediaType.JSON):
        mask_traces(redactor, request)
    reject_invalid(request)
    steps = map_request(request, max_attribute_bytes=settings.max_attribute_bytes, key_id=key_id)
    return _Batch([*map(_row_of, steps)], request.rejected, len(body.content))


def _row_of(step: Step) -> Fact:
    """The step's row, written here because this is done beside the event loop; the writer refuses what has none."""
    try:
        return step_rows.encode(step)
    except UnstorableStepError:
        return step


def _read_logs(body: Body, settings: Settings, key_id: str | None, redactor: Redactor | None) -> _Batch:
    request = _LOG_DECODERS[body.media_type](body.content)
    if redactor is not None and redactor.suspects(body.content, is_json=body.media_type is MediaType.JSON):
        mask_logs(redactor, request)
    reject_invalid_logs(request)
    records = map_logs(request, max_attribute_bytes=settings.max_attribute_bytes, key_id=key_id)
    return _Batch(records, request.rejected, len(body.content))


def _read_metrics(body: Body, settings: Settings, _: str | None, __: Redactor | None) -> _Batch:
    request = _METRIC_DECODERS[body.media_type](body.content, memory.tells_memory)
    mapped = memory.map_metrics(request)
    metrics.RECORDS_UNSTORED.labels(METRICS.name).inc(mapped.unstored.total())
    return _Batch(
        mapped.samples, request.rejected, len(body.content), memory.warning(mapped.unstored), mapped.unstored.total()
    )


_READERS: Final[Mapping[str, Callable[[Body, Settings, str | None, Redactor | None], _Batch]]] = {
    TRACES.name: _read_traces,
    LOGS.name: _read_logs,
    METRICS.name: _read_metrics,
}
"""How each signal is read from a body that is not compressed."""


def _read_small(body: Body, read: Callable[[Body], _Batch], max_bytes: int) -> _Batch | None:
    """What a body holds; ``None`` where it is large once it is decompressed."""
    is_json = body.media_type is MediaType.JSON
    limit_bytes = min(UNDIVIDED_BYTES if is_json else PART_BYTES, max_bytes)
    if len(body.content) > limit_bytes:
        return None
    try:
        content = decompress(body.content, body.encoding, limit_bytes=limit_bytes)
    except BodyTooLargeError:
        return None
    return read(Body(content, body.media_type)) if is_json or is_one_part(content) else None


def _read_next(parts: Iterator[Body], read: Callable[[Body], _Batch]) -> _Batch | None:
    part = next(parts, None)
    return None if part is None else read(part)


def _key_in(headers: Mapping[str, str]) -> str | None:
    if key := headers.get("x-stepwell-key"):
        return key.strip()
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
