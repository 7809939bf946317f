"""A Stepwell of our own to measure: started as users do, on free ports, and stopped with all that belongs to it."""

import contextlib
import http.client
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from stepwell_api.data_folder import runtime_url

LONGEST_START_S: Final = 120.0
LONGEST_STOP_S: Final = 60.0
SHOWN_CHARACTERS: Final = 4_000


@dataclass(frozen=True, slots=True)
class Stack:
    """Where a running ``stepwell up`` is reached."""

    pid: int
    api: str
    otlp_http: str
    otlp_grpc: str
    database_url: str


@contextlib.contextmanager
def running_stepwell(folder: Path | None = None, options: Sequence[str] = ()) -> Iterator[Stack]:
    """A Stepwell over the data in the folder, or over an empty database in a temporary one, with fsync."""
    with tempfile.TemporaryDirectory(prefix="stepwell-bench-") as temporary:
        data = folder or Path(temporary) / "data"
        ports = ["--port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0"]
        command = [sys.executable, "-m", "stepwell_api.cli", "up", "--data-dir", str(data), *ports, *options]
        with running(command, Path(temporary) / "log") as process:
            ready = first_line(process)
            url = runtime_url(data, process.pid)
            assert url is not None, "it is written before the line"
            yield Stack(process.pid, ready["api"], ready["otlp_http"], ready["otlp_grpc"], url)


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None, *, is_talkative: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """A process for the while, with our environment less Stepwell's settings, and what is given.

    Its standard output is a pipe unless `is_talkative`, its errors go into the log, whose end is shown when anything
    fails meanwhile. In the end it is asked to stop, and made to when it does not, with all that it started.
    """
    signal.signal(signal.SIGTERM, _end)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STEPWELL_")}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, env=inherited | dict(environment or {}), stdout=errors if is_talkative else subprocess.PIPE,
            stderr=errors, text=True, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    except BaseException:
        print(log.read_text(errors="replace")[-SHOWN_CHARACTERS:], file=sys.stderr)
        raise
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LONGEST_STOP_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def _end(*_: object) -> None:
    """Lets a SIGTERM end what was started, as an interrupt does."""
    raise SystemExit(128 + signal.SIGTERM)


def first_line(process: subprocess.Popen[str]) -> dict[str, str]:
    """What a command tells on standard output once it is ready."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], LONGEST_START_S)[0]:
        raise SystemExit(f"{process.args!r} was not ready within {LONGEST_START_S:.0f} s")
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args!r} ended before it was ready")
    ready: dict[str, str] = json.loads(line)
    return ready


class Api:
    """A connection to an HTTP API that stays open."""

    def __init__(self, url: str, prefix: str = "/api/v1") -> None:
        parts = urlsplit(url)
        self._prefix = prefix
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of the answer, read to its end."""
        return self._exchange("GET", path)

    def post(self, path: str, question: Mapping[str, Any]) -> tuple[int, bytes]:
        """The same for a question in JSON."""
        return self._exchange("POST", path, json.dumps(question))

    def _exchange(self, method: str, path: str, question: str | None = None) -> tuple[int, bytes]:
        try:
            return self._try(method, path, question)
        except (ConnectionError, http.client.RemoteDisconnected):  # the server closed what was not used for a while
            self.close()
            return self._try(method, path, question)

    def _try(self, method: str, path: str, question: str | None) -> tuple[int, bytes]:
        self._connection.request(method, f"{self._prefix}{path}", question, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return response.status, response.read()

    def close(self) -> None:
        """Lets the connection go; the next question opens it again."""
        self._connection.close()

    def ask(self, path: str, question: Mapping[str, Any] | None = None) -> Any:
        """The answer of what has to succeed, a POST where a question is given."""
        status, body = self.get(path) if question is None else self.post(path, question)
        if status != http.HTTPStatus.OK:
            raise SystemExit(f"{path} was answered with {status}: {body[:300]!r}")
        return json.loads(body)
