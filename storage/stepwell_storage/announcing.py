"""Tells whoever watches runs which of them have just changed, by a notification in the transaction that changes them.

A notification names traces and no more: it may get lost with a connection, and what it is about is read anyway.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any, Final
from uuid import UUID

import psycopg

from stepwell_storage import queries

SQL = queries.load("announcing")

CHANNEL: Final = "stepwell_live"
RECENT: Final = timedelta(minutes=10)
"""Nobody watches what happened longer ago: old data that is loaded is not announced."""
_TRACES_AT_ONCE: Final = 100
"""Each takes 66 bytes of a notification, which takes 8,000."""

Trace = tuple[UUID, bytes]


async def announce(connection: psycopg.AsyncConnection[Any], traces: Iterable[Trace]) -> None:
    """Announces with the caller's commit that runs of these traces have changed."""
    distinct = iter(dict.fromkeys(traces))
    while some := list(islice(distinct, _TRACES_AT_ONCE)):
        payload = ",".join(f"{workspace_id.hex}:{trace_id.hex()}" for workspace_id, trace_id in some)
        await connection.execute(SQL.notify, {"payload": payload})


def read(payload: str) -> Iterator[Trace]:
    """The traces that a notification names."""
    for trace in payload.split(","):
        workspace_id, _, trace_id = trace.partition(":")
        yield UUID(hex=workspace_id), bytes.fromhex(trace_id)
