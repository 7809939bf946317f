/** A run's steps as rows, from the columns that the API tells, and what the views ask of them. */
import type { Schemas } from "../../api/client";
import { STATUSES, type StatusWord } from "../../ui/Status";

export interface Step {
  /** Place in the list of steps. */
  at: number;
  /** The API's index; other than `at` only where rows are gone. */
  index: number;
  name: string;
  type: string;
  operation: string;
  status: StatusWord;
  agent: string | null;
  model: string | null;
  error: string | null;
  depth: number;
  attempt: number;
  isCritical: boolean;
  /** After the start of the run. */
  startMs: number;
  /** `null` while the step runs. */
  durationMs: number | null;
  selfMs: number | null;
  tokens: number | null;
  costUsd: number | null;
  /** Place of the step above; -1 at the top. */
  parent: number;
  /** Place after the last step below. */
  end: number;
}

export type Timeline = Schemas["Timeline"];

/** The rows, in order; a step's own steps follow it directly. */
export function stepsOf({ texts, columns }: Timeline): Step[] {
  const statuses = texts.map((text) => STATUSES.find((word) => word === text) ?? "pending");
  const text = (place: number | null | undefined) => (place == null ? null : (texts[place] ?? null));
  const steps = columns.step_index.map(
    (index, at): Step => ({
      at,
      index,
      name: text(columns.step_name[at]) ?? "",
      type: text(columns.step_type[at]) ?? "",
      operation: text(columns.operation[at]) ?? "",
      status: statuses[columns.status[at] ?? -1] ?? "pending",
      agent: text(columns.agent_name[at]),
      model: text(columns.model[at]),
      error: text(columns.error_type[at]),
      depth: columns.depth[at] ?? 0,
      attempt: columns.attempt[at] ?? 1,
      isCritical: columns.critical_path[at] === 1,
      startMs: columns.start_ms[at] ?? 0,
      durationMs: columns.duration_ms[at] ?? null,
      selfMs: columns.self_duration_ms[at] ?? null,
      tokens: columns.tokens[at] ?? null,
      costUsd: columns.cost_usd[at] ?? null,
      parent: -1,
      end: columns.step_index.length,
    }),
  );
  nest(steps);
  return steps;
}

/** Finds each step's parent and end by the depths of what is around it. */
function nest(steps: readonly Step[]): void {
  const open: Step[] = [];
  for (const step of steps) {
    for (let last = open.at(-1); last !== undefined && last.depth >= step.depth; last = open.at(-1)) {
      last.end = step.at;
      open.pop();
    }
    step.parent = open.at(-1)?.at ?? -1;
    open.push(step);
  }
}

export function isWrong({ status }: Step): boolean {
  return status === "failed" || status === "timeout" || status === "cancelled";
}

export function isOpen({ status }: { status: StatusWord }): boolean {
  return status === "running" || status === "pending";
}

/** When a step ended, or the time up to which it has run. */
export function stopOf(step: Step, nowMs: number): number {
  return step.durationMs === null ? Math.max(nowMs, step.startMs) : step.startMs + step.durationMs;
}

export interface Extent {
  startMs: number;
  stopMs: number;
}

/** From the first start to the last end. */
export function extentOf(steps: readonly Step[], nowMs: number): Extent {
  let [startMs, stopMs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const step of steps) {
    startMs = Math.min(startMs, step.startMs);
    stopMs = Math.max(stopMs, stopOf(step, nowMs));
  }
  return startMs > stopMs ? { startMs: 0, stopMs: 0.001 } : { startMs, stopMs: Math.max(stopMs, startMs + 0.001) };
}

/**
 * The step to look at first: the one at which the run failed, else the deepest that failed, else what goes on, else the
 * one that took longest by itself.
 */
export function firstShown(steps: readonly Step[], errorStep: string | null): Step | undefined {
  let [named, wrong, running, slowest]: (Step | undefined)[] = [];
  for (const step of steps) {
    if (isWrong(step) && step.name === errorStep && (named === undefined || step.depth >= named.depth)) named = step;
    if (isWrong(step) && (wrong === undefined || step.depth >= wrong.depth)) wrong = step;
    if (isOpen(step) && (running === undefined || step.depth >= running.depth)) running = step;
    if ((step.selfMs ?? 0) > (slowest?.selfMs ?? -1)) slowest = step;
  }
  return named ?? wrong ?? running ?? slowest;
}

export interface Wanted {
  /** Words that a step's name, agent, model, operation or error has to hold. */
  text: string;
  only: "all" | "wrong" | "critical";
}

/** The steps that are wanted, and what is around them; all of them where nothing is asked for. */
export function matching(steps: readonly Step[], { text, only }: Wanted): { shown: Step[]; found: Set<number> } {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = new Set<number>();
  if (words.length === 0 && only === "all") return { shown: [...steps], found };
  const kept = new Set<number>();
  for (const step of steps) {
    if (only === "wrong" ? !isWrong(step) : only === "critical" && !step.isCritical) continue;
    const said = [step.name, step.agent, step.model, step.operation, step.error].join(" ").toLowerCase();
    if (!words.every((word) => said.includes(word))) continue;
    found.add(step.at);
    for (let at = step.at; at >= 0 && !kept.has(at); at = steps[at]?.parent ?? -1) kept.add(at);
  }
  return { shown: steps.filter(({ at }) => kept.has(at)), found };
}

/** Without the steps below those that are folded. */
export function unfolded(shown: readonly Step[], folded: ReadonlySet<number>): Step[] {
  if (folded.size === 0) return [...shown];
  let hiddenUntil = -1;
  return shown.filter((step) => {
    if (step.at < hiddenUntil) return false;
    if (folded.has(step.at)) hiddenUntil = step.end;
    return true;
  });
}

/** What kind of work a step is, in a few words that colours stand for. */
export type Kind = "agent" | "model" | "tool" | "remote" | "decision" | "code";

export function kindOf({ operation, type }: { operation: string; type?: string }): Kind {
  if (operation === "invoke_agent" || operation === "invoke_workflow") return "agent";
  if (["chat", "generate_content", "text_completion"].includes(operation)) return "model";
  if (operation === "execute_tool") return "tool";
  if (["embeddings", "retrieval", "rerank", "http", "database"].includes(operation)) return "remote";
  if (type === "decision" || operation === "handoff" || operation === "guardrail") return "decision";
  return "code";
}

export interface Spent {
  name: string;
  kind: Kind;
  selfMs: number;
  count: number;
  wrong: number;
  tokens: number;
  costUsd: number | null;
}

/** Where the time went: the time of their own of all steps of a name or kind together, the most first. */
export function timeSpent(steps: readonly Step[], by: "name" | "kind", nowMs: number): Spent[] {
  const found = new Map<string, Spent>();
  for (const step of steps) {
    const kind = kindOf(step);
    const name = by === "kind" ? kind : step.name;
    const key = by === "kind" ? kind : `${kind} ${step.name}`;
    let spent = found.get(key);
    if (spent === undefined) {
      spent = { name, kind, selfMs: 0, count: 0, wrong: 0, tokens: 0, costUsd: null };
      found.set(key, spent);
    }
    spent.selfMs += step.selfMs ?? (step.end === step.at + 1 ? stopOf(step, nowMs) - step.startMs : 0);
    spent.count += 1;
    spent.wrong += isWrong(step) ? 1 : 0;
    spent.tokens += step.tokens ?? 0;
    if (step.costUsd !== null) spent.costUsd = (spent.costUsd ?? 0) + step.costUsd;
  }
  return [...found.values()].sort((one, other) => other.selfMs - one.selfMs);
}
