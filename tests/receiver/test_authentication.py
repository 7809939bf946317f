"""Keys: they pick the workspace, and without a right one nothing is taken."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import UUID

import grpc
import psycopg
import pytest
from google.rpc.status_pb2 import Status
from tests.receiver.otlp import Client, logs_request, make_span, rpc_status, trace_request
from tests.receiver.running import receiver

from stepwell_storage import keys
from stepwell_storage.database import connect
from stepwell_storage.settings import Settings

UNKNOWN_KEY = "sw_" + "A" * 43


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace with one key for ingest and one for reading."""

    workspace_id: UUID
    ingest_key: str
    read_key: str


async def _make_tenant(url: str) -> Tenant:
    connection = await connect(url)
    async with connection:
        workspace = await keys.create_workspace(connection, "acme")
        ingest = await keys.create_key(connection, "acme", ["ingest"])
        read = await keys.create_key(connection, "acme", ["read"])
    return Tenant(workspace.workspace_id, ingest.key, read.key)


@pytest.fixture
async def tenant(settings: Settings) -> Tenant:
    """A tenant of the receiver."""
    return await _make_tenant(settings.database_url)


@pytest.fixture
def guarded(settings: Settings, tenant: Tenant) -> Iterator[Client]:
    """A client of a receiver that asks for keys."""
    with receiver(replace(settings, auth=True)) as running:
        client = Client(running.otlp_http, running.otlp_grpc)
        yield client
        client.close()


def workspaces(settings: Settings, trace_id: bytes) -> set[UUID]:
    """Where the spans of a trace went."""
    with psycopg.connect(settings.database_url) as connection:
        query = "SELECT workspace_id FROM analytics.step_facts WHERE trace_id = %s"
        return {row[0] for row in connection.execute(query, (trace_id,))}


def test_right_key_picks_the_workspace_in_either_header(guarded: Client, settings: Settings, tenant: Tenant) -> None:
    key = tenant.ingest_key
    spans = [make_span(attributes={"workspace": "other", "workspace_id": str(UUID(int=1))}) for _ in range(4)]

    assert guarded.post(trace_request(spans[0]), x_stepwell_key=key).status_code == 200
    assert guarded.post(trace_request(spans[1]), authorization=f"Bearer {key}").status_code == 200
    assert guarded.export(trace_request(spans[2]), metadata=[("x-stepwell-key", key)]) == b""
    assert guarded.export(trace_request(spans[3]), metadata=[("authorization", f"bearer {key}")]) == b""

    assert [workspaces(settings, span.trace_id) for span in spans] == [{tenant.workspace_id}] * 4


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
def test_no_key_or_a_wrong_one_is_unauthenticated(guarded: Client, tenant: Tenant, path: str) -> None:
    refused: list[dict[str, str]] = [
        {},
        {"x_stepwell_key": ""},
        {"x_stepwell_key": UNKNOWN_KEY},
        {"x_stepwell_key": tenant.read_key},
        {"authorization": f"Basic {tenant.ingest_key}"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer no key at all"},
    ]
    for headers in refused:
        response = guarded.post(logs_request(), path=path, **headers)
        status = Status.FromString(response.content)
        assert (response.status_code, status.code) == (401, grpc.StatusCode.UNAUTHENTICATED.value[0])
        assert response.headers["www-authenticate"] == "Bearer"
        assert tenant.read_key not in status.message


def test_no_key_over_grpc_is_unauthenticated(guarded: Client, tenant: Tenant) -> None:
    for metadata in ([], [("x-stepwell-key", UNKNOWN_KEY)], [("authorization", f"Bearer {tenant.read_key}")]):
        with pytest.raises(grpc.RpcError) as raised:
            guarded.export(trace_request(make_span()), metadata=metadata)
        assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert rpc_status(raised.value).code == grpc.StatusCode.UNAUTHENTICATED.value[0]


def test_liveness_and_metrics_need_no_key(guarded: Client) -> None:
    assert guarded.http.get("/healthz").json() == {"status": "ok"}
    assert guarded.http.get("/metrics").status_code == 200
