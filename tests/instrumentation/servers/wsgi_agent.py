"""An agent behind WSGI: each request is a run."""

import os
from collections.abc import Callable, Iterable
from typing import Any

import stepwell

stepwell.configure(protocol="grpc" if os.environ.get("OVER") == "grpc" else "http")

with stepwell.agent("warm_up"):
    pass


@stepwell.step
def work(number: str) -> str:
    return number


@stepwell.agent
def serve(number: str) -> str:
    return work(number)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    serve(environ["QUERY_STRING"])
    start_response("200 OK", [("content-type", "text/plain")])
    return [str(os.getpid()).encode()]
