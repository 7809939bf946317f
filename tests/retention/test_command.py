"""`stepwell retention` as an operator uses it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.api.rows import make_run, store_runs

from stepwell_api import cli
from stepwell_storage.database import connect

OLD = datetime(2026, 3, 1, 12, tzinfo=UTC)


def stepwell(url: str, *words: str) -> int:
    return cli.main([*words, "--database-url", url])


async def scalar(url: str, query: str) -> Any:
    async with await connect(url) as connection:
        row = await (await connection.execute(query)).fetchone()
        assert row is not None
        return row[0]


LOCAL = ("--workspace", "local")
RUNS = "SELECT count(*) FROM analytics.agent_executions"


def test_a_new_database_keeps_everything(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert stepwell(database_url, "retention", "show") == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:4] for line in told[1:]] == [["(all)", "ever", "ever", "ever"], ["local", "ever", "ever", "ever"]]


def test_what_would_delete_data_needs_a_yes_and_tells_how_much(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(store_runs(database_url, [make_run(number, start_time=OLD) for number in range(7)]))
    assert stepwell(database_url, "retention", "set", "--raw", "30") == 1
    refusal = capsys.readouterr().err
    assert "7 executions" in refusal
    assert "--yes" in refusal
    assert stepwell(database_url, "retention", "run") == 0
    assert asyncio.run(scalar(database_url, RUNS)) == 7

    assert stepwell(database_url, "retention", "set", "--raw", "30", "--yes") == 0
    assert "30 days" in capsys.readouterr().out
    assert asyncio.run(scalar(database_url, RUNS)) == 7
    assert stepwell(database_url, "retention", "run") == 0
    assert "agent_executions  7" in capsys.readouterr().out
    assert asyncio.run(scalar(database_url, RUNS)) == 0


def test_a_workspaces_own_time_is_marked_and_taken_away_again(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stepwell(database_url, "retention", "set", "--raw", "90d", "--hours", "400", *LOCAL) == 0
    assert "90 days *" in capsys.readouterr().out
    assert stepwell(database_url, "retention", "set", "--raw", "default", "--hours", "default", *LOCAL) == 0
    assert "90 days" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--raw", "30", "--hours", "20"), "longer than hours"),
        (("--workspace", "nobody", "--raw", "30"), "no workspace named 'nobody'"),
        ((), "nothing to set"),
    ],
)
def test_what_cannot_be_set_is_told_in_a_line(
    database_url: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    assert stepwell(database_url, "retention", "set", *words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
