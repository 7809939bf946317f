"""``/facets``: what runs may be filtered by."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from stepwell_api import facets
from stepwell_api.context import Serving, Workspace
from stepwell_api.encoding import json_response
from stepwell_api.models.facets import Facets
from stepwell_api.parameters import FacetParameters
from stepwell_api.routes.asking import make_router, window_of

router = make_router("executions")


@router.get("/facets", response_model=Facets, operation_id="get_facets")
async def get_facets(
    parameters: Annotated[FacetParameters, Query()], workspace_id: Workspace, serving: Serving
) -> Response:
    """The environments, versions, models and error types of the runs of a time, to choose filters from."""
    window = window_of(parameters)
    async with serving.engine.connect() as connection:
        answer = await facets.read_facets(connection, workspace_id, parameters.agent_id, window, parameters.limit)
    return json_response(answer)
