"""Sends real agent runs to a running Stepwell and checks that it shows what was sent.

The agents are those of a small support desk, built with pydantic-ai on its own scripted models: no API key of any
model vendor, but real tools, hand-overs, retries and failures, timed by the clock and exported over OTLP. They run
concurrently; at the end the totals that were sent are compared with the totals that the API shows.
"""

import argparse
import os
from collections.abc import Mapping

DEFAULT_API = "http://127.0.0.1:8080"
DEFAULT_OTLP_HTTP = "http://127.0.0.1:4318"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``stepwell demo``; what is not given comes from the environment, then from the defaults."""
    add = parser.add_argument
    add("--otlp-http", "--endpoint", metavar="URL", help=f"where OTLP goes [STEPWELL_OTLP_HTTP] ({DEFAULT_OTLP_HTTP})")
    add("--api", metavar="URL", help=f"where the API answers [STEPWELL_API] ({DEFAULT_API})")
    add("--key", help="API key, where the server asks for one [STEPWELL_KEY]")
    add("--runs", type=int, default=100, metavar="N", help="runs to send (default: 100)")
    add("--concurrency", type=int, default=10, metavar="N", help="runs at the same time (default: 10)")
    add("--seed", type=int, metavar="N", help="repeat the runs of an earlier demo, under new ids")
    add("--wait", type=float, default=30.0, metavar="SECONDS", help="longest wait for the API (default: 30)")


def run(args: argparse.Namespace) -> int:
    """Runs the demo; 0 when everything that was sent is shown, 1 otherwise."""
    from stepwell_api.demo.command import Options, run_demo

    otlp_http, api = addresses(args, os.environ)
    options = Options(
        otlp_http=otlp_http,
        api=api,
        key=args.key or os.environ.get("STEPWELL_KEY"),
        runs=max(args.runs, 1),
        concurrency=max(args.concurrency, 1),
        seed=args.seed,
        wait_s=args.wait,
    )
    return run_demo(options)


def addresses(args: argparse.Namespace, environment: Mapping[str, str]) -> tuple[str, str]:
    """Where OTLP and the API are, as base URLs without a slash at the end."""
    otlp_http = (
        args.otlp_http or environment.get("STEPWELL_OTLP_HTTP") or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    )
    api = args.api or environment.get("STEPWELL_API")
    return (otlp_http or DEFAULT_OTLP_HTTP).rstrip("/"), (api or DEFAULT_API).rstrip("/")
