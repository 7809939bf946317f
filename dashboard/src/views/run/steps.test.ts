import { expect, test } from "vitest";

import { graphOf } from "./graph";
import { type Timeline, firstShown, matching, stepsOf, timeSpent, unfolded } from "./steps";

type Row = readonly [name: string, operation: string, depth: number, startMs: number, durationMs: number | null, status?: string];

function timeline(rows: readonly Row[]): Timeline {
  const texts = [...new Set(rows.flatMap(([name, operation, , , , status = "success"]) => [name, operation, status, "action"]))];
  const at = (text: string) => texts.indexOf(text);
  const nothing = rows.map(() => null);
  return {
    execution_id: "1",
    start_time: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
    total: rows.length,
    texts,
    columns: {
      step_index: rows.map((_, index) => index),
      step_name: rows.map(([name]) => at(name)),
      step_type: rows.map(() => at("action")),
      operation: rows.map(([, operation]) => at(operation)),
      status: rows.map(([, , , , , status = "success"]) => at(status)),
      agent_name: nothing,
      model: nothing,
      error_type: nothing,
      depth: rows.map(([, , depth]) => depth),
      attempt: rows.map(() => 1),
      critical_path: rows.map(() => 0),
      start_ms: rows.map(([, , , startMs]) => startMs),
      duration_ms: rows.map(([, , , , durationMs]) => durationMs),
      self_duration_ms: rows.map(([, , , , durationMs]) => durationMs),
      tokens: nothing,
      cost_usd: nothing,
    },
  };
}

const LOOP: readonly Row[] = [
  ["planner", "invoke_agent", 0, 0, 100],
  ["chat", "chat", 1, 0, 10],
  ["search", "execute_tool", 1, 10, 20],
  ["chat", "chat", 1, 30, 10],
  ["search", "execute_tool", 1, 40, 30, "failed"],
  ["fetch", "http", 2, 45, 5, "failed"],
  ["chat", "chat", 1, 70, 10],
];

test("steps know what holds them and where they end", () => {
  expect(stepsOf(timeline(LOOP)).map(({ parent, end }) => [parent, end])).toEqual([
    [-1, 7],
    [0, 2],
    [0, 3],
    [0, 4],
    [0, 6],
    [4, 6],
    [0, 7],
  ]);
});

test("the failing step is shown first, else what goes on, else the slowest", () => {
  expect(firstShown(stepsOf(timeline(LOOP)), null)?.index).toBe(5);
  expect(firstShown(stepsOf(timeline(LOOP)), "search")?.index).toBe(4);
  expect(firstShown(stepsOf(timeline([["a", "x", 0, 0, null, "running"], ["b", "x", 1, 0, 9]])), null)?.name).toBe("a");
  expect(firstShown(stepsOf(timeline([["a", "x", 0, 0, 4], ["b", "x", 1, 0, 9]])), null)?.name).toBe("b");
  expect(firstShown([], null)).toBeUndefined();
});

test("what is looked for comes with what is around it", () => {
  const steps = stepsOf(timeline(LOOP));
  const { shown, found } = matching(steps, { text: "FETCH", only: "all" });
  expect([shown.map(({ index }) => index), [...found]]).toEqual([[0, 4, 5], [5]]);
  expect(matching(steps, { text: "", only: "wrong" }).shown.map(({ index }) => index)).toEqual([0, 4, 5]);
  expect(unfolded(steps, new Set([4])).map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 6]);
});

test("time is added up by name and by kind", () => {
  const steps = stepsOf(timeline(LOOP)).slice(1);
  expect(timeSpent(steps, "name", 0).map(({ name, selfMs, count, wrong }) => [name, selfMs, count, wrong])).toEqual([
    ["search", 50, 2, 1],
    ["chat", 30, 3, 0],
    ["fetch", 5, 1, 1],
  ]);
  expect(timeSpent(steps, "kind", 0).map(({ name }) => name)).toEqual(["tool", "model", "remote"]);
});

test("steps of a name are one node, and the way back to it is a loop", () => {
  const { nodes, edges, hidden } = graphOf(stepsOf(timeline(LOOP)));
  expect(nodes.map(({ name, count, wrong, row, column }) => [name, count, wrong, row, column])).toEqual([
    ["planner", 1, 0, 0, 0],
    ["chat", 3, 0, 1, 0],
    ["search", 2, 1, 2, 0],
    ["fetch", 1, 1, 3, 0],
  ]);
  expect(edges.map(({ from, to, count, isBack }) => [from, to, count, isBack])).toEqual([
    ["agent planner", "model chat", 1, false],
    ["model chat", "tool search", 2, false],
    ["tool search", "model chat", 2, true],
    ["tool search", "remote fetch", 1, false],
  ]);
  expect(hidden).toBe(0);
});

test("steps side by side come after the same", () => {
  const side = timeline([["a", "x", 0, 0, 9], ["b", "x", 1, 0, 5], ["c", "x", 1, 1, 5], ["d", "x", 1, 6, 1]]);
  const { nodes, edges } = graphOf(stepsOf(side));
  expect(edges.map(({ from, to }) => `${from} ${to}`)).toEqual(["code a code b", "code a code c", "code c code d"]);
  expect(nodes.map(({ row, column }) => [row, column])).toEqual([[0, 0], [1, 0], [1, 1], [2, 1]]);
});
