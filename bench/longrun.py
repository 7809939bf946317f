"""One run of very many steps, stored and folded as receiver and worker do, among the runs of the data set."""

from stepwell_storage import facts, folding
from stepwell_storage.database import connect
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.model import Role, Status, Step, StepType

STEPS = 50_000
TRACE_ID = b"\x50" * 16
EXECUTION_ID = f"{TRACE_ID.hex()}-{1:016x}"
MS = 1_000_000
STORED_AT_ONCE = 5_000


async def ensure_long_run(url: str, start_ns: int, *, steps: int = STEPS, trace_id: bytes = TRACE_ID) -> None:
    """Makes the run unless it is there; it starts at that time and lasts some minutes."""
    async with await connect(url) as connection:
        known = await connection.execute(
            "SELECT FROM analytics.execution_keys WHERE workspace_id = %s AND execution_id = %s",
            (LOCAL_WORKSPACE_ID, f"{trace_id.hex()}-{1:016x}"),
        )
        if known.rowcount:
            return
        made = [make_step(number, start_ns, steps=steps)._replace(trace_id=trace_id) for number in range(1, steps + 1)]
        for start in range(0, steps, STORED_AT_ONCE):
            async with connection.transaction():
                await facts.insert_facts(connection, {LOCAL_WORKSPACE_ID: made[start : start + STORED_AT_ONCE]})
        for batch in folding.batches(await folding.waiting(connection)):
            await folding.fold(connection, batch)


def make_step(number: int, start_ns: int, *, steps: int = STEPS) -> Step:
    """An agent as number 1; below it rounds of ten tool calls each."""
    is_agent, is_round = number == 1, number % 11 == 2
    parent = 1 if is_round else number - (number - 2) % 11
    at_ns = start_ns + number * 5 * MS
    end_ns = start_ns + (steps + 20) * 5 * MS if is_agent else at_ns + (54 if is_round else 4) * MS
    name = "marathon" if is_agent else "round" if is_round else f"tool_{number % 11}"
    return Step(
        trace_id=TRACE_ID,
        span_id=number.to_bytes(8),
        parent_span_id=None if is_agent else parent.to_bytes(8),
        parent_is_remote=False,
        start_ns=start_ns if is_agent else at_ns,
        end_ns=end_ns,
        duration_ms=(end_ns - (start_ns if is_agent else at_ns)) / MS,
        name=name,
        step_name=name,
        step_type=StepType.LOOP if is_round else StepType.ACTION,
        role=Role.AGENT if is_agent else Role.TOOL,
        operation="invoke_agent" if is_agent else "execute_tool",
        status=Status.SUCCESS,
        agent_name="marathon" if is_agent else None,
        has_input=not is_agent,
        has_output=True,
        input_json=None if is_agent else f'{{"number": {number}}}',
        output_json='{"found": "' + "nothing of note " * 20 + '"}',
    )
