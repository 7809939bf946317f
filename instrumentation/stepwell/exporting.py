"""Sends spans from a thread of its own: at once when it is idle, else what gathered in the meantime in one request.

The agent's threads only put into a queue that never blocks and is bounded. What the backend does not take for the
moment waits, encoded, in a buffer of bounded size; what does not fit is dropped and counted.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from opentelemetry import context
from opentelemetry.sdk.trace import ReadableSpan

from stepwell import notices, resources
from stepwell.batches import Batches
from stepwell.buffer import Buffer
from stepwell.environment import Pace
from stepwell.outgoing import Outgoing
from stepwell.transport import Transport

SAMPLE_S: Final = 0.25
"""How often the memory of running agents is looked at."""
SPAN_BYTES: Final = 2_048
"""What a span takes in memory at least."""
FIRST_SPAN_BYTES: Final = 16_384
"""What spans are taken for before any was encoded."""
MAX_QUEUED_BYTES: Final = 64_000_000
FINAL_ATTEMPTS: Final = 2
LONGEST_FINAL_WAIT_S: Final = 0.2
LONGEST_HOLD_S: Final = 0.2
QUIET_ROUNDS: Final = 3
"""After so many rounds without anything new the thread sleeps until it is woken."""


class Flush:
    """Someone waits until everything is sent."""

    __slots__ = ("attempts_left", "done", "is_final", "is_sent")

    def __init__(self, *, is_final: bool) -> None:
        self.is_final = is_final
        self.attempts_left = FINAL_ATTEMPTS
        self.done = threading.Event()
        self.is_sent = False

    def gives_up(self, wait_s: float) -> bool:
        """Whether the process ends without the rest; `wait_s` is the time to the next attempt."""
        return (
            self.is_final
            and self.attempts_left < FINAL_ATTEMPTS
            and (self.attempts_left <= 0 or wait_s > LONGEST_FINAL_WAIT_S)
        )


Item: TypeAlias = tuple[Callable[[Any], object], Any]
"""What the thread is to call, and with what."""


class Exporter:
    """The queue and the thread; `start` and `end` are called by agents' threads, at any time, also while signals or
    garbage collection interrupt another call."""

    def __init__(self, connect: Callable[[], Transport], outgoing: Outgoing, pace: Pace) -> None:
        self.pace = pace
        self.outgoing = outgoing
        self._connect = connect
        self._is_closed = False
        self._reset()

    def _reset(self) -> None:
        # SimpleQueue may be used from signal handlers and finalisers, which no lock of threading's allows.
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._span_bytes: float = FIRST_SPAN_BYTES
        self._room = self._spans_at_most()
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._round = threading.Lock()
        self._is_held = self._is_stuck = False
        self._thread: threading.Thread | None = None
        self._batches = Batches(self.outgoing, self.pace)
        self._buffer = Buffer(self._connect, self.pace.max_buffered_bytes, self.pace.max_batch_spans)
        self._waiting: list[Flush] = []
        self._next_heartbeat_s = self._next_sample_s = 0.0
        self._quiet_rounds = 0

    def retarget(self, connect: Callable[[], Transport], outgoing: Outgoing, pace: Pace) -> None:
        """Goes on with another backend, other rules or another pace; what is queued follows them."""
        self.pace, self.outgoing, self._connect = pace, outgoing, connect
        self._batches.follow(outgoing, pace)
        self._buffer.follow(connect, pace.max_buffered_bytes, pace.max_batch_spans)

    def hold(self) -> None:
        """Waits, for a moment at most, until nothing is being sent; before a fork.

        What is under way then (a call over gRPC, the loading of a module) can never end in the child. Where that was
        waited for in vain, further forks do not wait for the same again.
        """
        self._is_held = self._round.acquire(timeout=0 if self._is_stuck else LONGEST_HOLD_S) or self._is_held
        self._is_stuck = not self._is_held

    def release(self) -> None:
        """Goes on in the parent after a fork."""
        if self._is_held:
            self._is_held = False
            self._round.release()

    def forget(self) -> None:
        """Starts anew in the child of a fork; what was queued there is the parent's to send."""
        self._buffer.abandon()
        self._reset()

    def start(self, span: ReadableSpan) -> None:
        """A span has started."""
        if self._has_room():
            self._queue.put((self._batches.start, span))

    def end(self, span: ReadableSpan) -> None:
        """A span has ended."""
        if self._is_closed:
            return
        if not self._has_room():
            notices.count("spans_dropped", "Too many spans wait to be sent; further ones are dropped")
            return
        self._queue.put((self._batches.end, span))

    def touch(self, span_id: int) -> None:
        """A span that runs has something new to tell, which does not wait for its end."""
        if self._has_room():
            self._queue.put((self._batches.touch, span_id))

    def flush(self, timeout_s: float, *, is_final: bool = False) -> bool:
        """Waits until everything that has ended is sent, or time is up; the final flush gives up early when the
        backend is away."""
        request = Flush(is_final=is_final)
        self._ensure_thread()
        self._queue.put((self._waiting.append, request))
        if self._thread is None or not self._thread.is_alive():
            self._work_inline(request, time.monotonic() + timeout_s)
        request.done.wait(timeout_s)
        return request.is_sent

    def close(self) -> None:
        """Takes nothing more and ends the thread; what is not sent by now is lost."""
        self._is_closed = True
        before = self._queue
        self._buffer.abandon()
        self._reset()
        before.put((_ignore, None))

    def _has_room(self) -> bool:
        if self._is_closed:
            return False
        if self._thread is None or self._pid != os.getpid():
            self._ensure_thread()
        return self._queue.qsize() < self._room

    def _spans_at_most(self) -> int:
        return min(self.pace.max_queued_spans, int(MAX_QUEUED_BYTES / self._span_bytes))

    def _ensure_thread(self) -> None:
        if self._pid != os.getpid():
            self.forget()
        if self._thread is not None or not self._lock.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                made = threading.Thread(target=self._run, name="stepwell-export", daemon=True)
                made.start()
                self._thread = made
        except RuntimeError as error:
            # At the end of the interpreter no thread starts any more; the last flush then works in its caller's.
            notices.count("no_thread", "No thread for sending spans could be started: %s", error)
        finally:
            self._lock.release()

    def _run(self) -> None:
        key = getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", None)
        if key is not None:
            context.attach(context.set_value(key, True))
        mine = self._queue
        while True:
            self._wait()
            if mine is not self._queue:
                return
            try:
                with self._round:
                    self._work()
                self._is_stuck = False
            except Exception as error:
                notices.count("export_failed", "Sending spans failed: %s: %s", type(error).__name__, error)

    def _wait(self) -> None:
        """For the next round: while something comes, an interval; else until something is put into the queue.

        To look each interval spares the agent's threads the waking of this one, which costs them more than the rest.
        """
        if self._quiet_rounds < QUIET_ROUNDS:
            if not self._waiting:
                time.sleep(self.pace.interval_s)
            return
        try:
            call, argument = self._queue.get(timeout=self._idle_s())
        except queue.Empty:
            return
        call(argument)
        self._quiet_rounds = 0

    def _idle_s(self) -> float | None:
        waits = [self._buffer.wait_s()] if self._buffer.holds_any else []
        if self._batches.has_open:
            next_s = min(self._next_sample_s, self._next_heartbeat_s)
            waits.append(max(next_s - time.monotonic(), 0.0))
        return max(min(waits), 0.001) if waits else None

    def _work(self) -> None:
        """One round: take what is there, encode it, send what can be sent, tell who waits."""
        self._drain()
        now_s = time.monotonic()
        if now_s >= self._next_sample_s:
            self._next_sample_s = now_s + SAMPLE_S
            resources.sample()
        if now_s >= self._next_heartbeat_s:
            self._next_heartbeat_s = now_s + self.pace.heartbeat_s
            self._batches.beat()
        is_away = self._buffer.is_away
        for body, spans in self._batches.encoded(with_started=not is_away):
            self._buffer.add(body, spans)
            # What waits is taken to be like what came before; to measure it would cost the agent's threads time.
            self._span_bytes = max(len(body) / spans, self._span_bytes * 0.9, SPAN_BYTES)
        self._room = self._spans_at_most()
        attempted = self._buffer.send(insist=bool(self._waiting))
        if is_away and not self._buffer.is_away:
            self._batches.announce_open()
        self._tell_waiting(attempted)

    def _drain(self) -> None:
        take, taken = self._queue.get_nowait, 0
        try:
            while taken < self.pace.max_queued_spans:
                call, argument = take()
                call(argument)
                taken += 1
        except queue.Empty:
            pass
        self._quiet_rounds = 0 if taken else self._quiet_rounds + 1

    def _tell_waiting(self, attempted: bool) -> None:
        still: list[Flush] = []
        for request in self._waiting:
            request.attempts_left -= attempted
            request.is_sent = not self._buffer.holds_any
            if request.is_sent or request.gives_up(self._buffer.wait_s()):
                request.done.set()
            else:
                still.append(request)
        self._waiting[:] = still

    def _work_inline(self, request: Flush, deadline_s: float) -> None:
        while not request.done.is_set() and time.monotonic() < deadline_s:
            self._work()
            if not request.done.is_set():
                time.sleep(min(self._buffer.wait_s(), max(deadline_s - time.monotonic(), 0.0)))


def _ignore(_: object) -> None:
    """Wakes the thread, no more."""
