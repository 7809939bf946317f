"""Parts of a ``stepwell up`` that die or stop under a load: what was acknowledged is there, the rest comes again."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.exactness import assert_exact, stored
from tests.faults.traffic import Traffic
from tests.faults.whole import Whole, whole
from tests.lifecycle.process_table import answers, needs_process_table, until
from tests.lifecycle.running import FREE_PORTS

from stepwell_storage.embedded import EmbeddedPostgres

pytestmark = needs_process_table


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """One for all tests that kill only parts of it."""
    folder = tmp_path_factory.mktemp("whole")
    with whole(folder, folder / "data", *FREE_PORTS) as found:
        yield found


@pytest.fixture
def fixed_ports() -> list[str]:
    """Options with ports that are free now, for a server that is to come back on the same ones."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [str(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ["--port", ports[0], "--otlp-http-port", ports[1], "--otlp-grpc-port", ports[2]]


@pytest.mark.parametrize("part", ["receiver", "worker", "postgres", "api"])
def test_killed_part_loses_nothing_and_comes_back(everything: Whole, sent: Traffic, part: str) -> None:
    killed = everything.command.parts()[part]
    with everything.load(sent):
        os.kill(killed, signal.SIGKILL)
    until(lambda: everything.command.parts().get(part) not in (None, killed), f"the {part} is back")
    until(lambda: answers(everything.database_url), "the database is back")
    assert_exact(everything.database_url, sent)


def test_killed_supervisor_loses_nothing(tmp_path: Path, data_dir: Path, fixed_ports: list[str], sent: Traffic) -> None:
    with whole(tmp_path, data_dir, *fixed_ports) as first, first.load(sent) as sending:
        first.command.process.kill()
        first.command.process.wait()
        acknowledged = set(sending.acknowledged)
        with whole(tmp_path, data_dir, *fixed_ports) as second:
            assert acknowledged <= stored(second.database_url, sent)
            sending.finish()
            assert_exact(second.database_url, sent)


def test_stop_under_load_keeps_all_that_was_acknowledged(
    tmp_path: Path, data_dir: Path, fixed_ports: list[str], sent: Traffic
) -> None:
    with whole(tmp_path, data_dir, *fixed_ports) as first, first.load(sent) as sending:
        assert first.command.stop() == 0
        acknowledged = set(sending.acknowledged)
        with EmbeddedPostgres(data_dir) as server:
            assert acknowledged <= stored(server.url, sent)
        with whole(tmp_path, data_dir, *fixed_ports) as second:
            sending.finish()
            assert_exact(second.database_url, sent)
