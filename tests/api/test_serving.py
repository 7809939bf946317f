"""`serve`: the application on a real socket, its start, its stop, and OTLP on the same port."""

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from tests.api.rows import fold_waiting, make_run, store_runs

from stepwell_api.app import serve
from stepwell_receiver.errors import PortTakenError
from stepwell_storage.settings import Settings

START_S = 30


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[str]:
    """The address of a running API."""
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(settings, started=address.set_result, stop=stop))
    # A start that fails leaves no address to wait for.
    serving.add_done_callback(lambda _: address.done() or address.cancel())
    try:
        yield await asyncio.wait_for(address, START_S)
    finally:
        stop.set()
        await asyncio.wait_for(serving, START_S)


async def test_answers_at_the_address_that_it_tells(settings: Settings, database_url: str) -> None:
    await store_runs(database_url, [make_run(1, start_time=datetime.now(UTC))])
    async with served(settings) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/api/v1/executions")).json()["total"] == 1
        response = await client.get("/api/nothing")
        assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")


async def test_stop_ends_it_and_frees_the_port(settings: Settings) -> None:
    async with served(settings) as url:
        port = httpx.URL(url).port
    assert port is not None
    async with served(dataclasses.replace(settings, port=port)) as url:
        assert httpx.URL(url).port == port


async def test_idle_connections_do_not_delay_the_stop(settings: Settings) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(8), served(settings) as url:
        assert (await client.get(f"{url}/healthz")).status_code == 200


async def test_port_that_is_taken_is_told_with_the_mend(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port} .*taken.*--port"):
            await serve(dataclasses.replace(settings, port=port), started=_not_reached, stop=asyncio.Event())


async def test_address_of_another_machine_is_told(settings: Settings) -> None:
    with pytest.raises(PortTakenError, match=r"cannot listen on 192\.0\.2\.1"):
        await serve(dataclasses.replace(settings, host="192.0.2.1"), started=_not_reached, stop=asyncio.Event())


async def test_url_that_is_none_does_not_leak_its_password() -> None:
    settings = Settings(database_url="postgresql://user:hunter2@host:x:y/", port=0)
    async with served(settings) as url, httpx.AsyncClient(base_url=url) as client:
        response = await client.get("/api/v1/agents")
        assert response.status_code >= 500
        assert "hunter2" not in response.text


async def test_ipv6_address_is_written_as_a_url(settings: Settings) -> None:
    async with served(dataclasses.replace(settings, host="::1")) as url, httpx.AsyncClient() as client:
        assert url.startswith("http://[::1]:")
        assert (await client.get(f"{url}/healthz")).status_code == 200


async def test_spans_sent_to_the_api_port_are_found(settings: Settings, database_url: str) -> None:
    async with served(settings) as url, httpx.AsyncClient(base_url=url) as client:
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
        tracer = provider.get_tracer("tests")
        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}
        with tracer.start_as_current_span("invoke_agent planner", attributes=attributes):
            pass
        assert await asyncio.to_thread(provider.force_flush)
        await asyncio.to_thread(provider.shutdown)
        await fold_waiting(database_url)
        [item] = (await client.get("/api/v1/executions")).json()["items"]
        assert (item["agent_id"], item["steps_total"]) == ("planner", 1)


def _not_reached(_: str) -> None:
    pytest.fail("it must not start")
