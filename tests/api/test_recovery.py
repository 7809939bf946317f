"""``/executions/{execution_id}/recovery``: where a run failed, what followed such failures, and what to do."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.api.rows import NOON, SECOND_NS, Row, make_agent_step, make_run, make_step, store_runs, store_steps

from stepwell_api.insight.retryability import Action, Cause, Failure, Tally, advise, cause_of, goes_away
from stepwell_api.models.recovery import Recovery
from stepwell_storage.fold.ending import fingerprint
from stepwell_storage.model import Checkpoint, Role, Status, Step

FAILED = {"status": Status.FAILED, "error_type": "ConnectionError", "error_message": "connection to ledger-17 refused"}
MARK = fingerprint("ConnectionError", "lookup", "connection to ledger-17 refused")


async def ask(api: httpx.AsyncClient, execution_id: str) -> Any:
    """The answer, which is as documented."""
    response = await api.get(f"/api/v1/executions/{execution_id}/recovery")
    assert response.status_code == 200, response.text
    Recovery.model_validate_json(response.content)
    return response.json()


def failed_run(number: int, minute: float, **columns: Any) -> Row:
    """A run that failed as `FAILED` says, so many minutes after `NOON`."""
    told = {**FAILED, "status": "failed", "error_step_name": "lookup", "error_fingerprint": MARK}
    return make_run(number, start_time=NOON + timedelta(minutes=minute), **{**told, **columns})


def failing_trace(*, checkpoint_s: float | None = None, number: int = 1) -> list[Step]:
    """An agent that calls a model for 4 s, then a tool that fails within another, and passes the failure on."""
    trace_id = number.to_bytes(16)
    start_ns = int(NOON.timestamp()) * SECOND_NS
    saved = (
        () if checkpoint_s is None else (Checkpoint("c-1", start_ns + round(checkpoint_s * SECOND_NS), '{"at": 3}'),)
    )
    at = number * 100
    return [
        make_agent_step(at, 0, 10, trace_id=trace_id, checkpoints=saved, **FAILED),
        make_step(
            at + 1, at, 1, 5, trace_id=trace_id, role=Role.MODEL, name="chat", operation="chat",
            prompt_tokens=100, completion_tokens=20, cost_usd=0.5, has_output=True,
        ),
        make_step(at + 2, at, 6, 9, trace_id=trace_id, name="outer", **FAILED),
        make_step(at + 3, at + 2, 7, 9, trace_id=trace_id, name="lookup", **FAILED),
    ]  # fmt: skip


async def test_failing_step_is_the_deepest_cause(api: httpx.AsyncClient, database_url: str) -> None:
    await store_steps(database_url, failing_trace())
    answer = await ask(api, f"{1:032x}")
    step = answer["failing_step"]
    assert (step["step_name"], step["span_id"], step["step_index"]) == ("lookup", f"{103:016x}", 3)
    assert (step["duration_ms"], step["attempt"], step["error_message"]) == (2000.0, 1, FAILED["error_message"])
    assert (answer["cluster_id"], answer["last_checkpoint"]) == (MARK, None)
    assert (answer["retry_success_rate"], answer["n"], answer["recovered_by"]) == (None, 0, None)
    assert (answer["action"], answer["evidence"]["cause"]) == ("retry_with_backoff", "unavailable")


async def test_last_checkpoint_tells_what_it_saves(api: httpx.AsyncClient, database_url: str) -> None:
    await store_steps(database_url, failing_trace(checkpoint_s=5.5))
    answer = await ask(api, f"{1:032x}")
    checkpoint = answer["last_checkpoint"]
    assert (checkpoint["id"], checkpoint["state"], checkpoint["resume"]) == ("c-1", {"at": 3}, None)
    assert checkpoint["saves"] == {"duration_ms": 5500.0, "tokens": 120, "cost_usd": 0.5, "steps": 1}
    assert answer["action"] == "resume_from_checkpoint"


SESSIONS: list[Row] = [
    failed_run(1, 0, session_id="s-1", input_data={"q": 1}),
    make_run(2, start_time=NOON + timedelta(minutes=5), session_id="s-1", input_data={"q": 1}),
    failed_run(3, 1, session_id="s-2", trigger_source={"job": 7}),
    failed_run(4, 2, session_id="s-2", trigger_source={"job": 7}),
    failed_run(5, 3, session_id="s-3", input_data={"q": 1}),
    make_run(6, start_time=NOON + timedelta(days=2), session_id="s-3", input_data={"q": 1}),
    failed_run(7, 4, session_id="s-4", input_data={"q": 1}),
    make_run(8, start_time=NOON + timedelta(minutes=30), session_id="s-4", input_data={"q": 1}, status="running"),
    failed_run(9, 5, session_id="s-5", input_data={"q": 1}),
    make_run(10, start_time=NOON + timedelta(minutes=6), session_id="s-5", input_data={"q": 2}),
    failed_run(11, 6, session_id="s-6"),
    make_run(12, start_time=NOON + timedelta(minutes=7), session_id="s-6"),
]
INPUTS: list[Row] = [
    failed_run(1, 0, input_data={"order": 1}, user_id="u"),
    make_run(2, start_time=NOON + timedelta(minutes=5), input_data={"order": 1}, user_id="v"),
    make_run(3, start_time=NOON + timedelta(minutes=6), input_data={"order": 1}, user_id="u"),
    failed_run(4, 7, input_data={"order": 2}),
    make_run(5, start_time=NOON + timedelta(minutes=8), input_data={"order": 3}),
    failed_run(6, 9, user_id="w"),
    make_run(7, start_time=NOON + timedelta(minutes=12), user_id="w", agent_id="another"),
    make_run(8, start_time=NOON + timedelta(minutes=13), user_id="w", status="failed", error_fingerprint="other"),
    failed_run(9, 10, input_data={"order": 4}, user_id="x"),
    make_run(
        10,
        start_time=NOON + timedelta(minutes=14),
        status="failed",
        trigger_source={"recovery_of": f"{9:032x}-{9:016x}"},
        input_data={"resume": "c-1"},
    ),
]


@pytest.mark.parametrize(
    ("rows", "asked", "n", "succeeded", "recovered_by"),
    [
        # Of the others: s-1 was repeated well, s-2 in vain; s-3 too late, s-4 still goes on; the next turns of the
        # talks s-5 and s-6 repeat nothing.
        pytest.param(SESSIONS, 5, 2, 1, None, id="sessions"),
        # The run asked about does not count itself, but tells which run repeated it.
        pytest.param(SESSIONS, 1, 1, 0, 2, id="own repetition"),
        # The same input and user went well, what says that it recovers another did not; the same user repeats nothing.
        pytest.param(INPUTS, 4, 2, 1, None, id="inputs and users"),
    ],
)
async def test_history_of_the_same_failure(
    api: httpx.AsyncClient,
    database_url: str,
    rows: Sequence[Row],
    asked: int,
    n: int,
    succeeded: int,
    recovered_by: int | None,
) -> None:
    await store_runs(database_url, rows)
    by_number = {row["root_span_id"]: row["execution_id"] for row in rows}
    answer = await ask(api, by_number[f"{asked:016x}"])
    assert answer["later_runs"] == {"n": n, "succeeded": succeeded}
    assert (answer["n"], answer["retry_success_rate"]) == (n, succeeded / n)
    assert answer["recovered_by"] == (by_number[f"{recovered_by:016x}"] if recovered_by else None)
    assert (answer["failing_step"], answer["evidence"]["n"]) == (None, n)


async def test_later_attempts_in_the_same_run_count(api: httpx.AsyncClient, database_url: str) -> None:
    """In run 2 the third call goes well, in run 3 none does; another failure of the step is another matter."""
    steps = failing_trace()
    endings = {2: [FAILED, FAILED, {}], 3: [FAILED, FAILED], 4: [{**FAILED, "error_message": "no route"}, {}]}
    for number, calls in endings.items():
        trace_id = number.to_bytes(16)
        steps.append(make_agent_step(number * 100, 0, 20, trace_id=trace_id))
        steps += [
            make_step(number * 100 + at, number * 100, at, at + 0.5, trace_id=trace_id, name="lookup", **call)
            for at, call in enumerate(calls, 1)
        ]
    await store_steps(database_url, steps)
    answer = await ask(api, f"{1:032x}")
    assert answer["later_attempts"] == {"n": 2, "succeeded": 1}
    assert (answer["n"], answer["retry_success_rate"]) == (2, 0.5)


async def test_input_that_sets_failures_apart_is_to_be_fixed(api: httpx.AsyncClient, database_url: str) -> None:
    rows = [
        failed_run(number, number, input_data={"country": "FR"})
        if number % 4 == 0
        else make_run(number, start_time=NOON + timedelta(minutes=number), input_data={"country": "DE"})
        for number in range(1, 121)
    ]
    await store_runs(database_url, rows)
    answer = await ask(api, rows[3]["execution_id"])
    assert answer["action"] == "fix_input"
    [trait] = answer["evidence"]["sets_apart"]
    assert (trait["attribute"], trait["value"]) == ("input.country", "FR")


@pytest.mark.parametrize("status", ["success", "running", "pending"])
async def test_runs_that_did_not_fail_need_nothing(api: httpx.AsyncClient, database_url: str, status: str) -> None:
    run = make_run(1, status=status)
    await store_runs(database_url, [run])
    answer = await ask(api, run["execution_id"])
    assert (answer["action"], answer["n"], answer["evidence"]) == (None, 0, None)
    assert answer["reason"]


@pytest.mark.parametrize("status", ["timeout", "cancelled"])
async def test_runs_cut_short_are_answered(api: httpx.AsyncClient, database_url: str, status: str) -> None:
    run = make_run(1, status=status, error_fingerprint=MARK)
    await store_runs(database_url, [run])
    answer = await ask(api, run["execution_id"])
    assert answer["action"] == {"timeout": "raise_timeout", "cancelled": "retry"}[status]


async def test_unknown_execution_is_not_found(api: httpx.AsyncClient, database_url: str) -> None:
    response = await api.get("/api/v1/executions/nothing/recovery")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("error_type", "message", "cause"),
    [
        ("openai.RateLimitError", "Error code: 429", Cause.THROTTLED),
        ("OverloadedError", None, Cause.THROTTLED),
        ("ToolError", "upstream answered 503 Service Unavailable", Cause.UNAVAILABLE),
        ("httpx.ReadTimeout", "The read operation timed out", Cause.TIMEOUT),
        ("_OTHER", "connection reset by peer", Cause.UNAVAILABLE),
        ("ECONNRESET", "socket hang up", Cause.UNAVAILABLE),
        ("PermissionDeniedError", "403", Cause.DENIED),
        ("pydantic.ValidationError", "1 validation error", Cause.INPUT),
        ("KeyError", "'connection_id'", Cause.INPUT),
        ("TypeError", "unsupported operand", Cause.CODE),
        ("RuntimeError", "something happened", Cause.UNKNOWN),
        (None, None, Cause.UNKNOWN),
    ],
)
def test_words_of_an_error_tell_its_cause(error_type: str | None, message: str | None, cause: Cause) -> None:
    assert cause_of(error_type, message) is cause


@pytest.mark.parametrize(
    ("tally", "expected"),
    [(Tally(0, 0), None), (Tally(4, 4), None), (Tally(5, 5), True), (Tally(10, 5), None), (Tally(10, 0), False)],
)
def test_history_decides_only_where_there_is_enough(tally: Tally, expected: bool | None) -> None:
    assert goes_away(tally) is expected


GOOD, BAD = Tally(20, 19), Tally(20, 1)


@pytest.mark.parametrize(
    ("told", "action"),
    [
        ({"error_type": "RateLimitError"}, Action.RETRY_WITH_BACKOFF),
        ({"error_type": "RateLimitError", "tally": BAD}, Action.FIX_CODE),
        ({"error_type": "ConnectionError", "has_checkpoint": True}, Action.RESUME),
        ({"error_type": "ValueError"}, Action.FIX_INPUT),
        ({"error_type": "ValueError", "has_checkpoint": True}, Action.FIX_INPUT),
        ({"error_type": "ValueError", "tally": GOOD}, Action.RETRY),
        ({"error_type": "TypeError"}, Action.FIX_CODE),
        ({"error_type": "AuthenticationError"}, Action.FIX_CODE),
        ({"error_type": "RuntimeError"}, Action.RETRY),
        ({"error_type": "RuntimeError", "tally": BAD}, Action.FIX_CODE),
        ({"status": Status.TIMEOUT}, Action.RAISE_TIMEOUT),
        ({"error_type": "TimeoutError", "failed_after_ms": 30_000.0, "usual_p95_ms": 25_000.0}, Action.RAISE_TIMEOUT),
        ({"error_type": "TimeoutError", "failed_after_ms": 30_000.0, "usual_p95_ms": 900.0}, Action.RETRY_WITH_BACKOFF),
        ({"error_type": "TimeoutError", "tally": GOOD}, Action.RETRY_WITH_BACKOFF),
        ({"status": Status.CANCELLED}, Action.RETRY),
        ({"status": Status.CANCELLED, "has_checkpoint": True}, Action.RESUME),
        ({"error_type": "ConnectionError", "contrasts": [{"attribute": "input.a"}]}, Action.FIX_INPUT),
    ],
)
def test_advice_follows_history_and_then_words(told: dict[str, Any], action: Action) -> None:
    known = {"status": Status.FAILED, "error_type": None, "message": None, "tally": Tally(), "has_checkpoint": False}
    advice = advise(Failure(**{**known, "failed_after_ms": None, "usual_p95_ms": None, **told}))
    assert advice.action is action
    assert advice.reason
