"""``stepwell demo`` against running servers: it tells whether they show what was sent."""

import argparse
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

from stepwell_api import demo
from stepwell_api.demo.cases import KINDS

Start = Callable[..., dict[str, str]]
STEPWELL = [sys.executable, "-m", "stepwell_api.cli"]
ONE_OF_EACH = ["--runs", str(len(KINDS)), "--seed", "7"]


def run_demo(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*STEPWELL, "demo", *ONE_OF_EACH, *options]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=100)


def run_key(database_url: str, *arguments: str) -> str:
    command = [*STEPWELL, "key", *arguments, "--database-url", database_url]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def test_demo_succeeds_when_everything_is_shown_as_sent(start: Start, database_url: str) -> None:
    addresses = start("up", database_url)
    run = run_demo("--api", addresses["api"], "--otlp-http", addresses["otlp_http"])
    assert run.returncode == 0, run.stdout + run.stderr
    assert "everything was shown" in run.stdout
    assert "differs" not in run.stdout
    assert f"{addresses['api']}/api/v1/agents/refund_agent/analytics" in run.stdout


def test_demo_fails_when_nothing_is_shown(start: Start, database_url: str, empty_database_url: str) -> None:
    subprocess.run([*STEPWELL, "migrate", "--database-url", empty_database_url], check=True, capture_output=True)
    shown, elsewhere = start("api", database_url), start("api", empty_database_url)
    run = run_demo("--api", shown["api"], "--otlp-http", elsewhere["api"], "--wait", "0")
    assert run.returncode == 1
    assert f"{len(KINDS)} runs are not shown as they were sent" in run.stdout


def test_demo_sends_its_key(start: Start, database_url: str) -> None:
    addresses = start("up", database_url, "--auth")
    options = ["--api", addresses["api"], "--otlp-http", addresses["otlp_http"]]
    without = run_demo(*options)
    assert without.returncode == 1
    assert "asks for an API key; name one with --key or STEPWELL_KEY" in without.stderr
    key = run_key(database_url, "create", "--workspace", "local")
    with_key = run_demo(*options, STEPWELL_KEY=key)
    assert with_key.returncode == 0, with_key.stdout + with_key.stderr


def test_demo_without_a_server_tells_how_to_start_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen, so that nobody else can
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        run = run_demo("--api", url)
    assert run.returncode == 1
    assert f"no Stepwell answers at {url}" in run.stderr
    assert "Start one with `stepwell up`" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "wanted"),
    [
        pytest.param([], {}, (demo.DEFAULT_OTLP_HTTP, demo.DEFAULT_API), id="defaults"),
        pytest.param(
            ["--endpoint", "http://a:1/", "--api", "http://b:2/"], {}, ("http://a:1", "http://b:2"), id="options"
        ),
        pytest.param(
            [],
            {
                "STEPWELL_OTLP_HTTP": "http://c:3",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://d:4",
                "STEPWELL_API": "http://e:5",
            },
            ("http://c:3", "http://e:5"),
            id="our variables first",
        ),
        pytest.param(
            [],
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://d:4"},
            ("http://d:4", demo.DEFAULT_API),
            id="OpenTelemetry's variable",
        ),
    ],
)
def test_addresses(arguments: list[str], environment: Mapping[str, str], wanted: tuple[str, str]) -> None:
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    assert demo.addresses(parser.parse_args(arguments), environment) == wanted
