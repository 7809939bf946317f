"""Running parts of Stepwell, as processes of their own, for the demo to send to."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

Start = Callable[..., dict[str, str]]
STEPWELL = [sys.executable, "-m", "stepwell_api.cli"]
FREE_PORTS = ["--port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a serving command, with further options, and gives the addresses of its ready line."""
    with ExitStack() as stack:

        def start_one(command: str, database_url: str, *options: str) -> dict[str, str]:
            process = subprocess.Popen(
                [*STEPWELL, command, *FREE_PORTS, *options],
                env=os.environ | {"STEPWELL_DATABASE_URL": database_url},
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(_stop, process)
            assert process.stdout is not None
            addresses: dict[str, str] = json.loads(process.stdout.readline())
            return addresses

        yield start_one


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
