"""Steps as rows of COPY: whatever a step holds comes back unchanged."""

import json
import math
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.storage.steps import START_NS, WORKSPACE, make_live_step, make_step

from stepwell_storage.facts import insert_facts
from stepwell_storage.model import Checkpoint, Role, Status, Step, StepType
from stepwell_storage.rows import UnstorableStepError, timestamp
from stepwell_storage.step_rows import encode
from stepwell_storage.times import to_ns

COLUMNS = {
    "start_ns": "start_time",
    "end_ns": "end_time",
    **{f"{name}_json": name for name in ("trigger_source", "input", "output", "error", "attributes", "resource")},
    **{f"{name}_json": name for name in ("events", "links")},
}
"""Columns by fields, where they differ."""

SELECT = "SELECT {} FROM analytics.{}"


async def _stored(connection: psycopg.AsyncConnection, *, table: str = "step_facts") -> list[dict[str, Any]]:
    async with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        await cursor.execute(SELECT.format("*", table))  # type: ignore[arg-type, unused-ignore]
        return await cursor.fetchall()


def _expected(step: Step) -> dict[str, Any]:
    """The row that the step stands for, by the field's name, as psycopg reads it."""
    row: dict[str, Any] = {}
    for name, value in step._asdict().items():
        is_document = name.endswith("_json") and value is not None
        row[COLUMNS.get(name, name)] = json.loads(value) if is_document else value
    # Told by the table and, of live steps, by their attributes; they have no columns.
    del row["is_live"], row["seen_ns"]
    row["start_time"], row["end_time"] = step.start_ns, step.end_ns
    row["flags"] = list(step.flags)
    row["checkpoints"] = [
        {
            "id": checkpoint.id,
            "time": timestamp(checkpoint.time_ns).replace(" ", "T").replace("+00", "Z"),
            "state": None if checkpoint.state_json is None else json.loads(checkpoint.state_json),
            **(_of_task(checkpoint) if checkpoint.task is not None else {}),
        }
        for checkpoint in step.checkpoints
    ] or None
    return row


