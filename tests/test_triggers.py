"""What started a run: our attributes, the request or message above it, a job, a command."""

import orjson
import pytest
from tests.spans import RESOURCE, Sent, agent, step, steps

from stepwell_receiver import wire
from stepwell_storage.fold import fold_trace

GET = {"http.request.method": "POST", "http.route": "/chat"}


@pytest.mark.parametrize(
    ("sent", "trigger_type", "source"),
    [
        pytest.param(Sent("s", GET, kind=wire.KIND_SERVER), "api", GET, id="http-server"),
        pytest.param(
            Sent("s", {**GET, "http.route": "/hooks/github"}, kind=wire.KIND_SERVER),
            "webhook",
            {**GET, "http.route": "/hooks/github"},
            id="hook-route",
        ),
        pytest.param(Sent("s", GET, kind=wire.KIND_CLIENT), None, None, id="http-client-starts-nothing"),
        pytest.param(Sent("s", {"rpc.system": "grpc"}, kind=wire.KIND_SERVER), "api", {}, id="rpc-server"),
        pytest.param(Sent("POST /", kind=wire.KIND_SERVER), "api", {}, id="any-server"),
        pytest.param(
            Sent("s", {"messaging.system": "kafka", "messaging.destination.name": "jobs"}, kind=wire.KIND_CONSUMER),
            "webhook",
            {"messaging.system": "kafka", "messaging.destination.name": "jobs"},
            id="message",
        ),
        pytest.param(
            Sent("s", {"faas.trigger": "timer"}), "scheduled", {"faas.trigger": "timer"}, id="function-by-timer"
        ),
        pytest.param(Sent("cron nightly"), "scheduled", {}, id="named-job"),
        pytest.param(
            Sent("s", {"process.command_args": ["agent", "run"]}),
            "manual",
            {"process.command_args": ["agent", "run"]},
            id="command",
        ),
        pytest.param(
            Sent("s", {**GET, "stepwell.trigger.type": "manual"}, kind=wire.KIND_SERVER), "manual", GET, id="stated"
        ),
        pytest.param(
            Sent("s", {**GET, "stepwell.recovery.of": "AB-1", "stepwell.recovery.id": "rec_1"}, kind=wire.KIND_SERVER),
            "api",
            {**GET, "recovery_of": "ab-1", "recovery_id": "rec_1"},
            id="recovery-by-a-request",
        ),
        pytest.param(
            Sent("s", {"stepwell.recovery.of": "ab", "stepwell.trigger.source": "queue"}),
            "webhook",
            {"source": "queue", "recovery_of": "ab"},
            id="recovery-with-a-source-in-words",
        ),
        pytest.param(Sent("s"), None, None, id="nothing"),
    ],
)
def test_trigger_that_a_span_tells(sent: Sent, trigger_type: str | None, source: object) -> None:
    mapped = step(sent)

    assert mapped.trigger_type == trigger_type
    assert (mapped.trigger_source_json and orjson.loads(mapped.trigger_source_json)) == source


def test_a_job_of_the_cluster_is_scheduled() -> None:
    mapped = step(agent("a"), resource={**RESOURCE, "k8s.cronjob.name": "nightly"})

    assert (mapped.trigger_type, mapped.trigger_source_json) == ("scheduled", '{"k8s.cronjob.name":"nightly"}')


def test_the_request_above_an_agent_is_its_trigger_and_one_inside_it_is_not() -> None:
    above = Sent("POST /chat", GET, kind=wire.KIND_SERVER, for_ms=90)
    inside = Sent("POST /tool", {**GET, "http.route": "/hooks/x"}, kind=wire.KIND_SERVER, parent="a", at_ms=2)

    assert [e.trigger_type for e in fold_trace(steps(above, agent("a", parent="POST /chat", at_ms=1), inside))] == [
        "api"
    ]
    assert [e.trigger_type for e in fold_trace(steps(agent("a", for_ms=50), inside))] == [None]


def test_a_trigger_that_a_step_of_the_run_states_counts() -> None:
    stated = agent("b", parent="a", at_ms=1, attributes={"stepwell.trigger.type": "scheduled"})

    assert [e.trigger_type for e in fold_trace(steps(agent("a", for_ms=50), stated))] == ["scheduled"]
