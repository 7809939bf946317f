"""OpenTelemetry's own SDKs and exporters of other languages as clients, in every encoding, against the database."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.node import NODE, install
from tests.receiver.otlp import Stored
from tests.receiver.running import Running

SDKS = Path(__file__).parent / "sdks"
JAVASCRIPT, GO = SDKS / "javascript", SDKS / "go"
EXPORTERS = "@opentelemetry/exporter-trace-otlp-"
SEND_TIMEOUT_S = 60.0


def _assert_whole(stored: Stored, trace_id: str) -> None:
    rows = stored(bytes.fromhex(trace_id))
    (root,) = [row for row in rows if row["parent_span_id"] is None]
    calls = [row for row in rows if row is not root]
    assert sorted(row["attributes"]["number"] for row in calls) == list(range(250))
    assert {bytes(row["parent_span_id"]) for row in calls} == {bytes(root["span_id"])}
    assert {(row["service_name"], row["scope_name"]) for row in rows} == {("shop", "tests")}
    assert (calls[0]["attributes"]["words"], calls[0]["attributes"]["share"]) == (["a", "b"], 0.5)
    assert calls[0]["attributes"]["done"] is True
    assert calls[0]["events"][0]["name"] == "found"


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("encoding", ["http", "proto", "grpc"])
def test_spans_of_the_sdk_for_javascript_are_stored(
    running: Running, stored: Stored, encoding: str, compression: str
) -> None:
    """`http` is the exporter that sends JSON."""
    install(JAVASCRIPT)
    url = f"http://{running.otlp_grpc}" if encoding == "grpc" else f"{running.otlp_http}/v1/traces"
    command: list[str | Path] = [NODE, JAVASCRIPT / "send.mjs", EXPORTERS + encoding, url, compression]
    sent = subprocess.run(command, capture_output=True, text=True, timeout=SEND_TIMEOUT_S, check=True)
    _assert_whole(stored, sent.stdout.strip())


if shutil.which("go"):  # of the version that the module asks for: Debian's is older

    @pytest.fixture(scope="module")
    def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The sender in Go."""
        built = tmp_path_factory.mktemp("go") / "send"
        environment = {**os.environ, "GOFLAGS": "-buildvcs=false"}
        subprocess.run(["go", "build", "-o", built, "."], cwd=GO, env=environment, check=True, capture_output=True)
        return built

    @pytest.mark.timeout(600)
    @pytest.mark.parametrize("compression", ["none", "gzip"])
    @pytest.mark.parametrize("transport", ["http", "grpc"])
    def test_spans_of_the_sdk_for_go_are_stored(
        running: Running, stored: Stored, program: Path, transport: str, compression: str
    ) -> None:
        endpoint = running.otlp_grpc if transport == "grpc" else running.otlp_http.removeprefix("http://")
        command: list[str | Path] = [program, transport, endpoint, compression]
        sent = subprocess.run(command, capture_output=True, text=True, timeout=SEND_TIMEOUT_S, check=True)
        _assert_whole(stored, sent.stdout.strip())
