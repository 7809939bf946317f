"""Data out: every row once, in every format, streamed in batches; what a spreadsheet gets is no formula."""

import asyncio
import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet
import pytest
from tests.api import figures
from tests.api.rows import DAY, NOON, Row, make_agent_step, make_run, make_step, store_runs, store_steps
from tests.retention.test_command import stepwell

from stepwell_api.export import columns
from stepwell_api.export.columns import Column, ColumnKind
from stepwell_api.export.formats import MEDIA_TYPES, ExportFormat
from stepwell_api.export.parquet import ParquetWriter
from stepwell_storage.model import Role, Status

DANGEROUS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", '=cmd|" /C calc"!A0']


def some_runs(count: int = 450) -> list[Row]:
    """More runs than a batch has, of one day."""
    rows = figures.random_runs(count, NOON - timedelta(hours=12), timedelta(hours=24), seed=21)
    for number, row in enumerate(rows):
        row["input_data"] = {"order": number, "ü": [None, 1.5]} if number % 3 else None
        row["models"] = ["m", "n"] if number % 2 else []
    return rows


async def fetch(api: httpx.AsyncClient, what: str, **parameters: Any) -> httpx.Response:
    response = await api.get(f"/api/v1/export/{what}", params={**DAY, **parameters})
    assert response.status_code == 200, response.text
    chosen = parameters.get("format", "jsonl")
    assert response.headers["content-type"].startswith(MEDIA_TYPES[ExportFormat(chosen)])
    assert response.headers["content-disposition"] == f'attachment; filename="{what}.{chosen}"'
    return response


