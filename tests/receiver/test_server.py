"""The life of a receiver: ports that are taken, a database that is away or full, and an end that loses nothing."""

import asyncio
import gzip
import socket
import threading
from dataclasses import replace
from typing import Any

import grpc
import httpx
import psycopg
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from tests.receiver.otlp import PROTOBUF, Client, make_span, rpc_status, trace_request
from tests.receiver.running import Running, receiver, start

from stepwell_receiver.errors import PortTakenError
from stepwell_storage.settings import Settings

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.mark.parametrize(
    ("field", "option"), [("otlp_http_port", "--otlp-http-port"), ("otlp_grpc_port", "--otlp-grpc-port")]
)
def test_taken_port_is_named_with_the_mend(shared_settings: Settings, field: str, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"port {port} on 127.0.0.1 is taken .* {option}"):
            start(_with_port(shared_settings, field, port))


@pytest.mark.parametrize("field", ["otlp_http_port", "otlp_grpc_port"])
def test_second_receiver_cannot_share_a_port(shared_settings: Settings, running: Running, field: str) -> None:
    address = running.otlp_http if field == "otlp_http_port" else running.otlp_grpc
    with pytest.raises(PortTakenError):
        start(_with_port(shared_settings, field, int(address.rpartition(":")[2])))


def _with_port(settings: Settings, field: str, port: int) -> Settings:
    ports: dict[str, Any] = {field: port}
    return replace(settings, **ports)


def test_receiver_starts_again_on_its_port_at_once(shared_settings: Settings) -> None:
    with receiver(shared_settings) as first:
        ports = [int(address.rpartition(":")[2]) for address in (first.otlp_http, first.otlp_grpc)]
        assert httpx.get(f"{first.otlp_http}/healthz").status_code == 200
    again = replace(shared_settings, otlp_http_port=ports[0], otlp_grpc_port=ports[1])
    with receiver(again) as second:
        assert httpx.get(f"{second.otlp_http}/healthz").status_code == 200


def test_database_away_is_retryable_on_both_transports(settings: Settings) -> None:
    with receiver(replace(settings, database_url=NOWHERE)) as running:
        client = Client(running.otlp_http, running.otlp_grpc)
        response = client.post(trace_request(make_span()))
        with pytest.raises(grpc.RpcError) as raised:
            client.export(trace_request(make_span()))
        client.close()

    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    for status in (Status.FromString(response.content), rpc_status(raised.value)):
        retry = RetryInfo()
        assert status.code == grpc.StatusCode.UNAVAILABLE.value[0]
        assert status.details[0].Unpack(retry)
        assert retry.retry_delay.ToNanoseconds() > 0


def test_refused_spans_are_taken_when_the_database_is_back(settings: Settings) -> None:
    span = make_span()
    with psycopg.connect(settings.database_url, autocommit=True) as connection, receiver(settings) as running:
        client = Client(running.otlp_http, running.otlp_grpc)
        connection.execute("ALTER TABLE analytics.step_facts RENAME TO away")
        refused = client.post(trace_request(span)).status_code
        connection.execute("ALTER TABLE analytics.away RENAME TO step_facts")
        taken = client.post(trace_request(span)).status_code
        client.close()
        [count] = connection.execute("SELECT count(*) FROM analytics.step_facts").fetchone() or ()

    assert (refused, taken, count) == (503, 200, 1)


def test_large_requests_at_the_same_time_are_told_to_come_back(settings: Settings) -> None:
    small = replace(settings, max_request_bytes=1_000_000, max_queued_bytes=1_000_000)
    with receiver(small) as running:
        host, _, port = running.otlp_http.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as slow:
            head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nContent-Length: 1000000\r\n\r\n"
            slow.sendall(head.encode() + bytes(900_000))
            response = _post_until(503, running.otlp_http, bytes(900_000))
        assert Status.FromString(response.content).code == grpc.StatusCode.UNAVAILABLE.value[0]
        assert int(response.headers["retry-after"]) >= 1
        # The budget comes back with the end of the slow request; what is left is the garbage of this one.
        assert _post_until(400, running.otlp_http, bytes(900_000)).status_code == 400


def test_limit_below_the_size_of_a_part_holds_after_decompression(settings: Settings) -> None:
    with receiver(replace(settings, max_request_bytes=200_000)) as running:
        client = Client(running.otlp_http, running.otlp_grpc)
        body = trace_request(make_span(name="n" * 300_000)).SerializeToString()
        headers = {"content-type": PROTOBUF, "content-encoding": "gzip"}
        response = client.http.post("/v1/traces", content=gzip.compress(body), headers=headers)
        client.close()
    assert response.status_code == 413


def _post_until(status: int, url: str, body: bytes) -> httpx.Response:
    """Sends until it is answered so: the other request reaches the receiver at its own pace."""

    async def send() -> httpx.Response:
        async with asyncio.timeout(20), httpx.AsyncClient(base_url=url) as client:
            while True:
                response = await client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF})
                if response.status_code == status:
                    return response

    return asyncio.run(send())


def test_stop_during_a_load_keeps_all_that_was_acknowledged(settings: Settings) -> None:
    acknowledged: list[bytes] = []
    halfway = threading.Event()

    def send(running: Running) -> None:
        client = Client(running.otlp_http, running.otlp_grpc)
        try:
            while True:
                span = make_span()
                if client.post(trace_request(span)).status_code == 200:
                    acknowledged.append(span.span_id)
                if len(acknowledged) >= 50:
                    halfway.set()
        except httpx.TransportError:
            client.close()

    running = start(settings)
    senders = [threading.Thread(target=send, args=(running,)) for _ in range(4)]
    for sender in senders:
        sender.start()
    assert halfway.wait(30)
    running.stop()
    for sender in senders:
        sender.join(30)

    with psycopg.connect(settings.database_url) as connection:
        stored = {bytes(row[0]) for row in connection.execute("SELECT span_id FROM analytics.step_facts")}
    assert len(acknowledged) >= 50
    assert set(acknowledged) <= stored


def test_sender_that_hangs_up_is_no_error(client: Client, running: Running) -> None:
    host, _, port = running.otlp_http.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as sender:
        head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nContent-Length: 100\r\n\r\n"
        sender.sendall(head.encode() + b"\x0a")
    assert client.post(b"").status_code == 200