def _of_task(checkpoint: Checkpoint) -> dict[str, Any]:
    resume = None if checkpoint.resume_json is None else json.loads(checkpoint.resume_json)
    return {"resume": resume, "task": checkpoint.task, "saved": checkpoint.is_saved}


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Times as nanoseconds, NaN equal to itself, without what the database adds."""
    seen = {name: value for name, value in row.items() if name not in ("workspace_id", "created_at")}
    for name in ("start_time", "end_time"):
        if seen[name] is not None and not isinstance(seen[name], int):
            seen[name] = to_ns(seen[name])
    return {name: "NaN" if isinstance(v, float) and math.isnan(v) else v for name, v in seen.items()}


FULL = make_step(
    1,
    parent_span_id=b"\x00\\x\n\t\r\x07\xff",
    parent_is_remote=True,
    error_type="Oh\\no",
    error_message="line 1\nline 2\r\n\ttabbed \\. \\N",
    agent_name="",
    span_agent_name="\\N",
    agent_ref='"',
    agent_version="1.0",
    model="gpt",
    provider="openai",
    response_id="r",
    finish_reason="stop",
    prompt_tokens=2**63 - 1,
    completion_tokens=0,
    cache_read_tokens=1,
    cache_write_tokens=2,
    reasoning_tokens=3,
    cost_usd=1e-300,
    credits=math.inf,
    memory_mb=-math.inf,
    session_id="s\x01\x7f",
    user_id="ü𝄞\u2028",
    trigger_type="api",
    trigger_source_json='{"a": [1, 2.5, null, true, "\\\\ \\" \\n \\t"]}',
    runtime_mode="fast",
    service_name="svc",
    service_version="2",
    environment="production",
    framework="pydantic-ai",
    scope_name="scope",
    has_input=True,
    has_output=True,
    flags=("plain", "", "null", 'quo"te', "back\\slash", "com,ma", "{brace}", " space ", "new\nline"),
    checkpoints=(
        Checkpoint('c"1', START_NS + 1_000, '{"n": 1, "text": "a\\nb"}'),
        Checkpoint("c2", START_NS, None),
    ),
    input_json=json.dumps("x" * 1_000_000 + "\\\n\t\"'"),
    output_json="null",
    error_json='{"message": "\\\\n"}',
    attributes_json='{\n\t"raw": "white space"\r}',
    resource_json="{}",
    events_json="[]",
    links_json='[{"trace_id": "00"}]',
)


async def test_every_field_comes_back_as_it_was(connection: psycopg.AsyncConnection) -> None:
    async with connection.transaction():
        await insert_facts(connection, {WORKSPACE: [FULL]})
    (row,) = await _stored(connection)
    assert row["workspace_id"] == WORKSPACE
    assert _comparable(row) == _expected(FULL)


async def test_a_row_is_the_same_whatever_was_written_before(connection: psycopg.AsyncConnection) -> None:
    alike = [FULL._replace(span_id=bytes([number]) * 8, input_json=None) for number in range(3)]
    other = alike[1]._replace(has_input=False, flags=(), process_key=b"p" * 16)
    async with connection.transaction():
        await insert_facts(connection, {WORKSPACE: [alike[0], encode(other), encode(alike[2])]})
    rows = {row["span_id"]: row for row in await _stored(connection)}
    assert [_comparable(rows[step.span_id]) for step in (alike[0], other, alike[2])] == [
        _expected(step) for step in (alike[0], other, alike[2])
    ]


async def test_sparse_live_step_comes_back_as_it_was(connection: psycopg.AsyncConnection) -> None:
    step = make_live_step(1)
    async with connection.transaction():
        await insert_facts(connection, {WORKSPACE: [step]})
    (row,) = await _stored(connection, table="live_steps")
    assert _comparable(row) == _expected(step)


async def test_nan_is_stored(connection: psycopg.AsyncConnection) -> None:
    async with connection.transaction():
        await insert_facts(connection, {WORKSPACE: [make_step(1, cost_usd=math.nan)]})
    (row,) = await _stored(connection)
    assert math.isnan(row["cost_usd"])


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
maybe_words = st.none() | words
documents = st.none() | st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
).map(json.dumps)
counts = st.none() | st.integers(-(2**63), 2**63 - 1)
amounts = st.none() | st.floats()
microseconds = st.integers(0, 2**64 // 1_000 - 1).map(lambda us: us * 1_000)
checkpoints = st.builds(Checkpoint, words, microseconds, documents, documents, words, st.booleans()) | st.builds(
    Checkpoint, words, microseconds, documents
)

steps = st.builds(
    lambda **told: Step(**told),  # given the class itself, hypothesis makes up what is left to its default
    trace_id=st.binary(min_size=16, max_size=16),
    span_id=st.binary(min_size=8, max_size=8),
    parent_span_id=st.none() | st.binary(min_size=8, max_size=8),
    parent_is_remote=st.none() | st.booleans(),
    start_ns=microseconds,
    end_ns=st.none() | microseconds,
    step_type=st.sampled_from(StepType),
    role=st.sampled_from(Role),
    status=st.sampled_from(Status),
    name=words,
    step_name=words,
    operation=words,
    has_input=st.booleans(),
    has_output=st.booleans(),
    flags=st.lists(words, max_size=3).map(tuple),
    checkpoints=st.lists(checkpoints, max_size=2).map(tuple),
    is_live=st.just(False),
    duration_ms=amounts,
    cost_usd=amounts,
    credits=amounts,
    memory_mb=amounts,
    prompt_tokens=counts,
    completion_tokens=counts,
    cache_read_tokens=counts,
    cache_write_tokens=counts,
    reasoning_tokens=counts,
    **dict.fromkeys(("error_type", "error_message", "agent_name", "model", "session_id", "user_id"), maybe_words),
    **{f"{name}_json": documents for name in ("input", "output", "error", "attributes", "events", "trigger_source")},
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(step=steps)
async def test_any_step_comes_back_as_it_was(connection: psycopg.AsyncConnection, step: Step) -> None:
    async with connection.transaction(force_rollback=True):
        await insert_facts(connection, {WORKSPACE: [step]})
        (row,) = await _stored(connection)
    assert _comparable(row) == _comparable(_expected(step))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"name": "half \ud800"}, id="half a surrogate pair"),
        pytest.param({"start_ns": 10**21}, id="beyond the year 9999"),
        pytest.param({"prompt_tokens": 2**63}, id="more than 64 bits"),
        pytest.param({"trace_id": b"short"}, id="an id of the wrong length"),
    ],
)
def test_what_cannot_be_a_row_is_told(change: dict[str, Any]) -> None:
    with pytest.raises(UnstorableStepError):
        encode(make_step(1)._replace(**change))
