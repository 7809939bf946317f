"""The way of one request, whatever transport it came by: who sends it, what is in it, is it stored.

`http` and `grpc` read bytes and headers and write what this returns or raises (`errors` says what each error means).
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from google.protobuf.message import Message
from google.rpc import code_pb2

from stepwell_receiver import accounts, json, memory, protobuf, status
from stepwell_receiver.bodies import MediaType, ReadBudget, decompress
from stepwell_receiver.errors import UNEXPECTED, ReceiverError, UnauthenticatedError, meaning_of
from stepwell_receiver.logs import map_logs
from stepwell_receiver.mapping import map_request
from stepwell_receiver.outage import Outage
from stepwell_receiver.signals import LOGS, METRICS, TRACES, Signal
from stepwell_receiver.validation import NOT_STORED, Reason, reject_invalid, reject_invalid_logs, rejection_message
from stepwell_storage import metrics, step_rows
from stepwell_storage.commit import Committer
from stepwell_storage.errors import DatabaseUnavailableError
from stepwell_storage.keys import LOCAL_WORKSPACE_ID, Authenticator, Scope, Sender
from stepwell_storage.model import Fact, Step
from stepwell_storage.rows import UnstorableStepError
from stepwell_storage.settings import Settings

_INLINE_BYTES: Final = 32 * 1024
"""Smaller bodies are decoded on the event loop: they take less time than the way to a thread and back."""
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


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a request comes down to."""

    facts: Sequence[Fact]
    rejected: Counter[str]
    size_bytes: int
    warning: str = ""
    """What the sender is told of items that are acknowledged and yet not stored."""
    unstored: int = 0
    """How many those are, for the ledger."""


class Ingest:
    """Takes requests for all transports of a process; create it on the event loop that serves them."""

    def __init__(self, settings: Settings, committer: Committer, authenticator: Authenticator | None) -> None:
        self._settings = settings
        self._committer = committer
        self._authenticator = authenticator
        # Two threads bound how many large bodies stand decompressed in memory at the same time.
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="decode")
        self._running: set[asyncio.Task[None]] = set()
        self._outage = Outage()
        self.max_body_bytes = settings.max_request_bytes
        self.read_budget = ReadBudget(max(settings.max_queued_bytes, settings.max_request_bytes))

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
        read = _READERS[signal.name]
        batch = await self._decode(body, lambda: read(body, self._settings, sender.key_id))
        metrics.REQUEST_BYTES.labels(signal.name).observe(batch.size_bytes)
        with self._outage_told():
            await self._to_the_end(self._store(signal, sender, batch))
        self._outage.end()
        messages = (rejection_message(batch.rejected, signal.item), batch.warning)
        return status.success(signal, rejected=batch.rejected.total(), message="; ".join(filter(None, messages)))

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

    async def _decode(self, body: Body, work: Callable[[], _Result]) -> _Result:
        """Runs `work`, in a thread where it would hold up the event loop."""
        if len(body.content) <= _INLINE_BYTES and body.encoding == "identity":
            return work()
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


def _read_traces(body: Body, settings: Settings, key_id: str | None) -> _Batch:
    content = decompress(body.content, body.encoding, limit_bytes=settings.max_request_bytes)
    request = _TRACE_DECODERS[body.media_type](content)
    reject_invalid(request)
    steps = map_request(request, max_attribute_bytes=settings.max_attribute_bytes, key_id=key_id)
    return _Batch([*map(_row_of, steps)], request.rejected, len(content))


def _row_of(step: Step) -> Fact:
    """The step's row, written here because this is done beside the event loop; the writer refuses what has none."""
    try:
        return step_rows.encode(step)
    except UnstorableStepError:
        return step


def _read_logs(body: Body, settings: Settings, key_id: str | None) -> _Batch:
    content = decompress(body.content, body.encoding, limit_bytes=settings.max_request_bytes)
    request = _LOG_DECODERS[body.media_type](content)
    reject_invalid_logs(request)
    records = map_logs(request, max_attribute_bytes=settings.max_attribute_bytes, key_id=key_id)
    return _Batch(records, request.rejected, len(content))


def _read_metrics(body: Body, settings: Settings, _: str | None) -> _Batch:
    content = decompress(body.content, body.encoding, limit_bytes=settings.max_request_bytes)
    request = _METRIC_DECODERS[body.media_type](content, memory.tells_memory)
    mapped = memory.map_metrics(request)
    metrics.RECORDS_UNSTORED.labels(METRICS.name).inc(mapped.unstored.total())
    return _Batch(
        mapped.samples, request.rejected, len(content), memory.warning(mapped.unstored), mapped.unstored.total()
    )


_READERS: Final[Mapping[str, Callable[[Body, Settings, str | None], _Batch]]] = {
    TRACES.name: _read_traces,
    LOGS.name: _read_logs,
    METRICS.name: _read_metrics,
}
"""How each signal is read."""


def _key_in(headers: Mapping[str, str]) -> str | None:
    if key := headers.get("x-stepwell-key"):
        return key.strip()
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
