"""Late and out of order: a month's spans in any order, children before their roots, a part of it twice."""

import asyncio

import pytest
from tests.faults.exactness import assert_exact
from tests.faults.stack import Stack
from tests.faults.traffic import Sending, traffic
from tests.lifecycle.process_table import needs_process_table
from tests.rollups import check_rollups

from stepwell_storage.database import connect

pytestmark = [needs_process_table, pytest.mark.timeout(240)]


def test_spans_of_a_month_in_random_order_give_exact_runs_and_figures(shared: Stack) -> None:
    sent = traffic("a month", runs=600, spans_per_run=16, spans_per_batch=300, repeated_share=0.1, over_days=30)
    with Sending(sent.batches, shared.exporters()):
        pass
    assert_exact(shared.server.url, sent)
    asyncio.run(_check_rollups(shared.server.url))


async def _check_rollups(url: str) -> None:
    async with await connect(url) as connection, connection.transaction():
        # Workers go on summing up meanwhile; all queries have to see one moment.
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await check_rollups(connection)
