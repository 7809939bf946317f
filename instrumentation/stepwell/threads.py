"""Takes the current step along into threads and executors, where Python leaves it behind; asyncio does it by itself.

`carry` does so for one function. `install` does it for `threading.Thread` and `ThreadPoolExecutor`, and so for
``loop.run_in_executor``, by wrapping their methods; what runs in a thread is not changed otherwise.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar, cast

from opentelemetry import context
from opentelemetry.context import Context

P = ParamSpec("P")
R = TypeVar("R")

_ORIGINAL_START = "_stepwell_original_start"
_ORIGINAL_SUBMIT = "_stepwell_original_submit"


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """The function, to be run anywhere as if it were called here, in the current step."""
    inside = context.get_current()

    @functools.wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        outside = context.get_current()
        context.attach(inside)
        try:
            return function(*args, **kwargs)
        finally:
            context.attach(outside)

    return carried


def install() -> None:
    """From now on new threads and tasks of thread pools run in the step that starts or submits them."""
    if hasattr(threading.Thread, _ORIGINAL_START):
        return
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit

    @functools.wraps(start)
    def start_carried(self: threading.Thread) -> None:
        if not _is_worker(self):
            _carry_run(self, context.get_current())
        start(self)

    @functools.wraps(cast("Callable[..., Any]", submit))
    def submit_carried(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return submit(self, carry(fn) if context.get_current() else fn, *args, **kwargs)

    setattr(threading.Thread, _ORIGINAL_START, start)
    setattr(ThreadPoolExecutor, _ORIGINAL_SUBMIT, submit)
    threading.Thread.start = start_carried  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit_carried  # type: ignore[method-assign,assignment]


def uninstall() -> None:
    """Takes `install` back."""
    start = threading.Thread.__dict__.get(_ORIGINAL_START)
    submit = ThreadPoolExecutor.__dict__.get(_ORIGINAL_SUBMIT)
    if start is None or submit is None:
        return
    threading.Thread.start = start  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit  # type: ignore[method-assign]
    delattr(threading.Thread, _ORIGINAL_START)
    delattr(ThreadPoolExecutor, _ORIGINAL_SUBMIT)


def _is_worker(thread: threading.Thread) -> bool:
    """Whether a thread is a pool's, which outlives the step that happened to start it, or one of ours."""
    target = getattr(thread, "_target", None)
    return getattr(target, "__module__", None) in ("concurrent.futures.thread", "stepwell.exporting")


def _carry_run(thread: threading.Thread, inside: Context) -> None:
    if not inside:
        return
    run = thread.run

    def carried() -> None:
        context.attach(inside)
        run()

    thread.run = carried  # type: ignore[method-assign]
