"""A real ``stepwell`` command as a process of its own, its output in files; it ends with the tests at the latest."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.lifecycle.process_table import MARK, alive, children, family, marked, until

from stepwell_storage.embedded.binaries import launch_command

FREE_PORTS = ("--port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0")
START_TIMEOUT_S = 60.0


class Running:
    """One started command."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        folder: Path,
        environment: Mapping[str, str],
        before: Sequence[str | Path] = (),
    ) -> None:
        """`before` is a program with its arguments that runs the command."""
        self.mark = uuid.uuid4().hex
        self._out, self._err = folder / f"{self.mark}.out", folder / f"{self.mark}.err"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STEPWELL_")}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            command = [*map(str, before), sys.executable, "-P", "-m", "stepwell_api.cli", *map(str, arguments)]
            self.process = subprocess.Popen(
                # Tests that are killed leave nothing behind.
                launch_command(command, account=None, death_signal=signal.SIGKILL),
                env={**inherited, MARK: self.mark, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def stdout(self) -> str:
        """What it printed on standard output so far."""
        return self._out.read_text()

    @property
    def stderr(self) -> str:
        """What it wrote to standard error so far."""
        return self._err.read_text()

    def ready(self) -> dict[str, str]:
        """The addresses of its ready line."""
        until(lambda: "\n" in self.stdout or self.process.poll() is not None, "a ready line", START_TIMEOUT_S)
        assert self.process.poll() is None, self.stderr
        (line,) = self.stdout.splitlines()
        event: dict[str, str] = json.loads(line)
        assert event.pop("event") == "ready"
        return event

    def parts(self) -> dict[str, int]:
        """Process ids of the supervisor's children by what they are."""
        return children(self.process.pid)

    def everything(self) -> set[int]:
        """All processes that came of it."""
        return family(self.process.pid) | marked(self.mark)

    def wait(self, timeout_s: float = START_TIMEOUT_S) -> int:
        """Its exit code."""
        return self.process.wait(timeout_s)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def clean_up(self) -> None:
        """End whatever is left of it, one by one."""
        left = self.everything() if self.process.poll() is None else marked(self.mark)
        self.process.kill()
        for pid in alive(left):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()


@contextmanager
def running(
    folder: Path, *arguments: str | Path, before: Sequence[str | Path] = (), **environment: str
) -> Iterator[Running]:
    """A started command, ended with the block."""
    command = Running(arguments, folder, environment, before)
    try:
        yield command
    finally:
        command.clean_up()


def finished(folder: Path, *arguments: str | Path, **environment: str) -> Running:
    """A command that ends by itself."""
    with running(folder, *arguments, **environment) as command:
        command.wait()
        return command
