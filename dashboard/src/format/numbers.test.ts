import { expect, test } from "vitest";

import { change, cost, count, duration, memory, percent } from "./numbers";

test.each([
  [null, "–"],
  [0.0123, "12 µs"],
  [3.25, "3.3 ms"],
  [340.4, "340 ms"],
  [999.7, "1.00 s"],
  [1250, "1.25 s"],
  [59_960, "1 min"],
  [200_000, "3 min 20 s"],
  [7_500_000, "2 h 5 min"],
  [273_600_000, "3 d 4 h"],
])("duration(%s) is %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test.each([
  [1, "100 %"],
  [0.9999, "> 99.9 %"],
  [0.0001, "< 0.1 %"],
  [0, "0 %"],
  [0.956, "95.6 %"],
])("percent(%s) is %s", (fraction, text) => {
  expect(percent(fraction)).toBe(text);
});

test("other figures", () => {
  expect([cost(0.00123), cost(12.345), cost(0), cost(null)]).toEqual(["$0.0012", "$12.35", "$0", "–"]);
  expect([change(0.123), change(-0.0341), change(0), change(null)]).toEqual(["+12 %", "−3.4 %", "±0 %", "–"]);
  expect([count(12_345), memory(5.25), memory(2048)]).toEqual(["12,345", "5.3 MB", "2.05 GB"]);
});
