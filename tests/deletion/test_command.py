"""`stepwell delete` and `stepwell workspace delete`: not without a yes, and how much is told."""

import asyncio

import pytest
from tests.api.test_deletion import one_run
from tests.retention.test_command import stepwell

from stepwell_storage.database import connect


async def stored(url: str) -> str:
    async with await connect(url) as connection:
        return await one_run(connection)


def test_a_run_is_deleted_once_it_is_confirmed(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    execution_id = asyncio.run(stored(database_url))
    assert stepwell(database_url, "delete", "execution", execution_id) == 1
    assert "--yes" in capsys.readouterr().err
    assert stepwell(database_url, "delete", "execution", execution_id, "--yes") == 0
    assert capsys.readouterr().out.startswith("deleted 1 executions, 2 steps, 0 log records (")
    assert stepwell(database_url, "delete", "execution", execution_id, "--yes") == 1
    assert "no execution" in capsys.readouterr().err


def test_an_agent_is_deleted(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(stored(database_url))
    assert stepwell(database_url, "delete", "agent", "planner", "--yes") == 0
    assert capsys.readouterr().out.startswith("deleted 1 executions, 2 steps")


def test_a_workspace_is_deleted_with_its_name_and_keys(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert stepwell(database_url, "workspace", "create", "acme") == 0
    assert stepwell(database_url, "key", "create", "--workspace", "acme") == 0
    assert stepwell(database_url, "workspace", "delete", "acme") == 1
    assert stepwell(database_url, "workspace", "delete", "acme", "--yes") == 0
    capsys.readouterr()
    assert stepwell(database_url, "workspace", "list") == 0
    assert stepwell(database_url, "key", "list") == 0
    assert "acme" not in capsys.readouterr().out
    assert stepwell(database_url, "workspace", "create", "acme") == 0
