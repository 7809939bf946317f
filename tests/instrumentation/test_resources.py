"""What a run takes of its process: memory, CPU time, HTTP requests and model calls."""

import json
import mmap
import time

from tests.instrumentation.backends import backend
from tests.instrumentation.scripts import run

import stepwell
from stepwell import resources
from stepwell.testing import recorded

HTTP = """
import asyncio, json, sys, urllib.request
import httpx, requests
import stepwell
client = stepwell.configure(sys.argv[1])
url = sys.argv[2]

async def ask():
    async with httpx.AsyncClient() as http:
        await http.post(url, content=b"x")

@stepwell.agent
def busy():
    urllib.request.urlopen(url, data=b"x").read()
    with stepwell.step("inside"):
        requests.post(url, data=b"x").close()
        httpx.post(url, content=b"x")
    asyncio.run(ask())

@stepwell.agent
def idle():
    pass

from stepwell.testing import recorded
with recorded() as recorder:
    busy()
    idle()
httpx.post(url, content=b"x")
print(json.dumps({step.name: step.attributes.get("stepwell.http_calls") for step in recorder.steps}))
"""


def test_http_requests_are_counted_whichever_library_sends_them() -> None:
    with backend() as backend_at_hand, backend() as service:
        done = run(HTTP, backend_at_hand.url, backend_at_hand.url, service.url)
        assert done.returncode == 0, done.stderr
        assert len(service.bodies) == 5
    assert json.loads(done.stdout) == {"busy": 4, "inside": None, "idle": 0}


def test_model_calls_of_any_instrumentation_are_counted_once_each() -> None:
    with recorded() as recorder, stepwell.agent("run"):
        with stepwell.step(model="m"):
            pass
        with recorder.provider.get_tracer("other").start_as_current_span("llm") as span:
            span.set_attribute("openinference.span.kind", "LLM")
        with stepwell.agent("inner"), stepwell.step("embed", operation="embeddings"):
            pass
    assert recorder.step("run").attributes["stepwell.model_calls"] == 3
    assert "stepwell.model_calls" not in recorder.step("inner").attributes


def test_memory_and_cpu_time_of_a_run() -> None:
    with recorded() as recorder, stepwell.agent("run"):
        # Straight from the system and back: the interpreter's own memory may be kept for later.
        with mmap.mmap(-1, 30_000_000) as held:
            held.write(b"x" * 30_000_000)
            resources.sample()
        until_s = time.process_time() + 0.05
        while time.process_time() < until_s:
            pass
    attributes = recorder.step("run").attributes
    now_mb = resources.resident_mb()
    assert now_mb is not None
    assert attributes["stepwell.memory_mb"] > now_mb + 20
    assert 50 <= attributes["stepwell.cpu_ms"] < 5_000


def test_meters_do_not_pile_up() -> None:
    with recorded():
        for _ in range(100):
            with stepwell.agent("run"):
                pass
    assert resources._meters == {}
