"""Every column of executions and steps, by name: a small trace that tells it, and what the column then holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg.rows import dict_row
from tests.spans import MS, RESOURCE, START_NS, Sent, agent, chat, exception, steps, tool
from tests.storing import Connection, fold_all, store

from stepwell_api.execution_rows import LISTED, PAYLOADS
from stepwell_receiver import processes, wire
from stepwell_storage.keys import set_credit_rate
from stepwell_storage.model import Fact, MemorySample
from stepwell_storage.schema import execution_steps
from stepwell_storage.times import to_datetime

OUTPUT = {"stepwell.output": '{"answer": 42}'}
SERVER = {"http.request.method": "POST", "http.route": "/chat"}
MESSAGE = {"messaging.system": "kafka", "messaging.destination.name": "orders"}
FAILURE: dict[str, Any] = {
    "status": wire.STATUS_ERROR,
    "events": [exception("shop.errors.PaymentError", "Card declined")],
}
COST = {"gen_ai.usage.cost": 0.5}
INSTANCE = RESOURCE | {"service.instance.id": "one"}
SAVED = wire.Event(
    "stepwell.checkpoint", START_NS, {"stepwell.checkpoint.id": "c1", "stepwell.checkpoint.state": "[1]"}
)


@dataclass(frozen=True)
class Case:
    """A trace and what one column of its run, or of the step with this span's name, holds."""

    column: str
    expected: Any
    spans: tuple[Sent, ...]
    step: str | None = None
    resource: dict[str, Any] = field(default_factory=lambda: RESOURCE)
    memory_mb: float | None = None
    """What a sample of the process tells."""


def top(**attributes: Any) -> Sent:
    """An agent that ended well, with attributes whose dots are written as two underscores."""
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return agent("a", "refund", for_ms=100, attributes=OUTPUT | named)


def run(column: str, expected: Any, *spans: Sent, **more: Any) -> Case:
    return Case(column, expected, spans or (top(),), **more)


def above(sent: Sent) -> tuple[Sent, Sent]:
    """A span and the agent that it started."""
    return sent, replace(top(), parent=sent.key, at_ms=1)


def sender(name: str) -> dict[str, str]:
    """Who sent a request."""
    return {"user_agent.original": name}


HOOK = {"http.request.method": "POST", "http.route": "/hooks/github"}
ROUNDS = [
    sent
    for i in range(3)
    for sent in (chat(f"c{i}", parent="a", at_ms=i * 20), tool(f"t{i}", parent="a", at_ms=i * 20 + 1))
]
LOOP = (top(), *ROUNDS, chat("end", parent="a", at_ms=80))
EXIT = {"process.executable.name": "refund", "process.exit.code": 0}
GET = Sent("GET", {"http.request.method": "GET"}, parent="a", at_ms=20, kind=wire.KIND_CLIENT)
TWO_CALLS = (top(), chat("c", parent="a"), chat("d", parent="a", at_ms=20, attributes={"gen_ai.request.model": "o3"}))
STARTED = {"stepwell.span.state": "started"}
GRAPH = {
    "path": "chat > search",
    "nodes": [{"name": "chat", "count": 1}, {"name": "search", "count": 1}],
    "edges": [{"from": "chat", "to": "search", "count": 1}],
}
CHECKPOINT = {
    "id": "c1",
    "time": to_datetime(START_NS).isoformat(),
    "state": [1],
    "step_name": "refund",
    "span_id": top().wire().span_id.hex(),
    "resume": None,
}

