"""The other commands: beside a running ``stepwell up``, alone, and where something is missing."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from tests.lifecycle.process_table import alive, marked, needs_process_table, until
from tests.lifecycle.running import FREE_PORTS, Running, finished, running

from stepwell_api.cli import COMMANDS
from stepwell_migrations import runner
from stepwell_storage.embedded import FolderLock

pytestmark = needs_process_table

ROOT = Path(__file__).parents[2]
SOURCES = tuple(str(ROOT / area) for area in ("api", "receiver", "storage", "migrations", "instrumentation"))


def output_of(folder: Path, *arguments: str | Path) -> str:
    command = finished(folder, *arguments)
    assert command.process.returncode == 0, command.stderr
    assert not alive(marked(command.mark))
    return command.stdout


def refusal_of(folder: Path, *arguments: str | Path, exit_code: int = 1, **environment: str) -> str:
    command = finished(folder, *arguments, **environment)
    assert command.process.returncode == exit_code
    (line,) = command.stderr.splitlines()
    return line


def test_key_of_a_new_workspace_works_until_it_is_revoked(tmp_path: Path, data_dir: Path) -> None:
    where = ("--data-dir", data_dir)
    assert "acme" in output_of(tmp_path, "workspace", "create", "acme", *where)
    key = output_of(tmp_path, "key", "create", "--workspace", "acme", "--scope", "read", *where).strip()
    assert key.startswith("sw_")
    listed = output_of(tmp_path, "key", "list", *where)
    assert key not in listed
    key_id, workspace, _, scopes, _ = listed.splitlines()[1].split()
    assert (workspace, scopes) == ("acme", "read")
    assert output_of(tmp_path, "key", "revoke", key_id, *where) == f"revoked {key_id} of acme\n"
    assert len(output_of(tmp_path, "key", "list", "--workspace", "acme", *where).splitlines()[1].split()) == 6


def test_commands_work_beside_a_running_up(tmp_path: Path, data_dir: Path) -> None:
    with running(tmp_path, "up", "--data-dir", data_dir, *FREE_PORTS) as up:
        # Before it is ready, too: they wait for its database.
        output_of(tmp_path, "workspace", "create", "acme", "--data-dir", data_dir)
        up.ready()
        assert "acme" in output_of(tmp_path, "workspace", "list", "--data-dir", data_dir)
        assert output_of(tmp_path, "migrate", "--data-dir", data_dir)
        assert up.process.poll() is None
        assert (data_dir / "runtime.json").stat().st_mode & 0o077 == 0


def test_up_waits_for_a_command_that_uses_its_folder(tmp_path: Path, data_dir: Path) -> None:
    command = FolderLock(data_dir)
    command.acquire()
    with running(tmp_path, "up", "--data-dir", data_dir, *FREE_PORTS) as up:
        until(lambda: "in use by a command, waiting" in up.stderr, "a word about the wait")
        assert up.process.poll() is None
        command.release()
        up.ready()


def test_runtime_file_of_a_killed_up_is_ignored(tmp_path: Path, data_dir: Path) -> None:
    with running(tmp_path, "up", "--data-dir", data_dir, *FREE_PORTS) as up:
        up.ready()
        up.process.kill()
        up.process.wait()
        assert (data_dir / "runtime.json").exists()
        assert "local" in output_of(tmp_path, "workspace", "list", "--data-dir", data_dir)
        assert "no `stepwell up` runs" in refusal_of(tmp_path, "worker", "--data-dir", data_dir)


def test_two_short_commands_on_one_folder_take_turns(tmp_path: Path, data_dir: Path) -> None:
    commands = [("workspace", "create", name, "--data-dir", data_dir) for name in ("a", "b")]
    with running(tmp_path, *commands[0]) as first, running(tmp_path, *commands[1]) as second:
        assert (first.wait(), second.wait()) == (0, 0), first.stderr + second.stderr
    assert len(output_of(tmp_path, "workspace", "list", "--data-dir", data_dir).splitlines()) == 4


def test_credit_rate_of_a_workspace_is_set_and_listed(tmp_path: Path, data_dir: Path) -> None:
    where = ("--data-dir", data_dir)
    told = output_of(tmp_path, "workspace", "set", "local", "--credits-per-usd", "12.5", *where)
    assert told == "local: 12.5 credits for a US dollar\n"
    assert output_of(tmp_path, "workspace", "list", *where).splitlines()[1].split()[1::2] == ["local", "12.5"]
    refused = refusal_of(tmp_path, "workspace", "set", "nowhere", "--credits-per-usd", "1", *where)
    assert refused == "stepwell workspace: There is no workspace named 'nowhere'"


def test_unknown_workspace_is_told(tmp_path: Path, data_dir: Path) -> None:
    line = refusal_of(tmp_path, "key", "create", "--workspace", "nowhere", "--data-dir", data_dir)
    assert line == "stepwell key: There is no workspace named 'nowhere'"


def test_migrate_says_what_it_did(empty_database_url: str, tmp_path: Path) -> None:
    first, second = (output_of(tmp_path, "migrate", "--database-url", empty_database_url) for _ in range(2))
    told = {"event": "migrated", "to": runner.HEAD, "engine": "native"}
    assert json.loads(first) == {**told, "from": ""}
    assert json.loads(second) == {**told, "from": runner.HEAD}


@pytest.mark.parametrize(
    ("part", "kinds"), [("receiver", {"otlp_http", "otlp_grpc"}), ("worker", set()), ("api", {"api"})]
)
def test_part_runs_alone(part: str, kinds: set[str], database_url: str, tmp_path: Path) -> None:
    with running(tmp_path, part, "--database-url", database_url, *FREE_PORTS) as command:
        addresses = command.ready()
        assert set(addresses) == kinds
        assert command.stop() == 0
        assert not alive(marked(command.mark))


@pytest.mark.parametrize("part", ["receiver", "worker", "api"])
def test_part_demands_a_migrated_database(part: str, empty_database_url: str, tmp_path: Path) -> None:
    line = refusal_of(tmp_path, part, "--database-url", empty_database_url, *FREE_PORTS)
    assert "Run `stepwell migrate`" in line


def test_part_on_a_taken_port_names_the_option(database_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = refusal_of(tmp_path, "api", "--database-url", database_url, "--port", port)
    assert f"port {port} on 127.0.0.1 is taken" in line


@pytest.mark.parametrize(
    ("part", "option"), [("receiver", "--otlp-http-port"), ("receiver", "--otlp-grpc-port"), ("api", "--port")]
)
def test_port_taken_after_the_check_is_told_too(part: str, option: str, database_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with psycopg.connect(database_url) as connection:
        # The part asks for the schema's version after it has tried its ports; this makes it wait.
        connection.execute("LOCK TABLE analytics.schema_version")
        with running(tmp_path, part, "--database-url", database_url, *FREE_PORTS, option, str(port)) as command:
            until(lambda: waits_for_a_lock(database_url), "the part has tried its ports")
            with socket.create_server(("127.0.0.1", port)):
                connection.rollback()
                assert command.wait() == 1
    assert command.stderr.splitlines() == [
        f"stepwell {part}: port {port} on 127.0.0.1 is taken by another program; "
        f"stop it, or choose another port with {option} (0 picks a free one)"
    ]


def waits_for_a_lock(database_url: str) -> bool:
    with psycopg.connect(database_url) as connection:
        query = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return connection.execute(query).fetchone() is not None


def test_part_ends_with_the_supervisor_that_started_it(database_url: str, tmp_path: Path) -> None:
    """As the kernel's signal does on Linux, so does everywhere the end of its standard input."""
    command = [sys.executable, "-P", "-m", "stepwell_api.cli", "worker", "--supervised"]
    shell = 'exec 3<&0; "$@" "$$" <&3 & wait'
    with subprocess.Popen(
        ["/bin/sh", "-c", shell, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as supervisor:
        assert supervisor.stdin is not None
        assert supervisor.stdout is not None
        supervisor.stdin.write(json.dumps({"STEPWELL_DATABASE_URL": database_url}).encode() + b"\n")
        supervisor.stdin.flush()
        assert json.loads(supervisor.stdout.readline()) == {"event": "ready"}
        supervisor.stdin.close()
        assert supervisor.wait(10) == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("--port", "70000"), {}, "--port: expected a port from 0 to 65535; 0 picks a free one, not '70000'"),
        ((), {"STEPWELL_OTLP_GRPC_PORT": "x"}, "STEPWELL_OTLP_GRPC_PORT: expected a port"),
        ((), {"STEPWELL_AUTH": "maybe"}, "STEPWELL_AUTH: expected true or false, not 'maybe'"),
        (("--log-level", "loud"), {}, "--log-level: expected one of debug, info, warning, error, not 'loud'"),
        (("--stale-after", "0"), {}, "--stale-after: expected a duration above 0 like 90s, 30m or 2h"),
    ],
)
def test_bad_value_names_its_option(
    arguments: tuple[str, ...], environment: dict[str, str], words: str, tmp_path: Path
) -> None:
    assert words in refusal_of(tmp_path, "up", *arguments, exit_code=2, **environment)


