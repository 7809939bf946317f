/** Where the bars of a run's steps lie. */
import type { Schemas } from "../api/client";

export type Node = Schemas["Node"];

export interface Span {
  startMs: number;
  stopMs: number;
}

/** The time from the first start to the last end; steps that run on reach to now. */
export function extent(nodes: readonly Node[], nowMs: number): Span {
  let [startMs, stopMs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const node of nodes) {
    startMs = Math.min(startMs, Date.parse(node.start_time));
    stopMs = Math.max(stopMs, endMs(node, nowMs));
  }
  return { startMs, stopMs: Math.max(stopMs, startMs + 0.001) };
}

/** Left edge and width of a step's bar, as fractions of the whole. */
export function bar(node: Node, whole: Span, nowMs: number): { left: number; width: number } {
  const lengthMs = whole.stopMs - whole.startMs;
  const startMs = Date.parse(node.start_time);
  return { left: (startMs - whole.startMs) / lengthMs, width: Math.max((endMs(node, nowMs) - startMs) / lengthMs, 0) };
}

/** The step to look at first: the deepest that failed, else the one that took longest by itself. */
export function firstShown(nodes: readonly Node[]): number {
  const failed = nodes.filter((node) => node.status === "failed" || node.status === "timeout");
  const deepest = failed.reduce<Node | undefined>((best, node) => (best === undefined || node.depth >= best.depth ? node : best), undefined);
  if (deepest !== undefined) return deepest.step_index;
  const slowest = nodes.reduce<Node | undefined>(
    (best, node) => ((node.self_duration_ms ?? 0) > (best?.self_duration_ms ?? -1) ? node : best),
    undefined,
  );
  return slowest?.step_index ?? 0;
}

function endMs(node: Node, nowMs: number): number {
  return node.end_time === null ? nowMs : Date.parse(node.start_time) + (node.duration_ms ?? 0);
}
