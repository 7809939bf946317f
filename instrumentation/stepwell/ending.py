"""Sends what is left when the process ends: at its exit, on SIGTERM, and in the children of forks; tells of forks.

A handler that the agent has set for SIGTERM is called after ours; where there is none, the process ends by the signal
as it would have.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing import util
from types import FrameType
from typing import Any, Final, Protocol

from stepwell import notices

_SIGNAL: Final = signal.SIGTERM
_FAREWELLS: Final = (("celery.signals", "worker_process_shutdown"),)
"""Modules, and in them the signals, by which libraries tell that they are about to end a process by themselves, so that
the interpreter does not learn of it."""


class Forking(Protocol):
    """What has to know of forks."""

    def hold(self) -> None:
        """Called before a fork."""

    def release(self) -> None:
        """Called after it in the parent."""

    def forget(self) -> None:
        """Called after it in the child."""


class Ending:
    """Calls `flush` before the process ends, and tells `forking` of forks."""

    def __init__(self, flush: Callable[[], object], forking: Forking) -> None:
        self._flush = flush
        self._forking = forking
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
        self._watch_farewells()

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
        os.register_at_fork(
            before=lambda: self._tell(self._forking.hold),
            after_in_parent=lambda: self._tell(self._forking.release),
            after_in_child=self._after_fork,
        )
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
        self._tell(self._flush)

    def _after_start(self) -> None:
        util.Finalize(self, self._at_exit, exitpriority=-1)

    def _after_fork(self) -> None:
        self._tell(self._forking.forget)
        self._tell(self._watch_farewells)

    def _watch_farewells(self) -> None:
        for module, name in _FAREWELLS:
            found = getattr(sys.modules.get(module), name, None)
            if found is not None:
                found.connect(self._on_farewell, weak=False, dispatch_uid="stepwell")

    def _on_farewell(self, **_: object) -> None:
        self._at_exit()

    def _tell(self, call: Callable[[], object]) -> None:
        if not self._is_listening:
            return
        try:
            call()
        except Exception as error:
            notices.count("export_failed", "Sending spans failed: %s: %s", type(error).__name__, error)
