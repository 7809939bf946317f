"""The example in Node, which knows nothing of Stepwell and exports by OpenTelemetry's own packages."""

import os
import subprocess

import pytest
from tests.frameworks.environment import bare, with_model
from tests.frameworks.model_server import model_server
from tests.instrumentation.told import EXAMPLES, ask, execution, steps
from tests.lifecycle.process_table import until
from tests.node import NODE, install

ANSWER = "Order ORD-1001 is refunded: 39.90."
SERVICE = "refunds-in-node"

pytestmark = pytest.mark.timeout(300)
"""The first run installs its packages."""


def test_an_agent_of_the_vercel_ai_sdk_is_told_whole(stepwell: dict[str, str]) -> None:
    folder = EXAMPLES / "vercel_ai"
    install(folder)
    with model_server() as model:
        variables = {
            **with_model(f"{model}/vercel_ai"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": stepwell["otlp_http"],
            "OTEL_SERVICE_NAME": SERVICE,
            "PATH": os.environ["PATH"],
        }
        done = subprocess.run(
            [NODE, "agent.mjs"],
            cwd=folder,
            env=bare(**variables),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{ANSWER}\n", "")

    def runs() -> list[str]:
        rows = ask(stepwell, "/executions", limit=1000)["items"]
        return [row["execution_id"] for row in rows if row["service_name"] == SERVICE and row["end_time"] is not None]

    until(lambda: len(runs()) == 1, "the run in Node")
    found = execution(stepwell, runs()[0])
    told = ("agent_id", "status", "prompt_tokens", "completion_tokens", "framework")
    assert [found[name] for name in told] == ["refund_sdk", "success", 330, 69, "vercel-ai"]
    assert ANSWER in str(found["output_data"])
    rows = steps(stepwell, found["execution_id"])
    names = {row["span_id"]: row["step_name"] for row in rows}
    assert sorted(f"{names.get(row['parent'], 'run')} > {row['step_name']} ({row['operation']})" for row in rows) == [
        "refund_sdk > step 1 (agent_step)",
        "refund_sdk > step 2 (agent_step)",
        "run > refund_sdk (invoke_agent)",
        "step 1 > chat (chat)",
        "step 1 > lookup_order (execute_tool)",
        "step 1 > refund_policy (execute_tool)",
        "step 2 > chat (chat)",
    ]
