"""The hours that a question covers, and the ledger's opening on a database that holds data already."""

from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool
from tests.api.client import client_of
from tests.ledger.accounts import read

from stepwell_migrations import runner, upgrade
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.ledger import Outcome, Source, Tally, append
from stepwell_storage.settings import Settings

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
PATH = "/api/v1/ingest"


@pytest.mark.parametrize(
    ("start", "stop", "hours"),
    [
        pytest.param("2026-03-10T12:00:00Z", "2026-03-10T13:00:00Z", ["12"], id="one-hour"),
        pytest.param("2026-03-10T12:30:00Z", "2026-03-10T13:00:01Z", ["12", "13"], id="touched-hours"),
        pytest.param("2026-03-10T14:59:59+02:00", "2026-03-10T15:00:00+02:00", ["12"], id="other-offset"),
        pytest.param("2026-03-10T14:00:00Z", "2026-03-10T14:00:00Z", [], id="empty"),
        pytest.param("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", ["11", "12", "13"], id="everything"),
    ],
)
async def test_hours_that_the_window_touches_are_told(
    settings: Settings, connection: psycopg.AsyncConnection[Any], start: str, stop: str, hours: list[str]
) -> None:
    source = Source(LOCAL_WORKSPACE_ID)
    for hour in (11, 12, 13):
        at = NOON.replace(hour=hour)
        lines = {source.line(outcome, hour=at): hour for outcome in (Outcome.RECEIVED, Outcome.STORED)}
        await append(connection, Tally(lines))
    async with client_of(settings) as api:
        answer = (await api.get(PATH, params={"from": start, "to": stop})).json()
    assert [counts["hour"] for counts in answer["by_hour"]] == [f"2026-03-10T{hour}:00:00Z" for hour in hours]
    assert [counts["stored"] for counts in answer["by_hour"]] == [int(hour) for hour in hours]
    assert answer["totals"]["received"] == sum(map(int, hours))


@pytest.mark.parametrize("question", ["signal=profiles", "signal=logs&signal=traces", "from=yesterday", "key_id=x"])
async def test_what_cannot_be_asked_is_refused(settings: Settings, question: str) -> None:
    async with client_of(settings) as api:
        response: httpx.Response = await api.get(f"{PATH}?{question}")
    assert response.status_code == 422


async def test_a_ledger_opens_with_what_is_stored_already(empty_database_url: str, settings: Settings) -> None:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(empty_database_url), poolclass=NullPool
    )
    with engine.connect() as connection:
        upgrade._prepare_schema(connection)
        command.upgrade(upgrade._config(connection), "0002")
    columns = "workspace_id, trace_id, span_id, name, step_name, step_type, role, operation, status, start_time,"
    columns += " has_input, has_output, flags"
    values = "'\\x0a', 'n', 'n', 'action', 'tool', 'execute_tool', 'success', now(), false, false, '{}'"
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        for table, spans in (("step_facts", ("\\x01", "\\x02")), ("live_steps", ("\\x03",))):
            for span in spans:
                connection.execute(
                    psycopg.sql.SQL("INSERT INTO analytics.{} ({}) SELECT {}, {}, {}").format(
                        psycopg.sql.Identifier(table),
                        psycopg.sql.SQL(columns),
                        str(LOCAL_WORKSPACE_ID),
                        span,
                        psycopg.sql.SQL(values),
                    )
                )
    runner.migrate(empty_database_url)
    async with client_of(Settings(database_url=empty_database_url, port=0)) as api:
        totals = (await read(api))["totals"]
    assert {name: totals[name] for name in ("received", "stored", "live", "kept")} == {
        "received": 3,
        "stored": 3,
        "live": 1,
        "kept": 3,
    }
