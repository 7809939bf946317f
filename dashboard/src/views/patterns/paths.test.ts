import { expect, test } from "vitest";

import { type ExecutionPath, stepsOf, treeOf } from "./paths";

function path(text: string, frequency: number, successRate = 1): ExecutionPath {
  return {
    execution_path: text, frequency, share: 0.5, success_rate: successRate,
    avg_duration: 100, p95_duration: 200, avg_credits: null, avg_cost_usd: null,
  }; // prettier-ignore
}

test.each([
  ["chat > search×2 > chat", ["chat", "search", "↻ ×2", "chat"]],
  ["(chat > search)×3 > answer", ["chat", "search", "↻ ×3, the last 2", "answer"]],
  ["(beta) > answer", ["(beta)", "answer"]],
  ["(never closed > answer", ["never closed", "answer"]],
  ["2×3 > …", ["2", "↻ ×3", "…"]],
])("%s has its steps", (text, steps) => {
  expect(stepsOf(text)).toEqual(steps);
});

test("what paths have in common is one stretch, and runs that stop there are a way on", () => {
  const [root, ...others] = treeOf([path("chat > rank > chat", 18), path("chat > rank", 3, 0), path("chat > rank×2 > chat", 4)]);
  expect(others).toEqual([]);
  expect(root).toMatchObject({ steps: ["chat", "rank"], runs: 25, successes: 22, durationMs: 100, costUsd: null, path: null });
  expect(root?.next.map(({ steps, runs }) => [steps, runs])).toEqual([
    [["chat"], 18],
    [["↻ ×2", "chat"], 4],
    [[], 3],
  ]);
});

test("every run is in the tree once", () => {
  const paths = [path("a > b", 1), path("a > c", 2), path("a", 4), path("d", 8)];
  expect(treeOf(paths).reduce((runs, stretch) => runs + stretch.runs, 0)).toBe(15);
});
