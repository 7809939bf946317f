"""Requests that are refused as a whole, and spans that only the database refuses, in the ledger."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import httpx
import psycopg
import pytest
from tests.api.client import client_of
from tests.ledger.accounts import nonzero, read
from tests.receiver.otlp import Client, make_span, trace_request
from tests.receiver.running import receiver
from tests.storage.steps import make_step, span_numbers

from stepwell_storage.commit import Committer
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.settings import Settings

DEADLINE_S = 20.0


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    """A client of a receiver on a database of its own, which takes small bodies alone."""
    with receiver(replace(settings, max_request_bytes=5_000)) as running:
        client = Client(running.otlp_http, running.otlp_grpc)
        yield client
        client.close()


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API on the same database."""
    async with client_of(settings) as client:
        yield client


def refused(client: Client, reason: str) -> float:
    """The metric, of all processes of these tests."""
    wanted = f'stepwell_requests_refused_total{{reason="{reason}",signal="traces"}} '
    lines = client.http.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))


async def test_refused_requests_are_counted_by_reason_and_hold_nothing_received(
    client: Client, api: httpx.AsyncClient
) -> None:
    before = [refused(client, reason) for reason in ("malformed", "too_large", "unsupported_media_type")]
    assert client.post(b"\xff" * 64).status_code == 400
    assert client.post(b"{nope", content_type="application/json").status_code == 400
    assert client.post(bytes(6_000)).status_code == 413
    assert client.post(b"", content_type="text/plain").status_code == 415

    async with asyncio.timeout(DEADLINE_S):
        while (told := nonzero((await read(api))["totals"])).total() < 4:
            await asyncio.sleep(0.02)
    assert told == {"refused:malformed": 2, "refused:too_large": 1, "refused:unsupported_media_type": 1}
    after = [refused(client, reason) for reason in ("malformed", "too_large", "unsupported_media_type")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 1, 1]


async def test_spans_that_the_database_refuses_are_rejected_once_each(
    settings: Settings, connection: psycopg.AsyncConnection, api: httpx.AsyncClient
) -> None:
    steps = [make_step(number, trace=number % 3 + 1) for number in range(1, 31)]
    steps[4] = steps[4]._replace(input_json="{not json")
    steps[17] = steps[17]._replace(name="a\0b")
    committer = Committer(settings)
    await committer.start()
    for _ in range(2):
        await committer.submit(LOCAL_WORKSPACE_ID, steps, 100, rejected={"malformed": 3})
    await committer.stop()

    told = nonzero((await read(api))["totals"])
    del told["late"]
    expected = {"received": 66, "stored": 28, "kept": 28, "duplicate": 28}
    assert told == {**expected, "rejected:unstorable": 4, "rejected:malformed": 6}
    assert len(await span_numbers(connection)) == 28


async def test_what_is_rejected_is_counted_also_where_nothing_is_stored(client: Client, api: httpx.AsyncClient) -> None:
    assert client.post(trace_request(make_span(span_id=b"x"))).status_code == 200
    assert nonzero((await read(api))["totals"]) == {"received": 1, "rejected:invalid_span_id": 1}


async def test_an_empty_request_leaves_no_trace(client: Client, api: httpx.AsyncClient) -> None:
    assert client.post(b"").status_code == 200
    answer = await read(api)
    assert (nonzero(answer["totals"]), answer["by_key"], answer["by_hour"]) == ({}, [], [])
