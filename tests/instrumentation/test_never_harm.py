"""Whatever the backend does, an agent gives what it gives, in its time, and says so once."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import pytest
from tests.instrumentation.backends import Answer, backend, black_hole, free_port, hang_up, no_http, status, text
from tests.instrumentation.scripts import lines, run

AGENT = """
import json, logging, sys, time
import stepwell
logging.basicConfig(level=logging.WARNING, format="%(name)s %(message)s")
stepwell.configure(exit_timeout_s=0.5, max_buffered_bytes=int(sys.argv[2]))

@stepwell.step
def work(number):
    if number % 100 == 99:
        raise ValueError(number)
    return number

@stepwell.agent
def agent(count):
    total = 0
    for number in range(count):
        try:
            total += work(number)
        except ValueError as error:
            total -= error.args[0]
    return total

begun = time.perf_counter()
total = agent(int(sys.argv[1]))
took = time.perf_counter() - begun
time.sleep(float(sys.argv[3]))
print(json.dumps({"total": total, "took": took, "counts": stepwell.counts()}))
"""
TOTAL = sum(range(300)) - 2 * (99 + 199 + 299)

ANSWERS: dict[str, Answer] = {
    "unavailable": status(503, retry_after="3"),
    "not found": status(404),
    "unauthorized": status(401),
    "redirect": status(302, location="http://127.0.0.1:1/"),
    "server error": status(500),
    "no http": no_http,
    "hang up": hang_up,
    "odd retry": status(429, retry_after="tomorrow"),
}


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    with backend() as found:
        found.answer = answer
        yield found.url


@contextmanager
def refusing() -> Iterator[str]:
    yield f"http://127.0.0.1:{free_port()}"


@contextmanager
def unknown_host() -> Iterator[str]:
    yield "http://nowhere.invalid:4318"


BACKENDS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    **{name: partial(answering, answer) for name, answer in ANSWERS.items()},
    "down": refusing,
    "unknown host": unknown_host,
    "black hole": black_hole,
}


@pytest.mark.parametrize("name", BACKENDS)
def test_agent_is_unharmed_by_a_backend_that(name: str) -> None:
    with BACKENDS[name]() as url:
        done = run(AGENT, url, "300", "20000", "0.3")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["total"] == TOTAL
    assert told["took"] < 5
    warnings = [line for line in lines(done) if line.startswith("stepwell ")]
    assert len(warnings) == len(lines(done)), done.stderr
    assert len(warnings) <= len(told["counts"]) + 1


def test_answers_that_are_no_otlp_are_taken_for_success() -> None:
    with backend() as found:
        found.answer = text(b"<html>hello</html>")
        done = run(AGENT, found.url, "300", "1000000", "0.3")
        sent = len(found.finished)
    assert json.loads(done.stdout)["total"] == TOTAL
    assert sent == 301
    assert len(lines(done)) == 1


def test_rejected_spans_are_counted_and_told_once() -> None:
    with backend() as found:
        # partial_success { rejected_spans: 1, error_message: "bad ids" }
        found.answer = text(b"\x0a\x0b\x08\x01\x12\x07bad ids")
        done = run(AGENT, found.url, "300", "1000000", "0.3")
    assert json.loads(done.stdout)["counts"]["spans_rejected"] >= 1
    assert lines(done) == ["stepwell The backend rejected spans: bad ids"]


def test_settings_that_cannot_be_used_are_told_and_nothing_is_reported() -> None:
    code = """
import logging, stepwell
logging.basicConfig(format="%(message)s")
print(stepwell.configure(redact_patterns=["("]))
@stepwell.agent
def agent(): return 1
print(agent())
"""
    done = run(code, "http://127.0.0.1:1")
    assert done.stdout == "None\n1\n"
    assert len(lines(done)) == 1
    assert lines(done)[0].startswith("Stepwell could not be set up, nothing is reported: ")


MEMORY = """
import json, resource, sys
import stepwell
stepwell.configure(exit_timeout_s=0.1, max_buffered_bytes=2_000_000)

@stepwell.step
def work(text):
    return text

def highest():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

@stepwell.agent
def agent(count):
    for _ in range(count):
        work("x" * 5_000)

agent(300)
before = highest()
agent(6_000)
print(json.dumps({"grown": highest() - before, "counts": stepwell.counts()}))
"""


def test_memory_is_bounded_while_the_backend_is_away() -> None:
    """The second run alone reports 180 MB of attributes."""
    with refusing() as url:
        done = run(MEMORY, url)
    told = json.loads(done.stdout)
    assert told["counts"]["spans_dropped"] > 1_000
    assert told["grown"] < 110


FORKS = """
import os, time
import stepwell
stepwell.configure(exit_timeout_s=0.1)
with stepwell.agent("parent"):
    pass
time.sleep(0.2)  # what was put into the queue is on its way now
begun = time.perf_counter()
for _ in range(50):
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
print(time.perf_counter() - begun)
"""


def test_forks_do_not_wait_for_a_backend_that_says_nothing() -> None:
    """But for the first, for a moment; 50 such moments were 10 s."""
    with black_hole() as url:
        done = run(FORKS, url)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 8