def parquet_rows(content: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist()
    return rows


def typed(row: dict[str, str], told: Sequence[Column]) -> dict[str, Any]:
    """A row of CSV as values; an empty cell is unknown."""
    read: dict[ColumnKind, Callable[[str], Any]] = {
        ColumnKind.TEXT: str,
        ColumnKind.JSON: json.loads,
        ColumnKind.INTEGER: int,
        ColumnKind.NUMBER: float,
        ColumnKind.BOOLEAN: lambda text: text == "true",
        ColumnKind.TIME: str,
    }
    return {name: read[kind](row[name]) if row[name] else None for name, kind in told}


def plain(row: dict[str, Any], told: Sequence[Column]) -> dict[str, Any]:
    """A row of Parquet as JSON Lines have it."""
    found = dict(row)
    for name, kind in told:
        if found[name] is not None and kind is ColumnKind.JSON:
            found[name] = json.loads(found[name])
        if found[name] is not None and kind is ColumnKind.TIME:
            found[name] = found[name].isoformat().replace("+00:00", "Z")
    return found


async def test_executions_are_those_of_the_list_in_every_format(api: httpx.AsyncClient, database_url: str) -> None:
    rows = some_runs()
    await store_runs(database_url, rows)
    lines = [json.loads(line) for line in (await fetch(api, "executions")).text.splitlines()]
    assert [line["execution_id"] for line in lines] == [
        row["execution_id"] for row in sorted(rows, key=lambda row: row["start_time"], reverse=True)
    ]
    listed = (await api.get("/api/v1/executions", params={**DAY, "limit": 1000})).json()["items"]
    assert [{name: line[name] for name in listed[0]} for line in lines] == listed
    by_id = {row["execution_id"]: row for row in rows}
    assert all(line["input_data"] == by_id[line["execution_id"]]["input_data"] for line in lines)

    text = (await fetch(api, "executions", format="csv")).content.decode()
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [typed(row, columns.EXECUTIONS) for row in found] == [_empty_as_unknown(line) for line in lines]
    content = (await fetch(api, "executions", format="parquet")).content
    assert [plain(row, columns.EXECUTIONS) for row in parquet_rows(content)] == lines


def _empty_as_unknown(line: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value == "" else value for name, value in line.items()}


async def test_filters_choose_what_is_exported(api: httpx.AsyncClient, database_url: str) -> None:
    rows = some_runs()
    await store_runs(database_url, rows)
    told = {"status": ["failed", "timeout"], "environment": "production", "min_duration_ms": "10"}
    lines = [json.loads(line) for line in (await fetch(api, "executions", **told)).text.splitlines()]
    expected = {
        row["execution_id"]
        for row in rows
        if row["status"] in told["status"] and row["environment"] == "production" and (row["duration_ms"] or 0) >= 10
    }
    assert {line["execution_id"] for line in lines} == expected
    assert expected
    for name in ("nothing", "limit", "sort"):
        response = await api.get("/api/v1/export/executions", params={name: "1"})
        assert response.status_code == 422


async def store_traces(url: str, count: int = 3) -> list[str]:
    """Runs with a tool that failed and was called again, and a call that still goes on."""
    steps = []
    for number in range(1, count + 1):
        trace_id, at = number.to_bytes(16), number * 100
        told = {"trace_id": trace_id, "name": "lookup", "input_json": '{"a": [1]}', "has_input": True}
        steps += [
            make_agent_step(at, number, 10 + number, trace_id=trace_id),
            make_step(at + 1, at, number, number + 1, status=Status.FAILED, error_type="E", error_message="=x", **told),
            make_step(at + 2, at, number + 2, number + 3, output_json='"done"', has_output=True, **told),
            make_step(at + 3, at, number + 4, None, trace_id=trace_id, name="chat", role=Role.MODEL),
        ]
    await store_steps(url, steps)
    return [f"{number:032x}" for number in range(1, count + 1)]


async def test_steps_are_those_of_the_runs_in_every_format(api: httpx.AsyncClient, database_url: str) -> None:
    traces = await store_traces(database_url)
    expected: list[dict[str, Any]] = []
    for trace in reversed(traces):
        listed = (await api.get(f"/api/v1/executions/{trace}/steps")).json()["items"]
        told = [column.name for column in columns.STEPS]
        expected += [{name: "planner" if name == "agent_id" else item[name] for name in told} for item in listed]
    lines = [json.loads(line) for line in (await fetch(api, "steps")).text.splitlines()]
    assert lines == expected
    assert len(lines) == 12
    content = (await fetch(api, "steps", format="parquet")).content
    assert [plain(row, columns.STEPS) for row in parquet_rows(content)] == lines
    found = list(csv.DictReader(io.StringIO((await fetch(api, "steps", format="csv")).text, newline="")))
    assert [row["error_message"] for row in found[:4]] == ["", "'=x", "", ""]


async def test_formulas_are_none_in_csv(api: httpx.AsyncClient, database_url: str) -> None:
    rows = [make_run(number, agent_id=text, duration_ms=-0.0) for number, text in enumerate(DANGEROUS)]
    await store_runs(database_url, rows)
    text = (await fetch(api, "executions", format="csv")).content.decode()
    found = {row["agent_id"] for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert found == {f"'{text}" for text in DANGEROUS}
    lines = [json.loads(line) for line in (await fetch(api, "executions")).text.splitlines()]
    assert {line["agent_id"] for line in lines} == set(DANGEROUS)


@pytest.mark.parametrize("chosen", list(ExportFormat))
@pytest.mark.parametrize("what", ["executions", "steps"])
async def test_nothing_is_a_file_too(api: httpx.AsyncClient, what: str, chosen: str) -> None:
    content = (await fetch(api, what, format=chosen)).content
    told = columns.EXECUTIONS if what == "executions" else columns.STEPS
    if chosen == "parquet":
        assert pyarrow.parquet.read_table(io.BytesIO(content)).column_names == [column.name for column in told]
    else:
        assert len(content.splitlines()) == (1 if chosen == "csv" else 0)


def test_parquet_of_all_kinds_and_many_groups() -> None:
    told = [Column(kind.value, kind) for kind in ColumnKind]
    rows = [
        [
            None if number % 7 == 0 else f"text ü {number}",
            None if number % 5 == 0 else "[1]",
            None if number % 3 == 0 else (-1) ** number * 2**62 + number,
            None if number % 2 == 0 else number / 3,
            None if number % 4 == 0 else number % 8 > 3,
            None if number % 6 == 0 else NOON + timedelta(microseconds=number) - timedelta(days=36500 * (number % 2)),
        ]
        for number in range(1, 1000)
    ]
    writer = ParquetWriter(told)
    groups = [rows[:1], rows[1:9], rows[9:]]
    content = b"".join([writer.start(), *map(writer.group, groups), writer.finish()])
    file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
    assert (file.metadata.num_rows, file.metadata.num_row_groups) == (999, 3)
    assert [list(row.values()) for row in file.read().to_pylist()] == rows


def test_command_writes_a_file(database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(store_runs(database_url, some_runs(20)))
    file = tmp_path / "runs.parquet"
    window = ("--from", DAY["from"], "--to", DAY["to"])
    told = (*window, "--filter", "status=failed", "--filter", "status=success", "--output", str(file))
    assert stepwell(database_url, "export", "executions", "--format", "parquet", *told) == 0
    expected = [row for row in some_runs(20) if row["status"] in ("failed", "success")]
    assert {row["execution_id"] for row in parquet_rows(file.read_bytes())} == {row["execution_id"] for row in expected}
    assert stepwell(database_url, "export", "steps", *window, "--output", str(tmp_path / "steps")) == 0
    assert (tmp_path / "steps").read_bytes() == b""
    for wrong in (("--filter", "stat=failed"), ("--from", "yesterday"), ("--filter", "status=good")):
        assert stepwell(database_url, "export", "executions", *wrong) == 1
        assert "filters cannot be taken" in capsys.readouterr().err
