"""When what is reported arrives: live at once, all of it at the end, after outages, signals and forks."""

import signal
import time

import pytest
from tests.instrumentation.backends import Backend, attribute, backend, free_port, is_started, status
from tests.instrumentation.scripts import run, started
from tests.lifecycle.process_table import until

SLEEPER = """
import sys, time
import stepwell
stepwell.configure(heartbeat_s=0.1)
with stepwell.agent("sleeper"):
    with stepwell.step("first"):
        pass
    with stepwell.step("waiting", input=1):
        stepwell.checkpoint({"at": 1}, id="here")
        print("ready", flush=True)
        sys.stdin.readline()
print("over")
"""


def names(found: Backend, *, live: bool) -> list[str]:
    return [span.name for span in found.spans if is_started(span) is live]


def test_running_steps_are_sent_before_they_end() -> None:
    with backend() as found, started(SLEEPER, found.url) as process:
        until(lambda: "execute_tool waiting" in names(found, live=True), "a live step")
        assert names(found, live=False) == ["execute_tool first"]
        waiting = next(span for span in found.spans if span.name == "execute_tool waiting")
        assert waiting.end_time_unix_nano == waiting.start_time_unix_nano
        assert attribute(waiting, "gen_ai.tool.call.arguments") == "1"
        process.communicate("\n")
        live = {span.span_id: span for span in found.spans if is_started(span)}
        finished = {span.span_id: span for span in found.spans if not is_started(span)}
        assert [span.name for span in finished.values()] == [
            *("execute_tool first", "execute_tool waiting", "invoke_agent sleeper")
        ]
        for span_id, span in live.items():
            same = finished[span_id]
            told = (span.trace_id, span.parent_span_id, span.name, span.kind, span.start_time_unix_nano)
            assert told == (same.trace_id, same.parent_span_id, same.name, same.kind, same.start_time_unix_nano)


def test_run_that_goes_on_gives_signs_of_life_and_its_checkpoints() -> None:
    with backend() as found, started(SLEEPER, found.url):

        def signs() -> list[int]:
            times = [attribute(span, "stepwell.span.seen_ns") for span in found.spans if "sleeper" in span.name]
            return [time_ns for time_ns in times if time_ns]

        until(lambda: len(signs()) >= 3, "heartbeats")
        assert sorted(signs()) == signs()

        def saved() -> list[str]:
            return [event.name for span in found.spans if span.name == "execute_tool waiting" for event in span.events]

        until(lambda: "stepwell.checkpoint" in saved(), "the checkpoint of a running step")


def test_steps_that_end_at_once_are_sent_once() -> None:
    code = """
import stepwell
stepwell.configure()
with stepwell.agent("quick"):
    for number in range(1_000):
        with stepwell.step(f"s{number}"):
            pass
"""
    with backend() as found:
        assert run(code, found.url).returncode == 0
        assert len(names(found, live=False)) == 1_001
        assert len(names(found, live=True)) < 200
        assert len(found.bodies) < 60


QUICK = """
import logging, sys
import stepwell
logging.basicConfig(format="%(message)s")
stepwell.configure()
@stepwell.agent
def quick():
    for number in range(200):
        with stepwell.step(f"s{number}"):
            pass
quick()
"""


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise SystemExit(3)", "1/0"])
def test_everything_is_sent_when_the_process_ends(end: str) -> None:
    with backend() as found:
        done = run(QUICK + end, found.url)
        assert len(found.finished) == 201
    assert done.returncode == {"": 0, "1/0": 1}.get(end, 3)


SIGNALLED = """
import signal, sys, time
import stepwell
{before}
stepwell.configure()
with stepwell.agent("done"):
    pass
agent = stepwell.agent("unfinished").__enter__()
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""
HANDLER = """
def handler(number, frame):
    print("handled", flush=True)
    sys.exit(7)
