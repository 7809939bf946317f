"""One receiver for all tests of the wire: it keeps no state between requests, and every test makes its own ids."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from psycopg import sql
from psycopg.rows import dict_row
from tests.receiver.otlp import PROTOBUF, Client, Send, Stored
from tests.receiver.running import Running, receiver

from stepwell_storage.embedded import EmbeddedPostgres
from stepwell_storage.settings import Settings

DATABASE = "receiver_tests"


@pytest.fixture(scope="session")
def shared_settings(postgres: EmbeddedPostgres, _migrated_database: str) -> Settings:
    """Settings on a database that the tests of the wire share; it goes with the server."""
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
        sql.Identifier(DATABASE), sql.Identifier(_migrated_database)
    )
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(create)
    url = postgres.url.replace("/stepwell?", f"/{DATABASE}?", 1)
    return Settings(database_url=url, port=0, otlp_http_port=0, otlp_grpc_port=0)


@pytest.fixture(scope="session")
def running(shared_settings: Settings) -> Iterator[Running]:
    """The shared receiver."""
    with receiver(shared_settings) as running:
        yield running


@pytest.fixture(scope="session")
def client(running: Running) -> Iterator[Client]:
    """A client of the shared receiver."""
    client = Client(running.otlp_http, running.otlp_grpc)
    yield client
    client.close()


@pytest.fixture(scope="session")
def stored(shared_settings: Settings) -> Iterator[Stored]:
    """Reads what is stored of a trace, in the order of its spans' ids."""
    with psycopg.connect(shared_settings.database_url, autocommit=True, row_factory=dict_row) as connection:

        def read(trace_id: bytes) -> list[dict[str, Any]]:
            query = "SELECT * FROM analytics.step_facts WHERE trace_id = %s ORDER BY span_id"
            return connection.execute(query, (trace_id,)).fetchall()

        yield read


@pytest.fixture(params=["http", "grpc"])
def send(request: pytest.FixtureRequest, client: Client) -> Send:
    """Sends traces that are taken, over either transport; gives the encoded response."""

    def by_http(body: ExportTraceServiceRequest) -> bytes:
        response = client.post(body)
        assert (response.status_code, response.headers["content-type"]) == (200, PROTOBUF)
        return response.content

    return by_http if request.param == "http" else client.export