EXECUTIONS = (
    run("root_span_id", top().wire().span_id.hex()),
    run("agent_id", "refund"),
    run("agent_name", "refund"),
    run("user_id", "u-1", top(user__id="u-1")),
    run("user_id", "u-2", top(), chat("c", parent="a", attributes={"enduser.id": "u-2"})),
    run("session_id", "s-1", top(session__id="s-1")),
    run("session_id", "c-1", top(gen_ai__conversation__id="c-1")),
    run("trigger_type", "webhook", top(stepwell__trigger__type="webhook")),
    run("trigger_type", "api", *above(Sent("http", SERVER, kind=wire.KIND_SERVER))),
    run("trigger_type", "webhook", *above(Sent("http", HOOK, kind=wire.KIND_SERVER))),
    run("trigger_type", "webhook", *above(Sent("http", SERVER | sender("GitHub-Hookshot/1"), kind=wire.KIND_SERVER))),
    run("trigger_type", "scheduled", *above(Sent("http", SERVER | sender("vercel-cron/1.0"), kind=wire.KIND_SERVER))),
    run("trigger_type", "webhook", *above(Sent("process orders", MESSAGE, kind=wire.KIND_CONSUMER))),
    run("trigger_type", "webhook", *above(Sent("run/tasks.refund", {"celery.action": "run"}, kind=wire.KIND_CONSUMER))),
    run("trigger_type", "webhook", *above(Sent("process orders", MESSAGE | {"messaging.operation.type": "process"}))),
    run("trigger_type", "scheduled", *above(Sent("cron nightly"))),
    run("trigger_type", "scheduled", *above(Sent("Nightly.run", {"job.system": "quartz"}))),
    run("trigger_type", "scheduled", resource=RESOURCE | {"k8s.cronjob.name": "nightly"}),
    run("trigger_type", "manual", *above(Sent("refund", {"process.command_args": ["refund", "A-17"]}))),
    run("trigger_type", "manual", *above(Sent("refund", EXIT))),
    run("trigger_type", None, top(), tool("t", parent="a", kind=wire.KIND_SERVER, attributes=SERVER)),
    run("trigger_type", None, top(), tool("t", parent="a", attributes={"process.command_line": "ls"})),
    run("trigger_type", "scheduled", top(), tool("t", parent="a", attributes={"stepwell.trigger.type": "scheduled"})),
    run("trigger_source", {"order": 7}, top(stepwell__trigger__type="api", stepwell__trigger__source='{"order": 7}')),
    run("trigger_source", SERVER, *above(Sent("http", SERVER, kind=wire.KIND_SERVER))),
    run("trigger_source", MESSAGE, *above(Sent("process", MESSAGE, kind=wire.KIND_CONSUMER))),
    run("trigger_source", {"k8s.cronjob.name": "nightly"}, resource=RESOURCE | {"k8s.cronjob.name": "nightly"}),
    run("input_data", {"order": "A-17"}, top(stepwell__input='{"order": "A-17"}')),
    run("output_data", {"answer": 42}),
    run("start_time", to_datetime(START_NS)),
    run("end_time", to_datetime(START_NS + 100 * MS)),
    run("duration_ms", 100.0),
    run("last_activity_at", to_datetime(START_NS + 130 * MS), top(), chat("c", parent="a", at_ms=120)),
    run("status", "success"),
    run("status", "failed", replace(top(), status=wire.STATUS_ERROR)),
    run("error_type", "PaymentError", replace(top(), **FAILURE)),
    run("error_message", "Card declined", replace(top(), **FAILURE)),
    run("error_step_name", "charge", replace(top(), **FAILURE), tool("t", "charge", parent="a", **FAILURE)),
    run("credits_consumed", 7.5, top(stepwell__credits=5), tool("t", parent="a", attributes={"stepwell.credits": 2.5})),
    run("credits_consumed", 50.0, top(), chat("c", parent="a", attributes=COST)),
    run("tokens_used", {"prompt": 200, "completion": 20}, *TWO_CALLS),
    run("prompt_tokens", 100, top(), chat("c", parent="a")),
    run("completion_tokens", 10, top(), chat("c", parent="a")),
    run("cost_usd", 0.5, top(), chat("c", parent="a", attributes=COST)),
    run("api_calls_count", 2, top(), chat("c", parent="a"), GET),
    run("memory_usage_mb", 300.0, top(stepwell__memory_mb=300)),
    run("memory_usage_mb", 250.0, resource=INSTANCE, memory_mb=250.0),
    run("steps_total", 3, top(), chat("c", parent="a"), tool("t", parent="a", at_ms=20)),
    run("steps_completed", 2, top(), chat("c", parent="a"), tool("t", parent="a", at_ms=20, attributes=STARTED)),
    run("execution_graph", GRAPH, top(), chat("c", parent="a"), tool("t", parent="a", at_ms=20)),
    run("path", "(chat > search)×3 > chat", *LOOP),
    run("checkpoints", [CHECKPOINT], replace(top(), events=[SAVED])),
    run("environment", "production"),
    run("environment", "staging", resource={"service.name": "s", "deployment.environment": "staging"}),
    run("environment", "qa", top(langfuse__environment="qa"), resource={"service.name": "s"}),
    run("runtime_mode", "fast", top(stepwell__runtime_mode="fast")),
    run("version", "1.4.0"),
    run("version", "7", top(gen_ai__agent__version="7")),
    run("version", "2026.11", top(langfuse__release="2026.11"), resource={"service.name": "s"}),
    run("service_name", "shop"),
    run("framework", "pydantic-ai", replace(top(), scope="pydantic-ai")),
    run("models", ["gpt-4o", "o3"], *TWO_CALLS),
)  # fmt: skip

FAILED: dict[str, Any] = {"status": wire.STATUS_ERROR}
RETRY = (top(), tool("t1", "pay", parent="a", at_ms=1, for_ms=2, **FAILED), tool("t2", "pay", parent="a", at_ms=9))
CALL = (top(), chat("c", parent="a", at_ms=1, attributes={"gen_ai.provider.name": "openai"} | COST))
CHARGE = (top(), tool("t", "charge", parent="a", at_ms=1, **FAILURE))
DECLINED = {"type": "PaymentError", "message": "Card declined"}


def step(column: str, expected: Any, name: str, *spans: Sent) -> Case:
    return Case(column, expected, spans, step=name)


