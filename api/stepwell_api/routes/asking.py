"""What all questions share: the window asked for, the cursor's position, the documents of errors."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.convertors import PathConvertor, register_url_convertor

from stepwell_api import analytics
from stepwell_api.pagination import Kind, Position, read_cursor
from stepwell_api.parameters import PageParameters, Text, WindowParameters, refuse_repeats
from stepwell_api.problems import Problem, invalid_parameter, not_found, shown
from stepwell_api.question import Question
from stepwell_api.times import Window, make_window

PREFIX = "/api/v1"

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "A cursor of another list, or a time without its offset from UTC"},
    401: {"model": Problem, "description": "No key, or one that does not open this; with `--auth` only"},
    403: {"model": Problem, "description": "Who is signed in may not do this; or another site sent it"},
    422: {"model": Problem, "description": "A parameter that is unknown or has a value it cannot have"},
    500: {"model": Problem, "description": "Stepwell failed to answer"},
    503: {"model": Problem, "description": "The database is not available; `Retry-After` tells when to try again"},
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "There is none of this id"}}


def make_router(tag: str) -> APIRouter:
    """A router of the API. The prefix is on it and not on an including one, so that a route knows its whole path."""
    return APIRouter(prefix=PREFIX, tags=[tag], responses=ERRORS, dependencies=[Depends(refuse_repeats)])


class AnyTextConvertor(PathConvertor):
    """A part of a path that may hold slashes and, unlike Starlette's own, line ends: agents are called all sorts."""

    regex = r"[\s\S]*"


register_url_convertor("any_text", AnyTextConvertor())

AgentId = Annotated[Text, Path(description="The agent's id; slashes may be percent-encoded or not")]
ExecutionId = Annotated[Text, Path(description="An execution's id, or a trace's id for its first execution")]


def window_of(parameters: WindowParameters, after: Position | None = None) -> Window:
    """The window that the parameters ask for; on later pages the first page's, which "now" does not move.

    Raises:
        ProblemError: it ends before it starts.
    """
    if after is not None and after.window is not None:
        return after.window
    window = make_window(parameters.from_, parameters.to, now=datetime.now(UTC))
    if window.start > window.stop:
        raise invalid_parameter("from", "Should not be after `to`, which is now where it is not given")
    return window


def position_of(question: str, parameters: PageParameters, kind: Kind) -> Position | None:
    """Where the page before ended; ``None`` for the first page.

    Raises:
        ProblemError: the cursor is none, or another list's.
    """
    return None if parameters.cursor is None else read_cursor(parameters.cursor, question, kind)


async def refuse_unknown(connection: AsyncConnection, question: Question) -> None:
    """Refuses an agent that was never seen; one without runs in the window is answered.

    Raises:
        ProblemError: no run of it was ever seen.
    """
    if not await analytics.has_agent(connection, question.workspace_id, question.agent_id):
        raise not_found(f"No run of an agent with the id {shown(question.agent_id)} was ever seen.")
