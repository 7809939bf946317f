import { expect, test } from "vitest";

import { weekOf } from "./week";

function hour(time: Date, count: number, successRate: number, durationMs: number | null) {
  return { hour: time.toISOString(), execution_count: count, success_rate: successRate, avg_duration: durationMs, p95_duration: null };
}

test("hours of two weeks fall on one cell, by local clocks", () => {
  const [first, second] = [new Date(2026, 2, 9, 14), new Date(2026, 2, 16, 14)]; // Mondays
  const hours = [hour(first, 10, 90, 100), hour(second, 30, 100, null)];
  const week = weekOf(hours, new Date(2026, 2, 9).getTime(), new Date(2026, 2, 23).getTime());
  expect(week[0]?.[14]).toEqual({ runs: 40, runsPerHour: 20, successRate: 39 / 40, durationMs: 100 });
  expect(week[6]?.[23]).toEqual({ runs: 0, runsPerHour: 0, successRate: null, durationMs: null });
});

test("hours that are not in the window are unknown, not empty", () => {
  const week = weekOf([], new Date(2026, 2, 9, 8).getTime(), new Date(2026, 2, 9, 10).getTime());
  expect(week[0]?.map((cell) => cell.runsPerHour).slice(7, 11)).toEqual([null, 0, 0, null]);
});
