"""``stepwell up`` from the first start to the hardest end, as real processes."""

import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from tests.lifecycle.process_table import alive, answers, marked, needs_process_table, until
from tests.lifecycle.running import FREE_PORTS, Running, finished, running

from stepwell_migrations import runner

pytestmark = [needs_process_table, pytest.mark.timeout(240)]

PARTS = ("receiver", "worker", "api")


@pytest.fixture
def up(tmp_path: Path, data_dir: Path) -> Iterator[Running]:
    """A ready ``stepwell up`` on a data folder of its own."""
    with running(tmp_path, "up", "--data-dir", data_dir, *FREE_PORTS) as command:
        command.ready()
        yield command


@pytest.fixture(scope="module")
def shared_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of `shared_up`."""
    return tmp_path_factory.mktemp("shared") / "data"


@pytest.fixture(scope="module")
def shared_up(tmp_path_factory: pytest.TempPathFactory, shared_dir: Path) -> Iterator[Running]:
    """A ready one for tests that leave it running."""
    with running(tmp_path_factory.mktemp("output"), "up", "--data-dir", shared_dir, *FREE_PORTS) as command:
        command.ready()
        yield command


def database_url_of(data_dir: Path) -> str:
    return str(json.loads((data_dir / "runtime.json").read_text())["database_url"])


def get(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.status, response.read().decode()


def send_agent_run(otlp_http: str) -> None:
    """One agent run by the official exporter; returns after it was acknowledged."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{otlp_http}/v1/traces")))
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "tester"}
    with provider.get_tracer("tests").start_as_current_span("invoke_agent tester", attributes=attributes):
        pass
    provider.shutdown()


def total_executions(api: str) -> int:
    return int(json.loads(get(f"{api}/api/v1/executions")[1])["total"])


