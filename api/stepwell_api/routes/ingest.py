"""``/ingest``: the account of what came in."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from stepwell_api import ingest
from stepwell_api.context import Serving, Workspace
from stepwell_api.encoding import json_response
from stepwell_api.models.ingest import IngestLedger
from stepwell_api.parameters import IngestParameters
from stepwell_api.routes.asking import make_router, window_of

router = make_router("ingest")


@router.get("/ingest", response_model=IngestLedger, operation_id="get_ingest")
async def get_ingest(
    parameters: Annotated[IngestParameters, Query()], workspace_id: Workspace, serving: Serving
) -> Response:
    """What came in and what became of it: stored, known already, refused by reason, dropped, orphaned, late.

    received = stored + duplicate + rejected, and kept = stored - replaced - dropped, in every part of the answer.
    """
    window = window_of(parameters)
    async with serving.engine.connect() as connection:
        told = await ingest.read_ledger(connection, workspace_id, window, parameters.signal)
    return json_response(told)
