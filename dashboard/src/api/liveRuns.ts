/** What an event changes in the list of the runs that go on, so that it is seen without asking the API again. Pure. */
import { STATUSES } from "../ui/Status";
import type { Schemas } from "./client";

export type LiveRun = Schemas["LiveExecution"];
type Step = NonNullable<LiveRun["current_step"]>;
type Fields = ReadonlyMap<string, unknown>;

export interface LiveEvent {
  name: string;
  /** The event's data as it came: JSON. */
  data: string;
}

/** The list after the events; runs that they do not touch stay the same objects. */
export function withEvents(runs: readonly LiveRun[], events: readonly LiveEvent[]): LiveRun[] {
  const byId = new Map(runs.map((run) => [run.execution_id, run]));
  for (const { name, data } of events) {
    const told = fieldsOf(parsed(data));
    const id = textOf(told, "execution_id");
    if (id === null) continue;
    const changed = after(byId.get(id), name, told, runs);
    if (changed === null) byId.delete(id);
    else if (changed !== undefined) byId.set(id, changed);
  }
  return [...byId.values()].sort((one, other) => (one.start_time < other.start_time ? 1 : one.start_time > other.start_time ? -1 : 0));
}

/** The run after an event: `null` where it has ended, `undefined` where it is not known well enough to be shown. */
function after(run: LiveRun | undefined, name: string, told: Fields, others: readonly LiveRun[]): LiveRun | null | undefined {
  if (name === "execution.completed") return null;
  if (name === "step.started" || name === "step.completed") return run === undefined ? undefined : atStep(run, name, told);
  const known = run ?? started(told, others);
  const status = STATUSES.find((word) => word === told.get("status"));
  if (known === undefined || (status !== undefined && status !== "running" && status !== "pending")) return null;
  return {
    ...known,
    ...(status === undefined ? {} : { status }),
    last_activity_at: textOf(told, "last_activity_at") ?? known.last_activity_at,
    steps_total: numberOf(told, "steps_total") ?? known.steps_total,
    steps_completed: numberOf(told, "steps_completed") ?? known.steps_completed,
    prompt_tokens: numberOf(told, "prompt_tokens") ?? known.prompt_tokens,
    completion_tokens: numberOf(told, "completion_tokens") ?? known.completion_tokens,
    cost_usd: numberOf(told, "cost_usd") ?? known.cost_usd,
  };
}

/** A run that was not listed yet; how long such runs take is what the agent's others are told to. */
function started(told: Fields, others: readonly LiveRun[]): LiveRun | undefined {
  const [id, trace, agent, start] = ["execution_id", "trace_id", "agent_id", "start_time"].map((name) => textOf(told, name));
  if (id == null || trace == null || agent == null || start == null) return undefined;
  const alike = others.find((run) => run.agent_id === agent);
  return {
    execution_id: id,
    trace_id: trace,
    agent_id: agent,
    agent_name: textOf(told, "agent_name"),
    status: "running",
    environment: textOf(told, "environment"),
    version: textOf(told, "version"),
    user_id: null,
    session_id: null,
    start_time: start,
    last_activity_at: start,
    steps_total: 0,
    steps_completed: 0,
    prompt_tokens: null,
    completion_tokens: null,
    cost_usd: null,
    elapsed_ms: 0,
    expected_duration_ms: alike?.expected_duration_ms ?? null,
    expected_p95_duration_ms: alike?.expected_p95_duration_ms ?? null,
    expected_steps: alike?.expected_steps ?? null,
    progress: null,
    is_likely_stuck: false,
    current_step: null,
  };
}

function atStep(run: LiveRun, name: string, told: Fields): LiveRun {
  const step = stepOf(fieldsOf(told.get("step")));
  if (step === null) return run;
  const current = run.current_step;
  if (name === "step.completed") return current?.span_id === step.span_id ? { ...run, current_step: null } : run;
  // The run's own top step holds the others; they say more.
  if (current !== null && current.start_time > step.start_time) return run;
  return { ...run, current_step: step };
}

function stepOf(told: Fields): Step | null {
  const [span, name, start] = ["span_id", "step_name", "start_time"].map((key) => textOf(told, key));
  if (span == null || name == null || start == null) return null;
  return {
    span_id: span,
    step_name: name,
    step_type: textOf(told, "step_type") ?? "",
    operation: textOf(told, "operation") ?? "",
    start_time: start,
    elapsed_ms: 0,
  };
}

function parsed(data: string): unknown {
  const value: unknown = JSON.parse(data);
  return value;
}

function fieldsOf(value: unknown): Fields {
  return new Map<string, unknown>(typeof value === "object" && value !== null ? Object.entries(value) : []);
}

function textOf(fields: Fields, name: string): string | null {
  const value = fields.get(name);
  return typeof value === "string" ? value : null;
}

function numberOf(fields: Fields, name: string): number | null {
  const value = fields.get(name);
  return typeof value === "number" ? value : null;
}
