"""``/healthz``, ``/readyz`` and ``/metrics``: for those who run Stepwell; no key needed, no data told."""

import asyncio
from http import HTTPStatus
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from stepwell_api.context import Serving
from stepwell_api.encoding import json_response
from stepwell_api.problems import Problem, unavailable
from stepwell_migrations import runner
from stepwell_storage import metrics

router = APIRouter(tags=["operations"])

NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": Problem, "description": "Not ready; `detail` tells why"}}


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = Field(description="Always `ok`")


@router.get("/healthz", response_model=Health, operation_id="get_health")
async def get_health() -> Response:
    """Whether this process answers. It says nothing of the database: restarting us would not mend that."""
    return json_response({"status": "ok"})


@router.get("/readyz", response_model=Health, responses=NOT_READY, operation_id="get_readiness")
async def get_readiness(serving: Serving) -> Response:
    """Whether questions can be answered: the database is reachable and its schema is this version's."""
    try:
        # Its own connection: one of the pool may have outlived what it was connected to.
        await asyncio.to_thread(runner.check, serving.settings.database_url)
    except runner.DatabaseUnreachableError:
        raise unavailable("The database cannot be reached.") from None
    except runner.MigrationError as error:
        raise unavailable(str(error), code="schema_mismatch") from None
    return json_response({"status": "ok"})


@router.get("/metrics", response_class=PlainTextResponse, status_code=HTTPStatus.OK, operation_id="get_metrics")
async def get_metrics() -> Response:
    """Prometheus metrics: of all processes under `stepwell up`, else of this one."""
    exposition = await asyncio.to_thread(metrics.exposition)
    return Response(exposition, headers={"content-type": metrics.EXPOSITION_CONTENT_TYPE})
