"""Receivers and workers as processes of their own, over a database of their own, with a network in between."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export import SpanExporter
from tests.faults.proxy import Proxy
from tests.faults.traffic import Sending, Traffic, exporters
from tests.lifecycle.process_table import alive, family, until
from tests.lifecycle.running import Running, running

from stepwell_migrations import runner
from stepwell_storage.embedded import EmbeddedPostgres

FREE_OTLP_PORTS = ("--otlp-http-port", "0", "--otlp-grpc-port", "0")
UNDER_LOAD = 5
"""A fault begins once one in so many spans is acknowledged."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs."""

    server: EmbeddedPostgres
    network: Proxy
    receivers: list[Running]
    addresses: list[dict[str, str]]

    def exporters(self) -> list[SpanExporter]:
        """Over both transports to each receiver."""
        return exporters(self.addresses)

    @contextmanager
    def load(self, sent: Traffic) -> Iterator[Sending]:
        """Sends all of it; the block begins in the middle of that, and its end waits for the last acknowledgement."""
        with Sending(sent.batches, self.exporters()) as sending:
            until(lambda: len(sending.acknowledged) >= len(sent.spans) // UNDER_LOAD, "a part of the load")
            yield sending

    def wait_for_refusals(self, sent: Traffic) -> None:
        """Returns once every receiver tells a sender to come back."""
        until(lambda: all(refuses(address, sent) for address in self.addresses), "every receiver refuses", 60)


def refuses(address: dict[str, str], sent: Traffic) -> bool:
    """Whether a receiver answers a part of `sent`, which is sent anyway, with a retryable error."""
    return post(address, sent).status_code == 503


def post(address: dict[str, str], sent: Traffic, timeout_s: float = 30.0) -> httpx.Response:
    """The answer to a part of `sent`.

    Raises:
        httpx.TransportError: there is none.
    """
    body = encode_spans(sent.batches[0]).SerializeToString()
    headers = {"content-type": "application/x-protobuf"}
    return httpx.post(f"{address['otlp_http']}/v1/traces", content=body, headers=headers, timeout=timeout_s)


@contextmanager
def stack(folder: Path, *, receivers: int = 2, workers: int = 2) -> Iterator[Stack]:
    """A stack that answers."""
    with ExitStack() as resources:
        server = resources.enter_context(EmbeddedPostgres(folder / "data"))
        runner.migrate(server.url)
        network = resources.enter_context(Proxy(server.url))
        given = ("--database-url", network.url)
        started = [
            resources.enter_context(running(folder, "receiver", *given, *FREE_OTLP_PORTS)) for _ in range(receivers)
        ]
        working = [resources.enter_context(running(folder, "worker", *given)) for _ in range(workers)]
        addresses = [receiver.ready() for receiver in started]
        for worker in working:
            worker.ready()
        yield Stack(server, network, started, addresses)


def tell_all(pid: int, number: signal.Signals) -> None:
    """Signals a process and all that came of it."""
    for member in alive(family(pid)):
        try:
            os.kill(member, number)
        except ProcessLookupError:
            continue


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """The process and all that came of it stand still during the block."""
    tell_all(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        tell_all(pid, signal.SIGCONT)


Fault = Callable[[Stack], None]
