import { expect, test } from "vitest";

import { everyHour, spread } from "./figures";

const FIRST = "2026-01-01T05:00:00Z";
const LAST = "2026-01-01T08:00:00Z";
const START_MS = Date.parse("2026-01-01T04:00:00Z");

test("hours without runs are there, and one on either side", () => {
  const timesMs = everyHour([FIRST, LAST]);
  expect(timesMs).toEqual([0, 1, 2, 3, 4, 5].map((hour) => START_MS + hour * 3_600_000));
  const rows = [
    { hour: FIRST, runs: 3 },
    { hour: LAST, runs: 4 },
  ];
  expect(spread(timesMs, rows, (row) => row.runs, 0)).toEqual([0, 3, 0, 0, 4, 0]);
});

test("without runs there are no hours", () => {
  expect(everyHour([])).toEqual([]);
});
