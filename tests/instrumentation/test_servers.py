"""Agents in servers that fork: every run is told once, whichever process it was in and however that ended."""

import os
import signal
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.instrumentation.backends import backend, free_port, is_started
from tests.instrumentation.collectors import collector
from tests.instrumentation.told import environment
from tests.lifecycle.process_table import until

FOLDER = Path(__file__).parent / "servers"
RUNS = 6


def variables(url: str, **more: str) -> dict[str, str]:
    """The environment of a process that reports to `url` and imports from `FOLDER`."""
    search = os.pathsep.join((str(FOLDER), os.environ.get("PYTHONPATH", "")))
    return environment({"otlp_http": url}, PYTHONPATH=search, **more)


@contextmanager
def server(log: Path, around: dict[str, str], *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A server in a process of its own, which ends at the latest with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], env=around, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def finished(spans: Sequence[Span]) -> Counter[str]:
    """Names of the finished spans, none of which was sent twice."""
    found = [span for span in spans if not is_started(span)]
    assert len({span.span_id for span in found}) == len(found)
    return Counter(span.name for span in found)


@pytest.mark.parametrize("over", ["http", "grpc"])
def test_runs_in_gunicorn(over: str, tmp_path: Path) -> None:
    """Its workers are forked from a process that has reported before, and replaced while it serves."""
    log, address = tmp_path / "log", f"127.0.0.1:{free_port()}"
    options = ["--preload", "--workers", "2", "--bind", address, "--no-control-socket"]
    options += ["--max-requests", "3"] if over == "http" else []

    def ask(number: int) -> None:
        with urlopen(f"http://{address}/?{number}", timeout=30) as answer:
            answer.read()

    with collector() if over == "grpc" else backend() as found:
        with server(log, variables(found.url, OVER=over), "gunicorn", *options, "wsgi_agent:application") as process:
            until(lambda: "Listening at" in log.read_text(), "a server")
            with ThreadPoolExecutor(4) as threads:
                deque(threads.map(ask, range(RUNS)), 0)
            process.terminate()
            assert process.wait(60) == 0
        told = finished(found.spans)
    assert told == {"invoke_agent warm_up": 1, "invoke_agent serve": RUNS, "execute_tool work": RUNS}


SENDER = f"""
import stepwell
from queue_agent import sort
with stepwell.agent("sender"):
    for number in range({RUNS}):
        sort.apply_async((number,), headers=stepwell.inject({{}}))
"""


def test_tasks_of_celery_also_the_last_of_a_process(tmp_path: Path) -> None:
    """Celery ends its processes itself, here each after some tasks."""
    log = tmp_path / "log"
    options = ["--concurrency", "2", "--max-tasks-per-child", "3", "--loglevel", "INFO"]
    options += ["--without-mingle", "--without-gossip", "--without-heartbeat"]
    with backend() as found:
        around = variables(found.url, BROKER=str(tmp_path))
        subprocess.run([sys.executable, "-c", SENDER], env=around, check=True, timeout=60)
        with server(log, around, "celery", "--app", "queue_agent", "worker", *options) as process:
            until(lambda: log.read_text().count("succeeded in") == RUNS, "all tasks", 60)
            process.terminate()
            assert process.wait(60) == 0
        spans = [span for span in found.spans if not is_started(span)]
        told = finished(found.spans)
    assert told == {"invoke_agent sender": 1, "invoke_agent sorter": RUNS, "execute_tool work": RUNS}
    (sender,) = {span.span_id for span in spans if span.name == "invoke_agent sender"}
    assert {span.parent_span_id for span in spans if span.name == "invoke_agent sorter"} == {sender}