signal.signal(signal.SIGTERM, handler)
"""


@pytest.mark.parametrize(("before", "code", "printed"), [("", -signal.SIGTERM, ""), (HANDLER, 7, "handled\n")])
def test_sigterm_sends_what_is_left_and_goes_on_to_who_handled_it(before: str, code: int, printed: str) -> None:
    with backend() as found, started(SIGNALLED.format(before=before), found.url) as process:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (code, printed, "")
        assert "invoke_agent done" in found.finished
        assert "invoke_agent unfinished" in names(found, live=True)


def test_signal_that_is_ignored_stays_so() -> None:
    before = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    with backend() as found, started(SIGNALLED.format(before=before), found.url) as process:
        process.send_signal(signal.SIGTERM)
        until(lambda: len(found.bodies) > 0, "spans")
        assert process.poll() is None


OUTAGE = """
import sys, time
import stepwell
stepwell.configure(heartbeat_s=5)
@stepwell.step
def work(number): return number
@stepwell.agent
def agent():
    for number in range(100):
        work(number)
    print("ready", flush=True)
    with stepwell.step("long"):
        sys.stdin.readline()
agent()
print(stepwell.flush(20), flush=True)
"""


@pytest.mark.parametrize("away", ["down", "overloaded"])
def test_run_is_complete_after_the_backend_was_away(away: str) -> None:
    port = free_port()
    with started(OUTAGE, f"http://127.0.0.1:{port}") as process:
        if away == "overloaded":
            with backend(port) as busy:
                busy.answer = status(503)
                until(lambda: len(busy.bodies) > 1, "attempts")
        with backend(port) as found:
            until(lambda: "execute_tool long" in names(found, live=True), "the step that runs, told again")
            out, _ = process.communicate("\n", timeout=30)
            assert out == "True\n"
            assert sorted(found.finished) == sorted(
                ["invoke_agent agent", "execute_tool long", *["execute_tool work"] * 100]
            )


FORKED = """
import multiprocessing, os, sys
import stepwell
stepwell.configure()
@stepwell.step
def work(number):
    return number
@stepwell.agent
def agent(number):
    return work(number)
def child(number):
    agent(number)
if __name__ == "__main__":
    agent(0)
    {how}
    agent(9)
"""
FORKS: dict[str, str] = {
    "os.fork": """
    for number in (1, 2):
        pid = os.fork()
        if not pid:
            child(number)
            sys.exit(0)
        os.waitpid(pid, 0)
""",
    "multiprocessing": """
    context = multiprocessing.get_context("fork")
    made = [context.Process(target=child, args=(number,)) for number in (1, 2)]
    for process in made: process.start()
    for process in made: process.join()
""",
    "pool": """
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(agent, [1, 2])
        pool.close()
        pool.join()
""",
}


@pytest.mark.parametrize("how", FORKS)
def test_children_of_forks_report_what_they_do_and_nothing_twice(how: str) -> None:
    with backend() as found:
        done = run(FORKED.format(how=FORKS[how]), found.url)
        assert (done.returncode, done.stderr) == (0, "")
        finished = [span for span in found.spans if not is_started(span)]
        assert sorted(span.name for span in finished) == [*["execute_tool work"] * 4, *["invoke_agent agent"] * 4]
        assert len({span.span_id for span in finished}) == 8
        assert len({span.trace_id for span in finished}) == 4


def test_step_across_a_fork_is_the_parent_of_what_the_child_does() -> None:
    code = """
import os, stepwell
stepwell.configure()
with stepwell.agent("run"):
    pid = os.fork()
    if not pid:
        with stepwell.step("inside"):
            pass
        stepwell.flush()
        os._exit(0)
    os.waitpid(pid, 0)
"""
    with backend() as found:
        assert run(code, found.url).returncode == 0
        (inside,) = [span for span in found.spans if span.name == "execute_tool inside" and not is_started(span)]
        (run_span,) = [span for span in found.spans if span.name == "invoke_agent run" and not is_started(span)]
    assert inside.parent_span_id == run_span.span_id


def test_end_of_the_process_waits_no_longer_than_told() -> None:
    with backend() as found:
        found.answer = found.wait
        begun = time.monotonic()
        assert run(QUICK.replace("configure()", "configure(exit_timeout_s=0.3)"), found.url).returncode == 0
        assert time.monotonic() - begun < 10


def test_killed_run_leaves_its_last_step() -> None:
    with backend() as found, started(SLEEPER, found.url) as process:
        until(lambda: "execute_tool waiting" in names(found, live=True), "a live step")
        process.kill()
        process.wait()
        assert "invoke_agent sleeper" in names(found, live=True)
        assert names(found, live=False) == ["execute_tool first"]