STEPS = (
    step("step_index", 1, "chat gpt-4o", *CALL),
    step("step_name", "chat", "chat gpt-4o", *CALL),
    step("step_name", "charge", "execute_tool charge", *CHARGE),
    step("step_type", "api_call", "chat gpt-4o", *CALL),
    step("step_type", "action", "execute_tool charge", *CHARGE),
    step("step_type", "decision", "route", top(), Sent("route", {"openinference.span.kind": "GUARDRAIL"}, parent="a")),
    step("step_type", "loop", "round", top(), Sent("round", {"stepwell.step.type": "loop"}, parent="a")),
    step("start_time", to_datetime(START_NS + MS), "chat gpt-4o", *CALL),
    step("end_time", to_datetime(START_NS + 11 * MS), "chat gpt-4o", *CALL),
    step("duration_ms", 10.0, "chat gpt-4o", *CALL),
    step("status", "failed", "execute_tool charge", *CHARGE),
    step(
        "input",
        {"q": 1},
        "execute_tool x",
        top(),
        tool("t", "x", parent="a", attributes={"stepwell.input": '{"q": 1}'}),
    ),
    step("output", [2], "execute_tool x", top(), tool("t", "x", parent="a", attributes={"stepwell.output": "[2]"})),
    step("error", DECLINED, "execute_tool charge", *CHARGE),
    step("tokens_used", 110, "chat gpt-4o", *CALL),
    step("api_calls", [{"operation": "chat", "model": "gpt-4o", "provider": "openai"}], "chat gpt-4o", *CALL),
    step("api_calls", [], "execute_tool charge", *CHARGE),
    step("span_id", CALL[1].wire().span_id.hex(), "chat gpt-4o", *CALL),
    step("parent_span_id", CALL[0].wire().span_id.hex(), "chat gpt-4o", *CALL),
    step("operation", "execute_tool", "execute_tool charge", *CHARGE),
    step("agent_name", "refund", "invoke_agent refund", *CALL),
    step("model", "gpt-4o", "chat gpt-4o", *CALL),
    step("prompt_tokens", 100, "chat gpt-4o", *CALL),
    step("completion_tokens", 10, "chat gpt-4o", *CALL),
    step("cost_usd", 0.5, "chat gpt-4o", *CALL),
    step("error_type", "PaymentError", "execute_tool charge", *CHARGE),
    step("attempt", 2, "execute_tool pay", *RETRY),
    step("attributes", {"k": "v"}, "plain", top(), Sent("plain", {"k": "v"}, parent="a")),
)

IDENTITY = {"id", "workspace_id", "execution_id", "trace_id", "created_at", "updated_at"}
"""What every row has, whatever it is told; other tests hold these to account."""
TOLD = {column.name for column in (*LISTED, *PAYLOADS)} | {"execution_graph"}
"""What the API tells of an execution; the rest is the tables' own."""
ELSEWHERE = {"error_fingerprint", "parent_execution_id"}


def test_every_column_has_its_case() -> None:
    assert {case.column for case in EXECUTIONS} == TOLD - IDENTITY - ELSEWHERE
    assert {case.column for case in STEPS} == {column.name for column in execution_steps.columns} - IDENTITY


def facts(case: Case, trace_id: bytes) -> list[Fact]:
    sent: list[Fact] = [one._replace(trace_id=trace_id) for one in steps(*case.spans, resource=case.resource)]
    process_key = processes.key_of(case.resource)
    if case.memory_mb is not None and process_key is not None:
        at_ns = START_NS + MS
        sent.append(MemorySample(process_key=process_key, time_ns=at_ns, memory_mb=case.memory_mb, is_resident=True))
    return sent


async def rows_of(connection: Connection, cases: tuple[Case, ...], query: str) -> Mapping[int, list[dict[str, Any]]]:
    """The rows of each case's trace, by the case's place; a dollar is 100 credits."""
    await set_credit_rate(connection, "local", 100)
    await store(connection, [fact for i, case in enumerate(cases) for fact in facts(case, (i + 1).to_bytes(16, "big"))])
    await fold_all(connection)
    found: dict[int, list[dict[str, Any]]] = {i: [] for i in range(len(cases))}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query)
        for row in await cursor.fetchall():
            found[int(row["trace_id"], 16) - 1].append(row)
    return found


async def test_every_column_of_an_execution_holds_what_its_trace_tells(connection: Connection) -> None:
    rows = await rows_of(connection, EXECUTIONS, "SELECT * FROM analytics.agent_executions")
    told = [(case.column, [row[case.column] for row in rows[i]]) for i, case in enumerate(EXECUTIONS)]
    assert told == [(case.column, [case.expected]) for case in EXECUTIONS]


async def test_every_column_of_a_step_holds_what_its_span_tells(connection: Connection) -> None:
    rows = await rows_of(
        connection,
        STEPS,
        "SELECT s.*, f.name FROM analytics.execution_steps s JOIN analytics.step_facts f"
        " ON encode(f.trace_id, 'hex') = s.trace_id AND encode(f.span_id, 'hex') = s.span_id ORDER BY s.step_index",
    )
    told = [[row[case.column] for row in rows[i] if row["name"] == case.step][-1:] for i, case in enumerate(STEPS)]
    assert list(zip([case.column for case in STEPS], told, strict=True)) == [(c.column, [c.expected]) for c in STEPS]
