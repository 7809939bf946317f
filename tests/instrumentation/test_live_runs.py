"""Runs seen while they run, on a real Stepwell: at once, after a kill, and until they count as timeouts."""

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.instrumentation.scripts import started
from tests.instrumentation.told import executions, steps
from tests.lifecycle.process_table import until
from tests.lifecycle.running import FREE_PORTS, running

AGENT = """
import sys, time
import stepwell
stepwell.configure(heartbeat_s={heartbeat_s})
with stepwell.agent(sys.argv[1]):
    with stepwell.step("before"):
        pass
    with stepwell.step("last"):
        stepwell.checkpoint({{"done": ["before"]}}, id="saved")
        print("ready", flush=True)
        time.sleep(600)
"""


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A Stepwell that takes runs for timeouts after three seconds of silence."""
    folder = tmp_path_factory.mktemp("impatient")
    with running(folder, "up", "--data-dir", folder / "data", "--stale-after", "3s", *FREE_PORTS) as command:
        yield command.ready()


def status_of(stepwell: dict[str, str], agent_id: str) -> str | None:
    found = executions(stepwell, agent_id)
    return found[0]["status"] if found else None


def test_killed_run_is_seen_running_with_its_last_step_and_then_as_timeout(impatient: dict[str, str]) -> None:
    code = AGENT.format(heartbeat_s=30)
    with started(code, impatient["otlp_http"], "killed") as process:
        until(lambda: bool(executions(impatient, "killed")), "the run")
        execution_id = executions(impatient, "killed")[0]["execution_id"]
        until(lambda: len(steps(impatient, execution_id)) == 3, "its steps")
        process.kill()
        process.wait()
    assert [(row["step_name"], row["status"]) for row in steps(impatient, execution_id)] == [
        ("killed", "running"),
        ("before", "success"),
        ("last", "running"),
    ]
    until(lambda: status_of(impatient, "killed") == "timeout", "a timeout", 60)


def test_run_that_gives_signs_of_life_is_no_timeout(impatient: dict[str, str]) -> None:
    with started(AGENT.format(heartbeat_s=0.5), impatient["otlp_http"], "quiet"):
        until(lambda: status_of(impatient, "quiet") == "running", "the run")
        begun = executions(impatient, "quiet")[0]["start_time"]
        until(lambda: executions(impatient, "quiet")[0]["last_activity_at"] > begun, "a sign of life")
        deadline_s = time.monotonic() + 9
        until(
            lambda: time.monotonic() > deadline_s or status_of(impatient, "quiet") != "running", "three times as long"
        )
        assert status_of(impatient, "quiet") == "running"
    until(lambda: status_of(impatient, "quiet") == "timeout", "a timeout after its end", 60)


LATENCY = """
import sys, time
import stepwell
stepwell.configure()
@stepwell.step
def work(number):
    time.sleep(0.03)
with stepwell.agent("prompt"):
    for number in range(int(sys.argv[1])):
        work(number)
"""


def test_started_steps_are_in_the_database_soon(tmp_path: Path, data_dir: Path, database_url: str) -> None:
    """The bound is that of a machine which does other things as well; the benchmark tells the time itself."""
    with running(tmp_path, "up", "--database-url", database_url, "--data-dir", data_dir, *FREE_PORTS) as command:
        otlp_http = command.ready()["otlp_http"]
        # The agent's own output is its end here, so it is not waited for.
        with started("print('ready', flush=True)\n" + LATENCY, otlp_http, "100") as process:
            process.wait(60)
        with psycopg.connect(database_url) as connection:
            query = (
                "SELECT extract(epoch FROM created_at - start_time) FROM analytics.live_steps WHERE step_name = 'work'"
            )
            delays_s = sorted(float(row[0]) for row in connection.execute(query))
    assert len(delays_s) > 50
    assert delays_s[len(delays_s) // 2] < 1
