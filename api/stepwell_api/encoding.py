"""JSON out: rows become bytes in one pass, and JSON that the database holds goes through unread.

Payloads are never parsed on their way to the client. That is faster, and it is exact: numbers beyond 64 bits and deep
nesting, both legal in ``jsonb``, arrive as they were sent.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVarTuple

import orjson
from sqlalchemy import Result
from starlette.responses import Response

MADE_INLINE: Final = 1_000
"""Answers about more rows than this are made in a thread, so that other requests go on meanwhile."""
Arguments = TypeVarTuple("Arguments")


def json_response(content: Any) -> Response:
    """The answer with this content; times are RFC 3339 with ``Z``, bytes in `orjson.Fragment` are JSON already."""
    return Response(orjson.dumps(content, option=orjson.OPT_UTC_Z), media_type="application/json")


def raw_json(text: str | None) -> orjson.Fragment | None:
    """JSON text as a value of a response."""
    return None if text is None else orjson.Fragment(text)


def raw_json_list(texts: Sequence[str] | None) -> list[orjson.Fragment] | None:
    """JSON texts as a list of a response."""
    return None if texts is None else [orjson.Fragment(text) for text in texts]


def read_items(result: Result[Any]) -> list[dict[str, Any]]:
    """The rows of a result as items of a response, by the names of its columns."""
    # SQLAlchemy's names are a subclass of str, which orjson does not take for keys.
    names = list(map(str, result.keys()))
    return [dict(zip(names, row, strict=True)) for row in result]


async def without_waiting(rows: int, make: Callable[[*Arguments], Response], *arguments: *Arguments) -> Response:
    """What `make` makes of so many rows, without keeping other requests waiting."""
    if rows <= MADE_INLINE:
        return make(*arguments)
    return await asyncio.to_thread(make, *arguments)
