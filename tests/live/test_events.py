"""What happened to a run between two looks: pure functions, and the queues between them and a watcher."""

from datetime import UTC, datetime
from typing import Any

from stepwell_api.live.events import REMEMBERED, STEPS_A_LOOK, Event, EventType, Memory, events_of
from stepwell_api.live.hub import QUEUED, RESYNC, Subscription, _Workspace

NOW = datetime(2026, 3, 10, tzinfo=UTC)
ROOT, TOOL = bytes(7) + b"\1", bytes(7) + b"\2"


def run(status: str = "running", **columns: Any) -> dict[str, Any]:
    """A row of ``read_changed``."""
    return {
        "execution_id": "run", "trace_id": "ab", "agent_id": "planner", "agent_name": "planner", "status": status,
        "environment": None, "version": None, "start_time": NOW, "end_time": None, "duration_ms": None,
        "last_activity_at": NOW, "steps_total": 1, "steps_completed": 0, "prompt_tokens": None,
        "completion_tokens": None, "cost_usd": None, "error_type": None, "error_message": None,
        "step_span_ids": [ROOT, TOOL], **columns,
    }  # fmt: skip


def step(span_id: bytes, *, is_live: bool) -> dict[str, Any]:
    """A row of ``read_new_steps``."""
    return {
        "span_id": span_id, "step_name": "search", "step_type": "action", "operation": "execute_tool",
        "status": "running" if is_live else "success", "start_time": NOW, "end_time": NOW, "duration_ms": 5.0,
        "error_type": None, "is_live": is_live,
    }  # fmt: skip


def types(events: Any) -> list[str]:
    return [event.type.value for event in events]


def test_run_is_told_from_its_start_to_its_end() -> None:
    memory = Memory()
    first = types(events_of(memory, run(), [step(ROOT, is_live=True)]))
    second = types(events_of(memory, run(steps_total=2), [step(ROOT, is_live=True), step(TOOL, is_live=True)]))
    last = types(events_of(memory, run("success"), [step(TOOL, is_live=False), step(ROOT, is_live=False)]))
    assert first == ["execution.started", "step.started"]
    assert second == ["step.started", "execution.updated"]
    assert last == ["step.completed", "step.completed", "execution.completed"]


def test_run_that_comes_whole_started_and_completed() -> None:
    told = types(events_of(Memory(), run("failed"), [step(ROOT, is_live=False)]))
    assert told == ["execution.started", "step.completed", "execution.completed"]


def test_nothing_is_told_twice() -> None:
    memory = Memory()
    steps = [step(ROOT, is_live=True), step(ROOT, is_live=False)]
    list(events_of(memory, run("success"), steps))
    assert types(events_of(memory, run("success"), steps)) == []


def test_live_twin_of_an_ended_step_is_not_told() -> None:
    memory = Memory()
    list(events_of(memory, run(), [step(TOOL, is_live=False)]))
    assert types(events_of(memory, run(), [step(TOOL, is_live=True)])) == []


def test_run_that_goes_on_after_its_timeout_is_told() -> None:
    memory = Memory()
    list(events_of(memory, run("timeout"), []))
    assert types(events_of(memory, run("running"), [])) == ["execution.updated"]
    assert types(events_of(memory, run("success"), [])) == ["execution.completed"]


def test_steps_of_another_run_of_the_trace_are_left_to_it() -> None:
    assert types(events_of(Memory(), run(step_span_ids=[ROOT]), [step(TOOL, is_live=True)])) == ["execution.started"]


def test_very_many_steps_are_told_by_their_run_alone() -> None:
    spans = [number.to_bytes(8) for number in range(STEPS_A_LOOK + 1)]
    told = types(events_of(Memory(), run(step_span_ids=spans), [step(span, is_live=True) for span in spans]))
    assert told == ["execution.started"]


def test_memory_is_bounded() -> None:
    memory = Memory()
    for number in range(REMEMBERED + 10):
        memory.changed(str(number), {})
        memory.is_new("run", number.to_bytes(8), has_ended=True)
    assert len(memory.runs) == len(memory.steps) == REMEMBERED


def event(number: int = 0, *, agent_id: str = "planner", status: str = "running") -> Event:
    return Event(EventType.EXECUTION_UPDATED, agent_id, status, {"number": number})


def subscription(**filters: Any) -> Subscription:
    return Subscription(frozenset(filters.get("agent_ids", ())), frozenset(filters.get("statuses", ())))


def test_filters_hold_back_what_was_not_asked_for() -> None:
    watching = subscription(agent_ids=["planner"], statuses=["failed"])
    for told in (event(agent_id="other", status="failed"), event(), event(status="failed")):
        watching.put("1", told)
    assert watching.queue.qsize() == 1


def test_slow_watcher_begins_anew_instead_of_piling_up() -> None:
    watching = subscription()
    for number in range(QUEUED + 1):
        watching.put(str(number), event(number))
    assert watching.queue.get_nowait() is RESYNC
    assert watching.queue.empty()


def test_whoever_comes_back_gets_what_came_since() -> None:
    workspace = _Workspace(NOW, Memory())
    workspace.tell("e", [event(number) for number in range(5)])
    watching = subscription()
    workspace.replay(watching, "e", "e-3")
    assert [watching.queue.get_nowait() for _ in range(2)] == [("e-4", event(3)), ("e-5", event(4))]
    assert watching.queue.empty()


def test_whoever_was_away_for_too_long_begins_anew() -> None:
    workspace = _Workspace(NOW, Memory())
    workspace.tell("e", [event(number) for number in range(QUEUED + 5)])
    for seen in ("e-2", "other-5", "e-9999", "e-", "e-x", "nonsense", "e-" + "9" * 90):
        watching = subscription()
        workspace.replay(watching, "e", seen)
        assert watching.queue.get_nowait() is RESYNC, seen
