"""Collectors with the configurations that we give away, as processes of their own."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.collector.building import collector
from tests.lifecycle.process_table import until

from stepwell_storage.embedded.binaries import launch_command

CONFIGURATIONS = Path(__file__).parents[2] / "deploy" / "collector"
START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Collector:
    """A running one."""

    process: subprocess.Popen[bytes]
    grpc: str
    """host:port"""
    http: str

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_collector(configuration: str, queue: Path, settings: Mapping[str, str]) -> Iterator[Collector]:
    """One of `CONFIGURATIONS`, answering; started again with the same arguments it finds its queue."""
    health = f"127.0.0.1:{free_port()}"
    environment = {**os.environ, "QUEUE_DIR": str(queue), "HEALTH": health, **settings}
    log = queue.with_suffix(".log")
    with log.open("ab") as written:
        command = [str(collector()), "--config", str(CONFIGURATIONS / configuration)]
        process = subprocess.Popen(
            launch_command(command, account=None, death_signal=signal.SIGKILL),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
        )
    try:
        until(lambda: process.poll() is not None or _answers(health), "a Collector that works", START_TIMEOUT_S)
        assert process.poll() is None, log.read_text()[-3000:]
        yield Collector(process, settings["LISTEN_GRPC"], f"http://{settings['LISTEN_HTTP']}")
    finally:
        process.kill()
        process.wait()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
