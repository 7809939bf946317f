"""Sends what is left when the process ends: at its exit, on SIGTERM, and in the children of forks.

A handler that the agent has set for SIGTERM is called after ours; where there is none, the process ends by the signal
as it would have.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import util
from types import FrameType
from typing import Any, Final

from stepwell import notices

_SIGNAL: Final = signal.SIGTERM


class Ending:
    """Calls `flush` before the process ends, and `forget` in the child of a fork."""

    def __init__(self, flush: Callable[[], object], forget: Callable[[], object]) -> None:
        self._flush = flush
        self._forget = forget
        self._previous: Any = None
        self._is_listening = False
        self._is_watching_fork = False

    def listen(self) -> None:
        """Begins to; a second time does nothing."""
        if self._is_listening:
            return
        self._is_listening = True
        atexit.register(self._at_exit)
        self._watch_fork()
        self._watch_signal()

    def stop(self) -> None:
        """Ends it, as far as Python lets it."""
        self._is_listening = False
        atexit.unregister(self._at_exit)
        if threading.current_thread() is threading.main_thread() and signal.getsignal(_SIGNAL) == self._on_signal:
            signal.signal(_SIGNAL, self._previous)

    def _watch_fork(self) -> None:
        if self._is_watching_fork or not hasattr(os, "register_at_fork"):
            return
        self._is_watching_fork = True
        os.register_at_fork(after_in_child=self._after_fork)
        # Children of multiprocessing end without the interpreter's exit handlers, but have handlers of their own, which
        # are cleared after the fork.
        util.register_after_fork(self, Ending._after_start)

    def _watch_signal(self) -> None:
        """Only the main thread may; a signal that is ignored stays so, and one that C code handles stays its own."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._previous = signal.getsignal(_SIGNAL)
        if self._previous is None or self._previous == signal.SIG_IGN:
            return
        signal.signal(_SIGNAL, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._at_exit()
        if callable(self._previous):
            self._previous(number, frame)
            return
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _at_exit(self) -> None:
        if not self._is_listening:
            return
        try:
            self._flush()
        except Exception as error:
            notices.count("export_failed", "Sending spans failed: %s: %s", type(error).__name__, error)

    def _after_start(self) -> None:
        util.Finalize(self, self._at_exit, exitpriority=-1)

    def _after_fork(self) -> None:
        if not self._is_listening:
            return
        try:
            self._forget()
        except Exception as error:
            notices.count("export_failed", "Sending spans failed: %s: %s", type(error).__name__, error)
