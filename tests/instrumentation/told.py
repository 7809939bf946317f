"""What Stepwell shows of runs, brought into a form that tests compare whole."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"


def environment(stepwell: Mapping[str, str], **more: str) -> dict[str, str]:
    """That of an agent's process which reports to `stepwell`."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "STEPWELL_"))}
    return {**inherited, "STEPWELL_ENDPOINT": stepwell["otlp_http"], **more}


def run(stepwell: Mapping[str, str], script: Path, *arguments: str, **more: str) -> str:
    """Runs a script to its end; gives what it printed."""
    command = [sys.executable, "-P", str(script), *arguments]
    done = subprocess.run(
        command, env=environment(stepwell, **more), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def ask(stepwell: Mapping[str, str], path: str, **parameters: Any) -> Any:
    """An answer of the API."""
    response = httpx.get(f"{stepwell['api']}/api/v1{path}", params=parameters, timeout=30)
    response.raise_for_status()
    return response.json()


def executions(stepwell: Mapping[str, str], agent_id: str) -> list[dict[str, Any]]:
    """The runs of an agent, oldest first."""
    found: list[dict[str, Any]] = ask(stepwell, "/executions", agent_id=agent_id, sort="start_time", limit=1000)[
        "items"
    ]
    return found


def execution(stepwell: Mapping[str, str], execution_id: str) -> dict[str, Any]:
    """One run with its steps."""
    found: dict[str, Any] = ask(stepwell, f"/executions/{quote(execution_id, safe='')}")
    return found


def steps(stepwell: Mapping[str, str], execution_id: str) -> list[dict[str, Any]]:
    """The steps of a run in order."""
    found: list[dict[str, Any]] = ask(stepwell, f"/executions/{quote(execution_id, safe='')}/steps", limit=1000)[
        "items"
    ]
    return found
