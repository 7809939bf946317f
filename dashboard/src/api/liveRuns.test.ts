import { expect, test } from "vitest";

import { type LiveEvent, withEvents } from "./liveRuns";

const RUN = { execution_id: "r1", trace_id: "t1", agent_id: "planner", status: "running", start_time: "2026-01-01T00:00:00Z" };
const STEP = { span_id: "s1", step_name: "search", start_time: "2026-01-01T00:00:01Z" };

function event(name: string, data: object): LiveEvent {
  return { name, data: JSON.stringify(data) };
}

test("a run appears, is at its step, goes on and goes", () => {
  const started = withEvents([], [event("execution.started", { ...RUN, steps_total: 1 })]);
  expect(started.map(({ execution_id, steps_total }) => [execution_id, steps_total])).toEqual([["r1", 1]]);
  const at = withEvents(started, [event("step.started", { execution_id: "r1", step: STEP })]);
  expect(at[0]?.current_step?.step_name).toBe("search");
  const earlier = withEvents(at, [event("step.started", { execution_id: "r1", step: { ...STEP, span_id: "s0", start_time: RUN.start_time } })]);
  expect(earlier[0]).toBe(at[0]);
  const between = withEvents(at, [
    event("step.completed", { execution_id: "r1", step: STEP }),
    event("execution.updated", { ...RUN, steps_completed: 1, cost_usd: 0.5 }),
  ]);
  expect([between[0]?.current_step, between[0]?.steps_completed, between[0]?.cost_usd]).toEqual([null, 1, 0.5]);
  expect(withEvents(between, [event("execution.completed", { ...RUN, status: "success" })])).toEqual([]);
});

test("runs that no event is about stay as they are, the newest first", () => {
  const runs = withEvents([], [event("execution.started", RUN), event("execution.started", { ...RUN, execution_id: "r2", start_time: STEP.start_time })]);
  const after = withEvents(runs, [event("step.started", { execution_id: "r1", step: STEP }), event("step.started", { execution_id: "r9", step: STEP })]);
  expect(after.map(({ execution_id }) => execution_id)).toEqual(["r2", "r1"]);
  expect(after[0]).toBe(runs[0]);
});

test("a run that is known to have ended does not come back", () => {
  expect(withEvents([], [event("execution.updated", { ...RUN, status: "failed" }), event("heartbeat", { time: "now" })])).toEqual([]);
});
