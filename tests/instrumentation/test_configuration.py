"""Where spans go and what they are told to be from: arguments, environment, other SDKs, both protocols."""

import json

import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from tests.instrumentation.backends import backend
from tests.instrumentation.collectors import collector
from tests.instrumentation.scripts import run

from stepwell import environment

ONE_RUN = """
import json, sys
import stepwell
client = stepwell.configure({arguments})
with stepwell.agent("run"):
    pass
stepwell.flush()
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "STEPWELL_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "endpoint", "url"),
    [
        ({}, None, "http://127.0.0.1:4318/v1/traces"),
        ({}, "http://a:1", "http://a:1/v1/traces"),
        ({}, "http://a:1/", "http://a:1/v1/traces"),
        ({}, "a:1/base", "http://a:1/base/v1/traces"),
        ({}, "http://a:1/v1/traces", "http://a:1/v1/traces"),
        ({"STEPWELL_ENDPOINT": "http://s"}, None, "http://s/v1/traces"),
        ({"STEPWELL_ENDPOINT": "http://s"}, "http://a", "http://a/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://o/x"}, "http://a", "https://o/x/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://o/own"}, "http://a", "https://o/own"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, None, "http://127.0.0.1:4317"),
    ],
)
def test_address(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], endpoint: str | None, url: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert environment.target(endpoint, None, None).url == url


@pytest.mark.parametrize(
    ("variables", "api_key", "headers"),
    [
        ({}, None, {}),
        ({}, "k", {"x-stepwell-key": "k"}),
        ({"STEPWELL_API_KEY": "s"}, None, {"x-stepwell-key": "s"}),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "A=1,b=x%20y"}, "k", {"a": "1", "b": "x y", "x-stepwell-key": "k"}),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "X-Stepwell-Key=o"}, "k", {"x-stepwell-key": "o"}),
        ({"OTEL_EXPORTER_OTLP_TRACES_HEADERS": "authorization=Bearer%20o"}, "k", {"authorization": "Bearer o"}),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "nonsense,,=x"}, None, {}),
    ],
)
def test_headers(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], api_key: str | None, headers: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert environment.target(None, api_key, None).headers == headers


@pytest.mark.parametrize(("stated", "wanted"), [("", 10.0), ("2.5", 2.5), ("soon", 10.0), ("-1", 10.0), ("nan", 10.0)])
def test_numbers_that_are_none_fall_back(monkeypatch: pytest.MonkeyPatch, stated: str, wanted: float) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", stated)
    assert environment.target(None, None, None).timeout_s == wanted


def resource(bodies: list[bytes]) -> dict[str, str]:
    """The resource's attributes of the first request."""
    (group,) = trace_service_pb2.ExportTraceServiceRequest.FromString(bodies[0]).resource_spans
    return {attribute.key: attribute.value.string_value for attribute in group.resource.attributes}


def test_resource_is_what_the_arguments_say_unless_the_environment_does() -> None:
    arguments = 'service_name="a", version="1", environment="staging", resource_attributes={"team": "x"}'
    with backend() as found:
        assert run(ONE_RUN.format(arguments=arguments), found.url).returncode == 0
        told = resource(found.bodies)
    names = ("service.name", "service.version", "deployment.environment.name", "team")
    assert [told[name] for name in names] == ["a", "1", "staging", "x"]
    variables = {"OTEL_SERVICE_NAME": "o", "OTEL_RESOURCE_ATTRIBUTES": "service.version=9,team=y"}
    with backend() as found:
        assert run(ONE_RUN.format(arguments=arguments), found.url, **variables).returncode == 0
        told = resource(found.bodies)
    assert [told[name] for name in names] == ["o", "9", "staging", "y"]


@pytest.mark.parametrize("variable", ["OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=none"])
def test_reporting_is_switched_off(variable: str) -> None:
    name, _, value = variable.partition("=")
    with backend() as found:
        done = run(ONE_RUN.format(arguments="") + "print(client)", found.url, **{name: value})
        assert (done.stdout, done.stderr, found.bodies) == ("None\n", "", [])


def test_body_is_compressed_where_the_environment_says_so() -> None:
    with backend() as found:
        run(ONE_RUN.format(arguments='api_key="k"'), found.url, OTEL_EXPORTER_OTLP_COMPRESSION="gzip")
        assert found.bodies[0].startswith(b"\x1f\x8b")
        told = {name: found.headers[0][name] for name in ("content-encoding", "content-type", "x-stepwell-key")}
    assert told == {
        "content-encoding": "gzip",
        "content-type": "application/x-protobuf",
        "x-stepwell-key": "k",
    }


JOINED = """
import json
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import stepwell
theirs = InMemorySpanExporter()
provider = TracerProvider(resource=Resource({"service.name": "their-service"}))
provider.add_span_processor(SimpleSpanProcessor(theirs))
trace.set_tracer_provider(provider)
client = stepwell.configure(environment="staging", service_name="ours")
assert stepwell.configure() is client
assert trace.get_tracer_provider() is provider
with provider.get_tracer("theirs").start_as_current_span("theirs"):
    with stepwell.agent("run"):
        pass
stepwell.flush()
print(json.dumps([span.name for span in theirs.get_finished_spans()]))
"""


def test_sdk_of_the_process_is_joined_and_keeps_what_it_has() -> None:
    with backend() as found:
        done = run(JOINED, found.url)
        assert json.loads(done.stdout) == ["invoke_agent run", "theirs"], done.stderr
        assert sorted(found.finished) == ["invoke_agent run", "theirs"]
        told = resource(found.bodies)
    assert (told["service.name"], told["deployment.environment.name"]) == ("their-service", "staging")


def test_second_call_changes_what_it_names_and_sends_nothing_twice() -> None:
    code = """
import stepwell
first = stepwell.configure(capture="full")
with stepwell.agent("one", input={"password": "shown"}):
    pass
assert stepwell.flush()
assert stepwell.configure(capture="off", redact_keys=["x"]) is first
with stepwell.agent("two", input={"password": "hidden"}):
    pass
stepwell.shutdown()
with stepwell.agent("three"):
    pass
stepwell.configure()
with stepwell.agent("four"):
    pass
"""
    with backend() as found:
        done = run(code, found.url)
        assert (done.returncode, done.stderr) == (0, "")
        assert found.finished == ["invoke_agent one", "invoke_agent two", "invoke_agent four"]
        assert b"shown" in b"".join(found.bodies)
        assert b"hidden" not in b"".join(found.bodies)


def test_word_for_capture_that_is_none_keeps_everything_back() -> None:
    code = ONE_RUN.format(arguments='capture="none"') + 'with stepwell.agent("x", input="secret"): pass'
    with backend() as found:
        assert run(code, found.url).returncode == 0
        assert b"secret" not in b"".join(found.bodies)


def test_grpc_carries_the_same() -> None:
    with collector() as found:
        done = run(ONE_RUN.format(arguments='protocol="grpc", api_key="k"'), found.url)
        assert (done.returncode, done.stderr) == (0, "")
    assert {span.name for span in found.spans} == {"invoke_agent run"}
    assert found.metadata[0]["x-stepwell-key"] == "k"


def test_grpc_backend_that_is_away_harms_nothing() -> None:
    code = "import logging; logging.basicConfig(format='%(message)s')" + ONE_RUN.format(
        arguments='protocol="grpc", exit_timeout_s=0.2'
    ).replace("stepwell.flush()", "print('done')")
    done = run(code, "http://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert len(done.stderr.splitlines()) <= 1
