"""Running parts of Stepwell, as processes of their own, for the demo to send to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.lifecycle.running import FREE_PORTS, running

Start = Callable[..., dict[str, str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a serving command, with further options, and gives the addresses of its ready line."""
    with ExitStack() as stack:

        def start_one(command: str, database_url: str, *options: str) -> dict[str, str]:
            started = running(tmp_path, command, *FREE_PORTS, *options, STEPWELL_DATABASE_URL=database_url)
            return stack.enter_context(started).ready()

        yield start_one
