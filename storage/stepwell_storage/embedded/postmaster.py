"""PostgreSQL's main process as our child."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psycopg

from stepwell_storage.embedded.account import Account
from stepwell_storage.embedded.binaries import launch_command

POLL_S = 0.02
FAST_STOP_S = 30.0
HASTY_STOP_S = 10.0
LOG_TAIL_BYTES = 16 * 1024


class Postmaster:
    """A started PostgreSQL, whether it answers yet or not.

    ``lifeline`` adds a watchdog process for systems on which the kernel does not end a child with its parent.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        account: Account | None,
        environment: Mapping[str, str],
        fds: tuple[int, ...],
        log: IO[bytes],
        lifeline: bool,
    ) -> None:
        watched_fd, self._lifeline_fd = os.pipe() if lifeline else (-1, -1)
        try:
            self._process = subprocess.Popen(
                launch_command(command, account=account, death_signal=signal.SIGQUIT, lifeline_fd=watched_fd),
                cwd="/",
                env=environment,
                pass_fds=(*fds, watched_fd) if lifeline else fds,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C in the terminal is for us; we stop PostgreSQL after everyone who uses it.
                start_new_session=True,
            )
        finally:
            if lifeline:
                os.close(watched_fd)

    @property
    def pid(self) -> int:
        """Its process id; also the id of its process group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """``None`` while it runs."""
        return self._process.poll()

    def wait(self) -> int:
        """Block until it ends; safe beside `stop` in another thread."""
        return self._process.wait()

    def answers(self, url: str, timeout_s: float) -> bool:
        """Wait until a connection succeeds; false when the process ends or the time is over before."""
        deadline_s = time.monotonic() + timeout_s
        while self.exit_code is None and time.monotonic() < deadline_s:
            try:
                psycopg.connect(url, connect_timeout=5).close()
            except psycopg.OperationalError:
                time.sleep(POLL_S)
            else:
                return True
        return False

    def stop(self, *, hasten: bool = False) -> None:
        """Fast shutdown (open transactions are cut, everything is written), or with ``hasten`` an immediate one."""
        if not hasten and self._ends_after(signal.SIGINT, FAST_STOP_S):
            return
        if self._ends_after(signal.SIGQUIT, HASTY_STOP_S):
            return
        self._ends_after(signal.SIGKILL, HASTY_STOP_S)

    def dismiss_watchdog(self) -> None:
        """Let the watchdog go without a signal; to be called once the process has ended."""
        fd, self._lifeline_fd = self._lifeline_fd, -1
        if fd >= 0:
            with contextlib.suppress(BrokenPipeError):
                os.write(fd, b".")
            os.close(fd)

    def _ends_after(self, signal_number: signal.Signals, timeout_s: float) -> bool:
        self._process.send_signal(signal_number)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        self.dismiss_watchdog()
        return True


def log_tail(log_path: Path, start_bytes: int) -> str:
    """What was written to the log after ``start_bytes``, at most the last `LOG_TAIL_BYTES` of it."""
    with log_path.open("rb") as log:
        size_bytes = log.seek(0, os.SEEK_END)
        log.seek(max(start_bytes, size_bytes - LOG_TAIL_BYTES))
        return log.read().decode(errors="replace")
