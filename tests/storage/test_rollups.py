"""Rollups equal what the raw rows tell, whatever came in whatever order, and whenever they were summed up."""

import pytest
from tests.rollup_sequences import run_sequence
from tests.storing import Connection


@pytest.mark.parametrize("seed", range(10))
async def test_rollups_equal_the_raw_rows_after_any_sequence(connection: Connection, seed: int) -> None:
    await run_sequence(connection, seed, runs=40)
