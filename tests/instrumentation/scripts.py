"""Small agents that tests run in processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.instrumentation.told import environment


def command(code: str, *arguments: str) -> list[str]:
    """A Python program with arguments."""
    return [sys.executable, "-P", "-W", "error", "-c", code, *arguments]


def run(code: str, endpoint: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a program that reports to `endpoint` to its end."""
    return subprocess.run(
        command(code, *arguments),
        env=environment({"otlp_http": endpoint}, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def started(code: str, endpoint: str, *arguments: str, **more: str) -> Iterator["subprocess.Popen[str]"]:
    """A program that reports to `endpoint` and has printed its first line; it ends at the latest with the block."""
    process = subprocess.Popen(
        command(code, *arguments),
        env=environment({"otlp_http": endpoint}, **more),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()


def lines(done: "subprocess.CompletedProcess[str]") -> Sequence[str]:
    """What a program wrote to standard error."""
    return done.stderr.splitlines()
