"""``/live`` and ``/live/events`` of a running API, over traces that are stored and folded as they come."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
from tests.api.rows import NOON, make_agent_step, make_step, store_steps, terminate_connections
from tests.api.test_serving import served

from stepwell_storage.settings import Settings

Told = tuple[str, str | None, dict[str, Any]]
WAIT_S = 20


def now_s() -> float:
    """The seconds of now in the steps' time."""
    return (datetime.now(UTC) - NOON).total_seconds()


@asynccontextmanager
async def watching(url: str, seen: str | None = None, **filters: str) -> AsyncIterator[AsyncIterator[Told]]:
    """The events of a stream: type, id, data."""
    headers = {} if seen is None else {"Last-Event-ID": seen}
    timeout = httpx.Timeout(WAIT_S)
    async with (
        httpx.AsyncClient(base_url=url, timeout=timeout) as client,
        client.stream("GET", "/api/v1/live/events", params=filters, headers=headers) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _read(response)


async def _read(response: httpx.Response) -> AsyncIterator[Told]:
    event: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if line:
            event[name] = value
        elif "event" in event:
            yield event["event"], event.get("id"), json.loads(event["data"])
            event = {}


async def until(events: AsyncIterator[Told], last: str) -> list[Told]:
    """All events up to the first of a type."""
    found: list[Told] = []
    async with asyncio.timeout(WAIT_S):
        async for event in events:
            found.append(event)
            if event[0] == last:
                return found
    raise AssertionError(f"the stream ended before {last}: {found}")


async def test_run_is_seen_while_it_goes_on(settings: Settings, database_url: str) -> None:
    start_s = now_s()
    root = make_agent_step(1, start_s, None)
    async with served(settings) as url, watching(url) as events, httpx.AsyncClient(base_url=url) as client:
        await until(events, "heartbeat")
        await store_steps(database_url, [root, make_step(2, 1, start_s, None, name="search")])
        started = await until(events, "step.started")
        assert started[0][0] == "execution.started"
        (live,) = (await client.get("/api/v1/live")).json()["items"]
        assert (live["status"], live["steps_total"], live["current_step"]["step_name"]) == ("running", 2, "search")
        assert live["expected_duration_ms"] is None
        await store_steps(database_url, [make_step(2, 1, start_s, start_s + 0.1, name="search")])
        completed = (await until(events, "step.completed"))[-1][2]
        assert completed["step"]["duration_ms"] > 0
        await store_steps(database_url, [make_agent_step(1, start_s, start_s + 0.2)])
        ended = (await until(events, "execution.completed"))[-1][2]
        assert (ended["status"], ended["execution_id"]) == ("success", live["execution_id"])
        assert (await client.get("/api/v1/live")).json()["items"] == []


async def test_whoever_comes_back_misses_nothing(settings: Settings, database_url: str) -> None:
    start_s = now_s()
    async with served(settings) as url:
        async with watching(url) as events:
            ((_, position, _),) = await until(events, "heartbeat")
        assert position is not None
        await store_steps(database_url, [make_agent_step(1, start_s, start_s + 1)])
        async with watching(url, seen=position) as events:
            told = await until(events, "execution.completed")
    assert [kind for kind, *_ in told] == ["heartbeat", "execution.started", "step.completed", "execution.completed"]


async def test_whoever_is_unknown_is_told_what_goes_on(settings: Settings, database_url: str) -> None:
    await store_steps(database_url, [make_agent_step(1, now_s(), None)])
    async with served(settings) as url, watching(url, seen="another-7") as events:
        told = await until(events, "execution.updated")
    assert told[-1][2]["agent_id"] == "planner"


async def test_stream_outlives_the_database(settings: Settings, database_url: str) -> None:
    async with served(settings) as url, watching(url) as events:
        await until(events, "heartbeat")
        await store_steps(database_url, [make_agent_step(1, now_s(), None)])
        await until(events, "execution.started")
        await terminate_connections(database_url, "stepwell live")
        assert (await until(events, "execution.updated"))[-1][2]["status"] == "running"
        await store_steps(database_url, [make_agent_step(1, now_s(), now_s() + 1, trace_id=b"\xcd" * 16)])
        await until(events, "execution.completed")


async def test_streams_do_not_delay_the_stop(settings: Settings) -> None:
    async with asyncio.timeout(WAIT_S), served(settings) as url:
        client = httpx.AsyncClient(base_url=url)
        async with client.stream("GET", "/api/v1/live/events") as response:
            assert response.status_code == 200
            await anext(response.aiter_lines())
            stopping = asyncio.create_task(_read_all(response))
        await client.aclose()
        await asyncio.gather(stopping, return_exceptions=True)


async def _read_all(response: httpx.Response) -> None:
    async for _ in response.aiter_lines():
        pass


async def test_runs_that_go_on_come_in_pages(settings: Settings, database_url: str) -> None:
    start_s = now_s()
    for number in range(3):
        trace_id = bytes([number + 1]) * 16
        await store_steps(database_url, [make_agent_step(1, start_s + number, None, trace_id=trace_id)])
    async with served(settings) as url, httpx.AsyncClient(base_url=url) as client:
        first = (await client.get("/api/v1/live", params={"limit": 2})).json()
        second = (await client.get("/api/v1/live", params={"limit": 2, "cursor": first["next_cursor"]})).json()
        other = (await client.get("/api/v1/live", params={"agent_id": "other"})).json()
    traces = [run["trace_id"][:2] for run in first["items"] + second["items"]]
    assert (traces, second["next_cursor"], other["items"]) == (["03", "02", "01"], None, [])
