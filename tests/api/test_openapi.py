"""The OpenAPI document: whole, well-formed, and told in words."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.openapi.models import OpenAPI
from fastapi.routing import APIRoute

from stepwell_api.export.formats import MEDIA_TYPES
from stepwell_api.routes import (
    access,
    agents,
    alert_rules,
    alerts,
    comparison,
    deletion,
    executions,
    export,
    facets,
    ingest,
    insight,
    live,
    operations,
    recovering,
    recovery,
    retention,
    session,
    suggestions,
    webhooks,
)

ROUTERS = (
    executions.router,
    agents.router,
    insight.router,
    recovery.router,
    recovering.router,
    webhooks.router,
    retention.router,
    alert_rules.router,
    alerts.router,
    comparison.router,
    suggestions.router,
    export.router,
    facets.router,
    deletion.router,
    ingest.router,
    live.router,
    session.router,
    access.router,
    operations.router,
)


@pytest.fixture
async def document(api: httpx.AsyncClient) -> Any:
    """The document, as clients get it."""
    response = await api.get("/api/v1/openapi.json")
    assert response.status_code == 200
    return response.json()


def operations_of(document: Any) -> Iterator[tuple[str, Any]]:
    """Path and operation of all that the document lists."""
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def references(node: Any) -> Iterator[str]:
    """All ``$ref`` below a node."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


async def test_document_is_well_formed(document: Any) -> None:
    OpenAPI.model_validate(document)
    assert document["openapi"].startswith("3.1")
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= schemas
    assert [name for name in schemas if "__" in name] == [], "two models of one name"


async def test_every_route_is_documented(document: Any) -> None:
    routes = [route for router in ROUTERS for route in router.routes]
    assert {route.path_format for route in routes if isinstance(route, APIRoute)} == set(document["paths"])
    assert set(document["paths"]) >= {
        "/api/v1/executions",
        "/api/v1/executions/{execution_id}",
        "/api/v1/executions/{execution_id}/steps",
        "/api/v1/executions/{execution_id}/recovery",
        "/api/v1/agents",
        "/api/v1/agents/{agent_id}/analytics",
        "/api/v1/agents/{agent_id}/patterns",
        "/api/v1/agents/{agent_id}/failures",
        "/api/v1/agents/{agent_id}/compare",
        "/api/v1/analytics",
        "/api/v1/ingest",
        "/api/v1/export/executions",
        "/api/v1/export/steps",
        "/api/v1/live",
        "/api/v1/live/events",
        "/healthz",
        "/readyz",
        "/metrics",
    }


async def test_every_operation_has_a_name_and_words(document: Any) -> None:
    operation_ids = [operation["operationId"] for _, operation in operations_of(document)]
    assert len(set(operation_ids)) == len(operation_ids)
    for path, operation in operations_of(document):
        assert operation["description"], path
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (path, parameter["name"])


STREAMS = {"/metrics": "text/plain", "/api/v1/live/events": "text/event-stream"}


async def test_answers_have_named_models(document: Any) -> None:
    for path, operation in operations_of(document):
        if path.startswith("/api/v1/export/"):
            assert set(operation["responses"]["200"]["content"]) == set(MEDIA_TYPES.values())
            continue
        status, answer = min(operation["responses"].items())
        if status == "204":
            assert "content" not in answer
            continue
        [(media_type, content)] = answer["content"].items()
        if path in STREAMS:
            assert media_type == STREAMS[path]
        else:
            assert content["schema"]["$ref"].startswith("#/components/schemas/"), path


async def test_errors_are_problem_documents(document: Any) -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operation in operations_of(document):
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert all(answer["content"] == problem for answer in errors.values()), path
        if path.startswith("/api/v1"):
            assert set(errors) >= {"400", "401", "403", "422", "500", "503"}, path
        assert ("404" in errors) == ("{" in path), path
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_amounts_tell_their_units(document: Any) -> None:
    units = {"duration": "milliseconds", "_ms": "milliseconds", "cost_usd": "us dollars"}
    for _, operation in operations_of(document):
        for parameter in operation.get("parameters", []):
            for part, unit in units.items():
                if part in parameter["name"]:
                    assert unit in parameter["description"].lower(), parameter["name"]
