"""``/live``: runs that go on now, and a stream of what happens to them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Header, Query
from starlette.responses import Response, StreamingResponse

from stepwell_api.context import Context, Reader, Serving, Workspace
from stepwell_api.encoding import json_response
from stepwell_api.live import running
from stepwell_api.live.events import Event, EventType
from stepwell_api.live.hub import End, Resync, Subscription
from stepwell_api.models.live import LivePage
from stepwell_api.pagination import question_of, write_cursor
from stepwell_api.parameters import LiveEventsParameters, LiveParameters
from stepwell_api.routes.asking import make_router, position_of
from stepwell_storage.authentication import Caller

HEARTBEAT_S = 15.0
CHECKED_EVERY_S = 2.5
"""How long a stream outlives the key or the session that opened it, beside what processes remember of them."""
RETRY_MS = 2000
"""How long a browser waits before it comes back."""
RESYNCED = 1000
"""Runs that somebody is told who begins anew."""

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
        "description": "Server-Sent Events: `execution.started`, `step.started`, `step.completed`, "
        "`execution.updated`, `execution.completed` and `heartbeat`, each with JSON as its data",
    }
}

router = make_router("live")


class Silence:
    """Nothing has happened for a while."""


@router.get("/live", response_model=LivePage, operation_id="list_live")
async def list_live(
    parameters: Annotated[LiveParameters, Query()], workspace_id: Workspace, serving: Serving
) -> Response:
    """The runs that go on now, the newest first, with what they do and how long such runs usually take."""
    question = question_of("live", parameters)
    after = position_of(question, parameters, "time")
    async with serving.engine.connect() as connection:
        items, following = await running.read_running(
            connection,
            workspace_id,
            now=datetime.now(UTC),
            limit=parameters.limit,
            agent_ids=parameters.agent_id,
            after=after,
        )
    return json_response({"items": items, "next_cursor": write_cursor(question, following)})


@router.get("/live/events", response_class=StreamingResponse, responses=STREAM, operation_id="stream_live_events")
async def stream_live_events(
    parameters: Annotated[LiveEventsParameters, Query()],
    caller: Reader,
    serving: Serving,
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            max_length=100,
            description="Id of the last event that was seen; what came since is sent first",
        ),
    ] = None,
) -> Response:
    """What happens to runs, as it happens.

    Whoever comes back with an id that is not remembered any more, or reads too slowly, gets an `execution.updated` for
    each run that goes on, and from there on everything.
    """
    events = _stream(serving, caller, parameters, last_event_id)
    # The first piece comes now, so that a database that is away is answered as such.
    first = await anext(events)
    return StreamingResponse(
        _after(first, events),
        HTTPStatus.OK,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _after(first: bytes, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for event in events:
        yield event


async def _stream(
    serving: Context, caller: Caller, parameters: LiveEventsParameters, last_event_id: str | None
) -> AsyncIterator[bytes]:
    workspace_id = caller.workspace_id
    async with serving.hub.subscribe(
        workspace_id, agent_ids=parameters.agent_id, statuses=parameters.status, last_event_id=last_event_id
    ) as subscription:
        yield b"retry: %d\n\n" % RETRY_MS
        yield _heartbeat(serving, workspace_id, last_event_id)
        while (item := await _next(serving, caller, subscription)) is not None:
            if isinstance(item, Silence):
                yield _heartbeat(serving, workspace_id, None)
            elif isinstance(item, Resync):
                async for update in _resynced(serving, workspace_id, subscription):
                    yield update
            else:
                event_id, event = item
                yield _written(event.type, event.data, event_id)


async def _next(
    serving: Context, caller: Caller, subscription: Subscription
) -> tuple[str, Event] | Resync | Silence | None:
    """What comes next; ``None`` at the end, which is there as well once the caller may not read any more."""
    for _ in range(round(HEARTBEAT_S / CHECKED_EVERY_S)):
        if not await serving.still_lets(caller):
            return None
        with suppress(TimeoutError):
            item = await asyncio.wait_for(subscription.queue.get(), CHECKED_EVERY_S)
            return None if isinstance(item, End) else item
    return Silence()


async def _resynced(serving: Context, workspace_id: UUID, subscription: Subscription) -> AsyncIterator[bytes]:
    """The runs that go on, as updates."""
    async with serving.engine.connect() as connection:
        runs, _ = await running.read_running(
            connection,
            workspace_id,
            now=datetime.now(UTC),
            limit=RESYNCED,
            agent_ids=sorted(subscription.agent_ids),
        )
    for run in runs:
        if not subscription.statuses or run["status"] in subscription.statuses:
            yield _written(EventType.EXECUTION_UPDATED, run, None)


def _heartbeat(serving: Context, workspace_id: UUID, seen: str | None) -> bytes:
    """The time, and the position of the stream: from there on whoever has seen nothing yet may come back."""
    event_id = None if seen else serving.hub.position(workspace_id)
    return _written(EventType.HEARTBEAT, {"time": datetime.now(UTC)}, event_id)


def _written(kind: EventType, data: Any, event_id: str | None) -> bytes:
    """An event as the stream carries it; JSON holds no line ends."""
    number = b"" if event_id is None else b"id: %s\n" % event_id.encode()
    return b"%sevent: %s\ndata: %s\n\n" % (number, kind.encode(), orjson.dumps(data, option=orjson.OPT_UTC_Z))
