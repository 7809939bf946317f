"""Real frameworks with scripted models and official instrumentations, over OTLP into the database, out of the API.

Nothing of Stepwell is in their processes; what is expected comes from the model's script alone.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.captures import MODEL_OPERATIONS
from tests.frameworks.conversations import CONVERSATIONS, MODEL_FAILS, Answer, Silence, Turn
from tests.frameworks.environment import bare, python_of, with_model
from tests.frameworks.frameworks import FRAMEWORKS, Framework
from tests.frameworks.model_server import model_server
from tests.lifecycle.process_table import until

AGENTS = Path(__file__).parent / "agents"
SCRIPT_TIMEOUT_S = 240.0
TOLD_TIMEOUT_S = 30.0

pytestmark = pytest.mark.timeout(900)
"""The first run installs the frameworks."""

Outcome = dict[str, str]
"""How a run went for its caller: ``output``, or the type of the ``error`` that was raised."""


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, stepwell: dict[str, str]
) -> Iterator[dict[Framework, Future[list[Outcome]]]]:
    """The frameworks that are asked for, running at once, as many as there are processors."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    asked = {given["framework"] for given in parameters if isinstance(given.get("framework"), Framework)}
    pythons = {framework.environment: python_of(framework.environment) for framework in asked}
    with model_server() as model, ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {f: pool.submit(run_script, f, pythons[f.environment], model, stepwell["otlp_http"]) for f in asked}


def run_script(framework: Framework, python: Path, model: str, otlp_http: str) -> list[Outcome]:
    """Runs each conversation once; what the script printed of each."""
    variables = {
        **with_model(f"{model}/{framework.script}"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_http,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": framework.script,
    }
    done = subprocess.run(
        [python, AGENTS / f"{framework.script}.py", *CONVERSATIONS],
        env=bare(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SCRIPT_TIMEOUT_S,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, done.stderr
    assert len(lines) == len(CONVERSATIONS), done.stderr
    return lines


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.script)
def test_a_framework_tells_what_its_model_was_scripted_to_say(
    framework: Framework, outcomes: dict[Framework, Future[list[Outcome]]], stepwell: dict[str, str]
) -> None:
    happened = outcomes[framework].result()
    expected = [
        expected_run(framework, prompt, outcome) for prompt, outcome in zip(CONVERSATIONS, happened, strict=True)
    ]
    told: list[dict[str, Any]] = []

    def is_told() -> bool:
        told[:] = told_runs(stepwell["api"], framework)
        return told == expected

    with suppress(pytest.fail.Exception):
        until(is_told, "the runs as scripted", TOLD_TIMEOUT_S)
    assert told == expected


def expected_run(framework: Framework, prompt: str, outcome: Outcome) -> dict[str, Any]:
    """What Stepwell has to tell of a conversation."""
    answers = CONVERSATIONS[prompt]
    turns = [answer for answer in answers if isinstance(answer, Turn)]
    calls = [(call.name, not call.fails) for turn in turns for call in turn.calls]
    has_ended = isinstance(answers[-1], Turn)
    models = [answer for answer in answers if framework.tells_unanswered_call or answer != Silence()]
    is_whole = has_ended or framework.tells_failed_run
    if framework.answers_by_tool and has_ended:
        calls.append(("final_answer", True))
    return {
        "agent": framework.agent if framework.agent and is_whole else framework.script,
        "status": _status(answers[-1], outcome) if is_whole else "running",
        "tokens": (sum(turn.prompt_tokens for turn in turns), sum(turn.completion_tokens for turn in turns)),
        "models": len(models),
        "tools": sorted(calls),
        "error_type": _error_type(framework, prompt, outcome) if is_whole else None,
        "session": f"session-{prompt[13:21]}" if framework.has_session else None,
        "has_input": framework.tells_input and is_whole,
        "has_output": has_ended,
    }


def told_runs(api: str, framework: Framework) -> list[dict[str, Any]]:
    """What Stepwell tells of the framework's runs, in the order of their start."""
    rows = _ask(api, "/executions?limit=1000")["items"]
    own = [row for row in rows if row["service_name"] == framework.script]
    own.sort(key=lambda row: row["start_time"])
    return [_told(api, framework, row, prompt) for row, prompt in zip_longest(own, CONVERSATIONS)]


def _told(api: str, framework: Framework, row: dict[str, Any] | None, prompt: str | None) -> dict[str, Any]:
    if row is None or prompt is None:
        return {"neither run nor prompt": (row, prompt)}
    path = f"/executions/{quote(row['execution_id'], safe='')}"
    run, steps = _ask(api, path), _ask(api, f"{path}/steps?limit=1000")["items"]
    last = CONVERSATIONS[prompt][-1]
    return {
        "agent": row["agent_id"],
        "status": row["status"],
        "tokens": (row["prompt_tokens"], row["completion_tokens"]),
        "models": sum(step["operation"] in MODEL_OPERATIONS for step in steps),
        "tools": sorted((s["step_name"], s["status"] == "success") for s in steps if s["operation"] == "execute_tool"),
        "error_type": row["error_type"],
        "session": row["session_id"] if framework.has_session else None,
        "has_input": prompt in json.dumps(run["input_data"]),
        "has_output": isinstance(last, Turn) and last.text in json.dumps(run["output_data"]),
    }


def _status(last: Answer, outcome: Outcome) -> str:
    if isinstance(last, Turn):
        return "success"
    return "cancelled" if _gave_up(outcome) else "failed"


def _error_type(framework: Framework, prompt: str, outcome: Outcome) -> str | None:
    if _gave_up(outcome):
        return framework.cut_off_error_type
    if prompt == MODEL_FAILS and framework.error_type != "as raised":
        return framework.error_type
    return outcome.get("error")


def _gave_up(outcome: Outcome) -> bool:
    """Whether the caller cancelled the run; else its model's client gave up, which is a failure like any other."""
    return outcome.get("error") == "TimeoutError"


def _ask(api: str, path: str) -> Any:
    response = httpx.get(f"{api}/api/v1{path}", timeout=30)
    response.raise_for_status()
    return response.json()