def accepts(address: str) -> bool:
    host, _, port = address.removeprefix("http://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def test_ready_line_names_addresses_that_answer(shared_up: Running) -> None:
    addresses = shared_up.ready()
    assert set(addresses) == {"api", "otlp_http", "otlp_grpc"}
    assert get(f"{addresses['api']}/readyz")[0] == 200
    assert all(accepts(address) for address in addresses.values())
    assert set(shared_up.parts()) == {*PARTS, "postgres"}


def test_agent_run_arrives_and_survives_a_restart(up: Running, tmp_path: Path, data_dir: Path) -> None:
    addresses = up.ready()
    send_agent_run(addresses["otlp_http"])
    until(lambda: total_executions(addresses["api"]) == 1, "the run is folded")
    assert up.stop() == 0
    with running(tmp_path, "up", "--data-dir", data_dir, *FREE_PORTS) as again:
        assert total_executions(again.ready()["api"]) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_leaves_nothing_running_and_exits_with_0(up: Running, number: signal.Signals) -> None:
    processes = up.everything()
    assert len(processes) > 5
    up.process.send_signal(number)
    assert up.wait() == 0
    assert not alive(processes | marked(up.mark))


def test_stop_while_starting_leaves_nothing_running(tmp_path: Path, data_dir: Path) -> None:
    with running(tmp_path, "up", "--data-dir", data_dir, *FREE_PORTS) as command:
        until(lambda: "postgres" in command.parts(), "PostgreSQL is starting")
        assert command.stop() == 0
        assert not alive(marked(command.mark))
        assert command.stdout == ""


def test_second_signal_hastens_the_end(up: Running) -> None:
    receiver = up.parts()["receiver"]
    os.kill(receiver, signal.SIGSTOP)  # it cannot drain any more
    up.process.send_signal(signal.SIGTERM)
    until(lambda: "stopping" in up.stderr, "the first signal is noticed")
    processes = up.everything()
    up.process.send_signal(signal.SIGTERM)
    up.wait(timeout_s=15)
    assert not alive(processes)


def test_killed_supervisor_leaves_nothing_and_loses_nothing(up: Running, tmp_path: Path, data_dir: Path) -> None:
    send_agent_run(up.ready()["otlp_http"])
    processes = up.everything()
    up.process.kill()
    up.process.wait()
    killed_s = time.monotonic()
    with running(tmp_path, "up", "--data-dir", data_dir, *FREE_PORTS) as again:
        until(lambda: not alive(processes), "nothing is left", timeout_s=killed_s + 2.0 - time.monotonic())
        api = again.ready()["api"]
        until(lambda: total_executions(api) == 1, "the acknowledged run is there")


def test_supervisor_killed_while_it_starts_leaves_nothing(tmp_path: Path, data_dir: Path) -> None:
    with running(tmp_path, "up", "--data-dir", data_dir, *FREE_PORTS) as command:
        until(lambda: set(PARTS) <= set(command.parts()), "the parts load")
        command.process.kill()
        command.process.wait()
        until(lambda: not alive(marked(command.mark)), "nothing is left")


@pytest.mark.parametrize("part", PARTS)
def test_killed_part_is_restarted_under_its_address(shared_up: Running, part: str) -> None:
    before, addresses = shared_up.parts(), shared_up.ready()
    os.kill(before[part], signal.SIGKILL)
    until(lambda: f"{part} runs again" in shared_up.stderr, "it says that the part runs again", timeout_s=60)
    assert f"{part} ended, restarting it how=signal 9" in shared_up.stderr
    after = shared_up.parts()
    assert after.pop(part) != before.pop(part)
    assert after == before
    assert all(accepts(address) for address in addresses.values())


def test_killed_postgres_is_restarted_and_data_stay(shared_up: Running) -> None:
    addresses = shared_up.ready()
    before = total_executions(addresses["api"])
    send_agent_run(addresses["otlp_http"])
    os.kill(shared_up.parts()["postgres"], signal.SIGKILL)
    until(lambda: "PostgreSQL runs again" in shared_up.stderr, "it says that PostgreSQL runs again", timeout_s=60)
    assert "PostgreSQL ended, restarting it how=signal 9" in shared_up.stderr
    send_agent_run(addresses["otlp_http"])
    until(lambda: total_executions(addresses["api"]) == before + 2, "both runs are there", timeout_s=60)


def test_second_up_on_the_same_folder_is_refused(shared_up: Running, tmp_path: Path, shared_dir: Path) -> None:
    second = finished(tmp_path, "up", "--data-dir", shared_dir, *FREE_PORTS)
    assert second.process.returncode == 1
    assert f"is in use by process {shared_up.process.pid}; stop it first" in second.stderr
    assert shared_up.process.poll() is None
    assert answers(database_url_of(shared_dir))


def failed_start(folder: Path, *arguments: str | Path, **environment: str) -> str:
    """The one line that a refused start says; asserts that it is one, and that nothing is left."""
    command = finished(folder, "up", *arguments, **environment)
    assert command.process.returncode == 1
    assert command.stdout == ""
    assert not alive(marked(command.mark))
    (line,) = command.stderr.splitlines()
    return line


@pytest.mark.parametrize("option", ["--port", "--otlp-http-port", "--otlp-grpc-port"])
def test_taken_port_is_told_with_its_option(option: str, tmp_path: Path, data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = failed_start(tmp_path, "--data-dir", data_dir, *FREE_PORTS, option, str(port))
    assert line.startswith(f"stepwell up: port {port} on 127.0.0.1 is taken")
    assert option in line
    assert not data_dir.exists()


def test_port_taken_by_a_sharing_listener_is_told(tmp_path: Path, data_dir: Path) -> None:
    """gRPC servers share their ports by default; two receivers would split the traffic in silence."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = failed_start(tmp_path, "--data-dir", data_dir, *FREE_PORTS, "--otlp-grpc-port", port)
    assert "is taken by another program" in line


def test_same_port_twice_is_told(tmp_path: Path, data_dir: Path) -> None:
    line = failed_start(tmp_path, "--data-dir", data_dir, "--port", "18080", "--otlp-http-port", "18080")
    assert "--otlp-http-port and --port are both 18080" in line


def unwritable() -> dict[str, Callable[[Path], Path]]:
    """Data folders that cannot be written to, not even by root, as functions of a temporary folder."""

    def below_a_file(folder: Path) -> Path:
        (folder / "file").write_text("")
        return folder / "file" / "data"

    def read_only(folder: Path) -> Path:
        (folder / "locked").mkdir(mode=0o500)
        return folder / "locked" / "data"

    found = {"below a file": below_a_file, "kernel's folder": lambda _: Path("/proc/stepwell")}
    return found if os.geteuid() == 0 else {**found, "read-only": read_only}


@pytest.mark.parametrize("kind", unwritable())
def test_unwritable_data_folder_is_told(kind: str, tmp_path: Path) -> None:
    line = failed_start(tmp_path, "--data-dir", unwritable()[kind](tmp_path), *FREE_PORTS)
    assert line.startswith("stepwell up: cannot write to the data folder")
    assert "--data-dir" in line


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", "cannot be reached"),
        ("not a url", "URL is none that libpq reads"),
    ],
)
def test_bad_database_url_is_told_without_the_url(url: str, words: str, tmp_path: Path) -> None:
    line = failed_start(tmp_path, *FREE_PORTS, STEPWELL_DATABASE_URL=url)
    assert words in line
    assert url not in line


def test_database_of_a_newer_version_is_refused(database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE analytics.schema_version SET version_num = '9999'")
    line = failed_start(tmp_path, "--database-url", database_url, *FREE_PORTS)
    assert "version 9999, newer than this Stepwell knows" in line
    assert runner.current(database_url) == "9999"


def test_other_than_loopback_needs_authentication(tmp_path: Path, data_dir: Path) -> None:
    line = failed_start(tmp_path, "--data-dir", data_dir, *FREE_PORTS, "--host", "0.0.0.0")
    assert "refusing to listen on 0.0.0.0 without authentication" in line
    assert "--auth" in line


def test_given_database_is_used_and_left_running(empty_database_url: str, tmp_path: Path) -> None:
    with running(tmp_path, "up", *FREE_PORTS, STEPWELL_DATABASE_URL=empty_database_url) as up:
        addresses = up.ready()
        assert set(up.parts()) == set(PARTS)
        send_agent_run(addresses["otlp_http"])
        until(lambda: total_executions(addresses["api"]) == 1, "the run is folded")
        assert up.stop() == 0
        assert not alive(marked(up.mark))
    assert answers(empty_database_url)


def test_data_folder_below_closed_folders_with_a_long_path(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    folder = closed / ("long" * 40) / ("path" * 40)
    with running(tmp_path, "up", "--data-dir", folder, *FREE_PORTS) as up:
        assert get(f"{up.ready()['api']}/healthz")[0] == 200
        assert closed.stat().st_mode & 0o777 == 0o700
        assert up.stop() == 0


def test_metrics_of_all_processes_are_shown_and_begin_anew(up: Running, tmp_path: Path, data_dir: Path) -> None:
    addresses = up.ready()
    send_agent_run(addresses["otlp_http"])
    assert "stepwell_spans_received_total 1.0" in get(f"{addresses['api']}/metrics")[1]
    up.process.kill()
    up.process.wait()
    with running(tmp_path, "up", "--data-dir", data_dir, *FREE_PORTS) as again:
        assert "stepwell_spans_received_total 1.0" not in get(f"{again.ready()['api']}/metrics")[1]
