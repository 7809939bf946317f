"""``/export/executions`` and ``/export/steps``: data out, streamed."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response, StreamingResponse

from stepwell_api.context import Context, Reader, Serving, forbidden
from stepwell_api.export import columns
from stepwell_api.export.columns import Column
from stepwell_api.export.formats import MEDIA_TYPES, Row, written
from stepwell_api.export.reading import read_executions, read_steps
from stepwell_api.parameters import ExportParameters
from stepwell_api.routes.asking import make_router, window_of
from stepwell_storage.authentication import Caller

router = make_router("export")

FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, as it is read",
        "content": {media_type: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES.values()},
    }
}


@router.get("/export/executions", response_class=StreamingResponse, responses=FILES, operation_id="export_executions")
async def export_executions(
    parameters: Annotated[ExportParameters, Query()], caller: Reader, serving: Serving
) -> Response:
    """All runs that match the filters, the newest first, with inputs and outputs."""
    batches = read_executions(serving.engine, caller.workspace_id, window_of(parameters), parameters)
    return await _streamed("executions", parameters, columns.EXECUTIONS, _while_let(serving, caller, batches))


@router.get("/export/steps", response_class=StreamingResponse, responses=FILES, operation_id="export_steps")
async def export_steps(parameters: Annotated[ExportParameters, Query()], caller: Reader, serving: Serving) -> Response:
    """The steps of all runs that match the filters, run after run, in order, with inputs and outputs."""
    batches = read_steps(serving.engine, caller.workspace_id, window_of(parameters), parameters)
    return await _streamed("steps", parameters, columns.STEPS, _while_let(serving, caller, batches))


async def _while_let(
    serving: Context, caller: Caller, batches: AsyncGenerator[Sequence[Row]]
) -> AsyncGenerator[Sequence[Row]]:
    """The batches, as long as the caller may read them; a file that is cut off then is told by its connection's end.

    Raises:
        ProblemError: the key or the session is over.
    """
    async with aclosing(batches):
        async for rows in batches:
            if not await serving.still_lets(caller):
                raise forbidden("The key or the session ended meanwhile.")
            yield rows


async def _streamed(
    name: str, parameters: ExportParameters, told: Sequence[Column], batches: AsyncGenerator[Sequence[Row]]
) -> Response:
    # The first batch is waited for, so that a database that is away is answered with a problem, not with half a file.
    first: Sequence[Row] = await anext(batches, [])
    chosen = parameters.format
    return StreamingResponse(
        written(chosen, told, _from(first, batches)),
        media_type=MEDIA_TYPES[chosen],
        headers={"Content-Disposition": f'attachment; filename="{name}.{chosen}"'},
    )


async def _from(first: Sequence[Row], rest: AsyncGenerator[Sequence[Row]]) -> AsyncIterator[Sequence[Row]]:
    async with aclosing(rest):
        yield first
        async for rows in rest:
            yield rows
