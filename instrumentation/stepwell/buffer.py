"""Encoded requests on their way to the backend, oldest first; what it does not take for the moment waits here.

Used by the exporting thread alone. Holds a bounded number of bytes; the oldest are dropped for the newest, and counted.
Requests that wait are sent together, so that what gathered over an outage is soon delivered: bodies one after another
are one body of all their spans (protobuf.dev, "Encoding": repeated fields are put together).
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from stepwell import notices
from stepwell.transport import Answer, Outcome, Transport

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 5.0
MAX_TOGETHER_BYTES: Final = 1_000_000
_AWAY: Final = "backend_away"


@dataclass(slots=True)
class Request:
    """What is sent at once: bodies as they came, and the number of their spans."""

    bodies: list[bytes]
    spans: list[int]
    size: int

    def takes(self, body: bytes, spans: int, max_spans: int) -> bool:
        """Whether so much more may be sent with it."""
        return sum(self.spans) + spans <= max_spans and self.size + len(body) <= MAX_TOGETHER_BYTES

    def add(self, body: bytes, spans: int) -> None:
        """Adds a body."""
        self.bodies.append(body)
        self.spans.append(spans)
        self.size += len(body)


class Buffer:
    """The requests that wait, and the connection that they go over."""

    def __init__(self, connect: Callable[[], Transport], max_bytes: int, max_spans: int) -> None:
        self._connect = connect
        self._max_bytes = max_bytes
        self._max_spans = max_spans
        self._transport: Transport | None = None
        self._requests: deque[Request] = deque()
        self._bytes = 0
        self._failures = 0
        self._not_before_s = 0.0

    def follow(self, connect: Callable[[], Transport], max_bytes: int, max_spans: int) -> None:
        """Goes on with another backend; the next request opens a connection."""
        self._connect, self._max_bytes, self._max_spans = connect, max_bytes, max_spans
        before, self._transport = self._transport, None
        self._failures, self._not_before_s = 0, 0.0
        if before is not None:
            before.close()

    def abandon(self) -> None:
        """Lets go of the connection in the child of a fork."""
        if self._transport is not None:
            self._transport.abandon()

    @property
    def holds_any(self) -> bool:
        """Whether anything waits."""
        return bool(self._requests)

    @property
    def is_away(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def wait_s(self) -> float:
        """Seconds until the next attempt makes sense."""
        return max(self._not_before_s - time.monotonic(), 0.0)

    def add(self, body: bytes, spans: int) -> None:
        """Adds a request of so many spans."""
        if self._requests and self._requests[-1].takes(body, spans, self._max_spans):
            self._requests[-1].add(body, spans)
        else:
            self._requests.append(Request([body], [spans], len(body)))
        self._bytes += len(body)
        while self._bytes > self._max_bytes and len(self._requests) > 1:
            self._drop("Too much waits for the backend; the oldest spans are dropped")

    def send(self, *, insist: bool = False) -> bool:
        """Sends what waits until it is empty or an attempt fails; whether there was one that failed.

        Args:
            insist: try now although an attempt has just failed, as someone waits.
        """
        while self._requests and (insist or self.wait_s() <= 0):
            request = self._requests[0]
            answer = self._attempt(b"".join(request.bodies))
            if answer.outcome is Outcome.LATER:
                self._failed(answer)
                return True
            self._failures, self._not_before_s = 0, 0.0
            if answer.outcome is Outcome.TOO_LARGE and len(request.bodies) > 1:
                self._take_apart()
            elif answer.outcome is not Outcome.TAKEN:
                self._drop("The backend at hand refuses spans (%s); they are dropped", answer.reason)
            else:
                notices.recovered(_AWAY)
                self._forget()
                _tell_rejected(answer.body, sum(request.spans))
        return False

    def _take_apart(self) -> None:
        """Has the bodies of the first request sent by themselves."""
        request = self._requests.popleft()
        for body, spans in zip(reversed(request.bodies), reversed(request.spans), strict=True):
            self._requests.appendleft(Request([body], [spans], len(body)))

    def _attempt(self, body: bytes) -> Answer:
        try:
            if self._transport is None:
                self._transport = self._connect()
            return self._transport.send(body)
        except Exception as error:
            return Answer(Outcome.LATER, f"{type(error).__name__}: {error}")

    def _failed(self, answer: Answer) -> None:
        notices.count(_AWAY, "The backend does not take spans (%s); they are kept and sent later", answer.reason)
        wait_s = min(FIRST_WAIT_S * 2.0 ** min(self._failures, 10), LONGEST_WAIT_S)
        self._failures += 1
        # Jitter, so that many processes do not come back in the same moment.
        self._not_before_s = time.monotonic() + max(wait_s * random.uniform(0.5, 1.0), answer.retry_after_s)  # noqa: S311

    def _forget(self) -> int:
        """Lets go of the first request; the number of its spans."""
        request = self._requests.popleft()
        self._bytes -= request.size
        return sum(request.spans)

    def _drop(self, message: str, *arguments: object) -> None:
        notices.count("spans_dropped", message, *arguments, by=self._forget())


def _tell_rejected(body: bytes, spans: int) -> None:
    """Counts the spans that a success names as rejected; an answer that is no OTLP is taken for a plain success."""
    if not body:
        return
    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except Exception:
        notices.count("odd_answers", "The backend's answer is no OTLP; its spans are taken as sent")
        return
    if partial.rejected_spans > 0:
        rejected = min(partial.rejected_spans, spans)
        notices.count("spans_rejected", "The backend rejected spans: %s", partial.error_message[:500], by=rejected)
