"""``/retention``: how long the workspace keeps what."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from stepwell_api.context import Serving, Workspace
from stepwell_api.encoding import json_response
from stepwell_api.models.retention import Retention
from stepwell_api.parameters import Parameters
from stepwell_api.routes.asking import make_router
from stepwell_storage.retention import policy
from stepwell_storage.retention.policy import FOR_EVER, Kept

router = make_router("access")

APPLICATION = "stepwell api retention"
NAMES = {"payload_days": Kept.PAYLOADS, "raw_days": Kept.RAW, "hour_days": Kept.HOURS, "day_days": Kept.DAYS}


@router.get("/retention", response_model=Retention, operation_id="get_retention")
async def get_retention(_: Annotated[Parameters, Query()], workspace_id: Workspace, serving: Serving) -> Response:
    """For how many days the workspace keeps what; `stepwell retention set` changes it."""
    async with serving.connection(APPLICATION) as connection:
        general, workspaces = await policy.read(connection)
    own = next((found.policy for found in workspaces if found.workspace_id == workspace_id), general)
    days = {name: own.days_of(kept) for name, kept in NAMES.items()}
    return json_response({name: None if count == FOR_EVER else count for name, count in days.items()})
