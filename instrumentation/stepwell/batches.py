"""What is to be sent next: spans that ended, spans that run, encoded into requests of bounded size.

Used by the exporting thread alone. A span that ends before its start was sent is sent once, finished.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from stepwell.encoding import Encoder
from stepwell.environment import Pace
from stepwell.outgoing import Outgoing, checked, started

MAX_OPEN_SPANS: Final = 20_000
MAX_BODY_BYTES: Final = 4_000_000


class Batches:
    """Open spans, and those that wait to be encoded."""

    def __init__(self, outgoing: Outgoing, pace: Pace) -> None:
        self._outgoing = outgoing
        self._pace = pace
        self._encoder = Encoder()
        self._open: dict[int, ReadableSpan] = {}
        self._to_announce: dict[int, ReadableSpan] = {}
        self._announced: set[int] = set()
        """Ids of open spans that were sent before."""
        self._ended: list[ReadableSpan] = []

    def follow(self, outgoing: Outgoing, pace: Pace) -> None:
        """Goes on by other rules."""
        self._outgoing, self._pace = outgoing, pace

    @property
    def has_open(self) -> bool:
        """Whether any span runs."""
        return bool(self._open)

    def start(self, span: ReadableSpan) -> None:
        """A span has started."""
        found = span.get_span_context()
        if found is None:
            return
        if len(self._open) >= MAX_OPEN_SPANS:
            self._forget(next(iter(self._open)))
        self._open[found.span_id] = self._to_announce[found.span_id] = span

    def end(self, span: ReadableSpan) -> None:
        """A span has ended."""
        found = span.get_span_context()
        if found is not None:
            self._forget(found.span_id)
        self._ended.append(span)

    def _forget(self, span_id: int) -> None:
        self._open.pop(span_id, None)
        self._to_announce.pop(span_id, None)
        self._announced.discard(span_id)

    def touch(self, span_id: int) -> None:
        """A span that runs has something new to tell."""
        span = self._open.get(span_id)
        if span is not None:
            self._to_announce[span_id] = span

    def announce_open(self) -> None:
        """Everything that runs is to be sent again, as after an outage."""
        self._to_announce.update(self._open)

    def beat(self) -> None:
        """The outermost spans that run are to be sent again, as a sign of life."""
        for span_id, span in self._open.items():
            if span.parent is None or span.parent.span_id not in self._open:
                self._to_announce[span_id] = span

    def encoded(self, *, with_started: bool) -> Iterator[tuple[bytes, int]]:
        """Requests, each with the number of its spans; started ones are kept for later where they are not wanted."""
        spans: list[ReadableSpan] = []
        if with_started:
            spans += self._running()
        spans += self._ended
        self._ended = []
        yield from self._encoder.requests(checked(self._outgoing, spans), self._pace.max_batch_spans, MAX_BODY_BYTES)

    def _running(self) -> Iterator[ReadableSpan]:
        running, self._to_announce = self._to_announce, {}
        now_ns = time.time_ns()
        for span_id, span in running.items():
            if span.end_time is None:
                yield started(span, now_ns if span_id in self._announced else None)
                self._announced.add(span_id)
