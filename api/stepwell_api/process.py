"""A serving process: event loop, signals, the ready line, and its end with the supervisor's.

Used by ``stepwell receiver``, ``worker`` and ``api``, whether a person starts them or the supervisor does.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping

PR_SET_PDEATHSIG = 1
"""Linux, ``prctl(2)``: the signal this process gets when its parent ends."""
STDIN_FD = 0
HASTY_EXIT_CODE = 130

Announce = Callable[[Mapping[str, str]], None]
Serve = Callable[[Announce, asyncio.Event], Awaitable[None]]
"""Serves until the event is set; announces its addresses once it answers."""


def announce(event: str, content: Mapping[str, str]) -> None:
    """Print one JSON line on standard output; nothing else is written there."""
    print(json.dumps({"event": event, **content}), flush=True)


def die_with(supervisor_pid: int) -> None:
    """End at once when the supervisor does: nothing acknowledged is lost, for that is committed.

    The kernel sees to it on Linux; `read_settings_line` does everywhere.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor_pid:
        os._exit(1)


def read_settings_line() -> dict[str, str]:
    """The settings, as environment variables, that the supervisor sends as one JSON line on standard input.

    The supervisor holds the other end open as long as it lives; from now on its closing ends this process.
    """
    line = b""
    while not line.endswith(b"\n"):
        line += _read_input()
    threading.Thread(target=_read_for_ever, name="lifeline", daemon=True).start()
    variables: dict[str, str] = json.loads(line)
    return variables


def run_until_stopped(serve: Serve) -> None:
    """Run ``serve`` on a fast event loop until SIGTERM or SIGINT; a second signal ends the process at once."""
    with asyncio.Runner(loop_factory=fast_loop_factory()) as runner:
        runner.run(_serve(serve))


def fast_loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's event loops where it is installed, else the standard ones."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop


async def _serve(serve: Serve) -> None:
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(HASTY_EXIT_CODE)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await serve(lambda addresses: announce("ready", addresses), stop)


def _read_for_ever() -> None:
    while True:
        _read_input()


def _read_input() -> bytes:
    # The raw descriptor: a daemon thread inside sys.stdin would hold its lock at the interpreter's end.
    received = os.read(STDIN_FD, 64 * 1024)
    if not received:
        os._exit(1)
    return received
