"""Other programs that take OTLP traces, each from PyPI in an environment of its own: how to install, start, ask them.

They run as their documentation has it for one machine, on loopback ports, with telemetry about themselves switched off.
"""

import contextlib
import http.client
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.stack import Api, running

from stepwell_storage.embedded import EmbeddedPostgres

ROOT: Final = Path(__file__).resolve().parents[1]
BUILT_FROM: Final = ".built-from"
LONGEST_START_S: Final = 180.0
POLL_S: Final = 0.25
PAGE: Final = 500
"""The most traces that MLflow tells at once."""
EXPERIMENT: Final = "0"
"""MLflow's default experiment."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One program, and how its users run it."""

    name: str
    requirements: Sequence[str]
    """What pip installs; pinned."""
    command: Callable[[Path, Path, int, str], Sequence[str]]
    """From the environment's programs, the data folder, the port and a database's URL, which is empty for SQLite."""
    environment: Callable[[Path, int, str], Mapping[str, str]]
    """From the data folder, a port and the URL."""
    health: str
    queryable: Callable[[Api], int]
    """How many spans, or traces where it counts no spans, its API finds."""
    counts_traces: bool
    stored: Callable[[Api], int]
    """How many spans its API finds, whatever it costs."""
    headers: Mapping[str, str] = field(default_factory=dict)
    on_postgres: bool = False


def _phoenix_environment(folder: Path, port: int, url: str) -> dict[str, str]:
    settings = {
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
    }
    return settings | ({"PHOENIX_SQL_DATABASE_URL": url} if url else {})


def _phoenix_spans(api: Api) -> int:
    answer = api.ask("/graphql", {"query": "{ projects { edges { node { recordCount } } } }"})
    return sum(edge["node"]["recordCount"] for edge in answer["data"]["projects"]["edges"])


def _mlflow_command(programs: Path, folder: Path, port: int, url: str) -> list[str]:
    store = url.replace("postgresql:", "postgresql+psycopg2:") or f"sqlite:///{folder}/mlflow.db"
    return [
        str(programs / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", store,
    ]  # fmt: skip


def _mlflow_traces(api: Api) -> int:
    return len(_mlflow_trace_ids(api))


def _mlflow_trace_ids(api: Api) -> list[str]:
    experiment = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": EXPERIMENT}}
    found: list[str] = []
    question = {"locations": [experiment], "max_results": PAGE}
    while True:
        answer = api.ask("/api/3.0/mlflow/traces/search", question)
        found += [trace["trace_id"] for trace in answer.get("traces", ())]
        if not answer.get("next_page_token"):
            return found
        question |= {"page_token": answer["next_page_token"]}


def _mlflow_spans(api: Api) -> int:
    answers = [api.ask(f"/api/3.0/mlflow/traces/get?trace_id={trace_id}") for trace_id in _mlflow_trace_ids(api)]
    return sum(len(answer["trace"]["spans"]) for answer in answers)


def _phoenix(name: str, *, on_postgres: bool) -> Peer:
    return Peer(
        name=name,
        requirements=["arize-phoenix[pg]==20.26.1"],
        command=lambda programs, folder, port, url: [str(programs / "phoenix"), "serve"],
        environment=_phoenix_environment,
        health="/healthz",
        queryable=_phoenix_spans,
        counts_traces=False,
        stored=_phoenix_spans,
        on_postgres=on_postgres,
    )


def _mlflow(name: str, *, on_postgres: bool) -> Peer:
    return Peer(
        name=name,
        requirements=["mlflow==3.17.2", "psycopg2-binary==2.9.11"],
        command=_mlflow_command,
        environment=lambda folder, port, url: {"MLFLOW_DISABLE_TELEMETRY": "true"},
        health="/health",
        queryable=_mlflow_traces,
        counts_traces=True,
        stored=_mlflow_spans,
        headers={"x-mlflow-experiment-id": EXPERIMENT},
        on_postgres=on_postgres,
    )


PEERS: Final = {
    "phoenix": _phoenix("phoenix", on_postgres=False),
    "phoenix-postgres": _phoenix("phoenix-postgres", on_postgres=True),
    "mlflow": _mlflow("mlflow", on_postgres=False),
    "mlflow-postgres": _mlflow("mlflow-postgres", on_postgres=True),
}


def install(peer: Peer, folder: Path) -> Path:
    """Where the programs of the peer's environment are, which is made below the folder unless it is there."""
    environment = folder / peer.requirements[0].partition("=")[0].partition("[")[0]
    mark, wanted = environment / BUILT_FROM, "\n".join(peer.requirements)
    if not mark.exists() or mark.read_text() != wanted:
        uv = subprocess.check_output([ROOT / "scripts" / "setup", "--uv"], text=True, cwd=ROOT).split("\n")[-2]
        python = environment / "bin" / "python"
        subprocess.run(
            [uv, "venv", "--quiet", "--no-project", "--clear", "-p", sys.executable, environment], check=True
        )
        subprocess.run(
            [uv, "pip", "install", "--quiet", "-p", python, "--compile-bytecode", *peer.requirements], check=True
        )
        mark.write_text(wanted)
    return environment / "bin"


@contextlib.contextmanager
def running_peer(peer: Peer, programs: Path) -> Iterator[tuple[int, str]]:
    """Process id and address of the peer over an empty database, once it answers."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stepwell-bench-")))
        url = ""
        if peer.on_postgres:
            url = stack.enter_context(EmbeddedPostgres(folder / "postgres")).url
        port = free_port()
        environment = {**peer.environment(folder, port, url), "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": ""}
        command = peer.command(programs, folder, port, url)
        process = stack.enter_context(running(command, folder / "log", environment, is_talkative=True))
        address = f"http://127.0.0.1:{port}"
        _wait_until_healthy(process, Api(address, ""), peer.health)
        yield process.pid, address


def _wait_until_healthy(process: subprocess.Popen[str], api: Api, path: str) -> None:
    deadline_s = time.monotonic() + LONGEST_START_S
    while process.poll() is None and time.monotonic() < deadline_s:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if api.get(path)[0] == http.HTTPStatus.OK:
                return
        api.close()
        time.sleep(POLL_S)
    raise SystemExit(f"{path} was not answered with success within {LONGEST_START_S:.0f} s")


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
