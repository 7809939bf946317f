"""How long a workspace keeps what, as the API tells it."""

import httpx
import psycopg

from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.retention import policy
from stepwell_storage.retention.policy import Kept


async def test_times_are_told_in_days(api: httpx.AsyncClient, connection: psycopg.AsyncConnection) -> None:
    await policy.change(connection, policy.EVERYONE, {Kept.RAW: 90})
    await policy.change(connection, LOCAL_WORKSPACE_ID, {Kept.PAYLOADS: 30})
    await connection.commit()
    answer = (await api.get("/api/v1/retention")).json()
    assert answer == {"payload_days": 30, "raw_days": 90, "hour_days": None, "day_days": None}
