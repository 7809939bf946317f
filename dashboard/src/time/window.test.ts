import { expect, test } from "vitest";

import { isRange, lengthMs, rangeOf, windowOf } from "./window";

const NOW_MS = Date.UTC(2026, 0, 8, 12, 30, 15);

test.each([
  ["7d", 7 * 86_400_000],
  ["90m", 5_400_000],
  ["0d", null],
  ["7", null],
  ["seven", null],
])("%s is %s milliseconds long", (range, length) => {
  expect(lengthMs(range)).toBe(length);
});

test("a relative range ends with the minute that goes on", () => {
  expect(windowOf("1h", NOW_MS)).toEqual({ from: "2026-01-08T11:31:00.000Z", to: "2026-01-08T12:31:00.000Z" });
});

test("two times make a range and come back as its window", () => {
  const range = rangeOf(NOW_MS - 1000, NOW_MS);
  expect(isRange(range)).toBe(true);
  expect(windowOf(range, 0)).toEqual({ from: "2026-01-08T12:30:14.000Z", to: "2026-01-08T12:30:15.000Z" });
});

test.each(["2026-01-02..2026-01-01", "a..b", "2026-01-01", "1d..2d..3d"])("%s is no range", (text) => {
  expect(isRange(text)).toBe(false);
});
