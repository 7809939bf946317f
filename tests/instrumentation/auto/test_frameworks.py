"""The framework examples as they stand, started through ``stepwell instrument``: real frameworks, a scripted model.

What is expected of tokens, models and tools comes from the model's script (tests/frameworks/conversations.py).
"""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from tests.frameworks.environment import ROOT, bare, python_with_stepwell, with_model
from tests.frameworks.model_server import model_server
from tests.instrumentation.told import ask, execution, steps
from tests.lifecycle.process_table import until

SCRIPT_TIMEOUT_S = 240.0
ANSWER = "Order ORD-1001 is refunded: 39.90."

pytestmark = pytest.mark.timeout(900)
"""The first run installs the frameworks."""

Steps = tuple[str, ...]
"""Each step as "its parent's name > its own (operation)", sorted: tools that run at once begin in any order."""


@dataclass(frozen=True, slots=True)
class Example:
    """A script, where it runs, and what Stepwell is to show of it."""

    script: str
    environment: str
    agent: str
    steps: Steps
    command: tuple[str, ...] = ("stepwell", "instrument", "--")


EXAMPLES = (
    Example(
        "langgraph_agent",
        "current",
        "refund_graph",
        (
            "model > ChatOpenAI (chat)",
            "model > ChatOpenAI (chat)",
            "refund_graph > model (chain)",
            "refund_graph > model (chain)",
            "refund_graph > tools (chain)",
            "refund_graph > tools (chain)",
            "run > refund_graph (chain)",
            "tools > lookup_order (execute_tool)",
            "tools > refund_policy (execute_tool)",
        ),
    ),
    Example(
        "pydantic_ai_agent",
        "current",
        "refund_agent",
        (
            "refund_agent > chat (chat)",
            "refund_agent > chat (chat)",
            "refund_agent > lookup_order (execute_tool)",
            "refund_agent > refund_policy (execute_tool)",
            "run > refund_agent (invoke_agent)",
        ),
    ),
    Example(
        "openai_agents_agent",
        "current",
        "refund_clerk",
        (
            "Agent workflow > Agent workflow (chain)",
            "Agent workflow > refund_clerk (invoke_agent)",
            "refund_clerk > turn (chain)",
            "refund_clerk > turn (chain)",
            "run > Agent workflow (invoke_agent)",
            "turn > lookup_order (execute_tool)",
            "turn > refund_policy (execute_tool)",
            "turn > response (chat)",
            "turn > response (chat)",
        ),
    ),
    Example(
        "smolagents_agent",
        "current",
        "refund_smith",
        (
            "Step 1 > OpenAIModel.generate (chat)",
            "Step 1 > lookup_order (execute_tool)",
            "Step 1 > refund_policy (execute_tool)",
            "Step 2 > OpenAIModel.generate (chat)",
            "Step 2 > final_answer (execute_tool)",
            "refund_smith > Step 1 (chain)",
            "refund_smith > Step 2 (chain)",
            "run > refund_smith (invoke_agent)",
        ),
    ),
    Example(
        "agent_framework_agent",
        "current",
        "refund_frame",
        (
            "refund_frame > chat (chat)",
            "refund_frame > chat (chat)",
            "refund_frame > lookup_order (execute_tool)",
            "refund_frame > refund_policy (execute_tool)",
            "run > refund_frame (invoke_agent)",
        ),
        command=("opentelemetry-instrument",),
    ),
    Example(
        "crewai_crew",
        "older",
        "refund_crew",
        (
            "refund_clerk > ChatCompletion (chat)",
            "refund_clerk > ChatCompletion (chat)",
            "refund_clerk > lookup_order (execute_tool)",
            "refund_clerk > refund_policy (execute_tool)",
            "refund_crew > refund_clerk (invoke_agent)",
            "run > refund_crew (invoke_workflow)",
        ),
    ),
    Example(
        "strands_agent",
        "older",
        "refund_strand",
        (
            "execute_event_loop_cycle > chat (chat)",
            "execute_event_loop_cycle > chat (chat)",
            "execute_event_loop_cycle > lookup_order (execute_tool)",
            "execute_event_loop_cycle > refund_policy (execute_tool)",
            "refund_strand > execute_event_loop_cycle (execute_event_loop_cycle)",
            "refund_strand > execute_event_loop_cycle (execute_event_loop_cycle)",
            "run > refund_strand (invoke_agent)",
        ),
    ),
)


@pytest.fixture(scope="module")
def outputs(
    request: pytest.FixtureRequest, stepwell: dict[str, str]
) -> Iterator[dict[Example, Future[subprocess.CompletedProcess[str]]]]:
    """The examples that are asked for, running at once, as many as there are processors."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    asked = [given["example"] for given in parameters if isinstance(given.get("example"), Example)]
    for environment in {example.environment for example in asked}:
        python_with_stepwell(environment)
    with model_server() as model, ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {example: pool.submit(run, example, model, stepwell["otlp_http"]) for example in asked}


def run(example: Example, model: str, otlp_http: str) -> subprocess.CompletedProcess[str]:
    """Runs an example as a user does, with the environment's commands first on the path."""
    commands = python_with_stepwell(example.environment).parent
    variables = {
        **with_model(f"{model}/{example.script}"),
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "STEPWELL_ENDPOINT": otlp_http,
    }
    return subprocess.run(
        [commands / example.command[0], *example.command[1:], "python", f"examples/{example.script}.py"],
        cwd=ROOT,
        env=bare(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SCRIPT_TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.script)
def test_an_unmodified_agent_is_told_once_and_whole(
    example: Example, outputs: dict[Example, Future[subprocess.CompletedProcess[str]]], stepwell: dict[str, str]
) -> None:
    done = outputs[example].result()
    assert (done.returncode, done.stdout) == (0, f"{ANSWER}\n"), done.stderr
    lines = done.stderr.splitlines()
    assert all(line.startswith("stepwell: ") for line in lines), done.stderr

    until(lambda: [run["end_time"] is not None for run in runs_of(stepwell, example)] == [True], example.script)
    (found,) = [execution(stepwell, run["execution_id"]) for run in runs_of(stepwell, example)]
    told = ("agent_id", "status", "prompt_tokens", "completion_tokens")
    assert [found[name] for name in told] == [example.agent, "success", 330, 69]
    assert ANSWER in str(found["output_data"])
    assert steps_of(stepwell, found["execution_id"]) == example.steps


def runs_of(stepwell: dict[str, str], example: Example) -> list[dict[str, Any]]:
    """All runs of the script, whatever their agent."""
    rows = ask(stepwell, "/executions", limit=1000)["items"]
    return [row for row in rows if row["service_name"] == example.script]


def steps_of(stepwell: dict[str, str], execution_id: str) -> Steps:
    rows = steps(stepwell, execution_id)
    names = {row["span_id"]: row["step_name"] for row in rows}
    told = (f"{names.get(row['parent'], 'run')} > {row['step_name']} ({row['operation']})" for row in rows)
    return tuple(sorted(told))