def test_host_that_is_none_is_told(tmp_path: Path) -> None:
    line = refusal_of(tmp_path, "up", "--host", "no.such.host.invalid", "--data-dir", tmp_path / "data")
    assert "--host: 'no.such.host.invalid' is no address of this machine" in line


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, tmp_path: Path) -> None:
    assert output_of(tmp_path, name, "--help").startswith(f"usage: stepwell {name}")


def without_extras(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in an installation without any dependency: Stepwell's sources and the standard library alone."""
    run = f"import sys; sys.path[:0] = {SOURCES!r}; from stepwell_api.cli import main; sys.exit(main())"
    command = [sys.executable, "-I", "-S", "-c", run, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_works_without_the_server_extra() -> None:
    done = without_extras("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    ("command", "extra"), [(name, command.extra) for name, command in COMMANDS.items() if command.extra]
)
def test_missing_extra_is_told_with_the_command_that_installs_it(command: str, extra: str) -> None:
    done = without_extras(command, *(["list"] if command in ("workspace", "key") else []))
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"stepwell {command}: it needs the package ")
    assert line.endswith(f"run: pip install 'stepwell[{extra}]'")


def test_json_logs_are_one_object_a_line(tmp_path: Path, data_dir: Path) -> None:
    with running(tmp_path, "up", "--data-dir", data_dir, "--log-format", "json", *FREE_PORTS) as up:
        up.ready()
        up.process.send_signal(signal.SIGTERM)
        up.wait()
        records = [json.loads(line) for line in logs_of(up)]
    assert any(record["logger"] == "stepwell.supervisor" for record in records)


def logs_of(command: Running) -> list[str]:
    """What was logged, without the greeting for people."""
    lines = command.stderr.splitlines()
    until(lambda: lines, "something was logged")
    return [line for line in lines if not line.startswith(("Stepwell is ready", "  "))]
