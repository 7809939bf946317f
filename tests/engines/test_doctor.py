"""``stepwell doctor``: what it says of a machine and of each kind of database."""

import json
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.lifecycle.running import FREE_PORTS, finished, running
from tests.storage.steps import make_step
from tests.storing import fold_all, store

from stepwell_api.doctor import database, machine
from stepwell_api.doctor.finding import Finding, State
from stepwell_migrations import runner
from stepwell_migrations.edition import Edition, Kind
from stepwell_storage.database import connect
from stepwell_storage.model import Role
from stepwell_storage.settings import Settings


def _looked_at(url: str) -> dict[str, list[Finding]]:
    findings: dict[str, list[Finding]] = {}
    for finding in database.look(url):
        findings.setdefault(finding.check, []).append(finding)
    return findings


async def test_database_with_data_is_sound_on_each_engine(either_url: str) -> None:
    async with await connect(either_url) as connection:
        await store(connection, [make_step(1, role=Role.AGENT, operation="invoke_agent"), make_step(2)])
        await fold_all(connection)
    found = _looked_at(either_url)
    assert {finding.state for findings in found.values() for finding in findings} == {State.OK}
    sizes = {size.facts["table"]: size.facts for size in found["size"]}
    assert {table: facts["rows"] for table, facts in sizes.items()} == {"step_facts": 2, "agent_executions": 1}
    assert all(facts["bytes_per_row"] > 100 for facts in sizes.values())


def test_plain_database_has_native_partitions_and_no_features(database_url: str) -> None:
    found = _looked_at(database_url)
    assert [finding.detail for finding in found["engine"]] == ["rows are in native partitions"]
    assert "features" not in found
    assert "Install the Community edition" in str(found["timescaledb"][0].mend)
    assert [size.detail for size in found["size"]] == ["no steps are stored", "no executions are stored"]


def test_hypertables_are_told_with_their_features(timescale_url: str) -> None:
    found = _looked_at(timescale_url)
    assert found["timescaledb"][0].facts["edition"] == "community"
    assert found["engine"][0].facts == {"engine": "timescale"}
    assert "columnstore for step_facts after 7 days" in found["features"][0].detail


def test_native_partitions_on_a_community_server_are_told_how_to_move(empty_timescale_url: str) -> None:
    runner.migrate(empty_timescale_url, may_use_timescale=False)
    assert "stepwell migrate --to timescale" in str(_looked_at(empty_timescale_url)["engine"][0].mend)


def test_missing_schema_is_an_error_with_its_mend(empty_database_url: str) -> None:
    (schema,) = _looked_at(empty_database_url)["schema"]
    assert (schema.state, schema.facts["version"]) == (State.ERROR, None)
    assert "Run `stepwell migrate`" in str(schema.mend)


@pytest.mark.parametrize(
    ("ahead", "state"),
    [
        pytest.param(timedelta(seconds=0.5), State.OK, id="agree"),
        pytest.param(timedelta(seconds=-10), State.WARNING, id="behind"),
        pytest.param(timedelta(hours=1), State.ERROR, id="far ahead"),
    ],
)
def test_clocks_that_differ_are_told(ahead: timedelta, state: State) -> None:
    finding = database.clock_finding(ahead.total_seconds())
    assert finding.state is state
    assert (finding.mend is None) == (state is State.OK)


def test_taken_port_is_an_error_with_its_mend() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(database_url="", port=0, otlp_http_port=port, otlp_grpc_port=0)
        states = {str(found.facts["option"]): found for found in machine.ports(settings)}
    assert states["--port"].state is State.OK
    assert states["--otlp-http-port"].state is State.ERROR
    assert "--otlp-http-port" in str(states["--otlp-http-port"].mend)


@pytest.mark.parametrize(
    ("free_bytes", "state"),
    [(500_000_000, State.ERROR), (5_000_000_000, State.WARNING), (50_000_000_000, State.OK)],
    ids=["scarce", "low", "enough"],
)
def test_room_on_the_disk_is_judged(tmp_path: Path, free_bytes: int, state: State) -> None:
    assert machine.disk_finding(tmp_path, free_bytes, 10**12).state is state


def _report(tmp_path: Path, *arguments: str | Path, exit_code: int = 0) -> dict[str, Any]:
    command = finished(tmp_path, "doctor", "--json", *arguments)
    assert command.process.returncode == exit_code, command.stderr
    report: dict[str, Any] = json.loads(command.stdout)
    assert report["ok"] == (exit_code == 0)
    return report


def test_machine_without_a_database_is_left_without_one(tmp_path: Path, data_dir: Path) -> None:
    report = _report(tmp_path, "--data-dir", data_dir, *FREE_PORTS)
    assert "there is no database" in report["findings"][-1]["detail"]
    assert not data_dir.exists()


def test_unreachable_database_ends_with_an_error(tmp_path: Path) -> None:
    url = "postgresql://someone:secret@127.0.0.1:1/nowhere"
    report = _report(tmp_path, "--database-url", url, *FREE_PORTS, exit_code=1)
    assert [found["check"] for found in report["findings"] if found["state"] == "error"] == ["database"]
    assert "secret" not in json.dumps(report)


def test_running_stepwell_is_recognised_on_its_ports(tmp_path: Path, data_dir: Path) -> None:
    with running(tmp_path, "up", "--data-dir", data_dir, *FREE_PORTS) as up:
        ready = up.ready()
        ports = [
            option
            for name, flag in (("api", "--port"), ("otlp_http", "--otlp-http-port"), ("otlp_grpc", "--otlp-grpc-port"))
            for option in (flag, ready[name].rsplit(":", 1)[1])
        ]
        report = _report(tmp_path, "--data-dir", data_dir, *ports)
        text = finished(tmp_path, "doctor", "--data-dir", data_dir, *ports).stdout
    assert [found["detail"].split(" is ")[1] for found in report["findings"] if found["check"] == "port"] == [
        "in use, and Stepwell answers"
    ] * 3
    assert f"schema version {runner.HEAD}" in text
    assert "ERROR" not in text


def test_broken_timescaledb_is_an_error() -> None:
    broken = database.timescaledb_finding(Edition(Kind.BROKEN, "2.23.0", reason="could not access file"))
    assert broken.state is State.ERROR
    assert "could not access file" in broken.detail
