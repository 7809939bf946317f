"""Several receivers on one machine: they share the ports, and each is replaced when it ends."""

import os
import signal
import socket
from pathlib import Path

import pytest
from tests.lifecycle.process_table import needs_process_table, until
from tests.lifecycle.running import FREE_PORTS, finished, running
from tests.lifecycle.test_up import total_executions
from tests.load import load, send

from stepwell_receiver.listening import CAN_SHARE_PORTS, claim

pytestmark = [
    needs_process_table,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CAN_SHARE_PORTS, reason="processes share a port on Linux only"),
]

RECEIVERS = ("--receivers", "2")


def listeners(port: int) -> set[int]:
    """The inodes of the sockets that listen on a port; gRPC takes IPv4 on a socket of IPv6."""
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table]
    return {int(row[9]) for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[3] == "0A"}


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def test_two_receivers_share_the_ports_and_lose_nothing_when_one_dies(tmp_path: Path, data_dir: Path) -> None:
    sent = load(runs=60, spans_per_run=6, spans_per_body=12)
    half = len(sent.bodies) // 2
    with running(tmp_path, "up", "--data-dir", data_dir, *FREE_PORTS, *RECEIVERS) as command:
        addresses = command.ready()
        ports = [port_of(addresses[kind]) for kind in ("otlp_http", "otlp_grpc")]
        assert [len(listeners(port)) for port in ports] == [2, 2]
        send(sent.bodies[:half], addresses["otlp_http"])
        os.kill(command.parts()["receiver"], signal.SIGKILL)
        send(sent.bodies[half:], addresses["otlp_http"])
        until(lambda: total_executions(addresses["api"]) == sent.runs, "every run is folded")
        until(lambda: [len(listeners(port)) for port in ports] == [2, 2], "the receiver that ended is replaced")
        assert command.stop() == 0


def test_port_of_another_program_is_refused_although_receivers_share_theirs(tmp_path: Path, data_dir: Path) -> None:
    with claim("127.0.0.1", 0, "--otlp-http-port", is_shared=True) as taken:
        port = taken.getsockname()[1]
        command = finished(
            tmp_path, "up", "--data-dir", data_dir, *FREE_PORTS, "--otlp-http-port", str(port), *RECEIVERS
        )
    assert command.process.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in command.stderr


def test_receivers_share_a_port_only_with_each_other() -> None:
    with claim("127.0.0.1", 0, "--otlp-http-port", is_shared=True) as first:
        port = first.getsockname()[1]
        with claim("127.0.0.1", port, "--otlp-http-port", is_shared=True) as second, socket.socket() as alone:
            assert second.getsockname() == first.getsockname()
            with pytest.raises(OSError, match="in use"):
                alone.bind(("127.0.0.1", port))
